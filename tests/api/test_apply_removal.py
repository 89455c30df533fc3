"""Server-side apply: what goes when its applier names it no longer, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.api.apply import apply, created, updated
from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from tests.api.appliers import (
    CONFIG_MAP,
    DEPLOYMENT,
    WIDGET,
    Obj,
    config_map,
    owners,
    stored,
    with_entries,
    writer,
)


def test_what_is_no_longer_applied_is_removed_unless_another_applier_has_it() -> None:
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, None, config_map({"a": "1", "b": "1", "c": "1"}), writer("m1")))
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map({"b": "1"}), writer("m2")))
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map({"c": "1"}), writer("m1")))
    assert live["data"] == {"b": "1", "c": "1"}
    assert owners(live) == {"m1/Apply": {"f:data": {"f:c": {}}}, "m2/Apply": {"f:data": {"f:b": {}}}}


def test_metadata_outlives_the_last_label_that_was_applied() -> None:
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, None, config_map(labels={"a": "1"}), writer("m1")))
    live["metadata"].update(uid="u", resourceVersion="7")
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map(), writer("m1")))
    assert live["metadata"] == {
        **config_map()["metadata"],
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": None,
    }


def test_what_an_updater_owns_too_stays_when_its_applier_gives_it_up() -> None:
    first = config_map({"a": "1", "b": "1"})
    live = with_entries(first, created(CONFIG_MAP, first, writer("up")))
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map({"a": "1"}), writer("m1")))
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map(), writer("m1")))
    assert live["data"] == {"a": "1", "b": "1"}
    assert owners(live) == {"up/Update": {"f:data": {".": {}, "f:a": {}, "f:b": {}}}}


def test_what_nobody_owns_in_a_map_or_list_outlives_the_last_that_was_applied_there() -> None:
    def secret(**fields: Any) -> Obj:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}

    kind = schema.type_for("", "v1", "Secret")
    live = stored(kind, apply(kind, None, secret(data={"x": "AA=="}), writer("m1")))
    live["data"]["b"] = "Mg=="  # of stringData, say
    live["metadata"]["finalizers"] = ["e/f"]
    live = stored(kind, apply(kind, live, secret(), writer("m1")))
    assert (live["data"], live["metadata"]["finalizers"]) == ({"b": "Mg=="}, ["e/f"])


def test_what_was_named_in_a_map_goes_with_what_others_put_in_there() -> None:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    kind = from_openapi({"type": "object", "properties": {"spec": {**texts, "additionalProperties": texts}}})

    def thing(**spec: Any) -> Obj:
        return {"apiVersion": "e/v1", "kind": "T", "metadata": {"name": "t"}, "spec": spec}

    live = stored(kind, apply(kind, None, thing(a={}, c={"d": "e"}), writer("m1", version="e/v1")))
    filled = thing(a={"by": "m2"}, c={"d": "e"})
    entries = updated(kind, live, filled, None, writer("m2", version="e/v1"))
    config = thing(c={"d": "e"})
    outcome = apply(kind, with_entries(filled, entries), config, writer("m1", version="e/v1"))
    assert outcome.obj["spec"] == config["spec"]
    assert owners(stored(kind, outcome)).keys() == {"m1/Apply"}


def test_a_struct_goes_with_its_defaults_when_nothing_of_it_is_applied_any_more() -> None:
    def deployment(**strategy: Any) -> Obj:
        spec = {"strategy": strategy, "selector": {"matchLabels": {"a": "b"}}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    first = deployment(type="RollingUpdate", rollingUpdate={"maxSurge": 1})
    live = stored(DEPLOYMENT, apply(DEPLOYMENT, None, first, writer("m1", version="apps/v1")))
    live["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = "25%"
    outcome = apply(DEPLOYMENT, live, deployment(type="Recreate"), writer("m1", version="apps/v1"))
    assert outcome.obj["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"map": [{"k": "a"}], "set": ["x"], "size": 1}, {"map": [], "set": [], "size": 1}),
        ({"map": [{"k": "a", "v": "1"}], "size": 1}, {"map": [{"k": "a"}], "size": 1}),
        ({"free": {"a": 1}, "size": 1}, {"free": {}, "size": 1}),
    ],
)
def test_a_configuration_that_empties_something_is_what_is_left_of_it(first: Obj, second: Obj) -> None:
    def widget(spec: Obj) -> Obj:
        return {"apiVersion": "e/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}

    def after(live: Obj | None, spec: Obj) -> Obj:
        return stored(WIDGET, apply(WIDGET, live, widget(spec), writer("m1", version="e/v1")))

    once = after(after(None, first), second)
    assert once["spec"] == second
    assert after(once, second) == once
