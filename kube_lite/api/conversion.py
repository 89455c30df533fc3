"""Conversion of custom resources between versions by a webhook (``ConversionReview``).

Upstream sends apiextensions.k8s.io/v1 or v1beta1, whichever the definition lists first; both have the same shape.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kube_lite import errors
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.api.http import encode_json
from kube_lite.resources.meta import Obj, dig

Convert = Callable[[Sequence[Obj], str], Awaitable[list[Obj]]]
TIMEOUT: Final = 30.0
"""Seconds for one review (apiextensions-apiserver ``webhook_converter``)."""
_KNOWN: Final = ("v1", "v1beta1")


def webhook_of(crd: Obj, caller: WebhookCaller, objects: Objects) -> Convert | None:
    """What asks the webhook of a definition; None when its versions differ in nothing but name."""
    spec = crd["spec"]
    conversion = spec.get("conversion") or {}
    config = dig(conversion, "webhook", "clientConfig")
    if conversion.get("strategy") != "Webhook" or config is None:
        return None
    offered = dig(conversion, "webhook", "conversionReviewVersions", default=[])
    version = next((v for v in offered if v in _KNOWN), "v1")
    kind = spec["names"]["kind"]

    async def convert(given: Sequence[Obj], wanted: str) -> list[Obj]:
        pending = [(i, obj) for i, obj in enumerate(given) if obj["apiVersion"] != wanted]
        found = list(given)
        if pending:
            review = _Review(config, version, wanted, kind, caller, objects)
            new = await review.ask([obj for _, obj in pending])
            for (i, old), converted in zip(pending, new, strict=True):
                found[i] = _checked(old, converted, wanted, kind)
        return found

    return convert


@dataclass(frozen=True, slots=True)
class _Review:
    """One question to a conversion webhook."""

    config: Obj
    version: str
    wanted: str
    kind: str
    caller: WebhookCaller
    lookup: Objects

    async def ask(self, objects: list[Obj]) -> list[Obj]:
        """The converted objects as the webhook gives them. :raises InternalError: it failed"""
        uid = str(uuid.UUID(int=_number_of(objects), version=4))
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self.version}",
            "request": {"uid": uid, "desiredAPIVersion": self.wanted, "objects": objects},
        }
        start = f"conversion webhook for {objects[0]['apiVersion']}, Kind={self.kind} failed: "
        try:
            answer = await self.caller.post(self.config, review, TIMEOUT, self.lookup)
        except CallFailed as error:
            raise errors.InternalError(f"{start}{error}") from error
        response: Any = dig(answer, "response", default={})
        if dig(response, "result", "status") != "Success":
            raise errors.InternalError(start + str(dig(response, "result", "message", default="")))
        if response.get("uid") != uid:
            raise errors.InternalError(f"{start}expected response.uid={uid!r}, got {response.get('uid')!r}")
        converted: list[Obj] = response.get("convertedObjects") or []
        if len(converted) != len(objects):
            raise errors.InternalError(f"{start}expected {len(objects)} converted objects, got {len(converted)}")
        return converted


def _number_of(objects: Sequence[Obj]) -> int:
    """A number for a review's uid, the same for the same objects, so that runs repeat."""
    return int.from_bytes(hashlib.blake2b(encode_json(objects), digest_size=16).digest(), "big")


def _checked(old: Obj, new: Any, wanted: str, kind: str) -> Obj:
    """The converted object with the metadata that may not change. :raises InternalError: it is something else"""
    start = f"conversion webhook for {old['apiVersion']}, Kind={kind} failed: "
    if not isinstance(new, dict) or new.get("apiVersion") != wanted or new.get("kind") != kind:
        raise errors.InternalError(f"{start}invalid converted object: must have apiVersion {wanted} and kind {kind}")
    given = new.get("metadata") or {}
    metadata = dict(old["metadata"])
    if given.get("name") != metadata.get("name") or given.get("uid", metadata.get("uid")) != metadata.get("uid"):
        raise errors.InternalError(f"{start}invalid metadata of converted object: name and uid must not change")
    for name in ("labels", "annotations"):
        metadata.pop(name, None)
        if given.get(name):
            metadata[name] = given[name]
    return {**new, "metadata": metadata}
