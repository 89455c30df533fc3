"""The authorization modes in the order in which they are asked; what none of them allows is refused."""

from __future__ import annotations

import msgspec

from kube_lite.api.authz.attributes import Attributes, refusal
from kube_lite.api.authz.node import NodeAuthorizer
from kube_lite.api.authz.rbac import Rbac
from kube_lite.api.authz.rules import Rule
from kube_lite.api.storage import Storage
from kube_lite.api.user import AUTHENTICATED, MASTERS, NODES, User
from kube_lite.errors import NotFound

JOINING_PATH = "/kube-lite/cacerts"
"""The CA certificate: what a node needs before it can trust us enough to say who it is."""


class Decision(msgspec.Struct, frozen=True):
    """Whether something is allowed, and why or why not."""

    allowed: bool
    reason: str = ""
    problem: str = ""
    """What kept rules from being looked at."""


def _asks_who_it_is(attributes: Attributes) -> bool:
    """Whether somebody who said who they are asks that back: free for all, so that no role needs to say so."""
    known = AUTHENTICATED in attributes.user.groups
    asked = (attributes.verb, attributes.group, attributes.resource)
    return known and asked == ("create", "authentication.k8s.io", "selfsubjectreviews")


class Authorizer:
    """Administrators may do everything, nodes what belongs to them, and everybody what RBAC says (upstream's
    ``--authorization-mode=Node,RBAC``)."""

    def __init__(self, storage: Storage) -> None:
        self.rbac = Rbac(storage)
        self.nodes = NodeAuthorizer(storage)

    def allows(self, attributes: Attributes) -> bool:
        """Whether the user may do this."""
        groups = attributes.user.groups
        if MASTERS in groups:
            return True
        if self.rbac.allows(attributes) is not None:
            return True
        if NODES in groups and self.nodes.answer(attributes) is None:
            return True
        if _asks_who_it_is(attributes):
            return True
        return attributes.path == JOINING_PATH and attributes.verb in ("get", "head")

    def decide(self, attributes: Attributes) -> Decision:
        """Whether the user may do this, with the reasons that reviews and refusals tell."""
        groups = attributes.user.groups
        if MASTERS in groups or _asks_who_it_is(attributes):
            return Decision(True)
        reasons = []
        if NODES in groups:
            why_not = self.nodes.answer(attributes)
            if why_not is None:
                return Decision(True)
            reasons.append(why_not)
        reason = self.rbac.allows(attributes)
        if reason is not None:
            return Decision(True, reason)
        problem = self.rbac.problems(attributes)
        if problem:
            reasons.append(f"RBAC: {problem}")
        return Decision(False, "\n".join(r for r in reasons if r), problem)

    def require(self, attributes: Attributes) -> None:
        """Let it pass. :raises Forbidden: the user may not do this"""
        if not self.allows(attributes):
            raise refusal(attributes, self.decide(attributes).reason)

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[NotFound]]:
        """All rules that a user holds in a namespace, and the roles that were not found."""
        rules, lost = self.rbac.rules_for(user, namespace)
        if MASTERS in user.groups:
            rules = [Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)), *rules]
        return list(dict.fromkeys(rules)), lost
