"""Aggregated ClusterRoles: roles whose rules are those of all roles with certain labels
(upstream: ``pkg/controller/clusterroleaggregation``).

``admin``, ``edit`` and ``view`` are made this way, so whoever adds a resource says in a role of their own who may
use it. A role that is collected may itself collect: each change wakes all, until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.resources.meta import ObjectView, View
from kube_lite.resources.selectors import matches

NAMES = ("clusterrole-aggregation", "clusterrole-aggregation-controller", "clusterroleaggregation")
RESOURCE = "clusterroles.rbac.authorization.k8s.io"
API_VERSION = "rbac.authorization.k8s.io/v1"


class AggregationRule(View, frozen=True):
    """Label selectors; a role that matches any is collected."""

    cluster_role_selectors: list[dict[str, Any]] = []


class ClusterRole(ObjectView, frozen=True):
    """A ClusterRole."""

    rules: list[dict[str, Any]] | None = None
    aggregation_rule: AggregationRule | None = None


class ClusterRoleAggregation(Controller):
    """Writes the rules of aggregated roles."""

    name = "clusterrole-aggregation"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("clusterrole-aggregation-controller")
        self._roles = ctx.informers.get(RESOURCE, ClusterRole)
        self.source(self._roles, self._concerned)

    def _concerned(self, changed: ClusterRole) -> Iterable[str]:
        names = [role.metadata.name for role in self._roles.list() if role.aggregation_rule is not None]
        return (*names, changed.metadata.name) if changed.aggregation_rule is not None else names

    async def reconcile(self, key: str) -> Requeue | None:
        """Collect the rules of the role ``key``."""
        role = self._roles.get(key)
        if role is None or role.aggregation_rule is None or role.metadata.deletion_timestamp is not None:
            return None
        rules = self._collected(role, role.aggregation_rule)
        if rules == (role.rules or []):
            return None
        wanted = {"apiVersion": API_VERSION, "kind": "ClusterRole", "metadata": {"name": key}, "rules": rules}
        await self._client.patch(
            RESOURCE,
            key,
            wanted,
            content_type=APPLY_PATCH,
            field_manager="clusterrole-aggregation-controller",
            force=True,
        )
        return None

    def _collected(self, into: ClusterRole, rule: AggregationRule) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = []
        for role in sorted(self._roles.list(), key=lambda role: role.metadata.name):
            if role.metadata.name == into.metadata.name:
                continue
            if any(matches(selector, role.metadata.labels) for selector in rule.cluster_role_selectors):
                rules += [found for found in role.rules or () if found not in rules]
        return rules


def build(ctx: Context) -> Controller:
    """The controller."""
    return ClusterRoleAggregation(ctx)
