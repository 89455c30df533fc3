"""The FlowSchemas and PriorityLevelConfigurations that every cluster has: upstream's names, shares and rules.

The mandatory ones are fixed; the suggested ones are kept as they are here until somebody takes them over by
setting the annotation to "false" (apiserver ``apis/flowcontrol/bootstrap``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kube_lite.resources.meta import Obj

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
"""The annotation that says whether the server keeps the spec as it is here."""

_EVERYTHING: Obj = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}


def _group(name: str) -> Obj:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Obj:
    return {"kind": "User", "user": {"name": name}}


def _kube_system(name: str) -> Obj:
    return {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}}


def _resources(verbs: Sequence[str], group: str, resources: Sequence[str], *, cluster: bool = False) -> Obj:
    rule: Obj = {"verbs": [*verbs], "apiGroups": [group], "resources": [*resources], "namespaces": ["*"]}
    if cluster:
        rule["clusterScope"] = True
    return {"resourceRules": [rule]}


def _schema(level: str, precedence: int, distinguisher: str, subjects: Sequence[Obj], *rules: Obj) -> Obj:
    merged: Obj = {"subjects": [*subjects]}
    for rule in rules or (_EVERYTHING,):
        for name, items in rule.items():
            merged[name] = [*merged.get(name, ()), *items]
    spec: Obj = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": [merged]}
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return spec


def _limited(shares: int, lendable: int, queues: int = 0, hand: int = 0) -> Obj:
    response: Obj = {"type": "Reject"}
    if queues:
        response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50}}
    return {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response},
    }


_EVERYBODY = (_group("system:unauthenticated"), _group("system:authenticated"))
_MANAGER, _SCHEDULER = _user("system:kube-controller-manager"), _user("system:kube-scheduler")
_LEASES = _resources(("get", "create", "update"), "coordination.k8s.io", ("leases",))

MANDATORY_SCHEMAS: Mapping[str, Obj] = {
    "exempt": _schema("exempt", 1, "", [_group("system:masters")]),
    "catch-all": _schema("catch-all", 10000, "ByUser", _EVERYBODY),
}
"""Specs by name."""

SUGGESTED_SCHEMAS: Mapping[str, Obj] = {
    "probes": _schema(
        "exempt",
        2,
        "",
        _EVERYBODY,
        {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]},
    ),
    "system-leader-election": _schema(
        "leader-election", 100, "ByUser", [_MANAGER, _SCHEDULER, _kube_system("*")], _LEASES
    ),
    "endpoint-controller": _schema(
        "workload-high",
        150,
        "ByUser",
        [_MANAGER, _kube_system("endpoint-controller"), _kube_system("endpointslicemirroring-controller")],
        _resources(("get", "create", "update"), "", ("endpoints",)),
    ),
    "workload-leader-election": _schema("leader-election", 200, "ByUser", [_kube_system("*")], _LEASES),
    "system-node-high": _schema(
        "node-high",
        400,
        "ByUser",
        [_group("system:nodes")],
        _resources(("*",), "", ("nodes", "nodes/status"), cluster=True),
        _resources(("*",), "coordination.k8s.io", ("leases",)),
    ),
    "system-nodes": _schema("system", 500, "ByUser", [_group("system:nodes")]),
    "kube-controller-manager": _schema("workload-high", 800, "ByNamespace", [_MANAGER]),
    "kube-scheduler": _schema("workload-high", 800, "ByNamespace", [_SCHEDULER]),
    "kube-system-service-accounts": _schema("workload-high", 900, "ByNamespace", [_kube_system("*")]),
    "service-accounts": _schema("workload-low", 9000, "ByUser", [_group("system:serviceaccounts")]),
    "global-default": _schema("global-default", 9900, "ByUser", _EVERYBODY),
}
"""Specs by name."""

MANDATORY_LEVELS: Mapping[str, Obj] = {
    "exempt": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    "catch-all": _limited(5, 0),
}
"""Specs by name."""

SUGGESTED_LEVELS: Mapping[str, Obj] = {
    "system": _limited(30, 33, 64, 6),
    "node-high": _limited(40, 25, 64, 6),
    "leader-election": _limited(10, 0, 16, 4),
    "workload-high": _limited(40, 50, 128, 6),
    "workload-low": _limited(100, 90, 128, 6),
    "global-default": _limited(20, 50, 128, 6),
}
"""Specs by name."""
