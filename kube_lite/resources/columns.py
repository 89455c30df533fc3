r"""Printer columns of custom resources: simple JSONPath, and cells as upstream's table convertor makes them.

Simple means what a column or a scale path may hold: names, quoted names, indexes, ``[*]`` and equality filters such
as ``.status.conditions[?(@.type=="Ready")].status``. Several results are reduced to the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from kube_lite.clock import parse_timestamp
from kube_lite.resources.ages import UNKNOWN, human_duration
from kube_lite.resources.meta import Obj

Step = Callable[[Any], list[Any]]

_STEP: Final = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\])+)
    |\[\s*(?:'(?P<single>(?:\\.|[^'\\])*)'|"(?P<double>(?:\\.|[^"\\])*)")\s*\]
    |\[\s*(?P<index>-?\d+)\s*\]
    |(?P<wild>\[\s*\*\s*\]|\.\*)
    |\[\?\(\s*@\.(?P<left>[\w.\\/-]+)\s*(?P<op>==|!=)\s*(?P<right>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]""",
    re.VERBOSE,
)


class PathError(ValueError):
    """The path cannot be read."""


def simple_path(text: str) -> list[str]:
    """The names in ``.spec.a.b``. :raises PathError: something else than names"""
    names = []
    for match in _matches(text):
        name = match["name"] or match["single"] or match["double"]
        if name is None:
            raise PathError(text)
        names.append(re.sub(r"\\(.)", r"\1", name))
    return names


def _matches(text: str) -> list[re.Match[str]]:
    body = text.removeprefix("{").removesuffix("}")
    found, position = [], 0
    while position < len(body):
        match = _STEP.match(body, position)
        if match is None:
            raise PathError(f"cannot read {text!r} from {body[position:]!r}")
        found.append(match)
        position = match.end()
    return found


def _named(name: str) -> Step:
    def step(value: Any) -> list[Any]:
        return [value[name]] if isinstance(value, dict) and name in value else []

    return step


def _indexed(index: int) -> Step:
    def step(value: Any) -> list[Any]:
        return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []

    return step


def _every(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _filtered(left: str, equal: bool, right: Any) -> Step:
    inner = compile_path("." + left)

    def step(value: Any) -> list[Any]:
        return [item for item in _every(value) if any((found == right) is equal for found in inner(item))]

    return step


def compile_path(text: str) -> Step:
    """What finds the values at a path. :raises PathError: it cannot be read"""
    steps: list[Step] = []
    for match in _matches(text):
        name = next((match[k] for k in ("name", "single", "double") if match[k] is not None), None)
        if match["wild"] or name == "*":
            steps.append(_every)
        elif name is not None:
            steps.append(_named(re.sub(r"\\(.)", r"\1", name)))
        elif match["index"] is not None:
            steps.append(_indexed(int(match["index"])))
        else:
            steps.append(_filtered(match["left"], match["op"] == "==", _literal(match["right"])))

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = [below for one in found for below in step(one)]
        return found

    return find


def cell(path: str, kind: str) -> Callable[[Obj, datetime], Any]:
    """The cell of a column, from the object and the present; a value that does not fit its type is left empty."""
    find = compile_path(path)

    def make(obj: Obj, now: datetime) -> Any:
        found = find(obj)
        if not found:
            return None
        return _shown(found[0], kind, now)

    return make


def _shown(value: Any, kind: str, now: datetime) -> Any:
    if kind == "integer":
        return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "number":
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        if not isinstance(value, str):
            return None
        try:
            return human_duration((now - parse_timestamp(value)).total_seconds())
        except ValueError:
            return UNKNOWN if not value else "<invalid>"
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)  # as Go orders maps
