"""The fields that a definition's scale subresource reads (upstream: ``customresource.ValidateScaleSpec``)."""

from __future__ import annotations

from typing import Any, Final

from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import ScalePaths

MOST: Final = 2**31 - 1
_MAPPING: Final = "map[string]interface {}"
_GO_NAMES: Final = {
    bool: "bool",
    float: "float64",
    int: "int64",
    str: "string",
    dict: _MAPPING,
    list: "[]interface {}",
    type(None): "<nil>",
}


def validate_scale(obj: Obj, paths: ScalePaths) -> Errors:
    """Numbers of replicas are numbers, and the selector is text, where they are there at all."""
    found: Errors = []
    for path in (paths.spec_replicas, paths.status_replicas):
        value, problem = _at(obj, path, int)
        if problem:
            found.append(invalid(path, 0, problem))
        elif value is not None and value < 0:
            found.append(invalid(path, value, "should be a non-negative integer"))
        elif value is not None and value > MOST:
            found.append(invalid(path, value, f"should be less than or equal to {MOST}"))
    if paths.selector:
        _, problem = _at(obj, paths.selector, str)
        if problem:
            found.append(invalid(paths.selector, "", problem))
    return found


def _at(obj: Obj, path: str, wanted: type) -> tuple[Any, str]:
    """The value at a path, and what is wrong with it; neither when there is none."""
    value: Any = obj
    met = ""
    for step in path.removeprefix(".").split("."):
        if not isinstance(value, dict):
            return None, _wrong(met, value, _MAPPING)
        met += f".{step}"
        if step not in value:
            return None, ""
        value = value[step]
    if type(value) is wanted:
        return value, ""
    return None, _wrong(path, value, _GO_NAMES[wanted])


def _wrong(path: str, value: Any, wanted: str) -> str:
    return f"{path} accessor error: {_go(value)} is of the type {_GO_NAMES[type(value)]}, expected {wanted}"


def _go(value: Any) -> str:
    """As Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(sub)}' for key, sub in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
