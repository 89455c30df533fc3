"""Flow control: seats by priority, queues with an end, requests that need no seat, and answers that name both."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.flow import DUMP_COLUMNS, FlowControl
from kube_lite.api.flow_levels import Rejected
from kube_lite.api.http import Request
from kube_lite.api.plane import Plane
from kube_lite.api.request_info import parse
from kube_lite.api.user import AUTHENTICATED, MASTERS, NODES, User
from kube_lite.resources.meta import Obj
from tests.api.wire import call, opened, run
from tests.plane import admin

USER = User("u", groups=(AUTHENTICATED,))
PODS = "/api/v1/namespaces/default/pods"


LEVELS = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"


def request(path: str = PODS, method: str = "GET", query: str = "", user: User = USER) -> Request:
    """A request on its way in."""
    return Request(parse(method, path, query), user=user)


def level(name: str, shares: int = 10, queues: int = 0, length: int = 10, **limited: int) -> Obj:
    """A PriorityLevelConfiguration; without queues it refuses."""
    response: Obj = {"type": "Reject"}
    if queues:
        queuing = {"queues": queues, "handSize": min(queues, 2), "queueLengthLimit": length}
        response = {"type": "Queue", "queuing": queuing}
    spec = {"nominalConcurrencyShares": shares, "limitResponse": response, **limited}
    return {"metadata": {"name": name, "uid": f"level-{name}"}, "spec": {"type": "Limited", "limited": spec}}


def schema(name: str, to: str, user: str = "*", precedence: int = 1000, **rule: object) -> Obj:
    """A FlowSchema for all resources, and for one user or everybody."""
    resources = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    subjects = [{"kind": "User", "user": {"name": user}}]
    spec = {
        "priorityLevelConfiguration": {"name": to},
        "matchingPrecedence": precedence,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": subjects, "resourceRules": [{**resources, **rule}]}],
    }
    return {"metadata": {"name": name, "uid": f"schema-{name}"}, "spec": spec}


def controlled(seats: int, *objects: Obj) -> FlowControl:
    """Flow control by these levels and schemas; catch-all has no share, unless it is among them."""
    control = FlowControl(seats)
    none = level("catch-all", shares=0)
    found = [none, *objects]
    control.configure(
        {o["metadata"]["name"]: o for o in found if "rules" in o["spec"]},
        {o["metadata"]["name"]: o for o in found if "rules" not in o["spec"]},
    )
    return control


async def _hold(control: FlowControl, asked: Request, seconds: float) -> None:
    seat = await control.take(asked)
    try:
        await anyio.sleep(seconds)
    finally:
        if seat is not None:
            seat.release()


def test_who_finds_no_seat_waits_for_one() -> None:
    async def story() -> None:
        control = controlled(2, level("l", queues=4), schema("s", "l"))
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(_hold, control, request(), 5.0)
        assert clock.monotonic() == pytest.approx(10)

    clock.run_virtual(story())


def test_who_waits_too_long_is_told_to_come_back() -> None:
    async def story() -> None:
        control = controlled(1, level("l", queues=4), schema("s", "l"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 20.0)
            await anyio.sleep(1)
            with pytest.raises(Rejected) as caught:
                await _hold(control, request(), 0)
            assert clock.monotonic() == pytest.approx(16)
            assert (caught.value.code, caught.value.retry_after, caught.value.why) == (429, 1, "time-out")
        await _hold(control, request(), 0)
        assert clock.monotonic() == pytest.approx(20)

    clock.run_virtual(story())


def test_a_full_queue_and_a_level_without_queues_refuse_at_once() -> None:
    async def story() -> None:
        for refusing, why in ((level("l", queues=1, length=2), "queue-full"), (level("l"), "concurrency-limit")):
            control = controlled(1, refusing, schema("s", "l"))
            began = clock.monotonic()
            async with anyio.create_task_group() as tasks:
                for _ in range(3 if why == "queue-full" else 1):
                    tasks.start_soon(_hold, control, request(), 3.0)
                await anyio.sleep(1)
                with pytest.raises(Rejected) as caught:
                    await _hold(control, request(), 0)
                assert caught.value.why == why
                assert clock.monotonic() == pytest.approx(began + 1)
            assert control.levels["l"].rejected == {why: 1}

    clock.run_virtual(story())


def test_who_stops_waiting_leaves_the_seat_to_others() -> None:
    async def story() -> None:
        control = controlled(1, level("l", queues=4), schema("s", "l"))
        with anyio.move_on_after(1):
            await _hold(control, request(), 100)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 5.0)
            await anyio.sleep(1)
            with anyio.move_on_after(1):  # one that waits is cancelled
                await _hold(control, request(), 0)
        await _hold(control, request(), 0)
        assert clock.monotonic() == pytest.approx(6)
        assert control.levels["l"].in_use == control.levels["l"].waiting == 0

    clock.run_virtual(story())


def test_a_user_that_floods_fills_its_own_queues_and_others_go_on() -> None:
    """One user's 200 requests stand before another's single one, which yet waits only for one of each of its queues."""
    other = User("other", groups=(AUTHENTICATED,))

    async def story() -> None:
        control = controlled(1, level("l", queues=64, length=100), schema("s", "l"))
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(_hold, control, request(), 1.0)
            await anyio.sleep(0.5)
            await _hold(control, request(user=other), 0)
            assert clock.monotonic() == pytest.approx(3)
            tasks.cancel_scope.cancel()

    clock.run_virtual(story())


def test_levels_lend_seats_and_get_their_own_back_first() -> None:
    async def story() -> None:
        rich, poor = level("rich", 30, 4, lendablePercent=100), level("poor", 10, 4, borrowingLimitPercent=200)
        control = controlled(40, rich, poor, schema("r", "rich", "r"), schema("p", "poor", "p"))
        async with anyio.create_task_group() as tasks:
            for _ in range(35):
                tasks.start_soon(_hold, control, request(user=User("p")), 1.0)
            await anyio.sleep(0.5)
            assert (control.levels["poor"].in_use, control.levels["poor"].waiting) == (30, 5)
            for _ in range(30):
                tasks.start_soon(_hold, control, request(user=User("r")), 1.0)
            await anyio.sleep(0.4)
            assert (control.levels["rich"].in_use, control.levels["rich"].waiting) == (10, 20)
            await anyio.sleep(0.2)
            assert (control.levels["rich"].in_use, control.levels["rich"].waiting) == (30, 0)
            assert control.levels["poor"].in_use == 5
        assert [control.levels[name].in_use for name in ("rich", "poor")] == [0, 0]
        assert control._pool.used == control._pool.waiting == 0

    clock.run_virtual(story())


def test_a_level_that_is_changed_or_taken_away_serves_those_who_wait_in_it() -> None:
    async def story() -> None:
        control = controlled(1, level("l", queues=8), schema("s", "l"))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(_hold, control, request(), 1.0)
            await anyio.sleep(0.5)
            control.configure({}, {"l": level("l", queues=2)})
            await anyio.sleep(1)
            control.configure({}, {})
        assert clock.monotonic() == pytest.approx(3)

    clock.run_virtual(story())


def test_administrators_and_long_requests_are_not_held_up() -> None:
    exempt = [request("/livez"), request(PODS + "/p/log"), request(user=User("root", groups=(MASTERS,)))]

    async def story(plane: Plane) -> None:
        control = FlowControl(seats=1, storage=plane.storage)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(_hold, control, request(), 10.0)
            await anyio.sleep(1)
            for asked in exempt:
                with anyio.fail_after(1):
                    await _hold(control, asked, 0)
            tasks.cancel_scope.cancel()

    run(story)


CLASSIFIED = [
    (request(user=User("root", groups=(MASTERS,))), "exempt"),
    (request("/readyz"), "probes"),
    (request("/version"), "global-default"),
    (request(), "global-default"),
    (request(user=User("system:node:n", groups=(NODES, AUTHENTICATED))), "system-nodes"),
    (request("/api/v1/nodes/n/status", "PATCH", user=User("system:node:n", groups=(NODES,))), "system-node-high"),
    (request("/api/v1/nodes/n/proxyish", user=User("system:node:n", groups=(NODES,))), "system-nodes"),
    (
        request("/apis/coordination.k8s.io/v1/namespaces/x/leases/l", "PUT", user=User("system:kube-scheduler")),
        "system-leader-election",
    ),
    (request("/apis/coordination.k8s.io/v1/leases", user=User("system:kube-scheduler")), "kube-scheduler"),
    (
        request(
            "/api/v1/namespaces/x/endpoints/e",
            "PUT",
            user=User("system:serviceaccount:kube-system:endpoint-controller"),
        ),
        "endpoint-controller",
    ),
    (request(user=User("system:serviceaccount:kube-system:job-controller")), "kube-system-service-accounts"),
    (request(user=User("system:serviceaccount:x:y", groups=("system:serviceaccounts",))), "service-accounts"),
    (request(user=User("nobody")), "catch-all"),
]


@pytest.mark.parametrize(("asked", "schema_name"), CLASSIFIED, ids=[name for _, name in CLASSIFIED])
def test_the_default_schemas_classify_as_upstream(asked: Request, schema_name: str) -> None:
    async def story(plane: Plane) -> None:
        control = FlowControl(storage=plane.storage)
        await _hold(control, asked, 0)
        assert control._classifier.classify(asked.user, asked.info).schema == schema_name

    run(story)


def test_a_new_schema_classifies_at_once_and_one_whose_level_is_missing_never() -> None:
    noxu = {"impersonate-user": "noxu"}
    names = ("x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid")

    async def story(plane: Plane) -> None:
        async def headers() -> list[str]:
            answer = await call(plane.app, "GET", "/version", headers=noxu)
            return [answer.header(name) for name in names]

        defaults = [await call(plane.app, "GET", f"{path}/global-default") for path in (SCHEMAS, LEVELS)]
        usual = [answer.json()["metadata"]["uid"] for answer in defaults]
        assert await headers() == usual
        made = schema("mine", "mine", "noxu")
        made["spec"]["rules"][0]["nonResourceRules"] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        uid = (await call(plane.app, "POST", SCHEMAS, {**made, "metadata": {"name": "mine"}})).json()["metadata"]["uid"]
        assert await headers() == usual
        created = await call(plane.app, "POST", LEVELS, {**level("mine"), "metadata": {"name": "mine"}})
        assert await headers() == [uid, created.json()["metadata"]["uid"]]
        assert (await call(plane.app, "DELETE", f"{SCHEMAS}/mine")).code == 200
        assert await headers() == usual

    run(story)


def test_the_refusal_is_upstreams_and_says_when_to_come_back() -> None:
    async def story(plane: Plane) -> None:
        plane.authenticator.add_token("t", USER)
        plane.app._flow = control = controlled(1, level("l"), schema("s", "l", USER.name))
        headers = {"authorization": "Bearer t"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hold, control, request(), 100.0)
            await anyio.sleep(1)
            refused = await call(plane.app, "POST", path, review, headers, peer={})
            assert (refused.code, refused.body) == (429, b"Too many requests, please try again later.\n")
            assert refused.header("retry-after") == "1"
            assert refused.header("x-kubernetes-pf-flowschema-uid") == "schema-s"
            assert (await call(plane.app, "GET", PODS)).code == 200
            tasks.cancel_scope.cancel()

    run(story)


def test_a_request_that_fails_gives_its_seat_back() -> None:
    async def story(plane: Plane) -> None:
        plane.authenticator.add_token("t", USER)
        plane.app._flow = controlled(1, level("l"), schema("s", "l", USER.name))
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        for _ in range(3):
            refused = await call(plane.app, "POST", path, b"{", {"authorization": "Bearer t"}, peer={})
            assert refused.refusal() == (400, "BadRequest")

    run(story)


def test_a_watch_holds_its_seat_only_until_it_has_begun() -> None:
    async def story(plane: Plane) -> None:
        plane.app._flow = control = controlled(1, level("l"), schema("s", "l"))
        control.configure(
            {"exempt": {"metadata": {"name": "exempt"}, "spec": {}}, "s": schema("s", "l")}, {"l": level("l")}
        )
        async with opened(plane.app, PODS + "?watch=1") as watch:
            assert (watch.code, watch.header("x-kubernetes-pf-flowschema-uid")) == (200, "schema-s")
            assert control.levels["l"].in_use == 0
            assert (await call(plane.app, "GET", PODS)).code == 200
            assert control.levels["l"].dispatched == 2

    run(story)


def test_a_list_of_many_objects_takes_more_seats_and_one_begins_in_each_round_of_the_loop() -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        for number in range(250):
            await client.create("configmaps", {"metadata": {"name": f"c{number}"}}, namespace="default")
        control = FlowControl(storage=plane.storage)
        path = "/api/v1/namespaces/default/configmaps"
        for query, width in (
            ("", 3),
            ("limit=120", 2),
            ("limit=10&labelSelector=a", 3),
            ("watch=1", 3),
            ("watch=1&resourceVersion=7", 1),
        ):
            seat = await control.take(request(path, query=query))
            assert seat is not None
            assert control.levels["global-default"].in_use == width
            seat.release()
        order: list[str] = []

        async def reader(name: str) -> None:
            await _hold(control, request(path), 0)
            order.append(name)

        async def light() -> None:
            order.append("health")

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(reader, f"list {number}")
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(light)
        assert order.index("health") < order.index("list 2")

    run(story)


def test_what_the_levels_do_can_be_looked_at() -> None:
    async def story(plane: Plane) -> None:
        path = "/debug/api_priority_and_fairness/dump_priority_levels"
        lines = (await call(plane.app, "GET", path)).body.decode().splitlines()
        rows = {name: dict(zip(DUMP_COLUMNS, cells, strict=True)) for cells in map(_cells, lines) for name in cells[:1]}
        assert lines[0].split() == [f"{name}," for name in DUMP_COLUMNS[:-1]] + [DUMP_COLUMNS[-1]]
        assert set(rows) == {"PriorityLevelName", *plane.flow.levels}
        assert rows["exempt"]["ExecutingRequests"] == "1"
        assert rows["system"]["IsIdle"] == "true"
        assert (await call(plane.app, "GET", "/debug/else")).code == 404

    run(story)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]
