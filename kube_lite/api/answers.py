"""Answers of servers that nobody vouches for: webhooks and extension servers.

They may never end, come in millions of pieces, or grow a thousandfold when they are decompressed; what they say may
be of any shape. So an answer is read up to a bound, as it comes over the wire and as it is without its compression,
and then decoded by the type that it ought to have, in the words of upstream's decoder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

import anyio.lowlevel

from kube_lite.api import body
from kube_lite.errors import ApiError
from kube_lite.resources import decode
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import ANY, BOOLEAN, LIST, MAP, META, OBJECT, Field, Type, scalar, type_of

ACCEPTED_ENCODINGS: Final = "gzip"
"""What an answer may be compressed by, as with Go's client."""
PIECES: Final = 64 * 1024
"""Chunks of an answer: who sends a megabyte byte by byte costs seconds of CPU."""
PIECES_AT_ONCE: Final = 64
"""Chunks after which others are let in: what has arrived already is handed out without a pause."""


class BadAnswer(ValueError):
    """Raised for an answer that cannot be used; the text says why."""


class Streamed(Protocol):
    """An answer whose head has come (``httpx.Response``)."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any case."""

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body as it comes over the wire."""
        ...


async def whole(answer: Streamed, most: int) -> bytes:
    """The body of an answer that is being streamed. :raises BadAnswer: longer than ``most`` bytes, or not readable"""
    found = bytearray()
    pieces = 0
    async for piece in answer.aiter_raw():
        found += piece
        pieces += 1
        if len(found) > most or pieces > PIECES:
            raise BadAnswer("the answer is too large")
        if pieces % PIECES_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return bytes(found)
    if encoding != "gzip":
        raise BadAnswer(f"the answer is encoded in a way that was not asked for: {encoding[:64]!r}")
    return _gunzip(bytes(found), most)


def _gunzip(data: bytes, most: int) -> bytes:
    try:
        return body.unzipped(data, most)
    except OverflowError:
        raise BadAnswer("the answer is too large") from None
    except EOFError:
        raise BadAnswer("unexpected EOF") from None
    except ValueError as error:
        raise BadAnswer(f"gzip: {error}") from error


def parsed(raw: bytes) -> Any:
    """JSON of an answer. :raises BadAnswer: it is none, or nested or filled beyond what a request may be"""
    try:
        return body.parse_json(raw)
    except ApiError as error:
        raise BadAnswer(f"couldn't get version/kind; json parse error: {error.message}") from None


def of_type(type_: Type, value: Any) -> Obj:
    """An object without what its type does not know. :raises BadAnswer: it is not of the type"""
    try:
        return decode.decode(type_, value if value is not None else {}).obj
    except decode.DecodeError as error:
        raise BadAnswer(str(error)) from None


def _struct(go: str, **fields: Type) -> Type:
    made = Type(OBJECT, go)
    for name, type_ in fields.items():
        made.fields[name] = Field(name, type_)
        made.plan[name] = (type_.kind, False, type_)
    return made


def _collection(kind: int, go: str, item: Type) -> Type:
    made = Type(kind, go)
    made.item = item
    return made


_STRING: Final = scalar("string", "")


def _review(kind: str, response: Type) -> Type:
    return _struct(f"v1.{kind}", kind=_STRING, apiVersion=_STRING, response=response)


def admission_review() -> Type:
    """``AdmissionReview`` as it comes back (k8s.io/api/admission/v1)."""
    response = _struct(
        "v1.AdmissionResponse",
        uid=_STRING,
        allowed=Type(BOOLEAN, "bool"),
        status=type_of(META + "Status"),
        patch=scalar("string", "byte"),
        patchType=Type(_STRING.kind, "v1.PatchType"),
        auditAnnotations=_collection(MAP, "map[string]string", _STRING),
        warnings=_collection(LIST, "[]string", _STRING),
    )
    return _review("AdmissionReview", response)


def conversion_review() -> Type:
    """``ConversionReview`` as it comes back (apiextensions/v1)."""
    objects = _collection(LIST, "[]runtime.RawExtension", Type(ANY, "runtime.RawExtension"))
    response = _struct("v1.ConversionResponse", uid=_STRING, convertedObjects=objects, result=type_of(META + "Status"))
    return _review("ConversionReview", response)
