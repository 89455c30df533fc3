"""Evictions: deletes of pods that disruption budgets may hold back.

Upstream's ``pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from dataclasses import replace

from kube_lite import clock, errors
from kube_lite.api import codec, deletion, managed, options
from kube_lite.api.http import Request, decode_json, encode_json
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.target import Target
from kube_lite.api.user import User
from kube_lite.api.verbs import CONFLICT_RETRIES, Manner, Verbs
from kube_lite.resources import selectors
from kube_lite.resources.meta import Obj, dig

BUDGETS = "poddisruptionbudgets.policy"
DISRUPTED_LIMIT = 2000
"""Most pods whose evictions the disruption controller has not seen yet."""
RETRY_SECONDS = 10

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_NEGATIVE = "pdb disruptions allowed is negative"
_TOO_MANY = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
_EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


def delete_options(request: Request, eviction: Obj) -> DeleteOptions:
    """How an Eviction deletes; dry run is said in the query, in its delete options, or in both alike.

    :raises Unspecified: they disagree
    """
    asked = options.write_options(request, "CreateOptions")
    wanted = eviction.get("deleteOptions") or {}
    sent = wanted.get("dryRun") or []
    if asked.dry_run and sent not in ([], ["All"]):
        text = f"Non-matching dry-run options in request and content: [All] and [{' '.join(sent)}]"
        raise errors.Unspecified(text)
    return replace(codec.nested_delete_options(request, wanted), dry_run=asked.dry_run or bool(sent))


async def evict(verbs: Verbs, target: Target, user: User, wanted: DeleteOptions) -> None:
    """Delete a pod if it needs no budget, or its budget has something left.

    :raises NotFound: there is none
    :raises Conflict: a precondition does not hold
    :raises TooManyRequests: its budget does not allow it now
    """
    retries = 1 if wanted.resource_version is not None else CONFLICT_RETRIES
    for left in reversed(range(retries)):
        pod = _pod(verbs, target)
        if not _needs_no_budget(pod):
            break
        try:
            await _delete(verbs, target, user, wanted if _has_ended(pod) else _pinned(wanted, pod))
        except errors.Conflict:
            if not left:
                raise
        else:
            return
    budget = _budget_of(verbs, pod)
    if budget is None:
        await _delete(verbs, target, user, wanted)
    elif _spares_budget(pod, budget):
        try:
            await _delete(verbs, target, user, replace(wanted, resource_version=pod["metadata"]["resourceVersion"]))
        except errors.Conflict as conflict:
            if wanted.resource_version is not None:
                raise
            raise _being_processed(budget["metadata"]["name"]) from conflict
    else:
        await _consume(verbs, budget, target.name, user, wanted)
        await _delete(verbs, target, user, wanted)


def _pod(verbs: Verbs, target: Target) -> Obj:
    item = verbs.storage.item(target.resource, target.namespace, target.name)
    if item is None:
        raise errors.not_found("pods", "", target.name)
    return verbs.storage.load(target.resource, item.value)


def _has_ended(pod: Obj) -> bool:
    gone = pod["metadata"].get("deletionTimestamp") is not None
    return gone or dig(pod, "status", "phase") in ("Succeeded", "Failed")


def _needs_no_budget(pod: Obj) -> bool:
    """Pods that serve nobody: finished, not yet running, or going already."""
    return _has_ended(pod) or dig(pod, "status", "phase") == "Pending"


def _pinned(wanted: DeleteOptions, pod: Obj) -> DeleteOptions:
    """Only as the pod is now, as it may become one that serves; a revision that the client states stays."""
    if wanted.resource_version is not None:
        return wanted
    return replace(wanted, resource_version=pod["metadata"]["resourceVersion"])


async def _delete(verbs: Verbs, target: Target, user: User, wanted: DeleteOptions) -> None:
    """Say in the pod's status why it goes, then delete it."""
    if wanted.dry_run:
        await deletion.delete(verbs, target, user, wanted)
        return

    async def told(old: Obj) -> Obj:
        deletion.check_preconditions(target, old, wanted)
        status = old.get("status") or {}
        conditions = list(status.get("conditions") or ())
        _set_condition(conditions, {**_EVICTED, "lastProbeTime": None})
        return {**old, "status": {**status, "conditions": conditions}}

    manner = Manner(managed.untouched, trusted=True)
    status = replace(target, subresource=target.resource.subresources["status"])
    written = await verbs.guaranteed_update(status, told, user, WriteOptions(), manner=manner)
    if wanted.resource_version is not None:
        wanted = replace(wanted, resource_version=str(written.revision))
    await deletion.delete(verbs, target, user, wanted)


