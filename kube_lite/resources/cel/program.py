"""CEL expressions as Kubernetes uses them, over the library ``common-expression-language`` (Rust; ``import cel``).

The library is loaded when the first expression is compiled, never before. It evaluates in some 30 us what
``cel-python`` takes 2 ms for. It knows no cost, so a bound is worked out before an expression runs: the size of the
data to the power of the depth to which loops are nested.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache, partial
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final

from kube_lite.resources.cel import authorizer as authorizing
from kube_lite.resources.cel import functions, growth, unordered
from kube_lite.resources.cel.authorizer import AuthorizerValue, asking
from kube_lite.resources.cel.check import check
from kube_lite.resources.cel.cost import estimate
from kube_lite.resources.cel.declared import MACROS, overloads
from kube_lite.resources.cel.growth import Growth
from kube_lite.resources.cel.parse import MAX_LENGTH, TOO_DEEP, ParseError, located, parse
from kube_lite.resources.cel.rewrite import depth, free, is_qualified, rewrite
from kube_lite.resources.cel.types import CelType, of_value

CALL_COST_LIMIT: Final = 1_000_000
"""Steps of one expression at most (apiserver ``celconfig.PerCallLimit``)."""
LIBRARY: Final = "cel.cel"
"""The module of the library that is not Python."""
_MACROS: Final = MACROS | {"has", "cel.bind", "_?_:_"}
_TYPE_NAMES: Final = frozenset({"int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"})
_STEPS_PER_TURN: Final = 10
"""More than a turn of a plain loop takes; data for which this is little enough is not looked at closely."""
MAX_NESTED_LOOPS: Final = 6
"""How deep comprehensions may be nested: the cost of each multiplies with that of those around it."""


class CelError(ValueError):
    """The expression cannot be compiled, or failed on this data; the text is for the user."""


class CostExceeded(CelError):
    """The expression would take more steps on this data than are allowed."""


def _missing(key: Any) -> str:
    return f"no such key: {key}"


@cache
def _library() -> Any:
    """The library's extension module alone: its package also imports a command line, which takes 30 MB and 0.5 s.

    :raises RuntimeError: it is not installed
    """
    if (known := sys.modules.get(LIBRARY)) is not None:
        return known
    package = find_spec(LIBRARY.partition(".")[0])
    places = package.submodule_search_locations if package is not None else None
    found = PathFinder.find_spec(LIBRARY, places) if places else None
    if found is None or found.loader is None:
        raise RuntimeError("the package common-expression-language is not installed")
    library = module_from_spec(found)
    found.loader.exec_module(library)
    sys.modules[LIBRARY] = library  # it cannot be loaded twice, should somebody import the package after all
    return library


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
        problems = functions.format_problems(fmt, text)
        return some(problems) if problems else none()

    def present(entries: Any) -> Any:
        shown = {key: value for flag, key, value in entries if not flag or value.has_value()}
        return {key: held(value) for key, value in shown.items()}

    def present_items(items: Any) -> Any:
        return [held(value) for flag, value in items if not flag or value.has_value()]

    def ends(position: int) -> Callable[[Any], Any]:
        return lambda values: some(values[position]) if values else none()

    def kept(value: Any) -> Any:
        return value if isinstance(value, library.OptionalValue) else some(value)

    def named(name: str) -> Any:
        known = functions.FUNCTIONS.get(name) if name in functions.FORMAT_NAMES else None
        return some(known()) if known is not None else none()

    return {
        **functions.FUNCTIONS,
        **authorizing.FUNCTIONS,
        "__select": select,
        "__index": index,
        "__present": present,
        "__present_items": present_items,
        "__held": kept,
        "__format_named": named,
        "first": ends(0),
        "last": ends(-1),
        "validate": validate,
    }


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


class Program:
    """A compiled expression.

    :param lists: the types left of operators on lists whose order does not count, by offset (see ``unordered``)
    :raises CelError: it cannot be read, or uses an unknown function
    """

    def __init__(self, source: str, lists: Mapping[int, CelType] | None = None) -> None:
        if len(source) > MAX_LENGTH:
            raise CelError(f"the expression is longer than {MAX_LENGTH} characters")
        self.source = source
        try:
            self._root = parse(source)
        except ParseError as error:
            text = syntax_problem(source) or located(source, error.offset, str(error))
            raise CelError(f"compilation failed: {text}") from error
        self.depth = depth(self._root)
        """How deeply its loops are nested."""
        if self.depth > MAX_NESTED_LOOPS:
            raise CelError("estimated rule cost exceeds budget: comprehensions are nested too deeply")
        self._growth = growth.of(self._root)
        names = [name for name in free(self._root) if name.name not in _TYPE_NAMES]
        self._places = {name.name: name.offset for name in reversed(names)}
        self.variables: frozenset[str] = frozenset(self._places)
        """Names of variables that it mentions."""
        self._lists = tuple(lists or ())
        library = _library()
        try:
            self._program = library.compile(rewrite(self._root, self._lists))
        except (ValueError, RuntimeError) as error:
            raise CelError(f"compilation failed: {error}") from error
        self._for_nulls: Any = None
        """The same for variables that are null, once there were some."""
        self._typed = dict(lists or {})
        self._spare = [self._new_context()]
        """Contexts that nobody uses: a run takes one, for another thread may run the same program meanwhile."""

    def _new_context(self) -> Any:
        """A context with what is called: each run copies it, so it holds no more than that."""
        context = _library().Context({"format": {}})
        context.add_function("__whole", lambda value: {} if value is None else value)
        for offset, type_ in self._typed.items():
            context.add_function(f"__same_{offset}", partial(unordered.same, type_))
            context.add_function(f"__joined_{offset}", partial(unordered.joined, type_))
        for node in self._root.walk():
            if node.kind == "call":
                qualified = is_qualified(node) and node.target is not None
                name = f"{node.target.name}.{node.name}" if qualified and node.target is not None else node.name
                if name not in _MACROS and name not in overloads():
                    text = f"undeclared reference to '{name}' (in container '')"
                    raise CelError(f"compilation failed: {located(self.source, node.offset, text)}")
        added = _functions()
        called = set(self._program.functions())
        grouped = {name for name in added if "." in name and name.rpartition(".")[2] in called}
        for name in (called | grouped) & set(added):
            context.add_function(name, added[name])
        return context

    def undeclared(self, name: str) -> CelError:
        """The error for a variable that is none here."""
        text = f"undeclared reference to '{name}' (in container '')"
        return CelError(f"compilation failed: {located(self.source, self._places[name], text)}")

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression.

        :raises CelError: it fails: a missing key, an index out of bounds, mismatched types
        :raises CostExceeded: it would take too many steps on this data
        """
        used = {name: value for name, value in variables.items() if name in self.variables}
        authorizer = used.get("authorizer")
        if isinstance(authorizer, AuthorizerValue):
            used["authorizer"] = authorizer.shown()
        else:
            authorizer = None
        if self.depth:
            self._check_cost(used)
        if self._growth is not None:
            self._check_growth(used, self._growth)
        run = self._program
        if None in used.values() or None in (used.get("variables") or {}).values():
            run = self._on_nulls()
        try:
            context = self._spare.pop()
        except IndexError:
            context = self._new_context()
        try:
            context.update(used)
            with asking(authorizer):
                return run.execute(context)
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
        finally:
            self._spare.append(context)

    def _on_nulls(self) -> Any:
        if self._for_nulls is None:
            self._for_nulls = _library().compile(rewrite(self._root, self._lists, nulls=True))
        return self._for_nulls

    def _check_cost(self, variables: Mapping[str, Any]) -> None:
        """:raises CostExceeded: even a close look at the data does not show that the steps are few enough"""
        size = sum(weight(value) for value in variables.values())
        if size**self.depth * _STEPS_PER_TURN <= CALL_COST_LIMIT:
            return
        types = {name: of_value(value) for name, value in variables.items()}
        if estimate(check(self.source, self._root, types)) > CALL_COST_LIMIT:
            raise CostExceeded("operation cancelled: actual cost limit exceeded")

    def _check_growth(self, variables: Mapping[str, Any], found: Growth) -> None:
        """:raises CostExceeded: it might make more than there is room for"""
        volume = growth.volume(list(variables.values())) + len(self.source)
        if found.most(volume) > growth.LIMIT:
            raise CostExceeded("operation cancelled: actual cost limit exceeded")
        if found.in_loops and volume * weight(list(variables.values())) > growth.LIMIT:
            types = {name: of_value(value) for name, value in variables.items()}
            if estimate(check(self.source, self._root, types)) > CALL_COST_LIMIT:
                raise CostExceeded("operation cancelled: actual cost limit exceeded")


