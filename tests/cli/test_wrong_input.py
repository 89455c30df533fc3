"""What people get wrong, against a real server: each mistake is named in a line or two, with exit code 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said

KL = Callable[..., Said]

NAMELESS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\ndata: {a: b}\n"


@pytest.fixture
def kept(kl: KL, namespace: str) -> str:
    """The namespace, with a config map in it that nobody means to lose."""
    assert kl("create", "configmap", "kept", "--from-literal=a=1", "-n", namespace).code == 0
    return namespace


@pytest.mark.parametrize(
    "words",
    [
        ("delete", "-f", "FILE"),
        ("apply", "-f", "FILE"),
        ("apply", "--server-side", "-f", "FILE"),
        ("get", "-f", "FILE"),
        ("wait", "--for=delete", "-f", "FILE"),
        ("delete", "configmap", ""),
        ("delete", "configmap", "kept", ""),
        ("get", "configmap", ""),
        ("describe", "configmap", ""),
        ("scale", "deployment", "", "--replicas=0"),
        ("rollout", "restart", "deployment", ""),
        ("rollout", "status", "deployment", ""),
        ("wait", "--for=delete", "configmap", ""),
        ("logs", ""),
    ],
)
def test_an_empty_name_never_means_every_object(kl: KL, kept: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "nameless.yaml"
    file.write_text(NAMELESS)
    said = kl(*(str(file) if word == "FILE" else word for word in words), "-n", kept)
    assert said.code == 1
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "resource name may not be empty" in said.err
    assert kl("get", "configmap", "kept", "-n", kept, "-o", "name").out == "configmap/kept\n"


FILES = {
    "bad.yaml": "not: [valid\n",
    "bad.json": '{"a":',
    "tab.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: tab\n",
    "binary.yaml": "a: \0\n",
    "text.yaml": "hello\n",
    "list.yaml": "- 1\n",
    "empty.yaml": "---\n",
    "metadata.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: [a]\n",
    "items.yaml": "apiVersion: v1\nkind: List\nitems: [a]\n",
    "kind.yaml": "apiVersion: v1\nmetadata: {name: a}\n",
    "unknown.yaml": "apiVersion: foo.example/v1\nkind: Bar\nmetadata: {name: a}\n",
    "generated.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n",
    "lost.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nowhere}\n",
}
VALIDATING = 'error: error validating "DIR/'

FILE_MISTAKES = [
    ("bad.yaml", "error: error parsing DIR/bad.yaml: error converting YAML to JSON: yaml: line 2: did not find "
     "expected ',' or ']'"),
    ("bad.json", "error: error parsing DIR/bad.json: error converting YAML to JSON: yaml: line 2: did not find "
     "expected node content"),
    ("tab.yaml", "error: error parsing DIR/tab.yaml: error converting YAML to JSON: yaml: line 4: found character "
     "that cannot start any token"),
    ("binary.yaml", "error: error parsing DIR/binary.yaml: error converting YAML to JSON: yaml: control characters "
     "are not allowed"),
    ("text.yaml", VALIDATING + 'text.yaml": invalid object: want a mapping, not text'),
    ("list.yaml", VALIDATING + 'list.yaml": invalid object: want a mapping, not a list'),
    ("empty.yaml", "error: no objects passed: DIR/empty.yaml holds none"),
    ("metadata.yaml", VALIDATING + 'metadata.yaml": metadata: want a mapping, not a list'),
    ("items.yaml", VALIDATING + 'items.yaml": invalid object: want a mapping, not text'),
    ("kind.yaml", VALIDATING + 'kind.yaml": error validating data: kind not set'),
    ("unknown.yaml", 'error: resource mapping not found for name: "a" namespace: "" from "DIR/unknown.yaml": no '
     'matches for kind "Bar" in version "foo.example/v1"\nensure CRDs are installed first'),
    ("generated.yaml", "error: from a-: cannot use generate name with apply"),
    ("lost.yaml", 'Error from server (NotFound): error when creating "DIR/lost.yaml": namespaces "nowhere" not found'),
    ("none.yaml", 'error: the path "DIR/none.yaml" does not exist'),
    ("sub", "error: error reading [DIR/sub]: recognized file extensions are ['.json', '.yaml', '.yml']; -R looks "
     "below it, too"),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all the bad files, and one without any in ``sub``."""
    directory = tmp_path_factory.mktemp("files")
    (directory / "sub").mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    return directory


