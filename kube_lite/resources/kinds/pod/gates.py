"""Pods that wait behind scheduling gates: gates only go, and meanwhile the choice of nodes may only get smaller."""

from __future__ import annotations

from kube_lite.resources.field import Errors, forbidden, go_map, index, invalid
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TERMS = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"


def validate_gates_update(new: Obj, old: Obj) -> Errors:
    """Gates that were not there before."""
    before = {gate.get("name") for gate in old.get("schedulingGates") or ()}
    return [
        forbidden(
            f"spec.schedulingGates[{i}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'",
        )
        for i, gate in enumerate(new.get("schedulingGates") or ())
        if gate.get("name") not in before
    ]


def validate_narrowed(new: Obj, old: Obj) -> Errors:
    """Changes of the node selector and of required node affinity that would let a pod onto further nodes."""
    found: Errors = []
    selector, before = new.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if not before.items() <= selector.items():
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        found.append(invalid("spec.nodeSelector", go_map(selector or None), detail))
    terms, stood = _required_terms(new), _required_terms(old)
    if stood and len(terms) != len(stood):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*found, invalid(_TERMS, go_value("[]core.NodeSelectorTerm", terms or None), detail)]
    for i, (term, was) in enumerate(zip(terms, stood, strict=False)):
        if not _only_adds(term, was):
            detail = "only additions are allowed (no mutations or deletions)"
            found.append(invalid(index(_TERMS, i), go_value("core.NodeSelectorTerm", term), detail))
    return found


def _required_terms(spec: Obj) -> list[Obj]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []


def _only_adds(term: Obj, old: Obj) -> bool:
    parts = [(term.get(name) or [], old.get(name) or []) for name in ("matchExpressions", "matchFields")]
    if not any(before for _, before in parts):
        return not any(after for after, _ in parts)  # a term that selects nothing stays so
    return all(after[: len(before)] == before for after, before in parts)


def with_old_choice(spec: Obj, old: Obj) -> Obj:
    """``spec`` with the node selector and node affinity of ``old``, for a look at what else changed."""
    made = {k: v for k, v in spec.items() if k not in ("nodeSelector", "affinity")}
    if "nodeSelector" in old:
        made["nodeSelector"] = old["nodeSelector"]
    affinity, before = dict(spec.get("affinity") or {}), old.get("affinity")
    affinity.pop("nodeAffinity", None)
    if before and "nodeAffinity" in before:
        affinity["nodeAffinity"] = before["nodeAffinity"]
    if affinity or before is not None:
        made["affinity"] = affinity
    return made
