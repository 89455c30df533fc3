"""The command line: parse, one call, print. Each command is a file that is imported only when it is called.

A command module has ``HELP`` (one line), ``add_arguments(parser)`` and ``run(args) -> int``. Errors that a user
can do something about are :class:`CommandError` or ``errors.ApiError``; they are printed without a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from kube_lite.errors import ApiError

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Run a cluster",
        (
            ("up", "server and one real node in one command"),
            ("server", "API server, store, scheduler and controllers"),
            ("node", "a node executor that joins a server"),
            ("image", "pull, import, list and remove images of this node"),
        ),
    ),
    (
        "Work with a cluster",
        (
            ("get", "print objects as a table, or as yaml, json, names, jsonpath"),
            ("describe", "print what is known of an object, with its events"),
            ("apply", "create or change objects to match files"),
            ("create", "create objects from files or arguments"),
            ("delete", "delete objects by name, selector or file"),
            ("logs", "print what a container wrote"),
            ("scale", "set the number of replicas"),
            ("rollout", "status, restart, undo and history of a rollout"),
            ("wait", "wait for a condition or for deletion"),
        ),
    ),
    (
        "Change objects",
        (
            ("label", "set and remove labels"),
            ("annotate", "set and remove annotations"),
            ("patch", "change fields by a patch"),
            ("replace", "put files in the place of objects"),
            ("edit", "change objects in an editor"),
            ("set", "change images, environment or resources"),
            ("run", "run one pod"),
            ("expose", "make a Service for pods or a workload"),
            ("autoscale", "make a HorizontalPodAutoscaler"),
        ),
    ),
    (
        "Look around",
        (
            ("explain", "say what fields mean"),
            ("api-resources", "list the kinds that the server has"),
            ("api-versions", "list the API groups and versions"),
            ("cluster-info", "say where the server is"),
            ("auth", "what may I do, and who am I"),
            ("events", "what happened, in order"),
            ("top", "cpu and memory in use by nodes or pods"),
            ("diff", "what apply would change"),
        ),
    ),
    (
        "Care for nodes",
        (
            ("cordon", "let no new pods onto a node"),
            ("uncordon", "let pods onto a node again"),
            ("drain", "cordon a node and evict its pods"),
            ("taint", "set and remove taints of nodes"),
        ),
    ),
    ("About kube-lite", (("version", "versions of client and server"),)),
)


class CommandError(Exception):
    """A mistake in how the command was called, or something in the way; says what to do."""

    prefix = "error: "


def _commands() -> list[str]:
    return [name for _, commands in GROUPS for name, _ in commands]


def usage() -> str:
    """What ``kube-lite --help`` prints."""
    lines = ["kube-lite: a Kubernetes that fits in one Python process.", "", "Usage: kube-lite COMMAND [options]", ""]
    for title, commands in GROUPS:
        lines.append(f"{title}:")
        lines += [f"  {name:<14}{text}" for name, text in commands]
        lines.append("")
    lines += [
        "First steps, as root on Linux:",
        "  kube-lite up --data-dir ./data                      # a cluster with one node, until Ctrl-C",
        "  export KUBECONFIG=$PWD/data/admin.kubeconfig        # then kubectl works too",
        "  kube-lite get nodes",
        "",
        "kube-lite COMMAND --help explains each command.",
    ]
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as kubectl does, with its exit code."""

    def error(self, message: str) -> NoReturn:
        """Explain and exit."""
        print(f"error: {message}\nSee '{self.prog} --help' for usage.", file=sys.stderr)
        raise SystemExit(1)

    def spelled_out(self, words: Sequence[str]) -> list[str]:
        """``words`` with Go's habits made argparse's: ``--all=true``, and ``--dry-run`` that takes no word after it."""
        found: list[str] = []
        for at, word in enumerate(words):
            if word == "--":
                return [*found, *words[at:]]
            flag, equals, value = word.partition("=")
            action = self._option_string_actions.get(flag)
            if action is not None and action.nargs == 0 and equals:
                if value.lower() not in ("true", "false", "1", "0", "t", "f"):
                    self.error(f'invalid argument "{value}" for "{flag}" flag: want true or false')
                if value.lower() in ("true", "1", "t"):
                    found.append(flag)
            elif action is not None and action.nargs == "?" and not equals:
                found.append(f"{flag}={action.const}")
            else:
                found.append(word)
        return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"kube_lite.cli.{name.replace('-', '_')}_command")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code. A reader that hangs up, such as ``head``, has seen enough."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _command(arguments)
        finally:
            print(end="", flush=True)  # now: what the interpreter meets at its own end, nobody can catch
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in the buffer
        return 0


def _command(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name = arguments[0]
    if name == "--version":
        name = "version"
    if name not in _commands():
        print(f'error: unknown command "{name}"; "kube-lite --help" lists what there is', file=sys.stderr)
        return 1
    module = _module(name)
    parser = _Parser(
        prog=f"kube-lite {name}",
        description=module.__doc__,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    words: list[str] = list(arguments[1:])
    command: list[str] = []
    if getattr(module, "TAKES_COMMAND", False) and "--" in words:
        words, command = words[: words.index("--")], words[words.index("--") + 1 :]
    args = parser.parse_intermixed_args(parser.spelled_out(words))
    args.command = command
    with contextlib.ExitStack() as args.closing:  # connections that the command opens close with it
        return _run(module, args)


def api_error() -> type[ApiError]:
    """Imported when something goes wrong, for an ``except`` clause: 6 ms that most commands need not spend."""
    from kube_lite.errors import ApiError

    return ApiError


def _formatter(prog: str) -> argparse.HelpFormatter:
    # a fixed width, since argparse would import shutil to ask the terminal, for each argument
    return argparse.RawDescriptionHelpFormatter(prog, width=110)


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    try:
        code: int = module.run(args)
        return code
    except api_error() as error:
        from kube_lite.cli.refusals import report

        report(error)
        return 1
    except CommandError as error:
        sys.stdout.flush()
        print(f"{error.prefix}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