def syntax_problem(source: str) -> str:
    """What the library's parser says of a source that cannot be read; empty when it can."""
    if len(source) > MAX_LENGTH:
        return ""  # the library takes minutes for some
    try:
        _library().compile(source)
    except (ValueError, RuntimeError) as error:
        return _syntax_error(source, str(error))
    return ""


@lru_cache(maxsize=1024)  # some 9 KB each, those of the library among them
def _compiled(source: str) -> Program:
    return Program(source)


def compile(  # the field's word
    source: str, variables: Collection[str] | None = None, scope: Mapping[str, CelType] | None = None
) -> Program:
    """The program of an expression.

    :param variables: the names it may mention; None for any
    :param scope: the types of its variables, where they may hold lists whose order does not count
    :raises CelError: it is none, or mentions others
    """
    try:
        lists = unordered.operators(source, scope) if scope is not None else {}
        program = Program(source, lists) if lists else _compiled(source)
    except RecursionError:
        raise CelError(f"compilation failed: {TOO_DEEP}") from None
    unknown = sorted(program.variables - set(variables)) if variables is not None else []
    if unknown:
        raise program.undeclared(unknown[0])
    return program


def _plain(text: str) -> str:
    """A failure in an added function without the library's wrapping."""
    found = re.search(r"Python function call failed: \w+: (.*?)\. Check function arguments", text, re.DOTALL)
    return found[1] if found else text


def _syntax_error(source: str, text: str) -> str:
    """The first message of the library's parser, with the line that it is about."""
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (Syntax error: .*)", text)
    if found is None:
        return ""
    lines = source.split("\n")[: int(found[1]) - 1]
    offset = sum(len(line) + 1 for line in lines) + int(found[2]) - 1
    return located(source, min(offset, len(source)), found[3])
