"""Conversion of custom resources between versions by a webhook (``ConversionReview``).

Upstream sends apiextensions.k8s.io/v1 or v1beta1, whichever the definition lists first; both have the same shape.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import anyio
import msgspec

from kube_lite import errors
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.api.answers import conversion_review
from kube_lite.api.http import encode_json
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.metadata import validate_annotations, validate_labels

Convert = Callable[[Sequence[Obj], str], Awaitable[list[Obj]]]
TIMEOUT: Final = 30.0
"""Seconds for one review (apiextensions-apiserver ``webhook_converter``)."""
LONGEST: Final = 60.0
"""Seconds for all reviews of one request (upstream's ``--request-timeout``)."""
SENT_TOGETHER: Final = 1024 * 1024
"""Bytes of JSON in one review, except where a single object has more."""
_KNOWN: Final = ("v1", "v1beta1")
_ANSWER: Final = "apiextensions.k8s.io/v1, Kind=ConversionReview"
_WRITABLE: Final = ("labels", "annotations")
"""Metadata that a webhook may change."""


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
            deadline = anyio.current_time() + LONGEST
            for part in _parts(pending):
                new = await review.ask([obj for _, obj in part], deadline)
                for position, ((i, old), converted) in enumerate(zip(part, new, strict=True)):
                    found[i] = _checked(old, converted, wanted, kind, position)
        return found

    return convert


def _parts(pending: Sequence[tuple[int, Obj]]) -> Iterator[list[tuple[int, Obj]]]:
    """Objects that are sent together: answers are bounded, lists are not."""
    part: list[tuple[int, Obj]] = []
    size = 0
    for entry in pending:
        length = len(encode_json(entry[1]))
        if part and size + length > SENT_TOGETHER:
            yield part
            part, size = [], 0
        part.append(entry)
        size += length
    if part:
        yield part


class _Review(msgspec.Struct, frozen=True):
    """One question to a conversion webhook."""

    config: Obj
    version: str
    wanted: str
    kind: str
    caller: WebhookCaller
    lookup: Objects

    async def ask(self, objects: list[Obj], deadline: float) -> list[Any]:
        """The converted objects as the webhook gives them. :raises InternalError: it failed"""
        uid = str(uuid.UUID(int=_number_of(objects), version=4))
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self.version}",
            "request": {"uid": uid, "desiredAPIVersion": self.wanted, "objects": objects},
        }
        what = f"conversion webhook for {objects[0]['apiVersion']}, Kind={self.kind}"
        try:
            seconds = min(TIMEOUT, max(deadline - anyio.current_time(), 0.0))
            answer = await self.caller.post(self.config, review, seconds, self.lookup, conversion_review())
        except CallFailed as error:
            text = str(error).removeprefix("failed to call webhook: ")
            raise errors.InternalError(f"{what} failed: {text}") from error
        problem = self._problem(answer, uid)
        if problem:
            raise errors.InternalError(f"{what} failed: {problem}")
        converted: list[Any] = answer["response"].get("convertedObjects") or []
        if len(converted) != len(objects):
            raise errors.InternalError(f"{what} returned {len(converted)} objects, expected {len(objects)}")
        return converted

    def _problem(self, answer: Obj, uid: str) -> str:
        """What is wrong with an answer; reviews of v1beta1 need not say which review they answer."""
        if self.version == "v1":
            given = f"{dig(answer, 'apiVersion', default='')}, Kind={dig(answer, 'kind', default='')}"
            if given != _ANSWER:
                return f"expected webhook response of {_ANSWER}, got {given}"
        response = dig(answer, "response")
        if response is None:
            return "no response provided"
        if self.version == "v1" and response.get("uid", "") != uid:
            return f'expected response.uid="{uid}", got "{response.get("uid", "")}"'
        status = dig(response, "result", "status", default="")
        if status == "Success":
            return ""
        return str(dig(response, "result", "message") or "") or f"response.result.status was '{status}', not 'Success'"


def _number_of(objects: Sequence[Obj]) -> int:
    """A number for a review's uid, the same for the same objects, so that runs repeat."""
    return int.from_bytes(hashlib.blake2b(encode_json(objects), digest_size=16).digest(), "big")


def _checked(old: Obj, new: Any, wanted: str, kind: str, position: int) -> Obj:
    """The converted object with the metadata that may not change. :raises InternalError: it is something else"""
    start = f"conversion webhook for {old['apiVersion']}, Kind={kind} returned invalid"
    problem = _identity(old, new, wanted, kind)
    if problem:
        raise errors.InternalError(f"{start} converted object at index {position}: {problem}")
    given = new.get("metadata")
    problem = "missing metadata in converted object" if not isinstance(given, dict) else _labels(old["metadata"], given)
    if problem:
        raise errors.InternalError(f"{start} metadata in object at index {position}: {problem}")
    metadata = {name: value for name, value in old["metadata"].items() if name not in _WRITABLE}
    metadata |= {name: given[name] for name in _WRITABLE if given.get(name)}
    return {**new, "metadata": metadata}


def _identity(old: Obj, new: Any, wanted: str, kind: str) -> str:
    """What makes a converted object another one than was given."""
    new = new if isinstance(new, dict) else {}
    if new.get("apiVersion") != wanted:
        return f"invalid groupVersion (expected {wanted}, received {new.get('apiVersion', '')})"
    if new.get("kind") != kind:
        return f"invalid kind (expected {kind}, received {new.get('kind', '')})"
    before, after = old["metadata"], new.get("metadata")
    for name, shown in (
        (("name", "name"), ("namespace", "namespace"), ("uid", "UID")) if isinstance(after, dict) else ()
    ):
        if after.get(name, "") != before.get(name, ""):
            return f"must have the same {shown}: {before.get(name, '')} != {after.get(name, '')}"
    return ""


def _labels(old: Obj, new: Obj) -> str:
    """What is wrong with the labels and annotations that a webhook gives an object."""
    for name in _WRITABLE:
        given = new.get(name)
        if given is None or given == old.get(name):
            continue
        if not isinstance(given, dict):
            return f"invalid metadata.{name} of type {type(given).__name__} in converted object"
        for key, value in given.items():
            if not isinstance(value, str):
                return f"metadata.{name}[{key}] must be a string, but is {type(value).__name__} in converted object"
        check = validate_labels if name == "labels" else validate_annotations
        found = check(given, f"metadata.{name}")
        if found:
            told = ", ".join(map(str, found))
            return f"[{told}]" if len(found) > 1 else told
    return ""
