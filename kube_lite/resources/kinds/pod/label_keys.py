"""``matchLabelKeys`` and ``mismatchLabelKeys``: keys whose values a new pod brings along.

They become requirements of the selector beside them when the pod is created, so that nobody who reads the selector
needs to know of them (upstream's ``pkg/registry/core/pod/strategy.go``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kube_lite.resources.field import Errors, child, forbidden, index, invalid
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import qualified_name

_NAMES = (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
_NEED_SELECTOR = "must not be specified when labelSelector is not set"


def _holders(spec: Obj) -> Iterator[Obj]:
    """Whatever has a selector and may have such keys."""
    yield from spec.get("topologySpreadConstraints") or ()
    affinity = spec.get("affinity") or {}
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(name) or {}
        yield from terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for wish in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield wish.get("podAffinityTerm") or {}


def merge_label_keys(pod: Obj) -> None:
    """Add to the selectors of a new pod what its own labels say of the keys."""
    spec = pod.get("spec") or {}
    if "affinity" not in spec and "topologySpreadConstraints" not in spec:
        return
    labels: Mapping[str, str] = (pod.get("metadata") or {}).get("labels") or {}
    for holder in _holders(spec):
        if (selector := holder.get("labelSelector")) is None:
            continue
        added = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for name, operator in _NAMES
            for key in holder.get(name) or ()
            if key in labels
        ]
        if added:
            holder["labelSelector"] = {
                **selector,
                "matchExpressions": [*(selector.get("matchExpressions") or ()), *added],
            }


def _twice(keys: Sequence[str], selector: Obj, path: str) -> Errors:
    """Keys that the selector had before they were merged into it."""
    found: Errors = []
    seen = set(selector.get("matchLabels") or ())
    for expression in selector.get("matchExpressions") or ():
        key = expression.get("key", "")
        if key in seen and key in keys:
            detail = "exists in both matchLabelKeys and labelSelector"
            found.append(invalid(index(path, keys.index(key)), key, detail))
        seen.add(key)
    return found


def validate_term_keys(term: Obj, path: str) -> Errors:
    """Both lists of keys, of a term of pod affinity or (which has one only) a spread constraint.

    Upstream leaves the list out of the path of a key told twice.
    """
    match, mismatch = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    if not match and not mismatch:
        return []
    selector = term.get("labelSelector")
    found: Errors = []
    for name, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            found.append(forbidden(child(path, name), _NEED_SELECTOR))
            continue
        for i, key in enumerate(keys):
            found.extend(qualified_name(key, index(child(path, name), i)))
    if selector is not None:
        found.extend(_twice(match, selector, path))
    for i, key in enumerate(match):
        if key in mismatch:
            at = index(child(path, "matchLabelKeys"), i)
            found.append(invalid(at, key, "exists in both matchLabelKeys and mismatchLabelKeys"))
    return found
