"""CronJobs: jobs on a schedule."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="CronJob",
        plural="cronjobs",
        group="batch",
        definition="io.k8s.api.batch.v1.CronJob",
        short_names=("cj",),
        categories=("all",),
        subresources={"status": status()},
    ),
)
