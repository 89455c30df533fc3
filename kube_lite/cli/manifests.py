"""Objects from what ``-f`` names: files, directories, URLs and standard input; YAML documents, JSON, Lists.

Errors name the file. Within a directory, files come in the order of their names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence

from kube_lite.cli.connection import Obj
from kube_lite.cli.main import CommandError

EXTENSIONS = (".json", ".yaml", ".yml")
_MOST_BYTES = 50 * 1024 * 1024
"""Of one URL: more is not a manifest."""


class Manifest:
    """One object, and where it was read."""

    __slots__ = ("obj", "source")

    def __init__(self, source: str, obj: Obj) -> None:
        self.source = source
        self.obj = obj

    @property
    def name(self) -> str:
        """``metadata.name``, empty where there is none."""
        return str((self.obj.get("metadata") or {}).get("name") or "")

    def namespace(self, default: str, forced: str = "") -> str:
        """The object's namespace, else ``default``. :raises CommandError: it is not the one of ``-n``"""
        own = str((self.obj.get("metadata") or {}).get("namespace") or "")
        if own and forced and own != forced:
            raise CommandError(
                f'the namespace from the provided object "{own}" does not match the namespace "{forced}". '
                f"You must pass '--namespace={own}' to perform this operation."
            )
        return own or default


def read(sources: Sequence[str], recursive: bool = False) -> list[Manifest]:
    """Every object of ``sources``, in order.

    :raises CommandError: a source cannot be read, is not YAML or JSON, or holds no object
    """
    if not sources:
        raise CommandError("must specify --filename (-f): a file, a directory, a URL, or - for standard input")
    found: list[Manifest] = []
    for source in sources:
        for name, data in _contents(source, recursive):
            found += parse(data, name)
    if not found:
        raise CommandError("no objects passed")
    return found


def _contents(source: str, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if source == "-":
        yield "STDIN", sys.stdin.buffer.read()
    elif source.startswith(("http://", "https://")):
        yield source, _download(source)
    elif os.path.isdir(source):
        yield from ((path, _file(path)) for path in _files(source, recursive))
    else:
        yield source, _file(source)


def _files(directory: str, recursive: bool) -> Iterator[str]:
    for parent, directories, names in os.walk(directory):
        directories.sort()
        yield from (os.path.join(parent, name) for name in sorted(names) if name.endswith(EXTENSIONS))
        if not recursive:
            return


def _file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise CommandError(f'the path "{path}" does not exist') from error
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error


def _download(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=60) as response:
            data: bytes = response.read(_MOST_BYTES)
            return data
    except (URLError, OSError) as error:
        raise CommandError(f'unable to read URL "{url}": {error}') from error


def parse(data: bytes, source: str) -> list[Manifest]:
    """The objects in ``data``; a List is taken apart. :raises CommandError: not objects"""
    found = []
    for document in _documents(data, source):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise CommandError(f"error parsing {source}: want objects, not {type(document).__name__}")
        for field in ("apiVersion", "kind"):
            if not isinstance(document.get(field), str) or not document[field]:
                raise CommandError(f'error validating "{source}": error validating data: {field} not set')
        if document["kind"].endswith("List") and isinstance(document.get("items"), list):
            found += [Manifest(source, item) for item in document["items"]]
        else:
            found.append(Manifest(source, document))
    return found


def _documents(data: bytes, source: str) -> list[object]:
    if data.lstrip()[:1] == b"{":
        try:
            return [json.loads(data)]
        except ValueError:
            pass  # several documents, or YAML's flow style
    import yaml

    try:
        return list(yaml.load_all(data, Loader=_loader()))
    except yaml.YAMLError as error:
        raise CommandError(f"error parsing {source}: error converting YAML to JSON: {error}") from error


def _loader() -> type:
    """YAML as Kubernetes reads it: no dates (they stay text), no ``=`` type."""
    import yaml

    class Loader(yaml.CSafeLoader):
        """JSON's types only."""

    resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":timestamp", ":value"))]
        for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_implicit_resolvers = resolvers
    return Loader
