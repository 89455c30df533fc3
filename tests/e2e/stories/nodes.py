"""Nodes: ``cordon``, ``drain``, ``taint``; certificates; and what pods refuse while nobody executes them."""

from __future__ import annotations

from tests.e2e.stories.story import Row, Story

REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISU1IQUNBUUF3RGpFTU1Bb0dBMVVFQXd3RGFtOWxNRmt3RXdZ"
    "SEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRApRZ0FFNkc1SFAxRmM2aU5lOWFzSXhpT0IrZnlzRzlSZ0xSa1VZWlNsN1pMa29iQ1VL"
    "bFdIR0JFM05HTGVsVnpTCmJRR01hVHZMdkdKbW01TFdMRlU4UllKbFhhQUFNQW9HQ0NxR1NNNDlCQU1DQTBnQU1FVUNJQUplalc2"
    "dnRCdmYKcW5MZ0Q1aFhtSDhmdXYvWlJZT3F4Skd4OUVFZnJZcERBaUVBazZKay8xRlF2U3VncmZnWjdrb2NxN21pRGRBRwp1cDI1"
    "NjM5ZkpuU0lHZjA9Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
)
"""A certificate request for joe, in PEM, as the API takes it."""
CSR = f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: NS}}
spec: {{request: {REQUEST}, signerName: example.com/x, usages: [client auth]}}
"""
BARE = """
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {nodeName: sim-2, containers: [{name: c, image: x}]}
"""

STORIES = (
    Story(
        "a node is emptied and used again",
        (
            Row("apply -f DIR/bare.yaml", "^pod/bare created$"),
            Row("wait pod/bare --for=condition=Ready --timeout=20s", "condition met$"),
            Row("cordon sim-2", "^node/sim-2 cordoned$"),
            Row("cordon sim-2", "^node/sim-2 already cordoned$"),
            Row("get node sim-2", r"^sim-2 +Ready,SchedulingDisabled "),
            Row("drain sim-2 --pod-selector=nosuch=x --ignore-daemonsets", "^node/sim-2 drained$"),
            Row("drain sim-2 --pod-selector=!nosuch --ignore-daemonsets", "cannot delete.*declare no controller", 1),
            Row(
                "drain sim-2 --force --ignore-daemonsets --dry-run=server",
                "evicting pod NS/bare .server dry run.|drained",
            ),
            Row(
                "drain sim-2 --force --ignore-daemonsets --delete-emptydir-data --timeout=60s",
                ("^evicting pod NS/bare$", "^pod/bare evicted$", "^node/sim-2 drained$"),
            ),
            Row("get pod bare", 'pods "bare" not found', 1),
            Row("uncordon sim-2", "^node/sim-2 uncordoned$"),
            Row("taint node sim-2 k=v:NoSchedule", "^node/sim-2 tainted$"),
            Row(
                "taint node sim-2 k=v:NoSchedule",
                "already has k taint.* with same effect.* and --overwrite is false$",
                1,
            ),
            Row("taint node sim-2 k=w:NoSchedule --overwrite", "^node/sim-2 modified$"),
            Row("describe node sim-2", "^Taints: +k=w:NoSchedule$"),
            Row("taint node sim-2 k-", "^node/sim-2 untainted$"),
            Row("taint node sim-2 k-", 'taint "k" not found$', 1),
            Row("taint node sim-2 k=v:Bad", "invalid taint effect: Bad", 1),
            Row("label node sim-2 NS=x", "labeled$"),
            Row("get nodes -l NS=x -o name", "^node/sim-2$"),
            Row("label node sim-2 NS-", "unlabeled$"),
            Row("get nodes -o wide", "^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE"),
        ),
        {"bare.yaml": BARE},
    ),
    Story(
        "certificates are decided on",
        (
            Row("apply -f DIR/csr.yaml", "^certificatesigningrequest.*/NS created$"),
            Row("get csr NS", ("^NAME +AGE +SIGNERNAME +REQUESTOR", r"example.com/x .* Pending$")),
            Row("certificate approve NS", "^certificatesigningrequest.*/NS approved$"),
            Row("get csr NS --no-headers", "Approved$"),
            Row("certificate deny NS", "already Approved", 1),
            Row("certificate approve nosuch", '"nosuch" not found$', 1),
            Row("delete csr NS", "deleted"),
            Row("apply -f DIR/csr.yaml", "created$"),
            Row("certificate deny NS", "denied$"),
            Row("describe csr NS", "^Status: +Denied$"),
            Row("delete csr NS", "deleted"),
            Row("apply -f DIR/client.yaml", "created$"),
            Row("certificate approve NS", "approved$"),
            Row("get csr NS --no-headers", "kubernetes.io/kube-apiserver-client .* Approved,Issued$", eventually=True),
            Row("get csr NS -o jsonpath={.status.certificate}", "^LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"),
            Row("delete csr NS", "deleted"),
        ),
        {"csr.yaml": CSR, "client.yaml": CSR.replace("example.com/x", "kubernetes.io/kube-apiserver-client")},
    ),
    Story(
        "what is not there is said to be missing",
        (
            Row("logs nosuch", 'pods "nosuch" not found', 1),
            Row("exec nosuch -- ls", 'pods "nosuch" not found', 1),
            Row("attach nosuch", 'pods "nosuch" not found', 1),
            Row("port-forward pod/nosuch 80", 'pods "nosuch" not found', 1),
            Row("debug nosuch --image=x", 'pods "nosuch" not found', 1),
            Row("describe pod nosuch", 'pods "nosuch" not found$', 1),
            Row("events --for pod/nosuch", "^No events found in NS namespace.$"),
            Row("events", "^No events found in NS namespace.$"),
            Row("get pods,services", "^No resources found in NS namespace.$"),
            Row("rollout history deploy/nosuch", "not found$", 1),
        ),
    ),
)
