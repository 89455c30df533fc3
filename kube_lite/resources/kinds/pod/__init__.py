"""Pods: the one kind with a folder of its own."""

from __future__ import annotations

from kube_lite.resources.kinds.pod import columns, resize, status_update, update
from kube_lite.resources.kinds.pod.apparmor import set_profiles
from kube_lite.resources.kinds.pod.defaults import default_pod
from kube_lite.resources.kinds.pod.label_keys import merge_label_keys
from kube_lite.resources.kinds.pod.qos import qos_class
from kube_lite.resources.kinds.pod.seccomp import synchronise_seccomp
from kube_lite.resources.kinds.pod.validation import validate_pod
from kube_lite.resources.kinds.pod.warnings import pod_warnings
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import REPLACED, Resource, Subresource, status

_OPTIONS_VERBS = ("create", "get")
_PROXY_VERBS = ("create", "delete", "get", "patch", "update")


def _prepare_create(pod: Obj) -> None:
    """A new pod is pending, whatever status was sent."""
    spec = pod.get("spec") or {}
    synchronise_seccomp(pod)
    set_profiles(pod)
    merge_label_keys(pod)
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]


def _grace_period(pod: Obj, asked: int | None) -> int:
    """Seconds until a pod is removed: none where nothing can be running any more."""
    spec, state = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or state.get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return asked
    return max(1, int(seconds)) if (seconds := spec.get("terminationGracePeriodSeconds", 0)) else 0


def _selectable(pod: Obj) -> dict[str, str]:
    spec, state = pod.get("spec") or {}, pod.get("status") or {}
    ips = state.get("podIPs") or [{}]
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": state.get("phase", ""),
        "status.podIP": ips[0].get("ip") or state.get("podIP", ""),
        "status.nominatedNodeName": state.get("nominatedNodeName", ""),
    }


RESOURCES = (
    Resource(
        kind="Pod",
        update_checks=REPLACED,
        returns_deleted=True,
        plural="pods",
        definition="io.k8s.api.core.v1.Pod",
        generation=False,
        short_names=("po",),
        categories=("all",),
        subresources={
            "attach": Subresource(name="attach", verbs=_OPTIONS_VERBS, kind="PodAttachOptions"),
            "binding": Subresource(name="binding", verbs=("create",), version="v1", kind="Binding"),
            "ephemeralcontainers": Subresource(
                name="ephemeralcontainers",
                prepare=update.prepare_ephemeral_containers,
                validate=update.validate_ephemeral_update,
            ),
            "eviction": Subresource(name="eviction", verbs=("create",), group="policy", version="v1", kind="Eviction"),
            "exec": Subresource(name="exec", verbs=_OPTIONS_VERBS, kind="PodExecOptions"),
            "log": Subresource(name="log", verbs=("get",)),
            "portforward": Subresource(name="portforward", verbs=_OPTIONS_VERBS, kind="PodPortForwardOptions"),
            "proxy": Subresource(name="proxy", verbs=_PROXY_VERBS, kind="PodProxyOptions"),
            "resize": Subresource(name="resize", prepare=resize.prepare_resize, validate=resize.validate_resize),
            "status": status(
                status_update.prepare_pod_status,
                status_update.validate_pod_status,
                ("spec", "metadata.deletionTimestamp", "metadata.ownerReferences"),
            ),
        },
        default=default_pod,
        prepare_create=_prepare_create,
        prepare_update=update.prepare_pod_update,
        validate=validate_pod,
        validate_update=update.validate_pod_update,
        warnings=pod_warnings,
        grace_period=_grace_period,
        columns=columns.COLUMNS,
        row=columns.row,
        row_conditions=columns.row_conditions,
        selectable=_selectable,
        selectable_names=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ),
    ),
)
