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
"""Of one URL: more is not a manifest, and part of one may not be applied."""


class Manifest:
    """One object, and where it was read."""

    __slots__ = ("obj", "source")

    def __init__(self, source: str, obj: Obj) -> None:
        self.source = source
        self.obj = obj

    @property
    def name(self) -> str:
        """``metadata.name``, empty where there is none."""
        return str(self.obj["metadata"].get("name") or "")

    def namespace(self, default: str, forced: str = "") -> str:
        """The object's namespace, else ``default``. :raises CommandError: it is not the one of ``-n``"""
        own = str(self.obj["metadata"].get("namespace") or "")
        if own and forced and own != forced:
            raise CommandError(
                f'the namespace from the provided object "{own}" does not match the namespace "{forced}". '
                f"You must pass '--namespace={own}' to perform this operation."
            )
        return own or default


def read(sources: Sequence[str], recursive: bool = False) -> list[Manifest]:
    """Every object of ``sources``, in order; at least one.

    :raises CommandError: a source cannot be read, is not YAML or JSON, or all of them together hold no object
    """
    found = read_any(sources, recursive)
    if not found:
        raise CommandError(f"no objects passed: {', '.join(sources)} holds none")
    return found


def read_any(sources: Sequence[str], recursive: bool = False) -> list[Manifest]:
    """Every object of ``sources``, in order; perhaps none.

    :raises CommandError: a source cannot be read, or is not YAML or JSON
    """
    if not sources or not all(sources):
        raise CommandError("must specify --filename (-f): a file, a directory, a URL, or - for standard input")
    found: list[Manifest] = []
    for source in sources:
        for name, data in _contents(source, recursive):
            found += parse(data, name)
    return found


def contents(source: str) -> bytes:
    """What a single file holds, or standard input. :raises CommandError: it cannot be read"""
    return sys.stdin.buffer.read() if source == "-" else _file(source)


def document(data: bytes, source: str) -> object:
    """The one document in ``data``, of whatever type. :raises CommandError: not YAML or JSON, none, or several"""
    found = [one for one in _documents(data, source) if one is not None]
    if len(found) != 1:
        raise CommandError(f"error parsing {source}: want one document, not {len(found)}")
    return found[0]


def without_arguments(words: Sequence[str]) -> None:
    """:raises CommandError: there are words beside ``-f``"""
    if words:
        raise CommandError(
            "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well"
        )


def _contents(source: str, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if source == "-":
        yield "STDIN", sys.stdin.buffer.read()
    elif source.startswith(("http://", "https://")):
        yield source, _download(source)
    elif os.path.isdir(source):
        files = list(_files(source, recursive))
        if not files:
            below = "" if recursive else "; -R looks below it, too"
            raise CommandError(f"error reading [{source}]: recognized file extensions are {[*EXTENSIONS]}{below}")
        yield from ((path, _file(path)) for path in files)
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
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=60) as response:
            data: bytes = response.read(_MOST_BYTES + 1)
    except HTTPError as error:
        raise CommandError(f'unable to read URL "{url}", server reported {error.code} {error.reason}') from error
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        raise CommandError(f'unable to read URL "{url}": {text}') from error
    if len(data) > _MOST_BYTES:
        raise CommandError(f'unable to read URL "{url}": more than {_MOST_BYTES >> 20} MiB is no manifest')
    return data


def parse(data: bytes, source: str) -> list[Manifest]:
    """The objects in ``data``; a List is taken apart. :raises CommandError: not objects"""
    found = []
    for document in _documents(data, source):
        if document is None:
            continue
        checked = _object(document, source)
        if checked["kind"].endswith("List") and isinstance(checked.get("items"), list):
            found += [Manifest(source, _object(item, source)) for item in checked["items"]]
        else:
            found.append(Manifest(source, checked))
    return found


def _object(document: object, source: str) -> Obj:
    """What the commands take for granted: a kind, and metadata that are a mapping. :raises CommandError: not so"""
    if not isinstance(document, dict):
        raise CommandError(f'error validating "{source}": invalid object: want a mapping, not {_called(document)}')
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise CommandError(f'error validating "{source}": error validating data: {field} not set')
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise CommandError(f'error validating "{source}": metadata: want a mapping, not {_called(metadata)}')
    return {**document, "metadata": metadata or {}}


def _called(value: object) -> str:
    """A value's type as YAML calls it."""
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else f"the value {value}"


def _documents(data: bytes, source: str) -> list[object]:
    if data.lstrip()[:1] == b"{":
        try:
            return [json.loads(data)]
        except ValueError:
            pass  # several documents, or YAML's flow style
    import yaml

    try:
        return list(yaml.load_all(data, Loader=_loader()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CommandError(f"error parsing {source}: error converting YAML to JSON: {_told(error)}") from error


def _told(error: Exception) -> str:
    """A parser's complaint in one line, with the line of the file where there is one."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    if mark is not None and problem:
        return f"yaml: line {mark.line + 1}: {problem}"
    return f"yaml: {problem or str(error).splitlines()[0]}"


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
