"""Continue tokens of paged lists, in upstream's form: version, revision, and the key to go on from."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from kube_lite import errors
from kube_lite.api.json_complaints import byte_complaint

VERSION: Final = "meta.k8s.io/v1"


def encode(revision: int, start: str) -> str:
    """The token that goes on from key ``start`` (below the prefix) at a revision; -1 for the latest."""
    content = {"v": VERSION, "rv": revision, "start": start}
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def read(token: str) -> tuple[int, str]:
    """Revision and first key (below the prefix) of a continue token. :raises BadRequest: not one of ours"""

    def wrong(why: str) -> errors.BadRequest:
        return errors.BadRequest(f"invalid continue token: continue key is not valid: {why}")

    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        bad = next((i for i, c in enumerate(token) if not (c.isascii() and (c.isalnum() or c in "-_"))), len(token) - 1)
        raise wrong(f"illegal base64 data at input byte {bad}") from error
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise wrong(byte_complaint(raw)) from error
    except RecursionError as error:
        raise wrong("exceeded max depth") from error
    version = content.get("v", "") if isinstance(content, dict) else ""
    if version != VERSION:
        raise wrong(f'server does not recognize this encoded version "{version}"')
    start, revision = content.get("start"), content.get("rv")
    if not isinstance(revision, int) or revision == 0:
        raise wrong(f"incorrect encoded start resourceVersion (version {VERSION})")
    if not isinstance(start, str) or not start:
        raise wrong(f"encoded start key empty (version {VERSION})")
    if ".." in start.split("/"):
        raise wrong(start)
    return revision, start.removeprefix("/")
