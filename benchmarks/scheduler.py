"""How long one scheduling decision takes, without the API: select a node, assume it, next pod.

    python -m benchmarks.scheduler [--nodes 5000] [--pods 2000]

Prints microseconds of CPU per pod for pods of one class without and with a ReplicaSet over which
they are spread, for pods that are all different (each has to be evaluated afresh), and for pods that fit nowhere.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from benchmarks.arguments import count
from kube_lite.resources.kinds.pod.view import Container, Pod, PodSpec, ResourceRequirements, Toleration
from kube_lite.resources.meta import ObjectMeta, OwnerReference
from kube_lite.resources.views import Node, NodeStatus
from kube_lite.sched.evaluate import Evaluator
from kube_lite.sched.framework import Framework, default_plugins
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo, pod_info

NODE = NodeStatus(allocatable={"cpu": "32", "memory": "128Gi", "pods": "110", "ephemeral-storage": "100Gi"})


def make_table(count: int) -> NodeTable:
    """``count`` empty nodes."""
    table = NodeTable()
    for number in range(count):
        name = f"node-{number}"
        table.put_node(Node(metadata=ObjectMeta(name=name, labels={"kubernetes.io/hostname": name}), status=NODE))
    return table


def make_pods(count: int, *, alike: bool = True, cpu: str = "100m", owned: bool = False) -> list[PodInfo]:
    """``count`` pods; unless ``alike``, each of a class of its own; ``owned`` by one ReplicaSet, so spread."""
    owners = [OwnerReference(kind="ReplicaSet", name="rs", uid="rs", controller=True)] if owned else []
    requests = ResourceRequirements(requests={"cpu": cpu, "memory": "128Mi"})
    return [
        pod_info(
            Pod(
                metadata=ObjectMeta(name=f"p{number}", namespace="ns", uid=f"u{number}", owner_references=owners),
                spec=PodSpec(
                    containers=[Container(name="c", image="i", resources=requests)],
                    tolerations=[] if alike else [Toleration(key=f"k{number}", operator="Exists")],
                ),
            )
        )
        for number in range(count)
    ]


def measure(table: NodeTable, pods: Sequence[PodInfo]) -> float:
    """Microseconds per pod to select and assume, or to explain why not."""
    evaluator = Evaluator(Framework(default_plugins()), table, random.Random(0))
    started = time.process_time()
    for info in pods:
        evaluation = evaluator.select(info)
        if evaluation.row >= 0:
            table.add_pod(info, evaluation.node)
        else:
            evaluator.explain_refusal(info)
    return (time.process_time() - started) / len(pods) * 1e6


def main() -> None:
    """Run all cases and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=count, default=5000)
    parser.add_argument("--pods", type=count, default=2000)
    options = parser.parse_args()
    for title, pods in (
        ("alike", make_pods(options.pods)),
        ("of one ReplicaSet", make_pods(options.pods, owned=True)),
        ("all different", make_pods(options.pods, alike=False)),
        ("fit nowhere", make_pods(options.pods, cpu="64")),
    ):
        print(f"{options.nodes} nodes, pods {title}: {measure(make_table(options.nodes), pods):.0f} us a pod")


if __name__ == "__main__":
    main()
