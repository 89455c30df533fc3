"""What stands in for the rest of a node: an image made of the host's own /usr, and a network that is only loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kube_lite.node.keyring import Credential
from kube_lite.node.linux.spec import ImageConfig, Rootfs
from kube_lite.node.runtime import HostPort, ImageState, Mount, RuntimeFailure

PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
"""The interpreter, at the same path inside and outside."""

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nweb:x:33:44::/srv:\n"
_GROUP = "root:x:0:\nstaff:x:50:web\nwww:x:44:\nnogroup:x:65534:\n"


class HostImages:
    """Images whose content is the host's /usr and Python; names map to configurations."""

    def __init__(self, directory: Path, configs: dict[str, ImageConfig] | None = None) -> None:
        self.layer = directory / "image-layer"
        self.configs = {"host": ImageConfig(), **(configs or {})}
        for name in ("usr", "etc", "tmp", "root", "srv", "run", "var"):
            (self.layer / name).mkdir(parents=True, exist_ok=True)
        (self.layer / "tmp").chmod(0o1777)
        directory.chmod(0o755)
        self.layer.chmod(0o755)
        for name in ("bin", "sbin", "lib", "lib64"):
            if not (self.layer / name).is_symlink():
                (self.layer / name).symlink_to(f"usr/{name}")
        step = self.layer
        for part in os.path.dirname(os.path.dirname(PYTHON)).split("/")[1:]:
            step = step / part
            step.mkdir(exist_ok=True)
            step.chmod(0o755)
        (self.layer / "etc/passwd").write_text(_PASSWD)
        (self.layer / "etc/group").write_text(_GROUP)

    async def ensure(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """Known names are present, others cannot be pulled."""
        if image not in self.configs:
            raise RuntimeFailure("ErrImageNeverPull" if policy == "Never" else "ErrImagePull", f"no image {image}")
        return ImageState(f"sha256:{image}", 0, (image,))

    async def rootfs(self, image_id: str) -> Rootfs:
        """The one layer and the two binds."""
        prefix = os.path.dirname(os.path.dirname(PYTHON))
        binds = [Mount("/usr", "/usr", True)]
        if not prefix.startswith("/usr"):
            binds.append(Mount(prefix, prefix, True))
        return Rootfs([str(self.layer)], binds, self.configs[image_id.removeprefix("sha256:")], image_id)


class LoopbackNetwork:
    """Gives every pod the same address and connects none."""

    def __init__(self) -> None:
        self.attached: dict[str, str] = {}

    async def attach(self, pod_uid: str, netns_path: str, host_ports: Sequence[HostPort] = ()) -> str:
        """Only remembers."""
        self.attached[pod_uid] = netns_path
        return "10.99.0.2"

    async def detach(self, pod_uid: str) -> None:
        """Only forgets."""
        self.attached.pop(pod_uid, None)
