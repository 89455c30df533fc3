"""Ways out of a container, as a table: each must fail in a default container and, where it is cheap and harmless
to show, succeed in a privileged one, or the probe proves nothing.

A probe is a Python snippet run as root in the container; it prints ``OUT`` when it got through. ``call(nr, ...)``
makes a raw system call and raises OSError.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube_lite.node.linux import syscalls
from kube_lite.node.linux.cgroups import Cgroups
from kube_lite.node.runtime import Mount, RuntimeFailure, Security
from tests.linux.node import Node

pytestmark = [pytest.mark.anyio, pytest.mark.root]

_PRELUDE = """
import ctypes, os, socket, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def mount(source, target, fstype, flags=0, data=None):
    if libc.mount(source, target, fstype, ctypes.c_ulong(flags), data) < 0:
        raise OSError(ctypes.get_errno(), "mount")
def unshare(flags):
    if libc.unshare(flags) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
def writable(path):
    os.close(os.open(path, os.O_WRONLY))
def content(path):
    assert open(path, "rb").read(1), "empty"
try:
%s
    print("OUT")
except (OSError, AssertionError) as error:
    print("blocked:", error)
"""


@dataclass(frozen=True)
class Probe:
    """``code`` gets out if it does not raise; ``control`` says whether a privileged container can do it here."""

    name: str
    code: str
    control: bool = True


_X32 = 0x40000000
V2 = Cgroups.detect("kl").version == 2

PROBES = [
    Probe("1 core_pattern", "writable('/proc/sys/kernel/core_pattern')"),
    Probe("2 load a module", "call(313, 0, b'', 0)", control=False),
    Probe("3 vm sysctls", "writable('/proc/sys/vm/overcommit_memory')"),
    Probe("4 sysrq-trigger", "writable('/proc/sysrq-trigger')", control=False),
    Probe("5 kcore", "content('/proc/kcore')", control=False),
    Probe("6 keys", "content('/proc/keys')", control=False),
    Probe("7 timer_list", "content('/proc/timer_list')"),
    Probe("7b interrupts", "content('/proc/interrupts')"),
    Probe("8 firmware", "assert os.listdir('/sys/firmware')", control=False),
    Probe("9 sysfs", "writable('/sys/kernel/mm/transparent_hugepage/enabled')", control=False),
    Probe("9b sysfs file", "os.chmod('/sys/kernel', 0o755)"),
    Probe("10 debugfs", "assert os.listdir('/sys/kernel/debug')", control=False),
    Probe("11 acpi", "assert os.listdir('/proc/acpi')", control=False),
    Probe("12 irq", "writable('/proc/irq/default_smp_affinity')"),
    Probe("13 remount proc", "mount(b'', b'/proc/sys', b'', 4096 | 32)", control=False),
    Probe("14 user namespace", "unshare(0x10000000)"),
    Probe("14b user namespace by clone", "pid = call(56, 0x10000011, 0, 0, 0, 0)\n    os._exit(0) if pid == 0 else 0"),
    Probe("15 mknod block", "os.mknod('/dev/hd', stat.S_IFBLK | 0o600, os.makedev(254, 0))"),
    Probe("15b mknod char", "os.mknod('/tmp/mem', stat.S_IFCHR | 0o600, os.makedev(1, 1))"),
    Probe("16 host disk", "os.close(os.open('/dev/vda', os.O_RDONLY))", control=False),
    Probe("16b kmsg", "os.close(os.open('/dev/kmsg', os.O_RDONLY))"),
    Probe("17 device cgroup", "writable('/sys/fs/cgroup/devices/devices.allow')", control=not V2),
    Probe("19 TIOCSTI", "import fcntl, pty\n    m, s = pty.openpty()\n    fcntl.ioctl(s, 0x5412, b'x')", control=False),
    Probe("20 mount tmpfs", "mount(b'x', b'/tmp', b'tmpfs')"),
    Probe("20b bind", "mount(b'/etc', b'/tmp', b'', 4096)"),
    Probe("21 fsopen", "call(430, b'tmpfs', 0)"),
    Probe("21b open_tree", "call(428, -100, b'/', 1)"),
    Probe("22 pivot_root", "call(155, b'/tmp', b'/tmp')", control=False),
    Probe(
        "24 umount a mask",
        "assert libc.umount2(b'/proc/timer_list', 2) == 0 and open('/proc/timer_list').read(1)",
        False,
    ),
    Probe("29 root of pid 1", "assert os.path.exists('/proc/1/root/proc/1/root/work')", control=False),
    Probe("30 open_by_handle_at", "call(304, -100, b'\\0' * 32, 0)", control=False),
    Probe("31 descriptors", "assert set(os.listdir('/proc/self/fd')) - {'0', '1', '2', '3'}", control=False),
    Probe("34 see host processes", "assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 1", control=False),
    Probe("34b ptrace the first process's parent", "assert os.getppid() != 0", control=False),
    Probe("37 setns", "call(308, os.open('/proc/self/ns/net', 0), 0)"),
    Probe("38 unshare mounts", "unshare(0x20000)"),
    Probe("38b unshare pid", "unshare(0x20000000)"),
    Probe("39 clone3 with flags", "call(435, b'\\0' * 88, 88)", control=False),
    Probe("43 cgroupfs", f"os.mkdir('/sys/fs/cgroup/{'' if V2 else 'memory/'}x')"),
    Probe("44 release_agent", "mount(b'c', b'/tmp', b'cgroup', 0, b'memory')", control=not V2),
    Probe("46 raise own limit", "open('/sys/fs/cgroup/pids/pids.max', 'w').write('max')", control=False),
    Probe("48 add_key", "call(248, b'user', b'k', b'v', 1, -3)"),
    Probe("48b keyctl", "call(250, 0, -3, 1)"),
    Probe("48c request_key", "call(249, b'user', b'k', 0, 0)", control=False),
    Probe("49 bpf", "call(321, 0, ctypes.create_string_buffer(__import__('struct').pack('4I', 2, 4, 4, 1), 128), 128)"),
    Probe("50 perf_event_open", "call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)", control=False),
    Probe("51 userfaultfd", "call(323, 0)"),
    Probe("52 io_uring", "call(425, 1, ctypes.create_string_buffer(120))"),
    Probe("53 kexec", "call(246, 0, 0, 0, 0)", control=False),
    Probe("54 reboot", "call(169, 0, 0, 0, 0)", control=False),
    Probe("55 settimeofday", "call(164, 0, 0)"),
    Probe("56 swapon", "call(167, b'/tmp', 0)", control=False),
    Probe("56b acct", "call(163, 0)", control=False),
    Probe("57 x32 round the filter", f"call({_X32 | 165}, b'x', b'/tmp', b'tmpfs', 0, 0)", control=False),
    Probe("57b personality", "call(135, 0x0040000)"),
    Probe("59 raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    Probe("59b packet socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    Probe("59c vsock", "socket.socket(40, socket.SOCK_STREAM)", control=False),
    Probe("sethostname", "socket.sethostname('x')"),
    Probe("syslog", "call(103, 3, ctypes.create_string_buffer(64), 64)"),
]
X86_ONLY = pytest.mark.skipif(syscalls.MACHINE != "x86_64", reason="the numbers are those of x86_64")


@X86_ONLY
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
async def test_probe_is_blocked(node: Node, probe: Probe) -> None:
    ended = await node.python(_PRELUDE % ("    " + probe.code))
    assert ended.output.startswith("blocked:"), ended.output


@X86_ONLY
@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.control], ids=lambda probe: probe.name)
async def test_probe_gets_through_when_privileged(node: Node, probe: Probe) -> None:
    ended = await node.python(_PRELUDE % ("    " + probe.code), security=Security(privileged=True))
    assert ended.output == "OUT\n", ended.output


async def test_probes_of_an_ordinary_user_fail_too(node: Node) -> None:
    code = "\n".join(
        f"try:\n    {probe.code}\n    print('OUT', {probe.name!r})\nexcept (OSError, AssertionError): pass"
        for probe in PROBES
        if "\n" not in probe.code
    )
    ended = await node.python(_PRELUDE.partition("try:")[0] + code, security=Security(user=1000))
    assert ended.output == ""


async def test_capabilities_are_the_default_set_and_adjustable(node: Node) -> None:
    async def effective(**security: object) -> int:
        script = "cat /proc/self/status | grep CapEff | cut -f2"
        ended = await node.sh(script, security=Security(**security))  # type: ignore[arg-type]
        return int(ended.output, 16)

    default = 0xA00405FB
    assert await effective() == default
    assert await effective(capabilities_drop=["ALL"]) == 0
    assert await effective(capabilities_drop=["ALL"], capabilities_add=["NET_BIND_SERVICE"]) == 1 << 10
    assert await effective(capabilities_add=["CAP_NET_RAW"]) == default | 1 << 13
    assert await effective(user=1000) == 0


async def test_added_capability_opens_what_it_stands_for(node: Node) -> None:
    raw = "    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"
    assert (await node.python(_PRELUDE % raw, security=Security(capabilities_add=["NET_RAW"]))).output == "OUT\n"
    mount = "    mount(b'x', b'/tmp', b'tmpfs')"
    assert (await node.python(_PRELUDE % mount, security=Security(capabilities_add=["SYS_ADMIN"]))).output == "OUT\n"


async def test_unknown_capability_is_refused(node: Node) -> None:
    with pytest.raises(RuntimeFailure, match='unknown capability "FLY"'):
        await node.run(["true"], security=Security(capabilities_add=["FLY"]))


async def test_setuid_program_gains_nothing_under_no_new_privileges(node: Node, tmp_path: Path) -> None:
    shutil.copy("/usr/bin/id", tmp_path)
    os.chmod(tmp_path / "id", 0o4755)
    os.chmod(tmp_path, 0o755)
    mounts = [Mount(str(tmp_path), "/set")]
    kept = await node.run(["/set/id", "-u"], mounts=mounts, security=Security(user=1000))
    gained = await node.run(["/set/id", "-u"], mounts=mounts, security=Security(user=1000, no_new_privileges=False))
    assert (kept.output, gained.output) == ("1000\n", "0\n")


async def test_filter_holds_without_no_new_privileges(node: Node) -> None:
    security = Security(user=1000, no_new_privileges=False)
    ended = await node.sh("cat /proc/self/status | grep -E '^(Seccomp|NoNewPrivs):' | cut -f2", security=security)
    assert ended.output == "0\n2\n"


@pytest.mark.parametrize("name", ["proc", "sys", "dev", "etc"])
async def test_image_cannot_redirect_our_mounts(own_node: Node, name: str) -> None:
    layer = own_node.images.layer
    outside = own_node.directory / "outside"
    outside.mkdir()
    if name == "etc":
        for entry in layer.joinpath("etc").iterdir():
            entry.unlink()
        layer.joinpath("etc").rmdir()
    layer.joinpath(name).symlink_to(outside)
    ended = await own_node.sh(f"test -d /{name} && test ! -L /{name} && echo ordinary", security=Security(user=7))
    assert ended.output == "ordinary\n"
    assert list(outside.iterdir()) == []


async def test_mount_target_through_a_link_stays_inside(own_node: Node, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    own_node.images.layer.joinpath("trap").symlink_to("../../../../" + str(outside).lstrip("/"))
    (tmp_path / "source").mkdir()
    mounts = [Mount(str(tmp_path / "source"), "/trap/in")]
    with pytest.raises(RuntimeFailure):
        await own_node.run(["true"], mounts=mounts)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/1/cwd/../..", "/proc/self/root/.."])
async def test_working_directory_cannot_lead_outside(node: Node, path: str) -> None:
    try:
        ended = await node.sh("ls -d work 2>/dev/null || echo inside", working_dir=path)
    except RuntimeFailure:
        return
    assert ended.output == "inside\n"


async def test_python_of_the_container_is_not_loaded_before_exec(own_node: Node, tmp_path: Path) -> None:
    # Modules of the standard library's names at the root and on PYTHONPATH would run with the host's rights.
    for name in ("json", "encodings", "os", "ctypes", "pwd", "grp"):
        own_node.images.layer.joinpath(f"{name}.py").write_text("open('/owned', 'w')")
    ended = await own_node.sh("ls /owned 2>/dev/null || echo clean", env={"PYTHONPATH": "/", "LD_PRELOAD": "/x.so"})
    assert ended.output.endswith("clean\n")
