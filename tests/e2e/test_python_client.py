"""The official Python client against a real server: what people's scripts and operators do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from tests.support.running import Server, eventually

client: Any = kubernetes.client
"""Untyped, as scripts use it: its annotations call every field of an answer optional."""
config: Any = kubernetes.config
watch: Any = kubernetes.watch
ApiException: Any = kubernetes.client.ApiException


@pytest.fixture
def api(simulated: Server) -> Iterator[Any]:
    """A client as ``config.load_kube_config`` makes it."""
    with config.new_client_from_config(str(simulated.kubeconfig)) as made:
        yield made


@pytest.fixture
def namespace(api: Any) -> Iterator[str]:
    """A namespace of its own."""
    name = f"p-{secrets.token_hex(3)}"
    core: Any = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield name
    core.delete_namespace(name)


def config_map(name: str, **data: str) -> Any:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"made": "here"}), data=data)


def deployment(name: str, replicas: int = 2) -> Any:
    labels = {"app": name}
    container = client.V1Container(name="c", image="nginx:1.7.9", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def test_objects_are_created_read_changed_and_deleted(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, config_map("cm", a="1"))
    assert made.metadata.uid
    assert made.metadata.resource_version
    with pytest.raises(ApiException) as twice:
        core.create_namespaced_config_map(namespace, config_map("cm"))
    assert (twice.value.status, '"reason":"AlreadyExists"' in twice.value.body) == (409, True)
    stale = core.read_namespaced_config_map("cm", namespace)
    made.data["b"] = "2"
    newer = core.replace_namespaced_config_map("cm", namespace, made)
    assert int(newer.metadata.resource_version) > int(stale.metadata.resource_version)
    with pytest.raises(ApiException) as conflict:
        core.replace_namespaced_config_map("cm", namespace, stale)
    assert conflict.value.status == 409
    assert "the object has been modified; please apply your changes to the latest version" in conflict.value.body
    core.delete_namespaced_config_map("cm", namespace)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("cm", namespace)
    assert (gone.value.status, gone.value.reason) == (404, "Not Found")


def test_every_patch_type_is_understood(api: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(api)
    core: Any = client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment("d"))
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:1.9.1"}]}}}}
    found = apps.patch_namespaced_deployment("d", namespace, strategic)
    (container,) = found.spec.template.spec.containers
    assert (container.image, container.ports[0].container_port) == ("nginx:1.9.1", 80), "merged by name"
    core.create_namespaced_config_map(namespace, config_map("cm", a="1"))
    json_patch = [{"op": "replace", "path": "/data/a", "value": "2"}]
    assert core.patch_namespaced_config_map("cm", namespace, json_patch).data == {"a": "2"}
    merged = core.patch_namespaced_config_map(
        "cm", namespace, {"data": {"a": None, "b": "3"}}, _content_type="application/merge-patch+json"
    )
    assert merged.data == {"b": "3"}
    applied = core.patch_namespaced_config_map(
        "cm",
        namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"c": "4"}},
        field_manager="py",
        _content_type="application/apply-patch+yaml",
    )
    assert applied.data == {"b": "3", "c": "4"}
    assert "py" in {entry.manager for entry in applied.metadata.managed_fields}


def test_a_deployment_is_rolled_out_and_scaled(api: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(api)
    core: Any = client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment("d"))

    def ready(number: int) -> bool:
        return bool(apps.read_namespaced_deployment_status("d", namespace).status.ready_replicas == number)

    eventually(lambda: ready(2))
    scale = apps.read_namespaced_deployment_scale("d", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=d")
    scale.spec.replicas = 3
    apps.replace_namespaced_deployment_scale("d", namespace, scale)
    eventually(lambda: ready(3))
    pods = core.list_namespaced_pod(namespace, label_selector="app=d", field_selector="status.phase=Running").items
    assert len({pod.status.pod_ip for pod in pods}) == 3
    assert pods[0].metadata.owner_references[0].kind == "ReplicaSet"
    apps.delete_namespaced_deployment("d", namespace, propagation_policy="Foreground")
    eventually(lambda: not core.list_namespaced_pod(namespace).items)


def test_a_watch_goes_on_from_a_resource_version(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, config_map("before"))
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("cm", a="1"))
    core.patch_namespaced_config_map("cm", namespace, {"data": {"a": "2"}})
    core.delete_namespaced_config_map("cm", namespace)
    events = watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=2)
    seen = [(event["type"], event["object"].metadata.name) for event in events]
    assert [kind for kind, name in seen if name == "cm"] == ["ADDED", "MODIFIED", "DELETED"]
    assert "before" not in {name for _, name in seen}
    fresh = watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1)
    assert ("ADDED", "before") in [(event["type"], event["object"].metadata.name) for event in fresh]


def test_a_long_list_comes_in_pages_of_one_revision(api: Any, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    for number in range(25):
        core.create_namespaced_config_map(namespace, config_map(f"cm-{number:02}"))
    first = core.list_namespaced_config_map(namespace, limit=10, label_selector="made=here")
    core.delete_namespaced_config_map("cm-24", namespace)
    names = [item.metadata.name for item in first.items]
    token, revision = first.metadata._continue, first.metadata.resource_version
    while token:
        page = core.list_namespaced_config_map(namespace, limit=10, label_selector="made=here", _continue=token)
        assert page.metadata.resource_version == revision
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
    assert names == [f"cm-{number:02}" for number in range(25)]


def test_an_invalid_object_is_refused_with_its_causes(api: Any, namespace: str) -> None:
    apps: Any = client.AppsV1Api(api)
    wrong = deployment("d")
    wrong.spec.selector.match_labels = {"app": "other"}
    with pytest.raises(ApiException) as refused:
        apps.create_namespaced_deployment(namespace, wrong)
    assert refused.value.status == 422
    assert "`selector` does not match template `labels`" in refused.value.body
