"""cordon, uncordon, drain and taint: beside the real kubectl, and what of it is slow or shown in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.beside import Beside, needs_kubectl
from tests.cli.conftest import Said

KL = Callable[..., Said]

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec: {{nodeName: sim-0, {spec}}}
"""
BUDGET = """---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: kept}
spec: {minAvailable: 1, selector: {matchLabels: {app: kept}}}
"""
CONTAINERS = "containers: [{name: c, image: nginx}]"


@pytest.fixture
def clean(kl: KL) -> Iterator[None]:
    """Nodes as they were, afterwards."""
    yield
    kl("uncordon", "sim-0", "sim-1", "sim-2")


@needs_kubectl
@pytest.mark.usefixtures("clean")
def test_cordon_and_uncordon(beside: Beside) -> None:
    beside.script("""
        cordon NODE
        cordon NODE
        get node NODE -o jsonpath={.spec.unschedulable}{.spec.taints[0].key}
        uncordon NODE
        uncordon node/NODE
        cordon nosuch
        cordon NODE --dry-run=client
        cordon NODE --dry-run=server
        cordon -l a=b
        get node NODE -o jsonpath={.spec.unschedulable}{.spec.taints}
    """)


@needs_kubectl
def test_taint(beside: Beside) -> None:
    beside.script("""
        taint
        taint nodes
        taint nodes NODE
        taint nodes NODE a=b:PreferNoSchedule
        taint nodes NODE a=b:PreferNoSchedule
        taint nodes NODE a=c:PreferNoSchedule
        taint nodes NODE a=c:PreferNoSchedule --overwrite
        taint nodes NODE b:NoSchedule
        taint nodes NODE c=d:NoSchedule b:NoSchedule-
        get node NODE -o jsonpath={.spec.taints}
        taint nodes NODE a- -o name
        taint nodes NODE a-
        taint nodes NODE c:NoExecute-
        taint nodes NODE c-
        taint pods a b=c:NoSchedule
        taint nodes nosuch b=c:NoSchedule
        taint nodes NODE a:NoSchedule a-
        get node NODE -o jsonpath={.spec.unschedulable}{.spec.taints}
    """)


@pytest.mark.usefixtures("clean")
def test_drain_says_what_stands_in_its_way(kl: KL, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "pods.yaml"
    file.write_text(
        POD.format(name="bare", spec=CONTAINERS)
        + "---\n"
        + POD.format(name="local", spec=CONTAINERS + ", volumes: [{name: v, emptyDir: {}}]")
    )
    assert kl("apply", "-f", str(file), "-n", namespace).code == 0
    refused = kl("drain", "sim-0", "--pod-selector=app in (bare,local)")
    assert (refused.code, refused.out) == (1, "node/sim-0 cordoned\n")
    storage = f"cannot delete Pods with local storage (use --delete-emptydir-data to override): {namespace}/local"
    alone = f"cannot delete Pods that declare no controller (use --force to override): {namespace}/bare"
    assert refused.err == (
        f'error: unable to drain node "sim-0" due to error: [{alone}, {storage}], continuing command...\n'
        f"There are pending nodes to be drained:\n sim-0\n{alone}\n{storage}\n"
    )
    done = kl("drain", "sim-0", "--pod-selector=app in (bare,local)", "--force", "--delete-emptydir-data")
    assert done.code == 0
    assert sorted(done.out.splitlines()) == sorted(
        [
            "node/sim-0 already cordoned",
            *(f"evicting pod {namespace}/{name}" for name in ("bare", "local")),
            *(f"pod/{name} evicted" for name in ("bare", "local")),
            "node/sim-0 drained",
        ]
    )
    assert done.err == f"Warning: deleting Pods that declare no controller: {namespace}/bare, {namespace}/local\n"
    assert kl("get", "pods", "-n", namespace, "-o", "name").out == ""


@pytest.mark.usefixtures("clean")
def test_drain_tries_again_what_a_disruption_budget_holds_until_its_time_is_up(
    kl: KL, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.yaml"
    file.write_text(POD.format(name="kept", spec=CONTAINERS) + BUDGET)
    assert kl("apply", "-f", str(file), "-n", namespace).code == 0
    assert kl("wait", "--for=condition=Ready", "pod/kept", "-n", namespace).code == 0
    said = kl("drain", "sim-0", "--pod-selector=app=kept", "--force", "--timeout=1s")
    assert said.code == 1
    assert f'error when evicting pods/"kept" -n "{namespace}" (will retry after 5s): Cannot evict pod' in said.err
    assert f'error when evicting pods/"kept" -n "{namespace}": global timeout reached: 1s' in said.err
    assert kl("get", "pod", "kept", "-n", namespace, "-o", "name").out == "pod/kept\n"
    gone = kl("drain", "sim-0", "--pod-selector=app=kept", "--force", "--disable-eviction")
    assert gone.out == "node/sim-0 already cordoned\npod/kept deleted\nnode/sim-0 drained\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("drain", "error: USAGE: drain NODE [flags]"),
        ("cordon", "error: USAGE: cordon NODE [flags]"),
        ("drain sim-0 -l a=b", "error: cannot specify both a node name and a --selector option"),
        ("taint nodes sim-0 a=b:Foo", "error: invalid taint effect: Foo, unsupported taint effect"),
        ("taint nodes sim-0 a=b", "error: invalid taint spec: a=b, it has no effect: want KEY=VALUE:EFFECT, such as "
         "a=b:NoSchedule"),
        ("taint nodes sim-0 a:NoSchedule a:NoSchedule", "error: duplicated taints with the same key and effect: "
         "a:NoSchedule"),
        ("taint node/sim-0 a:NoSchedule", "error: invalid resource type node/sim-0, only node types are supported"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_a_line(kl: KL, words: str, told: str) -> None:
    assert kl(*words.split()) == (1, "", told + "\n")
