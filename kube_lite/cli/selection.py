"""Label selectors as text for a query."""

from __future__ import annotations

from typing import Any

_OPERATORS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


def label_selector(selector: Any) -> str:
    """``app=web,tier in (a,b)`` for a LabelSelector or, as Services have it, a plain map; empty for none."""
    if not isinstance(selector, dict):
        return ""
    labels = selector.get("matchLabels") or {}
    if not {"matchLabels", "matchExpressions"} & set(selector):
        labels = selector
    parts = [f"{key}={labels[key]}" for key in sorted(labels)]
    for rule in selector.get("matchExpressions") or ():
        if isinstance(rule, dict):
            parts.append(
                _OPERATORS[rule["operator"]].format(key=rule["key"], values=",".join(rule.get("values") or ()))
            )
    return ",".join(parts)
