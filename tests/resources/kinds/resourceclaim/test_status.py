"""What may be said of a claim."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, NOT_HERE, TWICE, UNKNOWN, Cause, assert_causes
from tests.resources.kinds.resourceclaim.test_spec import CLAIM, VALID

SUB = CLAIM.subresources["status"]
PLACE = {"driver": "d.example", "pool": "p", "device": "g-0"}
ALLOCATION = {"devices": {"results": [{"request": "a", **PLACE}]}}
USER = {"resource": "pods", "name": "p", "uid": "u"}
USED: dict[str, Any] = {"allocation": ALLOCATION, "reservedFor": [USER], "devices": [PLACE]}
UUID = "0a000000-0000-0000-0000-00000000000b"


def refused(state: Any, was: Any = None, **meta: Any) -> list[Cause]:
    old = {**VALID, "status": was or {}}
    new = {**VALID, "metadata": {**VALID["metadata"], **meta}, "status": state}
    return [(error.reason, error.field, error.message) for error in SUB.validate(new, old)]


@pytest.mark.parametrize(
    ("state", "causes"),
    [
        (USED, []),
        ({"reservedFor": [USER]}, [(NOT_HERE, "status.reservedFor", "may not be specified when `allocated` is not")]),
        (
            {**USED, "reservedFor": [USER, USER, {"resource": "pods", "name": "", "uid": "v"}]},
            [(NEEDED, "status.reservedFor[2].name", ""), (TWICE, "status.reservedFor[1]", '"u"')],
        ),
        (
            {**USED, "devices": [{**PLACE, "device": "g-1", "networkData": {"ips": ["10.0.0.1", "fe80:0::1/64"]}}]},
            [
                (BAD, "status.devices[0]", '"d.example/p/g-1": must be an allocated device in the claim'),
                (BAD, "status.devices[0].networkData.ips[0]", "must be a valid address in CIDR form"),
                (BAD, "status.devices[0].networkData.ips[1]", 'must be in canonical form ("fe80::1/64")'),
            ],
        ),
        (
            {"allocation": {"devices": {"results": [{"request": "b", "driver": "d", "pool": "", "device": "_"}]}}},
            [
                (BAD, "status.allocation.devices.results[0].request", "must be the name of a request"),
                (NEEDED, "status.allocation.devices.results[0].pool", ""),
                (BAD, "status.allocation.devices.results[0].device", "RFC 1123 label"),
            ],
        ),
        (
            {"allocation": {"devices": {"config": [{"source": "x", "opaque": {"driver": "d", "parameters": {}}}]}}},
            [(UNKNOWN, "status.allocation.devices.config[0].source", '"FromClaim", "FromClass"')],
        ),
    ],
)
def test_a_status(state: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(refused(state), causes)


def test_shares_and_conditions_of_binding() -> None:
    result = {"request": "a", **PLACE, "bindingConditions": ["a", "a"], "shareID": UUID.upper()}
    at = "status.allocation.devices.results[0]"
    wanted = [
        (TWICE, f"{at}.bindingConditions[1]", '"a"'),
        (BAD, f"{at}.bindingFailureConditions", "bindingFailureConditions are required to use bindingConditions"),
        (BAD, f"{at}.shareID", "uid must be in RFC 4122 normalized form"),
    ]
    assert_causes(refused({"allocation": {"devices": {"results": [result]}}}), wanted)


def test_an_allocation_stays_as_it_is_until_it_goes() -> None:
    assert not refused({**USED, "reservedFor": []}, USED)
    assert not refused({}, USED)
    found = refused({"allocation": {"devices": {}}}, USED)
    assert_causes(found, [(BAD, "status.allocation", "field is immutable")])
    found = refused(USED, {"allocation": ALLOCATION}, deletionTimestamp="2026-01-01T00:00:00Z")
    assert_causes(found, [(NOT_HERE, "status.reservedFor", "new entries may not be added while")])


def test_the_state_of_devices_goes_with_their_allocation() -> None:
    old = {"metadata": {"name": "x"}, "spec": VALID["spec"], "status": USED}
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"a": "b"}
    del new["status"]["allocation"]
    SUB.prepare(new, old)
    assert new == {"metadata": {"name": "x"}, "spec": VALID["spec"], "status": {"reservedFor": [USER]}}
