"""A Debian kernel under qemu, with cgroup v2 only, whose root is this machine's, read-only, under a tmpfs.

The machine at hand decides which cgroup version it has; a guest brings its own kernel. Software emulation (TCG) is
enough and needs no /dev/kvm. The root is shared over 9p: the same Python, packages and working copy at the same
paths, nothing to install or to build, and nothing that the guest writes reaches the host. It has no network card.

The kernel comes from Debian's archive (``apt-get download``) and is unpacked into a cache, never installed. Run by
hand: ``python -m tests.vm.guest COMMAND ...``.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.running import REPOSITORY

CACHE = REPOSITORY / ".cache" / "vm"
QEMU = "qemu-system-x86_64"
MEMORY = 2048
"""MiB of the guest."""

_NEEDED = (
    "crc32c_generic",
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "veth",
    "bridge",
    "nf_conntrack_netlink",
    "nf_nat",
    "nf_tables",
)
_NEEDED_PATTERNS = ("net/netfilter/nft_*.ko", "net/ipv4/netfilter/nft_*.ko", "net/ipv6/netfilter/nft_*.ko")
_EXIT = re.compile(rb"^kube-lite-guest: exit (\d+)\r?$", re.M)

_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module.ko" || echo "kube-lite-guest: $module"; done < /modules/order
mount -t tmpfs -o size=75%,mode=755 writable /writable
mkdir -p /writable/upper /writable/work
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host
mount -t overlay -o lowerdir=/host,upperdir=/writable/upper,workdir=/writable/work overlay /root
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/pts /root/dev/shm /root/dev/mqueue /root/guest
mount -t devpts devpts /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t tmpfs -o size=75%,mode=755 tmpfs /root/guest
cp /bin/busybox /command /run-command /root/run/
umount /proc /sys /dev
exec switch_root /root /run/run-command
"""

_RUN = """\
#!/run/busybox sh
/run/busybox ip link set lo up
/run/busybox hostname kl-guest
/run/busybox dmesg -n 1
/run/busybox setsid /run/busybox sh /run/command < /dev/null
echo "kube-lite-guest: exit $?"
/run/busybox poweroff -f
"""


class Unavailable(Exception):
    """Raised when this machine cannot have a guest; says why."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its image, its modules, and a static busybox for the initial root."""

    image: Path
    modules: Path
    busybox: Path


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def prepare() -> Kernel:
    """Have qemu and an unpacked kernel here. :raises Unavailable: not on this machine"""
    if os.uname().machine != "x86_64":
        raise Unavailable(f"no kernel for {os.uname().machine} is known here")
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unavailable(f"needs {program} for the kernel and qemu packages of Debian")
    if shutil.which(QEMU) is None:
        if os.geteuid() != 0:
            raise Unavailable("needs the Debian package qemu-system-x86")
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "qemu-system-x86")
    tree = CACHE / "tree"
    if not tree.is_dir():
        _fetch(tree)
    [image] = (tree / "boot").glob("vmlinuz-*")
    modules = next(path for path in (tree / "usr/lib/modules", tree / "lib/modules") if path.is_dir())
    busybox = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.is_file())
    return Kernel(image, modules, busybox)


def _fetch(tree: Path) -> None:
    """Download the packages and unpack them; only what is complete gets the name ``tree``."""
    depends = _run("apt-cache", "depends", "linux-image-amd64")
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise Unavailable("no package linux-image-amd64 in the archive")
    downloads, building = CACHE / "packages", CACHE / "tree.new"
    for directory in (downloads, building):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    _run("apt-get", "download", "-qq", found[1], "busybox-static", cwd=downloads)
    for package in downloads.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(building))
    shutil.rmtree(downloads)
    building.rename(tree)


def _dependencies(module: Path) -> list[str]:
    """Modules that one needs, from its ``.modinfo`` section."""
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return found[1].decode().split(",") if found and found[1] else []


def load_order(directory: Path) -> list[Path]:
    """The modules that the guest needs, each after those it depends on."""
    files = {path.stem.replace("-", "_"): path for path in directory.rglob("*.ko")}
    chosen = [*_NEEDED, *sorted(path.stem for pattern in _NEEDED_PATTERNS for path in directory.rglob(pattern))]
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in order or name not in files:  # not there: built into the kernel
            return
        for needed in _dependencies(files[name]):
            add(needed)
        order[name] = files[name]

    for name in chosen:
        add(name)
    return list(order.values())


def cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """An archive in the "newc" format that the kernel unpacks (initramfs buffer format): path, mode, content."""
    parts = []
    for number, (path, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        parts += [header, b"\0" * (-len(header) % 4), content, b"\0" * (-len(content) % 4)]
    return b"".join(parts)


def initial_root(kernel: Kernel, script: str) -> bytes:
    """The compressed archive that the guest boots from; it ends in running ``script`` in the host's root."""
    modules = load_order(kernel.modules)
    order = "".join(f"{path.stem}\n" for path in modules)
    directories = ("bin", "modules", "proc", "sys", "dev", "host", "writable", "root")
    entries = [(name, 0o40755, b"") for name in directories]
    entries += [(f"modules/{path.name}", 0o100644, path.read_bytes()) for path in modules]
    entries += [
        ("modules/order", 0o100644, order.encode()),
        ("bin/busybox", 0o100755, kernel.busybox.read_bytes()),
        ("init", 0o100755, _INIT.encode()),
        ("run-command", 0o100755, _RUN.encode()),
        ("command", 0o100644, script.encode()),
    ]
    return gzip.compress(cpio(entries), compresslevel=1)


def run(command: Sequence[str], directory: Path, *, limit: float) -> tuple[int, str]:
    """Run a command in a guest; its exit code and everything the console showed.

    :param directory: where the console's text and the initial root are written, on the host
    :param limit: seconds after which the guest is ended
    :raises Unavailable: there can be no guest here
    :raises AssertionError: the guest did not come to the end of the command
    """
    kernel = prepare()
    python = Path(sys.executable).parent
    script = "\n".join(
        (
            f"export PATH={python}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"export PYTHONPATH={REPOSITORY} TMPDIR=/guest HOME=/guest LANG=C.UTF-8",
            f"cd {shlex.quote(str(REPOSITORY))}",
            shlex.join(command),
        )
    )
    initrd, console = directory / "initrd.gz", directory / "console"
    initrd.write_bytes(initial_root(kernel, script))
    arguments = [QEMU, "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off", "-smp", "2"]
    arguments += ["-m", str(MEMORY), "-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"]
    arguments += ["-serial", f"file:{console}", "-kernel", str(kernel.image), "-initrd", str(initrd)]
    arguments += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on"]
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    arguments += ["-virtfs", share]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL) as guest:
        try:
            guest.wait(limit)
        except subprocess.TimeoutExpired:
            guest.kill()
    shown = console.read_bytes() if console.exists() else b""
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    found = _EXIT.search(shown)
    if found is None:
        raise AssertionError(f"the guest did not finish within {limit:.0f} s:\n{text[-20_000:]}")
    return int(found[1]), text


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="kl-guest-") as own:
        ended, said = run(sys.argv[1:], Path(own), limit=3600)
    print(said)
    sys.exit(ended)
