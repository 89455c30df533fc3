"""Slices of devices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    MANY,
    NEEDED,
    NOT_HERE,
    TWICE,
    Cause,
    Change,
    assert_causes,
    assert_create,
    changed,
    create,
    resource,
    update,
)

KIND = resource("resource.k8s.io", "resourceslices")
DEVICE: dict[str, Any] = {
    "name": "g-0",
    "attributes": {"model": {"string": "a"}, "d.example/version": {"version": "1.2.3-rc.1+b"}},
    "capacity": {"memory": {"value": "8Gi"}},
}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "driver": "d.example",
        "pool": {"name": "rack/a", "generation": 1, "resourceSliceCount": 1},
        "nodeName": "n",
        "devices": [DEVICE],
    },
}
AT = "spec.devices[0]"
FIRST = "spec.devices.0"
SELECTOR = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.nodeName": None}, [(NEEDED, "spec", "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDev")]),
        ({"spec.allNodes": True}, [(BAD, "spec", '"{`nodeName`, `allNodes`}": exactly one of')]),
        ({"spec.allNodes": False}, [(BAD, "spec.allNodes", "false: must be either unset or set to true")]),
        (
            {"spec.nodeName": None, "spec.nodeSelector": {"nodeSelectorTerms": SELECTOR["nodeSelectorTerms"] * 2}},
            [(BAD, "spec.nodeSelector.nodeSelectorTerms", "must have exactly one node selector term")],
        ),
        (
            {"spec.pool": {"name": "a//B", "generation": -1}},
            [
                (BAD, "spec.pool.name", '"": a lowercase RFC 1123 subdomain'),
                (BAD, "spec.pool.name", '"B": a lowercase RFC 1123 subdomain'),
                (BAD, "spec.pool.resourceSliceCount", "0: must be greater than zero"),
                (BAD, "spec.pool.generation", "-1: must be greater than or equal to zero"),
            ],
        ),
        ({"spec.devices": [{"name": "a"}] * 129}, [(MANY, "spec.devices", "129: must have at most 128 items")]),
        ({"spec.devices.1": {"name": "g-0"}}, [(TWICE, "spec.devices[1]", '"g-0"')]),
        (
            {"spec.sharedCounters": [{"name": "c", "counters": {"B": {"value": "1"}}}, {}]},
            [
                (BAD, "spec", '"": only one of `sharedCounters` or `devices` is allowed'),
                (BAD, "spec.sharedCounters[0].counters[B]", "RFC 1123 label"),
                (NEEDED, "spec.sharedCounters[1].name", ""),
                (NEEDED, "spec.sharedCounters[1].counters", ""),
            ],
        ),
    ],
)
def test_a_new_slice(change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        (
            {f"{FIRST}.attributes": {"a-b": {"int": 1}, "/a": {"bool": True}, "B_/a": {"bool": False}}},
            [
                (BAD, f"{AT}.attributes[/a]", "the domain must not be empty"),
                (BAD, f"{AT}.attributes[B_/a]", "RFC 1123 subdomain"),
                (BAD, f"{AT}.attributes[a-b]", "a valid C identifier"),
            ],
        ),
        (
            {f"{FIRST}.attributes": {"a": {}, "b": {"int": 1, "string": "x" * 65}, "c": {"version": "1.2"}}},
            [
                (BAD, f"{AT}.attributes[a]", '"": exactly one value must be specified'),
                (LONG, f"{AT}.attributes[b].string", "64"),
                (BAD, f"{AT}.attributes[b]", "exactly one value must be specified"),
                (BAD, f"{AT}.attributes[c].version", '"1.2": must be a string compatible with semver.org spec 2.0.0'),
            ],
        ),
        (
            {f"{FIRST}.taints": [{"key": "", "effect": "x"}]},
            [
                (BAD, f"{AT}.taints[0].key", "name part must be non-empty"),
                (BAD, f"{AT}.taints[0].key", "name part must consist"),
                ("FieldValueNotSupported", f"{AT}.taints[0].effect", '"NoExecute"'),
            ],
        ),
        ({f"{FIRST}.allNodes": True}, [(BAD, AT, "can only be set if `perDeviceNodeSelection` is set to true")]),
        (
            {"spec.nodeName": None, "spec.perDeviceNodeSelection": True},
            [(NEEDED, AT, "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when")],
        ),
        (
            {f"{FIRST}.capacity.memory.requestPolicy": {"default": "1Gi"}},
            [(NOT_HERE, f"{AT}.capacity[memory].requestPolicy", "allowMultipleAllocations must be true")],
        ),
        (
            {f"{FIRST}.consumesCounters": [{"counterSet": "c", "counters": {"m": {"value": "1"}}}] * 2},
            [(TWICE, f"{AT}.consumesCounters[1]", '"c"')],
        ),
    ],
)
def test_a_device(change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


POLICY = f"{AT}.capacity[memory].requestPolicy"


@pytest.mark.parametrize(
    ("policy", "causes"),
    [
        ({"default": "1Gi", "validValues": ["1Gi", "2Gi"]}, []),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "max": "4Gi", "step": "1Gi"}}, []),
        ({"validValues": ["1Gi"]}, [(NEEDED, ".default", "required when validValues is defined")]),
        ({"validValues": ["1Gi"], "validRange": {}}, [(NOT_HERE, "", "exactly one policy can be specified")]),
        (
            {"default": "3Gi", "validValues": ["16Gi", "1Gi"]},
            [
                (BAD, ".validValues[1]", "values must be sorted in ascending order"),
                (BAD, ".validValues[0]", '"16Gi": option is larger than capacity value: 8Gi'),
                (BAD, ".validValues", '"3Gi": default value is not valid according to the requestPolicy'),
            ],
        ),
        (
            {"default": "1Gi", "validRange": {"min": "2Gi", "max": "16Gi", "step": "4Gi"}},
            [
                (BAD, ".validRange.min", '"1Gi": default is less than min: 2Gi'),
                (BAD, ".validRange.max", "max is larger than capacity value: 8Gi"),
                (BAD, ".validRange.step", '"1Gi": value is not a multiple of a given step (4Gi) from (2Gi)'),
                (BAD, ".validRange.step", '"16Gi": value is not a multiple of a given step (4Gi) from (2Gi)'),
            ],
        ),
    ],
)
def test_a_capacity_that_is_shared(policy: dict[str, Any], causes: list[Cause]) -> None:
    change: Change = {f"{FIRST}.allowMultipleAllocations": True, f"{FIRST}.capacity.memory.requestPolicy": policy}
    wanted = [(reason, f"{POLICY}{field}", text) for reason, field, text in causes]
    assert_create(KIND, VALID, change, wanted)


def test_a_taint_is_dated_and_a_slice_stays_where_it_is() -> None:
    made, _ = create(KIND, changed(VALID, {f"{FIRST}.taints": [{"key": "a", "effect": "NoSchedule"}]}))
    assert made["spec"]["devices"][0]["taints"][0]["timeAdded"].endswith("Z")
    found = update(KIND, VALID, {"spec.nodeName": "m", "spec.pool.name": "p", "spec.driver": "e"})[1]
    wanted = [(BAD, f"spec.{name}", "field is immutable") for name in ("pool.name", "driver", "nodeName")]
    assert_causes(found, wanted)


def test_lists_as_attributes_and_shares_of_a_node_are_alpha() -> None:
    """They are dropped from a new slice; one that has them may go on to have them."""
    change = {f"{FIRST}.attributes.many": {"strings": ["a"], "int": 1}, f"{FIRST}.{SHARES}": {"cpu": {}}}
    (device,) = create(KIND, changed(VALID, change))[0]["spec"]["devices"]
    assert (device["attributes"]["many"], SHARES in device) == ({"int": 1}, False)
    kept = changed(VALID, change)
    KIND.prepare_update(kept, changed(VALID, change))
    assert kept == changed(VALID, change)


SHARES = "nodeAllocatableResourceMappings"
