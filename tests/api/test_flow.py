"""Flow control: seats, a queue with an end, and requests that need no seat."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.api import flow
from kube_lite.api.flow import FlowControl
from kube_lite.api.http import Request
from kube_lite.api.plane import Plane
from kube_lite.api.request_info import parse
from kube_lite.api.user import AUTHENTICATED, MASTERS, NODES, User
from kube_lite.errors import TooManyRequests
from tests.api.wire import call, run

USER = User("u", groups=(AUTHENTICATED,))
PODS = "/api/v1/namespaces/default/pods"


def request(path: str = PODS, method: str = "GET", query: str = "", user: User = USER) -> Request:
    """A request on its way in."""
    return Request(parse(method, path, query), user=user)


async def _hold(control: FlowControl, asked: Request, seconds: float) -> None:
    seat = await control.take(asked)
    try:
        await anyio.sleep(seconds)
    finally:
        if seat is not None:
            seat.release()


def test_who_finds_no_seat_waits_for_one() -> None:
    async def story() -> None:
        control = FlowControl(seats=2)
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(_hold, control, request(), 5.0)
        assert clock.monotonic() == pytest.approx(10)

    clock.run_virtual(story())


def test_who_waits_too_long_is_told_to_come_back() -> None:
    async def story() -> None:
        control = FlowControl(seats=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 20.0)
            await anyio.sleep(1)
            with pytest.raises(TooManyRequests) as caught:
                await _hold(control, request(), 0)
            assert clock.monotonic() == pytest.approx(16)
            assert (caught.value.code, caught.value.retry_after) == (429, 1)
        await _hold(control, request(), 0)
        assert clock.monotonic() == pytest.approx(20)

    clock.run_virtual(story())


def test_a_full_queue_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "QUEUE", 2)

    async def story() -> None:
        control = FlowControl(seats=1)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(_hold, control, request(), 3.0)
            await anyio.sleep(1)
            with pytest.raises(TooManyRequests):
                await _hold(control, request(), 0)
            assert clock.monotonic() == pytest.approx(1)

    clock.run_virtual(story())


def test_who_stops_waiting_leaves_the_seat_to_others() -> None:
    async def story() -> None:
        control = FlowControl(seats=1)
        with anyio.move_on_after(1):
            await _hold(control, request(), 100)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 5.0)
            await anyio.sleep(1)
            with anyio.move_on_after(1):  # one that waits is cancelled
                await _hold(control, request(), 0)
        await _hold(control, request(), 0)
        assert clock.monotonic() == pytest.approx(6)

    clock.run_virtual(story())


def test_health_heartbeats_administrators_and_long_requests_need_no_seat() -> None:
    exempt = [
        request("/livez"),
        request(PODS, query="watch=1"),
        request(PODS + "/p/log"),
        request("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", "PUT"),
        request(user=User("root", groups=(MASTERS,))),
        request(user=User("system:node:n", groups=(NODES,))),
    ]

    async def story() -> None:
        control = FlowControl(seats=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 10.0)
            await anyio.sleep(1)
            for asked in exempt:
                with anyio.fail_after(1):
                    await _hold(control, asked, 0)

    clock.run_virtual(story())


def test_the_refusal_is_a_status_with_retry_after() -> None:
    async def story(plane: Plane) -> None:
        plane.authenticator.add_token("t", USER)
        plane.app._flow = control = FlowControl(seats=1)
        headers = {"authorization": "Bearer t"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 100.0)
            await anyio.sleep(1)
            refused = await call(plane.app, "POST", path, review, headers, peer={})
            assert refused.refusal() == (429, "TooManyRequests")
            assert refused.header("retry-after") == "1"
            assert (await call(plane.app, "GET", "/readyz", headers=headers, peer={})).code == 200
            assert (await call(plane.app, "GET", PODS)).code == 200
            tasks.cancel_scope.cancel()

    run(story)


def test_a_request_that_fails_gives_its_seat_back() -> None:
    async def story(plane: Plane) -> None:
        plane.authenticator.add_token("t", USER)
        plane.app._flow = FlowControl(seats=1)
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        for _ in range(3):
            refused = await call(plane.app, "POST", path, b"{", {"authorization": "Bearer t"}, peer={})
            assert refused.refusal() == (400, "BadRequest")

    run(story)
