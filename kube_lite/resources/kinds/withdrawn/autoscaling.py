"""HorizontalPodAutoscalers of autoscaling/v2beta2, whose fields are those of v2, and of v2beta1.

v2beta1 has a field for each kind of target where v2 has ``target``, and keeps ``behavior`` in an annotation, as v1
does (``pkg/apis/autoscaling/v2beta1``).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from kube_lite.resources.kinds.horizontalpodautoscaler import RESOURCES as CURRENT
from kube_lite.resources.kinds.horizontalpodautoscaler import conversion
from kube_lite.resources.kinds.withdrawn import shown
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy
from kube_lite.resources.meta import Obj


def _converted(part: Obj, name: str, convert: Callable[[Obj], Obj]) -> Obj:
    listed = part.get(name)
    return {**part, name: [convert(metric) for metric in listed]} if listed else part


def up(obj: Obj) -> Obj:
    """The v2 form of a v2beta1 object."""
    made = dict(obj)
    spec = _converted(obj.get("spec") or {}, "metrics", conversion.metric_to_v2)
    annotations = dict((obj.get("metadata") or {}).get("annotations") or {})
    behavior = conversion.parsed(annotations.pop(conversion.BEHAVIOR, "null"))
    if isinstance(behavior, dict):
        spec = {**spec, "behavior": behavior}
        made["metadata"] = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
        if annotations:
            made["metadata"]["annotations"] = annotations
    made["spec"] = spec
    if obj.get("status"):
        made["status"] = _converted(obj["status"], "currentMetrics", conversion.status_to_v2)
    return made


def down(obj: Obj) -> Obj:
    """The v2beta1 form of a v2 object."""
    made = dict(obj)
    spec = _converted(obj.get("spec") or {}, "metrics", conversion.metric_to_v1)
    behavior = spec.get("behavior")
    if behavior is not None:
        spec = {key: value for key, value in spec.items() if key != "behavior"}
        metadata = obj.get("metadata") or {}
        text = json.dumps(behavior, separators=(",", ":"))
        made["metadata"] = {
            **metadata,
            "annotations": {**(metadata.get("annotations") or {}), conversion.BEHAVIOR: text},
        }
    made["spec"] = spec
    if obj.get("status"):
        made["status"] = _converted(obj["status"], "currentMetrics", conversion.status_to_v1)
    return made


_V2 = CURRENT[0]

RESOURCES = (
    legacy(_V2, "v2beta2", Release("v1.23", "v1.26"), shown=shown.autoscaler),
    legacy(
        _V2,
        "v2beta1",
        Release("v1.22", "v1.25"),
        conversion=Conversion(up, down),
        shown=shown.autoscaler,
        internal_annotations=(conversion.BEHAVIOR,),
    ),
)
