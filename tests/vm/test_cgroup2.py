"""cgroup v2 in a virtual machine, whatever this machine has: the tests of tests/linux that turn on it, and a whole
``kube-lite up`` story. Two to four minutes of software emulation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.vm import guest

TESTS = (
    "tests/linux/test_cgroup2.py",
    "tests/linux/test_devices.py",
    "tests/linux/test_cgroups.py",
    "tests/linux/test_limits.py",
    "tests/linux/test_namespaces.py",
    "tests/e2e/test_cgroup2.py",
)
BOOT_LIMIT, LIMIT = 300.0, 1800.0
"""Seconds until the guest is given up; it boots in 10 on an idle machine."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(LIMIT + BOOT_LIMIT)]


@pytest.fixture(scope="module", autouse=True)
def _available() -> None:
    try:
        guest.prepare()
    except guest.Unavailable as why:
        pytest.skip(f"no virtual machine here: {why}")


def test_a_guest_has_cgroup_v2_only_and_cannot_write_to_the_host(tmp_path: Path) -> None:
    marker = Path("/etc/kl-guest-was-here")
    script = f"grep cgroup /proc/self/mountinfo; cat /sys/fs/cgroup/cgroup.controllers; touch {marker}; exit 7"
    code, shown = guest.run(["sh", "-c", script], tmp_path, limit=BOOT_LIMIT)
    assert code == 7, shown
    assert re.search(r" - cgroup2 .*\n(?!.* - cgroup )", shown), shown
    assert re.search(r"^cpuset cpu io memory", shown, re.M), shown
    assert not marker.exists()


def test_limits_hold_and_a_deployment_runs_on_cgroup_v2(tmp_path: Path) -> None:
    command = ["python", "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--basetemp=/guest/pytest"]
    command += ["--timeout=900", "-rs", *TESTS]
    code, shown = guest.run(command, tmp_path, limit=LIMIT)
    assert code == 0, shown
    assert re.search(r"^\d+ passed in ", shown, re.M), f"nothing may be skipped:\n{shown}"
