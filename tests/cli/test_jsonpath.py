"""JSONPath as kubectl's documentation shows it, and what it does at the edges."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.cli.jsonpath import JsonPathError, Template, find

DOCUMENT: dict[str, Any] = {
    "kind": "List",
    "items": [
        {"kind": "None", "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "one"}},
         "status": {"capacity": {"cpu": "4"}, "ready": True}},
        {"kind": "None", "metadata": {"name": "127.0.0.2"}, "status": {"capacity": {"cpu": "8"}, "count": 3}},
    ],
    "users": [{"name": "myself", "user": {}}, {"name": "e2e", "user": {"username": "admin", "password": "secret"}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain text", "plain text"),
        ("kind is {.kind}", "kind is List"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{$.items[0].metadata.name}", "127.0.0.1"),
        ("{.items[-1].metadata.name}", "127.0.0.2"),
        ("{.items[0:1].metadata.name}", "127.0.0.1"),
        ("{.items[:].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ('{.users[?(@.name=="e2e")].user.password}', "secret"),
        ("{.users[?(@.name!='e2e')].name}", "myself"),
        ("{.items[?(@.status.count)].metadata.name}", "127.0.0.2"),
        ("{.items[?(@.status.count>2)].metadata.name}", "127.0.0.2"),
        ("{.items[?(@.status.ready==true)].metadata.name}", "127.0.0.1"),
        ("{.items[*]['metadata.name', 'kind']}", "None None"),
        ("{.items[*].metadata['name']}", "127.0.0.1 127.0.0.2"),
        ("{.items[0].metadata.labels.kubernetes\\.io/hostname}", "one"),
        ("{.items[0].metadata.labels['kubernetes.io/hostname']}", "one"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.status.capacity.cpu}{"\\n"}{end}', "127.0.0.1\t4\n127.0.0.2\t8\n"),
        ("{range .items[*]}[{range .status.capacity}{.cpu}{end}]{end}", "[4][8]"),
        ("{.items[0].status.capacity}", '{"cpu":"4"}'),
        ("{.items[0].status.ready} {.items[1].status.count}", "true 3"),
        ("{.nothing.at.all}", ""),
        ("{.items[*].metadata.name}{'\\n'}", "127.0.0.1 127.0.0.2\n"),
        ("{.kind .items[0].kind}", "ListNone"),
    ],
)
def test_templates_print_what_kubectl_prints(template: str, text: str) -> None:
    assert Template(template).render(DOCUMENT) == text


@pytest.mark.parametrize("template", ["{.items[", "{range .items[*]}", "{.items[x]}", "{end}", '{"open}', "{.a..}"])
def test_templates_that_cannot_be_read_are_refused(template: str) -> None:
    with pytest.raises(JsonPathError):
        Template(template).render(DOCUMENT)


def test_an_index_beyond_the_end_is_an_error() -> None:
    with pytest.raises(JsonPathError, match="array index out of bounds: index 5, length 2"):
        Template("{.items[5].kind}").render(DOCUMENT)


def test_single_expressions_need_neither_braces_nor_dot() -> None:
    assert find("kind", DOCUMENT) == find(".kind", DOCUMENT) == find("{.kind}", DOCUMENT) == ["List"]
