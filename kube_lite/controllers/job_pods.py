"""The pods of a Job: which are its, which it may adopt or need not count, and what a new one is like."""

from __future__ import annotations

from collections.abc import Collection

from kube_lite.controllers.base import key_of_controller
from kube_lite.controllers.job_failure_policy import IGNORE, judge
from kube_lite.controllers.job_status import DOMAIN, FINALIZER, GENERATED_LABELS, INDEX, Job
from kube_lite.controllers.ownership import controller_reference
from kube_lite.controllers.pods import pod_from_template
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import LabelSelector, Obj
from kube_lite.resources.selectors import matches

HELD_INDEX = "held for a job"
"""Name of the index by :func:`held_for`."""


def held_for(pod: Pod) -> Collection[str]:
    """Indexer: the key of the Job whose finalizer is on the pod, also when it controls it no more."""
    meta = pod.metadata
    if FINALIZER not in meta.finalizers:
        return ()
    if meta.controller is not None:
        return list(key_of_controller("Job")(pod))
    name = meta.labels.get("job-name")
    return () if name is None else (f"{meta.namespace}/{name}",)


def may_count(job: Job, pod: Pod) -> bool:
    """Whether the pod is the Job's, or one that it will adopt."""
    owner = pod.metadata.controller
    if owner is not None:
        return owner.uid == job.metadata.uid
    return not pod.terminating and selects(job, pod)


def selects(job: Job, pod: Pod) -> bool:
    """Whether the Job's selector, which it always has in the API, matches."""
    return job.spec.selector != LabelSelector() and matches(job.spec.selector, pod.metadata.labels)


def is_ignored(job: Job, pod: Pod) -> bool:
    """Whether a pod has failed in a way that does not count."""
    return pod.status.phase == "Failed" and judge(job.spec.pod_failure_policy, pod)[0] == IGNORE


def pod_of(job: Job, index: int | None) -> Obj:
    """A new pod of the Job; with an index it carries that as label, annotation, host name and variable."""
    name = job.metadata.name
    prefix = f"{name}-" if index is None else f"{name}-{index}-"
    pod = pod_from_template(job.spec.template, prefix, controller_reference(job, "batch/v1", "Job"))
    meta = pod["metadata"]
    meta["finalizers"] = [*meta.get("finalizers", ()), FINALIZER]
    labels = meta.get("labels", {})
    meta["labels"] = {**labels, **{DOMAIN + key: labels[key] for key in GENERATED_LABELS if key in labels}}
    if index is not None:
        meta["annotations"] = {**meta.get("annotations", {}), INDEX: str(index)}
        meta["labels"] = {**meta.get("labels", {}), INDEX: str(index)}
        spec = pod["spec"]
        spec.setdefault("hostname", f"{name}-{index}")
        source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
        for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
            env = container.setdefault("env", [])
            if all(entry["name"] != "JOB_COMPLETION_INDEX" for entry in env):
                env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
    return pod
