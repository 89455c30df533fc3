"""What kinds say of themselves: which take more than the status at ``/status``, and which PUT creates."""

from __future__ import annotations

from kube_lite.resources.registry import builtin

KEEPS_METADATA = """
    certificatesigningrequests.certificates.k8s.io cronjobs.batch daemonsets.apps daemonsets.extensions
    horizontalpodautoscalers.autoscaling ingresses.networking.k8s.io
    ingresses.extensions jobs.batch namespaces nodes persistentvolumeclaims persistentvolumes
    poddisruptionbudgets.policy pods replicasets.apps replicasets.extensions replicationcontrollers resourcequotas
    services statefulsets.apps
"""
CREATED_BY_PUT = """
    clusterrolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io endpoints events
    events.events.k8s.io leases.coordination.k8s.io limitranges rolebindings.rbac.authorization.k8s.io
    roles.rbac.authorization.k8s.io runtimeclasses.node.k8s.io services
"""


def test_only_older_kinds_take_labels_at_their_status() -> None:
    found = set()
    for resource in builtin():
        status = resource.subresources.get("status")
        if status is None:
            continue
        new = {"metadata": {"name": "a", "labels": {"a": "new"}}, "status": {}}
        status.prepare(new, {"metadata": {"name": "a", "labels": {"a": "old"}}, "status": {}})
        if new["metadata"]["labels"] == {"a": "new"}:
            found.add(resource.group_resource)
    assert found == set(KEEPS_METADATA.split())


def test_only_older_kinds_are_created_by_an_update() -> None:
    assert {r.group_resource for r in builtin() if r.allow_create_on_update} == set(CREATED_BY_PUT.split())
