"""The images of this machine's node: pull, import, list and remove them.

    kube-lite image ls
    kube-lite image pull nginx:1.27
    kube-lite image pull nginx:1.27 --registry-mirror docker.io=http://127.0.0.1:5000
    kube-lite image import app.tar                       # from `docker save`, or an OCI layout
    kube-lite image rm nginx:1.27

The node need not run. --data-dir is what `kube-lite up` or `kube-lite node` is given; a directory that neither has used
yet is taken for one of `up`. An image that a container was made from is not removed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kube_lite.cli.main import CommandError
from kube_lite.cli.node_flags import insecure, mirrors
from kube_lite.cli.server_flags import DEFAULT_DATA_DIR
from kube_lite.cli.tables import Columns

if TYPE_CHECKING:
    from kube_lite.node.linux.images.store import ImageStore, PullProgress
    from kube_lite.node.runtime import ImageState

HELP = "pull, import, list and remove images of this node"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite image``."""
    add = parser.add_argument
    add("action", choices=("pull", "import", "ls", "rm"))
    add("what", nargs="*", metavar="IMAGE | FILE", help="names such as nginx:1.27; for import: archives")
    add("--data-dir", metavar="DIR", default=DEFAULT_DATA_DIR, help="the node's directory (default: %(default)s)")
    add("--name", default=None, metavar="IMAGE", help="import: name of an image that has none in its archive")
    add("--registry-mirror", action="append", default=[], metavar="REGISTRY=URL", help="pull: ask this one first")
    add("--insecure-registry", action="append", default=[], metavar="HOST", help="pull: speak http with it")
    add("-q", "--quiet", action="store_true", help="ls: ids only; pull: no progress")


def run(args: argparse.Namespace) -> int:
    """Do it. Opens the same directory as a node that runs meanwhile."""
    import anyio

    if args.action == "ls" and args.what:
        raise CommandError(f"image ls shows all images and takes no names: {' '.join(args.what)}")
    if args.action != "ls" and not all(args.what or [""]):
        wanted = "an archive, such as app.tar" if args.action == "import" else "an image, such as nginx:1.27"
        raise CommandError(f"image {args.action}: want {wanted}")
    if not args.data_dir:
        raise CommandError(f"--data-dir is empty: want a directory, such as {DEFAULT_DATA_DIR}")
    try:
        directory = node_directory(Path(args.data_dir).resolve())
        if not directory.exists() and args.action in ("ls", "rm"):
            raise CommandError(f"no node keeps images in {args.data_dir}; name its directory with --data-dir")
        missing = [name for name in args.what if args.action == "import" and not Path(name).exists()]
        if missing:
            raise CommandError(f'the path "{missing[0]}" does not exist')
        _make(directory)
        return anyio.run(_act, args, directory)
    except PermissionError as error:
        whose = "the images are those of the user who runs the node, mostly root"
        raise CommandError(f"{error.filename}: permission denied; {whose}") from error


def _make(directory: Path) -> None:
    from kube_lite.live.directory import prepare

    try:
        prepare(directory)
    except OSError as error:
        raise CommandError(str(error)) from error


def node_directory(given: Path) -> Path:
    """Where the node of a data directory keeps its images: ``kube-lite up`` has its node one level below.

    A directory that nobody has used yet is taken for one of ``up``, unless it was a node's before.
    """
    own = any((given / name).exists() for name in ("membership.json", "images", "pods"))
    return given if own else given / "node"


def images_in_use(directory: Path) -> list[str]:
    """Ids of the images that the node's containers were made from, by its records."""
    from kube_lite.node.linux.state import read_json

    records = (read_json(str(path)) for path in directory.glob("pods/*/records/*.json"))
    return sorted({record["image_id"] for record in records if record is not None})


async def _act(args: argparse.Namespace, directory: Path) -> int:
    from kube_lite.node.linux.images.removal import ImageInUse, ImageNotFound
    from kube_lite.node.linux.images.store import ImageStore
    from kube_lite.node.runtime import RuntimeFailure

    asked = mirrors(args.registry_mirror), insecure(args.insecure_registry)
    store = ImageStore(directory, *asked, in_use=lambda: images_in_use(directory))
    try:
        await {"pull": _pull, "import": _import, "ls": _list, "rm": _remove}[args.action](store, args)
    except RuntimeFailure as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    except (ImageInUse, ImageNotFound) as error:
        raise CommandError(str(error)) from error
    finally:
        await store.close()
    return 0


async def _pull(store: ImageStore, args: argparse.Namespace) -> None:
    for name in args.what:
        shown = _Progress(name, sys.stderr.isatty() and not args.quiet)
        state = await store.pull(name, shown.update)
        shown.end()
        print(state.names[0] if state.names else state.image_id, flush=True)


class _Progress:
    """One line that is written over: layers done, and megabytes received."""

    def __init__(self, name: str, visible: bool) -> None:
        self._name = name
        self._visible = visible
        self._layers: dict[str, PullProgress] = {}

    def update(self, layer: PullProgress) -> None:
        """Take in news of one layer."""
        self._layers[layer.digest] = layer
        if self._visible:
            done = sum(one.done for one in self._layers.values())
            received = sum(one.total if one.done else one.received for one in self._layers.values())
            total = sum(one.total for one in self._layers.values())
            text = f"{self._name}: {done}/{len(self._layers)} layers, {_size(received)} of {_size(total)}"
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._visible and self._layers:
            print(file=sys.stderr)


async def _import(store: ImageStore, args: argparse.Namespace) -> None:
    for name in args.what:
        for state in await store.import_archive(Path(name), args.name):
            print("\n".join(state.names) or state.image_id, flush=True)


async def _list(store: ImageStore, args: argparse.Namespace) -> None:
    images = await store.list()
    if args.quiet:
        print("\n".join(image.image_id for image in images))
        return
    print("\n".join(Columns().lines([["IMAGE", "ID", "SIZE"], *_rows(images)])))


def _rows(images: Sequence[ImageState]) -> list[list[str]]:
    rows = []
    for image in images:
        short = image.image_id.removeprefix("sha256:")[:12]
        tags = [name for name in image.names if "@" not in name] or list(image.names)[:1] or ["<none>"]
        rows += [[name, short, _size(image.size)] for name in tags]
    return sorted(rows)


def _size(size: float) -> str:
    """Decimal units, as registries and Docker show sizes."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f}{unit}" if unit == "B" else f"{size:.1f}{unit}"
        size /= 1000
    return f"{size:.2f}GB"


async def _remove(store: ImageStore, args: argparse.Namespace) -> None:
    from kube_lite.node.linux.images.builtin import REGISTRY, REPOSITORY

    for name in args.what:
        if name.partition(":")[0] == f"{REGISTRY}/{REPOSITORY}":
            raise CommandError(f"{name} is built in: it is made of this machine's own Python and takes no room")
        freed = await store.remove(name)
        print(f"{name} removed, {_size(freed)} freed", flush=True)
