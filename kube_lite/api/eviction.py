"""Evictions: a delete of a pod that its disruption budget may hold back.

A pod that serves nobody (finished, not yet running, going already) needs no budget. One that is not ready takes
nothing from it either, where the budget says so or is well. What was true of the pod when that was decided is a
precondition of its deletion. A pod is marked with the condition ``DisruptionTarget`` before it goes, which Jobs and
those who watch over workloads read. Who evicts by the old version (``policy/v1beta1``) gets the answers of its time:
no advice when to come again, and no mark on a pod without a controller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from kube_lite import clock, errors
from kube_lite.api import codec, deletion, managed, options
from kube_lite.api.http import Request, Response, decode_json, encode_json
from kube_lite.api.manner import Manner
from kube_lite.api.negotiate import negotiate
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.target import Target
from kube_lite.api.verbs import Verbs
from kube_lite.resources import selectors
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import Resource

SUCCESS: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
MARK: Obj = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
BUDGETS = "poddisruptionbudgets.policy"
MOST_DISRUPTED = 2000
"""Evictions that a budget keeps in mind until they are confirmed (upstream: ``MaxDisruptedPodSize``)."""
RETRIES = 20
"""How often an eviction looks at a pod that keeps changing (upstream: ``EvictionsRetry``)."""
RETRY_AFTER = 10
"""Seconds after which to try again where the budget is not counted yet."""
_OLD = "policy/v1beta1"
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."

Admit = Callable[[Obj, bool], Awaitable[None]]
"""Asks admission about an eviction; the flag says whether it is only tried."""


async def evict(verbs: Verbs, request: Request, resource: Resource, admit: Admit) -> Response:
    """POST to ``pods/x/eviction``.

    :raises TooManyRequests: a budget does not allow it now
    """
    info, form = request.info, negotiate(request.header("accept"))
    value = codec.decode_part(request, await request.body(), codec.EVICTION)
    if dig(value, "metadata", "name") != info.name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    if dig(value, "metadata", "namespace") not in (None, "", info.namespace):
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    dry_run = _dry_run(options.write_options(request, "CreateOptions"), value.get("deleteOptions") or {})
    target = Target(resource, info.namespace, info.name)
    _load(verbs, target)
    await admit(value, dry_run)
    old = value.get("apiVersion") == _OLD
    wanted = replace(codec.nested_delete_options(request, value.get("deleteOptions")), dry_run=dry_run)
    for attempt in range(RETRIES):
        pod = _load(verbs, target)
        try:
            await _evict(verbs, target, request, pod, wanted, old=old)
        except errors.Conflict:
            if wanted.resource_version is not None or attempt == RETRIES - 1:
                raise
        except errors.TooManyRequests as held:
            if old:
                held.details.pop("retryAfterSeconds", None)
            raise
        else:
            break
    return codec.encoded(SUCCESS, form, 201)


def _load(verbs: Verbs, target: Target) -> Obj:
    item = verbs.storage.item(target.resource, target.namespace, target.name)
    if item is None:
        raise errors.not_found("pods", "", target.name)
    return verbs.storage.load(target.resource, item.value)


async def _evict(verbs: Verbs, target: Target, request: Request, pod: Obj, wanted: DeleteOptions, *, old: bool) -> None:
    end = partial(_end, verbs, target, request, mark=not wanted.dry_run and (not old or _has_controller(pod)))
    as_it_is = wanted
    if wanted.resource_version is None:
        as_it_is = replace(wanted, resource_version=pod["metadata"]["resourceVersion"])
    if _serves_nobody(pod):
        pending = dig(pod, "status", "phase") == "Pending" and pod["metadata"].get("deletionTimestamp") is None
        await end(as_it_is if pending else wanted)
        return
    budget = _budget_of(verbs, pod)
    if budget is None or not _spares(budget, pod):
        if budget is not None:
            await _consume(verbs, budget, pod, request, wanted.dry_run)
        await end(wanted)
        return
    try:
        await end(as_it_is)
    except errors.Conflict:
        if wanted.resource_version is not None:
            raise
        raise _uncounted(budget["metadata"]["name"]) from None


def _serves_nobody(pod: Obj) -> bool:
    if pod["metadata"].get("deletionTimestamp") is not None:
        return True
    return dig(pod, "status", "phase") in ("Succeeded", "Failed", "Pending")


def _budget_of(verbs: Verbs, pod: Obj) -> Obj | None:
    """The pod's budget. :raises Unspecified: there are several"""
    labels = pod["metadata"].get("labels") or {}
    matching = [
        budget
        for budget in verbs.storage.select(BUDGETS, pod["metadata"]["namespace"])
        if dig(budget, "spec", "selector") is not None
        and selectors.matches(dig(budget, "spec", "selector", default={}), labels)
    ]
    if len(matching) > 1:
        raise errors.Unspecified(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    return matching[0] if matching else None


def _spares(budget: Obj, pod: Obj) -> bool:
    """Whether the pod may go without counting: it is not ready, and is not what keeps the application well."""
    conditions = dig(pod, "status", "conditions") or ()
    if any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions):
        return False
    if dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


