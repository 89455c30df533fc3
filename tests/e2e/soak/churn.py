"""What clients do, one round after the other, leaving nothing behind and never using a name twice."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from typing import Any

from tests.e2e.soak.calls import APPLY, JSON_PATCH, MERGE, STRATEGIC, Line, Place

Obj = dict[str, Any]

CORE = "/api/v1/namespaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FORCED = "gracePeriodSeconds=0"
CLOSED = "https://127.0.0.1:1/"
"""Nobody listens there."""


class Round:
    """One round: a number that is in every name, and lines to the server."""

    def __init__(self, place: Place, number: int, line: Line) -> None:
        self.place = place
        self.number = number
        self.tag = f"r{number}"
        self.line = line

    def other(self, line: Line) -> Round:
        """The same over another line."""
        return Round(self.place, self.number, line)

    async def until(self, path: str, true: Callable[[int, Any], bool], seconds: float = 60.0) -> Any:
        """GET until ``true`` of code and body. :raises AssertionError: it does not come true"""
        for _ in range(int(seconds / 0.05)):
            code, body = await self.line.ask("GET", path)
            if true(code, body):
                return body
            await asyncio.sleep(0.05)
        raise AssertionError(f"{path}: {code} {body}")

    async def gone(self, path: str) -> None:
        """Wait until there is no such thing."""
        await self.until(path, lambda code, body: code == 404)


Activity = Callable[[Round], Awaitable[None]]


def pod(name: str, **spec: Any) -> Obj:
    """A pod for no scheduler."""
    container = {"name": "c", "image": f"example.com/{name}:1", "env": [{"name": "A", "value": name}]}
    meta = {"name": name, "labels": {"app": name, "run": "soak"}, "annotations": {"about": name * 4}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"schedulerName": "none", "containers": [container], **spec},
    }


async def pods(round_: Round) -> None:
    """Create, change in every way, and delete pods."""
    line, tag = round_.line, round_.tag
    base = f"{CORE}/default/pods"
    for number in range(6):
        name = f"{tag}-{number}"
        path = f"{base}/{name}"
        await line.must("POST", f"{base}?fieldManager=a{name}", pod(name))
        await line.must("PATCH", path, {"metadata": {"labels": {name: tag}}}, MERGE)
        await line.must("PATCH", path, [{"op": "add", "path": "/metadata/labels/b", "value": tag}], JSON_PATCH)
        await line.must("PATCH", path, {"spec": {"containers": [{"name": "c", "image": f"b:{tag}"}]}}, STRATEGIC)
        wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"applied": tag}}}
        await line.must("PATCH", f"{path}?fieldManager=m-{name}&force=true", wanted, APPLY)
        condition = {"type": f"example.com/{tag}", "status": "True", "message": tag}
        await line.must("PATCH", f"{path}/status", {"status": {"conditions": [condition]}}, STRATEGIC)
        stored = await line.must("GET", path)
        stored["metadata"]["annotations"] = {f"example.com/{name}": tag}
        await line.must("PUT", f"{path}?fieldManager=u-{name}", stored)
        await line.must("GET", f"{base}?labelSelector=app%3D{name}")
        await line.must("GET", f"{base}?fieldSelector=metadata.name%3D{name}")
        await line.must("DELETE", f"{path}?{FORCED}")


async def small_objects(round_: Round) -> None:
    """Kinds of their own that come and go, unlisted by anybody."""
    line, tag = round_.line, round_.tag
    meta = {"name": tag}
    about = {"kind": "Pod", "namespace": "default", "name": tag, "uid": tag}
    for number in range(6):
        event = {"metadata": {"name": f"{tag}.{number}"}, "involvedObject": about, "reason": tag, "message": tag}
        await line.must("POST", f"{CORE}/default/events", event)
    for path, body in (
        (f"{CORE}/default/configmaps", {"metadata": meta, "data": {tag: "x" * 2000}}),
        (f"{CORE}/default/secrets", {"metadata": meta, "stringData": {tag: tag}}),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", {"metadata": meta, "spec": {"holderIdentity": tag}}),
        ("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": meta, "value": 1}),
        ("/apis/node.k8s.io/v1/runtimeclasses", {"metadata": meta, "handler": tag}),
        ("/apis/storage.k8s.io/v1/storageclasses", {"metadata": meta, "provisioner": "example.com/a"}),
        (
            f"{CORE}/default/services",
            {"metadata": meta, "spec": {"selector": {"app": tag}, "ports": [{"port": 80}]}},
        ),
        (
            f"{CORE}/default/persistentvolumeclaims",
            {
                "metadata": meta,
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            },
        ),
    ):
        await line.must("POST", path, body)
        await line.must("PATCH", f"{path}/{tag}", {"metadata": {"labels": {"a": tag}}}, MERGE)
        await line.must("DELETE", f"{path}/{tag}")


def _template(tag: str) -> Obj:
    made = pod(tag)
    del made["spec"]["schedulerName"]
    return {"metadata": {"labels": {"app": tag}}, "spec": made["spec"]}


async def workloads(round_: Round) -> None:
    """A Deployment that is rolled over and scaled on the nodes that there are, with what stands around it."""
    line, tag = round_.line, round_.tag
    base = "/apis/apps/v1/namespaces/default"
    path = f"{base}/deployments/{tag}"
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": tag}}, "template": _template(tag)}
    await line.must("POST", f"{base}/deployments", {"metadata": {"name": tag}, "spec": spec})
    budget = {"metadata": {"name": tag}, "spec": {"minAvailable": 1, "selector": spec["selector"]}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    await line.must("POST", budgets, budget)

    def ready(code: int, body: Any) -> bool:
        return bool(body["status"].get("availableReplicas", 0) == body["spec"]["replicas"])

    await round_.until(path, ready)
    if round_.number % 2:
        change = {"spec": {"template": {"metadata": {"labels": {"v": tag}}}}}
        await line.must("PATCH", path, change, STRATEGIC)
        await line.must("PATCH", f"{path}/scale", {"spec": {"replicas": 3}}, MERGE)
        await round_.until(path, lambda code, body: ready(code, body) and body["status"].get("updatedReplicas") == 3)
    listed = await line.must("GET", f"{CORE}/default/pods?labelSelector=app%3D{tag}")
    one = listed["items"][0]["metadata"]["name"]
    await line.ask("GET", f"{CORE}/default/pods/{one}/log")
    await line.ask("GET", f"{CORE}/default/pods/{one}/proxy/{tag}")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": one}}
    await line.ask("POST", f"{CORE}/default/pods/{one}/eviction", eviction)
    await line.ask("GET", f"/kube-lite/v1/namespaces/default/pods/{one}/explanation")
    await line.must("DELETE", f"{budgets}/{tag}")
    await line.must("DELETE", f"{path}?propagationPolicy=Foreground")
    await round_.gone(path)


async def jobs(round_: Round) -> None:
    """Every third round a Job, a StatefulSet and a DaemonSet."""
    line, tag = round_.line, f"{round_.tag}-j"
    selector = {"matchLabels": {"app": tag}}
    job = {"template": {"spec": {**_template(tag)["spec"], "restartPolicy": "Never"}}, "ttlSecondsAfterFinished": 1}
    made = [
        ("/apis/batch/v1/namespaces/default/jobs", job),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            {"selector": selector, "template": _template(tag), "serviceName": tag},
        ),
        ("/apis/apps/v1/namespaces/default/daemonsets", {"selector": selector, "template": _template(tag)}),
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": tag}, "maxReplicas": 2},
        ),
    ]
    path, spec = made[round_.number % len(made)]
    await line.must("POST", path, {"metadata": {"name": tag}, "spec": spec})
    await asyncio.sleep(0.3)
    await line.must("DELETE", f"{path}/{tag}?propagationPolicy=Background")
    await round_.gone(f"{path}/{tag}")


async def namespaces(round_: Round) -> None:
    """A namespace with contents, which goes with them."""
    line, tag = round_.line, f"ns-{round_.tag}"
    labels = {"pod-security.kubernetes.io/warn": "restricted", tag: tag}
    await line.must("POST", CORE, {"metadata": {"name": tag, "labels": labels}})
    await round_.until(f"{CORE}/{tag}/serviceaccounts/default", lambda code, body: code == 200)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "count/configmaps": "9"}}}
    await line.must("POST", f"{CORE}/{tag}/resourcequotas", quota)
    await round_.until(f"{CORE}/{tag}/resourcequotas/q", lambda code, body: "used" in body.get("status", {}))
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}
    await line.must("POST", f"{CORE}/{tag}/limitranges", limits)
    for number in range(2):
        await line.must("POST", f"{CORE}/{tag}/configmaps", {"metadata": {"name": f"c{number}"}})
        await line.must("POST", f"{CORE}/{tag}/pods", pod(f"p{number}"))
    await line.must("GET", f"{CORE}/{tag}/pods")
    await line.must("DELETE", f"{CORE}/{tag}/pods?{FORCED}")
    await line.must("DELETE", f"{CORE}/{tag}")
    await round_.gone(f"{CORE}/{tag}")


async def definitions(round_: Round) -> None:
    """A definition with rules and two versions, its objects, and the documents that tell of it."""
    line, group = round_.line, f"{round_.tag}.example.com"
    rule = {"rule": f"self.size <= {1000 + round_.number}", "message": group}
    size = {"type": "integer"}
    spec = {"type": "object", "properties": {"size": size, round_.tag: size}, "x-kubernetes-validations": [rule]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}},
        {"name": "v2", "served": True, "storage": False, "schema": schema},
    ]
    names = {"plural": "soaks", "singular": "soak", "kind": "Soak"}
    body: Obj = {
        "metadata": {"name": f"soaks.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }
    if round_.number % 3 == 0:
        webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"url": f"{CLOSED}{round_.tag}"}}
        body["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    await line.must("POST", CRDS, body)
    base = f"/apis/{group}/v1/namespaces/default/soaks"
    await round_.until(base, lambda code, body: code == 200)
    watch = await Line.open(round_.place)
    watch.send("GET", f"{base}?watch=true", b"", {})
    for number in range(3):
        made: Obj = {"apiVersion": f"{group}/v1", "kind": "Soak", "spec": {"size": number}}
        made["metadata"] = {"name": f"s{number}"}
        await line.must("POST", base, made)
    await line.must(
        "PATCH", f"{base}/s1?force=true&fieldManager={round_.tag}", {**made, "metadata": {"name": "s1"}}, APPLY
    )
    await line.ask("PATCH", f"{base}/s1", {"spec": {"size": 9999}}, MERGE)
    await line.ask("GET", f"/apis/{group}/v2/namespaces/default/soaks")
    await line.must("GET", f"/openapi/v3/apis/{group}/v1")
    await line.must("GET", f"/apis/{group}/v1")
    if round_.number % 8 == 0:
        await line.must("GET", "/openapi/v2")
        await line.must("GET", "/openapi/v3")
    await line.must("GET", "/apis", Accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    await line.must("DELETE", f"{CRDS}/soaks.{group}")
    await round_.gone(f"{CRDS}/soaks.{group}")
    watch.drop()


async def watches(round_: Round) -> None:
    """Watches over TLS, a unix socket and websockets, dropped in the middle."""
    base = f"{CORE}/default/configmaps"
    key = base64.b64encode(os.urandom(16)).decode()
    socket = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    ways: list[tuple[str, dict[str, str]]] = [
        ("certified", {}),
        ("unix", {}),
        ("certified", table),
        ("certified", socket),
        ("unix", socket),
    ]
    opened = []
    for number, (how, headers) in enumerate(ways):
        line = await Line.open(round_.place, how)
        selector = f"&labelSelector=x%3D{round_.tag}" if number % 2 else ""
        line.send("GET", f"{base}?watch=true&allowWatchBookmarks=true{selector}", b"", headers)
        await line.head()
        opened.append(line)
    body = {"metadata": {"name": f"w-{round_.tag}", "labels": {"x": round_.tag}}}
    await round_.line.must("POST", base, body)
    for line in opened[::2]:
        await line.reader.read(1)
    await round_.line.must("DELETE", f"{base}/w-{round_.tag}")
    for line in opened:
        line.drop()
    half = await Line.open(round_.place)
    half.writer.write(b"POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    await half.writer.drain()
    half.drop()
    short = await Line.open(round_.place, "unix")
    listed = await short.must("GET", f"{base}?limit=1")
    await short.ask(
        "GET", f"{base}?watch=true&timeoutSeconds=1&resourceVersion={listed['metadata']['resourceVersion']}"
    )
    short.drop()


async def pages(round_: Round) -> None:
    """Lists in chunks that nobody reads to the end, of the past too."""
    line = round_.line
    first = await line.must("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles?limit=5")
    follow = first["metadata"]["continue"]
    await line.ask("GET", f"/apis/rbac.authorization.k8s.io/v1/clusterroles?limit=7&continue={follow}")
    await line.must("GET", f"{CORE}?limit=1")
    revision = first["metadata"]["resourceVersion"]
    await line.ask("GET", f"{CORE}/default/pods?at={int(revision) - 20}")
    await line.ask("GET", f"{CORE}/default?at={revision}")
    await line.ask("GET", f"{CORE}/default/pods?resourceVersion={int(revision) - 9}&resourceVersionMatch=Exact")
    await line.ask("GET", f"/kube-lite/v1/changes/pods/{round_.tag}-1")


async def users(round_: Round) -> None:
    """Accounts, tokens, impersonation and reviews of people never seen before."""
    line, tag = round_.line, round_.tag
    base = f"{CORE}/default/serviceaccounts"
    await line.must("POST", base, {"metadata": {"name": tag}})
    role = {"metadata": {"name": tag}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
    await line.must("POST", f"{RBAC}/namespaces/default/roles", role)
    subject = {"kind": "ServiceAccount", "name": tag, "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": tag}
    binding = {"metadata": {"name": tag}, "roleRef": reference, "subjects": [subject]}
    await line.must("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
    for number in range(2):
        wanted = {"spec": {"expirationSeconds": 600, "audiences": ["https://kubernetes.default.svc"]}}
        answered = await line.must("POST", f"{base}/{tag}/token", wanted)
        token = answered["status"]["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        own = await Line.open(round_.place, "plain", bearer)
        await own.ask("GET", f"{CORE}/default/pods")
        await own.ask("GET", f"{CORE}/default/secrets/{tag}{number}")
        own.drop()
        stranger = await Line.open(round_.place, "plain", {"Authorization": f"Bearer {tag}{number}"})
        await stranger.ask("GET", "/version")
        stranger.drop()
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        await line.must("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    for number in range(4):
        who = {"Impersonate-User": f"{tag}-{number}", "Impersonate-Group": tag, f"Impersonate-Extra-{tag}": tag}
        await line.ask("GET", f"{CORE}/{tag}/pods/{number}", **who)
        await line.ask("GET", f"/healthz/{tag}", **who)
        asked = {"namespace": f"{tag}-{number}", "verb": "get", "resource": tag, "name": tag}
        access = {"spec": {"user": f"{tag}-{number}", "groups": [tag], "resourceAttributes": asked}}
        await line.must("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", access)
        rules = {"spec": {"namespace": f"{tag}-{number}"}}
        await line.must("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", rules, **who)
    await line.must("DELETE", f"{RBAC}/namespaces/default/rolebindings/{tag}")
    await line.must("DELETE", f"{RBAC}/namespaces/default/roles/{tag}")
    await line.must("DELETE", f"{base}/{tag}")


async def policies(round_: Round) -> None:
    """Webhooks, policies, flow schemas and API services that come and go."""
    line, tag = round_.line, round_.tag
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["endpoints"], "operations": ["CREATE"]}]
    hook = {
        "name": f"{tag}.example.com",
        "rules": rules,
        "clientConfig": {"url": f"{CLOSED}{tag}"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "matchConditions": [{"name": "a", "expression": f"object.metadata.name != '{tag}'"}],
    }
    name = {"metadata": {"name": tag}}
    matched = {"resourceRules": [{**rules[0], "resources": ["endpoints"]}]}
    expression = {"expression": f"object.metadata.name != '{tag}-refused'", "messageExpression": f"'no {tag}'"}
    policy = {**name, "spec": {"matchConstraints": matched, "validations": [expression]}}
    binding = {**name, "spec": {"policyName": tag, "validationActions": ["Deny", "Audit"]}}
    user = {"kind": "User", "user": {"name": tag}}
    resources = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}]
    flow = {
        **name,
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": 900,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [user], "resourceRules": resources}],
        },
    }
    level = {
        **name,
        "spec": {
            "type": "Limited",
            "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}},
        },
    }
    group = f"{tag}.ext.example.com"
    service = {
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 10,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": "default", "name": tag},
        },
    }
    made: list[tuple[str, Obj]] = [
        (f"{ADMISSION}/validatingwebhookconfigurations", {**name, "webhooks": [hook]}),
        (f"{ADMISSION}/mutatingwebhookconfigurations", {**name, "webhooks": [hook]}),
        (f"{ADMISSION}/validatingadmissionpolicies", policy),
        (f"{ADMISSION}/validatingadmissionpolicybindings", binding),
        ("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", flow),
        ("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations", level),
        ("/apis/apiregistration.k8s.io/v1/apiservices", service),
    ]
    for path, body in made:
        await line.must("POST", path, body)
    await line.ask("POST", f"{CORE}/default/endpoints", {"metadata": {"name": f"{tag}-refused"}})
    await line.must("POST", f"{CORE}/default/endpoints", {"metadata": {"name": f"{tag}-e"}})
    await line.ask("GET", f"{CORE}/default/pods", Impersonate_User=tag)
    await line.ask("GET", f"/apis/{group}/v1/{tag}")
    await line.must("DELETE", f"{CORE}/default/endpoints/{tag}-e")
    for path, body in made:
        await line.must("DELETE", f"{path}/{body['metadata']['name']}")


async def refusals(round_: Round) -> None:
    """Requests that cannot be answered, each with names of its own."""
    line, tag = round_.line, round_.tag
    bad = pod(f"{tag}_Bad")
    for number in range(3):
        name = f"{tag}-f{number}"
        for method, path, body in (
            ("GET", f"/{name}/x", None),
            ("GET", f"/apis/{name}.example.com/v1/things", None),
            ("GET", f"/api/v1/{name}", None),
            ("GET", f"{CORE}/{name}/pods/{name}", None),
            ("GET", f"{CORE}/default/pods/{name}/{name}", None),
            ("GET", f"{CORE}/default/pods?labelSelector={name}%20in%20(", None),
            ("GET", f"{CORE}/default/pods?labelSelector={name}!%3Da,b%20in%20({name})", None),
            ("GET", f"{CORE}/default/pods?fieldSelector={name}%3D1", None),
            ("GET", f"{CORE}/default/pods?continue={name}", None),
            ("GET", f"{CORE}/default/pods?resourceVersion={name}", None),
            ("GET", f"{CORE}/default/pods?at={name}", None),
            ("GET", f"/openapi/v3/apis/{name}/v1", None),
            ("GET", f"/.well-known/{name}", None),
            ("GET", f"/metrics/{name}", None),
            ("PROPFIND", f"{CORE}/default/pods/{name}", None),
            ("POST", f"{CORE}/{name}/pods", pod(name)),
            ("POST", f"{CORE}/default/pods", bad),
            ("POST", f"{CORE}/default/pods?dryRun={name}", pod(name)),
            ("POST", f"{CORE}/default/pods", {**pod(name), name: name}),
            ("POST", f"{CORE}/default/pods?fieldValidation=Strict", {**pod(name), name: name}),
            ("POST", f"{CORE}/default/pods", pod(name, containers=[{"name": name}])),
            ("POST", f"{CORE}/default/pods", b'{"' + name.encode()),
            ("PUT", f"{CORE}/default/pods/{name}", pod(name)),
            ("DELETE", f"{CORE}/default/pods/{name}", None),
        ):
            code, _ = await line.ask(method, path, body)
            if code == 201:  # what upstream lets pass, too
                await line.ask("DELETE", f"{CORE}/default/pods/{name}?{FORCED}")
        await line.ask("GET", f"{CORE}/default/pods", Accept=f"application/{name}")
        await line.ask("GET", f"{CORE}/default/pods", Accept=f"application/json;as={name}", User_Agent=name)
        await line.ask("POST", f"{CORE}/default/pods", b"x", f"application/{name}")


ACTIVITIES: tuple[Activity, ...] = (
    pods,
    small_objects,
    workloads,
    jobs,
    namespaces,
    definitions,
    watches,
    pages,
    users,
    policies,
    refusals,
)


async def churn(place: Place, number: int, activities: tuple[Activity, ...] = ACTIVITIES) -> None:
    """One round of everything at once, each activity over a new connection."""

    async def one(activity: Activity, how: str) -> None:
        line = await Line.open(place, how)
        try:
            await activity(Round(place, number, line))
        finally:
            line.drop()

    async with asyncio.TaskGroup() as tasks:
        for position, activity in enumerate(activities):
            tasks.create_task(one(activity, "unix" if (number + position) % 3 == 0 else "certified"))
