"""What a request is about, from method, path and query."""

from __future__ import annotations

import pytest

from kube_lite.api.request_info import RequestInfo, parse


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", "", ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", "", ("list", "", "pods", "a", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/p", "", ("get", "", "pods", "a", "p", "")),
        ("GET", "/api/v1/namespaces/a/pods", "watch=1", ("watch", "", "pods", "a", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", "watch=maybe", ("watch", "", "pods", "a", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", "watch=false", ("list", "", "pods", "a", "", "")),
        ("GET", "/api/v1/watch/namespaces/a/pods", "", ("watch", "", "pods", "a", "", "")),
        ("GET", "/api/v1/namespaces", "", ("list", "", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/a", "", ("get", "", "namespaces", "a", "a", "")),
        ("PUT", "/api/v1/namespaces/a/finalize", "", ("update", "", "namespaces", "a", "a", "finalize")),
        ("PATCH", "/api/v1/namespaces/a/status", "", ("patch", "", "namespaces", "a", "a", "status")),
        ("POST", "/apis/apps/v1/namespaces/a/deployments", "", ("create", "apps", "deployments", "a", "", "")),
        (
            "PUT",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            "",
            ("update", "apps", "deployments", "a", "d", "scale"),
        ),
        ("DELETE", "/api/v1/nodes", "", ("deletecollection", "", "nodes", "", "", "")),
        ("DELETE", "/api/v1/nodes/n", "", ("delete", "", "nodes", "", "n", "")),
        ("HEAD", "/api/v1/nodes/n", "", ("get", "", "nodes", "", "n", "")),
        ("GET", "/api/v1/namespaces//pods", "", ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1//pods", "", ("get", "", "", "", "pods", "")),
        ("GET", "/api/v1/namespaces/a/pods/", "", ("list", "", "pods", "a", "", "")),
        ("GET", "/api//v1", "", ("list", "", "v1", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/p%2Fq", "", ("get", "", "pods", "a", "p/q", "")),
    ],
)
def test_a_resource_path_names_its_object(
    method: str, path: str, query: str, expected: tuple[str, str, str, str, str, str]
) -> None:
    info = parse(method, path, query)
    assert info.is_resource
    assert (info.verb, info.group, info.resource, info.namespace, info.name, info.subresource) == expected


@pytest.mark.parametrize(
    "path", ["/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/", "//api/v1/pods"]
)
def test_other_paths_are_not_about_objects(path: str) -> None:
    info = parse("GET", path)
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


def test_the_path_below_a_subresource_is_kept() -> None:
    assert parse("GET", "/api/v1/nodes/n/proxy/a/b").rest == "a/b"


def test_parameters_are_read_as_upstream_reads_them() -> None:
    info = RequestInfo("GET", "/", "get", query={"a": ["1", "2"], "follow": ["true"], "previous": ["0"], "x": [""]})
    assert info.param("a") == "1"
    assert info.param("none", "d") == "d"
    assert (info.flag("follow"), info.flag("previous"), info.flag("x"), info.flag("none")) == (
        True,
        False,
        False,
        False,
    )
