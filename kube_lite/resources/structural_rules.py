"""CEL rules of a structural schema (``x-kubernetes-validations``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources.field import Errors
from kube_lite.resources.meta import Obj


class Rules:
    """All rules of one schema."""

    def validate(self, obj: Obj, old: Obj | None) -> Errors:
        """What the rules say."""
        return []


def compile_rules(schema: Mapping[str, Any]) -> Rules | None:
    """The rules of a schema, None when it has none."""
    return None


def validate_rules(schema: Mapping[str, Any], path: str) -> Errors:
    """Rules that cannot be compiled."""
    return []
