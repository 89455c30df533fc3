"""ValidatingAdmissionPolicy: CEL rules decide instead of a webhook.

What a violated rule does is the binding's to say: Deny, Warn, Audit. Messages and annotations are upstream's.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kube_lite import clock
from kube_lite.api.admission.conditions import ConditionError, failed
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.admission.policy import Binding, Evaluation, Misconfigured, bound
from kube_lite.api.admission.review import Denied
from kube_lite.api.http import encode_json
from kube_lite.api.large import LARGE, beside
from kube_lite.resources.cel import program
from kube_lite.resources.cel.program import weight
from kube_lite.resources.meta import Obj

FAILURES: Final = "validation.policy.admission.k8s.io/validation_failure"
_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
POLICY_SECONDS: Final = 10.0
"""Seconds that the rules of a policy may take, where upstream counts their steps."""
MOST_AT_ONCE: Final = 4000
"""Rules times values of an object (some tenth of a second) from which on they are evaluated beside the loop."""
MAX_MESSAGE: Final = 5 * 1024
"""Characters of a message made by an expression."""
MAX_ANNOTATION: Final = 10 * 1024
"""Characters of the value of an audit annotation; the rest is cut off."""


class _Violation(msgspec.Struct, frozen=True):
    """A rule that does not hold, or cannot be evaluated."""

    message: str
    reason: str = "Invalid"
    index: int = 0
    always: bool = False
    """It refuses the request, whatever the binding does about rules that do not hold."""


class ValidatingAdmissionPolicy:
    """Evaluates every bound policy."""

    name = "ValidatingAdmissionPolicy"
    resources = None

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Evaluate. :raises Denied: a rule with a Deny binding does not hold"""
        denials: list[tuple[Binding, _Violation]] = []
        notes: dict[str, list[str]] = {}
        for binding in bound("validatingadmissionpolicies", request, objects):
            actions = binding.binding["spec"].get("validationActions") or ["Deny"] if binding.binding else []
            for violation in await _violations(binding, request, objects, notes):
                if violation.always or "Deny" in actions:
                    denials.append((binding, violation))
                if not violation.always:
                    _tell(binding, violation, actions, request)
        request.annotations.update((key, ", ".join(values)) for key, values in notes.items())
        if denials:
            raise _denied(request, *denials[0])


def _tell(binding: Binding, violation: _Violation, actions: list[str], request: AdmissionRequest) -> None:
    policy, by = binding.names
    if "Warn" in actions:
        about = f"ValidatingAdmissionPolicy '{policy}' with binding '{by}'"
        request.warnings.append(f"Validation failed for {about}: {violation.message}")
    if "Audit" in actions and FAILURES not in request.annotations:  # one alone is noted, as upstream
        note = {
            "message": violation.message,
            "policy": policy,
            "binding": by,
            "expressionIndex": violation.index,
            "validationActions": actions,
        }
        request.annotations[FAILURES] = encode_json([note]).decode()


def _denied(request: AdmissionRequest, binding: Binding, violation: _Violation) -> Denied:
    policy, by = binding.names
    about = f"ValidatingAdmissionPolicy '{policy}'" + (f" with binding '{by}'" if by else "")
    why = f"{about} denied request: {violation.message}"
    refused = request.refused(why)
    details = {**refused.details, "causes": [{"message": why}]}
    code = _CODES.get(violation.reason, 422)
    return Denied({"message": refused.message, "reason": violation.reason, "code": code, "details": details})


async def _violations(
    binding: Binding, request: AdmissionRequest, objects: Objects, notes: dict[str, list[str]]
) -> list[_Violation]:
    """What a binding has against the request; ``notes`` gets its audit annotations."""
    found: list[_Violation] = []
    try:
        for evaluation in binding.evaluations(request, objects):
            try:
                if evaluation.applies():
                    found.extend(await beside(_effort(binding, request), _evaluate, binding, evaluation))
                    found.extend(_annotate(binding, evaluation, notes))
            except ConditionError as error:
                if not binding.fails_open:
                    found.append(_Violation(str(error)))
    except Misconfigured as error:
        if not binding.fails_open:
            found.append(_Violation(str(error), always=True))
    return found


def _effort(binding: Binding, request: AdmissionRequest) -> int:
    """How much there is to do, in terms of :func:`beside`: each expression begins by looking at the whole object."""
    rules = binding.policy["spec"].get("validations") or ()
    most = MOST_AT_ONCE // max(len(rules), 1)
    if max(weight(request.obj, most), weight(request.old, most)) < most:
        return 0
    # whom the authorizer asks must not change meanwhile
    return 0 if any("authorizer" in rule.get("expression", "") for rule in rules) else LARGE


def _evaluate(binding: Binding, evaluation: Evaluation) -> list[_Violation]:
    found: list[_Violation] = []
    deadline = clock.monotonic() + POLICY_SECONDS
    for index, validation in enumerate(binding.policy["spec"].get("validations") or ()):
        expression = validation.get("expression", "")
        if clock.monotonic() > deadline:
            if not binding.fails_open:
                found.append(_Violation(OUT_OF_BUDGET, index=index))
            break
        try:
            holds = evaluation.value(expression)
        except program.CelError as error:
            if not binding.fails_open:
                found.append(_Violation(failed(expression, error), index=index))
            continue
        if holds is not True:
            reason = validation.get("reason") or "Invalid"
            found.append(_Violation(_message(validation, evaluation), reason, index))
    return found


def _message(validation: Obj, evaluation: Evaluation) -> str:
    """The rule's own words: made by an expression, written down, or the expression itself."""
    if made := validation.get("messageExpression"):
        try:
            text = evaluation.value(made)
        except program.CelError:
            text = None
        text = text.strip() if isinstance(text, str) else ""
        if text and "\n" not in text and len(text) <= MAX_MESSAGE:
            return text
    return (validation.get("message") or "").strip() or f"failed expression: {validation.get('expression', '').strip()}"


def _annotate(binding: Binding, evaluation: Evaluation, notes: dict[str, list[str]]) -> list[_Violation]:
    found: list[_Violation] = []
    for annotation in binding.policy["spec"].get("auditAnnotations") or ():
        expression = annotation.get("valueExpression", "")
        try:
            value = evaluation.value(expression)
        except program.CelError as error:
            if not binding.fails_open:
                found.append(_Violation(failed(expression, error), always=True))
            continue
        text = value.strip()[:MAX_ANNOTATION] if isinstance(value, str) else ""
        values = notes.setdefault(f"{binding.names[0]}/{annotation['key']}", []) if text else []
        if text and text not in values:
            values.append(text)
    return found
