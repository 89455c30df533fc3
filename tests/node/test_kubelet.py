"""The kubelet's paths, as a node answers them over its channel."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from kube_lite.node import host_logs
from kube_lite.node.kubelet import Kubelet
from kube_lite.node.log_service import LogService
from kube_lite.node.measures import Disk, Usage
from kube_lite.node.runtime import RuntimeFailure
from kube_lite.node.sampling import Sampler
from kube_lite.node.tunnel import Reply
from tests.node.harness import Node, container, pod, run, running_node


class FakeMeter:
    """Every container has used a second of CPU, and another half each time that somebody looks."""

    def __init__(self) -> None:
        self.usage = Usage(1_000_000_000, 3000, 2, 1000, 1500, 7, 1, 1200, 50, 5, 250_000_000)
        self.layers: dict[str, int] = {}
        self.measured = 0
        self.gone: set[str] = set()

    async def stats(self, pod_uid: str, container: str = "") -> Usage:
        if container in self.gone:
            raise RuntimeFailure("StatsError", "gone")
        await anyio.lowlevel.checkpoint()
        return self.usage

    async def written(self, pod_uid: str, container: str) -> Disk:
        self.measured += 1
        return Disk(self.layers.get(container, 0), 1)


async def body(reply: Reply) -> bytes:
    return b"".join([chunk async for chunk in reply.chunks])


Story = Callable[[Node, Kubelet, FakeMeter], Awaitable[None]]


def tell(story: Story, *, measured: bool = True) -> None:
    """A story on a node that runs pod p with container c."""

    async def main() -> None:
        async with running_node() as node:
            meter = FakeMeter()

            async def image_bytes() -> int:
                return 5000

            sampler = Sampler(node.context, meter) if measured else None
            logs = LogService(node.agent)
            kubelet = Kubelet(node.settings, node.client, node.agent, logs, sampler, image_bytes)
            limits = {"limits": {"memory": "64Mi", "cpu": "200m"}}
            node.client.put("pods", pod("p", container("c", resources=limits)))
            await anyio.sleep(1)
            await story(node, kubelet, meter)

    run(main)


async def got(kubelet: Kubelet, path: str, query: str = "") -> Any:
    """A JSON answer."""
    reply = await kubelet.open({"path": path, "query": query})
    assert (reply.code, reply.content_type) == (200, "application/json")
    return json.loads(await body(reply))


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/healthz/ping", "/healthz/log", "/healthz/syncloop"])
def test_a_node_that_answers_is_healthy(path: str) -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        reply = await kubelet.open({"path": path})
        assert (reply.code, await body(reply)) == (200, b"ok")

    tell(story)


@pytest.mark.parametrize(
    "path", ["/", "/healthz/else", "/exec/default/p/c", "/run/default/p/c", "/containerLogs/default/p", "/stats", "/x"]
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        reply = await kubelet.open({"path": path})
        assert (reply.code, await body(reply)) == (404, b"404 page not found\n")

    tell(story)


def test_pods_are_those_of_the_node_as_the_api_has_them() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        listed = await got(kubelet, "/pods")
        assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
        (only,) = listed["items"]
        assert (only["metadata"]["name"], only["status"]["phase"]) == ("p", "Running")
        (running,) = (await got(kubelet, "/runningpods/"))["items"]
        assert running["metadata"] == {"name": "p", "namespace": "default", "uid": "uid-p"}
        assert [c["name"] for c in running["spec"]["containers"]] == ["c"]

    tell(story)


def test_the_summary_tells_what_everything_uses_and_from_the_second_look_on_how_fast() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        meter.layers["c"] = 4096
        first = await got(kubelet, "/stats/summary")
        assert first["node"]["nodeName"] == "n1"
        assert first["node"]["memory"]["availableBytes"] > 0
        assert first["node"]["fs"]["capacityBytes"] > first["node"]["fs"]["usedBytes"] > 0
        assert first["node"]["runtime"]["imageFs"]["usedBytes"] == 5000
        (told,) = first["pods"]
        assert told["podRef"] == {"name": "p", "namespace": "default", "uid": "uid-p"}
        (one,) = told["containers"]
        assert one["cpu"]["usageCoreNanoSeconds"] == 1_000_000_000
        assert "usageNanoCores" not in one["cpu"]
        memory = {k: v for k, v in one["memory"].items() if k != "time"}
        assert memory == {
            "usageBytes": 3000,
            "workingSetBytes": 2000,
            "rssBytes": 1500,
            "pageFaults": 7,
            "majorPageFaults": 1,
        }
        assert (one["rootfs"]["usedBytes"], one["rootfs"]["inodesUsed"]) == (4096, 1)
        assert told["process_stats"] == {"process_count": 2}
        await anyio.sleep(10)
        meter.usage = replace(meter.usage, cpu_nanoseconds=6_000_000_000)
        second = (await got(kubelet, "/stats/summary"))["pods"][0]
        assert second["containers"][0]["cpu"]["usageNanoCores"] == 500_000_000
        assert second["cpu"]["usageNanoCores"] == 500_000_000
        again = (await got(kubelet, "/stats/summary"))["pods"][0]
        assert again["cpu"]["usageNanoCores"] == 500_000_000
        assert meter.measured == 2  # files are not counted for everybody who asks

    tell(story)


def test_of_two_who_ask_at_once_both_are_told_the_rates() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        await got(kubelet, "/stats/summary")
        await anyio.sleep(10)
        meter.usage = replace(meter.usage, cpu_nanoseconds=6_000_000_000)
        rates: list[int | None] = []

        async def ask() -> None:
            (told,) = (await got(kubelet, "/stats/summary"))["pods"]
            rates.append(told["containers"][0]["cpu"].get("usageNanoCores"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
        assert rates == [500_000_000] * 2

    tell(story)


def test_ephemeral_storage_is_layers_logs_and_the_volumes_that_upstream_counts() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        volumes = [{"name": "cache", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]
        node.client.put("pods", pod("q", volumes=volumes))
        await anyio.sleep(1)
        for name in ("cache", "m"):
            path = node.settings.data_dir / "volumes" / "uid-q" / "kubernetes.io~empty-dir" / name
            (path / "file").write_bytes(b"x" * 100_000)
        told = {one["podRef"]["name"]: one for one in (await got(kubelet, "/stats/summary"))["pods"]}["q"]
        assert [volume["name"] for volume in told["volume"]] == ["cache", "m"]
        cache = told["volume"][0]["usedBytes"]
        assert cache >= 100_000
        assert told["ephemeral-storage"]["usedBytes"] == cache

    tell(story)


def test_metrics_are_in_the_text_format_with_the_kubelets_names() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        for path, wanted in {
            "/metrics/resource": [
                r'container_cpu_usage_seconds_total{container="c",namespace="default",pod="p"} 1.0 \d{13}',
                r'container_memory_working_set_bytes{container="c",namespace="default",pod="p"} 2000 \d{13}',
                r'container_start_time_seconds{container="c",namespace="default",pod="p"} \d+\.\d+',
                r'pod_memory_working_set_bytes{namespace="default",pod="p"} 2000 \d{13}',
                r"node_cpu_usage_seconds_total [\d.]+ \d{13}",
                r"resource_scrape_error 0",
            ],
            "/metrics/cadvisor": [
                r'container_memory_working_set_bytes{container="c",.*namespace="default",pod="p"} 2000 \d{13}',
                r'container_memory_rss{container="",.*namespace="default",pod="p"} 1500 \d{13}',
                r"machine_memory_bytes \d+",
                r'container_memory_cache{container="c",.*} 1200 \d{13}',
                r'container_cpu_cfs_throttled_periods_total{container="c",.*} 5 \d{13}',
                r'container_cpu_cfs_throttled_seconds_total{container="c",.*} 0.25 \d{13}',
                r'container_spec_memory_limit_bytes{container="c",.*} 67108864 \d{13}',
                r'container_spec_cpu_quota{container="c",.*} 20000 \d{13}',
            ],
            "/metrics": [
                r'kubelet_node_name{node="n1"} 1',
                r"kubelet_running_pods 1",
                r'kubelet_running_containers{container_state="running"} 1',
                r"process_resident_memory_bytes \d+",
            ],
        }.items():
            reply = await kubelet.open({"path": path})
            assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
            lines = (await body(reply)).decode().splitlines()
            for pattern in wanted:
                found = re.compile(re.sub(r"(?<!\\d)\{", r"\\{", pattern))
                assert [line for line in lines if found.fullmatch(line)], pattern
            families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
            assert len(families) == len(set(families))
            samples = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
            assert samples == set(families)

    tell(story)


def test_a_container_that_ends_while_it_is_measured_is_no_failure() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        meter.gone.add("c")
        (told,) = (await got(kubelet, "/stats/summary"))["pods"]
        assert told["containers"][0]["cpu"]["usageCoreNanoSeconds"] == 0

    tell(story)


def test_where_nothing_can_be_measured_only_what_tells_of_it_is_missing() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        codes = {path: (await kubelet.open({"path": path})).code for path in ("/stats/summary", "/metrics", "/pods")}
        assert codes == {"/stats/summary": 404, "/metrics": 200, "/pods": 200}

    tell(story, measured=False)


def test_the_configuration_is_the_nodes_own() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        told = (await got(kubelet, "/configz"))["kubeletconfig"]
        assert told["kind"] == "KubeletConfiguration"
        wanted = {"maxPods": 110, "syncFrequency": "1m0s", "nodeStatusUpdateFrequency": "10s"}
        assert {key: told[key] for key in wanted} == wanted

    tell(story)


def test_logs_of_containers_are_refused_in_plain_text() -> None:
    async def story(node: Node, kubelet: Kubelet, meter: FakeMeter) -> None:
        missing = await kubelet.open({"path": "/containerLogs/default/none/c"})
        assert (missing.code, await body(missing)) == (404, b'pod "none" does not exist\n')
        wrong = await kubelet.open({"path": "/containerLogs/default/p/none"})
        assert (wrong.code, await body(wrong)) == (400, b"container none is not valid for pod p\n")

    tell(story)


@pytest.mark.anyio
async def test_the_machines_logs_are_pages_and_files_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "log"
    (root / "a dir").mkdir(parents=True)
    (root / "a dir" / "x.log").write_bytes(b"line\n")
    (tmp_path / "secret").write_text("s")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "inside").symlink_to("a dir/x.log")
    page = await host_logs.reply("/", root)
    assert (page.code, page.content_type) == (200, "text/html; charset=utf-8")
    assert b'<a href="a%20dir/">a dir/</a>' in await body(page)
    assert await body(await host_logs.reply("/a dir/x.log", root)) == b"line\n"
    assert await body(await host_logs.reply("/inside", root)) == b"line\n"
    moved = await host_logs.reply("/a dir", root)
    assert (moved.code, moved.headers["location"]) == (301, "a%20dir/")
    for path in ("/link", "/../secret", "/a dir/../../secret", "/none", "/\0"):
        assert (await host_logs.reply(path, root)).code == 404, path
