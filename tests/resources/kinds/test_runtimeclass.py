"""RuntimeClasses."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources import registry
from tests.resources.kinds.cases import (
    BAD,
    TWICE,
    Cause,
    Change,
    assert_causes,
    assert_update,
    changed,
    create,
    resource,
)

KIND = resource("node.k8s.io", "runtimeclasses")
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "handler": "h"}


def test_a_changed_handler_is_told_once_more_as_if_new() -> None:
    assert KIND.update_checks == registry.TWICE
    assert_update(KIND, VALID, {"handler": None}, [(BAD, "handler", 'Invalid value: "": field is immutable')])


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"scheduling": {"tolerations": [{"key": "a!"}]}}, [(BAD, "scheduling.tolerations.tolerations[0].key", "")]),
        (
            {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists"}] * 2}},
            [(TWICE, "scheduling.tolerations[1]", 'core.Toleration{Key:"a", Operator:"Exists", Value:"", Effect:""')],
        ),
        ({"handler": "H"}, [(BAD, "handler", "a lowercase RFC 1123 label")]),
    ],
)
def test_a_new_class(change: Change, causes: list[Cause]) -> None:
    assert_causes(create(KIND, changed(VALID, change))[1][:1], causes)
