"""Label selectors inside objects: their rules, and how messages print them (``selectors`` evaluates them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.field import (
    Errors,
    GoLiteral,
    child,
    forbidden,
    go_map,
    go_strings,
    index,
    invalid,
    required,
    show,
)
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import validate_labels


def validate_label_selector(selector: Mapping[str, Any] | None, path: str) -> Errors:
    """The rules of a ``LabelSelector``; None, which selects nothing, is valid."""
    if not selector:
        return []
    found: Errors = []
    if labels := selector.get("matchLabels"):
        found.extend(validate_labels(labels, child(path, "matchLabels")))
    for i, requirement in enumerate(selector.get("matchExpressions") or ()):
        found.extend(validate_requirement(requirement, index(child(path, "matchExpressions"), i)))
    return found


def validate_operator(requirement: Obj, path: str, *, unknown: bool = False) -> Errors:
    """Values where the operator takes some; ``unknown`` lets pass what later clients may say."""
    found: Errors = []
    operator, values = requirement.get("operator", ""), requirement.get("values")
    if operator in ("In", "NotIn"):
        if not values:
            found.append(required(child(path, "values"), "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(child(path, "values"), detail))
    elif not unknown:
        found.append(invalid(child(path, "operator"), operator, "not a valid selector operator"))
    return found


def validate_requirement(requirement: Obj, path: str, *, unknown: bool = False) -> Errors:
    """An expression of a selector."""
    found, name = validate_operator(requirement, path, unknown=unknown), requirement.get("key", "")
    found.extend(invalid(child(path, "key"), name, problem) for problem in names.qualified_name(name))
    for i, value in enumerate(() if found else requirement.get("values") or ()):  # a later rule
        found.extend(invalid(index(child(path, "values"), i), value, p) for p in names.label_value(value))
    return found


def go_selector(selector: Mapping[str, Any] | None) -> GoLiteral:
    """A selector as messages print it: as Go does, or null."""
    if selector is None:
        return GoLiteral(show(None))
    expressions = selector.get("matchExpressions")
    shown = "[]v1.LabelSelectorRequirement(nil)"
    if expressions is not None:
        shown = f"[]v1.LabelSelectorRequirement{{{', '.join(_go_requirement(one) for one in expressions)}}}"
    return GoLiteral(f"v1.LabelSelector{{MatchLabels:{go_map(selector.get('matchLabels'))}, MatchExpressions:{shown}}}")


def _go_requirement(one: Mapping[str, Any]) -> str:
    values = one.get("values")
    listed = "[]string(nil)" if values is None else go_strings(values)
    key, operator = show(one.get("key", "")), show(one.get("operator", ""))
    return f"v1.LabelSelectorRequirement{{Key:{key}, Operator:{operator}, Values:{listed}}}"


def text_of_selector(selector: Mapping[str, Any]) -> str:
    """A selector as upstream's generated code prints it, which some tables show."""
    labels = "".join(f"{name}: {value}," for name, value in sorted((selector.get("matchLabels") or {}).items()))
    asked = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    expressions = f"MatchExpressions:[]LabelSelectorRequirement{{{asked}}}"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},{expressions},}}"


def is_valid(selector: Mapping[str, Any]) -> bool:
    """Whether the selector can be evaluated at all."""
    return not validate_label_selector(selector, "")


def is_empty(selector: Mapping[str, Any] | None) -> bool:
    """Whether it names no condition (and so selects everything, or nothing when None)."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def text_of_map(labels: Mapping[str, str] | None) -> str:
    """``a=b,c=d``, or ``<none>``."""
    return ",".join(f"{k}={labels[k]}" for k in sorted(labels)) if labels else "<none>"
