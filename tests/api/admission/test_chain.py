"""Who is asked about a write, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from kube_lite.api.admission.plugin import AdmissionRequest, Chain, Objects
from tests.plane import ADMIN
from tests.resources.kinds.cases import resource

NOTHING: Any = None  # these plugins look at no other object


@dataclass
class Asked:
    """A plugin that writes down what it was asked about."""

    name: str
    resources: frozenset[str] | None
    seen: list[str] = field(default_factory=list)
    again: bool = False

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        self.seen.append(self.name)
        request.reinvoke = self.again

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        self.seen.append(self.name)


def chain(again: bool = False) -> tuple[Chain, list[str]]:
    """Two plugins for everything around one for pods and Deployments, and what they saw."""
    seen: list[str] = []
    some = frozenset({"pods", "deployments.apps"})
    plugins = [Asked("first", None, seen), Asked("pods", some, seen), Asked("last", None, seen, again)]
    return Chain(plugins, plugins), seen


@pytest.mark.parametrize(
    ("group", "plural", "names"),
    [
        ("", "pods", ["first", "pods", "last"]),
        ("apps", "deployments", ["first", "pods", "last"]),
        ("apps", "daemonsets", ["first", "last"]),
        ("coordination.k8s.io", "leases", ["first", "last"]),
    ],
)
@pytest.mark.parametrize("again", [False, True], ids=["once", "reinvoked"])
def test_plugins_are_asked_in_order_about_what_concerns_them(
    group: str, plural: str, names: list[str], again: bool
) -> None:
    tested, seen = chain(again)

    async def story() -> None:
        request = AdmissionRequest("CREATE", resource(group, plural), "", "default", "a", ADMIN, {"metadata": {}})
        await tested.admit(request, NOTHING)
        assert seen == (names * 2 if again else names)
        seen.clear()
        await tested.validate(request, NOTHING)
        assert seen == names

    anyio.run(story)
