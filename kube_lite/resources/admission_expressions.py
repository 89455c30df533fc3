"""The expressions of admission policies and of webhooks' match conditions: what they may mention, what they must give.

They are compiled when they are stored (apiserver ``ValidatingAdmissionPolicy`` validation). The objects of requests
are of no known type then; for what kind a policy is, its status tells afterwards (``type_warnings``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kube_lite.resources.cel.examine import FAILED, Examined, examine
from kube_lite.resources.cel.syntax import RESERVED
from kube_lite.resources.cel.types import (
    BOOL,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    CelType,
    list_of,
    map_of,
    object_of,
    read,
    unify,
)
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, required
from kube_lite.resources.meta import Obj

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


def request_scope(object_type: CelType = DYN) -> dict[str, CelType]:
    """What every expression about a request may mention."""
    return {"object": object_type, "oldObject": object_type, "request": REQUEST, **AUTHORIZER}


def policy_scope(spec: Obj, object_type: CelType = DYN, params: CelType = DYN) -> dict[str, CelType]:
    """The same for those of a policy: the namespace, and parameters where it has some."""
    scope = {**request_scope(object_type), "namespaceObject": NAMESPACE}
    return {**scope, "params": params} if spec.get("paramKind") else scope


def errors_of(source: str, path: str, scope: Mapping[str, CelType], wanted: Iterable[CelType]) -> Errors:
    """What is wrong with one expression that must give one of the types wanted (any when there are none)."""
    found = examine(source, scope)
    if found.problem:
        return [invalid(path, source, found.problem)]
    wanted = list(wanted)
    if not wanted or any(_is(found.type, one) for one in wanted):
        return []
    names = [str(_SHOWN.get(one.name, one)) for one in wanted]
    detail = f"must evaluate to {names[0]}" if len(names) == 1 else f"must evaluate to one of [{' '.join(names)}]"
    return [invalid(path, source, detail)]


def _is(found: CelType, wanted: CelType) -> bool:
    if found.name == "dyn":
        return False
    return found == wanted or (bool(wanted.params) and unify(wanted, found, {}))


def _variables(spec: Obj, scope: dict[str, CelType]) -> tuple[dict[str, CelType], Errors]:
    """The scope with ``variables``, each of which sees those before it."""
    found: Errors = []
    known: dict[str, CelType] = {}
    for i, variable in enumerate(spec.get("variables") or ()):
        at = index("spec.variables", i)
        name, source = variable.get("name") or "", variable.get("expression") or ""
        if name in known:
            found.append(duplicate(child(at, "name"), name))
        if not name or not source.strip():
            continue
        if name in RESERVED or not (name.isidentifier() and name.isascii()):
            found.append(invalid(child(at, "name"), name, "name is not a valid CEL identifier"))
        seen = examine(source, {**scope, "variables": object_of("kubernetes.variables", dict(known))})
        if seen.problem:
            found.append(invalid(child(at, "expression"), source, seen.problem))
        known[name] = DYN if seen.problem else seen.type
    return {**scope, "variables": object_of("kubernetes.variables", known)}, found


def _sources(spec: Obj) -> Iterator[tuple[str, str, tuple[CelType, ...]]]:
    """Path, source and wanted types of every expression of a policy that may mention variables."""
    for i, one in enumerate(spec.get("validations") or ()):
        at = index("spec.validations", i)
        yield child(at, "expression"), one.get("expression") or "", (BOOL,)
        yield child(at, "messageExpression"), one.get("messageExpression") or "", (STRING,)
    for i, one in enumerate(spec.get("auditAnnotations") or ()):
        at = child(index("spec.auditAnnotations", i), "valueExpression")
        yield at, one.get("valueExpression") or "", (STRING, NULL)
    for i, one in enumerate(spec.get("mutations") or ()):
        at = index("spec.mutations", i)
        made = (one.get("applyConfiguration") or {}).get("expression") or ""
        yield child(child(at, "applyConfiguration"), "expression"), made, (OBJECT,)
        made = (one.get("jsonPatch") or {}).get("expression") or ""
        yield child(child(at, "jsonPatch"), "expression"), made, (JSON_PATCHES,)


def policy_errors(spec: Obj) -> Errors:
    """What is wrong with the expressions of a policy."""
    scope, found = _variables(spec, policy_scope(spec))
    alone = {name: type_ for name, type_ in scope.items() if name not in AUTHORIZER}
    for path, source, wanted in _sources(spec):
        if source.strip():
            found += errors_of(source, path, alone if path.endswith(".messageExpression") else scope, wanted)
    return found


def validation_words(spec: Obj) -> Errors:
    """What is wrong with the messages beside the expressions of a validating policy."""
    found: Errors = []
    for i, one in enumerate(spec.get("validations") or ()):
        at, message = index("spec.validations", i), one.get("message") or ""
        if message and not message.strip():
            found.append(invalid(child(at, "message"), message, "message must be non-empty if specified"))
        elif "\n" in message.strip():
            found.append(invalid(child(at, "message"), message, "message must not contain line breaks"))
        elif "\n" in (one.get("expression") or "").strip() and not message:
            detail = "message must be specified if expression contains line breaks"
            found.append(required(child(at, "message"), detail))
        made = one.get("messageExpression")
        if made and not made.strip():
            detail = "must be non-empty if specified"
            found.append(invalid(child(at, "messageExpression"), made, detail))
    return found


def type_warnings(spec: Obj, types: Mapping[str, CelType], params: CelType | None) -> list[dict[str, Any]]:
    """``status.typeChecking.expressionWarnings``: what does not fit the kinds that a policy is for.

    :param types: those kinds, by ``apps/v1, Kind=Deployment``
    :param params: None where nothing is known of them
    """
    known = spec if params is not None else {**spec, "paramKind": None}
    scopes = {n: _variables(spec, policy_scope(known, type_, params or DYN))[0] for n, type_ in types.items()}
    warnings = []
    for path, source, _ in _sources(spec):
        if not source.strip() or path.startswith("spec.auditAnnotations"):
            continue
        told = [f"{name}: {text}\n" for name, scope in scopes.items() if (text := _mistake(examine(source, scope)))]
        if told:
            warnings.append({"fieldRef": path, "warning": "\n".join(told)})
    return warnings


def _mistake(found: Examined) -> str:
    return found.problem.removeprefix(FAILED)
