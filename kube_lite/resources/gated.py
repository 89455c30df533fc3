"""Fields behind feature gates that are off by default in v1.36: nobody sets them, what has them keeps them."""

from __future__ import annotations

from kube_lite.resources.meta import Obj


def drop_gated(new: Obj, old: Obj, *names: str) -> None:
    """Remove such fields from an object or a part of it.

    :param old: the same part before the write, empty where it is new
    """
    for name in names:
        if name in new and old.get(name) is None:
            del new[name]
