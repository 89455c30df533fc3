"""The Pod Security Standards: what ``baseline`` and ``restricted`` forbid, with the words that clients see.

Each check looks at a pod's metadata and spec and gives a reason and a detail, or nothing. A namespace may be held at
the standards of an earlier minor version, so a check says from which on it holds, and what it looked like before.
Checks, order and texts are those of upstream's ``k8s.io/pod-security-admission/policy`` (v1.36).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from kube_lite.resources.meta import Obj
from kube_lite.resources.pod_security import baseline, restricted
from kube_lite.resources.pod_security.rules import Check, Violation, at

LEVELS = ("privileged", "baseline", "restricted")
NEWEST: Final = 35
"""The minor version in which a rule changed last: what ``latest`` and later versions come to."""


@lru_cache(maxsize=128)
def _checks(level: str, minor: int) -> tuple[Check, ...]:
    """What a level asks for in a version, in the order in which it is told."""
    if level == "privileged":
        return ()
    stricter = [rule for rule in restricted.RULES if level == "restricted" and at(rule, minor) is not None]
    replaced = {rule.replaces for rule in stricter}
    rules = [rule for name, rule in baseline.RULES.items() if name not in replaced] + stricter
    return tuple(check for rule in rules if (check := at(rule, minor)) is not None)


def violations(level: str, metadata: Obj, spec: Obj, minor: int = NEWEST) -> list[Violation]:
    """What a pod does that ``level`` forbids, in upstream's order.

    :param minor: the minor version whose standards count
    """
    checks = _checks(level, min(minor, NEWEST))
    return [found for check in checks if (found := check(metadata, spec)) is not None]
