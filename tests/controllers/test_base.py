"""The loop of all controllers: keys, errors, back-off, and which controllers ``--controllers`` names."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, Controller, Requeue, discover, outcomes, select
from kube_lite.errors import ApiError, Conflict, Forbidden, ServiceUnavailable
from kube_lite.resources.meta import ObjectView
from tests.controllers.fake_client import FakeClient


class Probe(Controller):
    """Notes when it is asked to reconcile, and answers as it is told."""

    name = "probe"

    def __init__(self, client: FakeClient, answers: list[Exception | Requeue | None]) -> None:
        super().__init__()
        self.informers = Informers(client)
        self.source(self.informers.get("configmaps", ObjectView))
        self.answers = answers
        self.asked: list[tuple[str, float]] = []

    async def reconcile(self, key: str) -> Requeue | None:
        self.asked.append((key, round(clock.monotonic(), 3)))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def probed(answers: list[Exception | Requeue | None], seconds: float) -> list[tuple[str, float]]:
    client = FakeClient()
    await client.create("configmaps", {"metadata": {"name": "a"}}, "ns")
    probe = Probe(client, answers)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(probe.informers.run)
        tasks.start_soon(probe.run)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return probe.asked


@pytest.mark.parametrize("error", [Conflict("x"), ServiceUnavailable("x"), ValueError("a bug"), OSError("no route")])
def test_a_key_that_fails_is_tried_again_with_back_off(error: Exception) -> None:
    asked = clock.run_virtual(probed([error, error, error], 10))
    assert asked == [("ns/a", 0.0), ("ns/a", 0.005), ("ns/a", 0.015), ("ns/a", 0.035)]


def test_what_goes_wrong_is_logged_with_the_key(caplog: pytest.LogCaptureFixture) -> None:
    clock.run_virtual(probed([ValueError("a bug")], 1))
    assert "probe ns/a" in caplog.text
    assert "a bug" in caplog.text


def test_a_key_comes_back_when_reconcile_asks_for_it() -> None:
    assert clock.run_virtual(probed([Requeue(60)], 100)) == [("ns/a", 0.0), ("ns/a", 60.0)]


def test_work_in_a_namespace_that_goes_away_is_not_repeated() -> None:
    error = Forbidden("terminating", {"causes": [{"reason": "NamespaceTerminating"}]})
    assert clock.run_virtual(probed([error], 100)) == [("ns/a", 0.0)]


def test_all_calls_are_made_and_each_refusal_stands_in_its_place() -> None:
    async def main() -> list[int | ApiError]:
        refusal = Forbidden("no")

        async def call(number: int) -> int:
            await anyio.sleep(3 - number)
            if number == 1:
                raise refusal
            return number

        results = await outcomes([lambda n=n: call(n) for n in range(3)])  # type: ignore[misc]
        assert clock.monotonic() == 3.0
        return results

    first, refused, third = clock.run_virtual(main())
    assert (first, third) == (0, 2)
    assert isinstance(refused, Forbidden)


def test_controllers_are_chosen_as_upstream_does() -> None:
    everything = select("*")
    assert everything == list(discover())
    assert {"deployment", "replicaset", "endpoints", "garbagecollector", "podgc", "serviceaccount"} <= set(everything)
    assert select("") == []
    assert select("replicaset,deployment-controller") == ["deployment", "replicaset"]
    assert select("*,-deployment") == [name for name in everything if name != "deployment"]
    with pytest.raises(ValueError, match="'nope' is not in the list of known controllers"):
        select("*,-nope")


def test_every_controller_can_be_built_and_carries_its_name() -> None:
    async def main() -> None:
        client = FakeClient()
        context = Context(client_for=lambda name: client, informers=Informers(client))
        for name, build in discover().items():
            assert build(context).name == name

    clock.run_virtual(main())
