"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: others are asked before an object is stored.

Mutating webhooks are asked one after another, in the order of their configurations' names, each seeing what the
earlier ones made of the object; those with ``reinvocationPolicy: IfNeeded`` once more when a later one changed it.
Validating webhooks are asked all at once. A webhook that cannot be asked refuses the request or is passed over,
as its ``failurePolicy`` says; a refusal is always a refusal.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import anyio
import msgspec

from kube_lite import errors
from kube_lite.api import answers, codec, managed, patch
from kube_lite.api.admission import conditions, review
from kube_lite.api.admission.matching import converted, is_exempt, matching_resource, selected
from kube_lite.api.admission.plugin import AdmissionRequest, Objects, Reinvocation
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.api.body import not_an_object
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.json_patch import PatchFailed
from kube_lite.api.options import LONGEST
from kube_lite.client.protocol import JSON_PATCH
from kube_lite.resources import decode
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import qualified_name
from kube_lite.resources.registry import Resource

logger = logging.getLogger(__name__)

MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"
TIMEOUT = 10
"""Seconds for an answer where the webhook does not say (upstream's default)."""
MOST_AUDITED: Final = 64 * 1024
"""Characters that one webhook may add to the audit log with one answer."""
OVERDUE = "Timeout: request did not complete within requested timeout - context deadline exceeded"
_ANNOTATIONS: Final = {
    MUTATING: "mutation.webhook.admission.k8s.io/",
    VALIDATING: "validating.webhook.admission.k8s.io/",
}


def internal(text: str) -> errors.InternalError:
    """The server's own failure."""
    return errors.InternalError(f"Internal error occurred: {text}", {"causes": [{"message": text}]})


class _Hook(msgspec.Struct, frozen=True):
    """One webhook of one configuration."""

    webhook: Obj
    key: str
    configuration: str
    place: str
    """What its audit annotations begin with, and its place among the webhooks asked."""

    @property
    def name(self) -> str:
        return str(self.webhook.get("name") or "")

    @property
    def ignores_failure(self) -> bool:
        return self.webhook.get("failurePolicy") == "Ignore"

    def failed(self, why: str) -> errors.InternalError:
        """What the client sees when the webhook could not be asked."""
        return internal(f'failed calling webhook "{self.name}": {why}')


def _hooks(objects: Objects, kind: str, again: bool = False) -> Iterator[_Hook]:
    position = 0
    for configuration in objects.select(kind):
        meta = configuration["metadata"]
        for webhook in configuration.get("webhooks") or ():
            place = f"{_ANNOTATIONS[kind]}round_{int(again)}_index_{position}"
            yield _Hook(webhook, f"{meta['uid']}/{webhook.get('name')}", meta["name"], place)
            position += 1


def _annotate(request: AdmissionRequest, hook: _Hook, annotations: Mapping[str, str]) -> None:
    """Put what a webhook wants to have audited where it belongs, if it is well named and not too much."""
    left = MOST_AUDITED
    for name, value in annotations.items():
        key = f"{hook.name}/{name}"
        left -= len(key) + len(value)
        if left < 0 or qualified_name(key):
            logger.warning("failed to set admission audit annotation %.256r of webhook %s", name, hook.name)
            if left < 0:
                return
            continue
        request.annotations[key] = value


class _Dispatch:
    """What both plugins share: choosing and asking."""

    def __init__(self, caller: WebhookCaller, rng: random.Random) -> None:
        self._caller = caller
        self._rng = rng

    async def _concerned(self, hook: _Hook, request: AdmissionRequest, objects: Objects) -> Resource | None:
        """As which resource the webhook is to see the request; None when it is not concerned."""
        webhook = hook.webhook
        policy = webhook.get("matchPolicy") or "Equivalent"
        resource = matching_resource(webhook.get("rules") or (), request, objects, policy)
        if resource is None or not selected(webhook, request, objects):
            return None
        wanted = webhook.get("matchConditions") or []
        if wanted:
            try:
                met = await conditions.met(wanted, request, resource, objects)
            except conditions.ConditionError as error:
                if hook.ignores_failure:
                    return None
                raise request.refused(str(error)) from error
            if not met:
                return None
        if request.dry_run and webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        return resource

    async def _ask(
        self, hook: _Hook, request: AdmissionRequest, resource: Resource, objects: Objects, *, mutating: bool = False
    ) -> review.Answer | None:
        """The answer; None when there is none and that is to be passed over. :raises ApiError: refused or failed"""
        listed = hook.webhook.get("admissionReviewVersions") or ["v1"]
        version = next((v for v in listed if v in review.VERSIONS), "v1")
        uid = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        body = review.build(request, resource, uid, version)
        now = anyio.current_time()
        request.deadline = min(request.deadline, now + LONGEST)  # of all webhooks together
        seconds = min(float(hook.webhook.get("timeoutSeconds") or TIMEOUT), request.deadline - now)
        try:
            if seconds <= 0:
                raise CallFailed(OVERDUE)
            config = hook.webhook.get("clientConfig") or {}
            found = await self._caller.post(config, body, seconds, objects, answers.admission_review())
            answer = review.read(found, uid, version, mutating=mutating)
        except (CallFailed, review.UnknownPatch) as error:
            if anyio.current_time() >= request.deadline:
                raise errors.Timeout(OVERDUE) from error
            return self._failed(hook, request, str(error), error)
        except review.BadReview as error:
            return self._failed(hook, request, f"received invalid webhook response: {error}", error)
        request.warnings.extend(answer.warnings)
        _annotate(request, hook, answer.annotations)
        if not answer.allowed:
            raise review.refusal(hook.name, answer.status)
        return answer

    @staticmethod
    def _failed(hook: _Hook, request: AdmissionRequest, why: str, error: Exception) -> None:
        if not hook.ignores_failure:
            raise hook.failed(why) from error
        request.annotations[f"failed-open.{hook.place}"] = hook.name
        logger.warning("failed calling webhook %s, which is passed over: %s", hook.name, why)


