"""Quality of service: Guaranteed, Burstable or BestEffort, from what the containers ask for."""

from __future__ import annotations

from kube_lite.resources import quantity
from kube_lite.resources.meta import Obj
from kube_lite.resources.remembered import remembered

_COMPUTE = ("cpu", "memory")


@remembered(4096)
def _nanos(text: str) -> int:
    return quantity.parse(text).nanos


def _positive(amounts: Obj | None) -> dict[str, int]:
    if not amounts:
        return {}
    found = {}
    for name in _COMPUTE:
        if (text := amounts.get(name)) is not None and (nanos := _nanos(text)) > 0:
            found[name] = nanos
    return found


def qos_class(spec: Obj) -> str:
    """The class of a pod: Guaranteed when every container has equal requests and limits of both resources."""
    asked: dict[str, int] = {}
    limited: dict[str, int] = {}
    guaranteed = True
    if pod_level := spec.get("resources"):
        asked, limited = _positive(pod_level.get("requests")), _positive(pod_level.get("limits"))
        guaranteed = len(limited) == len(_COMPUTE)
    else:
        for name in ("initContainers", "containers"):
            for container in spec.get(name) or ():
                resources = container.get("resources")
                if not resources:
                    guaranteed = False
                    continue
                for key, nanos in _positive(resources.get("requests")).items():
                    asked[key] = asked.get(key, 0) + nanos
                limits = _positive(resources.get("limits"))
                for key, nanos in limits.items():
                    limited[key] = limited.get(key, 0) + nanos
                guaranteed = guaranteed and len(limits) == len(_COMPUTE)
    if not asked and not limited:
        return "BestEffort"
    return "Guaranteed" if guaranteed and asked == limited else "Burstable"
