"""What a rule of the Pod Security Standards is, and how its checks look at a pod and tell of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kube_lite.resources.meta import Obj, dig


class Violation(NamedTuple):
    """What a pod does that a level forbids."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Obj, Obj], Violation | None]
"""``(metadata, spec)``."""


def containers(spec: Obj) -> Iterator[Obj]:
    """All containers of a pod."""
    for part in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(part) or ()


def quoted(values: Iterable[Any]) -> str:
    """``"a", "b"``."""
    return ", ".join(f'"{value}"' for value in values)


def named(noun: str, names: Sequence[str]) -> str:
    """``container "a"`` or ``containers "a", "b"``."""
    return f"{noun}{'s' if len(names) > 1 else ''} {quoted(names)}"


def context_of(holder: Obj) -> Obj:
    """The security context of a pod or container."""
    return holder.get("securityContext") or {}


def where(spec: Obj, bad: Callable[[Obj], bool]) -> list[str]:
    """Names of the containers that do something bad."""
    return [c.get("name", "") for c in containers(spec) if bad(c)]


def users(
    noun: str,
    items: Iterable[Obj],
    thing: str,
    used: Callable[[Obj], set[str]],
    told: Callable[[Iterable[str]], str] = quoted,
) -> str:
    """Who of the items uses something, and all that they use: ``container "a" uses hostPort 80``; empty for nobody."""
    names: list[str] = []
    all_used: set[str] = set()
    for item in items:
        if own := used(item):
            names.append(item.get("name", ""))
            all_used |= own
    if not names:
        return ""
    verb, plural = "use" if len(names) > 1 else "uses", "s" if len(all_used) > 1 else ""
    return f"{named(noun, names)} {verb} {thing}{plural} {told(sorted(all_used))}"


def who_sets(spec: Obj, bad: Callable[[Obj], bool]) -> str:
    """Who sets something bad: ``pod and container "a"``; '' for nobody."""
    parts = ["pod"] if bad(context_of(spec)) else []
    if names := where(spec, lambda c: bad(context_of(c))):
        parts.append(named("container", names))
    return " and ".join(parts)


def not_on_windows(check: Check, meta: Obj, spec: Obj) -> Violation | None:
    """A check that pods of Windows pass."""
    return None if dig(spec, "os", "name") == "windows" else check(meta, spec)


def not_in_user_namespaces(check: Check, meta: Obj, spec: Obj) -> Violation | None:
    """Root of a user namespace is nobody outside, and its unmasked /proc shows nothing of the host."""
    return None if spec.get("hostUsers") is False else check(meta, spec)


class Rule(NamedTuple):
    """A check, and how it changed: ``since`` holds minor versions, oldest first."""

    since: tuple[tuple[int, Check], ...]
    replaces: str = ""
    """The baseline rule that it is stricter than."""


def at(rule: Rule, minor: int) -> Check | None:
    """The form that a rule has in a minor version; None before it was made."""
    return next((check for since, check in reversed(rule.since) if since <= minor), None)
