"""Nobody grants what they do not hold: checks on writes of roles and bindings.

To write a role takes all of its rules, or the verb ``escalate`` on it; to bind one takes all of its rules, or the
verb ``bind`` on it. Administrators are asked nothing. A ClusterRole that collects others by label takes
everything, because nobody knows what it will collect.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.authz.rbac import GROUP
from kube_lite.api.authz.rules import Rule, missing, quoted, rules_of
from kube_lite.api.user import MASTERS, User
from kube_lite.api.verbs import Verbs
from kube_lite.resources.meta import Obj

EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))


class Escalation:
    """The checks, put before the writes of a verbs object."""

    def __init__(self, verbs: Verbs, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        for plural, guard in (
            ("roles", self.role),
            ("clusterroles", self.role),
            ("rolebindings", self.binding),
            ("clusterrolebindings", self.binding),
        ):
            verbs.guards[f"{plural}.{GROUP}"] = guard

    def role(self, request: AdmissionRequest) -> None:
        """Check the write of a role. :raises Forbidden: it grants what the writer does not hold"""
        if MASTERS in request.user.groups or request.obj is None:
            return
        if self._may(request, "escalate", request.resource.plural, request.name) or _housekeeping(request):
            return
        user, namespace = request.user, request.namespace
        if request.obj.get("aggregationRule") or (request.old or {}).get("aggregationRule"):
            held, _ = self._authorizer.rules_for(user, namespace)
            if missing(held, EVERYTHING):
                why = "must have cluster-admin privileges to use an aggregationRule"
                raise errors.forbidden(request.resource.plural, GROUP, request.name, why)
        self._confirm(request, rules_of(request.obj))

    def binding(self, request: AdmissionRequest) -> None:
        """Check the write of a binding.

        :raises Forbidden: it grants what the writer does not hold
        :raises NotFound: so does nobody, there is no such role
        """
        if MASTERS in request.user.groups or request.obj is None or _housekeeping(request):
            return
        reference = request.obj.get("roleRef") or {}
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if self._may(request, "bind", "clusterroles" if kind == "ClusterRole" else "roles", name):
            return
        self._confirm(request, self._authorizer.rbac.role_rules(kind, request.namespace, name))

    def _may(self, request: AdmissionRequest, verb: str, plural: str, name: str) -> bool:
        asked = Attributes(request.user, verb, GROUP, "v1", plural, namespace=request.namespace, name=name)
        return self._authorizer.allows(asked)

    def _confirm(self, request: AdmissionRequest, wanted: Iterable[Rule]) -> None:
        user = request.user
        held, lost = self._authorizer.rules_for(user, request.namespace)
        lacking = missing(held, wanted)
        if not lacking:
            return
        listed = "\n".join(sorted({str(rule) for rule in lacking}))
        why = f"{_shown(user)} is attempting to grant RBAC permissions not currently held:\n{listed}"
        if lost:
            why += f"; resolution errors: [{' '.join(str(error) for error in lost)}]"
        raise errors.forbidden(request.resource.plural, GROUP, request.name, why)


def _shown(user: User) -> str:
    return f"user {quoted(user.name)} (groups=[{' '.join(quoted(g) for g in user.groups)}])"


def _housekeeping(request: AdmissionRequest) -> bool:
    """Whether an update changes only what garbage collection needs changed: owners and finalizers."""
    if request.obj is None or request.old is None:
        return False
    return _essence(request.obj) == _essence(request.old)


def _essence(obj: Obj) -> Obj:
    ignored = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "selfLink")
    meta = {key: value for key, value in obj["metadata"].items() if key not in ignored}
    return {**obj, "metadata": meta}
