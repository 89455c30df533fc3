"""Admin access to devices."""

from __future__ import annotations

import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from tests.api.admission.stories import Json, made, play

CLAIMS, TEMPLATES = "resourceclaims.resource.k8s.io", "resourceclaimtemplates.resource.k8s.io"
LABEL = "resource.kubernetes.io/admin-access"
WHY = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"


def claim(name: str, *, admin: bool) -> Json:
    exactly = {"deviceClassName": "c", "adminAccess": admin}
    requests = [{"name": "a", "exactly": {"deviceClassName": "c"}}, {"name": "b", "exactly": exactly}]
    return {"metadata": {"name": name}, "spec": {"devices": {"requests": requests}}}


def template(name: str) -> Json:
    return {"metadata": {"name": name}, "spec": {"spec": claim(name, admin=True)["spec"]}}


def test_admin_access_is_for_namespaces_that_are_marked_for_it() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("namespaces", {"metadata": {"name": "marked", "labels": {LABEL: "true"}}})
        await made(client, CLAIMS, claim("plain", admin=False))
        for resource, obj in ((CLAIMS, claim("a", admin=True)), (TEMPLATES, template("t"))):
            with pytest.raises(errors.Invalid) as refused:
                await made(client, resource, obj)
            at = "spec.devices.requests[1].adminAccess"
            assert refused.value.details["causes"] == [
                {"reason": "FieldValueForbidden", "field": at, "message": f"Forbidden: {WHY}"}
            ]
            await made(client, resource, obj, "marked")

    play(story)


def test_an_allocation_grants_it_only_there_too() -> None:
    async def story(client: LocalClient) -> None:
        found = await made(client, CLAIMS, claim("a", admin=False))
        result = {"request": "a", "driver": "d.example", "pool": "p", "device": "x", "adminAccess": True}
        found["status"] = {"allocation": {"devices": {"results": [result]}}}
        with pytest.raises(errors.Invalid, match=r"results\[0\]\.adminAccess: Forbidden: admin access to devices"):
            await client.update(CLAIMS, "a", found, "default", subresource="status")

    play(story)
