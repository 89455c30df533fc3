"""Lists: pages of one moment, reads of a revision, selectors, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from kube_lite import clock
from kube_lite.api.plane import Plane
from kube_lite.api.reads import TOKEN_SECONDS
from tests.api.wire import Answer, call, run
from tests.plane import admin

CONFIGS = "/api/v1/namespaces/default/configmaps"


async def _made(plane: Plane, *names: str, **metadata: Any) -> None:
    for name in names:
        await admin(plane).create("configmaps", {"metadata": {"name": name, **metadata}}, "default")


async def got(plane: Plane, query: str = "", path: str = CONFIGS) -> Answer:
    """A list."""
    return await call(plane.app, "GET", f"{path}?{query}")


def names(answer: Answer) -> list[str]:
    """What the list holds."""
    assert answer.code == 200, answer.body
    return [item["metadata"]["name"] for item in answer.json()["items"]]


def meta(answer: Answer) -> dict[str, Any]:
    """The list's metadata."""
    found: dict[str, Any] = answer.json()["metadata"]
    return found


def test_pages_show_one_moment_whatever_is_written_meanwhile() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a", "b", "c", "d", "e")
        first = await got(plane, "limit=2")
        assert (names(first), meta(first)["remainingItemCount"]) == (["a", "b"], 3)
        await _made(plane, "bb", "f")
        await admin(plane).delete("configmaps", "d", "default")
        await admin(plane).patch("configmaps", "e", {"data": {"new": "1"}}, "default")
        second = await got(plane, f"limit=2&continue={meta(first)['continue']}")
        assert (names(second), meta(second)["remainingItemCount"]) == (["c", "d"], 1)
        third = await got(plane, f"limit=2&continue={meta(second)['continue']}")
        assert names(third) == ["e"]
        assert "data" not in third.json()["items"][0]
        assert "continue" not in meta(third)
        assert "remainingItemCount" not in meta(third)
        assert {meta(page)["resourceVersion"] for page in (first, second, third)} == {meta(first)["resourceVersion"]}
        rest = await got(plane, f"continue={meta(first)['continue']}")
        assert names(rest) == ["c", "d", "e"]

    run(story)


def test_pages_of_a_selection_do_not_count_what_remains() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a", "c", "e", labels={"on": "1"})
        await _made(plane, "b", "d")
        first = await got(plane, "limit=2&labelSelector=on")
        assert names(first) == ["a", "c"]
        assert "remainingItemCount" not in meta(first)
        await _made(plane, "cc", labels={"on": "1"})
        rest = await got(plane, f"limit=2&labelSelector=on&continue={meta(first)['continue']}")
        assert (names(rest), "continue" in meta(rest)) == (["e"], False)

    run(story)


def test_a_page_of_every_namespace_goes_on_in_the_next_one() -> None:
    async def story(plane: Plane) -> None:
        for namespace in ("default", "kube-public", "kube-system"):
            for name in ("a", "b"):
                await admin(plane).create("secrets", {"metadata": {"name": name}}, namespace)
        found, token = [], ""
        while True:
            page = await got(plane, f"limit=1&continue={token}", "/api/v1/secrets")
            found += [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in page.json()["items"]]
            token = meta(page).get("continue", "")
            if not token:
                break
        assert found == [(n, s) for n in ("default", "kube-public", "kube-system") for s in "ab"]

    run(story)


def test_a_token_whose_moment_is_gone_is_refused_with_one_that_goes_on_from_now() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a", "b", "c")
        first = await got(plane, "limit=1")
        await _made(plane, "bb")
        await plane.storage.store.compact(plane.storage.store.revision)
        gone = await got(plane, f"limit=1&continue={meta(first)['continue']}")
        assert gone.refusal() == (410, "Expired")
        assert gone.json()["message"].startswith("The provided continue parameter is too old to display a consistent")
        fresh = await got(plane, f"continue={meta(gone)['continue']}")
        assert names(fresh) == ["b", "bb", "c"]

    run(story)


