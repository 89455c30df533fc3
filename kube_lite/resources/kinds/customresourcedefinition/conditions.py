"""Conditions of CustomResourceDefinitions: which names they got, whether they are served, what is said of them.

What upstream has in four controllers (names, establishing, apiapproval, nonstructuralschema) is worked out here, from
the definition and the names that others of its group have. Reasons and messages are theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from kube_lite import clock
from kube_lite.resources.field import index, invalid
from kube_lite.resources.kinds.customresourcedefinition.validation import (
    Approval,
    approval_of,
    has_certificates,
    is_protected,
)
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.structural.check import unsupported_keyword
from kube_lite.resources.structural.structure import validate_structure

_REASONS: Final = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}
_CONFORMANT: Final = "KubernetesAPIApprovalPolicyConformant"
_NON_STRUCTURAL: Final = "NonStructuralSchema"


def condition_of(crd: Obj, kind: str) -> str:
    """The status of a condition; empty when there is none."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return next((str(c.get("status")) for c in conditions if c.get("type") == kind), "")


def set_condition(state: Obj, kind: str, value: bool, reason: str, message: str) -> None:
    """Put a condition into a CRD's status; its time moves only when its value does."""
    conditions = [dict(c) for c in state.get("conditions") or ()]
    state["conditions"] = conditions
    truth = "True" if value else "False"
    for known in conditions:
        if known.get("type") == kind:
            if known.get("status") != truth:
                known["lastTransitionTime"] = clock.timestamp()
            known.update(status=truth, reason=reason, message=message)
            return
    conditions.append(
        {
            "type": kind,
            "status": truth,
            "lastTransitionTime": clock.timestamp(),
            "reason": reason,
            "message": message,
        }
    )


def _remove_condition(state: Obj, kind: str) -> None:
    if any(c.get("type") == kind for c in state.get("conditions") or ()):
        state["conditions"] = [c for c in state["conditions"] if c.get("type") != kind]


def conflicts(crd: Obj, resources: Collection[str], kinds: Collection[str]) -> dict[str, str]:
    """What is wrong with the names that a definition asks for, by field.

    :param resources: names of resources that others of the group have, ``kinds`` their kinds and list kinds
    """
    wanted, mine = crd["spec"]["names"], (crd.get("status") or {}).get("acceptedNames") or {}
    found: dict[str, str] = {}
    for field in _REASONS:
        taken = kinds if field in ("kind", "listKind") else resources
        values, own = wanted.get(field) or (), mine.get(field) or ()
        listed = field == "shortNames"
        told = [
            f'"{value}" is already in use'
            for value in (values if listed else [values])
            if value in taken and (value not in own if listed else value != own)
        ]
        if told:
            found[field] = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    return found


def is_servable(crd: Obj) -> bool:
    """Whether nothing but names could keep a definition from being served: what verifies its webhook is sound."""
    bundle = dig(crd, "spec", "conversion", "webhook", "clientConfig", "caBundle")
    return not bundle or has_certificates(bundle)


def describe(state: Obj, crd: Obj, wrong: dict[str, str]) -> None:
    """Put into a status what is to be said of a definition; ``wrong`` is what ``conflicts`` found."""
    wanted = crd["spec"]["names"]
    accepted = dict(state.get("acceptedNames") or {})
    for field in (*_REASONS, "categories"):
        if field in wrong:
            continue
        if wanted.get(field):
            accepted[field] = wanted[field]
        else:
            accepted.pop(field, None)
    state["acceptedNames"] = {"plural": "", "kind": "", **accepted}
    established = condition_of({"status": state}, "Established") == "True"
    if wrong:
        last = list(wrong)[-1]
        set_condition(state, "NamesAccepted", False, _REASONS[last], wrong[last])
        if not established:
            set_condition(state, "Established", False, "NotAccepted", "not all names are accepted")
    else:
        set_condition(state, "NamesAccepted", True, "NoConflicts", "no conflicts found")
        if not established and not is_servable(crd):
            message = "The conversion webhook CABundle is invalid"
            set_condition(state, "Established", False, "InvalidCABundle", message)
        elif not established:
            message = "the initial names have been accepted"
            set_condition(state, "Established", True, "InitialNamesAccepted", message)
    _say_approval(state, crd)
    _say_structure(state, crd)


def _say_approval(state: Obj, crd: Obj) -> None:
    if is_protected(crd["spec"].get("group", "")):
        found, message = approval_of(crd)
        set_condition(state, _CONFORMANT, found is Approval.APPROVED, found.value, message)


def _say_structure(state: Obj, crd: Obj) -> None:
    """Only what v1beta1 let in can be wrong."""
    spec = crd["spec"]
    if not spec.get("preserveUnknownFields"):
        _remove_condition(state, _NON_STRUCTURAL)
        return
    found = [invalid("spec.preserveUnknownFields", True, "must be false")]
    for i, version in enumerate(spec.get("versions") or ()):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None or unsupported_keyword(schema):
            continue
        found += validate_structure(schema, f"{index('spec.versions', i)}.schema.openAPIV3Schema")
    told = ", ".join(dict.fromkeys(map(str, found)))
    set_condition(state, _NON_STRUCTURAL, True, "Violations", f"[{told}]" if len(found) > 1 else told)
