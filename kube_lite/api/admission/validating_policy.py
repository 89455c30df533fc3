"""ValidatingAdmissionPolicy: CEL rules decide instead of a webhook.

What a violated rule does is the binding's to say: Deny, Warn, Audit. Messages and annotations are upstream's.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_lite import errors
from kube_lite.api.admission.conditions import ConditionError
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.admission.policy import Binding, Evaluation, Misconfigured, bound
from kube_lite.api.admission.review import Denied
from kube_lite.api.http import encode_json
from kube_lite.resources.cel import program
from kube_lite.resources.meta import Obj

FAILURES = "validation.policy.admission.k8s.io/validation_failure"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
MAX_MESSAGE = 5 * 1024
"""Characters of a message made by an expression."""


@dataclass(frozen=True, slots=True)
class _Violation:
    """A rule that does not hold, or cannot be evaluated."""

    message: str
    reason: str = "Invalid"
    index: int = 0


class ValidatingAdmissionPolicy:
    """Evaluates every bound policy."""

    name = "ValidatingAdmissionPolicy"

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Evaluate. :raises Denied: a rule with a Deny binding does not hold"""
        denials: list[tuple[Binding, _Violation]] = []
        audited: list[Obj] = []
        for binding in bound("validatingadmissionpolicies", request, objects):
            actions = binding.binding["spec"].get("validationActions") or ["Deny"]
            policy, by = binding.policy["metadata"]["name"], binding.binding["metadata"]["name"]
            for violation in _violations(binding, request, objects):
                if "Deny" in actions:
                    denials.append((binding, violation))
                if "Warn" in actions:
                    request.warnings.append(
                        f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{by}': "
                        f"{violation.message}"
                    )
                if "Audit" in actions:
                    audited.append(
                        {
                            "message": violation.message,
                            "policy": policy,
                            "binding": by,
                            "expressionIndex": violation.index,
                            "validationActions": actions,
                        }
                    )
        if audited:
            request.annotations[FAILURES] = encode_json(audited).decode()
        if denials:
            raise _denied(request, *denials[0])


def _denied(request: AdmissionRequest, binding: Binding, violation: _Violation) -> Denied:
    policy, by = binding.policy["metadata"]["name"], binding.binding["metadata"]["name"]
    why = f"ValidatingAdmissionPolicy '{policy}' with binding '{by}' denied request: {violation.message}"
    refused = errors.forbidden(request.resource.plural, request.resource.group, request.name, why)
    details = {**refused.details, "causes": [{"message": why}]}
    code = _CODES.get(violation.reason, 422)
    return Denied({"message": refused.message, "reason": violation.reason, "code": code, "details": details})


def _violations(binding: Binding, request: AdmissionRequest, objects: Objects) -> list[_Violation]:
    found: list[_Violation] = []
    try:
        for evaluation in binding.evaluations(request, objects):
            if evaluation.applies():
                found.extend(_evaluate(binding, evaluation, request))
    except Misconfigured as error:
        if not binding.fails_open:
            found.append(_Violation(f"failed to configure binding: {error}"))
    except ConditionError as error:
        if not binding.fails_open:
            found.append(_Violation(str(error)))
    return found


def _evaluate(binding: Binding, evaluation: Evaluation, request: AdmissionRequest) -> list[_Violation]:
    found: list[_Violation] = []
    for index, validation in enumerate(binding.policy["spec"].get("validations") or ()):
        expression = validation.get("expression", "")
        try:
            holds = evaluation.value(expression)
        except program.CelError as error:
            if not binding.fails_open:
                why = f"expression '{expression}' resulted in error: {error}"
                found.append(_Violation(why, index=index))
            continue
        if holds is not True:
            reason = validation.get("reason") or "Invalid"
            found.append(_Violation(_message(validation, evaluation), reason, index))
    for annotation in binding.policy["spec"].get("auditAnnotations") or ():
        _annotate(binding, evaluation, annotation, request, found)
    return found


def _message(validation: Obj, evaluation: Evaluation) -> str:
    """The rule's own words: made by an expression, written down, or the expression itself."""
    if made := validation.get("messageExpression"):
        try:
            text = evaluation.value(made)
        except program.CelError:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text and len(text) <= MAX_MESSAGE:
            return text.strip()
    return validation.get("message") or f"failed expression: {validation.get('expression', '').strip()}"


def _annotate(
    binding: Binding, evaluation: Evaluation, annotation: Obj, request: AdmissionRequest, found: list[_Violation]
) -> None:
    expression = annotation.get("valueExpression", "")
    try:
        value = evaluation.value(expression)
    except program.CelError as error:
        if not binding.fails_open:
            found.append(_Violation(f"expression '{expression}' resulted in error: {error}"))
        return
    if isinstance(value, str) and value.strip():
        request.annotations[f"{binding.policy['metadata']['name']}/{annotation['key']}"] = value.strip()
