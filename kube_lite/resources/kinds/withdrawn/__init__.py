"""Versions that Kubernetes has dropped and old manifests still name: stored as today's, answered with a warning.

Each file has the versions of some groups: what they default and check otherwise, and how objects are converted.
What their types look like is in ``kube_lite.resources.withdrawn``.
"""

from kube_lite.resources.kinds.withdrawn import (
    admission,
    autoscaling,
    certificates,
    definitions,
    discovery,
    flowcontrol,
    ingress,
    same,
    workloads,
)

RESOURCES = (
    *workloads.RESOURCES,
    *ingress.RESOURCES,
    *discovery.RESOURCES,
    *autoscaling.RESOURCES,
    *flowcontrol.RESOURCES,
    *certificates.RESOURCES,
    *definitions.RESOURCES,
    *admission.RESOURCES,
    *same.RESOURCES,
)
