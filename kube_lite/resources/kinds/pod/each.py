"""The containers of a pod one after the other, with the path of each, in the order in which upstream visits them."""

from __future__ import annotations

from collections.abc import Iterator

from kube_lite.resources.field import child
from kube_lite.resources.meta import Obj

LISTS = ("initContainers", "containers", "ephemeralContainers")


def each_container(spec: Obj, path: str = "") -> Iterator[tuple[Obj, str]]:
    """Every container of a PodSpec at ``path``."""
    for name in LISTS:
        for i, container in enumerate(spec.get(name) or ()):
            yield container, f"{child(path, name)}[{i}]"