@pytest.mark.parametrize(("name", "told"), FILE_MISTAKES, ids=[name for name, _ in FILE_MISTAKES])
def test_a_bad_file_is_named_with_what_is_wrong_in_it(kl: KL, files: Path, name: str, told: str) -> None:
    said = kl("apply", "-f", str(files / name))
    assert said == (1, "", told.replace("DIR", str(files)) + "\n")


def test_deleting_what_an_empty_file_names_is_no_mistake(kl: KL, files: Path) -> None:
    assert kl("delete", "-f", str(files / "empty.yaml")) == (0, "No resources found\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("get pods -f DIR/lost.yaml", "error: when paths, URLs, or stdin is provided as input, you may not specify "
         "resource arguments as well"),
        ("delete pods -f DIR/lost.yaml", "error: when paths, URLs, or stdin is provided as input, you may not specify "
         "resource arguments as well"),
        ("delete pods --all -l a=b", "error: --all and a selector contradict each other: give one of them"),
        ("apply -f http://127.0.0.1:1/x.yaml", 'error: unable to read URL "http://127.0.0.1:1/x.yaml": Connection '
         "refused"),
        ("apply -f http://[::1/x.yaml", 'error: unable to read URL "http://[::1/x.yaml": Invalid IPv6 URL'),
        ("get --raw nope", "error: --raw nope: want a path such as /readyz or /api/v1/nodes"),
        ("get --raw /nope", "Error from server (NotFound): the server answered 404 Not Found"),
        ("apply -k here", "error: kustomizations are not built here: kubectl kustomize here | kube-lite apply -f -"),
        ("apply -f DIR/lost.yaml --validate=much", "error: --validate much: want strict (or true), warn, or ignore (or "
         "false)"),
        ("logs x --tail=-5", "error: --tail must be greater than or equal to -1"),
        ("logs x --since=-5s", "error: --since must be greater than 0"),
        ("logs x --since=soon", "error: invalid argument 'soon' for --since: want something like 30s or 1m30s"),
        ("logs x --limit-bytes=-1", "error: --limit-bytes must be greater than 0"),
        ("logs x", 'Error from server (NotFound): pods "x" not found'),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_named(kl: KL, files: Path, words: str, told: str) -> None:
    assert kl(*words.replace("DIR", str(files)).split()) == (1, "", told + "\n")


def test_a_file_says_in_which_namespace_its_objects_are(kl: KL, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    template = "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}"
    spec = f"{{selector: {{matchLabels: {{a: b}}}}, template: {template}}}"
    file.write_text(
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {spec}"
    )
    assert kl("apply", "-f", str(file)).code == 0
    assert kl("get", "-f", str(file), "-o", "name").out == "deployment.apps/web\n"
    assert kl("describe", "-f", str(file)).out.startswith("Name: ")
    assert kl("scale", "-f", str(file), "--replicas=0") == (0, "deployment.apps/web scaled\n", "")
    assert kl("delete", "-f", str(file)).code == 0


def test_a_watch_ends_when_a_request_may_take_no_longer(kl: KL, namespace: str) -> None:
    assert kl("create", "configmap", "a", "-n", namespace).code == 0
    said = kl("get", "configmap", "a", "-w", "--request-timeout=1s", "--no-headers", "-n", namespace)
    assert said.code == 0
    assert said.out.split()[:2] == ["a", "0"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe\0", "not a kubeconfig"),
        (b"hello", "not a kubeconfig"),
        (b"a: [", "not YAML: while parsing a flow node"),
        (b"contexts: hello", "not a kubeconfig: contexts is no list of named entries"),
        (b"users: [{name: a, user: b}]", "not a kubeconfig: users is no list of named entries"),
    ],
)
def test_a_bad_kubeconfig_is_named(kl: KL, tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    said = kl("get", "pods", "--kubeconfig", str(file))
    assert said.code == 1
    assert said.err.startswith(f"error: {file}: {told}")
    assert said.err.count("\n") == 1
