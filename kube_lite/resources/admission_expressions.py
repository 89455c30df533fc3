"""The expressions of admission policies and of webhooks' match conditions: what they may mention, what they must give.

They are compiled when they are stored (apiserver ``ValidatingAdmissionPolicy`` validation). The objects of requests
are of no known type then; for what kind a policy is, its status tells afterwards (``type_warnings``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kube_lite.resources.cel.examine import FAILED, Examined, examine
from kube_lite.resources.cel.syntax import RESERVED
from kube_lite.resources.cel.types import (
    BOOL,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    CelType,
    list_of,
    map_of,
    object_of,
    read,
)
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, required, too_many
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import qualified_name

_STRINGS: Final = list_of(STRING)
_TEXTS: Final = map_of(STRING, STRING)
_KIND: Final = object_of("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), STRING))
_RESOURCE: Final = object_of("kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), STRING))
_USER: Final = object_of(
    "kubernetes.UserInfo",
    {"username": STRING, "uid": STRING, "groups": _STRINGS, "extra": map_of(STRING, _STRINGS)},
)
REQUEST: Final = object_of(
    "kubernetes.AdmissionRequest",
    {
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": _USER,
        "dryRun": BOOL,
        "options": DYN,
    },
)
_METADATA: Final = object_of(
    "kubernetes.NamespaceMetadata",
    {
        **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion"), STRING),
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "generation": INT,
        "deletionGracePeriodSeconds": INT,
        "creationTimestamp": TIMESTAMP,
        "deletionTimestamp": TIMESTAMP,
        "finalizers": _STRINGS,
        "selfLink": STRING,
    },
)
_CONDITION: Final = object_of(
    "kubernetes.NamespaceCondition",
    {**dict.fromkeys(("status", "type", "message", "reason"), STRING), "lastTransitionTime": TIMESTAMP},
)
NAMESPACE: Final = object_of(
    "kubernetes.Namespace",
    {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": _METADATA,
        "spec": object_of("kubernetes.NamespaceSpec", {"finalizers": _STRINGS}),
        "status": object_of("kubernetes.NamespaceStatus", {"phase": STRING, "conditions": list_of(_CONDITION)}),
    },
)
AUTHORIZER: Final = {
    "authorizer": CelType("kubernetes.authorization.Authorizer"),
    "authorizer.requestResource": CelType("kubernetes.authorization.ResourceCheck"),
}
OBJECT: Final = CelType("Object")
JSON_PATCHES: Final = read("list(JSONPatch)")
_SHOWN: Final = {"bool": "bool", "string": "string", "null_type": "null_type"}


MAX_MATCH_CONDITIONS: Final = 64
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def request_scope(object_type: CelType = DYN) -> dict[str, CelType]:
    """What every expression about a request may mention."""
    about = {"object": object_type, "oldObject": object_type, "request": REQUEST, "namespaceObject": NAMESPACE}
    return {**about, **AUTHORIZER}


def policy_scope(spec: Obj, object_type: CelType = DYN, params: CelType = DYN) -> dict[str, CelType]:
    """The same for those of a policy: parameters too where it has some."""
    scope = request_scope(object_type)
    return {**scope, "params": params} if spec.get("paramKind") is not None else scope


def message_scope(scope: Mapping[str, CelType]) -> dict[str, CelType]:
    """What the expression of a message may mention: all but who may do what."""
    return {name: type_ for name, type_ in scope.items() if name not in AUTHORIZER}


def errors_of(
    source: str, path: str, scope: Mapping[str, CelType], wanted: Iterable[CelType], *, needed: str = ""
) -> Errors:
    """What is wrong with one expression that must give one of the types wanted (any when there are none).

    :param needed: what is told of a blank one
    """
    if not source.strip():
        return [required(path, needed)]
    found = examine(source, scope)
    if found.problem:
        return [invalid(path, source, found.problem)]
    wanted = list(wanted)
    if not wanted or found.type in wanted:
        return []
    names = [str(_SHOWN.get(one.name, one)) for one in wanted]
    detail = f"must evaluate to {names[0]}" if len(names) == 1 else f"must evaluate to one of [{' '.join(names)}]"
    return [invalid(path, source, detail)]


def match_condition_errors(conditions: Sequence[Obj], path: str, scope: Mapping[str, CelType]) -> Errors:
    """What is wrong with the match conditions of a webhook or policy."""
    found: Errors = []
    if len(conditions) > MAX_MATCH_CONDITIONS:
        found.append(too_many(path, len(conditions), MAX_MATCH_CONDITIONS))
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        at, name = index(path, i), condition.get("name", "")
        found.extend(errors_of(condition.get("expression", "").strip(), child(at, "expression"), scope, (BOOL,)))
        found.extend(qualified_name(name, child(at, "name")) if name else [required(child(at, "name"))])
        if name and name in seen:
            found.append(duplicate(child(at, "name"), name))
        seen.add(name)
    return found


def variable_errors(spec: Obj, scope: Mapping[str, CelType]) -> tuple[dict[str, CelType], Errors]:
    """The scope with ``variables``, each of which sees those before it, and what is wrong with them."""
    found: Errors = []
    known: dict[str, CelType] = {}
    for i, variable in enumerate(spec.get("variables") or ()):
        at = index("spec.variables", i)
        name, source = variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            found.append(required(child(at, "name"), "name is not specified"))
        elif _IDENTIFIER.fullmatch(name) is None or name in RESERVED:
            found.append(invalid(child(at, "name"), name, "name is not a valid CEL identifier"))
        if not source.strip():
            found.append(required(child(at, "expression"), "expression is not specified"))
            continue
        seen = examine(source, {**scope, "variables": object_of("kubernetes.variables", dict(known))})
        if seen.problem:
            found.append(invalid(child(at, "expression"), source, seen.problem))
        known[name] = DYN if seen.problem else seen.type
    return {**scope, "variables": object_of("kubernetes.variables", known)}, found


def _sources(spec: Obj) -> Iterator[tuple[str, str]]:
    """Path and source of every expression of a policy whose types are checked once it is stored."""
    for i, one in enumerate(spec.get("validations") or ()):
        for name in ("expression", "messageExpression"):
            yield child(index("spec.validations", i), name), one.get(name) or ""


def type_warnings(spec: Obj, types: Mapping[str, CelType], params: CelType | None) -> list[dict[str, Any]]:
    """``status.typeChecking.expressionWarnings``: what does not fit the kinds that a policy is for.

    :param types: those kinds, by ``apps/v1, Kind=Deployment``
    :param params: None where nothing is known of them
    """
    known = spec if params is not None else {**spec, "paramKind": None}
    scopes = {n: variable_errors(spec, policy_scope(known, type_, params or DYN))[0] for n, type_ in types.items()}
    warnings = []
    for path, source in _sources(spec):
        if not source.strip():
            continue
        told = [f"{name}: {text}\n" for name, scope in scopes.items() if (text := _mistake(examine(source, scope)))]
        if told:
            warnings.append({"fieldRef": path, "warning": "\n".join(told)})
    return warnings


def _mistake(found: Examined) -> str:
    return found.problem.removeprefix(FAILED)
