"""ControllerRevisions: earlier templates of stateful and daemon sets."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ControllerRevision",
        plural="controllerrevisions",
        group="apps",
        definition="io.k8s.api.apps.v1.ControllerRevision",
        generation=False,
    ),
)
