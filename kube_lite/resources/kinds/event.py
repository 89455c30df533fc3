"""Events: what happened to an object, in two versions over one store."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="Event",
        plural="events",
        definition="io.k8s.api.core.v1.Event",
        short_names=("ev",),
        generation=False,
        allow_create_on_update=True,
        events_ttl=3600,
    ),
    Resource(
        kind="Event",
        plural="events",
        group="events.k8s.io",
        definition="io.k8s.api.events.v1.Event",
        short_names=("ev",),
        generation=False,
        allow_create_on_update=True,
        events_ttl=3600,
        storage_version="v1",
    ),
)
