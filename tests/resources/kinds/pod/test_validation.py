"""Pods: what a new one may be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    NOWHERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    changed,
    resource,
)

KIND = resource("", "pods")
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
C = "spec.containers[0]"
P = "spec.containers.0"
CLAIMED: Change = {"spec.volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}
EMPTY_DIR = {"spec.volumes": [{"name": "v", "emptyDir": {}}]}

SPEC_ROWS: list[tuple[str, Change, list[Cause]]] = [
    ("valid", {}, []),
    ("name", {"metadata.name": "a_b"}, [(BAD, "metadata.name", "subdomain")]),
    ("no containers", {"spec.containers": []}, [(NEEDED, "spec.containers", "")]),
    ("restart", {"spec.restartPolicy": "x"}, [(UNKNOWN, "spec.restartPolicy", '"Always", "OnFailure", "Never"')]),
    ("dns", {"spec.dnsPolicy": "x"}, [(UNKNOWN, "spec.dnsPolicy", '"ClusterFirstWithHostNet", "ClusterFirst"')]),
    ("dns none", {"spec.dnsPolicy": "None"}, [(NEEDED, "spec.dnsConfig", "must provide `dnsConfig`")]),
    (
        "nameservers",
        {"spec.dnsConfig.nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "x"]},
        [
            (BAD, "spec.dnsConfig.nameservers", "more than 3 nameservers"),
            (BAD, "spec.dnsConfig.nameservers[3]", "valid IP address"),
        ],
    ),
    (
        "mapped addresses",
        {"spec.dnsConfig.nameservers": ["::ffff:1.1.1.1"], "spec.hostAliases": [{"ip": "::ffff:1.1.1.1"}]},
        [
            (BAD, "spec.dnsConfig.nameservers[0]", "must not be an IPv4-mapped IPv6 address"),
            (BAD, "spec.hostAliases.ip", "must not be an IPv4-mapped IPv6 address"),
        ],
    ),
    ("search", {"spec.dnsConfig.searches": ["A"]}, [(BAD, "spec.dnsConfig.searches[0]", "subdomain")]),
    ("dns option", {"spec.dnsConfig.options": [{}]}, [(NEEDED, "spec.dnsConfig.options[0]", "must not be empty")]),
    ("node selector", {"spec.nodeSelector": {"a": "b c"}}, [(BAD, "spec.nodeSelector", "a valid label")]),
    ("node", {"spec.nodeName": "A"}, [(BAD, "spec.nodeName", "subdomain")]),
    ("account", {"spec.serviceAccountName": "A"}, [(BAD, "spec.serviceAccountName", "subdomain")]),
    ("deadline", {"spec.activeDeadlineSeconds": 0}, [(BAD, "spec.activeDeadlineSeconds", "1 and 2147483647")]),
    ("hostname", {"spec.hostname": "A"}, [(BAD, "spec.hostname", "RFC 1123 label")]),
    ("subdomain", {"spec.subdomain": "a.b"}, [(BAD, "spec.subdomain", "RFC 1123 label")]),
    ("priority class", {"spec.priorityClassName": "A"}, [(BAD, "spec.priorityClassName", "")]),
    ("runtime class", {"spec.runtimeClassName": "A"}, [(BAD, "spec.runtimeClassName", "")]),
    ("preemption", {"spec.preemptionPolicy": "x"}, [(UNKNOWN, "spec.preemptionPolicy", "Never")]),
    ("os", {"spec.os": {"name": "x"}}, [(UNKNOWN, "spec.os", '"linux", "windows"')]),
    ("host alias", {"spec.hostAliases": [{"ip": "x"}]}, [(BAD, "spec.hostAliases.ip", "valid IP address")]),
    (
        "pids",
        {"spec.shareProcessNamespace": True, "spec.hostPID": True},
        [(BAD, "spec.securityContext.shareProcessNamespace", "both")],
    ),
    ("gate", {"spec.schedulingGates": [{"name": "a b"}]}, [(BAD, "spec.schedulingGates[0]", "name part")]),
    ("gate twice", {"spec.schedulingGates": [{"name": "a"}, {"name": "a"}]}, [(TWICE, "spec.schedulingGates[1]", "")]),
    (
        "gate and node",
        {"spec.schedulingGates": [{"name": "a"}], "spec.nodeName": "n"},
        [(NOT_HERE, "spec.nodeName", "until all schedulingGates have been cleared")],
    ),
    ("readiness", {"spec.readinessGates": [{}]}, [(BAD, "spec.readinessGates[0].conditionType", "")] * 2),
    (
        "ephemeral",
        {"spec.ephemeralContainers": [{"name": "e", "image": "i"}]},
        [(NOT_HERE, "spec.ephemeralContainers", "cannot be set on create")],
    ),
    ("fs group", {"spec.securityContext.fsGroup": -1}, [(BAD, "spec.securityContext.fsGroup", "2147483647")]),
    ("sysctl", {"spec.securityContext.sysctls": [{"name": "A"}]}, [(BAD, "spec.securityContext.sysctls[0].name", "")]),
    (
        "seccomp",
        {"spec.securityContext.seccompProfile.type": "Localhost"},
        [(NEEDED, "spec.securityContext.seccompProfile.localhostProfile", "Localhost")],
    ),
    (
        "alien to linux",
        {"spec.os": {"name": "linux"}, f"{P}.securityContext.windowsOptions": {"runAsUserName": "u"}},
        [(NOT_HERE, f"{C}.securityContext.windowsOptions", "for a linux pod")],
    ),
    (
        "alien to windows",
        {"spec.os": {"name": "windows"}, "spec.hostPID": True, f"{P}.securityContext": {"privileged": False}},
        [(NOT_HERE, "spec.hostPID", "for a windows pod"), (NOT_HERE, f"{C}.securityContext.privileged", "windows")],
    ),
    (
        "host process",
        {f"{P}.securityContext.windowsOptions.hostProcess": True},
        [(BAD, "spec.hostNetwork", "must be true if pod contains any hostProcess containers")],
    ),
    (
        "whole hostname",
        {"spec.hostnameOverride": "a.b", "spec.setHostnameAsFQDN": True},
        [(NOT_HERE, "spec.hostnameOverride", "when setHostnameAsFQDN is true")],
    ),
    (
        "sysctl of the node's network",
        {"spec.hostNetwork": True, "spec.securityContext.sysctls": [{"name": "net/core/somaxconn"}]},
        [(BAD, "spec.securityContext.sysctls[0].name", "may not be specified when 'hostNetwork' is true")],
    ),
    (
        "selinux",
        {"spec.securityContext.seLinuxChangePolicy": "MountOption"},
        [(UNKNOWN, "spec.securityContext.seLinuxChangePolicy", 'supported values: "Recursive"')],
    ),
    (
        "devices of own users",
        {"spec.hostUsers": False, f"{P}.volumeDevices": [{"name": "v", "devicePath": "/x"}], **CLAIMED},
        [(NOT_HERE, f"{C}.volumeDevices", "when `hostUsers` is false")],
    ),
    (
        "own users",
        {"spec.hostUsers": False, "spec.hostPID": True},
        [(NOT_HERE, "spec.HostPID", "`hostUsers` is false")],
    ),
    (
        "resources of the whole",
        {
            "spec.resources": {"requests": {"cpu": "1", "ephemeral-storage": "1"}, "limits": {"cpu": "1"}},
            f"{P}.resources": {"limits": {"cpu": "2"}},
        },
        [
            (UNKNOWN, "spec.resources.requests[ephemeral-storage]", '"cpu", "hugepages-", "memory"'),
            (BAD, "spec.resources.requests[cpu]", "aggregate container requests of 2"),
            (BAD, "spec.resources.containers[0][cpu].limits", "pod limits of 1"),
        ],
    ),
    (
        "huge pages of the whole",
        {
            "spec.resources.limits": {"cpu": "1", "hugepages-2Mi": "2Mi"},
            f"{P}.resources.limits": {"cpu": "500m", "hugepages-2Mi": "2Mi"},
            "spec.containers.1": {
                "name": "d",
                "image": "x",
                "resources": {"limits": {"hugepages-2Mi": "2Mi", "cpu": "1m"}},
            },
        },
        [
            (BAD, "spec.resources.requests[hugepages-2Mi]", "aggregate container requests of 4Mi"),
            (BAD, "spec.resources.limits[hugepages-2Mi]", "aggregate container limits of 4Mi"),
        ],
    ),
    (
        "resources of the whole on windows",
        {"spec.os.name": "windows", "spec.resources.limits": {"cpu": "1", "x": "1"}},
        [(NOT_HERE, "spec.resources", "may not be set for a windows pod")],
    ),
    (
        "claims",
        {"spec.resourceClaims": [{"name": "d", "resourceClaimName": ""}]},
        [(BAD, "spec.resourceClaims[0].resourceClaimName", "subdomain")],
    ),
]

CONTAINER_ROWS: list[tuple[str, Change, list[Cause]]] = [
    (
        "in upstream's order",
        {
            f"{P}.image": "",
            f"{P}.terminationMessagePolicy": "x",
            f"{P}.livenessProbe": {"tcpSocket": {"port": 0}},
            f"{P}.readinessProbe": {},
            f"{P}.ports": [{"containerPort": 0}],
        },
        [
            (NEEDED, f"{C}.image", ""),
            (BAD, f"{C}.livenessProbe.tcpSocket.port", ""),
            (BAD, f"{C}.terminationMessagePolicy", ""),
            (NEEDED, f"{C}.readinessProbe", ""),
            (NEEDED, f"{C}.ports[0].containerPort", ""),
        ],
    ),
    (
        "divisor",
        {f"{P}.env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]},
        [(BAD, f"{C}.env[0].valueFrom.resourceFieldRef.divisor", '"limits.cpu": only divisor')],
    ),
    (
        "escalation",
        {f"{P}.securityContext": {"allowPrivilegeEscalation": False, "privileged": True}},
        [(BAD, f"{C}.securityContext", "core.SecurityContext{Capabilities:(*core.Capabilities)(nil), Privileged:")],
    ),
    (
        "seccomp",
        {f"{P}.securityContext": {"seccompProfile": {"type": "x", "localhostProfile": "p"}}},
        [
            (UNKNOWN, f"{C}.securityContext.seccompProfile.type", ""),
            (BAD, f"{C}.securityContext.seccompProfile.localhostProfile", 'core.SeccompProfile{Type:"x", Local'),
        ],
    ),
    ("no name", {f"{P}.name": ""}, [(NEEDED, f"{C}.name", "")]),
    ("name", {f"{P}.name": "A"}, [(BAD, f"{C}.name", "RFC 1123 label")]),
    ("name twice", {"spec.containers.1": {"name": "c", "image": "x"}}, [(TWICE, "spec.containers[1].name", '"c"')]),
    ("no image", {f"{P}.image": ""}, [(NEEDED, f"{C}.image", "")]),
    ("image space", {f"{P}.image": " x"}, [(BAD, f"{C}.image", "whitespace")]),
    ("pull", {f"{P}.imagePullPolicy": "x"}, [(UNKNOWN, f"{C}.imagePullPolicy", '"Always", "IfNotPresent", "Never"')]),
    ("message", {f"{P}.terminationMessagePolicy": "x"}, [(BAD, f"{C}.terminationMessagePolicy", "must be 'File'")]),
    ("port", {f"{P}.ports": [{"containerPort": 0}]}, [(NEEDED, f"{C}.ports[0].containerPort", "")]),
    ("port big", {f"{P}.ports": [{"containerPort": 65536}]}, [(BAD, f"{C}.ports[0].containerPort", "65535")]),
    ("port name", {f"{P}.ports": [{"containerPort": 1, "name": "A"}]}, [(BAD, f"{C}.ports[0].name", "")] * 2),
    ("protocol", {f"{P}.ports": [{"containerPort": 1, "protocol": "x"}]}, [(UNKNOWN, f"{C}.ports[0].protocol", "TCP")]),
    (
        "host port twice",
        {f"{P}.ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
        [(TWICE, f"{C}.ports[1].hostPort", "TCP//9")],
    ),
    (
        "host network port",
        {"spec.hostNetwork": True, f"{P}.ports": [{"containerPort": 1, "hostPort": 2}]},
        [(BAD, f"{C}.ports[0].containerPort", "Invalid value: 1: must match `hostPort`")],
    ),
    ("env name", {f"{P}.env": [{"value": "x"}]}, [(NEEDED, f"{C}.env[0].name", "")]),
    ("env equals", {f"{P}.env": [{"name": "a=b"}]}, [(BAD, f"{C}.env[0].name", "must consist of alphabetic")]),
    ("env source", {f"{P}.env": [{"name": "A", "valueFrom": {}}]}, [(BAD, f"{C}.env[0].valueFrom", "one of")]),
    (
        "env field",
        {f"{P}.env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]},
        [(BAD, f"{C}.env[0].valueFrom.fieldRef.fieldPath", "field label not supported: spec.x")],
    ),
    ("env from", {f"{P}.envFrom": [{}]}, [(BAD, f"{C}.envFrom", "`configMapRef` or `secretRef`")]),
    (
        "request over limit",
        {f"{P}.resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        [(BAD, f"{C}.resources.requests", "less than or equal to cpu limit")],
    ),
    ("negative", {f"{P}.resources.requests": {"cpu": "-1"}}, [(BAD, f"{C}.resources.requests[cpu]", "or equal to 0")]),
    (
        "extended",
        {f"{P}.resources.requests": {"example.com/gpu": "1"}},
        [(NEEDED, f"{C}.resources.limits", "non overcommitable")],
    ),
    (
        "unknown resource",
        {f"{P}.resources.limits": {"foo": "1"}},
        [
            (BAD, f"{C}.resources.limits[foo]", "standard resource type or fully qualified"),
            (BAD, f"{C}.resources.limits[foo]", "must be a standard resource for containers"),
            (BAD, f"{C}.resources.requests[foo]", "standard resource type"),
            (BAD, f"{C}.resources.requests[foo]", "must be a standard resource for containers"),
        ],
    ),
    (
        "mount of a refused volume",
        {
            "spec.volumes": [{"name": "v", "secret": {"items": [{}]}}],
            f"{P}.volumeMounts": [{"name": "v", "mountPath": "/x"}],
        },
        [
            (NEEDED, "spec.volumes[0].secret.secretName", ""),
            (NEEDED, "spec.volumes[0].secret.items[0].key", ""),
            (NEEDED, "spec.volumes[0].secret.items[0].path", ""),
            (NOWHERE, f"{C}.volumeMounts[0].name", '"v"'),
        ],
    ),
    ("mount", {f"{P}.volumeMounts": [{"name": "v", "mountPath": "/x"}]}, [(NOWHERE, f"{C}.volumeMounts[0].name", "")]),
    ("no probe", {f"{P}.livenessProbe": {}}, [(NEEDED, f"{C}.livenessProbe", "must specify a handler type")]),
    (
        "probe success",
        {f"{P}.livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}},
        [(BAD, f"{C}.livenessProbe.successThreshold", "must be 1")],
    ),
    (
        "two handlers",
        {f"{P}.readinessProbe": {"tcpSocket": {"port": 1}, "exec": {"command": ["a"]}}},
        [(NOT_HERE, f"{C}.readinessProbe.tcpSocket", "more than 1 handler type")],
    ),
    ("hook", {f"{P}.lifecycle.preStop": {}}, [(NEEDED, f"{C}.lifecycle.preStop", "handler type")]),
    ("sleep", {f"{P}.lifecycle.preStop.sleep.seconds": 31}, [(BAD, f"{C}.lifecycle.preStop.sleep", "(30)")]),
    (
        "privilege",
        {f"{P}.securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
        [(BAD, f"{C}.securityContext", "`privileged` to true")],
    ),
    (
        "unmasked",
        {f"{P}.securityContext.procMount": "Unmasked"},
        [(BAD, f"{C}.securityContext.procMount", "`hostUsers` must be false")],
    ),
    (
        "capability",
        {f"{P}.securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["SYS_ADMIN"]}}},
        [],
    ),
    (
        "apparmor name",
        {f"{P}.securityContext.appArmorProfile": {"type": "Localhost", "localhostProfile": " x"}},
        [(BAD, f"{C}.securityContext.appArmorProfile.localhostProfile", "padded with whitespace")],
    ),
    (
        "huge pages",
        {f"{P}.resources.limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}},
        [(BAD, f"{C}.resources.{part}[hugepages-2Mi]", "multiple of hugepages-2Mi") for part in ("limits", "requests")],
    ),
    (
        "claim",
        {f"{P}.resources.claims": [{"name": "d"}, {}]},
        [(NOWHERE, f"{C}.resources.claims[0]", "which is empty"), (NEEDED, f"{C}.resources.claims[1]", "")],
    ),
    (
        "subscript",
        {f"{P}.env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name['x']"}}}]},
        [(BAD, f"{C}.env[0].valueFrom.fieldRef.fieldPath", "does not support subscript")],
    ),
    ("user", {f"{P}.securityContext.runAsUser": -1}, [(BAD, f"{C}.securityContext.runAsUser", "between 0 and")]),
    (
        "init probe",
        {"spec.initContainers": [{"name": "i", "image": "x", "readinessProbe": {"tcpSocket": {"port": 1}}}]},
        [
            (
                BAD,
                "spec.initContainers[0].readinessProbe",
                "core.Probe{Handler:core.Handler{Exec:(*core.ExecAction)(nil)",
            )
        ],
    ),
    (
        "sidecar probe",
        {
            "spec.initContainers": [
                {"name": "i", "image": "x", "restartPolicy": "Always", "readinessProbe": {"tcpSocket": {"port": 1}}}
            ]
        },
        [],
    ),
]

EPHEMERAL = {
    "volumeClaimTemplate": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
}
IQN = "iqn.2015-02.example.com:test"
ISCSI = {"iqn": IQN, "initiatorName": IQN}

VOLUME_ROWS: list[tuple[str, Change, list[Cause]]] = [
    (
        "nfs",
        {"spec.volumes": [{"name": "v", "nfs": {"server": "s"}}]},
        [(NEEDED, "spec.volumes[0].nfs.path", ""), (BAD, "spec.volumes[0].nfs.path", "must be an absolute path")],
    ),
    (
        "disk",
        {"spec.volumes": [{"name": "v", "gcePersistentDisk": {"partition": 256}}]},
        [
            (NEEDED, "spec.volumes[0].persistentDisk.pdName", ""),
            (BAD, "spec.volumes[0].persistentDisk.partition", "must be between 1 and 255, inclusive"),
        ],
    ),
    (
        "iscsi",
        {
            "spec.volumes": [
                {"name": "v", "iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256, "chapAuthSession": True}}
            ]
        },
        [
            (BAD, "spec.volumes[0].iscsi.iqn", "starting with iqn, eui, or naa"),
            (BAD, "spec.volumes[0].iscsi.lun", "must be between 0 and 255, inclusive"),
            (NEEDED, "spec.volumes[0].iscsi.secretRef", ""),
        ],
    ),
    (
        "iscsi name",
        {
            "spec.volumes": [
                {
                    "name": "v",
                    "iscsi": {"targetPortal": "p", "iqn": "iqn.2015-02.example.com:test", "initiatorName": "naa.1"},
                }
            ]
        },
        [(BAD, "spec.volumes[0].iscsi.initiatorname", "must be valid format")],
    ),
    (
        "fibre channel",
        {"spec.volumes": [{"name": "v", "fc": {"targetWWNs": ["a"], "wwids": ["b"]}}]},
        [
            (BAD, "spec.volumes[0].fc.targetWWNs", "can not be specified simultaneously"),
            (NEEDED, "spec.volumes[0].fc.lun", "lun is required"),
        ],
    ),
    ("flocker", {"spec.volumes": [{"name": "v", "flocker": {}}]}, [(NEEDED, "spec.volumes[0].flocker", "one of")]),
    (
        "quobyte",
        {"spec.volumes": [{"name": "v", "quobyte": {"registry": "a:1,b", "volume": "v"}}]},
        [(BAD, "spec.volumes[0].quobyte.registry", "must be a host:port pair")],
    ),
    (
        "repository",
        {"spec.volumes": [{"name": "v", "gitRepo": {"repository": "r", "directory": "/../x"}}]},
        [
            (BAD, "spec.volumes[0].gitRepo.directory", "must be a relative path"),
            (BAD, "spec.volumes[0].gitRepo.directory", "must not contain '..'"),
        ],
    ),
    (
        "one path twice",
        {
            "spec.volumes": [
                {
                    "name": "v",
                    "projected": {
                        "sources": [
                            {"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
                            {"configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}},
                        ]
                    },
                }
            ]
        },
        [(BAD, "spec.volumes[0].projected", '"m": conflicting duplicate paths')],
    ),
    (
        "token without account",
        {
            "spec.volumes": [
                {
                    "name": "v",
                    "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 600}}]},
                }
            ]
        },
        [(NOT_HERE, "spec.volumes[0].projected.sources[0].serviceAccountToken", "serviceAccountName is not set")],
    ),
    (
        "claim that is made",
        {
            "spec.volumes": [
                {"name": "v", "ephemeral": EPHEMERAL},
                {"name": "w", "persistentVolumeClaim": {"claimName": "x-v"}},
            ]
        },
        [(BAD, "spec.volumes[1].persistentVolumeClaim.claimName", "gets created for an ephemeral volume")],
    ),
    (
        "template with a name",
        {"spec.volumes": [{"name": "v", "ephemeral": changed(EPHEMERAL, {"volumeClaimTemplate.metadata.name": "n"})}]},
        [(NOT_HERE, "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name", "cannot be set")],
    ),
    (
        "long session",
        {"spec.volumes": [{"name": "v", "iscsi": {**ISCSI, "targetPortal": "p" * 63}}]},
        [(BAD, "spec.volumes[0].name", "must be under 64 characters")],
    ),
    ("unnamed", {"spec.volumes": [{"emptyDir": {}}]}, [(NEEDED, "spec.volumes[0].name", "")]),
    ("twice", {"spec.volumes": [{"name": "v"}, {"name": "v"}]}, [(TWICE, "spec.volumes[1].name", '"v"')]),
    (
        "two sources",
        {"spec.volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        [(NOT_HERE, "spec.volumes[0].hostPath", "more than 1 volume type")],
    ),
    ("host path", {"spec.volumes": [{"name": "v", "hostPath": {}}]}, [(NEEDED, "spec.volumes[0].hostPath.path", "")]),
    ("secret", {"spec.volumes": [{"name": "v", "secret": {}}]}, [(NEEDED, "spec.volumes[0].secret.secretName", "")]),
    (
        "mode",
        {"spec.volumes": [{"name": "v", "configMap": {"name": "m", "defaultMode": 512}}]},
        [(BAD, "spec.volumes[0].configMap.defaultMode", "0777 (octal)")],
    ),
    (
        "key path",
        {"spec.volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "../x"}]}}]},
        [(BAD, "spec.volumes[0].configMap.items[0].path", "'..'")],
    ),
    (
        "mount path twice",
        {**EMPTY_DIR, f"{P}.volumeMounts": [{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]},
        [(BAD, f"{C}.volumeMounts[1].mountPath", "must be unique")],
    ),
    (
        "sub path",
        {**EMPTY_DIR, f"{P}.volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "/y"}]},
        [(BAD, f"{C}.volumeMounts.subPath", "must be a relative path")],
    ),
]

AFFINITY = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
SCHEDULING_ROWS: list[tuple[str, Change, list[Cause]]] = [
    ("no terms", {f"{AFFINITY}.nodeSelectorTerms": []}, [(NEEDED, f"{AFFINITY}.nodeSelectorTerms", "at least one")]),
    (
        "operator",
        {f"{AFFINITY}.nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "x"}]}]},
        [(BAD, f"{AFFINITY}.nodeSelectorTerms[0].matchExpressions[0].operator", "selector operator")],
    ),
    (
        "wish for what no label can be",
        {
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}]}}
            ]
        },
        [],
    ),
    (
        "toleration key",
        {"spec.tolerations": [{"effect": "NoSchedule"}]},
        [(BAD, "spec.tolerations[0].operator", "must be Exists when `key` is empty")],
    ),
    (
        "toleration effect",
        {"spec.tolerations": [{"key": "a", "effect": "x"}]},
        [(UNKNOWN, "spec.tolerations[0].effect", '"NoSchedule", "PreferNoSchedule", "NoExecute"')],
    ),
    (
        "toleration seconds",
        {"spec.tolerations": [{"key": "a", "tolerationSeconds": 1}]},
        [(BAD, "spec.tolerations[0].effect", "'NoExecute' when `tolerationSeconds` is set")],
    ),
    (
        "spread",
        {"spec.topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "x"}]},
        [
            (BAD, "spec.topologySpreadConstraints[0].maxSkew", "greater than zero"),
            (NEEDED, "spec.topologySpreadConstraints[0].topologyKey", "can not be empty"),
            (UNKNOWN, "spec.topologySpreadConstraints[0].whenUnsatisfiable", "DoNotSchedule"),
        ],
    ),
]


@pytest.mark.parametrize(("name", "change", "causes"), SPEC_ROWS + CONTAINER_ROWS + VOLUME_ROWS + SCHEDULING_ROWS)
def test_a_new_pod(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)