def test_a_list_may_be_continued_for_five_minutes_as_it_was() -> None:
    """Clients wait for the refusal: upstream's conformance test for ten minutes at most."""

    async def story(plane: Plane) -> None:
        await _made(plane, "a", "b", "c")
        token = meta(await got(plane, "limit=1"))["continue"]
        await _made(plane, "bb")
        await anyio.sleep(TOKEN_SECONDS - 1)
        second = await got(plane, f"limit=1&continue={token}")
        assert names(second) == ["b"]
        await anyio.sleep(2)
        for continued, rest in ((token, ["b", "bb", "c"]), (meta(second)["continue"], ["bb", "c"])):
            gone = await got(plane, f"limit=1&continue={continued}")
            assert gone.refusal() == (410, "Expired")
            assert names(await got(plane, f"continue={meta(gone)['continue']}")) == rest

    run(story)


def test_a_token_that_is_none_of_ours_is_a_bad_request() -> None:
    def token(**content: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()

    ours = "meta.k8s.io/v1"
    wrong = [
        "%25",
        "bm90anNvbg",
        token(v="v9", rv=1, start="a"),
        token(v=ours, rv=0, start="a"),
        token(v=ours, rv=1, start=""),
        token(v=ours, rv=1, start="../../secrets/default/x"),
        token(v=ours, rv="1", start="a"),
    ]

    async def story(plane: Plane) -> None:
        for text in wrong:
            refused = await got(plane, f"continue={text}")
            assert refused.refusal() == (400, "BadRequest"), text
            assert "continue key is not valid" in refused.json()["message"]

    run(story)


def test_a_list_is_read_exactly_at_or_not_before_a_revision() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a")
        then = meta(await got(plane))["resourceVersion"]
        await _made(plane, "b")
        exact = await got(plane, f"resourceVersion={then}&resourceVersionMatch=Exact")
        assert (names(exact), meta(exact)["resourceVersion"]) == (["a"], then)
        newer = await got(plane, f"resourceVersion={then}&resourceVersionMatch=NotOlderThan")
        assert names(newer) == ["a", "b"]
        assert names(await got(plane, f"resourceVersion={then}")) == ["a", "b"]
        assert names(await got(plane, f"resourceVersion={then}&limit=1")) == ["a"]
        one = f"resourceVersion={then}&limit=1&fieldSelector=metadata.name=b"
        assert names(await got(plane, one)) == ["b"]  # read by its key, as it is now
        assert names(await got(plane, "resourceVersion=0&limit=1")) == ["a", "b"]
        await plane.storage.store.compact(plane.storage.store.revision)
        assert (await got(plane, f"resourceVersion={then}&resourceVersionMatch=Exact")).refusal() == (410, "Expired")

    run(story)


def test_a_revision_from_the_future_is_waited_for_three_seconds() -> None:
    async def story(plane: Plane) -> None:
        future = int(meta(await got(plane))["resourceVersion"]) + 50
        for path, query in ((CONFIGS, f"resourceVersion={future}"), (CONFIGS + "/x", f"resourceVersion={future}")):
            began = clock.monotonic()
            refused = await got(plane, query, path)
            assert refused.refusal() == (504, "Timeout")
            assert clock.monotonic() - began == pytest.approx(3, abs=0.1)
            assert refused.json()["message"].startswith(f"Timeout: Too large resource version: {future}, current: ")
            assert refused.header("retry-after") == "1"

    run(story)


def test_a_query_that_makes_no_sense_is_refused() -> None:
    wrong = {
        "resourceVersionMatch=Exact": 422,
        "resourceVersionMatch=Exact&resourceVersion=0": 422,
        "resourceVersionMatch=Nearly&resourceVersion=1": 422,
        "sendInitialEvents=true": 422,
        "resourceVersion=one": 400,
        "limit=many": 400,
        "timeoutSeconds=soon": 400,
        "labelSelector=a+in+b": 400,
        "fieldSelector=metadata.name": 400,
    }

    async def story(plane: Plane) -> None:
        for query, code in wrong.items():
            assert (await got(plane, query)).refusal()[0] == code, query

    run(story)


def test_what_cannot_be_read_is_told_before_what_makes_no_sense() -> None:
    told = {
        "resourceVersionMatch=Exact&labelSelector=a+in+b": "unable to parse requirement: found 'b' expected: '('",
        "resourceVersionMatch=Exact&fieldSelector=a": "invalid selector: 'a'; can't understand 'a'",
        "limit=&timeoutSeconds=soon": 'strconv.ParseInt: parsing "soon": invalid syntax',
    }

    async def story(plane: Plane) -> None:
        for query, message in told.items():
            assert (await got(plane, query)).json()["message"] == message
        unknown = await got(plane, "resourceVersionMatch=Exact&fieldSelector=a=b")
        assert unknown.refusal() == (422, "Invalid")

    run(story)


def test_events_are_read_from_the_store_which_has_its_own_words() -> None:
    async def story(plane: Plane) -> None:
        events = "/api/v1/namespaces/default/events"
        for path in (events, events + "/x"):
            wrong = await got(plane, "resourceVersion=one", path)
            assert wrong.json()["message"].startswith("invalid resource version: resourceVersion: Invalid value")
            assert (await got(plane, "resourceVersion=9999999", path)).header("retry-after") == ""

    run(story)


def test_labels_are_selected_by_every_operator() -> None:
    cases = {
        "tier": "front back",
        "!tier": "none",
        "tier=front": "front",
        "tier==front": "front",
        "tier!=front": "back none",
        "tier in (front,back)": "front back",
        "tier notin (front)": "back none",
        "size>5": "back",
        "size<5": "front",
        "tier,size>1": "front back",
        "tier=": "",
        "example.com/x=y": "back",
        "tier=front,tier=back": "",
    }

    async def story(plane: Plane) -> None:
        await _made(plane, "front", labels={"tier": "front", "size": "2"})
        await _made(plane, "back", labels={"tier": "back", "size": "9", "example.com/x": "y"})
        await _made(plane, "none")
        for selector, wanted in cases.items():
            encoded = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in selector)
            assert set(names(await got(plane, f"labelSelector={encoded}"))) == set(wanted.split()), selector

    run(story)


