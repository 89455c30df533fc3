"""The main job, end to end: a cluster, a Deployment in real containers, and what goes wrong with them.

    make demo

Without root the same story runs on a simulated node, and every step that needs a real one is named.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from api import Api, ready
from traces import traces

HERE = Path(__file__).parent
MANIFEST = os.path.relpath(HERE / "web.yaml")
"""As one would type it here."""
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web"
NODE = "demo-node"
RANGES = ("--cluster-cidr", "10.245.0.0/16", "--service-cluster-ip-range", "10.112.0.0/16")
"""Not the default addresses: the demo runs beside a cluster that has those."""
PATIENCE = 60.0
"""Seconds that any single step may take."""


class Story:
    """Prints a line per step with its time, and the summary."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self.skipped: list[str] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Run one step."""
        print(f"{what} ...", flush=True)
        start = time.perf_counter()
        yield
        taken = time.perf_counter() - start
        self.times.append((what, taken))
        print(f"    done in {taken:.2f} s", flush=True)

    def skip(self, what: str, why: str) -> None:
        """Name a step that cannot be done here."""
        self.skipped.append(what)
        print(f"{what}: not done, {why}", flush=True)

    def summary(self) -> None:
        """All steps and their times."""
        print("\nSummary")
        for what, taken in self.times:
            print(f"  {what:<58}{taken:>7.2f} s")
        for what in self.skipped:
            print(f"  {what:<58}{'-':>7}")


def until(what: str, holds: Callable[[], Any]) -> Any:
    """Poll until ``holds`` returns something true, and return it. :raises SystemExit: it never did"""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit(f"demo: gave up after {PATIENCE:.0f} s waiting for {what}")


def fetch(url: str) -> str:
    """The body of a page, '' when it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


class Traffic:
    """Requests one after the other in the background, counting those that fail."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.answered = 0
        self.failed = 0
        self.versions: set[str] = set()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            body = fetch(self._url)
            if body:
                self.answered += 1
                self.versions.add(body.split()[-1])
            else:
                self.failed += 1
            time.sleep(0.005)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def command(*args: str) -> list[str]:
    """A kube-lite command line."""
    return [sys.executable, "-m", "kube_lite", *args]


