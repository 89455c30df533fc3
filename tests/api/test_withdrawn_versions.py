"""Withdrawn versions over the API: one object, shown and written in each version."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite.api import protobuf
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, User
from tests.api.wire import Answer, ask
from tests.plane import started_plane

NETWORKING = "/apis/networking.k8s.io/{}/namespaces/default/ingresses"
SCALERS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
OLD = {"metadata": {"name": "i"}, "spec": {"backend": {"serviceName": "s", "servicePort": 80}}}
WARNING = (
    '299 - "networking.k8s.io/v1beta1 Ingress is deprecated in v1.19+, unavailable in v1.22+; '
    'use networking.k8s.io/v1 Ingress"'
)
APPLY = (("content-type", "application/apply-patch+yaml"),)
MERGE = (("content-type", "application/merge-patch+json"),)
JSON_PATCH = (("content-type", "application/json-patch+json"),)
STRATEGIC = (("content-type", "application/strategic-merge-patch+json"),)


async def world() -> Plane:
    plane = await started_plane()
    plane.authenticator.add_token("t", User("root", "1", (MASTERS, AUTHENTICATED)))
    return plane


async def send(plane: Plane, method: str, path: str, body: Any = None, headers: Any = ()) -> Answer:
    return await ask(plane, path, method=method, token="t", body=body, headers=headers)


def test_an_object_is_written_in_one_version_and_read_in_the_others() -> None:
    async def main() -> None:
        plane = await world()
        made = await send(plane, "POST", NETWORKING.format("v1beta1"), OLD)
        assert made.code == 201, made.body
        assert made.header("warning") == WARNING
        assert made.json()["apiVersion"] == "networking.k8s.io/v1beta1"
        assert made.json()["spec"] == OLD["spec"]
        new = await send(plane, "GET", NETWORKING.format("v1") + "/i")
        assert not new.header("warning")
        assert new.json()["spec"] == {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}
        assert new.json()["metadata"]["resourceVersion"] == made.json()["metadata"]["resourceVersion"]
        listed = await send(plane, "GET", "/apis/extensions/v1beta1/ingresses")
        assert listed.json()["items"][0]["spec"] == OLD["spec"]

    anyio.run(main)


def test_betas_of_workloads_leave_dependants_alone_unless_asked() -> None:
    async def main() -> None:
        plane = await world()
        template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}
        path = "/apis/batch/{}/namespaces/default/cronjobs"
        for version, kept in (("v1beta1", ["orphan"]), ("v1", None)):
            made = await send(plane, "POST", path.format(version), {"metadata": {"name": version}, "spec": spec})
            assert made.code == 201, made.body
            gone = await send(plane, "DELETE", f"{path.format(version)}/{version}")
            assert gone.json()["metadata"].get("finalizers") == kept

    anyio.run(main)


def test_a_beta_shows_no_conditions_that_came_later_but_keeps_them() -> None:
    budgets = "/apis/policy/{}/namespaces/default/poddisruptionbudgets"
    healthy = {"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": ""}
    healthy["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    counts = {"disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}

    async def main() -> None:
        plane = await world()
        body = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
        made = await send(plane, "POST", budgets.format("v1"), body)
        assert made.code == 201, made.body
        patch = {"status": {**counts, "conditions": [healthy]}}
        told = await send(plane, "PATCH", budgets.format("v1") + "/b/status?fieldManager=kcm", patch, headers=MERGE)
        assert told.code == 200, told.body
        old = (await send(plane, "GET", budgets.format("v1beta1") + "/b")).json()
        assert old["status"].items() >= counts.items()
        assert "conditions" not in old["status"]
        owner = next(entry for entry in old["metadata"]["managedFields"] if entry["manager"] == "kcm")
        assert owner["apiVersion"] == "policy/v1beta1"
        assert owner["fieldsV1"] == {"f:status": {f"f:{name}": {} for name in counts}}
        label = {"metadata": {"labels": {"x": "y"}}}
        assert (await send(plane, "PATCH", budgets.format("v1beta1") + "/b", label, headers=MERGE)).code == 200
        new = (await send(plane, "GET", budgets.format("v1") + "/b")).json()
        assert [condition["type"] for condition in new["status"]["conditions"]] == ["DisruptionAllowed"]

    anyio.run(main)


def test_patches_are_to_the_form_of_their_version() -> None:
    async def main() -> None:
        plane = await world()
        await send(plane, "POST", NETWORKING.format("v1beta1"), OLD)
        old = NETWORKING.format("v1beta1") + "/i"
        for headers, body, port in (
            (MERGE, {"spec": {"backend": {"servicePort": 81}}}, 81),
            (STRATEGIC, {"spec": {"backend": {"servicePort": "web"}}}, "web"),
            (JSON_PATCH, [{"op": "replace", "path": "/spec/backend/servicePort", "value": 82}], 82),
        ):
            answer = await send(plane, "PATCH", old, body, headers)
            assert answer.code == 200, answer.body
            assert answer.json()["spec"]["backend"] == {"serviceName": "s", "servicePort": port}
        new = (await send(plane, "GET", NETWORKING.format("v1") + "/i")).json()
        assert new["spec"]["defaultBackend"]["service"]["port"] == {"number": 82}
        put = await send(plane, "PUT", old, {**OLD, "metadata": {"name": "i"}})
        assert (put.code, put.json()["spec"]) == (200, OLD["spec"])

    anyio.run(main)


def test_an_applied_field_is_owned_under_the_name_that_its_version_has() -> None:
    async def main() -> None:
        plane = await world()
        applied = {"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", **OLD}
        path = NETWORKING.format("v1beta1") + "/i?fieldManager=m"
        made = await send(plane, "PATCH", path, applied, APPLY)
        assert made.code == 201, made.body
        entry = made.json()["metadata"]["managedFields"][0]
        assert entry["apiVersion"] == "networking.k8s.io/v1beta1"
        assert entry["fieldsV1"]["f:spec"] == {"f:backend": {"f:serviceName": {}, "f:servicePort": {}}}
        again = await send(plane, "PATCH", path, applied, APPLY)
        assert again.json()["metadata"]["resourceVersion"] == made.json()["metadata"]["resourceVersion"]

    anyio.run(main)


def test_nulls_of_the_old_version_are_shown_whoever_wrote_the_object() -> None:
    async def main() -> None:
        plane = await world()
        spec = {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 3}
        await send(plane, "POST", SCALERS.format("v1"), {"metadata": {"name": "h"}, "spec": spec})
        for version, nulls in (("v2beta2", ("conditions", "currentMetrics")), ("v2", ("currentMetrics",))):
            shown = (await send(plane, "GET", SCALERS.format(version) + "/h")).json()["status"]
            assert sorted(name for name, value in shown.items() if value is None) == sorted(nulls)

    anyio.run(main)


def test_protobuf_has_the_messages_of_the_old_version() -> None:
    async def main() -> None:
        plane = await world()
        body = protobuf.encode({"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", **OLD})
        media = (("content-type", "application/vnd.kubernetes.protobuf"),) * 1
        accept = ("accept", "application/vnd.kubernetes.protobuf")
        made = await send(plane, "POST", NETWORKING.format("v1beta1"), body, (*media, accept))
        assert made.code == 201, made.body
        assert protobuf.decode(made.body)["spec"]["backend"]["servicePort"] == 80

    anyio.run(main)


def test_access_reviews_of_old_name_their_groups_in_the_singular() -> None:
    async def main() -> None:
        plane = await world()
        spec = {"group": [MASTERS], "resourceAttributes": {"verb": "get", "resource": "pods"}}
        path = "/apis/authorization.k8s.io/v1beta1/subjectaccessreviews"
        answer = await send(plane, "POST", path, {"spec": spec})
        assert answer.code == 201, answer.body
        assert answer.json()["apiVersion"] == "authorization.k8s.io/v1beta1"
        assert answer.json()["spec"] == spec
        assert answer.json()["status"]["allowed"] is True

    anyio.run(main)


def test_explain_finds_the_old_fields() -> None:
    async def main() -> None:
        plane = await world()
        document = (await send(plane, "GET", "/openapi/v3/apis/networking.k8s.io/v1beta1")).json()
        schemas = document["components"]["schemas"]
        backend = schemas["io.k8s.api.networking.v1beta1.IngressBackend"]["properties"]
        assert set(backend) == {"resource", "serviceName", "servicePort"}
        gvk = schemas["io.k8s.api.networking.v1beta1.Ingress"]["x-kubernetes-group-version-kind"]
        assert gvk == [{"group": "networking.k8s.io", "kind": "Ingress", "version": "v1beta1"}]
        assert "io.k8s.api.networking.v1.Ingress" not in schemas

    anyio.run(main)


def test_a_table_has_the_columns_of_its_version() -> None:
    async def main() -> None:
        plane = await world()
        accept = (("accept", "application/json;as=Table;v=v1;g=meta.k8s.io"),)
        columns = {}
        for version in ("v1", "v1beta1"):
            path = f"/apis/batch/{version}/namespaces/default/cronjobs"
            table = (await send(plane, "GET", path, headers=accept)).json()
            columns[version] = [column["name"] for column in table["columnDefinitions"]]
        assert [name for name in columns["v1"] if name not in columns["v1beta1"]] == ["Timezone"]

    anyio.run(main)


def test_a_write_in_one_version_takes_the_field_from_its_owner_in_another() -> None:
    async def main() -> None:
        plane = await world()
        old, new = (NETWORKING.format(version) + "/i?fieldManager=" for version in ("v1beta1", "v1"))
        await send(plane, "POST", NETWORKING.format("v1beta1") + "?fieldManager=a", OLD)
        port = {"spec": {"defaultBackend": {"service": {"port": {"number": 81}}}}}
        made = await send(plane, "PATCH", new + "b", port, MERGE)
        owned = {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in made.json()["metadata"]["managedFields"]}
        assert owned == {
            "a": {"f:backend": {".": {}, "f:serviceName": {}}},
            "b": {"f:defaultBackend": {"f:service": {"f:port": {"f:number": {}}}}},
        }
        config = {"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", **OLD}
        refused = await send(plane, "PATCH", old + "c", config, APPLY)
        assert refused.code == 409
        assert [cause["field"] for cause in refused.json()["details"]["causes"]] == [
            ".spec.defaultBackend.service.port.number"
        ]
        forced = await send(plane, "PATCH", old + "c&force=true", config, APPLY)
        assert forced.code == 200, forced.body
        owned = {entry["manager"]: entry["fieldsV1"]["f:spec"] for entry in forced.json()["metadata"]["managedFields"]}
        assert owned == {
            "a": {"f:backend": {".": {}, "f:serviceName": {}}},
            "c": {"f:backend": {"f:serviceName": {}, "f:servicePort": {}}},
        }

    anyio.run(main)
