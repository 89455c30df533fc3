"""The commands against a real server with simulated nodes: what they print, and how they exit."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import ROOT, Said

KL = Callable[..., Said]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "nginx:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
"""


@pytest.fixture
def web(kl: KL, namespace: str, tmp_path: Path) -> Path:
    """An applied and finished Deployment; the file it came from."""
    file = tmp_path / "web.yaml"
    file.write_text(DEPLOYMENT)
    assert kl("apply", "-f", str(file), "-n", namespace) == (0, "deployment.apps/web created\n", "")
    assert kl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s").code == 0
    return file


def test_apply_says_created_unchanged_and_configured(kl: KL, namespace: str, web: Path) -> None:
    assert kl("apply", "-f", str(web), "-n", namespace).out == "deployment.apps/web unchanged\n"
    web.write_text(DEPLOYMENT.replace('{name: A, value: "1"}, ', ""))
    dry = kl("apply", "-f", str(web), "-n", namespace, "--dry-run=server")
    assert dry.out == "deployment.apps/web configured (server dry run)\n"
    assert kl("apply", "-f", str(web), "-n", namespace).out == "deployment.apps/web configured\n"
    path = "jsonpath={.spec.template.spec.containers[0].env}"
    assert kl("get", "deploy", "web", "-n", namespace, "-o", path).out == '[{"name":"B","value":"2"}]'


