"""What only one executor may use is refused to a second one, and free again when the first is gone."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kube_lite.live import claims

ROOT = Path(__file__).parents[2]
Claim = Callable[[str], AbstractContextManager[None]]


def _directory(path: str) -> AbstractContextManager[None]:
    return claims.directory(Path(path))


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (claims.node_name, "a kube-lite node {} runs on this machine already. Choose another name"),
        (claims.pod_network, "another kube-lite node on this machine has the pod network {}. Give this one's server"),
        (_directory, "{} is in use by another kube-lite node (process {pid}). Stop that one"),
    ],
    ids=["name", "network", "directory"],
)
def test_a_second_executor_is_refused_until_the_first_has_ended(tmp_path: Path, claim: Claim, told: str) -> None:
    what = str(tmp_path) if claim is _directory else secrets.token_hex(8)
    with claim(what):
        with pytest.raises(claims.Claimed, match=re.escape(told.format(what, pid=os.getpid()))), claim(what):
            pass
        other = str(tmp_path.parent) if claim is _directory else what + "-other"
        with claim(other):
            pass
    with claim(what):
        pass


def test_a_killed_executor_keeps_nothing(tmp_path: Path) -> None:
    code = (
        "import os, pathlib\nfrom kube_lite.live import claims\n"
        f"with claims.directory(pathlib.Path({str(tmp_path)!r})), claims.node_name({tmp_path.name!r}):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -9
    with claims.directory(tmp_path), claims.node_name(tmp_path.name):
        pass
