"""StatefulSets, CronJobs, autoscalers, quotas and volumes on the real API, each under its own identity."""

from __future__ import annotations

import anyio

from kube_lite import clock
from kube_lite.resources.meta import Obj
from tests.controllers.real_client import real_client
from tests.controllers.test_deployment import DEPLOY, deployment
from tests.controllers.test_on_the_api import everything, is_gone
from tests.controllers.test_statefulset import PVC, STS, stateful_set
from tests.controllers.world import NS

PV = "persistentvolumes"


def volume(name: str) -> Obj:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": f"/srv/{name}"}}
    return {"metadata": {"name": name}, "spec": spec}


def test_numbered_pods_get_volumes_and_all_of_it_goes_again() -> None:
    async def main() -> None:
        client = await real_client()
        async with everything(client) as world:
            for name in ("v1", "v2"):
                await client.create(PV, volume(name))
            body = stateful_set(2, claims=("data",))
            template = body["spec"]["volumeClaimTemplates"][0]
            template["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
            await client.create(STS, body, NS)
            await anyio.sleep(20)
            assert world.get(STS, "w")["status"]["readyReplicas"] == 2
            assert {claim["status"]["phase"] for claim in world.objects(PVC)} == {"Bound"}
            assert {found["status"]["phase"] for found in world.objects(PV)} == {"Bound"}
            messages = [message for kind, _, message in world.events() if kind == "StatefulSet"]
            assert "create Claim data-w-1 Pod w-1 in StatefulSet w success" in messages
            await client.patch(
                STS, "w", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}}, NS
            )
            await anyio.sleep(30)
            assert {pod["spec"]["containers"][0]["image"] for pod in world.pods()} == {"i:2"}
            await client.delete(STS, "w", NS)
            for name in ("data-w-0", "data-w-1"):
                await client.delete(PVC, name, NS)
            await anyio.sleep(20)
            assert (world.objects("pods"), world.objects(PVC)) == ([], [])
            assert {found["status"]["phase"] for found in world.objects(PV)} == {"Released"}
            await client.delete(PV, "v1")
            await anyio.sleep(1)
            assert await is_gone(world, PV, "v1", "")

    clock.run_virtual(main())


def test_a_cron_job_runs_a_quota_counts_and_an_autoscaler_bounds() -> None:
    async def main() -> None:
        client = await real_client()
        async with everything(client) as world:
            await client.create(
                "resourcequotas",
                {"metadata": {"name": "q"}, "spec": {"hard": {"count/jobs.batch": "9", "pods": "9"}}},
                NS,
            )
            pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
            spec = {"schedule": "*/1 * * * *", "jobTemplate": {"spec": {"template": pod}}}
            await client.create("cronjobs.batch", {"metadata": {"name": "c"}, "spec": spec}, NS)
            await client.create(DEPLOY, deployment(5), NS)
            target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
            scaler = {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
            await client.create("horizontalpodautoscalers.autoscaling", scaler, NS)
            await anyio.sleep(130)
            assert world.get(DEPLOY, "d")["spec"]["replicas"] == 3
            jobs = world.objects("jobs.batch")
            assert len(jobs) == 2
            assert world.get("cronjobs.batch", "c")["status"]["lastScheduleTime"]
            used = world.get("resourcequotas", "q")["status"]["used"]
            assert used == {"count/jobs.batch": "2", "pods": "5"}
            kinds = {kind for kind, _, _ in world.events()}
            assert {"CronJob", "HorizontalPodAutoscaler", "Job"} <= kinds

    clock.run_virtual(main())


def test_a_job_may_be_suspended_though_its_template_is_immutable() -> None:
    """Times that are unset are stored as nulls, which made every update look like a change of the template."""

    async def main() -> None:
        client = await real_client()
        async with everything(client) as world:
            pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
            await client.create("jobs.batch", {"metadata": {"name": "j"}, "spec": {"template": pod}}, NS)
            await anyio.sleep(2)
            assert len(world.pods()) == 1
            await client.patch("jobs.batch", "j", {"spec": {"suspend": True}}, NS)
            await anyio.sleep(5)
            assert world.pods() == []
            await client.patch("jobs.batch", "j", {"spec": {"suspend": False}}, NS)
            await anyio.sleep(15)
            assert len(world.pods()) == 1

    clock.run_virtual(main())
