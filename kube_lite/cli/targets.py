"""From the words of a command line to kinds and names: ``pods``, ``pod/a``, ``deploy,svc``, ``all``, ``pods a b``.

Names of built-in kinds come from a table; the server's discovery is asked only for what is not in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kube_lite.cli.connection import Api
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import BUILTIN, Kind, builtin_named, builtin_of, check_object_name, in_category

if TYPE_CHECKING:
    from kube_lite.cli.manifests import Manifest

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Target:
    """One kind, and either named objects of it or, with no names, all of them."""

    __slots__ = ("kind", "names", "namespace")

    def __init__(self, kind: Kind, names: Sequence[str] = (), namespace: str | None = None) -> None:
        self.kind = kind
        self.names = list(names)
        self.namespace = namespace
        """Where a file says that they are; None for the command's own."""

    def within(self, default: str) -> str:
        """The namespace to look in: the file's, else ``default``."""
        return default if self.namespace is None else self.namespace


class Kinds:
    """What the server serves, asked once and only when needed."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._served: list[Kind] | None = None

    def named(self, name: str) -> Kind:
        """The kind that ``name`` means. :raises CommandError: the server has none"""
        found = builtin_named(name) or next((k for k in self.served() if k.answers_to(name.lower())), None)
        if found is None:
            raise CommandError(f'the server doesn\'t have a resource type "{name}"')
        return found

    def of(self, api_version: str, kind: str, where: str = "") -> Kind:
        """The kind of objects with this apiVersion and kind.

        :param where: what needs it, for the message
        :raises CommandError: the server has none
        """
        found = builtin_of(api_version, kind)
        if found is None:
            found = next((k for k in self.served() if k.api_version == api_version and k.kind == kind), None)
        if found is None:
            raise CommandError(
                f"resource mapping not found{' ' if where else ''}{where}: "
                f'no matches for kind "{kind}" in version "{api_version}"\n'
                "ensure CRDs are installed first"
            )
        return found

    def target(self, manifest: Manifest, default: str, forced: str = "") -> Target:
        """The object that a manifest names. :raises CommandError: it has no name, or another namespace than forced"""
        kind = self.of_manifest(manifest)
        namespace = manifest.namespace(default, forced) if kind.namespaced else ""
        return Target(kind, [check_object_name(manifest.name)], namespace)

    def of_manifest(self, manifest: Manifest) -> Kind:
        """The kind of a manifest. :raises CommandError: the server has none"""
        where = f'for name: "{manifest.name}" namespace: "{manifest.namespace("")}" from "{manifest.source}"'
        return self.of(manifest.obj["apiVersion"], manifest.obj["kind"], where)

    def forget(self) -> None:
        """Ask the server again next time: a CustomResourceDefinition was just made."""
        self._served = None

    def category(self, name: str) -> list[Kind]:
        """The kinds behind a word such as ``all``; empty when it is none."""
        if name == "all":
            return list(in_category(name))
        if any(name in k.categories for k in BUILTIN):
            return list(in_category(name))
        return []

    def served(self) -> list[Kind]:
        """Every kind by discovery, preferred versions first."""
        if self._served is None:
            self._served = []
            for root in ("/api", "/apis"):
                self._served += _discovered(self._api.get(root, accept=_DISCOVERY))
        return self._served


def _discovered(document: dict[str, object]) -> list[Kind]:
    groups = document.get("items")
    found = []
    for group in groups if isinstance(groups, list) else ():
        name = group["metadata"].get("name", "")
        for version in group.get("versions") or ():
            for resource in version.get("resources") or ():
                found.append(
                    Kind(
                        resource["resource"],
                        name,
                        version["version"],
                        resource["responseKind"]["kind"],
                        resource.get("scope") == "Namespaced",
                        tuple(resource.get("shortNames") or ()),
                        tuple(resource.get("categories") or ()),
                        tuple(resource.get("verbs") or ()),
                        resource.get("singularResource") or "",
                    )
                )
    return found


def in_files(args: argparse.Namespace, api: Api, kinds: Kinds, recursive: bool = False) -> list[Target]:
    """The objects that the files of ``-f`` name, one target each.

    :raises CommandError: there are words beside ``-f``, a file cannot be read, or none names an object
    """
    from kube_lite.cli.manifests import read, without_arguments

    without_arguments(args.what)
    return [kinds.target(manifest, api.namespace, args.namespace) for manifest in read(args.filename, recursive)]


def parse(words: Sequence[str], kinds: Kinds) -> list[Target]:
    """``pods a b``, ``pod/a svc/b``, ``deploy,rs``, ``all``. :raises CommandError: neither form"""
    if not words:
        raise CommandError("You must specify the type of resource, such as pods, or TYPE/NAME.")
    if any("/" in word for word in words):
        targets: list[Target] = []
        for word in words:
            kind, slash, name = word.partition("/")
            if not slash or not kind or not name or "/" in name:
                raise CommandError(
                    "there is no need to specify a resource type as a separate argument when passing arguments in "
                    "resource/name form (e.g. 'kube-lite get resource/<resource_name>' instead of 'kube-lite get "
                    "resource resource/<resource_name>')"
                    if slash or not targets
                    else f"{word!r} is not of the form TYPE/NAME"
                )
            targets += [Target(found, [name]) for found in _kinds(kind, kinds)]
        return targets
    names = [check_object_name(word) for word in words[1:]]
    return [Target(kind, names) for kind in _kinds(words[0], kinds)]


def _kinds(text: str, kinds: Kinds) -> list[Kind]:
    found: list[Kind] = []
    for name in text.split(","):
        if name:
            found += kinds.category(name) or [kinds.named(name)]
    unique = dict.fromkeys(found)
    return list(unique)


def one(words: Sequence[str], kinds: Kinds, default: str = "") -> tuple[Kind, str]:
    """A command's single object: ``deploy/x``, ``deploy x``, or ``x`` where ``default`` names a kind."""
    if len(words) == 1 and "/" not in words[0] and default:
        return kinds.named(default), check_object_name(words[0])
    targets = parse(words, kinds)
    if len(targets) != 1 or len(targets[0].names) != 1:
        raise CommandError(f"want one object, as TYPE/NAME, not: {' '.join(words)}")
    return targets[0].kind, targets[0].names[0]
