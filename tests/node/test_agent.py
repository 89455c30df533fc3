"""The agent drives pods from assignment to removal, at exact virtual times."""

from __future__ import annotations

import itertools

import anyio

from kube_lite import clock
from kube_lite.node.runtime import ContainerPhase, RuntimeFailure
from tests.node.fake_client import FakeClient
from tests.node.fake_runtime import FakeRuntime, Program
from tests.node.harness import container, deleted, pod, run, running_node


def test_a_pod_runs_and_its_status_says_so_in_a_single_write() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod())
            await anyio.sleep(0.01)
            status = node.status()
            assert status["phase"] == "Running"
            assert status["podIP"] == "10.0.0.1"
            assert status["podIPs"] == [{"ip": "10.0.0.1"}]
            assert status["hostIP"] == "192.0.2.1"
            assert {c["type"]: c["status"] for c in status["conditions"]} == {
                "PodScheduled": "True",
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "True",
                "ContainersReady": "True",
            }
            assert status["containerStatuses"] == [
                {
                    "name": "c",
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": "app",
                    "imageID": "sha256:app",
                    "started": True,
                    "containerID": "kube-lite://uid-p/c/0",
                }
            ]
            assert [r for r in node.client.requests if r[1] == "pods/status"] == [("patch", "pods/status", "p")]
            assert node.reasons() == ["Pulled", "Created", "Started"]

    run(story)


def test_a_failing_container_restarts_at_once_then_after_10_20_40_seconds_up_to_five_minutes() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=1, code=7)
        async with running_node(runtime) as node:
            node.client.put("pods", pod())
            await anyio.sleep(20)
            assert node.state() == {
                "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": "back-off 20s restarting failed container=c pod=p_default(uid-p)",
                }
            }
            last = node.status()["containerStatuses"][0]
            assert last["restartCount"] == 2
            assert last["lastState"]["terminated"]["exitCode"] == 7
            assert last["lastState"]["terminated"]["finishedAt"] == "2026-01-01T00:00:13Z"
            assert node.status()["phase"] == "Running"
            assert node.condition("Ready")["reason"] == "ContainersNotReady"
            assert node.condition("Ready")["message"] == "containers with unready status: [c]"
            await anyio.sleep(2000)
            starts = runtime.times("start")
            waits = [round(b - a - 1, 1) for a, b in itertools.pairwise(starts)]
            assert waits[:9] == [0, 10, 20, 40, 80, 160, 300, 300, 300]

    run(story)


def test_the_first_restart_is_no_back_off_even_when_it_takes_a_while_to_start() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=1, code=7)
        runtime.start_delay = 0.5
        async with running_node(runtime) as node:
            node.client.put("pods", pod())
            await anyio.sleep(2)
            node.client.put("pods", {**node.client.pod("p"), "extra": 1})  # makes the worker look while it starts
            await anyio.sleep(0.5)
            assert runtime.times("start") == [0.0, 1.5]
            assert "BackOff" not in node.reasons()
            assert "running" in node.state()
            await anyio.sleep(3)
            assert node.reasons().count("BackOff") == 1

    run(story)


def test_a_run_of_over_ten_minutes_resets_the_back_off() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(seconds=1, code=1)
        async with running_node(runtime) as node:
            node.client.put("pods", pod())
            await anyio.sleep(20)
            runtime.programs["app"] = Program(seconds=601, code=1)
            await anyio.sleep(30)
            assert len(runtime.times("start")) == 4
            await anyio.sleep(620)
            assert len(runtime.times("start")) == 5
            assert runtime.times("start")[4] == runtime.times("exit")[3]

    run(story)


