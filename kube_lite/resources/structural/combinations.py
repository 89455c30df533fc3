"""Checks made of others: anyOf, oneOf, allOf and not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_lite.errors import FieldError
from kube_lite.resources import field
from kube_lite.resources.structural.problems import Check, Path, Problem, text


def _composite(path: Path, message: str) -> Problem:
    """allOf and the like are about the whole value: upstream names no field for them."""
    shown = f'Invalid value: "": {field.show(text(path))} {message}'
    return Problem(path, FieldError("FieldValueInvalid", "<nil>", shown))


def _attempts(checks: Sequence[Check], value: Any, path: Path) -> list[list[Problem]]:
    found = []
    for check in checks:
        problems: list[Problem] = []
        check(value, path, problems)
        found.append(problems)
    return found


def _closest(tries: Sequence[list[Problem]]) -> list[Problem]:
    """The failures of the alternative that came closest: the others would only confuse."""
    return min(tries, key=lambda problems: len(problems))


def any_of(alternatives: Sequence[Check]) -> Check:
    """At least one holds."""

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(alternatives, value, path)
        if all(tries):
            problems.append(_composite(path, "must validate at least one schema (anyOf)"))
            problems.extend(_closest(tries))

    return check


def one_of(alternatives: Sequence[Check]) -> Check:
    """Exactly one holds."""

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(alternatives, value, path)
        valid = sum(not failed for failed in tries)
        if valid == 0:
            problems.append(_composite(path, "must validate one and only one schema (oneOf). Found none valid"))
            problems.extend(_closest(tries))
        elif valid > 1:
            detail = f"must validate one and only one schema (oneOf). Found {valid} valid alternatives"
            problems.append(_composite(path, detail))

    return check


def all_of(parts: Sequence[Check]) -> Check:
    """Every one holds."""

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        tries = _attempts(parts, value, path)
        failed = sum(bool(one) for one in tries)
        for one in tries:
            problems.extend(one)
        if failed:
            none = ". None validated" if failed == len(parts) else ""
            problems.append(_composite(path, f"must validate all the schemas (allOf){none}"))

    return check


def none_of(forbidden: Check) -> Check:
    """It does not hold."""

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        found: list[Problem] = []
        forbidden(value, path, found)
        if not found:
            problems.append(_composite(path, "must not validate the schema (not)"))

    return check
