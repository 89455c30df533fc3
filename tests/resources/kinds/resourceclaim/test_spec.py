"""What claims, their templates and classes of devices may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    MANY,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    changed,
    create,
    resource,
    update,
)

GROUP = "resource.k8s.io"
CLAIM, CLASS = resource(GROUP, "resourceclaims"), resource(GROUP, "deviceclasses")
TEMPLATE = resource(GROUP, "resourceclaimtemplates")
EXACT: dict[str, Any] = {"deviceClassName": "gpu.example"}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"devices": {"requests": [{"name": "a", "exactly": EXACT}]}},
}
AT = "spec.devices.requests[0]"
FIRST = "spec.devices.requests.0"


def test_what_is_not_said_is_one_device() -> None:
    made, causes = create(CLAIM, changed(VALID, {f"{FIRST}.exactly.tolerations": [{"key": "a"}]}))
    assert not causes
    assert made["spec"]["devices"]["requests"][0]["exactly"] == {
        **EXACT,
        "allocationMode": "ExactCount",
        "count": 1,
        "tolerations": [{"key": "a", "operator": "Equal"}],
    }


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({f"{FIRST}.exactly": None}, [(NEEDED, AT, "exactly one of `exactly` or `firstAvailable` is required")]),
        ({f"{FIRST}.firstAvailable": [{"name": "b", **EXACT}]}, [(BAD, AT, "but multiple fields are set")]),
        ({f"{FIRST}.name": ""}, [(BAD, f"{AT}.name", "RFC 1123 label")]),
        ({"spec.devices.requests.1": {"name": "a", "exactly": EXACT}}, [(TWICE, "spec.devices.requests[1]", '"a"')]),
        ({"spec.devices.requests": [{}] * 33}, [(MANY, "spec.devices.requests", "33: must have at most 32 items")]),
        (
            {f"{FIRST}.exactly.deviceClassName": "", f"{FIRST}.exactly.count": -1},
            [(NEEDED, f"{AT}.exactly.deviceClassName", ""), (BAD, f"{AT}.exactly.count", "must be greater than zero")],
        ),
        (
            {f"{FIRST}.exactly.allocationMode": "All", f"{FIRST}.exactly.count": 2},
            [(BAD, f"{AT}.exactly.count", "2: must not be specified when allocationMode is 'All'")],
        ),
        (
            {f"{FIRST}.exactly.allocationMode": "x"},
            [(UNKNOWN, f"{AT}.exactly.allocationMode", '"All", "ExactCount"')],
        ),
        (
            {f"{FIRST}.exactly.tolerations": [{"operator": "Exists", "value": "a", "effect": "x"}, {"operator": "y"}]},
            [
                (BAD, f"{AT}.exactly.tolerations[0].value", "must be empty for operator `Exists`"),
                (UNKNOWN, f"{AT}.exactly.tolerations[0].effect", '"NoExecute", "NoSchedule", "None"'),
                (UNKNOWN, f"{AT}.exactly.tolerations[1].operator", '"Equal", "Exists"'),
            ],
        ),
    ],
)
def test_a_request(change: Change, causes: list[Cause]) -> None:
    assert_create(CLAIM, VALID, change, causes)


def test_constraints_and_configurations_name_requests() -> None:
    subs = [{"name": "b", **EXACT}]
    opaque = {"opaque": {"driver": "d.example", "parameters": {"a": 1}}}
    change: Change = {
        f"{FIRST}.exactly": None,
        f"{FIRST}.firstAvailable": subs,
        "spec.devices.constraints": [
            {"requests": ["a", "a/b"], "matchAttribute": "d.example/numa"},
            {"requests": ["c", "a"], "matchAttribute": "numa"},
            {"requests": ["a", "a"]},
        ],
        "spec.devices.config": [{"requests": ["a/b/c"], **opaque}, {"opaque": {"parameters": []}}, {}],
    }
    at = "spec.devices"
    wanted = [
        (BAD, f"{at}.constraints[1].requests[0]", "must be the name of a request in the claim"),
        (BAD, f"{at}.constraints[1].matchAttribute", "must be a domain and a name separated by a slash"),
        (TWICE, f"{at}.constraints[2].requests[1]", '"a"'),
        (NEEDED, f"{at}.constraints[2]", 'exactly one of "matchAttribute" or "distinctAttribute" is required'),
        (BAD, f"{at}.config[0].requests[0]", "must be the name of a request in the claim"),
        (NEEDED, f"{at}.config[1].opaque.driver", ""),
        (BAD, f"{at}.config[1].opaque.driver", "RFC 1123 subdomain"),
        (BAD, f"{at}.config[1].opaque.parameters", '"<value omitted>": must be a valid JSON object'),
        (NEEDED, f"{at}.config[2].opaque", ""),
    ]
    assert_create(CLAIM, VALID, change, wanted)


NESTED = "device.attributes.all(a, device.attributes[a].all(b, {}))"


@pytest.mark.parametrize(
    ("selector", "causes"),
    [
        ({"cel": {"expression": 'device.driver == "d" && device.attributes["d"].model == "a"'}}, []),
        ({"cel": {"expression": 'device.capacity["d"].memory.compareTo(quantity("1Gi")) >= 0'}}, []),
        ({"cel": {"expression": 'device.attributes["d"].healthy'}}, []),
        ({"cel": {"expression": NESTED.format("device.driver == 'd'")}}, []),
        (
            {"cel": {"expression": NESTED.format(NESTED.format("device.driver == 'd'"))}},
            [(NOT_HERE, ".cel.expression", "too complex, exceeds cost limit")],
        ),
        ({}, [(NEEDED, ".cel", "")]),
        ({"cel": {"expression": "device.nope"}}, [(BAD, ".cel.expression", "undefined field 'nope'")]),
        (
            {"cel": {"expression": "1"}},
            [(BAD, ".cel.expression", "must evaluate to bool or the unknown type, not int")],
        ),
    ],
)
def test_devices_are_selected_by_expressions(selector: dict[str, Any], causes: list[Cause]) -> None:
    found = create(CLASS, {"metadata": {"name": "x"}, "spec": {"selectors": [selector]}})[1]
    assert_causes(found, [(reason, f"spec.selectors[0]{field}", text) for reason, field, text in causes])


def test_a_class_stands_for_a_resource_of_old() -> None:
    found = create(CLASS, {"metadata": {"name": "x"}, "spec": {"extendedResourceName": "cpu"}})[1]
    assert_causes(found, [(BAD, "spec.extendedResourceName", "must be a valid extended resource name")])


def test_what_was_asked_for_stays() -> None:
    assert_causes(update(CLAIM, VALID, {f"{FIRST}.name": "b"})[1], [(BAD, "spec", "field is immutable")])
    template = {"metadata": {"name": "x"}, "spec": {"spec": VALID["spec"], "metadata": {"labels": {"a": "b c"}}}}
    found = create(TEMPLATE, template)[1]
    assert_causes(found, [(BAD, "spec.metadata.labels", "a valid label must be")])
