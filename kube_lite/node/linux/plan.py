"""What the executor tells the zygote: plain JSON, everything decided, nothing left to look up.

The executor turns pod and container specs and an image into a plan (``spec.py``); the zygote and the process that
becomes the container (``init.py``) only carry it out. TypedDicts, so that a plan is checked by mypy and is JSON
without conversion, and so that the zygote need not import the executor's world.
"""

from __future__ import annotations

from typing import TypedDict


class MountPlan(TypedDict):
    """One bind: a path of the host, where it appears, and how."""

    source: str
    target: str
    read_only: bool
    propagation: str


class ProcessPlan(TypedDict):
    """The program of a container, or of an exec in it.

    ``user`` is ``name``, ``uid``, ``name:group`` or ``uid:gid``, resolved in the container's own files. Each entry
    of ``env`` is ``NAME=value``. ``capabilities`` is a bit mask.
    """

    argv: list[str]
    env: list[str]
    cwd: str
    user: str
    groups: list[int]
    capabilities: int
    no_new_privileges: bool
    seccomp: bool
    tty: bool


class ContainerPlan(TypedDict):
    """One start of one container.

    ``namespaces`` maps ``net``, ``ipc``, ``uts`` and, when shared, ``pid`` to files to enter; a missing one is the
    host's, but for pid, where it is a new one, unless ``host_pid``. ``id_base`` is the host's id for the
    container's root when there is a user namespace to enter, ``user``, else 0. ``cgroups`` maps
    the name of a v1 hierarchy (``cpu,cpuacct``), or the empty string for v2, to the directory to be in.
    """

    id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    image_id: str
    image_ref: str
    directory: str
    mount_point: str
    record: str
    log_path: str
    layers: list[str]
    mounts: list[MountPlan]
    shm: str
    namespaces: dict[str, str]
    host_pid: bool
    id_base: int
    cgroup_version: int
    cgroups: dict[str, str]
    process: ProcessPlan
    privileged: bool
    read_only_root: bool
    stdin: bool
    stop_signal: int


class SandboxPlan(TypedDict):
    """Namespaces to make and pin; ``namespaces`` maps a kind to the file that it is to be pinned on.

    ``id_base`` is the host's id for id 0 of a user namespace, 0 for none.
    """

    pod_uid: str
    hostname: str
    namespaces: dict[str, str]
    shm: str
    sysctls: dict[str, str]
    pause: bool
    id_base: int
    cgroup_version: int
    cgroups: dict[str, str]


class Record(TypedDict, total=False):
    """The file that outlives everybody: what was started and how it ended. Times are ISO 8601 in UTC.

    ``start_ticks`` is the process's start time in ``/proc/PID/stat``: with it a pid names one process only.
    """

    id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    image_id: str
    image_ref: str
    log_path: str
    phase: str
    pid: int
    start_ticks: int
    boot_id: str
    created_at: str
    started_at: str
    finished_at: str
    exit_code: int
    signal: int
    oom_killed: bool
    reason: str
    message: str
