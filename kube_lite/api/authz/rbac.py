"""RBAC: roles and bindings as they stand, and what they allow whom.

Bindings are kept by subject, roles by name, both brought up to date by what changed since the last question. The
rules that a user holds are compiled once per user and namespace, and thrown away when any role or binding
changes: a question costs a few microseconds, and a binding that is gone counts no more at the next one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kube_lite import errors
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.rules import Rule, RuleIndex, rules_of
from kube_lite.api.following import Change, Following
from kube_lite.api.http import decode_json
from kube_lite.api.storage import Storage
from kube_lite.api.user import User
from kube_lite.errors import NotFound
from kube_lite.resources.meta import Obj

GROUP = "rbac.authorization.k8s.io"
USERS_KEPT = 4096
"""Users whose compiled rules are kept; above that all are dropped and compiled again when they come back."""

Subject = tuple[str, str]
"""``User`` or ``Group``, and its name; a service account is the user of that name."""


class _Binding(msgspec.Struct, frozen=True):
    """A RoleBinding or, with no namespace, a ClusterRoleBinding, as one of its subjects has it."""

    key: str
    namespace: str
    name: str
    role_kind: str
    role: str
    subject: str
    """The subject as a reason names it."""

    @property
    def reason(self) -> str:
        if not self.namespace:
            return f'RBAC: allowed by ClusterRoleBinding "{self.name}" of ClusterRole "{self.role}" to {self.subject}'
        where = f'RoleBinding "{self.name}/{self.namespace}"'
        return f'RBAC: allowed by {where} of {self.role_kind} "{self.role}" to {self.subject}'


class _Held(msgspec.Struct):
    """What one user holds: bindings by namespace ('' cluster-wide), and their rules compiled when first needed."""

    bindings: dict[str, list[_Binding]]
    compiled: dict[str, RuleIndex] = msgspec.field(default_factory=dict)


class Rbac:
    """Evaluates the RBAC objects of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._followed: list[Following] = []
        self._revision = -1
        self._roles: dict[str, tuple[Rule, ...]] = {}
        """By ``namespace/name`` for Roles, ``/name`` for ClusterRoles."""
        self._by_subject: dict[Subject, dict[str, _Binding]] = {}
        self._subjects: dict[str, tuple[Subject, ...]] = {}
        """The subjects of each binding, by the binding's key: where to take it out again."""
        self._users: dict[tuple[str, tuple[str, ...]], _Held] = {}

    # ---- keeping up

    def _catch_up(self) -> None:
        revision = self._storage.caches.revision
        if revision == self._revision:
            return
        if not self._followed:
            for plural in ("clusterroles", "roles", "clusterrolebindings", "rolebindings"):
                resource = self._storage.registry.named(f"{plural}.{GROUP}")
                assert resource is not None, plural
                self._followed.append(Following(self._storage, resource))
        self._revision = revision
        changed = False
        for which, followed in enumerate(self._followed):
            void, changes = followed.changes()
            if void:
                self._forget(followed.prefix, roles=which < 2)
            changed = changed or void or bool(changes)
            for change in changes:
                if which < 2:
                    self._role_changed(followed.prefix, change)
                else:
                    self._binding_changed(change)
        if changed:
            self._users.clear()

    def _forget(self, prefix: str, *, roles: bool) -> None:
        if roles:
            cluster_wide = prefix.endswith("/clusterroles/")
            self._roles = {key: r for key, r in self._roles.items() if key.startswith("/") != cluster_wide}
            return
        for key in [key for key in self._subjects if key.startswith(prefix)]:
            self._drop_binding(key)

    def _role_changed(self, prefix: str, change: Change) -> None:
        key, item = change
        name = key[len(prefix) :]
        if prefix.endswith("/clusterroles/"):
            name = f"/{name}"
        if item is None:
            self._roles.pop(name, None)
        else:
            self._roles[name] = rules_of(decode_json(item.value))

    def _binding_changed(self, change: Change) -> None:
        key, item = change
        self._drop_binding(key)
        if item is None:
            return
        obj: Obj = decode_json(item.value)
        subjects = []
        for subject, binding in _bindings(key, obj):
            self._by_subject.setdefault(subject, {})[key] = binding
            subjects.append(subject)
        self._subjects[key] = tuple(subjects)

    def _drop_binding(self, key: str) -> None:
        for subject in self._subjects.pop(key, ()):
            held = self._by_subject.get(subject)
            if held is not None:
                held.pop(key, None)
                if not held:
                    del self._by_subject[subject]

    # ---- questions

    def allows(self, a: Attributes) -> str | None:
        """Why it is allowed; None when no rule allows it."""
        self._catch_up()
        held = self._held(a.user)
        reason = self._index(held, "").allows(a)
        if reason is None and a.namespace:
            reason = self._index(held, a.namespace).allows(a)
        return reason

    def problems(self, a: Attributes) -> str:
        """What kept rules from being looked at, such as a binding to a role that is not there; '' for nothing."""
        self._catch_up()
        held = self._held(a.user)
        lost = [str(e) for e in self._unresolved(held, a.namespace)]
        return lost[0] if len(lost) == 1 else f"[{', '.join(lost)}]" if lost else ""

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[NotFound]]:
        """All rules that a user holds in a namespace (cluster-wide ones included), and the roles not found."""
        self._catch_up()
        held = self._held(user)
        rules = [rule for binding in self._in(held, namespace) for rule in self._roles.get(_role_key(binding), ())]
        return rules, self._unresolved(held, namespace)

    def role_rules(self, kind: str, namespace: str, name: str) -> tuple[Rule, ...]:
        """The rules of a role that a binding refers to. :raises NotFound: it does not exist"""
        self._catch_up()
        found = self._roles.get(f"/{name}" if kind == "ClusterRole" else f"{namespace}/{name}")
        if found is None:
            plural = "clusterroles" if kind == "ClusterRole" else "roles"
            raise errors.not_found(plural, GROUP, name)
        return found

    def _held(self, user: User) -> _Held:
        key = (user.name, tuple(user.groups))
        held = self._users.get(key)
        if held is None:
            if len(self._users) >= USERS_KEPT:
                self._users.clear()
            bindings: dict[str, list[_Binding]] = {}
            for subject in (("User", user.name), *(("Group", group) for group in dict.fromkeys(user.groups))):
                for binding in self._by_subject.get(subject, {}).values():
                    bindings.setdefault(binding.namespace, []).append(binding)
            for found in bindings.values():
                found.sort(key=lambda b: b.key)
            held = self._users[key] = _Held(bindings)
        return held

    def _index(self, held: _Held, namespace: str) -> RuleIndex:
        index = held.compiled.get(namespace)
        if index is None:
            bindings = held.bindings.get(namespace, ())
            index = RuleIndex((rule, b.reason) for b in bindings for rule in self._roles.get(_role_key(b), ()))
            if namespace not in held.bindings:
                return index  # nothing to keep: a namespace in a question need not exist
            held.compiled[namespace] = index
        return index

    @staticmethod
    def _in(held: _Held, namespace: str) -> list[_Binding]:
        found = held.bindings.get("", [])
        return [*found, *held.bindings.get(namespace, ())] if namespace else found

    def _unresolved(self, held: _Held, namespace: str) -> list[NotFound]:
        lost = []
        for binding in self._in(held, namespace):
            if _role_key(binding) not in self._roles:
                kind = binding.role_kind.lower()
                lost.append(NotFound(f'{kind}.{GROUP} "{binding.role}" not found', {}))
        return lost


def _role_key(binding: _Binding) -> str:
    return f"/{binding.role}" if binding.role_kind == "ClusterRole" else f"{binding.namespace}/{binding.role}"


def _bindings(key: str, obj: Obj) -> Iterator[tuple[Subject, _Binding]]:
    meta, reference = obj["metadata"], obj.get("roleRef") or {}
    namespace, kind, role = meta.get("namespace", ""), reference.get("kind", ""), reference.get("name", "")
    for subject in obj.get("subjects") or ():
        what, name = subject.get("kind", ""), subject.get("name", "")
        shown = f'{what} "{name}"'
        if what == "ServiceAccount":
            home = subject.get("namespace") or namespace
            if not home:
                continue
            shown = f'ServiceAccount "{name}/{home}"'
            what, name = "User", f"system:serviceaccount:{home}:{name}"
        yield (what, name), _Binding(key, namespace, meta["name"], kind, role, shown)
