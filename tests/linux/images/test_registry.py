"""The client against registries that lie, break off, ask for tokens and lead elsewhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kube_lite.node.keyring import Credential
from kube_lite.node.linux.images.reference import Reference
from kube_lite.node.linux.images.registry import endpoints
from kube_lite.node.linux.images.store import ImageStore
from kube_lite.node.runtime import ImageState, RuntimeFailure
from tests.linux.images.registry import DOCKER, Image, digest_of, free_port, tar_of
from tests.linux.network.namespaces import needs_root

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root(), reason="needs root")]

LAYER = tar_of({"f": os.urandom(3 << 20)})


@dataclass
class Answer:
    """What the fake registry sends; ``cut`` closes the connection after so many bytes of the body."""

    body: bytes
    kind: str = "application/octet-stream"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


class FakeRegistry:
    """Serves ``answers`` by path; ``before`` may answer first. Notes every request line and authorization."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.before: Callable[[str, dict[str, str]], Answer | None] = lambda path, headers: None
        self.seen: list[tuple[str, str, str]] = []
        self.host = ""

    def serve(self, image: Image, name: str = "r", tag: str = "v1") -> str:
        """Offer an image; returns its manifest's digest."""
        kind, manifest, blobs = image.manifest()
        for version in (tag, digest_of(manifest)):
            headers = {"Docker-Content-Digest": digest_of(manifest)}
            self.answers[f"/v2/{name}/manifests/{version}"] = Answer(manifest, kind, headers=headers)
        for blob in blobs:
            self.answers[f"/v2/{name}/blobs/{digest_of(blob)}"] = Answer(blob)
        return digest_of(manifest)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        self.seen.append((method, path, headers.get("authorization", "")))
        first = self.before(path, headers)
        return first or self.answers.get(path) or Answer(b"{}", "application/json", 404)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with running() as made:
        yield made


@contextlib.contextmanager
def running() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _send(self) -> None:
            sent = {key.lower(): value for key, value in self.headers.items()}
            answer = registry.answer(self.command, self.path, sent)
            body = answer.body
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(body)))
            for key, value in answer.headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = _send

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    registry.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pull(directory: Path, image: str, *credentials: Credential) -> ImageState:
    async def main() -> ImageState:
        store = ImageStore(directory)
        try:
            return await store.pull(image, credentials=credentials)
        finally:
            await store.close()

    return asyncio.run(main())


def refused(directory: Path, image: str, text: str, *credentials: Credential) -> None:
    """The pull fails with ErrImagePull and ``text``, and leaves neither image nor layer nor work."""
    with pytest.raises(RuntimeFailure, match=text) as caught:
        pull(directory, image, *credentials)
    assert caught.value.reason == "ErrImagePull"
    assert not (directory / "images/images.json").exists()
    assert os.listdir(directory / "images/layers") == []
    assert os.listdir(directory / "images/work") == []


def blob_path(fake: FakeRegistry, image: Image, index: int) -> str:
    return f"/v2/r/blobs/{digest_of(image.manifest()[2][index])}"


@pytest.mark.parametrize(("index", "what"), [(0, "layer"), (1, "config")])
def test_a_blob_with_another_digest_is_refused(tmp_path: Path, fake: FakeRegistry, index: int, what: str) -> None:
    image = Image([LAYER])
    fake.serve(image)
    path = blob_path(fake, image, index)
    body = bytearray(fake.answers[path].body)
    body[len(body) // 2] ^= 1
    fake.answers[path].body = bytes(body)
    refused(tmp_path, f"{fake.host}/r:v1", "digest mismatch")


@pytest.mark.parametrize("extra", [b"more", b"x" * (3 << 20)])
@pytest.mark.parametrize("index", [0, 1])
def test_a_blob_longer_than_described_is_refused(tmp_path: Path, fake: FakeRegistry, index: int, extra: bytes) -> None:
    image = Image([LAYER])
    fake.serve(image)
    fake.answers[blob_path(fake, image, index)].body += extra
    refused(tmp_path, f"{fake.host}/r:v1", "larger than")


def test_a_blob_shorter_than_described_is_refused(tmp_path: Path, fake: FakeRegistry) -> None:
    image = Image([LAYER])
    fake.serve(image)
    fake.answers[blob_path(fake, image, 0)].body = b"short"
    refused(tmp_path, f"{fake.host}/r:v1", "ended after 5 bytes")


def test_a_manifest_that_is_not_its_digest_is_refused(tmp_path: Path, fake: FakeRegistry) -> None:
    digest = fake.serve(Image([LAYER]))
    fake.answers[f"/v2/r/manifests/{digest}"].body += b" "
    refused(tmp_path, f"{fake.host}/r@{digest}", "digest mismatch")
    fake.answers["/v2/r/manifests/v1"].body += b" "
    refused(tmp_path, f"{fake.host}/r:v1", "digest mismatch")


@pytest.mark.parametrize(
    "manifest",
    [
        b"not json",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"schemaVersion": 1, "fsLayers": []}',
        b'{"schemaVersion": 2, "config": {"digest": "sha256:../../etc", "size": 1}, "layers": []}',
        b'{"schemaVersion": 2, "config": {"digest": "md5:00", "size": 1}, "layers": []}',
        b'{"schemaVersion": 2, "config": {"digest": "sha256:%b", "size": -1}, "layers": []}' % (b"0" * 64),
        b'{"schemaVersion": 2, "config": {"digest": "sha256:%b", "size": "1"}, "layers": []}' % (b"0" * 64),
        b'{"schemaVersion": 2, "config": {"digest": "sha256:%b", "size": 99999999999}, "layers": []}' % (b"0" * 64),
        b'{"schemaVersion": 2, "manifests": [1, null, {"platform": 3}]}',
        b" " * (5 << 20),
    ],
)
def test_malformed_manifests_are_pull_errors(tmp_path: Path, fake: FakeRegistry, manifest: bytes) -> None:
    fake.answers["/v2/r/manifests/v1"] = Answer(manifest)
    refused(tmp_path, f"{fake.host}/r:v1", "failed to pull and unpack")


