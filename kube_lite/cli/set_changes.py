"""What ``set`` does to a pod's spec: one class for each of its subcommands, each told once what is wanted."""

from __future__ import annotations

import argparse
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fnmatch import fnmatchcase

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.main import CommandError
from kube_lite.cli.objects import Named
from kube_lite.cli.pairs import split
from kube_lite.cli.targets import Kinds, one

ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"
"""Names that kubectl takes; the server takes more."""


class Change(ABC):
    """A change of pod specs; ``title`` is what the result says was updated."""

    title = ""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.resources: list[str]
        self.resources, self.words = split(args.what, self.title)

    def prepare(self, api: Api, kinds: Kinds) -> None:  # noqa: B027 - most changes need nothing
        """Read what the change is made of."""

    @abstractmethod
    def change(self, target: Named, pod: Obj) -> None:
        """Change ``pod`` in place. :raises CommandError: it does not fit"""


class Images(Change):
    """``CONTAINER=IMAGE``."""

    title = "image"

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args)
        if not self.words:
            raise CommandError("at least one image update is required")

    def change(self, target: Named, pod: Obj) -> None:
        """Set the images. :raises CommandError: there is no such container"""
        for word in self.words:
            name, _, image = word.partition("=")
            found = [c for c in _all(pod) if name in ("*", c["name"])]
            if not found:
                raise CommandError(f'unable to find container named "{name}"')
            for container in found:
                container["image"] = image


class Environment(Change):
    """``NAME=VALUE``, ``NAME-``, and the keys of ``--from``."""

    title = "env"

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args)
        import re

        self._new: list[Obj] = []
        self._removed: list[str] = []
        for word in [*self.words, *args.env]:
            name, equals, value = word.partition("=")
            if not equals:
                self._removed.append(word[:-1])
                continue
            if not re.fullmatch(ENV_NAME, name):
                raise CommandError(
                    f'"{name}" is not a valid key name: a valid environment variable name must consist of alphabetic '
                    "characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or "
                    f"'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '{ENV_NAME}')"
                )
            self._new.append({"name": name, "value": value})
        if any(variable["name"] in self._removed for variable in self._new):
            raise CommandError("can not both modify and remove the same environment variable in the same command")

    def prepare(self, api: Api, kinds: Kinds) -> None:
        """The keys of ``--from``, as references. :raises CommandError: neither a config map nor a secret"""
        if not self.args.source:
            return
        kind, name = one([self.args.source], kinds)
        if kind.kind not in ("ConfigMap", "Secret"):
            raise CommandError(f"unsupported resource specified in --from: {self.args.source}")
        data = api.get(kind.path(api.namespace, name)).get("data") or {}
        wanted = [key for given in self.args.keys for key in given.split(",")]
        for key in sorted(data):
            if wanted and key not in wanted:
                continue
            variable = key.upper().replace("-", "_").replace(".", "_")
            if variable != key:
                print(f"Warning: key {key} transferred to {variable}", file=sys.stderr)
            field = "configMapKeyRef" if kind.kind == "ConfigMap" else "secretKeyRef"
            source = {field: {"name": name, "key": key}}
            self._new.append({"name": self.args.prefix + variable, "valueFrom": source})

    def change(self, target: Named, pod: Obj) -> None:
        """Set and remove. :raises CommandError: there is a value, and ``--overwrite=false``"""
        chosen = list(_chosen(pod, self.args.containers))
        if not chosen:
            text = f'{target.kind.kind}/{target.name} does not have any containers matching "{self.args.containers}"'
            print(f"Warning: {text}", file=sys.stderr)
        for container in chosen:
            before: list[Obj] = container.get("env") or []
            known = {variable["name"]: variable for variable in before}
            for variable in self._new:
                name = variable["name"]
                if self.args.overwrite == "false" and name in known:
                    held = f"'{name}' already has a value ({known[name].get('value', '')})"
                    raise CommandError(f"{target.kind.plural}/{target.name} {held}, and --overwrite is false")
                known[name] = variable
            after = [variable for name, variable in known.items() if name not in self._removed]
            if after:
                container["env"] = after
            else:
                container.pop("env", None)


class Resources(Change):
    """``--requests`` and ``--limits``."""

    title = "resource requirements"

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args)
        if not args.requests and not args.limits:
            raise CommandError("you must specify an update to requests or limits (in the form of --requests/--limits)")
        self._wanted = {"limits": _amounts(args.limits), "requests": _amounts(args.requests)}

    def change(self, target: Named, pod: Obj) -> None:
        """Set the amounts. :raises CommandError: there is no such container"""
        chosen = list(_chosen(pod, self.args.containers))
        if not chosen:
            raise CommandError(f"unable to find container named {self.args.containers}")
        for container in chosen:
            resources = container.setdefault("resources", {})
            for field, amounts in self._wanted.items():
                if amounts:
                    resources[field] = {**(resources.get(field) or {}), **amounts}


class ServiceAccount(Change):
    """The account that the pods run as; the last word is its name."""

    title = "serviceaccount"

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(args)
        if len(args.what) < 2 and not (args.what and args.filename):
            raise CommandError("serviceaccount is required")
        self.resources, self._name = args.what[:-1], args.what[-1]

    def change(self, target: Named, pod: Obj) -> None:
        """Set it."""
        pod["serviceAccountName"] = self._name
        if "serviceAccount" in pod:
            pod["serviceAccount"] = self._name  # the deprecated name of the same field


def _all(pod: Obj) -> Iterator[Obj]:
    yield from pod.get("containers") or ()
    yield from pod.get("initContainers") or ()


def _chosen(pod: Obj, pattern: str) -> Iterator[Obj]:
    """The containers that ``-c`` means; ``*`` may stand for any part of a name."""
    return (container for container in pod.get("containers") or () if fnmatchcase(container["name"], pattern))


def _amounts(text: str) -> dict[str, str]:
    """``cpu=100m,memory=64Mi``. :raises CommandError: not of that form"""
    from kube_lite.resources import quantity

    found = {}
    for part in filter(None, text.split(",")):
        name, equals, amount = part.partition("=")
        if not equals or not name:
            raise CommandError(f"Invalid argument syntax {part}, expected <resource>=<value>")
        try:
            quantity.parse(amount)
        except ValueError as error:
            raise CommandError(str(error)) from error
        found[name] = amount
    return found
