"""Flow control before v1: assured shares."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import BAD, assert_causes, create, resource
from tests.resources.kinds.withdrawn.conversions import Obj, assert_same

GROUP, LEVELS = "flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"
REJECT = {"type": "Reject"}


def level(**limited: object) -> Obj:
    return {"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": {"limitResponse": REJECT, **limited}}}


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_shares_are_converted_both_ways(version: str) -> None:
    assert_same(
        GROUP,
        LEVELS,
        version,
        level(assuredConcurrencyShares=5, lendablePercent=10),
        level(nominalConcurrencyShares=5, lendablePercent=10),
    )


@pytest.mark.parametrize(
    ("version", "shares", "wanted"),
    [
        ("v1beta1", {}, {"assuredConcurrencyShares": 30}),
        ("v1beta1", {"assuredConcurrencyShares": 0}, {"assuredConcurrencyShares": 30}),
        ("v1beta2", {"assuredConcurrencyShares": 7}, {"assuredConcurrencyShares": 7}),
        ("v1beta3", {"nominalConcurrencyShares": 0}, {"nominalConcurrencyShares": 30, "lendablePercent": 0}),
        ("v1", {"nominalConcurrencyShares": 0}, {"nominalConcurrencyShares": 0, "lendablePercent": 0}),
    ],
)
def test_no_shares_meant_the_default(version: str, shares: Obj, wanted: Obj) -> None:
    made, causes = create(resource(GROUP, LEVELS, version), level(**shares))
    assert not causes
    assert made["spec"]["limited"] == {"limitResponse": REJECT, **wanted}


def test_refusals_and_columns_name_the_old_field() -> None:
    kind = resource(GROUP, LEVELS, "v1beta1")
    _, causes = create(kind, level(assuredConcurrencyShares=-1))
    assert_causes(causes, [(BAD, "spec.limited.assuredConcurrencyShares", "must be positive")])
    assert "AssuredConcurrencyShares" in [column.name for column in kind.columns]
