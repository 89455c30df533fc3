"""Jobs: counting, failing, deadlines, suspension, indexes; no finished pod is lost or counted twice."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.job_status import format_indexes, parse_indexes
from kube_lite.errors import ApiError
from kube_lite.resources.meta import Obj
from tests.controllers.test_crashes import Dying
from tests.controllers.world import NS, World, running

JOBS = "jobs.batch"


def job(**spec: Any) -> Obj:
    pod = {"metadata": {"labels": {"job-name": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    defaults = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": pod}
    return {"metadata": {"name": "j"}, "spec": {**defaults, **spec}}


async def finish(world: World, phases: list[str], default: str = "Succeeded", after: float = 1.0) -> None:
    """Let pods finish a second after they appear, with the phases in that order, then ``default``.

    A phase may carry the exit code: ``Failed 42``.
    """
    seen: dict[str, float] = {}
    while True:
        for pod in world.pods():
            name, now = pod["metadata"]["name"], clock.monotonic()
            since = seen.setdefault(name, now)
            if pod["status"]["phase"] == "Pending" and now - since >= after:
                phase, _, code = (phases.pop(0) if phases else default).partition(" ")
                ended = {"terminated": {"exitCode": int(code or 0), "finishedAt": clock.timestamp()}}
                status = {"phase": phase, "containerStatuses": [{"name": "c", "state": ended}]}
                try:
                    await world.client.patch("pods", name, {"status": status}, NS, subresource="status")
                except ApiError:
                    continue
        await anyio.sleep(0.5)


async def ran(spec: Obj, phases: list[str], seconds: float, default: str = "Succeeded") -> World:
    world = World()
    await world.client.create(JOBS, spec, NS)
    async with running(world, ["job"], kubelet=False), anyio.create_task_group() as tasks:
        tasks.start_soon(finish, world, phases, default)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return world


def conditions(world: World) -> list[tuple[str, str, str]]:
    return [(c["type"], c["status"], c["reason"]) for c in world.get(JOBS, "j")["status"].get("conditions", [])]


def test_a_job_completes_and_says_when() -> None:
    world = clock.run_virtual(ran(job(), [], 10))
    status = world.get(JOBS, "j")["status"]
    assert conditions(world) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    assert (status["succeeded"], status.get("active"), status["uncountedTerminatedPods"]) == (1, None, {})
    assert status["startTime"] < status["completionTime"]
    (pod,) = world.pods()
    assert "finalizers" not in pod["metadata"]
    assert [(kind, reason) for kind, reason, _ in world.events()] == [("Job", "SuccessfulCreate"), ("Job", "Completed")]


def test_parallel_pods_run_up_to_the_number_of_completions() -> None:
    world = clock.run_virtual(ran(job(completions=5, parallelism=2), [], 30))
    assert world.get(JOBS, "j")["status"]["succeeded"] == 5
    assert len(world.pods()) == 5


def test_failures_are_retried_with_back_off_up_to_the_limit() -> None:
    world = clock.run_virtual(ran(job(backoffLimit=2), [], 120, default="Failed"))
    status = world.get(JOBS, "j")["status"]
    assert status["failed"] == 3
    assert conditions(world)[-1] == ("Failed", "True", "BackoffLimitExceeded")
    assert world.events()[-1] == ("Job", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    created = [clock.parse_timestamp(p["metadata"]["creationTimestamp"]) for p in world.pods()]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(created)]
    assert gaps == pytest.approx([11, 21], abs=1.5)


def test_a_failure_may_be_made_up_for() -> None:
    world = clock.run_virtual(ran(job(), ["Failed"], 60))
    status = world.get(JOBS, "j")["status"]
    assert (status["failed"], status["succeeded"]) == (1, 1)
    assert conditions(world)[-1][0] == "Complete"


def test_the_deadline_ends_a_job_without_any_event() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(JOBS, job(activeDeadlineSeconds=30), NS)
        async with running(world, ["job"]):
            await anyio.sleep(28)
            assert world.get(JOBS, "j")["status"]["active"] == 1
            await anyio.sleep(10)
            assert conditions(world)[-1] == ("Failed", "True", "DeadlineExceeded")

    clock.run_virtual(main())


def test_a_suspended_job_has_no_pods_until_it_is_resumed() -> None:
    async def main() -> None:
        world = World(stop_delay=0)
        await world.client.create(JOBS, job(), NS)
        async with running(world, ["job"]):
            await anyio.sleep(3)
            assert len(world.pods()) == 1
            await world.client.patch(JOBS, "j", {"spec": {"suspend": True}}, NS)
            await anyio.sleep(3)
            assert world.pods() == []
            assert conditions(world) == [("Suspended", "True", "JobSuspended")]
            await world.client.patch(JOBS, "j", {"spec": {"suspend": False}}, NS)
            await anyio.sleep(15)
            assert len(world.pods()) == 1
            assert conditions(world) == [("Suspended", "False", "JobResumed")]

    clock.run_virtual(main())


@pytest.mark.parametrize(("manager", "pods"), [("kubernetes.io/job-controller", 1), ("example.com/kueue", 0)])
def test_a_job_is_run_by_the_controller_that_it_names(manager: str, pods: int) -> None:
    world = clock.run_virtual(ran(job(managedBy=manager), [], 0.5))
    assert len(world.pods()) == pods
    assert bool(world.get(JOBS, "j").get("status")) == bool(pods)


@pytest.mark.parametrize(("policy", "pods"), [("TerminatingOrFailed", 1), ("Failed", 0)])
def test_a_pod_is_replaced_when_the_policy_says_so(policy: str, pods: int) -> None:
    async def main() -> None:
        world = World(stop_delay=10)
        await world.client.create(JOBS, job(podReplacementPolicy=policy), NS)
        async with running(world, ["job"]):
            await anyio.sleep(3)
            (first,) = (p["metadata"]["name"] for p in world.pods())
            await world.client.delete("pods", first, NS)
            await anyio.sleep(3)
            assert len(world.pods()) == pods
            await world.client.patch("pods", first, {"status": {"phase": "Failed"}}, NS, subresource="status")
            await anyio.sleep(25)
            assert len(world.pods()) == 1

    clock.run_virtual(main())


def test_each_index_is_run_once() -> None:
    world = clock.run_virtual(ran(job(completions=4, parallelism=3, completionMode="Indexed"), ["Failed"], 60))
    assert world.get(JOBS, "j")["status"]["completedIndexes"] == "0-3"
    index = "batch.kubernetes.io/job-completion-index"
    done = [p["metadata"]["labels"][index] for p in world.pods() if p["status"]["phase"] == "Succeeded"]
    assert sorted(done) == ["0", "1", "2", "3"]
    assert {p["spec"]["hostname"] for p in world.pods()} == {"j-0", "j-1", "j-2", "j-3"}


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7,8"])
def test_indexes_are_read_and_written(text: str) -> None:
    assert format_indexes(parse_indexes(text)) == text


def test_a_death_at_any_write_loses_no_pod_and_counts_none_twice() -> None:
    async def run(at: int, made: bool) -> tuple[Obj, int]:
        world = World()
        dying = Dying(world.client, at, made)
        await world.client.create(JOBS, job(completions=3, parallelism=2), NS)
        async with anyio.create_task_group() as tasks:

            async def control() -> None:
                async with running(world, ["job"], client_for=lambda name: dying, kubelet=False):
                    await dying.died.wait()
                async with running(world, ["job"], kubelet=False):
                    await anyio.sleep_forever()

            tasks.start_soon(finish, world, [])
            tasks.start_soon(control)
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()
        status = world.get(JOBS, "j")["status"]
        return {
            key: status.get(key) for key in ("succeeded", "failed", "active", "uncountedTerminatedPods")
        }, dying.count

    undisturbed, writes = clock.run_virtual(run(0, False))
    assert (undisturbed["succeeded"], undisturbed["failed"]) == (3, None)
    assert writes >= 9
    for at in range(1, writes + 1):
        for made in (False, True):
            assert clock.run_virtual(run(at, made))[0] == undisturbed, (at, made)


def policy(*rules: tuple[str, str, list[int]]) -> Obj:
    made = [{"action": action, "onExitCodes": {"operator": op, "values": codes}} for action, op, codes in rules]
    return {"rules": made}


def test_a_failure_that_is_ignored_counts_for_nothing() -> None:
    rules = policy(("Ignore", "In", [42]), ("Count", "NotIn", [42]))
    spec = job(backoffLimit=0, podFailurePolicy=rules)
    world = clock.run_virtual(ran(spec, ["Failed 42"] * 3, 30))
    status = world.get(JOBS, "j")["status"]
    assert (status.get("failed"), status["succeeded"]) == (None, 1)
    assert len(world.pods()) == 4
    assert all("finalizers" not in pod["metadata"] for pod in world.pods())


def test_a_failure_may_end_the_job_at_once() -> None:
    spec = job(backoffLimit=6, podFailurePolicy=policy(("Ignore", "In", [1]), ("FailJob", "NotIn", [3, 4])))
    world = clock.run_virtual(ran(spec, ["Failed 1", "Failed 3", "Failed 5"], 90))
    name = next(p["metadata"]["name"] for p in world.pods() if "exitCode': 5" in str(p))
    (failed,) = [c for c in world.get(JOBS, "j")["status"]["conditions"] if c["type"] == "Failed"]
    assert failed["reason"] == "PodFailurePolicy"
    message = f"Container c for pod default/{name} failed with exit code 5 matching FailJob rule at index 1"
    assert failed["message"] == message


def test_a_pod_that_was_disrupted_may_be_ignored() -> None:
    async def main() -> None:
        world = World()
        rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        await world.client.create(JOBS, job(backoffLimit=0, podFailurePolicy={"rules": [rule]}), NS)
        async with running(world, ["job"], kubelet=False):
            await anyio.sleep(1)
            (pod,) = world.pods()
            condition = {"type": "DisruptionTarget", "status": "True"}
            status = {"phase": "Failed", "conditions": [condition]}
            await world.client.patch("pods", pod["metadata"]["name"], {"status": status}, NS, subresource="status")
            await anyio.sleep(1)
            assert len(world.pods()) == 2
            assert "failed" not in world.get(JOBS, "j")["status"]

    clock.run_virtual(main())


def test_orphans_that_match_are_taken_in_and_others_let_go() -> None:
    async def main() -> None:
        world = World()
        labels = {"job-name": "j"}
        await world.client.create("pods", {"metadata": {"name": "orphan", "labels": labels}, "spec": {}}, NS)
        async with running(world, ["job"], kubelet=False):
            await world.client.create(JOBS, job(selector={"matchLabels": labels}, completions=2, parallelism=2), NS)
            await anyio.sleep(5)
            orphan = world.get("pods", "orphan")["metadata"]
            assert orphan["ownerReferences"][0]["name"] == "j"
            assert orphan["finalizers"] == ["batch.kubernetes.io/job-tracking"]
            assert len(world.pods()) == 2
            await world.client.patch("pods", "orphan", {"metadata": {"labels": {"job-name": "free"}}}, NS)
            await anyio.sleep(5)
            orphan = world.get("pods", "orphan")["metadata"]
            assert not orphan.get("ownerReferences")
            assert not orphan.get("finalizers")
            assert len(world.pods()) == 3

    clock.run_virtual(main())


@pytest.mark.parametrize("orphaned", [False, True])
def test_pods_whose_job_is_gone_are_not_held(orphaned: bool) -> None:
    """They had been: deleted in the background, a Job was gone before its pods, and nobody took the finalizer off."""

    async def main() -> None:
        world = World()
        await world.client.create(JOBS, job(completions=2, parallelism=2), NS)
        async with running(world, ["job"], kubelet=False):
            await anyio.sleep(5)
            pods = world.pods()
            assert [pod["metadata"]["finalizers"] for pod in pods] == [["batch.kubernetes.io/job-tracking"]] * 2
            await world.client.delete(JOBS, "j", NS)
            if orphaned:
                for pod in pods:
                    await world.client.patch(
                        "pods", pod["metadata"]["name"], {"metadata": {"ownerReferences": None}}, NS
                    )
            else:
                await world.client.create(JOBS, job(completions=1), NS)  # of the same name, but not their owner
            await anyio.sleep(5)
            held = [pod["metadata"]["name"] for pod in world.pods() if pod["metadata"].get("finalizers")]
            assert len(held) == (0 if orphaned else 1)
            assert not set(held) & {pod["metadata"]["name"] for pod in pods}

    clock.run_virtual(main())


def indexed(**spec: Any) -> Obj:
    return job(completionMode="Indexed", backoffLimit=2**31 - 1, **spec)


def test_an_index_fails_for_itself_when_its_own_limit_is_reached() -> None:
    world = clock.run_virtual(
        ran(indexed(completions=2, parallelism=1, backoffLimitPerIndex=1), ["Failed 1", "Succeeded", "Failed 1"], 120)
    )
    status = world.get(JOBS, "j")["status"]
    assert (status["failedIndexes"], status["completedIndexes"]) == ("0", "1")
    assert (status["failed"], status["succeeded"]) == (2, 1)
    assert conditions(world)[-1] == ("Failed", "True", "FailedIndexes")
    counts = [
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"]
        for pod in sorted(world.pods(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    ]
    assert counts == ["0", "0", "1"]
    assert not any("finalizers" in pod["metadata"] for pod in world.pods())


def test_too_many_failed_indexes_end_the_job() -> None:
    spec = indexed(completions=4, parallelism=1, backoffLimitPerIndex=0, maxFailedIndexes=1)
    world = clock.run_virtual(ran(spec, ["Failed 1"] * 4, 60))
    assert conditions(world)[-1] == ("Failed", "True", "MaxFailedIndexesExceeded")
    assert world.get(JOBS, "j")["status"]["failedIndexes"] == "0,1"


def test_a_rule_may_give_up_an_index_at_its_first_failure() -> None:
    rules = policy(("FailIndex", "In", [42]))
    spec = indexed(completions=2, parallelism=1, backoffLimitPerIndex=5, podFailurePolicy=rules)
    world = clock.run_virtual(ran(spec, ["Failed 42"], 60))
    assert world.get(JOBS, "j")["status"]["failedIndexes"] == "0"
    assert len(world.pods()) == 2


def test_a_success_policy_ends_the_job_before_all_indexes_are_done() -> None:
    spec = indexed(completions=5, parallelism=1, successPolicy={"rules": [{"succeededIndexes": "0-2"}]})
    world = clock.run_virtual(ran(spec, [], 60))
    assert conditions(world) == [("SuccessCriteriaMet", "True", "SuccessPolicy"), ("Complete", "True", "SuccessPolicy")]
    assert world.get(JOBS, "j")["status"]["completedIndexes"] == "0-2"
    spec = indexed(completions=5, parallelism=1, successPolicy={"rules": [{"succeededCount": 2}]})
    world = clock.run_virtual(ran(spec, [], 60))
    assert world.get(JOBS, "j")["status"]["completedIndexes"] == "0,1"
