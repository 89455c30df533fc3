"""How long other runtimes take to start a container, beside ours: those of crun and runc that are installed.

    python -m benchmarks.peers [ROUNDS]

The container is the one of ``container_start``: own namespaces, limits of cpu, memory and pids, ``sleep`` from the
host's /usr. Timed is ``run --detach``, from its start to its end. Needs root.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import arguments

RUNTIMES = ("crun", "runc")
LINKS = ("bin", "lib", "lib64", "sbin")
"""Of the root, into /usr, as Debian has them."""


def bundle(runtime: str, directory: Path) -> None:
    """Write an OCI bundle from the runtime's own default configuration."""
    root = directory / "rootfs"
    for name in ("usr", "proc", "sys", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    for name in LINKS:
        (root / name).symlink_to(f"usr/{name}")
    subprocess.run([runtime, "spec"], cwd=directory, check=True)
    path = directory / "config.json"
    config: dict[str, Any] = json.loads(path.read_text())
    config["process"] |= {"terminal": False, "args": ["sleep", "1000"]}
    config["mounts"].append(
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro", "nosuid", "nodev"]}
    )
    config["linux"]["resources"] = {
        "devices": [{"allow": False, "access": "rwm"}],
        "cpu": {"shares": 102, "quota": 50_000, "period": 100_000},
        "memory": {"limit": 128 << 20},
        "pids": {"limit": 1024},
    }
    path.write_text(json.dumps(config))


def start_ms(runtime: str, rounds: int) -> float:
    """Median milliseconds of ``run --detach``. :raises RuntimeError: it cannot run here"""
    times = []
    with tempfile.TemporaryDirectory(prefix="kl-peer-") as name:
        directory = Path(name)
        bundle(runtime, directory)
        state = directory / "state"
        for number in range(rounds):
            identity = f"kl-peer-{runtime}-{number}"
            begun = time.perf_counter()
            with open(directory / "said", "w+b") as said:  # a pipe would be held open by the container
                command = [runtime, "--root", str(state), "run", "--detach", "--bundle", name, identity]
                ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
                if ended.returncode:
                    said.seek(0)
                    raise RuntimeError(said.read().decode(errors="replace").strip())
            times.append((time.perf_counter() - begun) * 1000)
            subprocess.run([runtime, "--root", state, "delete", "--force", identity], check=True, capture_output=True)
    return statistics.median(times)


def measured(rounds: int) -> dict[str, float]:
    """``crun_ms`` and ``runc_ms``, as far as they are installed and work here."""
    found = {}
    for runtime in RUNTIMES:
        if shutil.which(runtime) is None:
            print(f"{runtime}: not installed; apt-get install {runtime} measures it too", flush=True)
            continue
        try:
            found[f"{runtime}_ms"] = start_ms(runtime, rounds)
        except RuntimeError as error:
            print(f"{runtime}: cannot run a container here: {error}", flush=True)
    return found


if __name__ == "__main__":
    for key, value in measured(arguments.rounds(__doc__, 30)).items():
        print(f"{key.removesuffix('_ms')}: {value:.1f} ms")
