"""Versions that Kubernetes has dropped and old manifests still name: stored as their v1, answered with a warning.

Only kinds whose fields are those of v1 are here; the versions differ in their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kube_lite.resources.kinds import cronjob, deployment, poddisruptionbudget
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

NO_DEADLINE = 2**31 - 1
"""How extensions/v1beta1 says that there is no progress deadline, or no limit of revisions."""


def _selector_from_template(spec: Obj) -> None:
    """Before v1 the selector could be left out: it was the labels of the template."""
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not spec.get("selector"):
        spec["selector"] = {"matchLabels": dict(labels)}


def _default_extensions(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    strategy = spec.setdefault("strategy", {})
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 1)
    spec.setdefault("progressDeadlineSeconds", NO_DEADLINE)
    spec.setdefault("revisionHistoryLimit", NO_DEADLINE)
    spec.pop("rollbackTo", None)
    deployment.default_deployment_spec(spec)


def _default_apps_beta1(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _selector_from_template(spec)
    spec.setdefault("revisionHistoryLimit", 2)
    spec.pop("rollbackTo", None)
    deployment.default_deployment_spec(spec)


def _as(api_version: str) -> Callable[[Obj], Obj]:
    def convert(obj: Obj) -> Obj:
        return {**obj, "apiVersion": api_version}

    return convert


def _legacy(
    current: Resource, group: str, version: str, since: str, until: str, default: Callable[[Obj], None] | None = None
) -> Resource:
    """``current`` as it was in an older version.

    :param since: the release that deprecated it
    :param until: the release that dropped it
    """
    api_version = f"{group}/{version}"
    warning = (
        f"{api_version} {current.kind} is deprecated in {since}+, unavailable in {until}+; "
        f"use {current.api_version} {current.kind}"
    )
    return replace(
        current,
        group=group,
        version=version,
        # Short names and categories stay with the current version, or lists would show every object twice.
        short_names=(),
        categories=(),
        default=default or current.default,
        storage_group=current.group,
        storage_version=current.version,
        convert_from_storage=_as(api_version),
        convert_to_storage=_as(current.api_version),
        deprecation=warning,
    )


_DEPLOYMENT = deployment.RESOURCES[0]

RESOURCES = (
    _legacy(_DEPLOYMENT, "apps", "v1beta2", "v1.9", "v1.16"),
    _legacy(_DEPLOYMENT, "apps", "v1beta1", "v1.8", "v1.16", _default_apps_beta1),
    _legacy(_DEPLOYMENT, "extensions", "v1beta1", "v1.8", "v1.16", _default_extensions),
    _legacy(cronjob.RESOURCES[0], "batch", "v1beta1", "v1.21", "v1.25"),
    _legacy(poddisruptionbudget.RESOURCES[0], "policy", "v1beta1", "v1.21", "v1.25"),
)