def test_a_pod_that_never_restarts_ends_succeeded_or_failed_with_its_exit_code() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["good"] = Program(seconds=2)
        runtime.programs["bad"] = Program(seconds=2, code=3, message="it broke")
        async with running_node(runtime) as node:
            node.client.put("pods", pod("good", container(image="good"), restartPolicy="Never"))
            node.client.put("pods", pod("bad", container(image="bad"), restartPolicy="Never"))
            await anyio.sleep(60)
            assert node.status("good")["phase"] == "Succeeded"
            assert node.condition("Ready", "good")["reason"] == "PodCompleted"
            assert node.condition("Initialized", "good")["reason"] == "PodCompleted"
            assert node.state("good")["terminated"]["reason"] == "Completed"
            assert node.status("bad")["phase"] == "Failed"
            assert node.condition("ContainersReady", "bad")["reason"] == "PodFailed"
            assert node.state("bad")["terminated"] == {
                "exitCode": 3,
                "reason": "Error",
                "message": "it broke",
                "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": "2026-01-01T00:00:02Z",
                "containerID": "kube-lite://uid-bad/c/0",
            }
            assert len(runtime.times("start")) == 2

    run(story)


def test_deletion_runs_the_hook_then_stops_with_what_is_left_of_the_grace_and_removes_the_pod() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["slow"] = Program(term=5)
        runtime.programs["stubborn"] = Program(term=1000)
        async with running_node(runtime) as node:
            hook = {"preStop": {"sleep": {"seconds": 10}}}
            made = pod("p", container("slow", "slow", lifecycle=hook), container("stubborn", "stubborn"))
            node.client.put("pods", made)
            await anyio.sleep(1)
            node.client.put("pods", deleted(node.client.pod("p")))
            await anyio.sleep(29)
            assert node.client.pod("p")["metadata"]["deletionTimestamp"]
            await anyio.sleep(2)
            assert ("pods", "default", "p") not in node.client.objects
            did = [entry for entry in runtime.log if entry[1] not in ("sandbox", "start")]
            assert did == [
                (1.0, "stop 30", "stubborn"),
                (11.0, "stop 20", "slow"),
                (16.0, "exit", "slow"),
                (31.0, "exit", "stubborn"),
                (31.0, "remove", "uid-p"),
            ]
            assert ("Killing", "Stopping container slow", 1) in node.client.events()
            assert not node.agent.workers

    run(story)


def test_a_shorter_grace_takes_effect_while_the_pod_is_ending() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["app"] = Program(term=1000)
        async with running_node(runtime) as node:
            node.client.put("pods", pod())
            await anyio.sleep(1)
            node.client.put("pods", deleted(node.client.pod("p"), 300))
            await anyio.sleep(4)
            node.client.put("pods", deleted(node.client.pod("p"), 3))
            await anyio.sleep(4)
            assert ("pods", "default", "p") not in node.client.objects
            assert runtime.times("exit") == [8.0]

    run(story)


def test_a_pod_kept_by_a_finalizer_is_ended_once_and_not_taken_up_again() -> None:
    async def story() -> None:
        async with running_node() as node:
            made = pod()
            made["metadata"]["finalizers"] = ["x/y"]
            node.client.put("pods", made)
            await anyio.sleep(1)
            node.client.put("pods", deleted(node.client.pod("p")))
            await anyio.sleep(60)
            node.client.put("pods", {**node.client.pod("p"), "extra": 1})
            await anyio.sleep(60)
            assert node.status()["phase"] == "Failed"
            assert node.runtime.times("remove") == [1.0]
            assert len(node.runtime.times("start")) == 1

    run(story)


def test_a_restarted_executor_finds_its_containers_and_restarts_none() -> None:
    async def story() -> None:
        runtime, client = FakeRuntime(), FakeClient()
        runtime.programs["job"] = Program(seconds=30, code=7)
        async with running_node(runtime, client) as node:
            client.put("pods", pod("p", container(), container("job", "job"), restartPolicy="Never"))
            await anyio.sleep(5)
            before = node.status()
        await anyio.sleep(60)
        async with running_node(runtime, client) as node:
            await anyio.sleep(5)
            assert len(runtime.times("start")) == 2
            after = node.status()
            assert after["containerStatuses"][0] == before["containerStatuses"][0]
            assert after["containerStatuses"][1]["state"]["terminated"]["exitCode"] == 7
            assert after["startTime"] == before["startTime"]

    run(story)