def test_apply_reads_directories_and_standard_input(
    kl: KL, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}))
    (tmp_path / "below" / "c.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert kl("apply", "-f", str(tmp_path), "-n", namespace).out == "configmap/b created\n"
    assert kl("apply", "-R", "-f", str(tmp_path), "-n", namespace).out == "configmap/b unchanged\nconfigmap/c created\n"
    text = b"---\napiVersion: v1\nkind: Secret\nmetadata: {name: d}\n---\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert kl("apply", "-f", "-", "-n", namespace).out == "secret/d created\n"


def test_server_side_apply_names_the_conflict_and_can_be_forced(kl: KL, namespace: str, web: Path) -> None:
    web.write_text(DEPLOYMENT.replace("replicas: 2", "replicas: 3"))
    kl("scale", "deploy/web", "--replicas=1", "-n", namespace)
    refused = kl("apply", "--server-side", "-f", str(web), "-n", namespace)
    assert refused.code == 1
    assert "Apply failed with 1 conflict" in refused.err
    assert "--force-conflicts" in refused.err
    forced = kl("apply", "--server-side", "--force-conflicts", "-f", str(web), "-n", namespace)
    assert forced.out == "deployment.apps/web serverside-applied\n"
    assert kl("apply", "-f", str(web), "-n", namespace).out == "deployment.apps/web unchanged\n"


def test_apply_goes_on_after_a_refusal(kl: KL, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    bad = DEPLOYMENT.replace("nginx:1", "").replace("name: c,", "name: A_B,")
    file.write_text(bad + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n")
    said = kl("apply", "-f", str(file), "-n", namespace)
    assert (said.code, said.out) == (1, "configmap/good created\n")
    assert said.err.startswith('The Deployment "web" is invalid: \n* spec.template.spec.containers[0].name: Invalid')


def test_get_prints_tables_kinds_names_and_documents(kl: KL, namespace: str, web: Path) -> None:
    said = kl("get", "deployments,rs", "-n", namespace)
    assert said.out.splitlines()[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert said.out.splitlines()[1].startswith("deployment.apps/web   2/2 ")
    assert "replicaset.apps/web-" in said.out
    assert kl("get", "deploy/web", "-n", namespace, "-o", "name").out == "deployment.apps/web\n"
    assert json.loads(kl("get", "deploy", "web", "-n", namespace, "-o", "json").out)["spec"]["replicas"] == 2
    listed = kl("get", "deploy", "-n", namespace, "-o", "yaml").out
    assert listed.startswith("apiVersion: v1\nitems:\n- apiVersion: apps/v1\n")
    assert "managedFields" not in listed
    names = kl("get", "pods", "-A", "-l", "app=web", "--no-headers").out.splitlines()
    assert len([line for line in names if line.split()[0] == namespace]) == 2
    assert "NODE" in kl("get", "pods", "-n", namespace, "-o", "wide").out


def test_what_is_not_there_is_said_as_kubectl_says_it(kl: KL, namespace: str) -> None:
    assert kl("get", "pods", "-n", namespace) == (0, "", f"No resources found in {namespace} namespace.\n")
    assert kl("get", "pod", "x") == (1, "", 'Error from server (NotFound): pods "x" not found\n')
    assert kl("get", "deploy/x").err == 'Error from server (NotFound): deployments.apps "x" not found\n'
    assert kl("get", "pod", "x", "--ignore-not-found") == (0, "", "")
    assert kl("get", "nonsense").err == 'error: the server doesn\'t have a resource type "nonsense"\n'
    assert kl("delete", "pod", "x").err == 'Error from server (NotFound): pods "x" not found\n'


def test_flags_that_do_not_exist_are_refused(kl: KL) -> None:
    with pytest.raises(SystemExit) as exited:
        kl("get", "pods", "--nonsense")
    assert exited.value.code == 1


def test_a_server_that_is_not_there_is_named(kl: KL, tmp_path: Path, kubeconfig: Path) -> None:
    import re

    file = tmp_path / "config"
    file.write_text(re.sub(r"server: .*", "server: https://127.0.0.1:1", kubeconfig.read_text()))
    said = kl("get", "pods", "--kubeconfig", str(file))
    text = "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    assert said == (1, "", text)


def test_create_makes_what_its_flags_say(kl: KL, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("level=debug\n")
    made = kl("create", "configmap", "c", "-n", namespace, "--from-literal=a=b", f"--from-file={tmp_path}/app.conf")
    assert made.out == "configmap/c created\n"
    data = kl("get", "cm", "c", "-n", namespace, "-o", "jsonpath={.data}").out
    assert json.loads(data) == {"a": "b", "app.conf": "level=debug\n"}
    assert kl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=p=q").out == "secret/s created\n"
    assert kl("create", "deployment", "d", "-n", namespace, "--image=nginx", "--replicas=0").code == 0
    assert kl("create", "sa", "robot", "-n", namespace).out == "serviceaccount/robot created\n"
    again = kl("create", "sa", "robot", "-n", namespace)
    assert again.err == 'Error from server (AlreadyExists): serviceaccounts "robot" already exists\n'
    dry = kl("create", "ns", "never", "--dry-run=client", "-o", "yaml").out
    assert dry == "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: never\n"


def test_delete_waits_until_the_object_is_gone(kl: KL, namespace: str, web: Path) -> None:
    said = kl("delete", "-f", str(web), "-n", namespace, "--cascade=foreground")
    assert said.out == f'deployment.apps "web" deleted from {namespace} namespace\n'
    assert kl("get", "deploy", "web", "-n", namespace).code == 1
    assert kl("get", "rs", "-n", namespace).out == ""


def test_delete_needs_to_be_told_what(kl: KL) -> None:
    assert kl("delete", "pods").err == "error: resource(s) were provided, but no name was specified\n"
    both = kl("delete", "pods", "x", "-l", "a=b")
    assert both.err == "error: name cannot be provided when a selector is specified\n"


def test_scale_and_wait(kl: KL, namespace: str, web: Path) -> None:
    on = ("-n", namespace)
    assert kl("scale", "deploy/web", "--replicas=4", *on).out == "deployment.apps/web scaled\n"
    assert kl("wait", "--for=jsonpath={.status.readyReplicas}=4", "deploy/web", *on).out == (
        "deployment.apps/web condition met\n"
    )
    wrong = kl("scale", "deploy/web", "--replicas=1", "--current-replicas=9", *on)
    assert wrong.err == "error: Expected replicas to be 9, was 4\n"
    assert kl("wait", "--for=condition=Ready", "pod", "-l", "app=web", *on).out.count("condition met") == 4
    assert kl("wait", "--for=condition=Available=False", "deploy/web", "--timeout=0", *on) == (
        1,
        "",
        "error: timed out waiting for the condition on deployments/web\n",
    )
    missing = kl("wait", "--for=condition=Ready", "pod/none", *on)
    assert missing.err == 'Error from server (NotFound): pods "none" not found\n'


def test_scale_goes_by_what_it_is_told_of_the_present(kl: KL, namespace: str, web: Path) -> None:
    def scale(*more: str) -> Said:
        return kl("scale", "deploy/web", "-n", namespace, *more)

    stale = scale("--replicas=1", "--resource-version=1")
    assert stale.code == 1
    assert stale.err.startswith("error: Expected resource version to be 1, was ")
    version = stale.err.split()[-1]
    assert scale("--replicas=2", f"--resource-version={version}").out == "deployment.apps/web scaled\n"
    assert scale("--replicas=1", "--current-replicas=5").err == "error: Expected replicas to be 5, was 2\n"
    assert kl("get", "deploy", "-n", namespace, "--chunk-size=1", "-o", "name").out == "deployment.apps/web\n"


def test_rollouts_are_followed_restarted_and_undone(kl: KL, namespace: str, web: Path) -> None:
    on = ("-n", namespace)
    web.write_text(DEPLOYMENT.replace("nginx:1", "nginx:2"))
    kl("apply", "-f", str(web), *on)
    done = kl("rollout", "status", "deploy/web", *on)
    assert (done.code, done.out.splitlines()[-1]) == (0, 'deployment "web" successfully rolled out')
    history = kl("rollout", "history", "deploy/web", *on).out
    assert history == "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    assert kl("rollout", "undo", "deploy/web", *on).out == "deployment.apps/web rolled back\n"
    image = "jsonpath={.spec.template.spec.containers[*].image}"
    assert kl("get", "deploy", "web", *on, "-o", image).out == "nginx:1"
    assert kl("rollout", "restart", "deploy/web", *on).out == "deployment.apps/web restarted\n"
    assert kl("rollout", "pause", "deploy/web", *on).out == "deployment.apps/web paused\n"
    assert kl("rollout", "pause", "deploy/web", *on).err == 'error: deployments.apps "web" is already paused\n'
    assert kl("rollout", "resume", "deploy/web", *on).out == "deployment.apps/web resumed\n"
    assert "nginx:2" in kl("rollout", "history", "deploy/web", "--revision=2", *on).out


def test_secrets_are_described_without_their_values(kl: KL, namespace: str) -> None:
    kl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=p=geheim")
    text = kl("describe", "secret", "s", "-n", namespace).out
    assert "p:  6 bytes" in text
    assert "Z2VoZWlt" not in text


def test_versions(kl: KL) -> None:
    said = kl("version")
    assert "Client Version: v1.36" in said.out
    assert "Server Version: v1.36" in said.out


def test_the_command_works_as_a_process(kubeconfig: Path) -> None:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kube_lite", "get", "nodes", "-o", "name"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "node/sim-0\nnode/sim-1\nnode/sim-2\n"


def test_nothing_heavy_is_imported_for_a_get(kubeconfig: Path) -> None:
    heavy = "{'yaml', 'httpx', 'anyio', 'asyncio', 'http.client', 'email', 'dataclasses', 'msgspec', 'tempfile'}"
    code = f"import sys; from kube_lite.cli.main import main; main(['get', 'nodes']); print({heavy} & set(sys.modules))"
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    "command",
    ["get", "describe", "apply", "create", "delete", "logs", "scale", "rollout", "wait", "version", "image"],
)
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from kube_lite.cli.main import main

    with pytest.raises(SystemExit) as exited:
        main([command, "--help"])
    assert exited.value.code == 0
    assert capsys.readouterr().out.count(f"kube-lite {command} ") >= 3
