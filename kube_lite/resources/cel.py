"""CEL expressions as Kubernetes uses them, over the library ``common-expression-language`` (Rust; ``import cel``).

The library is imported when the first expression is compiled (0.4 s), never before. It evaluates in some 30 us what
``cel-python`` takes 2 ms for. It knows no cost, so a bound is worked out before an expression runs: the size of the
data to the power of the depth to which loops are nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
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
    ]
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


class Expression:
    """A compiled expression.

    :param variables: the names that it may use
    :raises CelError: it cannot be read, or uses an unknown name or function
    """

    def __init__(self, source: str, variables: frozenset[str]) -> None:
        self.source = source
        self.depth = cel_syntax.depth(source)
        try:
            self._program = _library().compile(cel_syntax.rewrite(source))
        except ValueError as error:
            raise CelError(_syntax_error(str(error))) from error
        allowed = variables | cel_syntax.bound(source) | _TYPE_NAMES
        for name in self._program.variables():
            if name not in allowed:
                raise CelError(f"undeclared reference to '{name}' (in container '')")
        # each run copies the context, so it holds only the functions that are called
        self._context = _library().Context({"format": {}})
        added = _functions()
        for name in self._program.functions():
            if name in added:
                self._context.add_function(name, added[name])
            elif name not in _KNOWN and not _OPERATORS.search(name):
                raise CelError(f"undeclared reference to '{name}' (in container '')")

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression.

        :raises CelError: it fails: a missing key, an index out of bounds, mismatched types
        :raises CostExceeded: its loops are nested too deeply for the data
        """
        if self.depth > 1:
            size = sum(weight(value) for value in variables.values())
            if size**self.depth > CALL_COST_LIMIT:
                raise CostExceeded("operation cancelled: actual cost limit exceeded")
        self._context.update(dict(variables))
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


def _plain(text: str) -> str:
    """A failure in an added function without the library's wrapping."""
    found = re.search(r"Python function call failed: \w+: (.*?)\. Check function arguments", text, re.DOTALL)
    return found[1] if found else text


def _syntax_error(text: str) -> str:
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (.*)", text)
    return f"ERROR: <input>:{found[1]}:{found[2]}: {found[3]}" if found else text
