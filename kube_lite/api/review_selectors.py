"""Selectors of what an access review asks about: what is wrong with them, and what authorization makes of them.

They are either raw or taken apart. What this server cannot read may be of a later client: it is left out, which asks
for more than was meant, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_lite.errors import FieldError
from kube_lite.resources import field, field_selectors, selectors
from kube_lite.resources.labelselector import validate_operator, validate_requirement
from kube_lite.resources.meta import Obj
from kube_lite.resources.selectors import SelectorError


def selector_problems(spec: Obj) -> list[FieldError]:
    """What is malformed whatever is meant; operators may be of later clients."""
    found: list[FieldError] = []
    for name in ("fieldSelector", "labelSelector"):
        selector, path = (spec.get("resourceAttributes") or {}).get(name), f"spec.resourceAttributes.{name}"
        if selector is None:
            continue
        raw, requirements = selector.get("rawSelector"), selector.get("requirements") or []
        if raw and requirements:
            detail = "may not specified at the same time as requirements"
            found.append(field.invalid(f"{path}.rawSelector", raw, detail))
        if not raw and not requirements:
            detail = f"when {path} is specified, requirements or rawSelector is required"
            found.append(field.required(f"{path}.requirements", detail))
        for i, requirement in enumerate(requirements):
            at = f"{path}.requirements[{i}]"
            if name == "labelSelector":
                found.extend(validate_requirement(requirement, at, unknown=True))
                continue
            if not requirement.get("key"):
                found.append(field.required(f"{at}.key", "must be specified"))
            found.extend(validate_operator(requirement, at, unknown=True))
    return found


def field_selector(selector: Obj) -> str:
    """A FieldSelectorAttributes as the text it stands for, as far as authorization looks at it."""
    if selector.get("rawSelector"):
        return str(selector["rawSelector"])
    return ",".join(
        f"{r.get('key', '')}={r['values'][0]}"
        for r in selector.get("requirements") or ()
        if r.get("operator") == "In" and len(r.get("values") or ()) == 1
    )


def _knows_field(requirement: Obj) -> bool:
    return requirement.get("operator") in ("In", "NotIn") and len(requirement.get("values") or ()) == 1


def _knows_label(requirement: Obj) -> bool:
    return requirement.get("operator") in ("In", "NotIn", "Exists", "DoesNotExist")


def unread(asked: Obj) -> list[str]:
    """What an answer says of selectors that were left out, or in part (upstream's ``BuildEvaluationError``)."""
    told = (
        _unread(asked.get("fieldSelector") or {}, "fieldSelector", _knows_field, field_selectors.parse),
        _unread(asked.get("labelSelector") or {}, "labelSelector", _knows_label, selectors.parse),
    )
    return [text for text in told if text]


def _unread(selector: Obj, name: str, knows: Callable[[Obj], bool], parse: Callable[[str], object]) -> str:
    listed = selector.get("requirements") or []
    known = [requirement for requirement in listed if knows(requirement)]
    if not listed:
        try:
            parse(selector.get("rawSelector") or "")
        except SelectorError:
            return f"spec.resourceAttributes.{name} ignored due to parse error"
    if len(known) == len(listed):
        return ""
    part = "partially " if known else ""
    return f"spec.resourceAttributes.{name} {part}ignored due to parse error"
