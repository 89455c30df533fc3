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
from collections.abc import Iterator
from dataclasses import dataclass

import anyio

from kube_lite import errors
from kube_lite.api import codec, managed, patch
from kube_lite.api.admission import conditions, review
from kube_lite.api.admission.matching import converted, is_exempt, matching_resource, selected
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.api.http import decode_json, encode_json
from kube_lite.client.protocol import JSON_PATCH
from kube_lite.resources import decode
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

logger = logging.getLogger(__name__)

MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"
TIMEOUT = 10
"""Seconds for an answer where the webhook does not say (upstream's default)."""


@dataclass(frozen=True, slots=True)
class _Hook:
    """One webhook of one configuration."""

    webhook: Obj
    key: str

    @property
    def name(self) -> str:
        return str(self.webhook.get("name") or "")

    @property
    def ignores_failure(self) -> bool:
        return self.webhook.get("failurePolicy") == "Ignore"

    def failed(self, why: str) -> errors.InternalError:
        """What the client sees when the webhook could not be asked."""
        text = f'failed calling webhook "{self.name}": {why}'
        return errors.InternalError(f"Internal error occurred: {text}", {"causes": [{"message": text}]})


def _hooks(objects: Objects, kind: str) -> Iterator[_Hook]:
    for configuration in objects.select(kind):
        for webhook in configuration.get("webhooks") or ():
            yield _Hook(webhook, f"{configuration['metadata']['uid']}/{webhook.get('name')}")


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
                about = request.resource
                raise errors.forbidden(about.plural, about.group, request.name, str(error)) from error
            if not met:
                return None
        if request.dry_run and webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        return resource

    async def _ask(
        self, hook: _Hook, request: AdmissionRequest, resource: Resource, objects: Objects
    ) -> review.Answer | None:
        """The answer; None when there is none and that is to be passed over. :raises ApiError: refused or failed"""
        listed = hook.webhook.get("admissionReviewVersions") or ["v1"]
        version = next((v for v in listed if v in review.VERSIONS), "v1")
        uid = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        body = review.build(request, resource, uid, version)
        seconds = float(hook.webhook.get("timeoutSeconds") or TIMEOUT)
        try:
            raw = await self._caller.post(hook.webhook.get("clientConfig") or {}, body, seconds, objects)
            answer = review.read(raw, uid, version)
        except CallFailed as error:
            return self._failed(hook, str(error), error)
        except review.BadReview as error:
            return self._failed(hook, f"received invalid webhook response: {error}", error)
        request.warnings.extend(answer.warnings)
        for name, value in answer.annotations.items():
            request.annotations[f"{hook.name}/{name}"] = str(value)
        if not answer.allowed:
            raise review.refusal(hook.name, answer.status)
        return answer

    @staticmethod
    def _failed(hook: _Hook, why: str, error: Exception) -> None:
        if not hook.ignores_failure:
            raise hook.failed(why) from error
        logger.warning("failed calling webhook %s, which is passed over: %s", hook.name, why)


class MutatingAdmissionWebhook(_Dispatch):
    """Lets webhooks change the object."""

    name = "MutatingAdmissionWebhook"

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Ask every webhook concerned, in order. :raises ApiError: one refuses, or cannot be asked"""
        if is_exempt(request):
            return
        again = set(request.reinvocable) if request.reinvocation else None
        for hook in list(_hooks(objects, MUTATING)):
            if again is not None and hook.key not in again:
                continue
            resource = await self._concerned(hook, request, objects)
            if resource is None:
                continue
            changed = await self._mutate(hook, request, resource, objects)
            if changed:
                request.reinvoke |= not request.reinvocation
                request.reinvocable |= request.invoked
            if hook.webhook.get("reinvocationPolicy") == "IfNeeded":
                request.invoked.add(hook.key)

    async def _mutate(self, hook: _Hook, request: AdmissionRequest, resource: Resource, objects: Objects) -> bool:
        answer = await self._ask(hook, request, resource, objects)
        if answer is None or not answer.patch or request.obj is None or request.operation == "CONNECT":
            return False
        seen = converted(request.obj, request.resource, resource)
        assert seen is not None
        try:
            new = _patched(resource, seen, answer.patch)
        except errors.ApiError as error:
            self._failed(hook, error.message, error)
            return False
        back = converted(new, resource, request.resource)
        if back is None or back == request.obj:
            return False
        request.obj = back
        return True


def _patched(resource: Resource, obj: Obj, raw: bytes) -> Obj:
    """The object after a webhook's JSON patch: pruned and with defaults. :raises ApiError: it is none any more"""
    change = patch.read(JSON_PATCH, raw)
    type_ = codec.type_of(resource)
    new: Obj = decode_json(encode_json(change.apply(type_, obj)))
    return finished(resource, new)


def finished(resource: Resource, new: Obj) -> Obj:
    """An object changed during admission, as if it had come that way. :raises BadRequest: not one of its kind"""
    if new.get("kind", resource.kind) != resource.kind:
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
