"""Tokens in Secrets that nobody uses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers import legacytokencleaner
from kube_lite.controllers.serviceaccounttoken import ACCOUNT, ACCOUNT_UID, TYPE
from kube_lite.resources.kinds.secret import INVALID_SINCE, LAST_USED, TRACKING
from tests.controllers.world import NS, World, running

DAY = 24 * 3600.0
YEAR = 10 * DAY
"""Long enough to tell it from a day; the controller is told the same."""


@pytest.fixture(autouse=True)
def _shorter_years(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(days=365) == legacytokencleaner.KEPT
    monkeypatch.setattr(legacytokencleaner, "KEPT", timedelta(seconds=YEAR))


async def started(*, listed: bool = True, mounted: bool = False) -> World:
    """An account with a token Secret from the first day, from which on uses are noted."""
    world = World()
    since = {"metadata": {"name": TRACKING}, "data": {"since": clock.now().date().isoformat()}}
    await world.client.create("configmaps", since, "kube-system")
    secrets = [{"name": "token"}] if listed else []
    await world.client.create("serviceaccounts", {"metadata": {"name": "robot"}, "secrets": secrets}, NS)
    uid = world.get("serviceaccounts", "robot")["metadata"]["uid"]
    annotations = {ACCOUNT: "robot", ACCOUNT_UID: uid}
    await world.client.create("secrets", {"metadata": {"name": "token", "annotations": annotations}, "type": TYPE}, NS)
    if mounted:
        volumes = [{"name": "t", "secret": {"secretName": "token"}}]
        await world.client.create(
            "pods", {"metadata": {"name": "p"}, "spec": {"containers": [], "volumes": volumes}}, NS
        )
    return world


def labels(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("secrets", "token")["metadata"].get("labels") or {}
    return found


def test_a_token_unused_for_a_year_is_made_invalid_and_its_secret_goes_a_year_later() -> None:
    async def main() -> None:
        world = await started()
        async with running(world, ["legacy-serviceaccount-token-cleaner"], kubelet=False):
            await anyio.sleep(YEAR - DAY)
            assert labels(world) == {}
            await anyio.sleep(4 * DAY)
            assert list(labels(world)) == [INVALID_SINCE]
            await anyio.sleep(YEAR - 4 * DAY)
            assert world.get("secrets", "token")
            await anyio.sleep(5 * DAY)
            assert world.objects("secrets") == []

    clock.run_virtual(main())


@pytest.mark.parametrize("how", ["used", "made by hand", "mounted"])
def test_other_tokens_stay(how: str) -> None:
    async def main() -> None:
        world = await started(listed=how != "made by hand", mounted=how == "mounted")
        async with running(world, ["legacy-serviceaccount-token-cleaner"], kubelet=False):
            for _ in range(3):
                await anyio.sleep(YEAR - DAY)
                if how == "used":
                    used = {"metadata": {"labels": {LAST_USED: clock.now().date().isoformat()}}}
                    await world.client.patch("secrets", "token", used, NS)
            await anyio.sleep(1)
            assert INVALID_SINCE not in labels(world)

    clock.run_virtual(main())
