"""From a fresh clone of the zygote to the container's program: the story of a start, in order.

The process joins its cgroups, enters the pod's namespaces, builds its root and leaves the host's, gives up what it
may not keep, and executes. Each step makes the next one safe: sources are opened before the host's root goes, no
descriptor of the host is left before the working directory is entered, the filter is loaded while the privilege
to load it is still there. Nothing is imported after the root has changed, or it would come from the container.

Success is :data:`READY` on the status socket and then its end, by the exec; a failure is a JSON object on it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import struct
import termios
from typing import NoReturn

from kube_lite.node.linux import capabilities, masks, mounts, overlay, seccomp, syscalls, users
from kube_lite.node.linux.plan import ContainerPlan, MountPlan, ProcessPlan

_STATUS_FD = 3
READY = b"ready"
"""Said on the status socket just before the exec: a socket that closes without it means a child that was killed."""

_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441


START_FAILED = 128
"""Exit code of a container whose program could not be executed, as containerd reports it (``StartError``)."""


class ExecFailure(Exception):
    """The program itself is at fault: not there, not executable. ``code`` is the shell's 127 or 126."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_container(plan: ContainerPlan, stdio: tuple[int, int, int], status: int) -> NoReturn:
    """Become the container. Called in a child born in the right pid namespace and a mount namespace of its own."""
    try:
        _settle(stdio, status)
        join_cgroups(plan["cgroup_version"], plan["cgroups"])
        for kind in ("net", "ipc", "uts"):
            if kind in plan["namespaces"]:
                _enter(plan["namespaces"][kind])
        user = os.open(plan["namespaces"]["user"], os.O_RDONLY | os.O_CLOEXEC) if plan["id_base"] else -1
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
        _build_root(plan, user)
        _become(plan["process"], privileged=plan["privileged"], make_cwd=True, user=user, id_base=plan["id_base"])
    except BaseException as error:  # whatever it is, the zygote must hear of it, and this process must not go on
        _report(error)


def run_exec(
    process: ProcessPlan,
    container_pidfd: int,
    cgroups: tuple[int, dict[str, str]],
    stdio: tuple[int, int, int],
    status: int,
    id_base: int = 0,
) -> NoReturn:
    """Become one more process of a running container. Called in a child born in its pid namespace."""
    try:
        _settle(stdio, status, container_pidfd)
        join_cgroups(*cgroups)
        kinds = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
        syscalls.setns(_STATUS_FD + 1, kinds | syscalls.CLONE_NEWCGROUP)
        os.chdir("/")
        # What belongs to the host's root is entered first, with its power; then that is given up.
        user = _STATUS_FD + 1 if id_base else -1
        if not id_base:
            os.close(_STATUS_FD + 1)
        _become(process, privileged=not process["seccomp"], make_cwd=False, user=user, id_base=id_base)
    except BaseException as error:  # as above
        _report(error)


