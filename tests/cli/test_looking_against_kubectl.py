"""Commands that look around, beside the real kubectl."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.beside import Beside, needs_kubectl
from tests.cli.conftest import Said

KL = Callable[..., Said]

pytestmark = needs_kubectl


def test_explain(beside: Beside) -> None:
    beside.script("""
        explain
        explain cm
        explain pod.spec
        explain pods.spec.containers.livenessProbe
        explain pods.spec.foo
        explain deploy.spec.strategy.type
        explain pod --recursive
        explain crd --recursive
        explain hpa --api-version=autoscaling/v1
        explain hpa --api-version=foo/v1
        explain a b
        explain crd.spec.versions.schema.openAPIV3Schema
        explain pod.metadata.creationTimestamp
        explain pod.spec.containers
        explain pod.spec.containers.resources.limits
        explain lease.spec
    """)


def test_discovery(beside: Beside) -> None:
    beside.script("""
        api-resources
        api-resources -o wide
        api-resources -o name
        api-resources --api-group=apps
        api-resources --namespaced=false --no-headers
        api-resources --verbs=list,create --categories=all
        api-resources --api-group=foo
        api-resources --sort-by=foo
        api-resources --api-group=apps -o json
        api-versions
    """)


def test_auth(beside: Beside) -> None:
    beside.script("""
        auth can-i create pods
        auth can-i create pods --as=system:anonymous
        auth can-i '*' '*'
        auth can-i get pods/log
        auth can-i get /healthz
        auth can-i get nodes
        auth can-i foo pods
        auth can-i get foo
        auth can-i create pods -q
        auth can-i get pods --as=bob
        auth can-i get deploy --as=system:kube-scheduler
        auth can-i --list --as=bob
        auth whoami
        auth whoami --as=bob --as-group=a --as-group=b
    """)


def test_events(beside: Beside) -> None:
    beside.script("""
        events
        events --types=Foo
        events --for=nosuch
        run p --image=nginx
        wait --for=condition=Ready pod/p
        events --for pod/p --types=Warning
    """)


def test_top_without_metrics(beside: Beside) -> None:
    beside.script("""
        top node
        top pod nosuch
        top pod --sort-by=foo
    """)


CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.metrics.k8s.io, annotations: {{api-approved.kubernetes.io: "unapproved, a test"}}}}
spec:
  group: metrics.k8s.io
  scope: {scope}
  names: {{plural: {plural}, singular: {singular}, kind: {kind}}}
  versions:
  - name: v1beta1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
USED = "{{apiVersion: metrics.k8s.io/v1beta1, kind: {kind}, metadata: {{name: {name}{namespace}}}, {usage}}}\n---\n"


def test_top_with_metrics(beside: Beside, kl: KL, tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    nodes = CRD.format(plural="nodes", singular="node", kind="NodeMetrics", scope="Cluster")
    pods = CRD.format(plural="pods", singular="pod", kind="PodMetrics", scope="Namespaced")
    file.write_text(f"{nodes}---{pods}")
    assert kl("apply", "-f", str(file)).code == 0
    try:
        assert kl("wait", "--for=condition=Established", "crd", "--all").code == 0
        two = "{name: x, usage: {cpu: 1500m, memory: 100Mi}}, {name: y, usage: {cpu: 7m, memory: 3000Ki}}"
        first = {"kind": "PodMetrics", "name": "a", "usage": f"containers: [{two}]"}
        one = "{name: x, usage: {cpu: 2, memory: 1Mi}}"
        second = {"kind": "PodMetrics", "name": "b", "usage": f"containers: [{one}]"}
        used = tmp_path / "used.yaml"
        text = USED.format(kind="NodeMetrics", name="sim-0", namespace="", usage="usage: {cpu: 250m, memory: 1Gi}")
        for namespace in (beside.own, beside.other):
            for pod in (first, second):
                text += USED.format(namespace=f", namespace: {namespace}", **pod)
        used.write_text(text)
        assert kl("create", "-f", str(used)).code == 0
        beside.script("""
            top node sim-0 --no-headers
            top pod
            top pod a
            top pod nosuch
            top pod --containers
            top pod --sort-by=cpu --sum
            top pod --sort-by=memory --no-headers
        """)
        shown = kl("top", "node").out.splitlines()
        assert shown[0].split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
        assert shown[2].split() == ["sim-1", *["<unknown>"] * 4]
    finally:
        kl("delete", "-f", str(file))


def test_diff(beside: Beside) -> None:
    beside.script("""
        create configmap a --from-literal=k=v --save-config
        diff -f /nosuch
        diff -f - <<< {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}
    """)
