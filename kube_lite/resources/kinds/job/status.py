"""Rules of a Job's status, which other controllers than the server's own may write (``managedBy``).

Upstream looks at what changed only, so that a status which was wrong before can still be mended. It also has an ended
Job wait until pods that are being deleted are gone; here their nodes see to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_lite.clock import parse_timestamp
from kube_lite.resources.field import Errors, duplicate, index, invalid, invalid_alone, required
from kube_lite.resources.kinds.job import indexes
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import nonnegative

_CONDITIONS = "status.conditions"


def _true(state: Obj, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in state.get("conditions") or ())


def _finished(state: Obj) -> bool:
    return _true(state, "Complete") or _true(state, "Failed")


def _uncounted(state: Obj) -> list[str]:
    listed = state.get("uncountedTerminatedPods") or {}
    return [uid for name in ("succeeded", "failed") for uid in listed.get(name) or ()]


def validate_status(new: Obj, old: Obj) -> Errors:
    """All that upstream asks of a status that replaces another."""
    state, was = new.get("status") or {}, old.get("status") or {}
    found: Errors = []
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    found.extend(_uids(state))

    def changed(*parts: str | Callable[[Obj], Any]) -> bool:
        return any(p(state) != p(was) if callable(p) else state.get(p) != was.get(p) for p in parts)

    found.extend(_ends(state, changed))
    found.extend(_end(new.get("spec") or {}, state, changed))
    found.extend(_indexes(new.get("spec") or {}, state, changed))
    found.extend(_rest(state, changed))
    return found + _transitions(new.get("spec") or {}, state, was)


Changed = Callable[..., bool]
"""Whether a field, or what a function says of the status, is another than before."""


def _uids(state: Obj) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        for i, uid in enumerate((state.get("uncountedTerminatedPods") or {}).get(name) or ()):
            at = index(f"status.uncountedTerminatedPods.{name}", i)
            if not uid:
                found.append(invalid(at, uid, "must not be empty"))
            elif uid in seen:
                found.append(duplicate(at, uid))
            seen.add(uid)
    return found


def _complete(state: Obj) -> bool:
    return _true(state, "Complete")


def _failed(state: Obj) -> bool:
    return _true(state, "Failed")


def _to_fail(state: Obj) -> bool:
    return _true(state, "FailureTarget")


def _met(state: Obj) -> bool:
    return _true(state, "SuccessCriteriaMet")


def _ends(state: Obj, changed: Changed) -> Errors:
    """Conditions and times that say how the Job ended."""
    found: Errors = []
    complete, ended, at = _complete(state), state.get("completionTime"), "status.completionTime"
    if complete and _failed(state) and changed(_complete, _failed):
        found.append(invalid_alone(_CONDITIONS, "cannot set Complete=True and Failed=true conditions"))
    if complete and _to_fail(state) and changed(_complete, _to_fail):
        found.append(invalid_alone(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions"))
    if changed(_complete, "completionTime"):
        if ended and not complete:
            detail = "cannot set completionTime when there is no Complete=True condition"
            found.append(invalid(at, ended, detail))
        if complete and not ended:
            found.append(required(at, "completionTime is required for Complete jobs"))
    started = state.get("startTime")
    timed = started and ended and changed("startTime", "completionTime")
    if timed and parse_timestamp(str(ended)) < parse_timestamp(str(started)):
        found.append(invalid(at, ended, "completionTime cannot be set before startTime"))
    return found


def _end(spec: Obj, state: Obj, changed: Changed) -> Errors:
    """What an ended Job has been before, and no longer has."""
    found: Errors = []
    if _failed(state) and not _to_fail(state) and changed(_failed, _to_fail):
        detail = "cannot set Failed=True condition without the FailureTarget=true condition"
        found.append(invalid_alone(_CONDITIONS, detail))
    if _complete(state) and not _met(state) and changed(_complete, _met):
        detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        found.append(invalid_alone(_CONDITIONS, detail))
    if not _finished(state):
        return found
    if state.get("active", 0) > 0 and changed(_finished, "active"):
        found.append(invalid("status.active", state["active"], "active>0 is invalid for finished job"))
    # A suspended Job has no start, and with nothing to do it is complete all the same.
    if not state.get("startTime") and not spec.get("suspend") and changed(_finished, "startTime"):
        found.append(required("status.startTime", "startTime is required for finished job"))
    if _uncounted(state) and changed(_finished, _uncounted):
        at, detail = "status.uncountedTerminatedPods", "uncountedTerminatedPods needs to be empty for finished job"
        found.append(invalid(at, state["uncountedTerminatedPods"], detail))
    return found


def _indexes(spec: Obj, state: Obj, changed: Changed) -> Errors:
    done, lost, completions = state.get("completedIndexes", ""), state.get("failedIndexes"), spec.get("completions")
    by_index = spec.get("backoffLimitPerIndex") is not None
    of_done: list[str] = []
    of_lost: list[str] = []
    if changed("completedIndexes"):
        wrong = "" if completions is None else indexes.problem(done, completions)
        of_done += [f"error parsing completedIndexes: {wrong}"] if wrong else []
        if done and spec.get("completionMode") != "Indexed":
            of_done.append("cannot set non-empty completedIndexes when non-indexed completion mode")
    if changed("failedIndexes") and lost is not None:
        wrong = indexes.problem(lost, completions) if by_index and completions is not None else ""
        of_lost += [f"error parsing failedIndexes: {wrong}"] if wrong else []
        if not by_index:
            of_lost.append("cannot set non-null failedIndexes when backoffLimitPerIndex is null")
    if changed("failedIndexes", "completedIndexes") and completions is not None and lost is not None:
        both = indexes.shared(done, lost, completions)
        of_lost += [] if both is None else [f"failedIndexes and completedIndexes overlap at index: {both}"]
    return [invalid("status.completedIndexes", done, detail) for detail in of_done] + [
        invalid("status.failedIndexes", lost, detail) for detail in of_lost
    ]


def _rest(state: Obj, changed: Changed) -> Errors:
    found: Errors = []
    ready = state.get("ready", 0)
    if ready > state.get("active", 0) and changed("ready", "active"):
        found.append(invalid("status.ready", ready, "cannot set more ready pods than active"))
    for other, name in ((_failed, "Failed"), (_to_fail, "FailureTarget")):
        if _met(state) and other(state):
            detail = f"cannot set SuccessCriteriaMet=True and {name}=true conditions"
            found.append(invalid_alone(_CONDITIONS, detail))
    return found


def _transitions(spec: Obj, state: Obj, was: Obj) -> Errors:
    """What has been reached stays."""
    found: Errors = []
    for kind in ("Failed", "Complete", "FailureTarget"):
        if _true(was, kind) and not _true(state, kind):
            found.append(invalid_alone(_CONDITIONS, f"cannot disable the terminal {kind}=True condition"))
    if (failed := state.get("failed", 0)) < was.get("failed", 0):
        found.append(invalid("status.failed", failed, "cannot decrease the failed counter"))
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if (succeeded := state.get("succeeded", 0)) < was.get("succeeded", 0) and not elastic:
        found.append(invalid("status.succeeded", succeeded, "cannot decrease the succeeded counter"))
    ended, before = state.get("completionTime"), was.get("completionTime")
    if ended and before and ended != before:
        found.append(invalid("status.completionTime", ended, "completionTime cannot be mutated"))
    restarted = spec.get("suspend") or (_true(was, "Suspended") and not _true(state, "Suspended"))
    if was.get("startTime") and state.get("startTime") != was["startTime"] and not restarted:
        detail = "field is immutable for unsuspended job once set"
        found.append(invalid("status.startTime", state.get("startTime"), detail))
    if _met(was) and not _met(state):
        found.append(invalid_alone(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition"))
    if _complete(was) and not _met(was) and _met(state):
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        found.append(invalid_alone(_CONDITIONS, detail))
    return found
