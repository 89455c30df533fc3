"""PriorityLevelConfigurations: how much concurrency a priority has."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="PriorityLevelConfiguration",
        plural="prioritylevelconfigurations",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
        namespaced=False,
        subresources={"status": status()},
    ),
)
