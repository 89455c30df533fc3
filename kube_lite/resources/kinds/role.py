"""Roles and ClusterRoles: lists of what may be done."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ClusterRole",
        plural="clusterroles",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.ClusterRole",
        namespaced=False,
        name_rule=names.path_segment,
        generation=False,
        allow_create_on_update=True,
    ),
    Resource(
        kind="Role",
        plural="roles",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.Role",
        name_rule=names.path_segment,
        generation=False,
        allow_create_on_update=True,
    ),
)
