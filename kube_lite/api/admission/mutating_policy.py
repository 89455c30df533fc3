"""MutatingAdmissionPolicy: CEL expressions change the object instead of a webhook.

A mutation is either an object to be merged in as server-side apply merges, or a list of JSON patch operations.
"""

from __future__ import annotations

from typing import Any

from kube_lite import errors
from kube_lite.api import codec, patch
from kube_lite.api.admission.conditions import ConditionError, variables
from kube_lite.api.admission.matching import converted
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.admission.policy import Binding, Evaluation, Misconfigured, bound
from kube_lite.api.admission.webhook import finished
from kube_lite.api.http import decode_json, encode_json
from kube_lite.client.protocol import JSON_PATCH
from kube_lite.resources import typed_merge
from kube_lite.resources.cel import program
from kube_lite.resources.meta import Obj


class MutatingAdmissionPolicy:
    """Applies every bound policy, in the order of their names; each sees what the earlier ones made."""

    name = "MutatingAdmissionPolicy"

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Change the object. :raises Forbidden: a policy that must not fail could not be applied"""
        if request.obj is None or request.operation not in ("CREATE", "UPDATE"):
            return
        for binding in bound("mutatingadmissionpolicies", request, objects):
            again = binding.policy["spec"].get("reinvocationPolicy") == "IfNeeded"
            if request.reinvocation and not again:
                continue
            try:
                self._apply(binding, request, objects)
            except (Misconfigured, ConditionError, program.CelError) as error:
                _refuse(binding, request, str(error))
            except errors.ApiError as error:
                _refuse(binding, request, error.message)

    def _apply(self, binding: Binding, request: AdmissionRequest, objects: Objects) -> None:
        mutations = binding.policy["spec"].get("mutations") or []
        before = request.obj
        for evaluation in binding.evaluations(request, objects):
            if not evaluation.applies():
                continue
            for mutation in mutations:
                # each mutation sees the object as the one before left it
                current = evaluation.anew(variables(request, binding.resource, objects))
                request.obj = _mutated(binding, request, mutation, current)
        if request.obj != before and not request.reinvocation:
            request.reinvoke = True


def _mutated(binding: Binding, request: AdmissionRequest, mutation: Obj, evaluation: Evaluation) -> Obj:
    resource = binding.resource
    seen = converted(request.obj, request.resource, resource)
    assert seen is not None
    type_ = codec.type_of(resource)
    if mutation.get("patchType") == "JSONPatch":
        made = evaluation.value((mutation.get("jsonPatch") or {}).get("expression", ""))
        changed: Any = patch.read(JSON_PATCH, encode_json(made)).apply(type_, seen)
    else:
        made = evaluation.value((mutation.get("applyConfiguration") or {}).get("expression", ""))
        if not isinstance(made, dict):
            raise program.CelError("must evaluate to Object")
        changed = typed_merge.merge(type_, seen, made)
    new = finished(resource, decode_json(encode_json(changed)))
    back = converted(new, resource, request.resource)
    assert back is not None
    return back


def _refuse(binding: Binding, request: AdmissionRequest, why: str) -> None:
    if binding.fails_open:
        return
    policy, by = binding.policy["metadata"]["name"], binding.binding["metadata"]["name"]
    text = f"MutatingAdmissionPolicy '{policy}' with binding '{by}' denied request: {why}"
    raise errors.forbidden(request.resource.plural, request.resource.group, request.name, text)