def start(data_dir: Path, real: bool) -> subprocess.Popen[str]:
    """``kube-lite up``, ready."""
    flags = [] if real else ["--no-node", "--sim-nodes", "1"]
    args = command("up", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0", "--node-name", NODE, *RANGES, *flags)
    process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready:"):
        process.wait()
        raise SystemExit("demo: the cluster did not start; what it said is above")
    print("    " + line.strip())
    return process


def kubectl(data_dir: Path, *args: str) -> None:
    """One of kube-lite's own client commands, shown as typed."""
    print("$ kube-lite " + " ".join(args), flush=True)
    environment = {**os.environ, "KUBECONFIG": str(data_dir / "admin.kubeconfig")}
    subprocess.run(command(*args), env=environment, check=True)


def container_process(pod: Any) -> int:
    """The process id of a pod's first container, found by its cgroup."""
    uid = pod["metadata"]["uid"]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if uid in (entry / "cgroup").read_text() and "python" in (entry / "comm").read_text():
                    return int(entry.name)
            except OSError:
                continue
    raise SystemExit(f"demo: found no process of pod {pod['metadata']['name']}")


def restarts(api: Api, name: str) -> int:
    """The restart count of a pod's container."""
    pod = api.call("GET", f"/api/v1/namespaces/default/pods/{name}")
    return int(pod["status"]["containerStatuses"][0]["restartCount"]) if ready(pod) else 0


def live_pods(api: Api) -> list[Any]:
    """The pods that are ready."""
    return [pod for pod in api.pods() if ready(pod)]


def rolled_out(api: Api, replicas: int) -> bool:
    """Whether the Deployment runs as it should, all new."""
    found = api.call("GET", DEPLOYMENT)
    status = found.get("status", {})
    wanted = {"updatedReplicas": replicas, "replicas": replicas, "availableReplicas": replicas}
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    return current and all(status.get(key) == value for key, value in wanted.items())


def tell(api: Api, data_dir: Path, story: Story, real: bool) -> None:
    """The story itself."""
    with story.step("apply a Deployment with 2 replicas and a Service"):
        kubectl(data_dir, "apply", "-f", MANIFEST)
    with story.step("follow the rollout"):
        kubectl(data_dir, "rollout", "status", "deployment/web", "--timeout=60s")
    kubectl(data_dir, "get", "deployments,pods,services", "-o", "wide")
    address = api.call("GET", "/api/v1/namespaces/default/services/web")["spec"]["clusterIP"]
    url = f"http://{address}/"
    why = "a simulated node has no containers"
    if real:
        with story.step("fetch the ClusterIP until both pods have answered"):
            seen: set[str] = set()
            until("both pods to answer", lambda: seen.add(fetch(url)) or len(seen - {""}) == 2)
        with story.step("kill one container, see it come back"):
            victim = live_pods(api)[0]
            os.kill(container_process(victim), signal.SIGKILL)
            until("restart count 1", lambda: restarts(api, victim["metadata"]["name"]) == 1)
    else:
        story.skip("fetch the ClusterIP until both pods have answered", why)
        story.skip("kill one container, see it come back", why)
    with story.step("delete one pod, see it replaced"):
        before = {pod["metadata"]["name"] for pod in live_pods(api)}
        api.call("DELETE", f"/api/v1/namespaces/default/pods/{sorted(before)[0]}")
        until("a new pod", lambda: len({p["metadata"]["name"] for p in live_pods(api)} - {sorted(before)[0]}) == 2)
    if real:
        with Traffic(url) as traffic:
            grow_and_roll(api, data_dir, story)
        print(f"    {traffic.answered} requests answered meanwhile by versions {sorted(traffic.versions)}")
        if traffic.failed or traffic.versions != {"1", "2"}:
            raise SystemExit(f"demo: {traffic.failed} requests failed during the rollout")
        print("    no request failed")
    else:
        grow_and_roll(api, data_dir, story)
        story.skip("no failed request during the rollout", why)
    with story.step("delete everything"):
        kubectl(data_dir, "delete", "-f", MANIFEST)
        until("the pods to end", lambda: not api.pods())


def grow_and_roll(api: Api, data_dir: Path, story: Story) -> None:
    """Scale to 4 and roll to version 2."""
    with story.step("scale to 4"):
        kubectl(data_dir, "scale", "deployment/web", "--replicas=4")
        until("4 replicas", lambda: rolled_out(api, 4))
    with story.step("roll to version 2"):
        found = api.call("GET", DEPLOYMENT)
        container = found["spec"]["template"]["spec"]["containers"][0]
        container["env"][0]["value"] = "2"
        api.patch(DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [container]}}}})
        until("version 2 everywhere", lambda: rolled_out(api, 4))


def main() -> int:
    """Tell the story in a directory of its own, then look for what is left."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    real = os.geteuid() == 0
    story = Story()
    if not real:
        print("Not root: the same story on a simulated node. Run it as root to see real containers.\n")
    with tempfile.TemporaryDirectory(prefix="kube-lite-demo-") as directory:
        data_dir = Path(directory)
        before = traces(data_dir, NODE)
        with story.step("start the cluster" + (" with one real node" if real else " with one simulated node")):
            process = start(data_dir, real)
        try:
            tell(Api(data_dir), data_dir, story, real)
        finally:
            with story.step("stop the cluster"):
                process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE)
        left = traces(data_dir, NODE) - before
    if left or code:
        print(json.dumps(sorted(left), indent=2))
        raise SystemExit(f"demo: the cluster ended with code {code} and left {len(left)} traces")
    print("Nothing is left behind: no process, mount, network namespace, link, nft table or cgroup.")
    story.summary()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
