"""Capability sets as numbers."""

from __future__ import annotations

import pytest

from kube_lite.node.linux import capabilities as caps


def test_default_is_dockers_without_raw_sockets_and_device_nodes() -> None:
    assert caps.DEFAULT == 0xA00405FB
    assert not caps.DEFAULT & caps.mask(["NET_RAW", "MKNOD", "SYS_ADMIN"])


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ([], [], caps.DEFAULT),
        (["net_raw"], [], caps.DEFAULT | 1 << 13),
        (["CAP_NET_RAW"], ["NET_RAW"], caps.DEFAULT | 1 << 13),
        ([], ["ALL"], 0),
        (["KILL"], ["ALL"], 1 << 5),
        (["ALL"], ["SYS_ADMIN"], caps.ALL & ~(1 << 21)),
        (["ALL"], [], caps.ALL),
    ],
)
def test_add_and_drop(add: list[str], drop: list[str], expected: int) -> None:
    assert caps.effective(add, drop) == expected


def test_privileged_has_all() -> None:
    assert caps.effective([], ["ALL"], privileged=True) == caps.ALL


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match='unknown capability "FLY"'):
        caps.effective(["FLY"], [])
