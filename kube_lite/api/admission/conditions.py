"""What CEL expressions see of a request, and ``matchConditions`` of webhooks and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kube_lite.api.admission import review
from kube_lite.api.admission.matching import aggregate, converted
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.user import User
from kube_lite.resources.cel import program
from kube_lite.resources.cel.authorizer import AuthorizerValue
from kube_lite.resources.registry import Resource


class ConditionError(Exception):
    """Raised when a condition cannot be evaluated and none of the others is false."""


def variables(request: AdmissionRequest, resource: Resource, objects: Objects) -> dict[str, Any]:
    """``object``, ``oldObject``, ``request``, ``namespaceObject`` and ``authorizer``."""
    namespace = None
    if request.namespace and request.resource.group_resource != "namespaces":
        namespace = objects.lookup("namespaces", "", request.namespace)
    return {
        "object": converted(request.obj, request.resource, resource),
        "oldObject": converted(request.old, request.resource, resource),
        "request": review.request_fields(request, resource),
        "namespaceObject": namespace,
        "authorizer": _authorizer(request, resource, objects),
    }


def _authorizer(request: AdmissionRequest, resource: Resource, objects: Objects) -> AuthorizerValue:
    """Asks for the user of the request, unless an expression names a service account."""

    def decide(asked: Mapping[str, str]) -> tuple[bool, str]:
        user, name = request.user, asked.get("user", "")
        if name:
            namespace = name.split(":")[2]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
            user = User(name, groups=groups)
        given = {key: asked[key] for key in _ATTRIBUTES if key in asked}
        selector = asked.get("fieldSelector", "")
        return objects.decide(Attributes(user, asked["verb"], version="*", field_selector=selector, **given))

    requested = {"group": resource.group, "resource": resource.plural, "subresource": request.subresource}
    return AuthorizerValue(decide, {**requested, "namespace": request.shown_namespace, "name": request.name})


_ATTRIBUTES: Final = ("group", "resource", "subresource", "namespace", "name", "path")


def holds(wanted: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> bool:
    """Whether all conditions are true: one that is false decides, whatever goes wrong with others.

    :raises ConditionError: some cannot be evaluated, and none is false
    """
    problems: list[str] = []
    for condition in wanted:
        try:
            value = program.compile(str(condition.get("expression") or "")).evaluate(values)
        except program.CelError as error:
            problems.append(failed(str(condition.get("expression") or ""), error))
            continue
        if value is False:
            return False
        if value is not True:
            problems.append(f"the condition '{condition.get('name')}' is not a boolean")
    if problems:
        raise ConditionError(aggregate(problems))
    return True


def failed(expression: str, error: program.CelError) -> str:
    """What is said of an expression that has no value."""
    return f"expression '{expression}' resulted in error: {error}"


async def met(
    wanted: Iterable[Mapping[str, Any]], request: AdmissionRequest, resource: Resource, objects: Objects
) -> bool:
    """Whether a webhook's ``matchConditions`` hold. :raises ConditionError: that cannot be said"""
    return holds(wanted, variables(request, resource, objects))
