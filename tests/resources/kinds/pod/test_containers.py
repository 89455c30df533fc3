"""Pods: how init containers take a change of their size, and what pods of nodes may not have."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, Change, assert_create
from tests.resources.kinds.pod.test_validation import KIND, VALID

MIRROR = {"metadata.annotations": {"kubernetes.io/config.mirror": "x"}, "spec.nodeName": "n"}
INIT = "spec.initContainers.0"
KEPT, RESTARTED = (
    {f"{INIT}.resizePolicy": [{"resourceName": "cpu", "restartPolicy": policy}]}
    for policy in ("NotRequired", "RestartContainer")
)
NO_RESTART = "must not be set to 'RestartContainer' for non-sidecar initContainers"


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (KEPT, []),
        ({**RESTARTED, f"{INIT}.restartPolicy": "Always"}, []),
        (RESTARTED, [(BAD, "spec.initContainers[0].resizePolicy[0].restartPolicy", NO_RESTART)]),
    ],
)
def test_only_sidecars_among_init_containers_restart_for_their_size(change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, {f"{INIT}.name": "i", f"{INIT}.image": "x", **change}, causes)


def test_a_pod_of_its_node_has_no_claims() -> None:
    claims = {"spec.resourceClaims": [{"name": "d", "resourceClaimName": "x"}]}
    assert_create(KIND, VALID, {**MIRROR, **claims}, [(NOT_HERE, "[]", "static pods do not support resource claims")])
