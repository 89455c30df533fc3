"""What edit, diff, replace, set and run do where kubectl's words are not the point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kube_lite.cli.main import main
from tests.cli.conftest import Said

KL = Callable[..., Said]

DEPLOYMENT = (
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: {matchLabels: "
)
DEPLOYMENT += "{app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}\n"


@pytest.fixture
def web(kl: KL, namespace: str) -> str:
    """A namespace with a Deployment."""
    assert kl("create", "deployment", "web", "--image=nginx", "-n", namespace).code == 0
    return namespace


def test_what_the_server_refuses_is_edited_again_with_the_reason_on_top(
    kl: KL, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    seen = tmp_path / "seen"
    editor.write_text(
        "#!/bin/sh\n"
        f'if [ -e {seen} ]; then cat "$1" > {seen}; sed -i "s/replicas: -5/replicas: 3/" "$1"\n'
        f'else touch {seen}; sed -i "s/replicas: 1/replicas: -5/" "$1"; fi\n'
    )
    editor.chmod(0o755)
    monkeypatch.setenv("KUBE_EDITOR", str(editor))
    said = kl("edit", "deploy/web", "-n", web)
    assert said == (0, "deployment.apps/web edited\n", 'error: deployments.apps "web" is invalid\n')
    assert "# * spec.replicas: Invalid value: -5: must be greater than or equal to 0\n" in seen.read_text()
    assert kl("get", "deploy", "web", "-n", web, "-o", "jsonpath={.spec.replicas}").out == "3"


def test_an_edit_that_stays_wrong_is_given_up_and_kept(
    kl: KL, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("KUBE_EDITOR", r"sed -i s/replicas:\\s1/replicas:\\x20-5/")
    said = kl("edit", "deploy/web", "-n", web)
    assert (said.code, said.out) == (1, "")
    (kept,) = tmp_path.glob("kube-lite-edit-*.yaml")
    assert said.err.splitlines() == [
        'error: deployments.apps "web" is invalid',
        f'A copy of your changes has been stored to "{kept}"',
        "error: Edit cancelled, no valid changes were saved.",
    ]
    assert "replicas: -5" in kept.read_text()


def test_a_name_cannot_be_edited(kl: KL, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("KUBE_EDITOR", r"sed -i s/^\\s\\sname:.*/\\x20\\x20name:\\x20other/")
    assert kl("edit", "deploy/web", "-n", web).code == 1
    (kept,) = tmp_path.glob("kube-lite-edit-*.yaml")
    assert "# At least one of apiVersion, kind and name was changed\n" in kept.read_text()


def test_diff_shows_what_apply_would_change_and_changes_nothing(
    kl: KL, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(DEPLOYMENT.replace("replicas: 1", "replicas: 4"))
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", f"sh -c 'diff -u $0 $1 > {tmp_path}/changes'")
    assert kl("diff", "-f", str(file), "-n", web).code == 1
    changes = (tmp_path / "changes").read_text().splitlines()
    assert [line for line in changes if line.startswith(("-  replicas", "+  replicas"))] == [
        "-  replicas: 1",
        "+  replicas: 4",
    ]
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "/nosuch/diff")
    assert kl("diff", "-f", str(file), "-n", web) == (
        2,
        "",
        'error: failed to run "/nosuch/diff": No such file or directory\n',
    )
    assert kl("get", "deploy", "web", "-n", web, "-o", "jsonpath={.spec.replicas}").out == "1"


def test_diff_shows_no_value_of_a_secret(
    kl: KL, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kl("create", "secret", "generic", "s", "--from-literal=k=old", "-n", namespace).code == 0
    file = tmp_path / "s.yaml"
    file.write_text("{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {k: bmV3}}")
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", f"sh -c 'cat $0/* $1/* > {tmp_path}/both; exit 1'")
    assert kl("diff", "-f", str(file), "-n", namespace).code == 1
    both = (tmp_path / "both").read_text()
    assert both.count("k: '***") + both.count('k: "***') + both.count("k: ***") == 2
    assert "bmV3" not in both


def test_a_forced_replacement_is_a_new_object(kl: KL, web: str, tmp_path: Path) -> None:
    uid = kl("get", "deploy", "web", "-n", web, "-o", "jsonpath={.metadata.uid}").out
    file = tmp_path / "web.yaml"
    file.write_text(DEPLOYMENT)
    refused = kl("replace", "-f", str(file), "-n", web)
    assert (refused.code, refused.err.count("\n")) in ((0, 0), (1, 1))
    done = kl("replace", "--force", "-f", str(file), "-n", web)
    assert done.out.splitlines()[-1] == "deployment.apps/web replaced"
    assert kl("get", "deploy", "web", "-n", web, "-o", "jsonpath={.metadata.uid}").out not in ("", uid)


def test_switches_take_go_s_true_and_false(kl: KL, web: str) -> None:
    assert kl("label", "deploy", "web", "app=x", "--overwrite=false", "-n", web).code == 1
    assert kl("label", "--overwrite=true", "deploy", "web", "app=x", "-n", web).code == 0
    assert kl("label", "--dry-run", "deploy", "web", "y=z", "-n", web).out == "deployment.apps/web labeled (dry run)\n"


def test_a_switch_that_is_neither_true_nor_false_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["label", "--overwrite=perhaps", "pod", "x", "a=b"])
    assert 'error: invalid argument "perhaps" for "--overwrite" flag' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run p --image=i --restart=Foo", "error: invalid restart policy: Foo; want one of Always, OnFailure, Never"),
        ("run p --image=i --expose", "error: --port must be set when exposing a service"),
        ("run p --image=i --overrides=x", "error: --overrides is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("patch cm a -p {", "error: error parsing --patch: error converting YAML to JSON: yaml: line 2: did not find "
         "expected node content"),
        ("patch cm a --patch-file /nosuch", 'error: unable to read patch file: the path "/nosuch" does not exist'),
        ("replace", "error: must specify --filename (-f): replace takes whole objects; to change fields there is "
         "patch"),
        ("edit pod/x -o name", 'error: the output format "name" cannot be edited: yaml or json'),
        ("autoscale cm a --max=3", "error: cannot autoscale a ConfigMap: it has no scale subresource"),
        ("explain foo", 'error: the server doesn\'t have a resource type "foo"'),
        ("api-resources x", "error: unexpected arguments: [x]"),
        ("auth can-i create", "error: you must specify two arguments: verb resource or verb resource/resourceName."),
        ("get pods --as-group=a", "error: requesting groups without a user to impersonate: --as-group needs --as"),
        ("events pod/x", "error: unexpected arguments: pod/x; events of one object: --for TYPE/NAME"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_a_line(kl: KL, words: str, told: str) -> None:
    assert kl(*words.split()) == (1, "", told + "\n")
