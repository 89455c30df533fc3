"""MutatingAdmissionPolicy: CEL expressions change the object instead of a webhook.

A mutation is either an object to be merged in as server-side apply merges, or a list of JSON patch operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from kube_lite.api import codec, patch
from kube_lite.api.admission.conditions import ConditionError, failed, variables
from kube_lite.api.admission.matching import converted
from kube_lite.api.admission.plugin import AdmissionRequest, Objects, Reinvocation
from kube_lite.api.admission.policy import Binding, Evaluation, Misconfigured, bound
from kube_lite.api.admission.review import Denied
from kube_lite.api.admission.webhook import finished, internal
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.json_patch import PatchFailed, TestFailed
from kube_lite.client.protocol import JSON_PATCH
from kube_lite.resources import decode, typed_merge
from kube_lite.resources.cel import program
from kube_lite.resources.cel.typenames import misplaced
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import LIST, MAP, OBJECT, Type, definitions

_MAP_TYPE: Final = "x-kubernetes-map-type"


class _Unfit(ValueError):
    """Raised when a mutation has a value that cannot be laid over the object."""


class MutatingAdmissionPolicy:
    """Applies every bound policy, in the order of their names; each sees what the earlier ones made."""

    name = "MutatingAdmissionPolicy"
    resources = None

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Change the object. :raises Denied: a policy that must not fail could not be applied"""
        if request.obj is None or request.operation not in ("CREATE", "UPDATE"):
            return
        bindings = bound("mutatingadmissionpolicies", request, objects)
        if not bindings:
            return
        again = request.reinvocations.setdefault(self.name, Reinvocation())
        again.begin(request)
        problems: list[tuple[Binding, str, str]] = []
        for binding in bindings:
            found = _apply(binding, request, objects, again)
            problems += [(binding, *problem) for problem in found if not binding.fails_open]
        again.end(request)
        if problems:
            raise _denied(request, problems)


def _apply(
    binding: Binding, request: AdmissionRequest, objects: Objects, again: Reinvocation
) -> Iterator[tuple[str, str]]:
    """Change the object by one binding. Gives what went wrong, and the reason that the client sees for it."""
    try:
        for evaluation in binding.evaluations(request, objects):
            try:
                if evaluation.applies() and (not request.reinvocation or evaluation.key in again.due):
                    yield from _mutate(binding, evaluation, request, objects, again)
            except ConditionError as error:
                yield str(error), "Invalid"
    except Misconfigured as error:
        yield str(error), "Forbidden"


def _mutate(
    binding: Binding, evaluation: Evaluation, request: AdmissionRequest, objects: Objects, again: Reinvocation
) -> Iterator[tuple[str, str]]:
    if binding.policy["spec"].get("reinvocationPolicy") == "IfNeeded":
        again.invoked.add(evaluation.key)
    for mutation in binding.policy["spec"].get("mutations") or ():
        # each mutation sees the object as the one before left it
        current = evaluation.anew(variables(request, binding.resource, objects))
        try:
            request.obj = _mutated(binding, request, mutation, current)
        except _Unfit as error:
            yield str(error), "Invalid"
            continue
        # upstream asks all of them again as soon as one was applied, whether or not it changed anything
        again.changed()
        request.reinvoke |= not request.reinvocation


def _mutated(binding: Binding, request: AdmissionRequest, mutation: Obj, evaluation: Evaluation) -> Obj:
    """The object after one mutation. :raises _Unfit: it cannot be carried out"""
    resource = binding.resource
    seen = converted(request.obj, request.resource, resource)
    assert seen is not None
    by_patch = mutation.get("patchType") == "JSONPatch"
    source = mutation.get("jsonPatch" if by_patch else "applyConfiguration") or {}
    expression = str(source.get("expression") or "")
    try:
        made = evaluation.value(expression)
    except program.CelError as error:
        raise _Unfit(failed(expression, error)) from error
    if why := misplaced(expression):
        raise _Unfit(f"type mismatch: {why}")
    changed = (_patched if by_patch else _merged)(codec.type_of(resource), seen, made)
    back = converted(finished(resource, seen, changed), resource, request.resource)
    assert back is not None
    return back


def _patched(type_: Type, seen: Obj, made: Any) -> Obj:
    try:
        changed: Obj = decode_json(encode_json(patch.read(JSON_PATCH, encode_json(made)).apply(type_, seen)))
    except TestFailed:
        return decode_json(encode_json(seen))  # type: ignore[no-any-return]
    except PatchFailed as error:
        raise _Unfit(f"JSON Patch: {error.why}") from error
    if type_.kind == OBJECT and not type_.custom:
        unknown = _unknown(type_, changed)
        if unknown:
            raise internal(f"strict decoding error: {', '.join(unknown)}")
    return changed


def _unknown(type_: Type, changed: Obj) -> list[str]:
    try:
        return decode.decode(type_, decode_json(encode_json(changed))).strict_errors
    except decode.DecodeError as error:
        raise internal(str(error)) from error


def _merged(type_: Type, seen: Obj, made: Any) -> Obj:
    """The object with a configuration merged in, which names no list or map that is replaced as a whole."""
    if not isinstance(made, dict):
        raise _Unfit("must evaluate to Object")
    problems = list(typed_merge.check(type_, made))
    if problems:
        told = problems[0] if len(problems) == 1 else "errors:\n  " + "\n  ".join(problems)
        raise _Unfit(f"error applying patch: failed to convert patch object to typed object: {told}")
    atomic = list(_atomics(type_, made, ""))
    if atomic:
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise _Unfit(f"error applying patch: invalid ApplyConfiguration: {why}")
    changed: Obj = decode_json(encode_json(typed_merge.merge(type_, seen, made)))
    return changed


def _atomics(type_: Type, value: Any, path: str) -> Iterator[str]:
    """Where a configuration names something that would be replaced as a whole."""
    if isinstance(value, dict) and type_.kind in (OBJECT, MAP):
        whole, fields = _marked(type_.definition)
        if type_.atomic or whole:
            yield path
        for name, inner in value.items():
            if name in fields:
                yield f"{path}.{name}"
            elif name in type_.fields:
                yield from _atomics(type_.fields[name].type, inner, f"{path}.{name}")
    elif isinstance(value, list) and type_.kind == LIST:
        if type_.list_type == "atomic":
            yield path
        for position, inner in enumerate(value):
            if type_.item is not None:
                yield from _atomics(type_.item, inner, f"{path}[{position}]")


@cache
def _marked(definition: str) -> tuple[bool, frozenset[str]]:
    """Whether a definition is marked as atomic, and which of its maps are (a few of which are owned by key)."""
    raw = definitions().get(definition)
    if raw is None:
        return False, frozenset()
    schema = decode_json(bytes(raw))
    marked = (name for name, one in (schema.get("properties") or {}).items() if one.get(_MAP_TYPE) == "atomic")
    return schema.get(_MAP_TYPE) == "atomic", frozenset(marked)


def _denied(request: AdmissionRequest, problems: list[tuple[Binding, str, str]]) -> Denied:
    """The refusal: the first problem in full, and all of them as causes."""
    told = []
    for binding, why, _ in problems:
        policy, by = binding.names
        told.append(
            f"policy '{policy}' with binding '{by}' denied request: {why}"
            if by
            else f'policy "{policy}" denied request: {why}'
        )
    details = {**request.refused("").details, "causes": [{"message": text} for text in told]}
    return Denied({"message": told[0], "reason": problems[0][2], "code": 403, "details": details})
