"""RoleBindings and ClusterRoleBindings: who holds a role."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ClusterRoleBinding",
        plural="clusterrolebindings",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.ClusterRoleBinding",
        namespaced=False,
        name_rule=names.path_segment,
        generation=False,
        allow_create_on_update=True,
    ),
    Resource(
        kind="RoleBinding",
        plural="rolebindings",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.RoleBinding",
        name_rule=names.path_segment,
        generation=False,
        allow_create_on_update=True,
    ),
)
