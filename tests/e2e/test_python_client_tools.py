"""What comes with the official Python client: dynamic client, custom objects, leader election, files, apply."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import kubernetes.dynamic
import kubernetes.dynamic.exceptions
import kubernetes.leaderelection.electionconfig
import kubernetes.leaderelection.leaderelection
import kubernetes.leaderelection.resourcelock.configmaplock
import kubernetes.utils
import pytest

from tests.support.running import REPOSITORY, Server, eventually

client: Any = kubernetes.client
watch: Any = kubernetes.watch
dynamic: Any = kubernetes.dynamic
utils: Any = kubernetes.utils
ApiException: Any = kubernetes.client.ApiException
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def api(simulated: Server) -> Iterator[Any]:
    """A client as ``config.load_kube_config`` makes it."""
    config: Any = kubernetes.config
    with config.new_client_from_config(str(simulated.kubeconfig)) as made:
        yield made


@pytest.fixture
def namespace(api: Any) -> Iterator[str]:
    """A namespace of its own."""
    name = f"p-{secrets.token_hex(3)}"
    core: Any = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


def applied(key: str, value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {key: value}}


def test_the_dynamic_client_finds_kinds_by_discovery(api: Any, namespace: str, tmp_path: Path) -> None:
    found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "cache"))
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create({"metadata": {"name": "cm", "labels": {"a": "b"}}, "data": {"x": "1"}}, namespace=namespace)
    assert made.metadata.resourceVersion
    listed = maps.get(namespace=namespace, label_selector="a=b")
    assert ([item.metadata.name for item in listed.items], listed.kind) == (["cm"], "ConfigMapList")
    patched = maps.patch(
        {"data": {"y": "2"}}, name="cm", namespace=namespace, content_type="application/merge-patch+json"
    )
    assert patched.data.to_dict() == {"x": "1", "y": "2"}
    server = maps.server_side_apply(applied("z", "3"), name="cm", namespace=namespace, field_manager="dyn")
    assert server.data.z == "3"
    scale = found.resources.get(api_version="apps/v1", kind="Deployment").subresources["scale"]
    with pytest.raises(dynamic.exceptions.NotFoundError):
        scale.get(name="nosuch", namespace=namespace)
    events = maps.watch(namespace=namespace, name="cm", timeout=1)
    assert [event["type"] for event in events][:1] == ["ADDED"]
    maps.delete(name="cm", namespace=namespace)
    with pytest.raises(dynamic.exceptions.ResourceNotFoundError):
        found.resources.get(api_version="v1", kind="NoSuchKind")


def test_two_managers_share_an_object_until_they_want_the_same_field(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)

    def apply(manager: str, body: dict[str, Any], **more: Any) -> Any:
        return core.patch_namespaced_config_map(
            "cm", namespace, body, field_manager=manager, _content_type=APPLY, **more
        )

    apply("one", applied("a", "1"))
    assert apply("two", applied("b", "2")).data == {"a": "1", "b": "2"}
    with pytest.raises(ApiException) as conflict:
        apply("two", applied("a", "9"))
    assert (conflict.value.status, '"FieldManagerConflict"' in conflict.value.body) == (409, True)
    assert apply("two", applied("a", "9"), force=True).data == {"a": "9"}
    owners = {entry.manager for entry in core.read_namespaced_config_map("cm", namespace).metadata.managed_fields}
    assert owners == {"two"}


def test_objects_are_made_from_files(api: Any, namespace: str) -> None:
    utils.create_from_yaml(api, str(REPOSITORY / "examples" / "nginx-deployment.yaml"), namespace=namespace)
    apps: Any = client.AppsV1Api(api)
    eventually(lambda: apps.read_namespaced_deployment("nginx-deployment", namespace).status.ready_replicas == 2)
    with pytest.raises(utils.FailToCreateError) as refused:
        utils.create_from_dict(
            api, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}, namespace=namespace
        )
    assert refused.value.api_exceptions[0].status == 422


def test_custom_objects_are_kept_like_any_other(api: Any, namespace: str) -> None:
    group = f"{namespace}.example"
    extensions: Any = client.ApiextensionsV1Api(api)
    custom: Any = client.CustomObjectsApi(api)
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version["subresources"] = {"status": {}}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    extensions.create_custom_resource_definition({"metadata": {"name": f"things.{group}"}, "spec": spec})
    try:
        at = (group, "v1", namespace, "things")
        thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"n": 1}}
        made = eventually(lambda: custom.create_namespaced_custom_object(*at, thing))
        made["spec"]["n"] = 2
        assert custom.replace_namespaced_custom_object(*at, "t", made)["metadata"]["generation"] == 2
        status = custom.patch_namespaced_custom_object_status(*at, "t", {"status": {"seen": 2}})
        assert status["status"] == {"seen": 2}
        assert [i["spec"]["n"] for i in custom.list_namespaced_custom_object(*at)["items"]] == [2]
        stream = watch.Watch().stream(custom.list_namespaced_custom_object, *at, timeout_seconds=1)
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in stream] == [("ADDED", "t")]
        custom.delete_namespaced_custom_object(*at, "t")
    finally:
        extensions.delete_custom_resource_definition(f"things.{group}")


def test_one_of_two_candidates_leads(api: Any, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock: Any = kubernetes.leaderelection.resourcelock.configmaplock.ConfigMapLock
    election: Any = kubernetes.leaderelection
    config: Any = kubernetes.config
    monkeypatch.setattr(client.Configuration, "_default", api.configuration)
    assert config is not None
    leads: list[str] = []
    done = threading.Event()

    def candidate(name: str) -> None:
        def started() -> None:
            leads.append(name)
            done.set()

        settings = election.electionconfig.Config(
            lock("leader", namespace, name),
            lease_duration=3,
            renew_deadline=2,
            retry_period=1,
            onstarted_leading=started,
            onstopped_leading=lambda: None,
        )
        elected = election.leaderelection.LeaderElection(settings)
        assert elected.try_acquire_or_renew() == (name == "first")

    candidate("first")
    candidate("second")
    core: Any = client.CoreV1Api(api)
    record = core.read_namespaced_config_map("leader", namespace).metadata.annotations
    assert '"holderIdentity": "first"' in record["control-plane.alpha.kubernetes.io/leader"]


def test_a_watch_that_is_too_old_starts_anew(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "cm"}})
    watcher = watch.Watch()
    stream = watcher.stream(core.list_namespaced_config_map, namespace, resource_version="0", timeout_seconds=1)
    assert "cm" in {event["object"].metadata.name for event in stream}
    assert int(watcher.resource_version) > 0


def test_collections_are_deleted_by_selector(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": name, "labels": {"set": label}}})
    core.delete_collection_namespaced_config_map(namespace, label_selector="set=x")
    left = {item.metadata.name for item in core.list_namespaced_config_map(namespace).items}
    assert left - {"kube-root-ca.crt"} == {"c"}


def test_a_service_account_token_is_an_identity(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "robot"}})
    asked = {"spec": {"expirationSeconds": 600}}
    token = core.create_namespaced_service_account_token("robot", namespace, asked).status.token
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = api.configuration.host, api.configuration.ssl_ca_cert
    settings.api_key = {"authorization": f"Bearer {token}"}
    with client.ApiClient(settings) as robot:
        review = client.AuthenticationV1Api(robot).create_self_subject_review({})
        assert review.status.user_info.username == f"system:serviceaccount:{namespace}:robot"
        with pytest.raises(ApiException) as refused:
            client.CoreV1Api(robot).list_namespaced_pod(namespace)
        assert refused.value.status == 403
        access = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": namespace}}}
        allowed = client.AuthorizationV1Api(robot).create_self_subject_access_review(access).status.allowed
        assert allowed is False
