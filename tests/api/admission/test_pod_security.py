"""Pod Security levels by namespace labels: what is refused, warned of and noted, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.admission.pod_security import PodSecurity
from kube_lite.api.local import LocalClient
from kube_lite.api.options import WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.target import Target
from kube_lite.resources.pod_security import NEWEST, violations
from tests.api.admission.stories import Json, made, play, pod
from tests.plane import ADMIN

PREFIX = "pod-security.kubernetes.io/"
SYSCTL = "net.ipv4."
PROBED = {"name": "c", "image": "i:1", "livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}
GOOD: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(context: Json | None = None, **more: Any) -> Json:
    return {"containers": [{"name": "c", "image": "i:1", **({"securityContext": context} if context else {})}], **more}


def told(level: str, pod_spec: Json, minor: int = NEWEST, **metadata: Any) -> str:
    return ", ".join(map(str, violations(level, metadata, pod_spec, minor)))


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
            'hostPort (containers "a", "b" use hostPorts 443, 80)',
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


OWN_USERS = spec({**GOOD, "runAsNonRoot": None, "runAsUser": 0, "procMount": "Unmasked"}, hostUsers=False)


@pytest.mark.parametrize(
    ("level", "pod_spec", "since", "before", "after"),
    [
        (
            "baseline",
            spec(securityContext={"seLinuxOptions": {"type": "container_engine_t"}}),
            31,
            "seLinuxOptions",
            "",
        ),
        (
            "baseline",
            spec(securityContext={"sysctls": [{"name": SYSCTL + "tcp_fin_timeout"}]}),
            29,
            "forbidden sys",
            "",
        ),
        ("baseline", spec(securityContext={"sysctls": [{"name": SYSCTL + "tcp_rmem"}]}), 32, "forbidden sysctls", ""),
        ("baseline", {"containers": [PROBED]}, 34, "", "probe or lifecycle host"),
        ("baseline", spec({"procMount": "Unmasked"}, hostUsers=False), 35, "procMount", ""),
        ("baseline", spec({"seccompProfile": {"type": "Unconfined"}}), 19, "", "seccompProfile"),
        ("restricted", spec({**GOOD, "allowPrivilegeEscalation": None}), 8, "", "allowPrivilegeEscalation"),
        ("restricted", spec({**GOOD, "capabilities": None}), 22, "", "unrestricted capabilities"),
        ("restricted", spec({**GOOD, "runAsUser": 0}), 23, "", "runAsUser"),
        ("restricted", spec({"runAsNonRoot": True}, os={"name": "windows"}), 25, "allowPrivilegeEscalation", ""),
        ("restricted", OWN_USERS, 35, "procMount|runAsNonRoot|runAsUser", "procMount"),
    ],
)
def test_a_namespace_may_be_held_at_the_standards_of_an_earlier_version(
    level: str, pod_spec: Json, since: int, before: str, after: str
) -> None:
    for minor, expected in ((since - 1, before), (since, after)):
        found = told(level, pod_spec, minor)
        assert bool(found) is bool(expected)
        assert all(part in found for part in expected.split("|"))


def test_profiles_by_annotation_are_told_by_their_annotation() -> None:
    profiled = {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}
    key = "container.seccomp.security.alpha.kubernetes.io/c"
    assert told("baseline", spec(), annotations=profiled) == (
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
        '"container.apparmor.security.beta.kubernetes.io/c="unconfined"")'
    )
    assert told("baseline", spec(), 18, annotations={key: "x"}) == (f'seccompProfile (forbidden annotation {key}="x")')
    assert told("baseline", spec(), annotations={key: "x"}) == ""


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


async def labelled(plane: Plane, **labels: str) -> list[str]:
    """The warnings of giving the default namespace these labels."""
    resource = plane.registry.at("", "v1", "namespaces")
    assert resource is not None
    warnings: list[str] = []

    async def change(old: Json) -> Json:
        wanted = {f"{PREFIX}{name.replace('_', '-')}": value for name, value in labels.items()}
        return {**old, "metadata": {**old["metadata"], "labels": {"kubernetes.io/metadata.name": "default", **wanted}}}

    await plane.verbs.guaranteed_update(Target(resource, "", "default"), change, ADMIN, WriteOptions(), warnings)
    return warnings


def test_a_wrong_label_is_refused_and_stricter_levels_name_the_pods_that_break_them() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        with pytest.raises(errors.Invalid) as caught:
            await client.create("namespaces", {"metadata": {"name": "x", "labels": {f"{PREFIX}enforce": "strict"}}})
        assert caught.value.details["causes"][0]["field"] == f"metadata.labels[{PREFIX}enforce]"
        for name in ("a", "b"):
            await made(client, "pods", {"metadata": {"name": name}, "spec": spec({"privileged": True})})
        assert await labelled(plane, enforce="baseline") == [
            'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
            "a (and 1 other pod): privileged",
        ]
        assert await labelled(plane, enforce="restricted") != []
        assert await labelled(plane, enforce="baseline") == []  # nothing breaks that did not before
        assert await labelled(plane, enforce="baseline", enforce_version="v1.30") != []

    play(story, prepare=planes.append)


def test_a_refused_pod_is_noted_for_the_audit_too_and_not_warned_of() -> None:
    planes: list[Plane] = []

    async def story(client: LocalClient) -> None:
        (plane,) = planes
        await labelled(plane, enforce="baseline", audit="baseline", warn="baseline", warn_version="v1.20")
        resource = plane.registry.at("", "v1", "pods")
        assert resource is not None
        bad = {"metadata": {"name": "b", "namespace": "default"}, "spec": spec({"privileged": True})}
        asked = AdmissionRequest("CREATE", resource, "", "default", "b", ADMIN, bad)
        with pytest.raises(errors.Forbidden):
            await PodSecurity().validate(asked, plane.verbs.objects)
        assert asked.warnings == []
        assert asked.annotations == {
            f"{PREFIX}enforce-policy": "baseline:latest",
            f"{PREFIX}audit-violations": 'would violate PodSecurity "baseline:latest": privileged '
            '(container "c" must not set securityContext.privileged=true)',
        }

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
