"""managedFields and server-side apply: ownership, conflicts, removal, and what holds for any sequence of writes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.apply import LAST_APPLIED, apply, created, updated
from kube_lite.api.managed import differs_in_times
from kube_lite.errors import BadRequest, Conflict
from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.decode import complete, decode
from kube_lite.resources.fieldset import difference, ordered, paths, union
from kube_lite.resources.ownership import Unnameable, applied, whole
from kube_lite.resources.typed_merge import named
from tests.api.appliers import (
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    WIDGET,
    Obj,
    config_map,
    owners,
    stored,
    with_entries,
    writer,
)

# ---- create and update


def test_a_created_pod_is_owned_field_by_field() -> None:
    pod: Obj = {
        "metadata": {"name": "p", "labels": {"a": "b"}, "uid": "u"},
        "spec": {
            "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
            "tolerations": [{"key": "k"}],
        },
    }
    complete(POD, pod)
    (entry,) = created(POD, pod, writer("kubectl-create", ignored=("status",)))
    assert entry == {
        "manager": "kubectl-create",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"c"}': {
                        ".": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            ".": {},
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:protocol": {},
                            },
                        },
                        "f:resources": {},
                    }
                },
                "f:tolerations": {},
            },
        },
    }
    assert list(entry["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}'])[:2] == [".", "f:image"]


def test_an_update_takes_what_it_changes_from_the_others() -> None:
    first = config_map({"a": "1", "b": "2"})
    old = with_entries(first, created(CONFIG_MAP, first, writer("f0")))
    new = config_map({"a": "2", "b": "2", "c": "3"})
    entries = updated(CONFIG_MAP, old, new, None, writer("f1", 1))
    assert {e["manager"]: e["fieldsV1"] for e in entries} == {
        "f0": {"f:data": {".": {}, "f:b": {}}},
        "f1": {"f:data": {"f:a": {}, "f:c": {}}},
    }


def test_an_update_that_changes_nothing_changes_no_entry() -> None:
    obj = config_map({"a": "1"})
    old = with_entries(obj, created(CONFIG_MAP, obj, writer("f0")))
    assert updated(CONFIG_MAP, old, obj, None, writer("f1", 9)) == old["metadata"]["managedFields"]


def test_a_removed_field_is_owned_by_nobody() -> None:
    obj = config_map({"a": "1", "b": "1"})
    old = with_entries(obj, created(CONFIG_MAP, obj, writer("f0")))
    entries = updated(CONFIG_MAP, old, config_map({"b": "1"}), None, writer("f1"))
    assert [(e["manager"], e["fieldsV1"]) for e in entries] == [("f0", {"f:data": {".": {}, "f:b": {}}})]


def test_entries_can_be_reset_and_then_stay_away_until_the_next_apply() -> None:
    obj = config_map({"a": "1"})
    old = with_entries(obj, created(CONFIG_MAP, obj, writer("f0")))
    resets: list[list[Obj]] = [[], [{}]]
    for sent in resets:
        assert updated(CONFIG_MAP, old, obj, sent, writer("f1")) == []
    assert updated(CONFIG_MAP, obj, config_map({"a": "2"}), None, writer("f1")) == []


@pytest.mark.parametrize(
    "sent",
    [
        [{"manager": "x", "operation": "Frob", "apiVersion": "v1"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV9", "fieldsV1": {}}],
        [{"manager": "x", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {}}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"a": {}}}],
        "x",
    ],
)
def test_entries_that_are_not_valid_are_passed_over(sent: Any) -> None:
    obj = config_map({"a": "1"})
    old = with_entries(obj, created(CONFIG_MAP, obj, writer("f0")))
    assert updated(CONFIG_MAP, old, obj, sent, writer("f1")) == old["metadata"]["managedFields"]


def test_a_status_update_joins_the_entry_of_its_manager() -> None:
    pod: Obj = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    complete(POD, pod)
    old = with_entries(pod, created(POD, pod, writer("a")))
    new = {**pod, "status": {"phase": "Running"}}
    entries = updated(POD, old, new, None, writer("a", 1, subresource="status", ignored=("spec",)))
    assert [(e["manager"], e.get("subresource", "")) for e in entries] == [("a", "")]
    assert entries[0]["fieldsV1"]["f:status"] == {"f:phase": {}}
    assert "f:spec" in entries[0]["fieldsV1"]


def test_more_than_ten_updaters_are_merged_into_ancient_changes() -> None:
    obj = config_map({"k0": "1"})
    current = with_entries(obj, created(CONFIG_MAP, obj, writer("m0")))
    for turn in range(1, 14):
        new = config_map({**current["data"], f"k{turn}": "1"})
        current = with_entries(new, updated(CONFIG_MAP, current, new, None, writer(f"m{turn}", turn)))
    entries = current["metadata"]["managedFields"]
    assert len(entries) == 10
    assert entries[0]["manager"] == "ancient-changes"
    assert set(entries[0]["fieldsV1"]["f:data"]) == {".", "f:k0", "f:k1", "f:k2", "f:k3", "f:k4"}


# ---- apply


def test_two_appliers_share_an_object() -> None:
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, None, config_map({"a": "1"}), writer("m1")))
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map({"b": "2"}), writer("m2")))
    assert live["data"] == {"a": "1", "b": "2"}
    assert owners(live) == {"m1/Apply": {"f:data": {"f:a": {}}}, "m2/Apply": {"f:data": {"f:b": {}}}}


def test_a_conflict_names_the_manager_and_force_takes_over() -> None:
    live = stored(CONFIG_MAP, apply(CONFIG_MAP, None, config_map({"a": "1"}), writer("m1")))
    update = config_map({"a": "2"})
    live = with_entries(update, updated(CONFIG_MAP, live, update, None, writer("up")))
    with pytest.raises(Conflict) as refusal:
        apply(CONFIG_MAP, live, config_map({"a": "1"}), writer("m1"))
    assert refusal.value.message == 'Apply failed with 1 conflict: conflict with "up" using v1: .data.a'
    assert refusal.value.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "up" using v1', "field": ".data.a"}]
    }
    taken = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config_map({"a": "1"}), writer("m1"), force=True))
    assert owners(taken) == {"m1/Apply": {"f:data": {"f:a": {}}}}


def test_lists_of_custom_resources_merge_by_their_types() -> None:
    def widget(**spec: Any) -> Obj:
        return {"apiVersion": "e/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}

    def write(live: Obj | None, manager: str, **spec: Any) -> Obj:
        return stored(WIDGET, apply(WIDGET, live, widget(**spec), writer(manager, version="e/v1")))

    live = write(None, "m1", size=1, items=["a"], set=["x"], map=[{"k": "1", "v": "a"}])
    live = write(live, "m2", set=["y"], map=[{"k": "2", "v": "b"}])
    assert live["spec"]["set"] == ["x", "y"]
    assert live["spec"]["map"] == [{"k": "1", "v": "a"}, {"k": "2", "v": "b"}]
    with pytest.raises(Conflict) as refusal:
        write(live, "m2", size=2, items=["b"], map=[{"k": "1", "v": "z"}])
    assert refusal.value.message == (
        'Apply failed with 3 conflicts: conflicts with "m1":\n- .spec.items\n- .spec.size\n- .spec.map[k="1"].v'
    )
    live = write(live, "m1", set=["y"])
    assert live["spec"] == {"set": ["y"], "map": [{"k": "2", "v": "b"}]}
    assert owners(live)["m1/Apply"] == {"f:spec": {"f:set": {'v:"y"': {}}}}


def test_an_object_without_entries_belongs_to_before_first_apply() -> None:
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        apply(CONFIG_MAP, config_map({"a": "1"}, uid="u"), config_map({"a": "2"}), writer("m2"))


def test_kubectl_takes_over_what_client_side_apply_left() -> None:
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}'
    live = config_map({"a": "1"}, annotations={LAST_APPLIED: text})
    live = with_entries(live, created(CONFIG_MAP, live, writer("kubectl-client-side-apply")))
    assert apply(CONFIG_MAP, live, config_map({"a": "2"}), writer("kubectl")).obj["data"] == {"a": "2"}
    with pytest.raises(Conflict):
        apply(CONFIG_MAP, live, config_map({"a": "2"}), writer("somebody"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": ""}, "Incorrect version specified in apply patch. Specified patch version: , expected: v1"),
        ({"metadata": {"name": "c", "managedFields": []}}, "metadata.managedFields must be nil"),
        (
            {"frob": 1},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .frob: field not declared in schema",
        ),
        (
            {"data": {"a": 1}},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): "
            ".data.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            {"data": ["x"]},
            "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .data: expected map, got &{[x]}",
        ),
    ],
)
def test_bad_configurations_are_400(change: Obj, message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        apply(CONFIG_MAP, None, {**config_map(), **change}, writer("m1"))
    assert refusal.value.message == message


def test_items_must_have_their_keys_where_the_key_may_be_left_out() -> None:
    def config(**pod: Any) -> Obj:
        spec = {"template": {"spec": pod}}
        meta = {"name": "d", "namespace": "n"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}

    with pytest.raises(BadRequest, match=r"imagePullSecrets: element 0: .* omits key field \"name\""):
        apply(DEPLOYMENT, None, config(imagePullSecrets=[{}]), writer("m1", version="apps/v1"))
    unnamed = apply(DEPLOYMENT, None, config(containers=[{"image": "i"}]), writer("m1", version="apps/v1"))
    assert unnamed.obj["spec"]["template"]["spec"]["containers"] == [{"image": "i"}]  # validation refuses it


def test_a_key_left_out_has_its_default() -> None:
    def deployment(port: Obj) -> Obj:
        container = {"name": "c", "image": "i", "ports": [port]}
        spec = {"selector": {}, "template": {"spec": {"containers": [container]}}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    first = deployment({"containerPort": 80, "protocol": "TCP"})
    live = stored(DEPLOYMENT, apply(DEPLOYMENT, None, first, writer("m1", version="apps/v1")))
    again = apply(DEPLOYMENT, live, deployment({"containerPort": 80}), writer("m2", version="apps/v1"))
    assert len(again.obj["spec"]["template"]["spec"]["containers"][0]["ports"]) == 1


def test_a_null_value_is_owned_as_the_empty_string_it_becomes_and_an_empty_map_is_not() -> None:
    null = apply(CONFIG_MAP, None, config_map({"a": None}), writer("m1"))
    assert null.entries[0]["fieldsV1"] == {"f:data": {"f:a": {}}}
    empty = apply(CONFIG_MAP, None, config_map({}), writer("m1"))
    assert empty.entries == []


def test_a_zero_that_is_named_is_owned_and_an_empty_map_that_is_not_stored_is_not() -> None:
    def deployment(**spec: Any) -> Obj:
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    pod = {"hostNetwork": False, "volumes": [{"name": "v", "emptyDir": {}}], "tolerations": []}
    config = deployment(paused=False, strategy={}, template={"spec": pod}, replicas=None)
    outcome = apply(DEPLOYMENT, None, config, writer("m1", version="apps/v1"))
    assert outcome.entries[0]["fieldsV1"] == {
        "f:spec": {
            "f:paused": {},
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:hostNetwork": {},
                    "f:tolerations": {},
                    "f:volumes": {'k:{"name":"v"}': {".": {}, "f:emptyDir": {}, "f:name": {}}},
                }
            },
        }
    }


def test_entries_that_only_change_places_with_their_times_are_no_change() -> None:
    def of(*managers: str) -> Obj:
        entries = [created(CONFIG_MAP, config_map({"a": "b"}), writer(m, i))[0] for i, m in enumerate(managers)]
        return with_entries(config_map(), entries)

    assert differs_in_times(of("a", "b"), of("b", "a"))
    assert not differs_in_times(of("a", "b"), of("a", "c"))


def test_a_value_that_becomes_a_map_is_a_conflict() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    kind = from_openapi({"type": "object", "properties": {"spec": free}})

    def thing(value: Any) -> Obj:
        return {"apiVersion": "e/v1", "kind": "T", "metadata": {"name": "t"}, "spec": {"x": value}}

    live = stored(kind, apply(kind, None, thing("text"), writer("m1", version="e/v1")))
    with pytest.raises(Conflict, match=r'conflict with "m1": [.]spec[.]x'):
        apply(kind, live, thing({"y": 1}), writer("m2", version="e/v1"))
    forced = apply(kind, live, thing({"y": 1}), writer("m2", version="e/v1"), force=True)
    assert owners(stored(kind, forced)) == {"m2/Apply": {"f:spec": {"f:x": {".": {}, "f:y": {}}}}}


def twice_named(*values: str) -> Obj:
    env = [{"name": "A", "value": value} for value in values]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": container(env=env)}


def container(**fields: Any) -> Obj:
    return {"containers": [{"name": "c", "image": "i", **fields}]}


def test_items_that_share_a_name_outlive_an_apply_that_does_not_name_them() -> None:
    live = twice_named("1", "2")
    complete(POD, live)
    label = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}}
    once = stored(POD, apply(POD, live, label, writer("m1")))
    assert once["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    before = owners(once)["before-first-apply/Update"]
    assert before["f:spec"]["f:containers"]['k:{"name":"c"}']["f:env"] == {".": {}, 'k:{"name":"A"}': {}}
    replaced = stored(POD, apply(POD, once, twice_named("3"), writer("m1"), force=True))
    assert replaced["spec"]["containers"][0]["env"] == [{"name": "A", "value": "3"}]


def test_items_that_come_to_share_a_name_are_owned_as_one() -> None:
    old = twice_named("1")
    complete(POD, old)
    old = with_entries(old, created(POD, old, writer("f0")))
    new = twice_named("1", "2")
    complete(POD, new)
    entries = updated(POD, old, new, None, writer("f1", 1))
    env = {e["manager"]: e["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}']["f:env"] for e in entries}
    assert env == {"f0": {}, "f1": {'k:{"name":"A"}': {}}}
    again = updated(POD, with_entries(new, entries), old, None, writer("f2", 2))
    assert [e["manager"] for e in again] == ["f0", "f2"]


def test_an_update_that_sets_items_without_their_key_owns_nothing() -> None:
    kind = schema.type_for("", "v1", "ServiceAccount")
    old: Obj = {"metadata": {"name": "s"}, "secrets": [{"name": "a"}]}
    old = with_entries(old, created(kind, old, writer("f0")))
    with pytest.raises(Unnameable):
        updated(kind, old, {"metadata": {"name": "s"}, "secrets": [{"name": "a"}, {}]}, None, writer("f1"))
    kept = {"metadata": {"name": "s", "labels": {"a": "b"}}, "secrets": [{"name": "a"}]}
    assert [e["manager"] for e in updated(kind, old, kept, None, writer("f1"))] == ["f0", "f1"]


def test_items_keep_their_neighbours_and_come_in_the_order_of_the_configuration() -> None:
    def pod(*names: str) -> Obj:
        spec = {"containers": [{"name": name, "image": "i"} for name in names]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}

    def applied_over(live: str, config: str) -> str:
        merged = apply(POD, pod(*live), pod(*config), writer("m1")).obj
        return "".join(one["name"] for one in merged["spec"]["containers"])

    assert applied_over("abc", "ca") == "bca"
    assert applied_over("abc", "xb") == "axbc"
    assert applied_over("abc", "cba") == "cba"
    assert applied_over("", "ba") == "ba"


def test_an_owner_of_which_only_a_map_was_left_comes_to_own_nothing_in_it() -> None:
    old = config_map({"a": "1"})
    entry = {**created(CONFIG_MAP, config_map({"a": "0"}), writer("f0"))[0], "fieldsV1": {"f:data": {}}}
    (updater,) = updated(CONFIG_MAP, with_entries(old, [entry]), old, None, writer("f1"))
    assert (updater["manager"], updater["fieldsV1"]) == ("f0", {"f:data": {}})
    others = owners(
        stored(CONFIG_MAP, apply(CONFIG_MAP, with_entries(old, [entry]), config_map({"b": "2"}), writer("m")))
    )
    assert others["f0/Update"] == {"f:data": {}}


def test_a_configuration_of_bad_lists_is_told_what_is_wrong() -> None:
    def told(**spec: Any) -> str:
        config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
        with pytest.raises(BadRequest) as refusal:
            apply(POD, None, config, writer("m1"))
        return refusal.value.message.partition("): ")[2]

    twins = [{"name": "a"}, {"name": "a"}]
    assert told(containers=twins) == '.spec.containers: duplicate entries for key [name="a"]'
    assert told(containers="x") == ".spec.containers: expected list, got &{x}"
    nested = container(args=[1])["containers"]
    assert told(containers=nested) == (
        '.spec.containers[name="c"].args[0]: expected string, got &value.valueUnstructured{Value:1}'
    )
    assert told(nodeSelector={"a": 1}).startswith(".spec.nodeSelector.a: expected string")


# ---- what always holds

KEYS = st.sampled_from(["a", "b", "c", "d"])
DATA = st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=4)
NAMES = st.lists(st.sampled_from(["p", "q", "r"]), unique=True, max_size=3)


@st.composite
def pods(draw: st.DrawFn) -> Obj:
    """Configurations of a pod with lists of every kind."""
    containers = []
    for name in draw(NAMES):
        container: Obj = {"name": name, "image": draw(st.sampled_from(["x", "y"]))}
        env = [{"name": n, "value": draw(st.sampled_from(["1", "2"]))} for n in draw(NAMES)]
        if env:
            container["env"] = env
        containers.append(container)
    metadata: Obj = {"name": "p"}
    if labels := draw(DATA):
        metadata["labels"] = labels
    if finalizers := draw(NAMES):
        metadata["finalizers"] = finalizers
    spec: Obj = {"containers": containers}
    if draw(st.booleans()):
        spec["tolerations"] = [{"key": draw(KEYS)}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@settings(max_examples=60, deadline=None)
@given(pods())
def test_applying_twice_changes_nothing(config: Obj) -> None:
    once = stored(POD, apply(POD, None, config, writer("m1", 1)))
    again = stored(POD, apply(POD, once, config, writer("m1", 2)))
    assert again == once or differs_in_times(once, again)  # which is not written


@settings(max_examples=60, deadline=None)
@given(pods())
def test_what_a_configuration_names_is_found_in_one_walk(config: Obj) -> None:
    assert named(POD, config) == applied(POD, config)
    assert ordered(named(POD, config)) == named(POD, config)


@settings(max_examples=60, deadline=None)
@given(DATA, DATA)
def test_disjoint_appliers_commute(one: Obj, other: Obj) -> None:
    first = config_map({f"x{k}": v for k, v in one.items()})
    second = config_map({f"y{k}": v for k, v in other.items()})

    def both(*order: tuple[str, Obj]) -> Obj:
        live = None
        for manager, config in order:
            live = stored(CONFIG_MAP, apply(CONFIG_MAP, live, config, writer(manager)))
        assert live is not None
        return live

    assert both(("m1", first), ("m2", second)) == both(("m2", second), ("m1", first))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["apply", "update"]), KEYS, pods()), min_size=1, max_size=6))
def test_entries_always_describe_the_object(writes: list[tuple[str, str, Obj]]) -> None:
    live: Obj | None = None
    for second, (how, manager, config) in enumerate(writes):
        who = writer(manager, second)
        if how == "apply" or live is None:
            live = stored(POD, apply(POD, live, config, who, force=True))
            mine = owners(live).get(f"{manager}/Apply", {})
            assert not difference(mine, whole(POD, live)), "an applier owns what is not there"
        else:
            new = decode(POD, copy.deepcopy(config)).obj
            complete(POD, new)
            live = with_entries(new, updated(POD, live, new, None, who))
        everything = union(whole(POD, live), applied(POD, live))
        for owner, fields in owners(live).items():
            assert not list(paths(difference(fields, everything))), f"{owner} owns what is not there"