class MutatingAdmissionWebhook(_Dispatch):
    """Lets webhooks change the object."""

    name = "MutatingAdmissionWebhook"
    resources = None

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask every webhook concerned, in order. :raises ApiError: one refuses, or cannot be asked"""
        if is_exempt(request):
            return
        hooks = list(_hooks(objects, MUTATING, request.reinvocation))
        if not hooks:
            return
        again = request.reinvocations.setdefault(self.name, Reinvocation())
        again.begin(request)
        for hook in hooks:
            if request.reinvocation and hook.key not in again.due:
                continue
            resource = await self._concerned(hook, request, objects)
            if resource is None:
                continue
            changed = False
            try:
                changed = await self._mutate(hook, request, resource, objects)
            finally:
                note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
                request.annotations[hook.place] = encode_json(note).decode()
            if changed:
                again.changed()
                request.reinvoke |= not request.reinvocation
            if hook.webhook.get("reinvocationPolicy") == "IfNeeded":
                again.invoked.add(hook.key)
        again.end(request)

    async def _mutate(self, hook: _Hook, request: AdmissionRequest, resource: Resource, objects: Objects) -> bool:
        answer = await self._ask(hook, request, resource, objects, mutating=True)
        if answer is None or not answer.patch or request.operation == "CONNECT":
            return False
        try:
            change = patch.read(JSON_PATCH, answer.patch)
        except errors.ApiError as error:
            why = f"received undecodable patch in webhook response: {error.message}"
            self._failed(hook, request, why, error)
            return False
        if not change.value:
            return False
        if request.obj is None:
            about = f'admission webhook "{hook.name}" attempted to modify the object'
            raise internal(f"{about}, which is not supported for this operation")
        seen = converted(request.obj, request.resource, resource)
        assert seen is not None
        back = converted(_patched(resource, seen, change), resource, request.resource)
        if back is None or back == request.obj:
            return False
        _keep_owners(back, request)
        request.obj = back
        return True


def _keep_owners(new: Obj, request: AdmissionRequest) -> None:
    """A webhook that does not know all of ``managedFields`` must not break them: they stay as they were."""
    entries = new["metadata"].get("managedFields") or ()
    why = next(filter(None, (_undecodable(entry, i) for i, entry in enumerate(entries))), "")
    if not why:
        return
    new["metadata"]["managedFields"] = ((request.obj or {}).get("metadata") or {}).get("managedFields") or []
    request.warnings.append(
        ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
        f"admission controller; please fix your requests: {why}"
    )


def _undecodable(entry: Obj, position: int) -> str:
    if entry.get("operation") not in ("Apply", "Update"):
        return "operation must be `Apply` or `Update`"
    if not entry.get("apiVersion"):
        return "apiVersion must not be empty"
    kind = entry.get("fieldsType") or ""
    if kind == "FieldsV1":
        return ""
    stated = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
    return f"{stated} in managed fields entry {position}"


def _patched(resource: Resource, obj: Obj, change: patch.Patch) -> Obj:
    """The object after a webhook's JSON patch: pruned and with defaults. :raises InternalError: it is none any more"""
    try:
        return finished(resource, obj, decode_json(encode_json(change.apply(codec.type_of(resource), obj))))
    except PatchFailed as error:
        raise internal(error.why) from error
    except errors.ApiError as error:
        raise internal(error.message) from error


def finished(resource: Resource, old: Obj, new: Any) -> Obj:
    """An object changed during admission, as if it had come that way. :raises BadRequest: not one of its kind"""
    if not isinstance(new, dict):
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {not_an_object(new)}")
    kind, version = old.get("kind", resource.kind), old.get("apiVersion", resource.api_version)
    if (new.get("kind", kind), new.get("apiVersion", version)) != (kind, version):
        raise errors.BadRequest(f'no kind "{new.get("kind")}" is registered for version "{new.get("apiVersion")}"')
    if kind != resource.kind:
        return new  # a Scale, of which the number of replicas is read, and checked there
    try:
        decoded = decode.decode(codec.type_of(resource), new).obj
    except decode.DecodeError as error:
        raise errors.BadRequest(str(error)) from error
    decoded.setdefault("metadata", {})
    resource.default(decoded)
    managed.complete(resource, decoded, nulls=False)
    return decoded


class ValidatingAdmissionWebhook(_Dispatch):
    """Lets webhooks refuse the request."""

    name = "ValidatingAdmissionWebhook"
    resources = None

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask every webhook concerned, at once. :raises ApiError: one refuses, or cannot be asked"""
        if is_exempt(request):
            return
        concerned = []
        for hook in list(_hooks(objects, VALIDATING)):
            resource = await self._concerned(hook, request, objects)
            if resource is not None:
                concerned.append((hook, resource))
        refusals: dict[int, errors.ApiError] = {}

        async def ask(number: int, hook: _Hook, resource: Resource) -> None:
            try:
                await self._ask(hook, request, resource, objects)
            except errors.ApiError as error:
                refusals[number] = error

        if len(concerned) == 1:
            await ask(0, *concerned[0])
        elif concerned:
            async with anyio.create_task_group() as tasks:
                for number, (hook, resource) in enumerate(concerned):
                    tasks.start_soon(ask, number, hook, resource)
        if refusals:
            raise refusals[min(refusals)]
