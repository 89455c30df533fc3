"""What validating and mutating admission policies share: bindings, parameters, variables.

A policy does nothing alone: each binding names it, narrows which requests it is for, and may name the objects
that it takes as ``params``. A variable is worked out when an expression first mentions it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kube_lite.api.admission import conditions
from kube_lite.api.admission.matching import is_exempt, matching_resource, selected
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.cel import program
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.resources.selectors import matches

GROUP: Final = "admissionregistration.k8s.io"
_VARIABLE: Final = re.compile(r"\bvariables\.([A-Za-z_]\w*)")


class Misconfigured(Exception):
    """Raised when a policy or binding cannot be used, such as for want of its parameters."""


class Evaluation:
    """One policy with one binding and one parameter, about to look at one request."""

    def __init__(self, policy: Obj, binding: Obj, values: Mapping[str, Any]) -> None:
        self.policy = policy
        self.binding = binding
        self._values = dict(values)
        self._sources = {v["name"]: v.get("expression", "") for v in policy["spec"].get("variables") or ()}
        self._known: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """What tells it from others of the same request."""
        meta = (self._values.get("params") or {}).get("metadata") or {}
        parts = (self.policy["metadata"]["name"], self.binding["metadata"]["name"])
        return "/".join((*parts, meta.get("namespace", ""), meta.get("name", "")))

    def value(self, expression: str) -> Any:
        """What an expression comes to. :raises program.CelError: it cannot be compiled or evaluated"""
        for name in _VARIABLE.findall(expression):
            if name in self._sources and name not in self._known:
                self._known[name] = self._variable(name)
        return program.compile(expression).evaluate({**self._values, "variables": self._known})

    def _variable(self, name: str) -> Any:
        source = self._sources.pop(name)  # one that mentions itself finds nothing
        try:
            return self.value(source)
        except program.CelError as error:
            self._sources[name] = source
            raise program.CelError(f'composited variable "{name}" fails to evaluate: {error}') from error

    def anew(self, values: Mapping[str, Any]) -> Evaluation:
        """The same for the request as it is now."""
        return Evaluation(self.policy, self.binding, {**self._values, **values})

    def applies(self) -> bool:
        """Whether the policy's ``matchConditions`` hold. :raises ConditionError: that cannot be said"""
        return conditions.holds(self.policy["spec"].get("matchConditions") or [], self._values)


class Binding(msgspec.Struct, frozen=True):
    """A binding whose policy is for the request, with the resource as which the policy sees it."""

    policy: Obj
    binding: Obj | None
    """None for a policy that no binding can make use of."""
    resource: Resource

    @property
    def fails_open(self) -> bool:
        """Whether what goes wrong is passed over."""
        return bool(self.policy["spec"].get("failurePolicy") == "Ignore")

    @property
    def names(self) -> tuple[str, str]:
        """Of the policy and of the binding."""
        binding = self.binding["metadata"]["name"] if self.binding is not None else ""
        return self.policy["metadata"]["name"], binding

    def evaluations(self, request: AdmissionRequest, objects: Objects) -> Iterator[Evaluation]:
        """One for each parameter, or a single one. :raises Misconfigured: there are no parameters"""
        if self.binding is None:
            raise Misconfigured(f"failed to configure policy: {_unknown_kind(self.policy)}")
        try:
            params = _params(self.policy, self.binding, request, objects)
        except Misconfigured as error:
            raise Misconfigured(f"failed to configure binding: {error}") from error
        for param in params:
            values = conditions.variables(request, self.resource, objects)
            yield Evaluation(self.policy, self.binding, {**values, "params": param})


def bound(kind: str, request: AdmissionRequest, objects: Objects) -> list[Binding]:
    """The bindings concerned, in the order of their policies' names.

    :param kind: ``validatingadmissionpolicies`` or ``mutatingadmissionpolicies``
    """
    policies = objects.select(f"{kind}.{GROUP}")
    if not policies or is_exempt(request):
        return []
    bindings = objects.select(f"{kind.removesuffix('ies')}ybindings.{GROUP}")
    found = []
    for policy in policies:
        own = [b for b in bindings if b["spec"].get("policyName") == policy["metadata"]["name"]]
        resource = _matched(policy["spec"].get("matchConstraints"), request, objects) if own else None
        if resource is None:
            continue
        if policy["spec"].get("paramKind") and _kind_of_params(policy, objects) is None:
            found.append(Binding(policy, None, resource))
            continue
        for binding in own:
            narrowed = binding["spec"].get("matchResources")
            if narrowed is None or _matched(narrowed, request, objects, by_default=resource) is not None:
                found.append(Binding(policy, binding, resource))
    return found


def _matched(
    match: Obj | None, request: AdmissionRequest, objects: Objects, by_default: Resource | None = None
) -> Resource | None:
    """As which resource the request is matched; None when it is not. Without rules a binding takes all."""
    if not match:
        return by_default
    policy = match.get("matchPolicy") or "Equivalent"
    rules = match.get("resourceRules") or []
    resource = matching_resource(_named(rules, request), request, objects, policy) if rules else by_default
    if resource is None or not selected(match, request, objects):
        return None
    excluded = _named(match.get("excludeResourceRules") or [], request)
    return None if matching_resource(excluded, request, objects, policy) is not None else resource


def _named(rules: Iterable[Obj], request: AdmissionRequest) -> list[Obj]:
    return [rule for rule in rules if not rule.get("resourceNames") or request.name in rule["resourceNames"]]


def _kind_of_params(policy: Obj, objects: Objects) -> Resource | None:
    kind = policy["spec"]["paramKind"]
    return objects.of_kind(kind.get("apiVersion", ""), kind.get("kind", ""))


def _unknown_kind(policy: Obj) -> str:
    kind = policy["spec"]["paramKind"]
    group, _, version = str(kind.get("apiVersion", "")).rpartition("/")
    return f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind.get('kind', '')}'"


def _params(policy: Obj, binding: Obj, request: AdmissionRequest, objects: Objects) -> list[Obj | None]:
    ref = binding["spec"].get("paramRef")
    if not policy["spec"].get("paramKind") or not ref:
        return [None]
    resource = _kind_of_params(policy, objects)
    if resource is None:
        raise Misconfigured(_unknown_kind(policy))
    namespace = ref.get("namespace") or ""
    if namespace and not resource.namespaced:
        raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if resource.namespaced:
        namespace = namespace or request.shown_namespace
        if not namespace:
            raise Misconfigured(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
    found: list[Obj | None] = []
    if ref.get("name"):
        one = objects.lookup(resource.group_resource, namespace, ref["name"])
        found = [one] if one is not None else []
    elif ref.get("selector") is not None:
        candidates = objects.select(resource.group_resource, namespace)
        found = [c for c in candidates if matches(ref["selector"], c["metadata"].get("labels") or {})]
    if not found and ref.get("parameterNotFoundAction") != "Allow":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found
