"""Answers indented for those who read them as they come: people with curl, wget or a browser, and whoever asks for it.

Streams (watches, logs, what is passed on from elsewhere) and documents (OpenAPI, the keys of the issuer) stay as they
are.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kube_lite.api.http import JSON, Request, Response

READERS: Final = (b"curl", b"Wget", b"Mozilla/5.0")
"""How the names of programs begin that people read with (upstream's ``isPrettyPrint``)."""
_YES: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go reads as true."""
_DOCUMENTS: Final = ("/openapi/", "/openid/", "/.well-known/")


def wanted(request: Request) -> bool:
    """Whether the answer is to be indented; ``?pretty=`` is stronger than the program's name."""
    info = request.info
    if not info.is_resource:
        if info.path.startswith(_DOCUMENTS):
            return False
        if info.path.startswith("/version"):
            return True
    if "pretty" in info.query and (asked := info.param("pretty")):
        return asked in _YES
    return request.headers.get(b"user-agent", b"").startswith(READERS)


def indent(response: Response) -> None:
    """Indent the body by two spaces a level, if it is JSON."""
    if response.stream is None and response.body and response.content_type.startswith(JSON):
        response.body = msgspec.json.format(bytes(response.body))
