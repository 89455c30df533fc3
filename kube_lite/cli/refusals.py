"""What a person reads of a refusal: the words and the form that kubectl uses, since scripts look for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube_lite.errors import ApiError


def explain(error: ApiError, source: str = "") -> str:
    """The text for a refusal.

    :param source: what was being done, such as ``error when creating "x.yaml"``
    """
    if error.reason == "Invalid":
        return _invalid(error)
    message = f"{source}: {error.message}" if source else error.message
    if error.reason == "Unauthorized":
        return f"error: You must be logged in to the server ({message})"
    return f"Error from server ({error.reason}): {message}" if error.reason else f"Error from server: {message}"


def _invalid(error: ApiError) -> str:
    kind, name = error.details.get("kind") or "", error.details.get("name") or ""
    causes = error.details.get("causes") or []
    about = f'The {kind} "{name}" is invalid' if kind or name else "The request is invalid"
    texts = list(dict.fromkeys(f"{c['field']}: {c['message']}" if c.get("field") else c["message"] for c in causes))
    if not texts:
        return about if kind or name else f"{about}: {error.message}"
    return f"{about}: {texts[0]}" if len(texts) == 1 else f"{about}: \n" + "\n".join(f"* {text}" for text in texts)


def report(error: ApiError, source: str = "") -> None:
    """Print a refusal and go on."""
    sys.stdout.flush()
    print(explain(error, source), file=sys.stderr)
