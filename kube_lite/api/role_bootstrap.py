"""Default roles and bindings, made at every start and mended where rules or subjects were lost.

Nothing is taken away: rules and subjects that somebody added stay. An object whose annotation
``rbac.authorization.kubernetes.io/autoupdate`` is "false" is left alone altogether.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from kube_lite.api.authz import rules as rule_sets
from kube_lite.api.authz.controller_roles import (
    CONTROLLER_BINDINGS,
    CONTROLLER_ROLES,
    NAMESPACE_BINDINGS,
    NAMESPACE_ROLES,
)
from kube_lite.api.authz.default_roles import AUTOUPDATE, CLUSTER_BINDINGS, CLUSTER_ROLES, GROUP, metadata
from kube_lite.api.options import WriteOptions
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER
from kube_lite.api.verbs import Verbs
from kube_lite.errors import AlreadyExists
from kube_lite.resources.meta import Obj

_OPTIONS = WriteOptions(field_manager="kube-apiserver")


def defaults() -> Iterator[tuple[str, str, Obj]]:
    """Every default object with the plural and namespace it belongs to."""
    for role in (*CLUSTER_ROLES, *CONTROLLER_ROLES):
        yield "clusterroles", "", role.to_json()
    for name, role_name, subjects in (*CLUSTER_BINDINGS, *CONTROLLER_BINDINGS):
        yield "clusterrolebindings", "", _binding("ClusterRole", name, role_name, subjects)
    for namespace, role in NAMESPACE_ROLES:
        yield "roles", namespace, role.to_json()
    for namespace, name, role_name, subjects in NAMESPACE_BINDINGS:
        yield "rolebindings", namespace, _binding("Role", name, role_name, subjects)


def _binding(kind: str, name: str, role: str, subjects: tuple[Obj, ...]) -> Obj:
    binding: Obj = {"metadata": metadata(name)}
    if subjects:
        binding["subjects"] = [dict(subject) for subject in subjects]
    binding["roleRef"] = {"apiGroup": GROUP, "kind": kind, "name": role}
    return binding


async def ensure_roles(verbs: Verbs) -> None:
    """Create what is missing and mend what is there."""
    # all at once: what is written together is committed together
    async with anyio.create_task_group() as tasks:
        for plural, namespace, wanted in defaults():
            resource = verbs.storage.registry.named(f"{plural}.{GROUP}")
            assert resource is not None, plural
            item = verbs.storage.item(resource, namespace, wanted["metadata"]["name"])
            if item is None:
                wanted = {"kind": resource.kind, "apiVersion": resource.api_version, **wanted}
                tasks.start_soon(_create, verbs, Target(resource, namespace, ""), wanted)
                continue
            there = verbs.storage.load(resource, item.value)
            if mended(there, wanted) is not None:
                tasks.start_soon(_mend, verbs, Target(resource, namespace, wanted["metadata"]["name"]), wanted)


async def _create(verbs: Verbs, target: Target, wanted: Obj) -> None:
    try:
        await verbs.create(target, wanted, SERVER, _OPTIONS)
    except AlreadyExists:
        return  # another server of the same store was faster


async def _mend(verbs: Verbs, target: Target, wanted: Obj) -> None:
    async def transform(old: Obj) -> Obj:
        return mended(old, wanted) or old

    await verbs.guaranteed_update(target, transform, SERVER, _OPTIONS)


def mended(there: Obj, wanted: Obj) -> Obj | None:
    """The object with what it lacks of the default one; None when it lacks nothing or is not to be touched."""
    meta = there["metadata"]
    if (meta.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    new = {**there, "metadata": dict(meta)}
    for kind in ("labels", "annotations"):
        new["metadata"][kind] = {**wanted["metadata"][kind], **(meta.get(kind) or {})}
    if "roleRef" in wanted:
        subjects = list(there.get("subjects") or ())
        new["subjects"] = subjects + [s for s in wanted.get("subjects") or () if s not in subjects]
        if not new["subjects"]:
            del new["subjects"]
    elif "aggregationRule" in wanted:
        rule = there.get("aggregationRule") or {}
        selectors = list(rule.get("clusterRoleSelectors") or ())
        lost = [s for s in wanted["aggregationRule"]["clusterRoleSelectors"] if s not in selectors]
        new["aggregationRule"] = {**rule, "clusterRoleSelectors": selectors + lost}
    elif there.get("rules") != wanted["rules"]:
        lost_rules = rule_sets.missing(rule_sets.rules_of(there), rule_sets.rules_of(wanted))
        if lost_rules:
            new["rules"] = [*(there.get("rules") or ()), *(rule.to_json() for rule in lost_rules)]
    return None if new == there else new
