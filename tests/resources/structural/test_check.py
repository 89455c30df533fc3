"""Whether a schema is structural."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.check import validate_schema


def _spec(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"properties": {}}, "p.properties[spec].properties[a].type: Required value: must not be empty"),
        ({"type": "frob"}, "type: Unsupported value"),
        ({"type": "string", "pattern": "["}, "must be a valid regular expression"),
        ({"type": "string", "pattern": "(?=x)"}, "must be a valid regular expression"),
        ({"type": "array"}, "items: Required value: must be specified"),
        ({"type": "integer", "default": "x"}, "p.properties[spec].properties[a].default: Invalid value: "),
        ({"type": "string", "x-kubernetes-int-or-string": True}, "must be empty if x-kubernetes-int-or-string is true"),
        ({"type": "object", "anyOf": [{"type": "object"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
        (
            {"type": "object", "anyOf": [{"properties": {"z": {"minimum": 1}}}]},
            "properties[z]: Required value: because",
        ),
        (
            {"type": "object", "x-kubernetes-validations": [{"rule": "self.a +"}]},
            "x-kubernetes-validations[0].rule: Invalid value: ",
        ),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(node: Any, message: str) -> None:
    found = [str(error) for error in validate_schema(_spec(a=node), "p")]
    assert any(message in text for text in found), found


def test_int_or_string_may_spell_out_its_two_types() -> None:
    node = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert validate_schema(_spec(a=node), "p") == []
