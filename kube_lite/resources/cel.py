"""CEL expressions as Kubernetes uses them, over the library ``common-expression-language`` (Rust; ``import cel``).

The library is imported when the first expression is compiled (0.4 s), never before. It evaluates in some 30 us what
``cel-python`` takes 2 ms for. It knows no cost, so a bound is worked out before an expression runs: the size of the
data to the power of the depth to which loops are nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from kube_lite.resources import cel_functions, cel_syntax

CALL_COST_LIMIT: Final = 1_000_000
"""Steps of one expression at most (apiserver ``celconfig.PerCallLimit``)."""
_OPERATORS: Final = re.compile(r"[@!?\[\]<>=&|+\-*/%:.]|^in$|^_")
_KNOWN: Final = frozenset(
    [
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "duration",
        "timestamp",
        "string",
        "int",
        "uint",
        "double",
        "bytes",
        "bool",
        "type",
        "dyn",
        "has",
        "max",
        "min",
        "all",
        "exists",
        "exists_one",
        "filter",
        "map",
        "optional",
        "of",
        "none",
        "ofNonZeroValue",
        "value",
        "hasValue",
        "orValue",
        "or",
        "optMap",
        "optFlatMap",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
        "size",
    ]
)
_TYPE_NAMES: Final = frozenset(
    [
        "optional",
        "int",
        "uint",
        "double",
        "string",
        "bool",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "format",
        "math",
        "sets",
        "jsonpatch",
    ]
)

MAX_LENGTH: Final = 16_384
"""Characters of an expression at most; bounds the work of parsing it."""
MAX_NESTED_LOOPS: Final = 3
"""How deep comprehensions may be nested: the cost of each multiplies with that of those around it."""

_STRUCT = re.compile(r"\b(?:Object(?:\.[A-Za-z_][A-Za-z0-9_.]*)?|JSONPatch)\s*\{")
_TOKENS = re.compile(
    r"""(?P<text>[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))|(?P<struct>"""
    + _STRUCT.pattern
    + r""")|(?P<open>\{)|(?P<close>\})|(?P<key>[A-Za-z_][A-Za-z0-9_]*\s*:(?!:))|(?P<other>[A-Za-z0-9_]+|.)""",
    re.DOTALL,
)


class CelError(ValueError):
    """The expression cannot be compiled, or failed on this data; the text is for the user."""


class CostExceeded(CelError):
    """The expression would take more steps on this data than are allowed."""


def _missing(key: Any) -> str:
    return f"no such key: {key}"


@cache
def _library() -> Any:
    import cel

    return cel


@cache
def _functions() -> Mapping[str, Callable[..., Any]]:
    """What an expression may call beyond what the library has."""
    library = _library()
    some, none = library.OptionalValue.of, library.OptionalValue.none

    def held(value: Any) -> Any:
        if isinstance(value, library.OptionalValue):
            return value.value() if value.has_value() else None
        return value

    def select(value: Any, name: str) -> Any:
        value = held(value)
        return some(value[name]) if isinstance(value, dict) and name in value else none()

    def index(value: Any, position: Any) -> Any:
        value = held(value)
        if isinstance(value, list) and isinstance(position, int):
            return some(value[position]) if 0 <= position < len(value) else none()
        return some(value[position]) if isinstance(value, dict) and position in value else none()

    def validate(fmt: Any, text: str) -> Any:
        problems = cel_functions.format_problems(fmt, text)
        return some(problems) if problems else none()

    return {**cel_functions.FUNCTIONS, "__select": select, "__index": index, "validate": validate}


def optional(value: Any, *, present: bool) -> Any:
    """An optional, for variables that may have no value (``oldSelf`` with optionalOldSelf)."""
    library = _library()
    return library.OptionalValue.of(value) if present else library.OptionalValue.none()


def weight(value: Any, limit: int = CALL_COST_LIMIT) -> int:
    """How many values a value is made of, counted up to ``limit``."""
    count, pending = 0, [value]
    while pending and count < limit:
        one = pending.pop()
        count += 1
        if isinstance(one, dict):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return count


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


class Program:
    """A compiled expression. :raises CelError: it cannot be read, or uses an unknown function"""

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise CelError(f"the expression is longer than {MAX_LENGTH} characters")
        self.source = source
        self.depth = cel_syntax.depth(source)
        """How deeply its loops are nested."""
        if self.depth > MAX_NESTED_LOOPS:
            raise CelError("estimated rule cost exceeds budget: comprehensions are nested too deeply")
        library = _library()
        try:
            self._program = library.compile(cel_syntax.rewrite(as_maps(source)))
        except (ValueError, RuntimeError) as error:
            raise CelError(f"compilation failed: {_syntax_error(str(error))}") from error
        self.variables: frozenset[str] = frozenset(self._program.variables()) - cel_syntax.bound(source) - _TYPE_NAMES
        """Names of variables that it mentions."""
        # each run copies the context, so it holds only the functions that are called
        self._context = library.Context({"format": {}})
        added = _functions()
        mentioned = cel_syntax.names(source)
        grouped = {name for name in added if name.partition(".")[0] in mentioned and "." in name}
        last_parts = {name.rpartition(".")[2] for name in grouped}
        for name in grouped.union(self._program.functions()):
            if name in added:
                self._context.add_function(name, added[name])
            elif name not in _KNOWN and name not in last_parts and not _OPERATORS.search(name):
                raise CelError(f"compilation failed: {_undeclared(name)}")

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression.

        :raises CelError: it fails: a missing key, an index out of bounds, mismatched types
        :raises CostExceeded: its loops are nested too deeply for the data
        """
        if self.depth > 1:
            size = sum(weight(value) for name, value in variables.items() if name in self.variables)
            if size**self.depth > CALL_COST_LIMIT:
                raise CostExceeded("operation cancelled: actual cost limit exceeded")
        self._context.update({name: value for name, value in variables.items() if name in self.variables})
        try:
            return self._program.execute(self._context)
        except KeyError as error:
            raise CelError(_missing(error.args[0] if error.args else "")) from error
        except IndexError as error:
            raise CelError(str(error)) from error
        except ZeroDivisionError as error:
            raise CelError("division by zero") from error
        except TypeError as error:
            raise CelError("no such overload") from error
        except (ValueError, RuntimeError, OverflowError, ArithmeticError) as error:
            raise CelError(_plain(str(error))) from error


def syntax_problem(source: str) -> str:
    """What the library's parser says of a source that cannot be read; empty when it can."""
    try:
        _library().compile(source)
    except (ValueError, RuntimeError) as error:
        return _syntax_error(str(error))
    return ""


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Program:
    return Program(source)


def compile(source: str, variables: Collection[str] | None = None) -> Program:  # the field's word
    """The program of an expression.

    :param variables: the names it may mention; None for any
    :raises CelError: it is none, or mentions others
    """
    program = _compiled(source)
    unknown = sorted(program.variables - set(variables)) if variables is not None else []
    if unknown:
        raise CelError(f"compilation failed: {_undeclared(unknown[0])}")
    return program


def _undeclared(name: str) -> str:
    return f"ERROR: <input>:1:1: undeclared reference to '{name}' (in container '')"


def _plain(text: str) -> str:
    """A failure in an added function without the library's wrapping."""
    found = re.search(r"Python function call failed: \w+: (.*?)\. Check function arguments", text, re.DOTALL)
    return found[1] if found else text


def _syntax_error(text: str) -> str:
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (.*)", text)
    return f"ERROR: <input>:{found[1]}:{found[2]}: {found[3]}" if found else text