def join_cgroups(version: int, directories: dict[str, str]) -> None:
    """Move the calling, single-threaded process into the groups.

    On v1 through ``tasks``, which moves a thread: 0.35 ms for seven hierarchies, where ``cgroup.procs`` takes 10.
    """
    for directory in directories.values():
        fd = os.open(f"{directory}/{'tasks' if version == 1 else 'cgroup.procs'}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"0")
        finally:
            os.close(fd)


def _settle(stdio: tuple[int, int, int], *kept: int) -> None:
    """Standard streams on 0 to 2, the kept descriptors from 3, all others of the zygote closed, signals as new."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16) for fd in (*stdio, *kept)]
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=number < _STATUS_FD)
    syscalls.close_range(len(high))
    os.setsid()
    syscalls.reset_signals()
    syscalls.set_parent_death_signal(signal.SIGKILL)
    os.umask(0o022)


def _enter(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd)
    finally:
        os.close(fd)


def _build_root(plan: ContainerPlan, user: int) -> None:
    sources = [mounts.open_source(bind, user) for bind in plan["mounts"]]
    shm = MountPlan(source=plan["shm"], target="/dev/shm", read_only=False, propagation="None")
    shm_fd = mounts.open_source(shm)
    devices = mounts.host_devices() if plan["privileged"] else {}
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_SLAVE)
    overlay.mount_root(plan["directory"], plan["layers"], plan["mount_point"], user, plan["id_base"])
    os.chdir(plan["mount_point"])
    syscalls.pivot_root_here()
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mounts.mount_proc_and_sys(root, privileged=plan["privileged"])
    mounts.mount_dev(root, shm_fd, devices, plan["id_base"])
    mounts.mount_cgroups(plan["cgroup_version"], plan["cgroups"], privileged=plan["privileged"])
    mounts.attach_binds(root, plan["mounts"], sources)
    os.close(root)
    if not plan["privileged"]:
        masks.apply()
    if plan["read_only_root"]:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        _ensure_directory(root, plan["process"]["cwd"])
        syscalls.mount_setattr(root, set_flags=syscalls.MOUNT_ATTR_RDONLY)
        os.close(root)


def _ensure_directory(root_fd: int, path: str) -> None:
    """Create the working directory when the image does not have it."""
    if path.strip("/"):
        os.close(mounts.open_target(root_fd, path, directory=True))


def _become(process: ProcessPlan, *, privileged: bool, make_cwd: bool, user: int = -1, id_base: int = 0) -> NoReturn:
    """Give up privileges and execute.

    :param user: descriptor of a user namespace to enter, whose id 0 is the host's ``id_base``, or -1
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    who = users.resolve(root, process["user"], tuple(process["groups"]))
    cwd = process["cwd"].lstrip("/") or "."
    try:
        inside = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
        cwd_fd = syscalls.openat2(root, cwd, os.O_PATH | os.O_DIRECTORY, 0, inside)
    except FileNotFoundError:
        if not make_cwd:
            raise
        cwd_fd = mounts.open_target(root, cwd, directory=True)
        os.chown(f"/proc/self/fd/{cwd_fd}", id_base, id_base)
    os.fchdir(cwd_fd)
    os.close(cwd_fd)
    os.close(root)
    _own_streams(who, id_base)
    if user >= 0:  # from here on all capabilities count in there only
        syscalls.setns(user, syscalls.CLONE_NEWUSER)
        os.close(user)
    syscalls.new_session_keyring()
    permitted = capabilities.available(process["capabilities"])
    capabilities.limit_bounding(permitted)
    if process["no_new_privileges"]:
        syscalls.set_no_new_privileges()
    if process["seccomp"] and not privileged:
        syscalls.load_seccomp(seccomp.program(process["capabilities"]))
    os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    capabilities.apply(permitted if who.uid == 0 else 0)
    # Changing ids cleared it.
    syscalls.set_parent_death_signal(signal.SIGKILL)
    env = dict(entry.split("=", 1) for entry in process["env"])
    env.setdefault("HOME", who.home)
    program = find_program(process["argv"][0], env.get("PATH", ""))
    _tell_ready(open_terminal() if process["tty"] else -1)
    try:
        os.execve(program, process["argv"], env)
    except OSError as error:
        raise ExecFailure(f"exec {program}: {os.strerror(error.errno or 0).lower()}", 126) from None


def _own_streams(who: users.Identity, id_base: int) -> None:
    """Give the standard streams to the user, who could otherwise not open /dev/stdout, as a log file may link to."""
    for fd in range(_STATUS_FD):
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, id_base + who.uid, id_base + who.gid)


def open_terminal() -> int:
    """Make a terminal of the container's own pts instance this process's controlling one, and its standard streams.

    :returns: the master's end, for the zygote
    """
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    terminal = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    for number in range(_STATUS_FD):
        os.dup2(terminal, number)
    os.close(terminal)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    return master


def _tell_ready(master: int) -> None:
    status = socket.socket(fileno=_STATUS_FD)
    socket.send_fds(status, [READY], [master] if master >= 0 else [])
    status.detach()
    if master >= 0:
        os.close(master)


def find_program(name: str, path: str) -> str:
    """The file that ``name`` means, looked up as Go's ``exec.LookPath`` does, with its messages.

    :raises ExecFailure: it does not exist (127) or cannot be executed (126)
    """
    if "/" in name:
        try:
            mode = os.stat(name).st_mode
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise ExecFailure(f'exec: "{name}": stat {name}: {why}', 127) from None
        if stat.S_ISDIR(mode):
            raise ExecFailure(f'exec: "{name}": is a directory', 126)
        if not mode & 0o111:
            raise ExecFailure(f'exec: "{name}": permission denied', 126)
        return name
    for directory in path.split(":"):
        candidate = os.path.join(directory or ".", name)
        try:
            mode = os.stat(candidate).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return candidate
    raise ExecFailure(f'exec: "{name}": executable file not found in $PATH', 127)


def _report(error: BaseException) -> NoReturn:
    code = error.code if isinstance(error, ExecFailure) else 0
    if isinstance(error, OSError):
        about = f"{error.filename}: " if error.filename else ""
        text = f"{about}{error.strerror or error}"
    else:
        text = str(error) or type(error).__name__
    try:
        with socket.socket(fileno=_STATUS_FD) as status:
            status.send(json.dumps({"message": text, "code": code}).encode()[:60_000])
    finally:
        os._exit(START_FAILED)
