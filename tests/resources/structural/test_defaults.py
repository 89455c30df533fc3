"""Defaults of custom resources."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.structural.defaults import compile_defaults


def _spec(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def test_defaults_fill_what_is_missing_at_every_level_and_never_share_state() -> None:
    inner = {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 3}}}
    items = {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}}}
    fill = compile_defaults(_spec(inner=inner, l=items, tags={"type": "array", "default": ["a"]}))
    assert fill is not None
    first: dict[str, Any] = {"spec": {"l": [{}, {"p": "UDP"}]}}
    fill(first)
    assert first == {"spec": {"inner": {"n": 3}, "l": [{"p": "TCP"}, {"p": "UDP"}], "tags": ["a"]}}
    first["spec"]["tags"].append("b")
    second: dict[str, Any] = {"spec": {}}
    fill(second)
    assert second["spec"]["tags"] == ["a"]


def test_a_null_that_is_not_allowed_counts_as_missing() -> None:
    fill = compile_defaults(
        _spec(
            kept={"type": "string", "nullable": True, "default": "k"},
            dropped={"type": "string"},
            filled={"type": "string", "default": "f"},
        )
    )
    assert fill is not None
    obj: dict[str, Any] = {"spec": {"kept": None, "dropped": None, "filled": None}}
    fill(obj)
    assert obj == {"spec": {"kept": None, "filled": "f"}}


def test_a_null_of_a_map_is_dropped_where_it_is_not_allowed() -> None:
    fill = compile_defaults(
        _spec(
            plain={"type": "object", "additionalProperties": {"type": "string"}},
            nullable={"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
        )
    )
    assert fill is not None
    obj: dict[str, Any] = {"spec": {"plain": {"a": None, "b": "x"}, "nullable": {"a": None}}}
    fill(obj)
    assert obj == {"spec": {"plain": {"b": "x"}, "nullable": {"a": None}}}
