"""Token Secrets: filled, made where wanted, deleted with their account."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, run_controllers
from kube_lite.controllers.settings import ControllerSettings
from tests.plane import admin, started_plane

MANAGER = User("system:kube-controller-manager", groups=(AUTHENTICATED,), how="in-process")
Obj = dict[str, Any]


@asynccontextmanager
async def running(*, legacy: bool) -> AsyncIterator[Plane]:
    """The token controller over an API with the account ``robot``."""
    plane = await started_plane()
    context = Context(
        client_for=plane.controller_client,
        informers=Informers(plane.client(MANAGER, "kube-controller-manager")),
        settings=ControllerSettings(legacy_service_account_tokens=legacy),
        ca_pem="PEM",
        sign_account_token=plane.tokens.legacy,
    )
    await admin(plane).create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_controllers, context, ["serviceaccount-token"])
        await anyio.sleep(5)
        yield plane
        tasks.cancel_scope.cancel()


def found(plane: Plane, resource: str, name: str) -> Obj:
    obj = plane.storage.lookup(resource, "default", name)
    assert obj is not None
    return obj


def token_secret(name: str) -> Obj:
    annotations = {"kubernetes.io/service-account.name": "robot"}
    return {"metadata": {"name": name, "annotations": annotations}, "type": "kubernetes.io/service-account-token"}


def test_a_secret_that_names_an_account_is_filled() -> None:
    async def main() -> None:
        async with running(legacy=False) as plane:
            assert plane.storage.select("secrets") == []
            await admin(plane).create("secrets", token_secret("s"), "default")
            await anyio.sleep(5)
            data = {k: base64.b64decode(v).decode() for k, v in found(plane, "secrets", "s")["data"].items()}
            assert (data["namespace"], data["ca.crt"]) == ("default", "PEM")
            user = await plane.authenticator.by_token(data["token"])
            assert user.name == "system:serviceaccount:default:robot"
            assert not found(plane, "serviceaccounts", "robot").get("secrets")

    clock.run_virtual(main())


def test_every_account_gets_a_secret_and_lists_it_when_that_is_wanted() -> None:
    async def main() -> None:
        async with running(legacy=True) as plane:
            (listed,) = found(plane, "serviceaccounts", "robot")["secrets"]
            secret = found(plane, "secrets", listed["name"])
            assert secret["type"] == "kubernetes.io/service-account-token"
            assert set(secret["data"]) == {"token", "namespace", "ca.crt"}
            await admin(plane).delete("secrets", listed["name"], "default")
            await anyio.sleep(5)
            names = [s["name"] for s in found(plane, "serviceaccounts", "robot")["secrets"]]
            assert len(plane.storage.select("secrets", "default")) == 1
            assert plane.storage.select("secrets", "default")[0]["metadata"]["name"] in names

    clock.run_virtual(main())


def test_a_secret_that_was_deleted_is_replaced_in_the_list_and_what_others_list_stays() -> None:
    async def main() -> None:
        async with running(legacy=True) as plane:
            (listed,) = found(plane, "serviceaccounts", "robot")["secrets"]
            others = {"secrets": [listed, {"name": "to-come"}]}
            await admin(plane).patch("serviceaccounts", "robot", others, "default")
            await admin(plane).delete("secrets", listed["name"], "default")
            await anyio.sleep(5)
            kept, new = found(plane, "serviceaccounts", "robot")["secrets"]
            assert kept == {"name": "to-come"}
            assert new["name"].startswith("robot-token-")
            assert new != listed

    clock.run_virtual(main())


def test_secrets_go_with_their_account() -> None:
    async def main() -> None:
        async with running(legacy=False) as plane:
            await admin(plane).create("secrets", token_secret("s"), "default")
            await anyio.sleep(5)
            await admin(plane).delete("serviceaccounts", "robot", "default")
            await anyio.sleep(5)
            assert plane.storage.select("secrets") == []

    clock.run_virtual(main())