@pytest.mark.parametrize(
    "document",
    [
        {"rootfs": {"diff_ids": ["sha256:../../../etc"]}},
        {"rootfs": {"diff_ids": []}},
        {"rootfs": 3},
        {"rootfs": {"diff_ids": [digest_of(b"other")]}},
        {"rootfs": {"diff_ids": [digest_of(LAYER)]}, "config": {"Env": "A=1"}},
        {"rootfs": {"diff_ids": [digest_of(LAYER)]}, "config": {"User": ["x"]}},
        {"rootfs": {"diff_ids": [digest_of(LAYER)]}, "architecture": "vax", "os": "linux"},
    ],
)
def test_malformed_configurations_are_pull_errors(
    tmp_path: Path, fake: FakeRegistry, document: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "document", lambda _: json.dumps(document).encode())
    fake.serve(Image([LAYER]))
    refused(tmp_path, f"{fake.host}/r:v1", "failed to pull and unpack")


def test_a_broken_download_goes_on_where_it_ended(tmp_path: Path, fake: FakeRegistry) -> None:
    image = Image([LAYER], compression="none")
    fake.serve(image)
    path = blob_path(fake, image, 0)
    ranges: list[str] = []

    def before(asked: str, headers: dict[str, str]) -> Answer | None:
        if asked != path:
            return None
        ranges.append(headers.get("range", ""))
        start = int(ranges[-1].removeprefix("bytes=").removesuffix("-") or 0)
        span = {"Content-Range": f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}"}
        more = {} if not start else span
        cut = 2 << 20 if len(ranges) == 1 else None
        return Answer(LAYER[start:], status=206 if start else 200, headers=more, cut=cut)

    fake.before = before
    assert pull(tmp_path, f"{fake.host}/r:v1").size == 3 << 20
    assert ranges[0] == ""
    assert ranges[1].startswith("bytes=")


def test_a_bearer_token_is_fetched_with_the_pull_secrets_user(tmp_path: Path, fake: FakeRegistry) -> None:
    image = Image([LAYER])
    fake.serve(image)
    basic = "Basic " + base64.b64encode(b"me:secret").decode()

    def before(path: str, headers: dict[str, str]) -> Answer | None:
        given = headers.get("authorization", "")
        if path.startswith("/token?"):
            assert "scope=repository%3Ar%3Apull" in path
            assert "service=fake" in path
            return Answer(b'{"token": "T0K"}') if given == basic else Answer(b"", status=401)
        if given == "Bearer T0K":
            return None
        challenge = f'Bearer realm="http://{fake.host}/token",service="fake",scope="repository:r:pull"'
        return Answer(b"", status=401, headers={"WWW-Authenticate": challenge})

    fake.before = before
    (tmp_path / "without").mkdir()
    refused(tmp_path / "without", f"{fake.host}/r:v1", "failed to authorize")
    pull(tmp_path, f"{fake.host}/r:v1", Credential(fake.host, "me", "secret"))


