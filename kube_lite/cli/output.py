"""Objects as ``-o`` asks for them: yaml, json, name, jsonpath, custom-columns."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from kube_lite.cli.connection import Obj
from kube_lite.cli.main import CommandError
from kube_lite.cli.names import Kind

FORMATS = "json, yaml, name, wide, jsonpath=TEMPLATE, jsonpath-file=FILE, custom-columns=SPEC"

GO_BOOLEANS = ("y", "Y", "n", "N")
"""Words of YAML 1.1 that PyYAML reads as text, and Go's yaml does not."""
_TEXT = "tag:yaml.org,2002:str"


def is_table(output: str) -> bool:
    """Whether ``-o`` asks for columns made by the server."""
    return output in ("", "wide")


def check(output: str) -> None:
    """Refuse a format that does not exist. :raises CommandError:"""
    name = output.partition("=")[0]
    if output and name not in ("json", "yaml", "name", "wide", "jsonpath", "jsonpath-file", "custom-columns"):
        raise CommandError(f'unable to match a printer suitable for the output format "{output}", allowed: {FORMATS}')


def listed(items: Sequence[Obj]) -> Obj:
    """Several objects as one List."""
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}


def without_managed_fields(obj: Obj) -> Obj:
    """The object as kubectl shows it by default."""
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return obj


def name_of(obj: Obj) -> str:
    """``pod/a`` or ``deployment.apps/web``."""
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    kind = str(obj.get("kind", "")).lower()
    return f"{kind}{'.' + group if slash else ''}/{obj['metadata'].get('name', '')}"


def named(kind: Kind, name: str) -> str:
    """The same from a kind and a name."""
    return f"{kind.singular}/{name}"


def print_done(form: str, dry_run: str, obj: Obj, done: str) -> None:
    """What became of an object: itself where ``-o`` asks for it, else a line such as ``pod/a labeled``.

    :param form: of ``-o``
    :param dry_run: of ``--dry-run``
    """
    if form and not is_table(form):
        print_objects(form, [obj], False)
        return
    suffix = {"none": "", "server": " (server dry run)"}.get(dry_run, " (dry run)")
    print(f"{name_of(obj)} {done}{suffix}", flush=True)


def print_objects(output: str, items: Sequence[Obj], as_list: bool, managed_fields: bool = False) -> None:
    """Print ``items`` in the form ``output``, as one List where ``as_list``."""
    if not managed_fields:
        items = [without_managed_fields(item) for item in items]
    form, _, argument = output.partition("=")
    if form == "name":
        for item in items:
            print(name_of(item))
        return
    if form == "custom-columns":
        _print_custom_columns(argument, items)
        return
    documents: list[Obj] = [listed(items)] if as_list else list(items)
    for at, document in enumerate(documents):
        if form == "yaml":
            sys.stdout.write(("---\n" if at else "") + to_yaml(document))
        elif form == "json":
            print(to_json(document))
        else:
            sys.stdout.write(_template(form, argument).render(document))


def _template(form: str, argument: str) -> Any:
    from kube_lite.cli.jsonpath import Template

    if form == "jsonpath-file":
        try:
            with open(argument, encoding="utf-8") as file:
                argument = file.read().rstrip("\n")
        except OSError as error:
            raise CommandError(f"error reading {argument}: {error.strerror}") from error
    if not argument:
        raise CommandError("template format specified but no template given")
    return Template(argument)


def _print_custom_columns(spec: str, items: Sequence[Obj]) -> None:
    from kube_lite.cli.jsonpath import find, shown
    from kube_lite.cli.tables import Columns

    columns = [part.partition(":") for part in spec.split(",")]
    if not all(path for _, _, path in columns):
        raise CommandError(f"unexpected custom-columns spec: {spec}, expected <header>:<json-path-expr>")
    rows = [[header for header, _, _ in columns]]
    for item in items:
        rows.append([",".join(map(shown, find(path, item))) or "<none>" for _, _, path in columns])
    print("\n".join(Columns().lines(rows)))


def to_json(document: Any) -> str:
    """Indented by four, keys in order, and with Go's escapes of HTML."""
    text = json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def to_yaml(document: Any) -> str:
    """Block style, keys in order; strings that look like something else in double quotes."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Writes no aliases: an object that appears twice is printed twice."""

        def ignore_aliases(self, data: Any) -> bool:
            """Never."""
            return True

    resolver: Any = yaml.resolver.Resolver()

    def text(dumper: Any, value: str) -> Any:
        style = None
        if "\n" in value:
            style = "|"
        elif value in GO_BOOLEANS or resolver.resolve(yaml.ScalarNode, value, (True, False)) != _TEXT:
            style = '"'
        return dumper.represent_scalar(_TEXT, value, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(document, Dumper=Dumper, default_flow_style=False, width=100_000, allow_unicode=True))
