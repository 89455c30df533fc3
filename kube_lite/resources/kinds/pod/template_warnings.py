"""What workloads are warned of: of their template, and of names that their pods cannot have as host names.

Upstream asks only when the spec has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.kinds.pod.warnings import Texts, template_warnings
from kube_lite.resources.meta import Obj

Warn = Callable[[Obj, Obj | None], Texts]

_NAME = "this is used in Pod names and hostnames, which can result in surprising behavior"


def name_warnings(obj: Obj) -> Texts:
    """A name that is no DNS label."""
    problems = names.dns_label((obj.get("metadata") or {}).get("name") or "")
    return [f"metadata.name: {_NAME}; a DNS label is recommended: [{' '.join(problems)}]"] if problems else []


def changed_template_warnings(new: Obj, old: Obj | None, path: str) -> Texts:
    """Of the template at ``path`` (``template`` or one inside ``spec``), unless everything beside it stayed too."""
    first, *rest = path.split(".")
    if old is not None and new.get(first) == old.get(first):
        return []
    template: Any = new.get(first)
    for step in rest:
        template = (template or {}).get(step)
    return template_warnings(template, path)


def workload_warnings(*, named: bool) -> Warn:
    """Of a workload with ``spec.template``; ``named`` asks for its name too."""

    def warn(new: Obj, old: Obj | None) -> Texts:
        found = name_warnings(new) if named and old is None else []
        return found + changed_template_warnings(new, old, "spec.template")

    return warn