def test_basic_credentials_are_sent_when_asked_for(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.serve(Image([LAYER]))
    basic = "Basic " + base64.b64encode(b"me:secret").decode()

    def before(path: str, headers: dict[str, str]) -> Answer | None:
        if headers.get("authorization") == basic:
            return None
        return Answer(b"", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    fake.before = before
    for credentials in ((), (Credential("elsewhere.io", "me", "secret"),), (Credential(fake.host, "me", "wrong"),)):
        refused(tmp_path, f"{fake.host}/r:v1", "authorization failed|pull access denied", *credentials)
    pull(tmp_path, f"{fake.host}/r:v1", Credential(fake.host, "me", "secret"))


def test_what_was_pulled_with_a_secret_is_not_given_to_who_has_none(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.serve(Image([LAYER]))
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    closed = True

    def before(path: str, headers: dict[str, str]) -> Answer | None:
        if not closed or headers.get("authorization") == basic:
            return None
        return Answer(b"", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    fake.before = before
    image = f"{fake.host}/r:v1"
    mine = Credential(fake.host, "me", "secret")

    async def story() -> None:
        nonlocal closed
        store = ImageStore(tmp_path / "store")
        first = await store.ensure(image, "IfNotPresent", [mine])
        fake.seen.clear()
        assert await store.ensure(image, "Never", [mine]) == first
        assert await store.ensure(image, "IfNotPresent", [Credential(fake.host + "/r", "me", "secret")]) == first
        assert fake.seen == []
        pinned = f"{fake.host}/r@{next(n for n in first.names if '@' in n).partition('@')[2]}"
        for name in (image, pinned):
            for others in ([], [Credential(fake.host, "me", "guess")], [Credential("else.test", "me", "secret")]):
                with pytest.raises(RuntimeFailure, match=r"authorization failed|pull access denied"):
                    await store.ensure(name, "IfNotPresent", others)
                with pytest.raises(RuntimeFailure, match="not present with pull policy of Never"):
                    await store.ensure(name, "Never", others)
        closed = False
        assert await store.ensure(image, "IfNotPresent") == first
        fake.seen.clear()
        assert await store.ensure(image, "Never") == first
        assert fake.seen == []
        await store.close()

    asyncio.run(story())


def test_a_redirected_blob_is_fetched_without_the_credentials(tmp_path: Path, fake: FakeRegistry) -> None:
    image = Image([LAYER])
    fake.serve(image)
    path = blob_path(fake, image, 0)
    with running() as store:
        store.answers["/cdn"] = fake.answers[path]
        fake.answers[path] = Answer(b"", status=307, headers={"Location": f"http://{store.host}/cdn"})

        def before(_: str, headers: dict[str, str]) -> Answer | None:
            if "authorization" in headers:
                return None
            return Answer(b"", status=401, headers={"WWW-Authenticate": "Basic"})

        fake.before = before
        pull(tmp_path, f"{fake.host}/r:v1", Credential(fake.host, "me", "secret"))
        assert store.seen == [("GET", "/cdn", "")]


def test_redirects_do_not_go_round_forever(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.before = lambda path, headers: Answer(b"", status=302, headers={"Location": path})
    refused(tmp_path, f"{fake.host}/r:v1", "too many redirects")


def test_always_asks_only_for_the_digest_when_nothing_changed(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.serve(Image([LAYER], kind="docker"))
    pull(tmp_path, f"{fake.host}/r:v1")
    fake.seen.clear()
    pull(tmp_path, f"{fake.host}/r:v1")
    assert [seen[:2] for seen in fake.seen] == [("HEAD", "/v2/r/manifests/v1")]


def test_a_registry_that_does_not_say_the_digest_is_asked_for_the_manifest(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.serve(Image([LAYER]))
    fake.answers["/v2/r/manifests/v1"].headers.clear()
    first = pull(tmp_path, f"{fake.host}/r:v1")
    assert pull(tmp_path, f"{fake.host}/r:v1") == first


def test_a_hostile_layer_fails_the_pull_and_leaves_nothing(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.serve(Image([tar_of({"../../evil": b"x"})], kind="docker"))
    refused(tmp_path, f"{fake.host}/r:v1", "name with '..'")
    assert not list(tmp_path.rglob("evil"))


def test_encrypted_and_unknown_layers_are_refused_before_the_download(tmp_path: Path, fake: FakeRegistry) -> None:
    image = Image([LAYER], kind="docker")
    fake.serve(image)
    answer = fake.answers["/v2/r/manifests/v1"]
    answer.body = answer.body.replace(f"{DOCKER}.image.rootfs.diff.tar.gzip".encode(), b"application/x+encrypted")
    answer.headers.clear()
    refused(tmp_path, f"{fake.host}/r:v1", "unsupported layer type")
    assert not any("blobs" in path for _, path, _ in fake.seen)


@pytest.mark.parametrize(
    ("image", "mirrors", "insecure", "bases"),
    [
        ("nginx", {}, [], ["https://registry-1.docker.io"]),
        (
            "nginx",
            {"docker.io": "http://127.0.0.1:5000/"},
            [],
            ["http://127.0.0.1:5000", "https://registry-1.docker.io"],
        ),
        ("quay.io/a/b", {"docker.io": "http://x"}, [], ["https://quay.io"]),
        ("r.test:5000/a", {}, ["r.test:5000"], ["http://r.test:5000"]),
        ("r.test:5000/a", {}, ["r.test"], ["https://r.test:5000"]),
        ("localhost/a", {}, [], ["http://localhost"]),
        ("[::1]:5000/a", {}, [], ["http://[::1]:5000"]),
        ("127.0.0.1.evil.test/a", {}, [], ["https://127.0.0.1.evil.test"]),
    ],
)
def test_where_an_image_is_looked_for(
    image: str, mirrors: dict[str, str], insecure: list[str], bases: list[str]
) -> None:
    found = endpoints(Reference.parse(image), mirrors, insecure, lambda host: [Credential(host)])
    assert [endpoint.base for endpoint in found] == bases
    assert [endpoint.credential and endpoint.credential.scope for endpoint in found][-1] == Reference.parse(
        image
    ).registry


def test_nobody_listens(tmp_path: Path) -> None:
    refused(tmp_path, f"127.0.0.1:{free_port()}/r:v1", "(?i)connect")