def test_fields_are_selected_and_others_refused_by_name() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a", "b", "c")
        assert names(await got(plane, "fieldSelector=metadata.name%3Db")) == ["b"]
        assert names(await got(plane, "fieldSelector=metadata.name!%3Db,metadata.namespace%3D%3Ddefault")) == ["a", "c"]
        messages = {
            CONFIGS: '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
            "/api/v1/pods": "field label not supported: spec.x",
            "/apis/apps/v1/deployments": 'only "metadata.name", "metadata.namespace"',
        }
        for path, message in messages.items():
            refused = await got(plane, "fieldSelector=spec.x%3Dy", path)
            assert refused.refusal() == (400, "BadRequest")
            assert message in refused.json()["message"], path

    run(story)


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("/apis/events.k8s.io/v1", "regarding.name=p"),
        ("/apis/events.k8s.io/v1", "reportingController=c"),
        ("/apis/events.k8s.io/v1", "reason=R,regarding.name!=q"),
        ("/api/v1", "involvedObject.name=p"),
        ("/api/v1", "source=c"),
    ],
)
def test_fields_are_selected_by_the_names_of_the_version_that_is_asked(path: str, chosen: str) -> None:
    """Events were kept as core ones, and those of events.k8s.io found nothing by their own names."""

    async def story(plane: Plane) -> None:
        event: dict[str, Any] = {
            "eventTime": "2017-09-19T13:49:16.000000Z",
            "action": "Do",
            "reason": "R",
            "type": "Normal",
        }
        event |= {
            "reportingController": "c",
            "reportingInstance": "i",
            "regarding": {"namespace": "default", "name": "p"},
        }
        await admin(plane).create("events.events.k8s.io", {"metadata": {"name": "e"}, **event}, "default")
        assert names(await got(plane, f"fieldSelector={quote(chosen)}", f"{path}/namespaces/default/events")) == ["e"]

    run(story)
