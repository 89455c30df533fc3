"""Which form an answer takes: JSON, YAML, protobuf, a Table, or metadata only, from the Accept header."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from kube_lite.errors import NotAcceptable

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
YAML = "application/yaml"

_META_VERSIONS = ("v1", "v1beta1")
_TRANSFORMS = ("as", "g", "v")
"""Parameters that ask for another form; each means it without the others, too, but not when it is empty."""
_ACCEPTED = (JSON, YAML, PROTOBUF)
STREAMED = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
"""The media types of watches."""


class Form(msgspec.Struct, frozen=True):
    """``as_`` is '' for the object itself, Table, PartialObjectMetadata or PartialObjectMetadataList."""

    media: str = JSON
    as_: str = ""
    version: str = "v1"

    @property
    def meta_api_version(self) -> str:
        """``meta.k8s.io/v1``."""
        return f"meta.k8s.io/{self.version}"

    @property
    def content_type(self) -> str:
        """The Content-Type of the answer."""
        return self.media


PLAIN = Form()


def parameters(clause: str) -> tuple[str, dict[str, str]]:
    """Split ``type/sub;k=v;...`` into the type and its parameters, all lower-case keys."""
    media, *rest = (part.strip() for part in clause.split(";"))
    found = {}
    for part in rest:
        key, _, value = part.partition("=")
        found[key.strip().lower()] = value.strip().strip('"')
    return media.lower(), found


def clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """The Accept header's alternatives, best quality first, order kept among equals."""
    found = [parameters(c) for c in accept.split(",") if c.strip()]

    def quality(clause: tuple[str, dict[str, str]]) -> float:
        try:
            return -float(clause[1].get("q", "1"))
        except ValueError:
            return -1.0

    return sorted(found, key=quality)


def not_acceptable(*given: str) -> NotAcceptable:
    """The refusal, listing what could have been had."""
    return NotAcceptable(f"only the following media types are accepted: {', '.join(given or _ACCEPTED)}")


@lru_cache(maxsize=256)
def negotiate(accept: str, *, table: bool = True, protobuf: bool = True) -> Form:
    """The best form that can be given.

    :param table: whether a Table or metadata form can be produced here
    :param protobuf: whether a client that takes nothing else can be served protobuf
    :raises NotAcceptable: none of the alternatives can be produced
    """
    if not accept:
        return PLAIN
    fallback: Form | None = None
    for media, params in clauses(accept):
        as_ = params.get("as", "")
        if media == "*/*":  # upstream's router knows no other wildcard
            media = JSON
        if media not in _ACCEPTED:
            continue
        form = Form(media)
        if any(params.get(name) for name in _TRANSFORMS):
            known = as_ in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
            if not table or not known or params.get("g") != "meta.k8s.io" or params.get("v") not in _META_VERSIONS:
                continue
            if media == PROTOBUF and as_ == "Table":
                continue
            form = Form(media, as_, params["v"])
        if media == PROTOBUF:
            # JSON is as good for a client that takes both, and is what we hold
            fallback = fallback or (form if protobuf else None)
            continue
        return form
    if fallback is not None:
        return fallback
    if table and not any(media in _ACCEPTED for media, _ in clauses(accept)):
        raise NotAcceptable("406: Not Acceptable", {})  # upstream's words for objects in an unknown media type
    raise not_acceptable()


@lru_cache(maxsize=256)
def negotiate_stream(accept: str) -> Form:
    """The form of the events of a watch, which come as JSON or protobuf. :raises NotAcceptable: neither is taken"""
    form = negotiate(accept)
    if form.media == YAML:
        raise not_acceptable(*STREAMED)
    for media, params in clauses(accept):
        if media == form.media and params.get("stream", "watch") != "watch":
            raise not_acceptable()
    return form
