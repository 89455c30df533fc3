"""CEL's ``authorizer``: expressions ask whether a user may do something.

The library that evaluates holds plain data, so the steps of ``authorizer.group('').resource('pods').check('get')``
are maps that gather what is asked for, and ``check`` asks who is set for the time of one evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec

ASKED: Final = "@asked"
DECIDED: Final = "@decided"
Decide = Callable[[Mapping[str, str]], tuple[bool, str]]
"""From what is asked (``user`` for another than the requester, ``group``, ``resource``, ``subresource``,
``namespace``, ``name`` or ``path``, and ``verb``) to whether it is allowed and why."""


class AuthorizerValue(msgspec.Struct, frozen=True):
    """The value of the variable ``authorizer``; ``requested`` is what ``authorizer.requestResource`` asks about."""

    decide: Decide
    requested: Mapping[str, str]

    def shown(self) -> dict[str, Any]:
        """What an expression sees."""
        return {ASKED: {}, "requestResource": {ASKED: dict(self.requested)}}


_deciding: ContextVar[Decide | None] = ContextVar("deciding", default=None)


@contextmanager
def asking(value: AuthorizerValue | None) -> Iterator[None]:
    """Checks ask this authorizer."""
    token = _deciding.set(value.decide if value is not None else None)
    try:
        yield
    finally:
        _deciding.reset(token)


def _with(name: str) -> Callable[..., dict[str, Any]]:
    def step(asked: Mapping[str, Any], value: str) -> dict[str, Any]:
        return {ASKED: {**asked[ASKED], name: value}}

    return step


def _service_account(asked: Mapping[str, Any], namespace: str, name: str) -> dict[str, Any]:
    return {ASKED: {**asked[ASKED], "user": f"system:serviceaccount:{namespace}:{name}"}}


def _check(asked: Mapping[str, Any], verb: str) -> dict[str, Any]:
    decide = _deciding.get()
    if decide is None:
        raise ValueError("there is no authorizer here")
    try:
        allowed, reason = decide({**asked[ASKED], "verb": verb})
    except ValueError as error:
        return {DECIDED: False, "why": "", "error": str(error)}
    return {DECIDED: allowed, "why": reason, "error": ""}


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: _with(name) for name in ("path", "group", "resource", "subresource", "namespace", "name")},
    **{name: _with(name) for name in ("fieldSelector", "labelSelector")},
    "serviceAccount": _service_account,
    "check": _check,
    "allowed": lambda decision: decision[DECIDED],
    "reason": lambda decision: decision["why"],
    "errored": lambda decision: bool(decision["error"]),
    "error": lambda decision: decision["error"],
}
"""By the name under which the library calls them."""
