"""Nobody makes admission policies read for him what he may not read: checks on writes of policies and bindings.

A policy names the kind of its parameters, a binding which of them: the writer must be able to read those. What
cannot be resolved takes the right to read everything. Upstream keeps this with the strategies (``authz.go``).
"""

from __future__ import annotations

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.user import MASTERS, User
from kube_lite.api.verbs import Verbs
from kube_lite.resources.field import forbidden
from kube_lite.resources.meta import Obj, dig

GROUP = "admissionregistration.k8s.io"


class PolicyParameters:
    """The checks, put before the writes of a verbs object."""

    def __init__(self, verbs: Verbs, authorizer: Authorizer) -> None:
        self._verbs, self._authorizer = verbs, authorizer
        for policies in ("mutatingadmissionpolicies", "validatingadmissionpolicies"):
            verbs.guards[f"{policies}.{GROUP}"] = self.policy
        for bindings in ("mutatingadmissionpolicybindings", "validatingadmissionpolicybindings"):
            verbs.guards[f"{bindings}.{GROUP}"] = self.binding

    def policy(self, request: AdmissionRequest) -> None:
        """Check the write of a policy. :raises Invalid: the writer may not get all objects of its paramKind"""
        if _changes(request, "paramKind"):
            kind = dig(request.obj or {}, "spec", "paramKind")
            group, version, resource, _ = self._resolved(kind)
            if not self._may(request, "get", (group, version, resource), "*", "*"):
                shown = f"kind={kind.get('kind', '')}, apiVersion={kind.get('apiVersion', '')}"
                permission = 'must have "get" permission on all objects of the referenced paramKind'
                raise _refusal(request, "paramKind", f"user {_shown(request.user)} {permission} ({shown})")

    def binding(self, request: AdmissionRequest) -> None:
        """Check the write of a binding. :raises Invalid: the writer may not read what its paramRef refers to"""
        if not _changes(request, "paramRef", "policyName"):
            return
        reference, name = (dig(request.obj or {}, "spec", field) for field in ("paramRef", "policyName"))
        plural = request.resource.plural.replace("policybindings", "policies")
        policy = self._verbs.objects.lookup(f"{plural}.{GROUP}", "", name or "")
        kind = dig(policy or {}, "spec", "paramKind")
        group, version, resource, problem = self._resolved(kind)
        verb = "get" if reference.get("name") else "list"
        one = reference.get("namespace") or "", reference.get("name") or ""
        if self._may(request, verb, (group, version, resource), *one):
            return
        lacks = f'user {_shown(request.user)} does not have "{verb}" permission'
        everything = f"to determine minimum required permissions and {lacks} for all groups, versions and resources"
        if policy is None:
            why = f"unable to get policy {name} {everything}"
        elif problem:
            why = f"unable to {problem} paramKind &{{{kind.get('apiVersion', '')} {kind.get('kind', '')}}} {everything}"
        else:
            why = f"{lacks} on the object referenced by paramRef"
        raise _refusal(request, "paramRef", why)

    def _resolved(self, kind: Obj | None) -> tuple[str, str, str, str]:
        """Group, version and resource of a kind, stars for what is not known, and what could not be done."""
        wanted = (kind or {}).get("apiVersion", "")
        if kind is None or wanted.count("/") > 1:
            return "*", "*", "*", "parse" if kind is not None else ""
        group, _, version = wanted.rpartition("/")
        resource = self._verbs.objects.of_kind(wanted, kind.get("kind", ""))
        return (group, version, "*", "resolve") if resource is None else (group, version, resource.plural, "")

    def _may(self, request: AdmissionRequest, verb: str, what: tuple[str, str, str], namespace: str, name: str) -> bool:
        return self._authorizer.allows(Attributes(request.user, verb, *what, namespace=namespace, name=name))


def _changes(request: AdmissionRequest, name: str, *others: str) -> bool:
    """Whether somebody who must be asked sets a field of the spec, or changes it or others."""
    if request.obj is None or request.subresource or MASTERS in request.user.groups:
        return False
    new, old = request.obj.get("spec") or {}, (request.old or {}).get("spec") or {}
    return new.get(name) is not None and any(new.get(field) != old.get(field) for field in (name, *others))


def _refusal(request: AdmissionRequest, field: str, why: str) -> errors.Invalid:
    return errors.invalid(request.resource.kind, GROUP, request.name, [forbidden(f"spec.{field}", why)])


def _shown(user: User) -> str:
    extra = " ".join(f"{key}:[{' '.join(values)}]" for key, values in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"
