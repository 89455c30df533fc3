"""Lists in chunks, and watches: what an informer relies on."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

from tests.e2e.conformance.caller import Caller, Object, unique
from tests.support.running import eventually

TOTAL = 40
TEMPLATE = {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}


def config_map(name: str, label: str = "", **data: str) -> Object:
    """A ConfigMap, labelled for a watch."""
    labels = {"watch-this-configmap": label} if label else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}


@pytest.fixture
def templates(api: Caller, namespace: str) -> str:
    """The collection of many PodTemplates."""
    path = f"/api/v1/namespaces/{namespace}/podtemplates"
    for number in range(TOTAL):
        body = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": f"template-{number:04}"}}
        api.create(path, {**body, **TEMPLATE})
    return path


@pytest.mark.parametrize("limit", [7, 40, 41])
def test_chunks_show_one_moment_and_count_what_remains(api: Caller, templates: str, limit: int) -> None:
    version, found, token = "", [], ""
    while True:
        more: Object = {"continue": token} if token else {}
        page = api.get(templates, limit=limit, **more)
        version = version or page["metadata"]["resourceVersion"]
        assert page["metadata"]["resourceVersion"] == version
        assert len(page["items"]) <= limit
        found += [item["metadata"]["name"] for item in page["items"]]
        remain = TOTAL - len(found)
        assert page["metadata"].get("remainingItemCount", 0) == remain
        token = page["metadata"].get("continue", "")
        assert bool(token) == bool(remain)
        if not token:
            break
        assert page["items"]
    assert found == [f"template-{n:04}" for n in range(TOTAL)]
    whole = api.get(templates, limit=0)
    assert [i["metadata"]["name"] for i in whole["items"]] == found
    assert "continue" not in whole["metadata"]


def test_chunks_of_a_selection_do_not_count(api: Caller, templates: str) -> None:
    page = api.get(templates, limit=1, labelSelector="none!=x")
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]


def test_watchers_see_what_their_selector_chooses(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    start = api.get(path)["metadata"]["resourceVersion"]
    for label in "AB":
        api.create(path, config_map(f"cm-{label}".lower(), label))
        for number in (1, 2):
            api.patch(f"{path}/cm-{label.lower()}", {"data": {"mutation": str(number)}})
        api.delete(f"{path}/cm-{label.lower()}")
    lived = ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    for selector, names in (
        ("watch-this-configmap=A", ["cm-a"] * 4),
        ("watch-this-configmap=B", ["cm-b"] * 4),
        ("watch-this-configmap in (A,B)", ["cm-a"] * 4 + ["cm-b"] * 4),
    ):
        wanted = lived * (len(names) // 4)
        events = api.until(path, *wanted, resourceVersion=start, labelSelector=selector)
        assert [e["type"] for e in events] == wanted
        assert [e["object"]["metadata"]["name"] for e in events] == names
        assert events[3]["object"]["data"] == {"mutation": "2"}


def test_a_watch_goes_on_where_an_earlier_one_stopped(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    created = api.create(path, config_map("cm", "r"))
    first = api.patch(f"{path}/cm", {"data": {"mutation": "1"}})
    api.patch(f"{path}/cm", {"data": {"mutation": "2"}})
    api.delete(f"{path}/cm")
    for version, wanted in (
        (created["metadata"]["resourceVersion"], ["MODIFIED", "MODIFIED", "DELETED"]),
        (first["metadata"]["resourceVersion"], ["MODIFIED", "DELETED"]),
    ):
        events = api.until(path, *wanted, resourceVersion=version, labelSelector="watch-this-configmap")
        assert [e["type"] for e in events] == wanted


def test_an_object_that_leaves_the_selection_is_deleted_for_its_watcher(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    start = api.get(path)["metadata"]["resourceVersion"]
    api.create(path, config_map("cm", "one"))
    api.patch(f"{path}/cm", {"data": {"mutation": "1"}})
    api.patch(f"{path}/cm", {"metadata": {"labels": {"watch-this-configmap": "two"}}})
    api.patch(f"{path}/cm", {"data": {"mutation": "2"}})
    api.patch(f"{path}/cm", {"metadata": {"labels": {"watch-this-configmap": "one"}}})
    api.patch(f"{path}/cm", {"data": {"mutation": "3"}})
    api.delete(f"{path}/cm")
    wanted = ["ADDED", "MODIFIED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    events = api.until(path, *wanted, resourceVersion=start, labelSelector="watch-this-configmap=one")
    assert [e["type"] for e in events] == wanted
    assert [e["object"]["data"].get("mutation") for e in events if e["object"].get("data")][-1] == "3"
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))


def test_concurrent_watches_see_the_same_order(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    start = api.get(path)["metadata"]["resourceVersion"]

    def work(worker: int) -> None:
        for number in range(10):
            api.create(path, config_map(f"w{worker}-{number}", "many"))
            if number % 2:
                api.delete(f"{path}/w{worker}-{number}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    selected: dict[str, Any] = {"labelSelector": "watch-this-configmap=many"}
    end = api.get(path)["metadata"]["resourceVersion"]
    events = []
    for event in api.watch(path, seconds=2, resourceVersion=start, **selected):
        events.append((event["type"], event["object"]["metadata"]["resourceVersion"]))
    assert len(events) == 60
    assert int(events[-1][1]) <= int(end)
    for skip in (1, 20, 40, 59):
        wanted = events[skip:]
        later = api.until(path, *(kind for kind, _ in wanted), resourceVersion=events[skip - 1][1], **selected)
        assert [(e["type"], e["object"]["metadata"]["resourceVersion"]) for e in later] == wanted


def test_a_watch_can_begin_with_what_is_there_and_says_when_that_is_all(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    names = {unique("s") for _ in range(5)}
    for name in names:
        api.create(
            path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"watchlist": "y"}}}
        )
    seen: list[Object] = []
    query: Object = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "labelSelector": "watchlist=y",
    }
    for event in api.watch(path, seconds=5, **query):
        seen.append(event)
        if event["type"] == "BOOKMARK":
            break
    assert {e["object"]["metadata"]["name"] for e in seen if e["type"] == "ADDED"} == names
    mark = seen[-1]["object"]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
    listed = api.get(path, labelSelector="watchlist=y")
    assert int(mark["resourceVersion"]) >= max(int(i["metadata"]["resourceVersion"]) for i in listed["items"])
    api.create(
        path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later", "labels": {"watchlist": "y"}}}
    )
    assert api.until(path, "ADDED", resourceVersion=mark["resourceVersion"], labelSelector="watchlist=y")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sendInitialEvents": "true"}, "resourceVersionMatch"),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "Exact"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "NotOlderThan"}, "resourceVersionMatch"),
    ],
)
def test_a_watch_that_contradicts_itself_is_refused(api: Caller, query: dict[str, str], field: str) -> None:
    answer = api.send("GET", "/api/v1/secrets", watch="true", allowWatchBookmarks="true", **query)
    assert answer.status_code == 422
    assert field in answer.json()["message"]


@pytest.mark.parametrize(
    "accept", ["application/json;as=Table;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf"]
)
def test_a_list_watch_is_given_in_the_form_that_is_asked_for(api: Caller, namespace: str, accept: str) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    answer = api.send("GET", path, accept=accept, watch="true", timeoutSeconds=1, **query)
    assert answer.status_code == 200
    assert answer.content.count(b"kube-root-ca.crt") >= 1
    assert b"k8s.io/initial-events-end" in answer.content


def test_metadata_alone_can_be_listed_and_watched(api: Caller, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.create(path, config_map("cm", "m", secret="value"))
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    answer = api.send("GET", path, accept=accept)
    assert answer.json()["kind"] == "PartialObjectMetadataList"
    assert "value" not in answer.text


def test_events_are_deleted_by_a_selector_over_a_namespace(api: Caller, namespace: str) -> None:
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    for number in range(3):
        body: Object = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"e{number}", "labels": {"testevent-set": "true"}},
            "regarding": {"kind": "Pod", "name": "x", "namespace": namespace},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "c",
            "reportingInstance": "i",
            "reason": "R",
            "action": "Do",
            "note": "n",
            "type": "Normal",
        }
        api.create(path, body)
    patched = api.patch(f"{path}/e0", {"series": {"count": 100, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}})
    assert patched["series"]["count"] == 100
    core = api.get(f"/api/v1/namespaces/{namespace}/events/e0")
    assert (core["message"], core["involvedObject"]["name"], core["series"]["count"]) == ("n", "x", 100)
    cores = f"/api/v1/namespaces/{namespace}/events"
    for where, selector in (
        (cores, "involvedObject.name=x,reason=R"),
        (cores, "source=c"),
        (cores, "reportingComponent=c"),
        (path, "reportingController=c"),
        (path, "regarding.name=x,regarding.kind=Pod,type=Normal"),
    ):
        assert len(api.get(where, fieldSelector=selector)["items"]) == 3, selector
        assert api.get(where, fieldSelector=selector.replace("=", "!="))["items"] == []
    assert api.send("GET", path, fieldSelector="involvedObject.name=x").status_code == 400
    api.delete(path, labelSelector="testevent-set=true")
    eventually(lambda: api.get(path, labelSelector="testevent-set=true")["items"] == [])
