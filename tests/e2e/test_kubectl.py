"""The real kubectl against a real server with simulated nodes: what it prints is what users and scripts rely on."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl, installed
from tests.support.running import REPOSITORY, Server, eventually

NGINX = str(REPOSITORY / "examples" / "nginx-deployment.yaml")
TYPO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: typo, labelz: {a: b}}
dato: {a: b}
"""


def rows(text: str) -> list[list[str]]:
    """A printed table: the cells of each line, header first."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


def rolled_out(kubectl: Kubectl, name: str = "nginx-deployment") -> None:
    assert f'deployment "{name}" successfully rolled out' in kubectl("rollout", "status", f"deploy/{name}")


def test_a_deployment_is_applied_and_shown(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", NGINX) == "deployment.apps/nginx-deployment created\n"
    rolled_out(kubectl)
    assert kubectl("apply", "-f", NGINX) == "deployment.apps/nginx-deployment unchanged\n"
    header, row = rows(kubectl("get", "deployments", "-o", "wide"))
    assert header == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row[:4] == ["nginx-deployment", "2/2", "2", "2"]
    assert row[5:] == ["nginx", "nginx:1.7.9", "app=nginx-server"]
    header, *pods = rows(kubectl("get", "pods", "-o", "wide"))
    columns = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED-NODE", "READINESS-GATES"]
    assert header == [column.replace("-", " ") for column in columns]
    assert [pod[1:4] for pod in pods] == [["1/1", "Running", "0"]] * 2
    assert len({pod[5] for pod in pods}) == 2
    assert {pod[6] for pod in pods} <= {"sim-0", "sim-1", "sim-2"}
    names = kubectl("get", "pods", "-l", "app=nginx-server", "-o", "name").split()
    assert sorted(names) == sorted(f"pod/{pod[0]}" for pod in pods)
    everything = kubectl("get", "all")
    assert all(f"\n{kind}/nginx-deployment" in f"\n{everything}" for kind in ("deployment.apps", "pod"))


def test_describe_tells_the_story_of_a_deployment_and_its_pods(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    rolled_out(kubectl)
    told = kubectl("describe", "deployment", "nginx-deployment")
    assert re.search(r"^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$", told, re.M)
    assert re.search(r"^StrategyType: +RollingUpdate$", told, re.M)
    assert re.search(r"^RollingUpdateStrategy: +25% max unavailable, 25% max surge$", told, re.M)
    assert re.search(r"^ +Available +True +MinimumReplicasAvailable$", told, re.M)
    assert re.search(r"^NewReplicaSet: +nginx-deployment-\w+ \(2/2 replicas created\)$", told, re.M)
    assert re.search(r"Normal +ScalingReplicaSet .* Scaled up replica set nginx-deployment-\w+ to 2", told)
    pod = kubectl("get", "pods", "-o", "name").split()[0]
    told = kubectl("describe", pod)
    assert re.search(r"^Node: +sim-\d/", told, re.M)
    assert re.search(r"^Controlled By: +ReplicaSet/nginx-deployment-", told, re.M)
    assert re.search(r"^QoS Class: +BestEffort$", told, re.M)
    assert re.search(r"node.kubernetes.io/not-ready:NoExecute op=Exists for 300s", told)
    assert re.search(r"Normal +Scheduled .*Successfully assigned \S+ to sim-\d", told)
    assert re.search(r"^  Ready +True ", kubectl("describe", "node", "sim-0"), re.M)


def test_scale_and_wait(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    assert kubectl("scale", "deployment/nginx-deployment", "--replicas=4") == (
        "deployment.apps/nginx-deployment scaled\n"
    )
    said = kubectl("wait", "deployment/nginx-deployment", "--for=jsonpath={.status.readyReplicas}=4", "--timeout=30s")
    assert said == "deployment.apps/nginx-deployment condition met\n"
    assert kubectl("wait", "pods", "--all", "--for=condition=Ready").count("condition met") == 4
    failure = kubectl.fails("scale", "deployment/nginx-deployment", "--replicas=1", "--current-replicas=2")
    assert failure == "error: Expected replicas to be 2, was 4\n"
    late = kubectl.fails("wait", "deployment/nginx-deployment", "--for=condition=Never", "--timeout=1s")
    assert late == "error: timed out waiting for the condition on deployments/nginx-deployment\n"


def test_a_rollout_is_followed_restarted_paused_and_undone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    rolled_out(kubectl)
    image = ("get", "deployment/nginx-deployment", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    kubectl("set", "image", "deployment/nginx-deployment", "nginx=nginx:1.9.1")
    rolled_out(kubectl)
    assert kubectl(*image) == "nginx:1.9.1"
    history = kubectl("rollout", "history", "deployment/nginx-deployment")
    assert (
        history == "deployment.apps/nginx-deployment \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    )
    detail = kubectl("rollout", "history", "deployment/nginx-deployment", "--revision=1")
    assert re.search(r"Image:\tnginx:1.7.9$", detail, re.M)
    assert kubectl("rollout", "undo", "deployment/nginx-deployment") == (
        "deployment.apps/nginx-deployment rolled back\n"
    )
    rolled_out(kubectl)
    assert kubectl(*image) == "nginx:1.7.9"
    history = kubectl("rollout", "history", "deployment/nginx-deployment")
    assert re.findall(r"^(\d+) ", history, re.M) == ["2", "3"]
    before = set(kubectl("get", "pods", "-o", "name").split())
    assert kubectl("rollout", "restart", "deployment/nginx-deployment") == (
        "deployment.apps/nginx-deployment restarted\n"
    )
    rolled_out(kubectl)
    eventually(lambda: not before & set(kubectl("get", "pods", "-o", "name").split()))
    assert "paused" in kubectl("rollout", "pause", "deployment/nginx-deployment")
    assert kubectl.fails("rollout", "undo", "deployment/nginx-deployment") == (
        "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again\n"
    )
    assert "resumed" in kubectl("rollout", "resume", "deployment/nginx-deployment")


def test_delete_waits_until_all_is_gone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    rolled_out(kubectl)
    gone = kubectl("delete", "deployment", "nginx-deployment", "--cascade=foreground")
    assert gone.startswith('deployment.apps "nginx-deployment" deleted')
    eventually(
        lambda: kubectl.run("get", "rs,pods").stderr == f"No resources found in {kubectl.namespace} namespace.\n"
    )
    assert kubectl.fails("get", "deployment", "nginx-deployment") == (
        'Error from server (NotFound): deployments.apps "nginx-deployment" not found\n'
    )
    assert kubectl("delete", "deployment", "nginx-deployment", "--ignore-not-found") == ""


def test_watch_prints_each_change(kubectl: Kubectl) -> None:
    with kubectl.running("get", "configmaps", "-w", "--output-watch-events") as lines:
        kubectl("create", "configmap", "seen", "--from-literal=a=1")
        kubectl("patch", "configmap", "seen", "-p", '{"data":{"b":"2"}}')
        kubectl("delete", "configmap", "seen")
        seen: list[list[str]] = []
        while not seen or seen[-1][0] != "DELETED":
            seen.append(lines.readline().split())
    mine = [line[:3] for line in seen if len(line) > 1 and line[1] == "seen"]
    assert mine == [["ADDED", "seen", "1"], ["MODIFIED", "seen", "2"], ["DELETED", "seen", "2"]]


def test_mistakes_are_refused_in_upstreams_words(kubectl: Kubectl) -> None:
    refused = kubectl.fails("create", "-f", "-", stdin=TYPO)
    assert refused == (
        'Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled '
        'as a ConfigMap: strict decoding error: unknown field "dato", unknown field "metadata.labelz"\n'
    )
    kubectl("create", "configmap", "twice")
    assert kubectl.fails("create", "configmap", "twice") == (
        'error: failed to create configmap: configmaps "twice" already exists\n'
    )
    again = TYPO.replace("dato", "data").replace(", labelz: {a: b}", "").replace("typo", "twice")
    assert kubectl.fails("create", "-f", "-", stdin=again) == (
        'Error from server (AlreadyExists): error when creating "STDIN": configmaps "twice" already exists\n'
    )
    bad = kubectl.fails("run", "Bad_Name", "--image=nginx")
    assert bad.startswith('The Pod "Bad_Name" is invalid: \n* metadata.name: Invalid value: "Bad_Name": a lowercase')
    assert kubectl.fails("get", "nonsense") == 'error: the server doesn\'t have a resource type "nonsense"\n'
    kubectl("apply", "-f", NGINX)
    patch = '{"spec":{"selector":{"matchLabels":{"app":"other"}}}}'
    immutable = kubectl.fails("patch", "deployment", "nginx-deployment", "-p", patch)
    assert 'The Deployment "nginx-deployment" is invalid: ' in immutable
    assert "field is immutable" in immutable
    assert "error: Metrics API not available" in kubectl.fails("top", "nodes")


def test_explain_and_api_resources(kubectl: Kubectl) -> None:
    told = kubectl("explain", "deployment.spec.strategy.rollingUpdate.maxSurge")
    assert re.search(r"^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n", told)
    assert "FIELD: maxSurge <IntOrString>" in told
    header, *kinds = [line.split() for line in kubectl("api-resources", "--no-headers=false").splitlines()]
    assert header == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in kinds
    assert ["pods", "po", "v1", "true", "Pod"] in kinds
    assert ["nodes", "no", "v1", "false", "Node"] in kinds
    assert "apps/v1\n" in kubectl("api-versions")


def test_label_annotate_and_patch(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "cm", "--from-literal=a=1")
    assert kubectl("label", "configmap", "cm", "tier=front") == "configmap/cm labeled\n"
    refused = kubectl.fails("label", "configmap", "cm", "tier=back")
    assert "'tier' already has a value (front), and --overwrite is false" in refused
    assert kubectl("get", "configmap", "-l", "tier in (front)", "-o", "name") == "configmap/cm\n"
    assert kubectl("label", "configmap", "cm", "tier-") == "configmap/cm unlabeled\n"
    assert kubectl("annotate", "configmap", "cm", "why=test") == "configmap/cm annotated\n"
    for kind, patch in (
        ("strategic", '{"data":{"b":"2"}}'),
        ("merge", '{"data":{"a":null}}'),
        ("json", '[{"op":"add","path":"/data/c","value":"3"}]'),
    ):
        assert kubectl("patch", "configmap", "cm", "--type", kind, "-p", patch) == "configmap/cm patched\n"
    assert kubectl.json("configmap", "cm")["data"] == {"b": "2", "c": "3"}
    assert kubectl("patch", "configmap", "cm", "-p", "{}") == "configmap/cm patched (no change)\n"


def test_a_service_is_exposed_and_has_endpoints(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    rolled_out(kubectl)
    exposed = kubectl("expose", "deployment", "nginx-deployment", "--port=80", "--name=web")
    assert exposed == "service/web exposed\n"
    header, row = rows(kubectl("get", "service", "web", "-o", "wide"))
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]
    assert row[:2] == ["web", "ClusterIP"]
    assert (row[3], row[4], row[6]) == ("<none>", "80/TCP", "app=nginx-server")
    addresses = {pod["status"]["podIP"] for pod in kubectl.json("pods")["items"]}

    def ready() -> bool:
        slices = kubectl.json("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
        found = {a for part in slices for end in part.get("endpoints") or [] for a in end["addresses"]}
        return found == addresses

    eventually(ready)
    told = kubectl("describe", "service", "web")
    ends = re.search(r"^Endpoints: +(\S+)$", told, re.M)
    assert ends is not None
    assert set(ends[1].split(",")) == {f"{address}:80" for address in addresses}


def test_a_named_port_is_found_in_the_pods(kubectl: Kubectl) -> None:
    deployment = json.loads(kubectl("create", "-f", NGINX, "--dry-run=client", "-o", "json"))
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8081}]
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    rolled_out(kubectl)
    kubectl("expose", "deployment", "nginx-deployment", "--port=80", "--target-port=http", "--name=named")

    def ports() -> list[int]:
        slices = kubectl.json("endpointslices", "-l", "kubernetes.io/service-name=named")["items"]
        return [port["port"] for part in slices if part["endpoints"] for port in part["ports"]]

    eventually(lambda: ports() == [8081])


def test_diff_shows_what_apply_would_change(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("apply", "-f", NGINX)
    assert kubectl("diff", "-f", NGINX) == ""
    changed = tmp_path / "changed.yaml"
    changed.write_text(Path(NGINX).read_text().replace("replicas: 2", "replicas: 3"))
    done = kubectl.run("diff", "-f", str(changed))
    assert done.returncode == 1, done.stderr
    assert re.search(r"^-  replicas: 2$", done.stdout, re.M)
    assert re.search(r"^\+  replicas: 3$", done.stdout, re.M)
    assert kubectl.json("deployment", "nginx-deployment")["spec"]["replicas"] == 2


def test_server_side_apply_knows_who_owns_a_field(kubectl: Kubectl, tmp_path: Path) -> None:
    assert kubectl("apply", "--server-side", "-f", NGINX) == ("deployment.apps/nginx-deployment serverside-applied\n")
    other = tmp_path / "other.yaml"
    other.write_text(Path(NGINX).read_text().replace("replicas: 2", "replicas: 3"))
    refused = kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", str(other))
    assert refused.startswith('error: Apply failed with 1 conflict: conflict with "kubectl": .spec.replicas\n')
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", str(other))
    found = kubectl.json("deployment", "nginx-deployment", "--show-managed-fields")
    assert found["spec"]["replicas"] == 3
    owners = {
        entry["manager"]
        for entry in found["metadata"]["managedFields"]
        if entry["operation"] == "Apply" and "f:replicas" in entry["fieldsV1"]["f:spec"]
    }
    assert owners == {"other"}


def test_a_deployment_deleted_as_orphan_leaves_its_replica_set(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", NGINX)
    rolled_out(kubectl)
    kubectl("delete", "deployment", "nginx-deployment", "--cascade=orphan")
    (left,) = eventually(lambda: kubectl.json("rs")["items"])
    assert "ownerReferences" not in left["metadata"]
    assert len(kubectl.json("pods")["items"]) == 2


@pytest.mark.parametrize("version", list(installed()))
def test_every_installed_kubectl_can_do_the_daily_work(simulated: Server, version: str) -> None:
    kubectl = Kubectl(installed()[version], simulated.kubeconfig, f"v-{secrets.token_hex(3)}")
    kubectl("create", "namespace", kubectl.namespace)
    assert kubectl("apply", "-f", NGINX) == "deployment.apps/nginx-deployment created\n"
    rolled_out(kubectl)
    assert kubectl("apply", "-f", NGINX) == "deployment.apps/nginx-deployment unchanged\n"
    assert [row[1:3] for row in rows(kubectl("get", "pods", "--no-headers"))] == [["1/1", "Running"]] * 2
    kubectl("scale", "deployment/nginx-deployment", "--replicas=1")
    kubectl("create", "configmap", "cm", "--from-literal=a=1")
    assert kubectl("get", "configmap", "cm", "-o", "jsonpath={.data.a}") == "1"
    assert "strict decoding error" in (said := kubectl.run("create", "-f", "-", stdin=TYPO).stderr) or (
        "unknown field" in said
    )
    assert "FIELD: replicas" in kubectl("explain", "deployment.spec.replicas").replace("FIELD:    ", "FIELD: ")
    assert "Replicas:" in kubectl("describe", "deployment", "nginx-deployment")
    assert "deleted" in kubectl("delete", "namespace", kubectl.namespace)


def test_a_manifest_of_a_withdrawn_version_is_taken_with_a_warning(kubectl: Kubectl) -> None:
    old = Path(NGINX).read_text().replace("apps/v1", "extensions/v1beta1")
    done = kubectl.run("apply", "-f", "-", stdin=old)
    assert done.stdout == "deployment.extensions/nginx-deployment created\n", done.stderr
    assert done.stderr == (
        "Warning: extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment\n"
    )
    rolled_out(kubectl)
    changed = kubectl("apply", "-f", "-", stdin=old.replace("replicas: 2", "replicas: 1"))
    assert changed == "deployment.extensions/nginx-deployment configured\n"
    assert kubectl.json("deployments.apps", "nginx-deployment")["spec"]["replicas"] == 1
