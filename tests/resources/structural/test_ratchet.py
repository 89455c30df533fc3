"""What an update leaves as it was."""

from __future__ import annotations

from kube_lite.resources.structural.ratchet import unchanged


def test_what_was_wrong_before_an_update_and_stays_is_unchanged() -> None:
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = {"properties": {"spec": {"properties": {"a": {"type": "string"}, "l": keyed}}}}
    old = {"spec": {"a": "bad", "b": 1, "l": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]}}
    new = {"spec": {"a": "bad", "b": 2, "l": [{"k": "y", "v": 2}, {"k": "x", "v": 3}]}}
    assert unchanged(((None, "spec"), "a"), schema, new, old)
    assert not unchanged((None, "spec"), schema, new, old)
    items = ((None, "spec"), "l")
    assert unchanged(((items, 0), "v"), schema, new, old), "the item moved, its key says which it is"
    assert not unchanged(((items, 1), "v"), schema, new, old)