async def _consume(verbs: Verbs, budget: Obj, pod: Obj, request: Request, dry_run: bool) -> None:
    resource = verbs.storage.registry.named(BUDGETS)
    assert resource is not None
    meta = budget["metadata"]
    target = Target(resource, meta["namespace"], meta["name"], resource.subresources["status"])

    async def disrupted(old: Obj) -> Obj:
        new: Obj = decode_json(encode_json(old))
        _take_disruption(new, pod["metadata"]["name"])
        return new

    wanted = WriteOptions(dry_run=dry_run, field_manager="kube-apiserver")
    await verbs.guaranteed_update(target, disrupted, request.user, wanted)


def _uncounted(name: str) -> errors.TooManyRequests:
    return _held(f"The disruption budget {name} is still being processed by the server.", RETRY_AFTER)


def _held(why: str, seconds: int = 0) -> errors.TooManyRequests:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return errors.TooManyRequests(_VIOLATES, {**details, "retryAfterSeconds": seconds} if seconds else details)


def _take_disruption(budget: Obj, pod_name: str) -> None:
    """Count one disruption. :raises TooManyRequests: none is allowed :raises Forbidden: too many are unconfirmed"""
    status = budget.setdefault("status", {})
    name = budget["metadata"]["name"]
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _uncounted(name)
    if status.get("disruptionsAllowed", 0) < 0:
        raise errors.forbidden("poddisruptionbudget", "policy", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden("poddisruptionbudget", "policy", name, why)
    conditions = [c for c in status.get("conditions") or () if c.get("type") == "DisruptionAllowed"]
    if status.get("disruptionsAllowed", 0) <= 0:
        if conditions and (conditions[0].get("status"), conditions[0].get("reason")) == ("False", "SyncFailed"):
            told = conditions[0].get("message", "")
            raise _held(
                f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {told}"
            )
        desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _held(f"The disruption budget {name} needs {desired} healthy pods and has {current} currently")
    status["disruptionsAllowed"] -= 1
    status.setdefault("disruptedPods", {})[pod_name] = clock.timestamp()
    if not status["disruptionsAllowed"] and conditions and conditions[0].get("status") != "False":
        conditions[0] |= {
            "status": "False",
            "reason": "InsufficientPods",
            "lastTransitionTime": clock.timestamp(),
            "observedGeneration": status.get("observedGeneration", 0),
        }


def _dry_run(asked: WriteOptions, wanted: Obj) -> bool:
    """Whether an eviction changes nothing: said in the query, in its delete options, or in both alike.

    :raises Unspecified: they disagree
    """
    sent = wanted.get("dryRun") or []
    if asked.dry_run and sent not in ([], ["All"]):
        text = f"Non-matching dry-run options in request and content: [All] and [{' '.join(sent)}]"
        raise errors.Unspecified(text)
    return asked.dry_run or bool(sent)


async def _end(verbs: Verbs, target: Target, request: Request, wanted: DeleteOptions, *, mark: bool) -> None:
    """Mark the pod, or not, and delete it. :raises Conflict: a precondition does not hold"""
    if mark:

        async def marked(old: Obj) -> Obj:
            deletion.check_preconditions(target, old, wanted)
            return _marked(old)

        written = await verbs.guaranteed_update(
            target, marked, request.user, WriteOptions(), manner=Manner(managed.untouched, trusted=True)
        )
        if wanted.resource_version is not None:
            wanted = replace(wanted, resource_version=str(written.revision))
    await deletion.delete(verbs, target, request.user, wanted, admitted=True)


def _has_controller(pod: Obj) -> bool:
    return any(reference.get("controller") for reference in pod["metadata"].get("ownerReferences") or ())


def _marked(pod: Obj) -> Obj:
    conditions = list(dig(pod, "status", "conditions") or ())
    at = next((i for i, c in enumerate(conditions) if c.get("type") == MARK["type"]), len(conditions))
    known = conditions[at] if at < len(conditions) else {}
    if known.items() >= MARK.items():
        return pod
    changed = known.get("lastTransitionTime") if known.get("status") == MARK["status"] else None
    conditions[at : at + 1] = [{"lastProbeTime": None, "lastTransitionTime": changed or clock.timestamp(), **MARK}]
    return {**pod, "metadata": dict(pod["metadata"]), "status": {**pod["status"], "conditions": conditions}}
