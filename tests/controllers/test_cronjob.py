"""CronJobs: a Job for each due time, once, whatever happens; policies, deadlines, time zones, history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.cronjob_times import last_due, next_time
from kube_lite.resources import cron
from kube_lite.resources.meta import Obj
from tests.controllers.test_crashes import Dying
from tests.controllers.world import NS, World, running

CRON = "cronjobs.batch"
JOBS = "jobs.batch"


def cron_job(schedule: str = "*/5 * * * *", **spec: Any) -> Obj:
    body = {"metadata": {"labels": {"a": "1"}}, "spec": {"template": {"spec": {}}}}
    limits = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    return {"metadata": {"name": "c"}, "spec": {"schedule": schedule, "jobTemplate": body, **limits, **spec}}


async def end(world: World, name: str, condition: str = "Complete") -> None:
    now = clock.timestamp()
    status = {"conditions": [{"type": condition, "status": "True"}], "startTime": now, "completionTime": now}
    await world.client.patch(JOBS, name, {"status": status}, NS, subresource="status")


def names(world: World) -> list[str]:
    return [job["metadata"]["name"] for job in world.objects(JOBS)]


def status(world: World) -> Obj:
    found: Obj = world.get(CRON, "c").get("status", {})
    return found


def reasons(world: World) -> list[str]:
    return [reason for _, reason, _ in world.events()]


async def until_minute(multiple: int) -> datetime:
    """Sleep until shortly after the next full ``multiple`` minutes; that time."""
    now = clock.now()
    step = multiple * 60
    due = (int(now.timestamp()) // step + 1) * step
    await anyio.sleep(due - now.timestamp() + 2)
    return datetime.fromtimestamp(due, UTC)


def test_each_due_time_gets_one_job_named_after_it() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(), NS)
        async with running(world, ["cronjob"], kubelet=False):
            first = await until_minute(5)
            (job,) = world.objects(JOBS)
            assert job["metadata"]["name"] == f"c-{int(first.timestamp()) // 60}"
            assert job["metadata"]["labels"] == {"a": "1"}
            stamp = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
            assert stamp == status(world)["lastScheduleTime"] == clock.timestamp(first)
            assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
            assert [entry["name"] for entry in status(world)["active"]] == names(world)
            await end(world, names(world)[0])
            await anyio.sleep(1)
            assert "active" not in status(world)
            assert status(world)["lastSuccessfulTime"] == job_end(world)
            await anyio.sleep(900)
            assert len(names(world)) == 4
        assert world.events()[:2] == [
            ("CronJob", "SuccessfulCreate", f"Created job {names(world)[0]}"),
            ("CronJob", "SawCompletedJob", f"Saw completed job: {names(world)[0]}, condition: Complete"),
        ]

    clock.run_virtual(main())


def job_end(world: World) -> str:
    return str(world.objects(JOBS)[0]["status"]["completionTime"])


def test_a_suspended_one_rests_and_later_makes_up_for_the_last_time_only() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(suspend=True), NS)
        async with running(world, ["cronjob"], kubelet=False):
            await anyio.sleep(3600)
            assert (names(world), [write for write in world.client.writes if write[0] != "create"]) == ([], [])
            await world.client.patch(CRON, "c", {"spec": {"suspend": False}}, NS)
            await anyio.sleep(1)
            assert len(names(world)) == 1

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("policy", "jobs", "active", "told"),
    [
        ("Allow", 3, 3, "SuccessfulCreate"),
        ("Forbid", 1, 1, "JobAlreadyActive"),
        ("Replace", 1, 1, "SuccessfulDelete"),
    ],
)
def test_what_happens_while_a_job_still_runs(policy: str, jobs: int, active: int, told: str) -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(concurrencyPolicy=policy), NS)
        async with running(world, ["cronjob"], kubelet=False):
            for _ in range(3):
                due = await until_minute(5)
            assert (len(names(world)), len(status(world)["active"])) == (jobs, active)
            assert told in reasons(world)
            if policy == "Forbid":
                # the time was not served: it is made up for when the way is free
                await end(world, names(world)[0])
                await anyio.sleep(1)
                assert status(world)["lastScheduleTime"] == clock.timestamp(due)

    clock.run_virtual(main())


def test_a_time_past_its_deadline_is_left_out() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(startingDeadlineSeconds=30), NS)
        await until_minute(5)
        await anyio.sleep(60)
        async with running(world, ["cronjob"], kubelet=False):
            await anyio.sleep(60)
            assert names(world) == []
            await until_minute(5)
            assert len(names(world)) == 1

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"schedule": "59 23 31 2 *"},
            "InvalidSchedule",
            "invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second",
        ),
        (
            {"schedule": "0 0 * * *", "timeZone": "Mars/Base"},
            "UnknownTimeZone",
            'invalid timeZone: "Mars/Base": unknown time zone Mars/Base',
        ),
    ],
)
def test_a_schedule_that_never_comes_is_told(spec: Obj, reason: str, message: str) -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(**spec), NS)
        async with running(world, ["cronjob"], kubelet=False):
            await anyio.sleep(1)
        assert (world.events()[:1], names(world)) == ([("CronJob", reason, message)], [])

    clock.run_virtual(main())


def test_ended_jobs_are_kept_up_to_the_limits() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(), NS)
        async with running(world, ["cronjob"], kubelet=False):
            for number in range(8):
                await until_minute(5)
                await end(world, names(world)[-1], "Failed" if number % 2 else "Complete")
            await anyio.sleep(5)
            outcomes = [job["status"]["conditions"][0]["type"] for job in world.objects(JOBS)]
            assert sorted(outcomes) == ["Complete", "Complete", "Complete", "Failed"]
            assert outcomes[-1] == "Failed"

    clock.run_virtual(main())


def test_a_job_that_goes_missing_is_taken_off_the_list() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CRON, cron_job(), NS)
        async with running(world, ["cronjob"], kubelet=False):
            await until_minute(5)
            await world.client.delete(JOBS, names(world)[0], NS)
            await anyio.sleep(1)
            assert "active" not in status(world)
            assert names(world) == []
        assert "MissingJob" in reasons(world)

    clock.run_virtual(main())


def test_a_death_at_any_write_serves_no_time_twice_and_none_not_at_all() -> None:
    async def run(at: int, made: bool) -> tuple[list[str], int, int]:
        world = World()
        dying = Dying(world.client, at, made)
        await world.client.create(CRON, cron_job(), NS)

        async def control() -> None:
            async with running(world, ["cronjob"], client_for=lambda name: dying, kubelet=False):
                await dying.died.wait()
            async with running(world, ["cronjob"], kubelet=False):
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(control)
            await until_minute(5)
            await until_minute(5)
            tasks.cancel_scope.cancel()
        return names(world), len(status(world)["active"]), dying.count

    jobs, active, writes = clock.run_virtual(run(0, False))
    assert (len(jobs), active, writes) == (2, 2, 4)
    for at in range(1, writes + 1):
        for made in (False, True):
            assert clock.run_virtual(run(at, made))[:2] == (jobs, active), (at, made)


def local_times(schedule: str, zone: str, start: str, count: int) -> list[str]:
    moment = datetime.fromisoformat(start).astimezone(UTC)
    found = []
    for _ in range(count):
        due = next_time(cron.parse(schedule), ZoneInfo(zone), moment)
        assert due is not None
        assert due > moment
        moment = due
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"))
    return found


def test_times_are_those_of_the_zone() -> None:
    found = local_times("0 9 * * MON-FRI", "Asia/Tokyo", "2024-05-03T00:30+00:00", 2)
    assert found == ["2024-05-06T09:00+09:00", "2024-05-07T09:00+09:00"]


def test_a_time_that_the_clocks_leap_over_does_not_come() -> None:
    found = local_times("30 2 * * *", "Europe/Berlin", "2024-03-30T00:00+01:00", 2)
    assert found == ["2024-03-30T02:30+01:00", "2024-04-01T02:30+02:00"]


def test_a_time_that_the_clocks_repeat_comes_twice() -> None:
    found = local_times("30 2 * * *", "Europe/Berlin", "2024-10-27T00:00+02:00", 3)
    assert found == ["2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00", "2024-10-28T02:30+01:00"]


def test_a_yearly_time_passes_both_changes_of_the_clocks() -> None:
    found = local_times("0 12 1 7 *", "America/New_York", "2024-07-02T00:00-04:00", 2)
    assert found == ["2025-07-01T12:00-04:00", "2026-07-01T12:00-04:00"]


def test_every_counts_from_the_last_time() -> None:
    found = local_times("@every 90m", "Europe/Berlin", "2024-03-31T00:30+01:00", 2)
    assert found == ["2024-03-31T03:00+02:00", "2024-03-31T04:30+02:00"]


@pytest.mark.parametrize(("missed", "too_many"), [(0, False), (1, False), (100, False), (101, True), (5000, True)])
def test_the_latest_of_many_missed_times_is_found(missed: int, too_many: bool) -> None:
    schedule = cron.parse("*/2 * * * *")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    now = start + timedelta(minutes=2 * missed, seconds=30)
    found = last_due(lambda moment: next_time(schedule, UTC, moment), start, now)
    assert found == (start + timedelta(minutes=2 * missed) if missed else None, too_many)
