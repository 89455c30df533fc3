"""The recorded creations, without a server."""

from __future__ import annotations

import pytest

from kube_lite.resources.registry import builtin
from tests.golden import offline

RECORDED = pytest.mark.skipif(not offline.CORPUS.is_dir(), reason="no recordings here (set KUBE_LITE_GOLDEN)")

ELSEWHERE = {
    "validation-service-clusterip-outside": "the allocator of addresses refuses it",
    "validation-service-nodeport-out-of-range": "the allocator of node ports refuses it",
    "defaults-service-ipfamily": "the allocator of addresses decides about families",
    "validation-service-dualstack-unsupported": "the allocator of addresses decides about families",
    "defaults-certificatesigningrequest-beta": "the server names who asks",
}
"""Cases that another part decides."""


@RECORDED
def test_creations_are_answered_as_recorded() -> None:
    registry, allowed = builtin(), offline.allowed()
    outcomes = [offline.replay(registry, case) for case in offline.cases(offline.CORPUS, offline.TOPICS)]
    differing = {o.case for o in outcomes if isinstance(o, offline.Difference)}
    assert differing - allowed.keys() - ELSEWHERE.keys() == set()
    assert (allowed.keys() | ELSEWHERE.keys()) - differing == set(), "these no longer differ: take their lines away"
    assert sum(outcome is None for outcome in outcomes) > 200
