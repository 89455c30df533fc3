"""The images of one node: pulled, imported, built in; looked up, listed, removed, collected.

One directory, ``DATA_DIR/images``: ``layers/`` (layers.py), ``configs/`` and ``images.json`` (catalog.py), ``work/``
for what is not finished. A pull downloads three layers at a time and unpacks two (Python unpacks at the speed of
one core); two pulls of one layer or one name wait for each other and share. What is downloaded is verified before
it is unpacked, and what is unpacked is verified before it is named.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from kube_lite import clock
from kube_lite.node.keyring import Credential, matching
from kube_lite.node.linux.images import archive, removal
from kube_lite.node.linux.images.builtin import REGISTRY as BUILTIN_REGISTRY
from kube_lite.node.linux.images.builtin import REPOSITORY as BUILTIN_REPOSITORY
from kube_lite.node.linux.images.builtin import BuiltinImage
from kube_lite.node.linux.images.catalog import Catalog, Record
from kube_lite.node.linux.images.layers import LayerStore, Workspace
from kube_lite.node.linux.images.manifest import Descriptor, ImageDocument, Manifest, ManifestError, parse, parse_config
from kube_lite.node.linux.images.reference import Reference
from kube_lite.node.linux.images.registry import Endpoint, Registry, RegistryError, endpoints
from kube_lite.node.linux.images.tar import ArchiveError
from kube_lite.node.linux.spec import Rootfs
from kube_lite.node.runtime import ImageState, RuntimeFailure

log = logging.getLogger(__name__)

DOWNLOADS = 3
"""Layers downloaded at once, as Docker and containerd do."""

UNPACKS = 2


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far one layer is: ``received`` of ``total`` compressed bytes; ``done`` when it is unpacked or was here."""

    digest: str
    received: int
    total: int
    done: bool = False


Progress = Callable[[PullProgress], None]


def _no_progress(_: PullProgress) -> None:
    """Nobody watches."""


