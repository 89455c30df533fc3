"""Which nodes a pod must be on: ``nodeSelector`` and required node affinity, asked of one node.

The scheduler asks all nodes at once, over columns of labels (sched/plugins/node_affinity.py); this is the same rule
for who has a single node at hand.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_lite.resources.kinds.pod.view import NodeSelectorRequirement, NodeSelectorTerm, PodSpec


def _meets(requirement: NodeSelectorRequirement, values: Mapping[str, str]) -> bool:
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            try:
                number, limit = int(value or ""), int(requirement.values[0])
            except (ValueError, IndexError):
                return False
            return number > limit if requirement.operator == "Gt" else number < limit
    return False


def _term_matches(term: NodeSelectorTerm, name: str, labels: Mapping[str, str]) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": name}
    return all(_meets(r, labels) for r in term.match_expressions) and all(_meets(r, fields) for r in term.match_fields)


def selects(spec: PodSpec, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod's selector and required affinity allow the node of that name and these labels."""
    if not spec.node_selector.items() <= labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return required is None or any(_term_matches(term, name, labels) for term in required.node_selector_terms)
