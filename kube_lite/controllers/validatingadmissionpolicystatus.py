"""Type checks of ValidatingAdmissionPolicies (upstream: ``pkg/controller/validatingadmissionpolicystatus``).

When a policy is stored nothing is known of the objects it will see. This looks up the kinds that its rules name and
writes into its status what would fail on them: a field that a Deployment has not, a number compared with a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, product
from operator import itemgetter
from typing import Any, Final

from kube_lite import clock
from kube_lite.client.protocol import MERGE_PATCH
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.resources import registry, schema
from kube_lite.resources.admission_expressions import type_warnings
from kube_lite.resources.cel.builtin import of_type
from kube_lite.resources.cel.types import CelType, of_schema
from kube_lite.resources.meta import ObjectView

NAMES = ("validatingadmissionpolicy-status-controller", "validatingadmissionpolicy-status")
ACCOUNT: Final = "validatingadmissionpolicy-status-controller"
POLICIES: Final = "validatingadmissionpolicies.admissionregistration.k8s.io"
DEFINITIONS: Final = "customresourcedefinitions.apiextensions.k8s.io"
MOST_TYPES: Final = 10
"""Kinds that one policy is checked against at most."""
_METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Policy(ObjectView, frozen=True):
    """A ValidatingAdmissionPolicy."""

    spec: dict[str, Any] = {}
    status: dict[str, Any] | None = None


class Definition(ObjectView, frozen=True):
    """A CustomResourceDefinition."""

    spec: dict[str, Any] = {}


def _named(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Group, version and resource of what a policy's rules name; stars and subresources name no kinds."""
    for rule in (policy.spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions, resources = (rule.get(name) or () for name in ("apiGroups", "apiVersions", "resources"))
        if any("*" in part for part in (*groups, *versions)):
            continue
        plain = sorted(resource for resource in resources if "/" not in resource and "*" not in resource)
        yield from product(sorted(groups), sorted(versions), plain)


class ValidatingAdmissionPolicyStatus(Controller):
    """Writes ``status.typeChecking``."""

    name = NAMES[0]

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for(ACCOUNT)
        self._builtin = registry.builtin()
        self._policies = ctx.informers.get(POLICIES, Policy)
        self._definitions = ctx.informers.get(DEFINITIONS, Definition)
        self.source(self._policies)
        self.reads(self._definitions)

    async def reconcile(self, key: str) -> Requeue | None:
        """Check the policy ``key`` once for each of its generations."""
        policy = self._policies.get(key)
        if policy is None or policy.metadata.deletion_timestamp is not None:
            return None
        generation = policy.metadata.generation or 0
        if (policy.status or {}).get("observedGeneration") == generation:
            return None
        types = {f"{group}/{version}, Kind={kind}": type_ for (group, version, kind), type_ in self._types(policy)}
        params = self._params(policy)
        # thousands of expressions take seconds
        found = await clock.run_in_thread(type_warnings, policy.spec, types, params) if types else []
        checked: dict[str, Any] = {"expressionWarnings": found} if found else {"expressionWarnings": None}
        status = {"observedGeneration": generation, "typeChecking": checked}
        await self._client.patch(POLICIES, key, {"status": status}, content_type=MERGE_PATCH, subresource="status")
        return None

    def _types(self, policy: Policy) -> list[tuple[tuple[str, str, str], CelType]]:
        """The kinds by group, version and name, in that order."""
        found: dict[tuple[str, str, str], CelType] = {}
        for group, version, resource in islice(_named(policy), MOST_TYPES):
            builtin = self._builtin.at(group, version, resource)
            if builtin is not None:
                found[group, version, builtin.kind] = of_type(schema.type_of(builtin.definition))
                continue
            for spec in self._custom(group):
                if spec["names"]["plural"] == resource and (type_ := _of_version(spec, version)) is not None:
                    found[group, version, spec["names"]["kind"]] = type_
        return sorted(found.items(), key=itemgetter(0))

    def _custom(self, group: str) -> Iterator[Mapping[str, Any]]:
        return (one.spec for one in self._definitions.list() if one.spec.get("group") == group)

    def _params(self, policy: Policy) -> CelType | None:
        kind = policy.spec.get("paramKind") or {}
        group, _, version = str(kind.get("apiVersion") or "").rpartition("/")
        builtin = self._builtin.of_kind(group, version, str(kind.get("kind")))
        if builtin is not None:
            return of_type(schema.type_of(builtin.definition))
        for spec in self._custom(group):
            if spec["names"]["kind"] == kind.get("kind"):
                return _of_version(spec, version)
        return None


def _of_version(spec: Mapping[str, Any], version: str) -> CelType | None:
    for one in spec.get("versions") or ():
        if one.get("name") == version:
            found = (one.get("schema") or {}).get("openAPIV3Schema")
            return _with_metadata(of_schema(found, root=True)) if found else None
    return None


def _with_metadata(type_: CelType | None) -> CelType | None:
    """Policies see all of the metadata, rules of a definition only names."""
    if type_ is None or type_.fields is None:
        return type_
    return replace(type_, fields={**type_.fields, "metadata": of_type(schema.type_of(_METADATA))})


def build(ctx: Context) -> Controller:
    """The controller."""
    return ValidatingAdmissionPolicyStatus(ctx)
