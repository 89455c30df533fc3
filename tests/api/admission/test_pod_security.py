"""Pod Security levels by namespace labels: what is refused, warned of and noted, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from kube_lite.api.options import WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.target import Target
from kube_lite.resources.pod_security import violations
from tests.api.admission.stories import Json, made, play, pod
from tests.plane import ADMIN

PREFIX = "pod-security.kubernetes.io/"
GOOD: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(context: Json | None = None, **more: Any) -> Json:
    return {"containers": [{"name": "c", "image": "i:1", **({"securityContext": context} if context else {})}], **more}


def told(level: str, pod_spec: Json, **metadata: Any) -> str:
    return ", ".join(map(str, violations(level, metadata, pod_spec)))


@pytest.mark.parametrize(
    ("pod_spec", "why"),
    [
        (spec(), ""),
        (
            spec({"privileged": True}),
            'privileged (container "c" must not set securityContext.privileged=true)',
        ),
        (spec(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (
            spec({"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}),
            'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
        ),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            {"containers": [{"name": n, "ports": [{"hostPort": p}]} for n, p in (("a", 80), ("b", 443))]},
            'hostPort (containers "a", "b" use hostPorts 80, 443)',
        ),
        (
            spec({"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            spec({"procMount": "Unmasked"}),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            spec(securityContext={"seLinuxOptions": {"type": "bad", "user": "u"}}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "bad"; user may not be set)',
        ),
    ],
)
def test_baseline_forbids_what_escapes_the_container(pod_spec: Json, why: str) -> None:
    assert told("baseline", pod_spec) == why


def test_restricted_asks_for_every_hardening() -> None:
    assert told("restricted", spec()) == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
    assert told("restricted", spec(GOOD)) == ""
    assert told("restricted", spec({**GOOD, "runAsUser": 0})) == (
        'runAsUser=0 (container "c" must not set runAsUser=0)'
    )
    assert told("restricted", spec(GOOD, volumes=[{"name": "v", "nfs": {}}])) == (
        'restricted volume types (volume "v" uses restricted volume type "nfs")'
    )


def test_a_namespace_enforces_its_level() -> None:
    async def story(client: LocalClient) -> None:
        labels = {f"{PREFIX}enforce": "baseline", f"{PREFIX}enforce-version": "v1.30"}
        await client.create("namespaces", {"metadata": {"name": "safe", "labels": labels}})
        await made(client, "pods", pod("a"), "safe")
        bad = {"metadata": {"name": "b"}, "spec": spec({"privileged": True})}
        with pytest.raises(errors.Forbidden) as caught:
            await made(client, "pods", bad, "safe")
        assert caught.value.message == (
            'pods "b" is forbidden: violates PodSecurity "baseline:v1.30": privileged '
            '(container "c" must not set securityContext.privileged=true)'
        )
        await made(client, "pods", bad)

    play(story)


def test_a_wrong_label_is_refused_and_stricter_levels_name_the_pods_that_break_them() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        with pytest.raises(errors.Invalid) as caught:
            await client.create("namespaces", {"metadata": {"name": "x", "labels": {f"{PREFIX}enforce": "strict"}}})
        assert caught.value.details["causes"][0]["field"] == f"metadata.labels[{PREFIX}enforce]"
        for name in ("a", "b"):
            await made(client, "pods", {"metadata": {"name": name}, "spec": spec({"privileged": True})})
        resource = plane.registry.at("", "v1", "namespaces")
        assert resource is not None
        warnings: list[str] = []

        async def labelled(old: Json) -> Json:
            meta = old["metadata"]
            return {**old, "metadata": {**meta, "labels": {**meta["labels"], f"{PREFIX}enforce": "baseline"}}}

        target = Target(resource, "", "default")
        await plane.verbs.guaranteed_update(target, labelled, ADMIN, WriteOptions(), warnings)
        assert warnings == [
            'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
            "a (and 1 other pod): privileged",
        ]

    play(story, prepare=planes.append)


def test_a_workload_is_warned_of_what_its_pods_would_violate() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        await client.create("namespaces", {"metadata": {"name": "w", "labels": {f"{PREFIX}warn": "baseline"}}})
        resource = plane.registry.at("apps", "v1", "deployments")
        assert resource is not None
        template = {"metadata": {"labels": {"a": "b"}}, "spec": spec({"privileged": True})}
        obj = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        }
        warnings: list[str] = []
        await plane.verbs.create(Target(resource, "w", ""), obj, ADMIN, WriteOptions(), warnings)
        assert warnings == [
            'would violate PodSecurity "baseline:latest": privileged '
            '(container "c" must not set securityContext.privileged=true)'
        ]

    play(story, prepare=planes.append)
