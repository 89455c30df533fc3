"""What schemathesis makes of the served OpenAPI: whatever is sent, no answer is the server's own fault.

Bodies as they come are refused early. So the same requests go out a second time with what would stop them put right
(names, namespaces, apiVersion and kind), to reach defaults, validation, admission and the store.
"""

from __future__ import annotations

import functools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import just
from schemathesis.core.result import Ok

from tests.support.running import Server

NAMES = ("a", "b", "web")
QUICK = ("api/v1", "apis/apps/v1", "apis/batch/v1", "apis/rbac.authorization.k8s.io/v1")
QUICK_SECONDS = 30.0
WIDE_SECONDS = 1200.0
ANSWERS: Counter[int] = Counter()
"""Answers by status code: to see that a run gets anywhere."""
STREAMS = ("watch", "follow")
QUANTITIES = ("requests", "limits", "hard", "capacity", "allocatable", "used")
UNREACHABLE = ("no preferred addresses found; known addresses: []", "error trying to reach service: ")
"""Nodes that only exist as objects have no kubelet to ask; upstream says so with 500, too."""
TOO_NEW = "ResourceVersionTooLarge"
"""The cause of the one 504 that is meant: the client asked for a revision that there is not yet."""


@pytest.fixture
def api(simulated: Server) -> Iterator[httpx.Client]:
    """The owner's connection."""
    transport = httpx.HTTPTransport(uds=str(simulated.data_dir / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=20.0) as client:
        yield client


def mend(case: Any, kind: dict[str, str], rng: random.Random) -> None:
    """Put right what a server refuses before it looks any further."""
    path = case.path_parameters = dict(case.path_parameters or {})
    for name in path:
        path[name] = "default" if name == "namespace" else rng.choice(NAMES)
    if rng.random() < 0.7:
        case.query = {}
    if not isinstance(case.body, dict):
        return
    case.media_type = "application/merge-patch+json" if case.method.upper() == "PATCH" else "application/json"
    given_meta = case.body.get("metadata")
    kept = {"labels", "annotations", "finalizers", "ownerReferences"} if rng.random() < 0.3 else {"labels"}
    metadata = {k: v for k, v in given_meta.items() if k in kept} if isinstance(given_meta, dict) else {}
    case.body["metadata"] = {**metadata, "name": path.get("name") or rng.choice(NAMES)}
    case.body["apiVersion"] = "/".join(part for part in (kind.get("group"), kind.get("version", "v1")) if part)
    case.body["kind"] = kind.get("kind", "")
    mend_below(case.body, rng)


def mend_below(value: Any, rng: random.Random) -> None:
    """The same for what lies deeper."""
    if isinstance(value, list):
        for item in value:
            mend_below(item, rng)
    if not isinstance(value, dict):
        return
    for key in list(value):
        found = value[key]
        if key == "namespace":
            value[key] = "default"
        elif key == "name" and isinstance(found, str):
            value[key] = rng.choice(NAMES)
        elif isinstance(found, str) and key.lower().endswith(("timestamp", "time")):
            value[key] = "2026-01-01T00:00:00Z"
        elif key in QUANTITIES and isinstance(found, dict):
            value[key] = {"cpu": "1"}
        else:
            mend_below(found, rng)


def send(api: httpx.Client, case: Any, spoiled: list[str]) -> None:
    """Send one case; note it when the answer is the server's fault."""
    case.query = {k: v for k, v in (case.query or {}).items() if k not in STREAMS}
    try:
        sent = case.as_transport_kwargs(base_url="http://localhost")
        request = httpx.Request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers=sent.get("headers"),
            json=sent["json"] if sent.get("json") is not None else None,
            content=sent["data"] if isinstance(sent.get("data"), (bytes, str)) else None,
        )
    except (ValueError, TypeError, UnicodeError, httpx.InvalidURL):
        return  # no HTTP client can send this
    answer = api.send(request)
    ANSWERS[answer.status_code] += 1
    if answer.status_code >= 500 and not any(text in answer.text for text in (TOO_NEW, *UNREACHABLE)):
        spoiled.append(
            f"{request.method} {request.url}: {answer.status_code} {answer.text[:300]} of {request.content[:500]!r}"
        )


def twice(
    api: httpx.Client, kind: dict[str, str], rng: random.Random, spoiled: list[str], end: float, case: Any
) -> None:
    """Send a case as it is, then mended."""
    if time.monotonic() < end:
        send(api, case, spoiled)
        mend(case, kind, rng)
        send(api, case, spoiled)


def examine(api: httpx.Client, wanted: Callable[[str], bool], examples: int, seconds: float) -> list[str]:
    """Send what schemathesis makes up for each operation, as long as there is time; what went wrong."""
    spoiled: list[str] = []
    rng = random.Random(1)
    end = time.monotonic() + seconds
    strategies = []
    for name, where in api.get("/openapi/v3").json()["paths"].items():
        if wanted(name):
            schema = schemathesis.openapi.from_dict(api.get(where["serverRelativeURL"]).json())
            operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
            strategies += [operation for operation in operations if "/watch/" not in operation.path]
    rng.shuffle(strategies)  # so that a short run sees something of everything
    for operation in strategies:
        if time.monotonic() > end:
            break
        kind = operation.definition.raw.get("x-kubernetes-group-version-kind")
        if not isinstance(kind, dict):
            continue

        both = functools.partial(twice, api, kind, rng, spoiled, end)

        def once(case: Any, send_it: Callable[[Any], None]) -> None:
            send_it(case)

        run = given(operation.as_strategy(), just(both))(once)
        checks = list(HealthCheck)
        settings(
            max_examples=examples, database=None, deadline=None, suppress_health_check=checks, phases=[Phase.generate]
        )(seeded(1)(run))()
    return spoiled


def test_no_request_to_the_usual_groups_is_answered_with_5xx(api: httpx.Client) -> None:
    assert examine(api, lambda name: name in QUICK, 3, QUICK_SECONDS) == []


@pytest.mark.long
@pytest.mark.timeout(WIDE_SECONDS + 300)
def test_no_request_to_any_group_is_answered_with_5xx(api: httpx.Client) -> None:
    assert examine(api, lambda name: True, 15, WIDE_SECONDS) == []