class ImageStore:
    """Implements the runtime's ``Images``, and ``kube-lite image``. Several processes may share one ``data_dir``.

    :param mirrors: registry to the URL asked first for its images, e.g. ``{"docker.io": "http://127.0.0.1:5000"}``;
        the registry itself is asked when the mirror has no answer, as other runtimes do
    :param insecure: registries (host[:port]) reached by plain HTTP; loopback ones always are
    :param in_use: the ids of images that containers run from; those are neither removed nor collected
    """

    def __init__(
        self,
        data_dir: Path,
        mirrors: Mapping[str, str] | None = None,
        insecure: Collection[str] = (),
        in_use: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._directory = data_dir / "images"
        self._mirrors = dict(mirrors or {})
        self._insecure = frozenset(insecure)
        self._in_use = in_use
        self._builtin = BuiltinImage(self._directory / "builtin")
        self._opened: tuple[Catalog, LayerStore, Workspace] | None = None
        self._opening = anyio.Lock()
        self._pulling: dict[str, anyio.Lock] = {}
        self._downloads = anyio.Semaphore(DOWNLOADS)
        self._unpacks = anyio.Semaphore(UNPACKS)

    async def start(self) -> None:
        """Open the directory and sweep what crashed processes left; done by itself on first use."""
        async with self._opening:
            if self._opened is None:
                self._opened = await clock.run_in_thread(self._open)

    def _open(self) -> tuple[Catalog, LayerStore, Workspace]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._directory / "empty").mkdir(exist_ok=True, mode=0o755)
        self._builtin.sweep()
        workspace = Workspace(self._directory / "work")
        layers = LayerStore(self._directory / "layers", workspace)
        return Catalog(self._directory), layers, workspace

    async def _parts(self) -> tuple[Catalog, LayerStore, Workspace]:
        await self.start()
        assert self._opened is not None
        return self._opened

    async def close(self) -> None:
        """Remove unfinished work; images stay."""
        if self._opened is not None:
            await clock.run_in_thread(self._opened[2].close)
            self._opened = None

    async def ensure(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """Have ``image`` here by ``policy``; Always asks the registry whether the name still means the same.

        :raises RuntimeFailure: InvalidImageName, ErrImageNeverPull or ErrImagePull
        """
        reference = Reference.parse(image)
        if reference.registry == BUILTIN_REGISTRY:
            return await self._ensure_builtin(reference)
        if policy != "Always":
            present = await self._usable(image, reference, credentials)
            if present is not None:
                return present
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            raise RuntimeFailure("ErrImageNeverPull", message)
        return await self.pull(image, credentials=credentials)

    async def _usable(self, image: str, reference: Reference, credentials: Sequence[Credential]) -> ImageState | None:
        """The image if it is here and who has these credentials may use it.

        What was pulled with a pull secret is no gift to pods without one: they must ask the registry themselves
        (upstream's ``KubeletEnsureSecretPulledImages``). What was imported is everybody's.
        """
        present = await self.status(image)
        if present is None:
            return None
        catalog, _, _ = await self._parts()
        readers = (await clock.run_in_thread(catalog.read))[present.image_id].readers
        own = {item.fingerprint for item in matching(credentials, reference.name)}
        return present if not readers or own & set(readers) else None

    async def _ensure_builtin(self, reference: Reference) -> ImageState:
        if reference.repository != BUILTIN_REPOSITORY or reference.digest:
            raise RuntimeFailure("ErrImagePull", f'"{reference}" is not built in: {self._builtin.state().names[0]} is')
        await self.start()
        await clock.run_in_thread(self._builtin.ensure)
        return self._builtin.state((str(reference),))

    async def status(self, image: str) -> ImageState | None:
        """The image if it is here, by name or id. :raises RuntimeFailure: InvalidImageName"""
        catalog, _, _ = await self._parts()
        records = await clock.run_in_thread(catalog.read)
        name = image if image in records else Reference.parse(image).key
        for image_id, record in records.items():
            if image_id == name or name in record.names:
                return _state(image_id, record)
        return None

    async def list(self) -> list[ImageState]:
        """Every image that is here, the built-in one first."""
        catalog, _, _ = await self._parts()
        records = await clock.run_in_thread(catalog.read)
        return [self._builtin.state(), *(_state(image_id, record) for image_id, record in sorted(records.items()))]

    async def rootfs(self, image_id: str) -> Rootfs:
        """What a container of that image gets as its root. :raises RuntimeFailure: CreateContainerError, not here"""
        if image_id == self._builtin.image_id:
            await self.start()
            await clock.run_in_thread(self._builtin.ensure)
            return self._builtin.rootfs()
        await self.start()
        return await clock.run_in_thread(self._rootfs, image_id)

    def _rootfs(self, image_id: str) -> Rootfs:
        assert self._opened is not None
        catalog, layers, _ = self._opened
        try:
            document = catalog.config(image_id)
            stack = []
            for diff_id in reversed(catalog.read()[image_id].layers):
                layer = layers.get(diff_id)
                if layer is None:
                    raise FileNotFoundError(f"layer {diff_id} is missing")
                stack.append(layer.path)
                if layer.opaque_root:
                    break
        except (OSError, KeyError, ManifestError, ArchiveError) as error:
            raise RuntimeFailure("CreateContainerError", f"image {image_id}: {error}") from error
        return Rootfs(tuple(stack) or (str(self._directory / "empty"),), (), document.config, image_id)

    async def pull(
        self, image: str, progress: Progress = _no_progress, credentials: Sequence[Credential] = ()
    ) -> ImageState:
        """Bring what the registry has under that name; nothing is transferred that is here already.

        :raises RuntimeFailure: InvalidImageName or ErrImagePull
        """
        reference = Reference.parse(image)
        if reference.registry == BUILTIN_REGISTRY:
            return await self._ensure_builtin(reference)
        catalog, _, _ = await self._parts()
        key = reference.key
        lock = self._pulling.setdefault(key, anyio.Lock())
        try:
            async with lock, _shared(catalog):
                return await self._pull(reference, progress, credentials)
        except (RegistryError, ManifestError, ArchiveError, OSError) as error:
            message = f'failed to pull and unpack image "{reference}": {error}'
            raise RuntimeFailure("ErrImagePull", message) from error
        finally:
            if not lock.statistics().tasks_waiting:
                self._pulling.pop(key, None)

    async def _pull(self, reference: Reference, progress: Progress, credentials: Sequence[Credential]) -> ImageState:
        def find(host: str) -> Sequence[Credential]:
            return matching(credentials, f"{host}/{reference.repository}")

        catalog, _, _ = await self._parts()
        before = await clock.run_in_thread(catalog.read)
        failures: list[tuple[Endpoint, RegistryError]] = []
        for endpoint in endpoints(reference, self._mirrors, self._insecure, find):
            try:
                async with Registry(endpoint, reference.repository) as registry:
                    state = await self._pull_from(registry, reference, progress)
                await clock.run_in_thread(self._admit, state.image_id, endpoint.credential, state.image_id in before)
                return state
            except RegistryError as error:
                failures.append((endpoint, error))
        texts = list(dict.fromkeys(f"{endpoint.base}: {error}" for endpoint, error in failures))
        if len({endpoint.base for endpoint, _ in failures}) == 1:
            texts = list(dict.fromkeys(str(error) for _, error in failures))
        raise RegistryError(f'failed to resolve reference "{reference}": {reference}: {"; ".join(texts)}')

    async def _pull_from(self, registry: Registry, reference: Reference, progress: Progress) -> ImageState:
        catalog, _, _ = await self._parts()
        known = await clock.run_in_thread(catalog.read)
        restricted = any(record.readers for record in known.values())
        digest = reference.digest if reference.digest and not restricted else await registry.resolve(reference.version)
        if digest is not None:
            for image_id, record in known.items():
                if reference.with_digest(digest) in record.names:
                    return await clock.run_in_thread(self._name, image_id, None, _names(reference, digest))
        digest, raw = await registry.manifest(reference.version)
        manifest = await self._descend(registry, parse(raw))
        document = parse_config(await registry.document(manifest.config))
        if len(document.diff_ids) != len(manifest.layers):
            raise ManifestError(f"{len(manifest.layers)} layers, but {len(document.diff_ids)} diff ids")
        await self._fetch_all(registry, manifest, document, progress)
        return await clock.run_in_thread(self._name, document.image_id, document, _names(reference, digest))

    def _admit(self, image_id: str, credential: Credential | None, was_here: bool) -> None:
        """Note who may use an image that has just been pulled."""
        assert self._opened is not None
        with self._opened[0].changing() as records:
            record = records[image_id]
            if credential is None:
                record.readers = []
            elif not was_here or record.readers:
                record.readers = sorted({*record.readers, credential.fingerprint})

    @staticmethod
    async def _descend(registry: Registry, found: Manifest | Descriptor) -> Manifest:
        for _ in range(3):
            if isinstance(found, Manifest):
                return found
            _, raw = await registry.manifest(found.digest)
            if len(raw) != found.size:
                raise RegistryError(f"{found.digest} has {len(raw)} bytes, expected {found.size}")
            found = parse(raw)
        raise ManifestError("indexes nested too deeply")

    async def _fetch_all(
        self, registry: Registry, manifest: Manifest, document: ImageDocument, progress: Progress
    ) -> None:
        try:
            async with anyio.create_task_group() as group:
                for descriptor, diff_id in dict.fromkeys(zip(manifest.layers, document.diff_ids, strict=True)):
                    group.start_soon(self._fetch, registry, descriptor, diff_id, progress)
        except ExceptionGroup as errors:
            raise _first(errors) from errors

    async def _fetch(self, registry: Registry, descriptor: Descriptor, diff_id: str, progress: Progress) -> None:
        _, layers, workspace = await self._parts()
        size = descriptor.size
        async with layers.exclusive(diff_id):
            if await clock.run_in_thread(layers.get, diff_id) is None:
                target = workspace.fresh()
                try:
                    async with self._downloads:
                        await registry.blob(
                            descriptor, target, lambda got: progress(PullProgress(descriptor.digest, got, size))
                        )
                    async with self._unpacks:
                        await clock.run_in_thread(_unpack, layers, diff_id, target)
                finally:
                    target.unlink(missing_ok=True)
        progress(PullProgress(descriptor.digest, size, size, done=True))

    def _name(self, image_id: str, document: ImageDocument | None, names: Mapping[str, str]) -> ImageState:
        """Give an image that is complete its names, taking them from others; ``document`` if it is new."""
        assert self._opened is not None
        catalog, layers, _ = self._opened
        stack = layers.stack(document.diff_ids) if document is not None else []
        with catalog.changing() as records:
            if document is not None:
                catalog.keep_config(document)
                found = [layers.get(diff_id) for diff_id in document.diff_ids]
                size = sum(layer.size for layer in found if layer is not None)
                record = records.get(image_id) or Record(stack, size)
                records[image_id] = record
            for other in records.values():
                for name in names:
                    other.names.pop(name, None)
            records[image_id].names |= names
            return _state(image_id, records[image_id])

    async def import_archive(self, path: Path, name: str | None = None) -> Sequence[ImageState]:
        """Take over every image of an archive (see archive.py); ``name`` for one that has none in it.

        :raises RuntimeFailure: ErrImagePull, or InvalidImageName for a name in it
        """
        catalog, _, _ = await self._parts()
        try:
            async with _shared(catalog):
                return await clock.run_in_thread(self._import, path, name)
        except (ManifestError, ArchiveError, OSError) as error:
            raise RuntimeFailure("ErrImagePull", f"cannot import {path}: {error}") from error

    def _import(self, path: Path, name: str | None) -> Sequence[ImageState]:
        assert self._opened is not None
        _, layers, workspace = self._opened
        states = []
        with archive.opened(path, workspace.fresh()) as source:
            found = archive.images(source)
            if not found:
                raise ManifestError("no image in it")
            for image in found:
                texts = [name] if name is not None and len(found) == 1 else image.names
                names: dict[str, str] = {}
                for reference in map(Reference.parse, texts):
                    names |= _names(reference, image.digest or reference.digest)
                for member, diff_id in zip(image.layers, image.document.diff_ids, strict=True):
                    if layers.get(diff_id) is None:
                        with source.open(member) as file:
                            layers.add(diff_id, file)
                states.append(self._name(image.document.image_id, image.document, names))
        return states

    async def remove(self, image: str) -> int:
        """Take the name away, and the image with its last name; an id removes all. Returns the bytes freed.

        :raises ImageInUse: containers run from it
        :raises ImageNotFound: it is not here
        """
        catalog, layers, _ = await self._parts()
        return await clock.run_in_thread(removal.remove, catalog, layers, image, frozenset(self._in_use()))

    async def collect(self, keep: Iterable[str] = ()) -> int:
        """Remove every image that nothing runs from and whose id is not in ``keep``; returns the bytes freed.

        Returns 0 without doing anything while an image is being pulled.
        """
        catalog, layers, _ = await self._parts()
        return await clock.run_in_thread(removal.collect, catalog, layers, {*self._in_use(), *keep})


def _unpack(layers: LayerStore, diff_id: str, path: Path) -> None:
    with path.open("rb") as file:
        layers.add(diff_id, file)


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """One error of a group: the tasks fail of one cause, and the rest are cancelled."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _names(reference: Reference, digest: str) -> dict[str, str]:
    names = {}
    if digest:
        names[reference.with_digest(digest)] = digest
    if reference.tag and not reference.digest:
        names[str(reference)] = digest
    return names


def _state(image_id: str, record: Record) -> ImageState:
    return ImageState(image_id, record.size, tuple(sorted(record.names, key=lambda name: ("@" in name, name))))


@asynccontextmanager
async def _shared(catalog: Catalog) -> AsyncIterator[None]:
    """Keep collectors away, in this process and others."""
    with ExitStack() as stack:
        await clock.run_in_thread(stack.enter_context, catalog.locked("pull.lock", fcntl.LOCK_SH))
        yield
