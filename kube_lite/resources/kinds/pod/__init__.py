"""Pods: the one kind with a folder of its own."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, Subresource, status

_OPTIONS_VERBS = ("create", "get")
_PROXY_VERBS = ("create", "delete", "get", "patch", "update")

RESOURCES = (
    Resource(
        kind="Pod",
        plural="pods",
        definition="io.k8s.api.core.v1.Pod",
        short_names=("po",),
        categories=("all",),
        subresources={
            "attach": Subresource(name="attach", verbs=_OPTIONS_VERBS, kind="PodAttachOptions"),
            "binding": Subresource(name="binding", verbs=("create",), version="v1", kind="Binding"),
            "ephemeralcontainers": Subresource(name="ephemeralcontainers"),
            "eviction": Subresource(name="eviction", verbs=("create",), group="policy", version="v1", kind="Eviction"),
            "exec": Subresource(name="exec", verbs=_OPTIONS_VERBS, kind="PodExecOptions"),
            "log": Subresource(name="log", verbs=("get",)),
            "portforward": Subresource(name="portforward", verbs=_OPTIONS_VERBS, kind="PodPortForwardOptions"),
            "proxy": Subresource(name="proxy", verbs=_PROXY_VERBS, kind="PodProxyOptions"),
            "resize": Subresource(name="resize"),
            "status": status(),
        },
    ),
)