def _budget_of(verbs: Verbs, pod: Obj) -> Obj | None:
    labels = pod["metadata"].get("labels") or {}
    matching = [
        budget
        for budget in verbs.storage.select(BUDGETS, pod["metadata"]["namespace"])
        if dig(budget, "spec", "selector") is not None
        and selectors.matches(dig(budget, "spec", "selector", default={}), labels)
    ]
    if len(matching) > 1:
        raise errors.Unspecified(_SEVERAL)
    return matching[0] if matching else None


def _spares_budget(pod: Obj, budget: Obj) -> bool:
    """Pods that are not ready are not counted as healthy, so that the budget loses nothing by them."""
    conditions = dig(pod, "status", "conditions") or ()
    if any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions):
        return False
    if dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(status.get("currentHealthy", 0) >= desired > 0)


async def _consume(verbs: Verbs, budget: Obj, pod: str, user: User, wanted: DeleteOptions) -> None:
    resource = verbs.storage.registry.named(BUDGETS)
    assert resource is not None
    meta = budget["metadata"]
    target = Target(resource, meta["namespace"], meta["name"], resource.subresources["status"])

    async def disrupted(old: Obj) -> Obj:
        new: Obj = decode_json(encode_json(old))
        _take_disruption(new, pod)
        return new

    asked = WriteOptions(dry_run=wanted.dry_run, field_manager="kube-apiserver")
    await verbs.guaranteed_update(target, disrupted, user, asked)


def _held_back(cause: str, **details: int) -> errors.TooManyRequests:
    causes = [{"reason": "DisruptionBudget", "message": cause}]
    return errors.TooManyRequests(_VIOLATES, {"causes": causes, **details})


def _being_processed(budget: str) -> errors.TooManyRequests:
    cause = f"The disruption budget {budget} is still being processed by the server."
    return _held_back(cause, retryAfterSeconds=RETRY_SECONDS)


def _take_disruption(budget: Obj, pod: str) -> None:
    status, name = budget.setdefault("status", {}), budget["metadata"]["name"]
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _being_processed(name)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise errors.forbidden("poddisruptionbudget", "policy", name, _NEGATIVE)
    if len(status.get("disruptedPods") or ()) > DISRUPTED_LIMIT:
        raise errors.forbidden("poddisruptionbudget", "policy", name, _TOO_MANY)
    if not allowed:
        desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _held_back(f"The disruption budget {name} needs {desired} healthy pods and has {current} currently")
    status["disruptionsAllowed"] = allowed - 1
    status.setdefault("disruptedPods", {})[pod] = clock.timestamp()
    if allowed == 1:
        _set_condition(status.setdefault("conditions", []), _used_up(status.get("observedGeneration", 0)))


def _used_up(generation: int) -> Obj:
    """As the disruption controller says it of a budget with nothing left."""
    told: Obj = {"type": "DisruptionAllowed", "status": "False", "observedGeneration": generation}
    return {**told, "reason": "InsufficientPods", "message": ""}


def _set_condition(conditions: list[Obj], condition: Obj) -> None:
    """In place of the one of its type, since then if it says the same."""
    for i, before in enumerate(conditions):
        if before.get("type") == condition["type"]:
            same = before.get("status") == condition["status"]
            since = before.get("lastTransitionTime") if same else clock.timestamp()
            conditions[i] = {**condition, "lastTransitionTime": since}
            return
    conditions.append({**condition, "lastTransitionTime": clock.timestamp()})
