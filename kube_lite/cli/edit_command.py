"""Change objects in an editor: $KUBE_EDITOR, else $EDITOR, else vi.

kube-lite edit deploy/web
KUBE_EDITOR=nano kube-lite edit configmap settings
kube-lite edit svc/web -o json

What the server refuses is opened again, with the reason on top; saving it unchanged gives up, and keeps a copy.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from kube_lite.cli import output
from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.flags import add_connection_flags, open_api
from kube_lite.cli.main import CommandError, api_error
from kube_lite.cli.objects import Named, add_object_flags, change, named
from kube_lite.cli.targets import Kinds

if TYPE_CHECKING:
    from kube_lite.errors import ApiError

HELP = "change objects in an editor"

HEADER = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-lite edit``."""
    add = parser.add_argument
    add("what", nargs="*", metavar="TYPE/NAME", help="deploy/web, cm settings")
    add("-o", "--output", default="", metavar="FORMAT", help="edit as yaml (default) or json, and print the result")
    add("--field-manager", default="kubectl-edit", metavar="NAME", help="who owns the fields")
    add("--show-managed-fields", action="store_true", help="keep managedFields")
    add_object_flags(parser)
    add_connection_flags(parser)
    parser.set_defaults(dry_run="none")


def run(args: argparse.Namespace) -> int:
    """Edit what is named, all in one file."""
    if args.output not in ("", "yaml", "json"):
        raise CommandError(f'the output format "{args.output}" cannot be edited: yaml or json')
    args.all = args.all or (len(args.what) == 1 and "/" not in args.what[0] and not args.selector)
    api = open_api(args)
    live = []
    for one in named(args, api, Kinds(api)):
        obj = one.live(api)
        live.append((one, obj if args.show_managed_fields else output.without_managed_fields(obj)))
    if not live:
        raise CommandError("edit cancelled, no objects found")
    descriptor, path = tempfile.mkstemp(prefix="kube-lite-edit-", suffix=f".{args.output or 'yaml'}")
    os.close(descriptor)
    keep = False
    try:
        keep = not Edit(args, api, live, path).run()
    finally:
        if not keep:
            os.unlink(path)
    return 1 if keep else 0


class _Refused(Exception):
    """What was saved cannot be; one reason a line, for the head of the file."""

    def __init__(self, told: str, reasons: list[str]) -> None:
        super().__init__(told)
        self.reasons = reasons


class Edit:
    """One session: the file is opened until what it says is accepted, or nothing is changed any more."""

    def __init__(self, args: argparse.Namespace, api: Api, live: list[tuple[Named, Obj]], path: str) -> None:
        self._args = args
        self._api = api
        self._live = live
        self._path = path

    def run(self) -> bool:
        """Whether it ended well; False leaves the file for the user. :raises CommandError: the editor failed"""
        body, reasons = self._text(), ""
        original = body
        while True:
            header = HEADER if self._args.output != "json" or reasons else ""  # JSON has no comments
            _write(self._path, header + reasons + body)
            _open_editor(self._path)
            saved = _without_comments(self._path)
            if saved == _bare(body):
                return self._given_up(bool(reasons))
            if not saved.strip():
                print("Edit cancelled, saved file was empty.", file=sys.stderr)
                return True
            if saved == _bare(original):
                return self._given_up(False)
            try:
                self._save(saved)
                return True
            except _Refused as error:
                print(f"error: {error}", file=sys.stderr)
                body, reasons = saved, "".join(f"# {reason}\n" for reason in error.reasons) + "#\n"

    def _given_up(self, refused: bool) -> bool:
        if not refused:
            print("Edit cancelled, no changes made.", file=sys.stderr)
            return True
        print(f'A copy of your changes has been stored to "{self._path}"', file=sys.stderr)
        print("error: Edit cancelled, no valid changes were saved.", file=sys.stderr)
        return False

    def _text(self) -> str:
        objects = [obj for _, obj in self._live]
        document: Obj = objects[0]
        if len(objects) > 1:
            document = {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}}
        return output.to_json(document) + "\n" if self._args.output == "json" else output.to_yaml(document)

    def _save(self, text: str) -> None:
        """Send what differs. :raises _Refused: the text is no objects, others than before, or the server refuses"""
        from kube_lite.cli.manifests import parse

        told = f"{_what(self._live[0][0])} is invalid"
        try:
            edited = [manifest.obj for manifest in parse(text.encode(), "the edited file")]
        except CommandError as error:
            raise _Refused(told, [f"The edited file had a syntax error: {error}"]) from error
        if [_identity(obj) for obj in edited] != [_identity(obj) for _, obj in self._live]:
            raise _Refused(told, ["At least one of apiVersion, kind and name was changed"])
        for at, obj in enumerate(edited):
            one, live = self._live[at]
            if obj == live:
                print(f"{output.name_of(live)} skipped")
                continue
            try:
                changed = change(self._args, self._api, one, live, obj)
            except api_error() as error:
                raise _refusal(one, error) from error
            self._live[at] = (one, changed)
            output.print_done(self._args.output, "none", changed, "edited")


def _refusal(one: Named, error: ApiError) -> _Refused:
    if error.reason != "Invalid":
        return _Refused(f"{_what(one)} could not be patched: {error.message}", [error.message])
    reasons = [f"{_what(one)} was not valid:"]
    for cause in error.details.get("causes") or ({"message": error.message},):
        field = f"{cause['field']}: " if cause.get("field") else ""
        reasons.append(f"* {field}{cause['message']}")
    return _Refused(f"{_what(one)} is invalid", reasons)


def _what(one: Named) -> str:
    return f'{one.kind.qualified} "{one.name}"'


def _identity(obj: Obj) -> tuple[object, ...]:
    metadata = obj.get("metadata") or {}
    return obj.get("apiVersion"), obj.get("kind"), metadata.get("name"), metadata.get("namespace")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _without_comments(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return _bare(file.read())


def _bare(text: str) -> str:
    """``text`` without the lines that begin with ``#``."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _open_editor(path: str) -> None:
    """Run the editor, whose name may come with flags, on a file. :raises CommandError: it is missing, or fails"""
    import shlex
    import subprocess

    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    problem = f'there was a problem with the editor "{editor}"'
    try:
        code = subprocess.run([*shlex.split(editor), path], check=False).returncode
    except (OSError, ValueError) as error:
        raise CommandError(problem) from error
    if code:
        raise CommandError(problem)
