"""What the parts of the Linux runtime hand each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube_lite.node.runtime import Mount


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about how to run it."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Rootfs:
    """What a container's root is made of: read-only layers, top first, absolute; and host paths bound over them."""

    layers: Sequence[str]
    binds: Sequence[Mount]
    config: ImageConfig
    image_id: str
