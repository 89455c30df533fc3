"""Pod templates, shared by every workload, and what tables and selectors need of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources.field import Errors, child, forbidden, go_map, invalid, not_supported, required
from kube_lite.resources.kinds.pod.defaults import default_host_ports, default_pod_spec
from kube_lite.resources.kinds.pod.validation import validate_pod_annotations, validate_pod_spec
from kube_lite.resources.labelselector import go_selector, is_empty, is_valid, validate_label_selector
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import validate_template_metadata
from kube_lite.resources.registry import Column
from kube_lite.resources.selectors import from_labels, matches

TEMPLATE_COLUMNS = (Column("Containers", priority=1), Column("Images", priority=1))
"""Wide columns of workloads; their cells are :func:`template_cells`."""


def default_template(owner_spec: Obj, name: str = "template") -> None:
    """Default the template inside a workload's spec."""
    template = owner_spec.setdefault(name, {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))
    default_host_ports(template["spec"])


def validate_template(template: Obj, path: str) -> Errors:
    """A template by itself: its labels and annotations, and its PodSpec."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    # Upstream leaves ``metadata`` out of these paths.
    found = validate_template_metadata(meta, path)
    found.extend(validate_pod_annotations(meta, spec, path, child(path, "spec")))
    found.extend(validate_pod_spec(spec, child(path, "spec"), is_pod=False))
    if spec.get("ephemeralContainers"):
        at = child(child(path, "spec"), "ephemeralContainers")
        found.append(forbidden(at, "ephemeral containers not allowed in pod template"))
    return found


def validate_selected_template(
    selector: Mapping[str, Any] | None,
    template: Obj | None,
    path: str,
    *,
    always: bool = True,
    is_map: bool = False,
    deadline: str = "activeDeadlineSeconds in ReplicaSet is not Supported",
) -> Errors:
    """A template whose labels the selector must match.

    :param is_map: whether the selector was given as a map, whose values may be any text
    :param always: whether pods of this workload must restart always
    :param deadline: why activeDeadlineSeconds is refused; '' where it is not
    """
    if template is None:
        return [required(path)]
    found: Errors = []
    labels = (template.get("metadata") or {}).get("labels")
    if selector is None or not _selects(selector, labels or {}, is_map):
        at = child(child(path, "metadata"), "labels")
        found.append(invalid(at, go_map(labels), "`selector` does not match template `labels`"))
    found.extend(validate_template(template, path))
    spec = template.get("spec") or {}
    if always and spec.get("restartPolicy") != "Always":
        at = child(child(path, "spec"), "restartPolicy")
        found.append(not_supported(at, spec.get("restartPolicy", ""), ("Always",)))
    if deadline and spec.get("activeDeadlineSeconds") is not None:
        found.append(forbidden(child(child(path, "spec"), "activeDeadlineSeconds"), deadline))
    return found


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str], is_map: bool) -> bool:
    """An unusable selector is reported by itself, so it selects here; a plain map is always usable."""
    if is_map:
        return from_labels(selector.get("matchLabels")).matches(labels)
    return is_empty(selector) or not is_valid(selector) or matches(selector, labels)


def validate_workload_selector(selector: Obj | None, path: str, kind: str) -> Errors:
    """A workload's own selector: there, not empty, and valid."""
    if selector is None:
        return [required(path)]
    found = validate_label_selector(selector, path)
    if is_empty(selector):
        found.append(invalid(path, go_selector(selector), f"empty selector is invalid for {kind}"))
    elif not is_valid(selector):
        detail = "" if kind == "statefulset" else "invalid label selector"
        found.append(invalid(path, go_selector(selector), detail))
    return found


def template_cells(owner_spec: Obj, name: str = "template") -> list[str]:
    """Names and images of the containers, for tables."""
    containers = ((owner_spec.get(name) or {}).get("spec") or {}).get("containers") or ()
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    ]
