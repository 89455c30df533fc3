"""Describing objects: a page of text per kind, laid out as kubectl lays it out."""

from __future__ import annotations

from collections.abc import Callable

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.describe.text import Page


def describe(api: Api, obj: Obj) -> str:
    """The page on ``obj``, which must carry its apiVersion and kind."""
    page = Page(api, obj)
    _describer(obj)(page)
    return page.text()


def _describer(obj: Obj) -> Callable[[Page], None]:
    kind = (obj.get("apiVersion"), obj.get("kind"))
    if kind == ("v1", "Pod"):
        from kube_lite.cli.describe.pods import describe_pod

        return describe_pod
    if kind == ("v1", "Node"):
        from kube_lite.cli.describe.nodes import describe_node

        return describe_node
    if kind[0] == "apps/v1":
        from kube_lite.cli.describe.workloads import DESCRIBERS as WORKLOADS

        if kind[1] in WORKLOADS:
            return WORKLOADS[str(kind[1])]
    from kube_lite.cli.describe.others import DESCRIBERS, describe_generic

    return DESCRIBERS.get(kind, describe_generic)
