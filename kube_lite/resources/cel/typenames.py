"""Whether ``Object.spec.containers{…}`` stands where a policy's type names say that it does.

The type of an object that an expression makes is named after the path at which it is meant to be.
"""

from __future__ import annotations

from kube_lite.resources.cel.parse import Node, ParseError, parse
from kube_lite.resources.remembered import remembered

ROOT = "Object"


@remembered(1024, longest=4096)
def misplaced(source: str) -> str:
    """What is wrong with the type names of an expression's objects; '' when each is where its name says."""
    try:
        return _checked(parse(source), "")
    except ParseError:
        return ""  # whoever evaluates it tells


def _checked(node: Node, expected: str) -> str:
    """``expected`` is '' where any path may begin."""
    if node.kind != "struct" or node.name.partition(".")[0] != ROOT:
        below = ((value, expected if node.kind != "struct" else "") for value in _children(node))
    elif expected and node.name != expected:
        told = f'unexpected type name "{node.name}", expected "{expected}"'
        return f"{told}, which matches field name path from root {ROOT} type"
    else:
        below = ((value, f"{node.name}.{name}") for name, value in zip(node.fields, node.args, strict=True))
    return next(filter(None, (_checked(value, at) for value, at in below)), "")


def _children(node: Node) -> list[Node]:
    return [*node.args, *((node.target,) if node.target is not None else ())]
