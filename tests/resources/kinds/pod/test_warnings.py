"""Pods: what is legal and told of all the same."""

from __future__ import annotations

import pytest

from kube_lite.resources.kinds.pod.warnings import pod_warnings, template_warnings
from tests.resources.kinds.cases import Change, changed, create, resource
from tests.resources.kinds.pod.test_validation import VALID

KIND = resource("", "pods")
P = "spec.containers.0"
AT = "spec.containers[0]"
NO_SELECTOR = "a null labelSelector results in matching no pod"
FRACTION = 'fractional byte value "100m" is invalid, must be an integer'


def _port(number: int = 80, **other: object) -> dict[str, object]:
    return {"containerPort": number, "protocol": "TCP", **other}


def _projected(*sources: object) -> Change:
    return {"spec.volumes": [{"name": "v", "projected": {"sources": list(sources)}}]}


ROWS: list[tuple[str, Change, list[str]]] = [
    ("nothing", {}, []),
    (
        "node label",
        {"spec.nodeSelector": {"beta.kubernetes.io/os": "x"}},
        ["spec.nodeSelector[beta.kubernetes.io/os]: "],
    ),
    (
        "wished label",
        {
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}]}}
            ]
        },
        ["[0].preference.matchExpressions[0].values[0]: b c is invalid, a valid label must"],
    ),
    (
        "affinity without selector",
        {"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]},
        [f"podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: {NO_SELECTOR}"],
    ),
    (
        "spread",
        {
            "spec.topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "failure-domain.beta.kubernetes.io/zone",
                    "whenUnsatisfiable": "DoNotSchedule",
                }
            ]
        },
        [
            "[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17",
            f"spec.topologySpreadConstraints[0].labelSelector: {NO_SELECTOR}",
        ],
    ),
    (
        "annotation",
        {"metadata.annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}},
        ["metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+"],
    ),
    (
        "apparmor annotation",
        {"metadata.annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}},
        ['[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field'],
    ),
    (
        "gone volume",
        {"spec.volumes": [{"name": "v", "rbd": {"monitors": ["m"], "image": "i"}}]},
        ["spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+"],
    ),
    (
        "files in each other",
        {
            "spec.volumes": [
                {
                    "name": "v",
                    "configMap": {"name": "m", "items": [{"key": "a", "path": "x"}, {"key": "b", "path": "x/y"}]},
                }
            ]
        },
        ['volume "v" (ConfigMap "m"): overlapping paths: "x/y" with "x"'],
    ),
    (
        "files of two sources",
        {
            **_projected(
                {"configMap": {"name": "m", "items": [{"key": "a", "path": "t"}]}},
                {"serviceAccountToken": {"path": "t"}},
            ),
            "spec.serviceAccountName": "s",
        },
        ['volume "v" (Projected): overlapping paths: "t" (ServiceAccountToken) with "t" (ConfigMap "m")'],
    ),
    ("empty source", _projected({}), ['volume "v" (Projected) has no sources provided']),
    (
        "host aliases",
        {"spec.hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]},
        ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"'],
    ),
    (
        "pull secrets",
        {"spec.imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]},
        ['spec.imagePullSecrets[1].name: duplicate name "a"', 'spec.imagePullSecrets[2].name: invalid empty name ""'],
    ),
    (
        "part of a byte",
        {f"{P}.resources": {"limits": {"memory": "100m"}}},
        [f"{AT}.resources.limits[memory]: {FRACTION}", f"{AT}.resources.requests[memory]: {FRACTION}"],
    ),
    (
        "hidden variable",
        {f"{P}.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}]},
        [f'{AT}.env[1]: hides previous definition of "A", which may be dropped when using apply'],
    ),
    ("same port", {f"{P}.ports": [_port(), _port()]}, [f"{AT}.ports[1]: duplicate port definition with {AT}.ports[0]"]),
    (
        "port of the node and not",
        {f"{P}.ports": [_port(), _port(hostPort=8080)]},
        [f"{AT}.ports[1]: overlapping port definition with {AT}.ports[0]"],
    ),
    (
        "port on one address and all",
        {f"{P}.ports": [_port(hostPort=90), _port(hostPort=90, hostIP="1.1.1.1")]},
        [f"{AT}.ports[1]: dangerously ambiguous port definition with {AT}.ports[0]"],
    ),
    (
        "address without port",
        {f"{P}.ports": [_port(hostIP="1.1.1.1")]},
        [
            f"{AT}.ports[0]: hostIP set without hostPort: "
            "{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}"
        ],
    ),
    (
        "grace",
        {"spec.terminationGracePeriodSeconds": -1},
        ["spec.terminationGracePeriodSeconds: must be >= 0; negative"],
    ),
    (
        "addresses",
        {"spec.dnsConfig.nameservers": ["FD00::1"], "spec.hostAliases": [{"ip": "fd00:0::1"}]},
        [
            'spec.dnsConfig.nameservers[0]: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")',
            'spec.hostAliases[0].ip: IPv6 address "fd00:0::1" should be in RFC 5952',
        ],
    ),
    ("name", {"metadata.name": "a.b"}, ["metadata.name: this is used in the Pod's hostname, which can result in"]),
]


@pytest.mark.parametrize(("name", "change", "texts"), ROWS)
def test_a_new_pod_is_warned_of(name: str, change: Change, texts: list[str]) -> None:
    pod, causes = create(KIND, changed(VALID, change))
    assert causes == []
    got = list(KIND.warnings(pod, None))
    assert len(got) == len(texts), got
    assert all(text in told for told, text in zip(got, texts, strict=True)), got


def test_a_changed_pod_is_not_looked_at() -> None:
    pod, _ = create(KIND, changed(VALID, {"metadata.name": "a.b"}))
    assert pod_warnings(pod, pod) == []


def test_templates_are_told_of_with_their_path() -> None:
    template = {"spec": {"nodeSelector": {"beta.kubernetes.io/arch": "x"}}}
    told = template_warnings(template, "spec.template")
    assert told == [
        "spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: "
        'deprecated since v1.14; use "kubernetes.io/arch" instead'
    ]
