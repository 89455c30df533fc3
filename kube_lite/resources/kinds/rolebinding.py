"""RoleBindings and ClusterRoleBindings: who holds a role."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck
from kube_lite.resources.rules import dns_subdomain

GROUP = "rbac.authorization.k8s.io"


def _default(obj: Obj) -> None:
    reference = obj.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _subject(subject: Obj, path: str, namespaced: bool) -> Errors:
    found: Errors = []
    kind, name, group = subject.get("kind", ""), subject.get("name", ""), subject.get("apiGroup", "")
    if not name:
        found.append(required(child(path, "name")))
    if kind == "ServiceAccount":
        if name:
            found.extend(dns_subdomain(name, child(path, "name")))
        if group:
            found.append(not_supported(child(path, "apiGroup"), group, ("",)))
        if not namespaced and not subject.get("namespace"):
            found.append(required(child(path, "namespace")))
    elif kind in ("User", "Group"):
        if group != GROUP:
            found.append(not_supported(child(path, "apiGroup"), group, (GROUP,)))
    else:
        found.append(not_supported(child(path, "kind"), kind, ("ServiceAccount", "User", "Group")))
    return found


def _validate(obj: Obj, namespaced: bool) -> Errors:
    reference = obj.get("roleRef") or {}
    found: Errors = []
    if reference.get("apiGroup") != GROUP:
        found.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if reference.get("kind") not in kinds:
        found.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds))
    name = reference.get("name", "")
    if not name:
        found.append(required("roleRef.name"))
    else:
        found.extend(invalid("roleRef.name", name, problem) for problem in names.path_segment(name))
    for i, subject in enumerate(obj.get("subjects") or ()):
        found.extend(_subject(subject, index("subjects", i), namespaced))
    return found


def _validate_update(new: Obj, old: Obj, namespaced: bool) -> Errors:
    found = _validate(new, namespaced)
    if new.get("roleRef") != old.get("roleRef"):
        found.append(invalid("roleRef", go_value("rbac.RoleRef", new.get("roleRef")), "cannot change roleRef"))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    reference = obj.get("roleRef") or {}
    subjects = obj.get("subjects") or ()

    def listed(kind: str) -> str:
        return ", ".join(s.get("name", "") for s in subjects if s.get("kind") == kind)

    accounts = [
        f"{s['namespace']}/{s.get('name', '')}" if s.get("namespace") else s.get("name", "")
        for s in subjects
        if s.get("kind") == "ServiceAccount"
    ]
    return [
        name_of(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        age(obj, now),
        listed("User"),
        listed("Group"),
        ", ".join(accounts),
    ]


_COLUMNS = (
    NAME_COLUMN,
    Column("Role"),
    AGE_COLUMN,
    Column("Users", priority=1),
    Column("Groups", priority=1),
    Column("ServiceAccounts", priority=1),
)

RESOURCES = (
    Resource(
        kind="ClusterRoleBinding",
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="clusterrolebindings",
        group=GROUP,
        definition="io.k8s.api.rbac.v1.ClusterRoleBinding",
        namespaced=False,
        name_rule=names.rbac_name,
        generation=False,
        allow_create_on_update=True,
        default=_default,
        validate=lambda obj: _validate(obj, False),
        validate_update=lambda new, old: _validate_update(new, old, False),
        columns=_COLUMNS,
        row=_row,
    ),
    Resource(
        kind="RoleBinding",
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="rolebindings",
        group=GROUP,
        definition="io.k8s.api.rbac.v1.RoleBinding",
        name_rule=names.rbac_name,
        generation=False,
        allow_create_on_update=True,
        default=_default,
        validate=lambda obj: _validate(obj, True),
        validate_update=lambda new, old: _validate_update(new, old, True),
        columns=_COLUMNS,
        row=_row,
    ),
)
