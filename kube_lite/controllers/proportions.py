"""The arithmetic of a rollout: surge, unavailability, and shares of a change of size.

Rounding is upstream's (``pkg/controller/deployment/util``): surge up, unavailability down, both never zero at
once; shares to the nearest whole, half away from zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kube_lite.controllers.revisions import max_replicas
from kube_lite.resources.views import Deployment, ReplicaSet


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """A number, or a percentage of ``total``."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    share = int(value[:-1]) * total
    return -(-share // 100) if round_up else share // 100


def is_rolling(deployment: Deployment) -> bool:
    """Whether the strategy is RollingUpdate."""
    return deployment.spec.strategy.type == "RollingUpdate"


def _fenceposts(deployment: Deployment) -> tuple[int, int]:
    """Surge and unavailability in pods."""
    rolling = deployment.spec.strategy.rolling_update
    replicas = deployment.spec.replicas
    surge = scaled(rolling.max_surge if rolling else None, replicas, round_up=True)
    unavailable = scaled(rolling.max_unavailable if rolling else None, replicas, round_up=False)
    # both zero, possible by rounding only, would never move
    return surge, unavailable if surge or unavailable else 1


def max_surge(deployment: Deployment) -> int:
    """How many pods more than asked for there may be."""
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Deployment) -> int:
    """How many pods fewer than asked for may be available."""
    if not is_rolling(deployment) or deployment.spec.replicas == 0:
        return 0
    return min(_fenceposts(deployment)[1], deployment.spec.replicas)


def spec_replicas(sets: Sequence[ReplicaSet]) -> int:
    """Pods asked for by these ReplicaSets."""
    return sum(rs.spec.replicas for rs in sets)


def new_size(deployment: Deployment, sets: Sequence[ReplicaSet], current: int) -> int:
    """How large the new ReplicaSet may be now, being ``current``, among all ``sets`` (itself included)."""
    replicas = deployment.spec.replicas
    if not is_rolling(deployment):
        return replicas
    room = replicas + max_surge(deployment) - spec_replicas(sets)
    return current if room <= 0 else current + min(room, replicas - current)


def _nearest(value: float) -> int:
    return math.ceil(value - 0.5) if value < 0 else math.floor(value + 0.5)


def _fraction(rs: ReplicaSet, deployment: Deployment) -> int:
    """How much ``rs`` would change, were it always the same part of the Deployment."""
    if deployment.spec.replicas == 0:
        return -rs.spec.replicas
    most = max_replicas(rs)
    if most is None:
        most = deployment.status.replicas
    if most == 0:
        return 0
    return _nearest(rs.spec.replicas * (deployment.spec.replicas + max_surge(deployment)) / most) - rs.spec.replicas


def shares(deployment: Deployment, sets: Sequence[ReplicaSet]) -> list[tuple[ReplicaSet, int]]:
    """The sizes that spread a change of the Deployment's size over its active ReplicaSets in proportion."""
    replicas = deployment.spec.replicas
    allowed = replicas + max_surge(deployment) if replicas > 0 else 0
    change = allowed - spec_replicas(sets)
    # what rounding leaves over goes to the largest; of equals the newest grows, the oldest shrinks
    by_age = sorted(sets, key=lambda rs: (rs.metadata.creation_timestamp or "", rs.metadata.name), reverse=change > 0)
    ordered = sorted(by_age, key=lambda rs: -rs.spec.replicas)
    sizes: list[int] = []
    added = 0
    for rs in ordered:
        left = change - added
        part = 0
        if rs.spec.replicas and left:
            part = min(_fraction(rs, deployment), left) if change > 0 else max(_fraction(rs, deployment), left)
        sizes.append(rs.spec.replicas + part)
        added += part
    if sizes and change:
        sizes[0] = max(0, sizes[0] + change - added)
    return list(zip(ordered, sizes, strict=True))
