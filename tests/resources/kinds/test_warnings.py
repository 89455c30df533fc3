"""What small kinds are warned of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import resource, update

ENFORCED = {"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}
ZONE = "failure-domain.beta.kubernetes.io/zone"
USE = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'


@pytest.mark.parametrize(
    ("group", "plural", "new", "old", "texts"),
    [
        (
            "",
            "serviceaccounts",
            ENFORCED,
            {},
            [
                "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; "
                "prefer separate namespaces to isolate access to mounted secrets"
            ],
        ),
        ("", "serviceaccounts", ENFORCED, ENFORCED, []),
        (
            "node.k8s.io",
            "runtimeclasses",
            {"scheduling": {"nodeSelector": {ZONE: "a"}}},
            None,
            [f"scheduling.nodeSelector: {USE}"],
        ),
        (
            "storage.k8s.io",
            "storageclasses",
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]},
            None,
            [f"allowedTopologies[0].matchLabelExpressions[0].key: {USE}"],
        ),
        (
            "",
            "endpoints",
            {"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "::ffff:10.0.0.1"}]}]},
            None,
            [
                'subsets[0].addresses[1].ip: non-standard IP address "::ffff:10.0.0.1" will be considered invalid in a '
                'future Kubernetes release: use "10.0.0.1"'
            ],
        ),
    ],
)
def test_what_small_kinds_are_warned_of(
    group: str, plural: str, new: dict[str, Any], old: dict[str, Any] | None, texts: list[str]
) -> None:
    assert resource(group, plural).warnings(new, old) == texts


def test_kinds_that_others_replaced() -> None:
    assert resource("", "endpoints").deprecation.startswith("v1 Endpoints is deprecated in v1.33+; use discovery")
    assert resource("", "componentstatuses").deprecation == "v1 ComponentStatus is deprecated in v1.19+"


def test_an_address_may_move_to_another_node() -> None:
    address = {"ip": "10.0.0.1", "nodeName": "a"}
    stored = {"metadata": {"name": "x"}, "subsets": [{"addresses": [address], "ports": [{"port": 1}]}]}
    assert update(resource("", "endpoints"), stored, {"subsets.0.addresses.0.nodeName": "b"})[1] == []