def test_pods_deleted_while_the_executor_was_away_are_ended_and_removed() -> None:
    async def story() -> None:
        runtime, client = FakeRuntime(), FakeClient()
        async with running_node(runtime, client):
            client.put("pods", pod())
            await anyio.sleep(1)
        client.remove("pods", "default", "p")
        async with running_node(runtime, client) as node:
            await anyio.sleep(5)
            assert await runtime.pods() == []
            assert not node.agent.workers

    run(story)


def test_a_pod_removed_from_the_api_by_force_is_ended_here() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod())
            await anyio.sleep(1)
            node.client.remove("pods", "default", "p")
            await anyio.sleep(1)
            assert await node.runtime.pods() == []
            assert not [r for r in node.client.requests if r[0] == "delete"]

    run(story)


def test_init_containers_run_one_after_the_other_and_sidecars_beside_them() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["step"] = Program(seconds=5)
        async with running_node(runtime) as node:
            inits = [
                container("one", "step"),
                container("side", "side", restartPolicy="Always"),
                container("two", "step"),
            ]
            node.client.put("pods", pod("p", container(), initContainers=inits))
            await anyio.sleep(6)
            assert node.status()["phase"] == "Pending"
            assert node.condition("Initialized")["message"] == "containers with incomplete status: [two]"
            assert node.state() == {"waiting": {"reason": "PodInitializing"}}
            await anyio.sleep(10)
            assert node.status()["phase"] == "Running"
            assert [(at, who) for at, what, who in runtime.log if what == "start"] == [
                (0.0, "one"),
                (5.0, "side"),
                (5.0, "two"),
                (10.0, "c"),
            ]
            assert [s["ready"] for s in node.status()["initContainerStatuses"]] == [True, True, True]

    run(story)


def test_sidecars_are_stopped_when_the_main_containers_are_done() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.programs["job"] = Program(seconds=5)
        async with running_node(runtime) as node:
            side = container("side", "side", restartPolicy="Always")
            node.client.put("pods", pod("p", container(image="job"), initContainers=[side], restartPolicy="Never"))
            await anyio.sleep(10)
            assert node.status()["phase"] == "Succeeded"
            assert ("stop 30", "side") in [(what, who) for _, what, who in runtime.log]

    run(story)


def test_an_image_that_cannot_be_pulled_is_tried_again_after_its_back_off() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.missing.add("gone")
        runtime.unpullable["gone"] = "no such manifest"
        async with running_node(runtime) as node:
            node.client.put("pods", pod("p", container(image="gone")))
            await anyio.sleep(1)
            assert node.state() == {"waiting": {"reason": "ErrImagePull", "message": "no such manifest"}}
            await anyio.sleep(2)
            assert node.state() == {
                "waiting": {
                    "reason": "ImagePullBackOff",
                    "message": 'Back-off pulling image "gone": ErrImagePull: no such manifest',
                }
            }
            del runtime.unpullable["gone"]
            await anyio.sleep(10)
            assert node.status()["phase"] == "Running"
            assert runtime.times("pull") == [0.0, 10.0]
            assert ("Failed", 'Failed to pull image "gone": no such manifest', 1) in node.client.events()
            assert ("BackOff", 'Back-off pulling image "gone"', 1) in node.client.events()

    run(story)


