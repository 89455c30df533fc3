"""CEL: compile once, evaluate often, with Kubernetes' functions and bounds.

The language itself is the ``common-expression-language`` package (Rust; 5 to 20 us an evaluation, where a pure
Python evaluator takes a millisecond). Here are the limits around it, the error texts that clients see, and
upstream's object construction (``Object{spec: Object.spec{...}}``), which is turned into map literals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kube_lite.api.admission.cel_functions import FUNCTIONS

if TYPE_CHECKING:
    import cel

MAX_LENGTH = 16_384
"""Characters of an expression at most; bounds the work of parsing it."""
MAX_NESTED_LOOPS = 3
"""How deep comprehensions may be nested: the cost of each multiplies with that of those around it."""

_LOOPS = re.compile(r"\.(all|exists|exists_one|map|filter)\s*\(")
_STRUCT = re.compile(r"\b(?:Object(?:\.[A-Za-z_][A-Za-z0-9_.]*)?|JSONPatch)\s*\{")
_TOKENS = re.compile(
    r"""(?P<text>[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))|(?P<struct>"""
    + _STRUCT.pattern
    + r""")|(?P<open>\{)|(?P<close>\})|(?P<key>[A-Za-z_][A-Za-z0-9_]*\s*:(?!:))|(?P<other>[A-Za-z0-9_]+|.)""",
    re.DOTALL,
)


class CelError(ValueError):
    """Raised when an expression cannot be compiled or evaluated; its text is for the user."""


class Program:
    """A compiled expression."""

    def __init__(self, source: str, program: cel.Program) -> None:
        self.source = source
        self._program = program
        self.variables: frozenset[str] = frozenset(program.variables())
        """Names that it mentions, those bound by its own loops included."""

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value, as JSON types. :raises CelError: there is none"""
        import cel

        needed = {name: value for name, value in variables.items() if name in self.variables}
        try:
            return self._program.execute(cel.Context(variables=needed, functions=FUNCTIONS))
        except KeyError as error:
            raise CelError(f"no such key: {error.args[0] if error.args else ''}".replace("'", "")) from error
        except ZeroDivisionError as error:
            raise CelError("division by zero") from error
        except (ValueError, TypeError, RuntimeError, OverflowError, IndexError) as error:
            raise CelError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0]
    return "no such overload" if text.startswith("No such overload") else text


def _nested_loops(source: str) -> int:
    """The deepest nesting of comprehensions, counted by brackets."""
    deepest, stack = 0, []
    starts = {found.end() - 1 for found in _LOOPS.finditer(source)}
    for position, character in enumerate(source):
        if character == "(":
            stack.append(position in starts)
            deepest = max(deepest, sum(stack))
        elif character == ")" and stack:
            stack.pop()
    return deepest


def as_maps(source: str) -> str:
    """``Object{a: 1}`` as ``{"a": 1}``: upstream's object construction without its types."""
    if not _STRUCT.search(source):
        return source
    parts: list[str] = []
    stack: list[bool] = []
    previous = ""
    for found in _TOKENS.finditer(source):
        text, kind = found.group(0), found.lastgroup
        if kind == "struct":
            stack.append(True)
            text = "{"
        elif kind == "open":
            stack.append(False)
        elif kind == "close" and stack:
            stack.pop()
        elif kind == "key" and stack and stack[-1] and previous in ("{", ","):
            text = f'"{text.rstrip(":").strip()}":'
        parts.append(text)
        if text.strip():
            previous = text.strip()
    return "".join(parts)


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Program:
    import cel

    if len(source) > MAX_LENGTH:
        raise CelError(f"the expression is longer than {MAX_LENGTH} characters")
    if _nested_loops(source) > MAX_NESTED_LOOPS:
        raise CelError("estimated rule cost exceeds budget: comprehensions are nested too deeply")
    try:
        return Program(source, cel.compile(as_maps(source)))
    except (ValueError, RuntimeError) as error:
        text = str(error)
        found = re.search(r"ERROR: .*", text, re.DOTALL)
        raise CelError(f"compilation failed: {found.group(0) if found else text}") from error


def compile(source: str, variables: Collection[str] | None = None) -> Program:  # the field's word
    """The program of an expression.

    :param variables: the names it may mention; None for any
    :raises CelError: it is none, or mentions others
    """
    program = _compiled(source)
    if variables is not None:
        unknown = sorted(program.variables - set(variables) - _bound(source))
        if unknown:
            raise CelError(
                f"compilation failed: ERROR: <input>:1:1: undeclared reference to '{unknown[0]}' (in container '')"
            )
    return program


_TYPES = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "dyn"})


def _bound(source: str) -> set[str]:
    """Names that loops of the expression bind, names of types, and of function libraries."""
    names = re.findall(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,", source)
    return {*names, *_TYPES, "sets", "math", "base64", "optional", "cel"}
