"""Custom resource definitions for tests, served until the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.conformance.caller import Caller, Object, unique
from tests.support.running import eventually

OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str = "v1", schema: Object = OPEN, *, storage: bool = True, **more: Any) -> Object:
    """One served version."""
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


class Definition:
    """A definition of kind ``Noxu`` in a group of its own."""

    def __init__(self, api: Caller, group: str, stored: Object) -> None:
        self._api = api
        self.group = group
        self.name = f"noxus.{group}"
        self.path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{self.name}"
        self.stored = stored
        """As it was answered when made."""

    def collection(self, version: str = "v1", namespace: str = "") -> str:
        """Where its objects lie."""
        return f"/apis/{self.group}/{version}" + (f"/namespaces/{namespace}" if namespace else "") + "/noxus"

    def object(self, name: str, version: str = "v1", **fields: Any) -> Object:
        """A body of its kind."""
        return {"apiVersion": f"{self.group}/{version}", "kind": "Noxu", "metadata": {"name": name}, **fields}


@contextmanager
def defined(api: Caller, *versions: Object, scope: str = "Cluster", **spec: Any) -> Iterator[Definition]:
    """A definition that is served; deleted afterwards."""
    group = f"{unique('g')}.example.com"
    names = {"plural": "noxus", "singular": "noxu", "kind": "Noxu", "listKind": "NoxuList"}
    body: Object = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"noxus.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": list(versions) or [version()], **spec},
    }
    stored = api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    made = Definition(api, group, stored)
    eventually(lambda: api.send("GET", made.collection(body["spec"]["versions"][0]["name"])).status_code == 200)
    try:
        yield made
    finally:
        api.send("DELETE", made.path)
