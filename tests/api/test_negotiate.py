"""Which form an answer takes, from the Accept header."""

from __future__ import annotations

import pytest

from kube_lite.api.negotiate import Form, negotiate
from kube_lite.errors import NotAcceptable

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


PARTIAL = "PartialObjectMetadata"
PARTIAL_PROTOBUF = f"application/vnd.kubernetes.protobuf;as={PARTIAL};g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/json, */*", Form()),
        ("application/yaml", Form("application/yaml")),
        ("text/html, application/json;q=0.5", Form()),
        (KUBECTL_GET, Form(as_="Table")),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Form(as_="PartialObjectMetadataList")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Form()),
        ("application/json;as=;g=;v=", Form()),
        ("application/vnd.kubernetes.protobuf,application/json", Form()),
        ("application/vnd.kubernetes.protobuf", Form("application/vnd.kubernetes.protobuf")),
        (f"{PARTIAL_PROTOBUF},{PARTIAL_PROTOBUF.replace('vnd.kubernetes.protobuf', 'json')}", Form(as_=PARTIAL)),
        (PARTIAL_PROTOBUF, Form("application/vnd.kubernetes.protobuf", PARTIAL)),
    ],
)
def test_the_best_form_that_can_be_given_is_chosen(accept: str, expected: Form) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json;as=Nope;v=v1;g=meta.k8s.io",
        "image/*",
        "application/json;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1",
    ],
)
def test_nothing_that_can_be_given_is_an_error(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accept)


def test_a_path_without_tables_falls_back_to_the_object() -> None:
    assert negotiate(KUBECTL_GET, table=False) == Form()