def test_a_missing_config_map_holds_the_container_back_until_it_is_there() -> None:
    async def story() -> None:
        async with running_node() as node:
            env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}}]
            node.client.put("pods", pod("p", container(env=env)))
            await anyio.sleep(1)
            assert node.state() == {
                "waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "conf" not found'}
            }
            node.client.put("configmaps", {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a": "1"}})
            await anyio.sleep(10)
            assert node.status()["phase"] == "Running"
            assert node.runtime.specs[0].env == {"A": "1"}
            assert ("Failed", 'Error: configmap "conf" not found', 1) in node.client.events()

    run(story)


def test_a_program_that_cannot_run_is_shown_and_tried_again() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.failures["c"] = RuntimeFailure("RunContainerError", "exec: no such file")
        async with running_node(runtime) as node:
            node.client.put("pods", pod())
            await anyio.sleep(1)
            assert node.state() == {"waiting": {"reason": "RunContainerError", "message": "exec: no such file"}}
            runtime.failures.clear()
            await anyio.sleep(10)
            assert runtime.times("start") == [0.0, 10.0]
            assert node.status()["phase"] == "Running"

    run(story)


def test_a_pod_past_its_deadline_is_ended_and_failed() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", activeDeadlineSeconds=60))
            await anyio.sleep(59)
            assert node.status()["phase"] == "Running"
            await anyio.sleep(2)
            assert node.status()["phase"] == "Failed"
            assert node.status()["reason"] == "DeadlineExceeded"
            assert node.state()["terminated"]["exitCode"] == 143
            assert "DeadlineExceeded" in node.reasons()
            assert node.runtime.times("exit") == [60.0]

    run(story)


def test_a_failed_post_start_hook_ends_the_container() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        hook = {"postStart": {"httpGet": {"port": 80}}}
        async with running_node(runtime) as node:
            node.client.put("pods", pod("p", container(lifecycle=hook)))
            await anyio.sleep(5)
            assert "FailedPostStartHook" in node.reasons()
            assert len(runtime.times("start")) == 2
            node.dialer.http["http://10.0.0.1:80/"] = 200
            await anyio.sleep(10)
            assert node.status()["phase"] == "Running"
            assert node.status()["containerStatuses"][0]["restartCount"] == 2

    run(story)


def test_the_status_is_written_again_when_the_api_failed() -> None:
    async def story() -> None:
        client = FakeClient()
        client.failures["patch", "pods/status"] = [OSError("connection lost")] * 2
        async with running_node(client=client) as node:
            client.put("pods", pod())
            await anyio.sleep(0.5)
            assert node.status()["phase"] == "Pending"
            await anyio.sleep(3)
            assert node.status()["phase"] == "Running"

    run(story)


def test_containers_that_ended_with_the_node_are_counted_and_told_of_while_they_are_made_again() -> None:
    """Their number had begun anew when it took so long that their waiting was read back before they started."""

    async def story() -> None:
        client = FakeClient()
        async with running_node(FakeRuntime(), client):
            client.put("pods", pod())
            await anyio.sleep(1)
        runtime = FakeRuntime()
        runtime.failures["c"] = RuntimeFailure("RunContainerError", "not yet")
        async with running_node(runtime, client) as node:
            await anyio.sleep(0.5)
            waiting = node.status()["containerStatuses"][0]
            assert (list(waiting["state"]), waiting["restartCount"], node.status()["phase"]) == (
                ["waiting"],
                1,
                "Running",
            )
            assert waiting["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
            runtime.failures.clear()
            await anyio.sleep(20)
            shown = node.status()["containerStatuses"][0]
            assert (list(shown["state"]), shown["restartCount"]) == (["running"], 1)
            assert shown["lastState"] == waiting["lastState"]

    run(story)


def test_containers_lost_by_a_reboot_are_started_again() -> None:
    async def story() -> None:
        from msgspec.structs import replace

        runtime, client = FakeRuntime(), FakeClient()
        async with running_node(runtime, client):
            client.put("pods", pod())
            await anyio.sleep(1)
        (state,) = await runtime.pods()
        lost = tuple(replace(c, phase=ContainerPhase.UNKNOWN) for c in state.containers)
        runtime.present(replace(state, containers=lost))
        async with running_node(runtime, client) as node:
            await anyio.sleep(1)
            shown = node.status()["containerStatuses"][0]
            assert shown["restartCount"] == 1
            assert shown["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
            assert clock.monotonic() == 2

    run(story)


def test_a_pod_that_vanishes_while_its_last_status_cannot_be_written_is_removed_here() -> None:
    async def story() -> None:
        client = FakeClient()
        async with running_node(client=client) as node:
            client.put("pods", pod())
            await anyio.sleep(1)
            client.failures["patch", "pods/status"] = [OSError("connection lost")] * 1000
            client.put("pods", deleted(client.pod("p")))
            await anyio.sleep(10)
            assert len(await node.runtime.pods()) == 1
            client.remove("pods", "default", "p")
            await anyio.sleep(1)
            assert await node.runtime.pods() == []
            assert not node.agent.workers

    run(story)


def test_a_worker_that_fails_is_replaced_and_the_pod_goes_on() -> None:
    async def story() -> None:
        client = FakeClient()
        client.failures["patch", "pods/status"] = [ValueError("a bug")]
        async with running_node(client=client) as node:
            client.put("pods", pod())
            client.put("pods", pod("other"))
            await anyio.sleep(3)
            assert node.status("p")["phase"] == "Running"
            assert node.status("other")["phase"] == "Running"
            assert len(node.runtime.times("start")) == 2

    run(story)


def test_a_container_that_could_not_be_ended_is_tried_again() -> None:
    async def story() -> None:
        runtime = FakeRuntime()
        runtime.stop_failures = 2
        async with running_node(runtime) as node:
            probe = {"tcpSocket": {"port": 1}, "failureThreshold": 1}
            node.client.put("pods", pod("p", container(livenessProbe=probe)))
            await anyio.sleep(0.5)
            node.dialer.tcp.add("10.0.0.1:1")
            await anyio.sleep(2)
            assert runtime.times("exit") == [2.0]
            assert node.status()["containerStatuses"][0]["restartCount"] == 1
            assert (
                node.client.events().count(("Killing", "Container c failed liveness probe, will be restarted", 3)) == 1
            )

    run(story)


def test_a_verdict_outlives_the_executor_that_gave_it() -> None:
    async def story() -> None:
        runtime, client = FakeRuntime(), FakeClient()
        async with running_node(runtime, client):
            made = pod("p", activeDeadlineSeconds=5)
            made["metadata"]["finalizers"] = ["x/y"]
            client.put("pods", made)
            await anyio.sleep(10)
        async with running_node(runtime, client) as node:
            await anyio.sleep(10)
            client.put("pods", deleted(client.pod("p")))
            await anyio.sleep(10)
            assert node.status()["reason"] == "DeadlineExceeded"
            assert len(runtime.times("start")) == 1

    run(story)


def test_a_container_whose_image_was_changed_is_restarted_whatever_the_policy() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", container(image="one"), restartPolicy="Never"))
            await anyio.sleep(1)
            obj = node.client.pod("p")
            obj["spec"]["containers"][0]["image"] = "two"
            node.client.put("pods", obj)
            await anyio.sleep(1)
            [now] = node.status()["containerStatuses"]
            assert (now["restartCount"], now["image"], "running" in now["state"]) == (1, "two", True)
            assert now["lastState"]["terminated"]["containerID"].endswith("/c/0")
            assert ("Killing", "Container c definition changed, will be restarted", 1) in node.client.events()
            assert node.status()["phase"] == "Running"
            await anyio.sleep(30)
            assert node.status()["containerStatuses"][0]["restartCount"] == 1

    run(story)


def test_a_pod_may_ask_for_a_user_namespace() -> None:
    async def story() -> None:
        async with running_node() as node:
            node.client.put("pods", pod("p", hostUsers=False))
            node.client.put("pods", pod("q"))
            await anyio.sleep(1)
            assert {spec.name: spec.host_users for spec in node.runtime.sandboxes} == {"p": False, "q": True}

    run(story)
