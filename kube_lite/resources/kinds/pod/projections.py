"""Volumes that show objects of the API as files: config maps, secrets, fields of the pod, tokens, and all together."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kube_lite.resources.field import Errors, child, forbidden, index, invalid, required
from kube_lite.resources.kinds.pod.environment import VOLUME_FIELDS, validate_field_ref, validate_resource_ref
from kube_lite.resources.meta import Obj
from kube_lite.resources.remembered import remembered
from kube_lite.resources.rules import no_backsteps

FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
TOKEN_MINIMUM = 600
"""Shortest life of a projected token in seconds."""
Check = Callable[[Obj, str], Errors]
"""What is wrong with a source at a path."""


def relative_path(text: str, path: str) -> Errors:
    """The path of a projected file: relative, inside, and not one of the names kept for updates."""
    if not text:
        return [required(path)]
    found: Errors = []
    if text.startswith("/"):
        found.append(invalid(path, text, "must be a relative path"))
    found.extend(no_backsteps(text, path))
    if text.startswith("..") and not text.startswith("../"):
        found.append(invalid(path, text, "must not start with '..'"))
    return found


def _mode(value: int | None, path: str) -> Errors:
    return [invalid(path, value, FILE_MODE)] if value is not None and not 0 <= value <= 0o777 else []


def _key_paths(items: list[Obj] | None, path: str) -> Errors:
    found: Errors = []
    for i, item in enumerate(items or ()):
        at = index(path, i)
        if not item.get("key"):
            found.append(required(child(at, "key")))
        if not item.get("path"):
            found.append(required(child(at, "path")))
        else:
            found.extend(relative_path(item["path"], child(at, "path")))
        found.extend(_mode(item.get("mode"), child(at, "mode")))
    return found


def keyed(name: str) -> Check:
    """The rules of a source that shows the entries of an object, named in the field ``name``."""

    def check(source: Obj, path: str) -> Errors:
        found: Errors = [] if source.get(name) else [required(child(path, name))]
        found.extend(_mode(source.get("defaultMode"), child(path, "defaultMode")))
        found.extend(_key_paths(source.get("items"), child(path, "items")))
        return found

    return check


def _downward_items(items: list[Obj] | None, path: str) -> Errors:
    found: Errors = []
    # Upstream names the list, not the entry.
    for item in items or ():
        found.extend(relative_path(item.get("path", ""), child(path, "path")))
        field_ref, resource_ref = item.get("fieldRef"), item.get("resourceFieldRef")
        if field_ref is not None:
            found.extend(validate_field_ref(field_ref, child(path, "fieldRef"), VOLUME_FIELDS))
            if resource_ref is not None:
                detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
                found.append(invalid(path, "resource", detail))
        elif resource_ref is not None:
            found.extend(validate_resource_ref(resource_ref, child(path, "resourceFieldRef"), volume=True))
        else:
            found.append(required(path, "one of fieldRef and resourceFieldRef is required"))
        found.extend(_mode(item.get("mode"), child(path, "mode")))
    return found


def downward(source: Obj, path: str) -> Errors:
    """Fields of the pod itself."""
    found = _mode(source.get("defaultMode"), child(path, "defaultMode"))
    return found + _downward_items(source.get("items"), path)


def _token(source: Obj, path: str, volume: str) -> Errors:
    """A token; its path is told of as the volume's, as upstream does."""
    seconds = source.get("expirationSeconds", 0)
    found: Errors = []
    if seconds < TOKEN_MINIMUM:
        found.append(
            invalid(child(path, "expirationSeconds"), seconds, "may not specify a duration less than 10 minutes")
        )
    elif seconds > 2**32:
        found.append(
            invalid(child(path, "expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds")
        )
    return found + relative_path(source.get("path", ""), child(volume, "path"))


_PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken")


def _projection(source: Obj, path: str, volume: str) -> Errors:
    found: Errors = []
    given = [name for name in _PROJECTIONS if source.get(name) is not None]
    for name in given:
        part, at = source[name], child(path, name)
        if name in ("secret", "configMap"):
            if not part.get("name"):
                found.append(required(child(at, "name")))
            found.extend(_key_paths(part.get("items"), child(at, "items")))
        elif name == "downwardAPI":
            found.extend(_downward_items(part.get("items"), at))
        elif name == "serviceAccountToken":
            found.extend(_token(part, at, volume))
    if len(given) > 1:
        found.append(forbidden(path, "may not specify more than 1 volume type per source"))
    return found


def projected(source: Obj, path: str) -> Errors:
    """Several such sources in one volume, no path twice."""
    # nearly every pod has one, for its account's token, and nearly all of them are the same
    return [] if _is_good(_encode(source)) else _projected_errors(source, path)


_encode = msgspec.json.Encoder().encode


@remembered(256, longest=4096)
def _is_good(source: bytes) -> bool:
    """Whether a projected volume, encoded, has nothing wrong with it."""
    return not _projected_errors(msgspec.json.decode(source), "")


def _projected_errors(source: Obj, path: str) -> Errors:
    found = _mode(source.get("defaultMode"), child(path, "defaultMode"))
    taken: set[str] = set()
    for i, part in enumerate(source.get("sources") or ()):
        found.extend(_projection(part, index(child(path, "sources"), i), path))
        for name in ("secret", "configMap", "downwardAPI"):
            projection = part.get(name) or {}
            for item in projection.get("items") or ():
                where = item.get("path", "")
                if where and where in taken:
                    shown = where if name == "downwardAPI" else projection.get("name", "")
                    found.append(invalid(path, shown, "conflicting duplicate paths"))
                taken.add(where)
    return found
