"""Waiting for an object to become something, or to be gone: read it, then watch it; never poll."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from kube_lite.cli.connection import Api, Obj
from kube_lite.cli.names import Kind, check_object_name


class Deadline:
    """How long a command may still wait.

    :param seconds: from now; None for ever
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds

    @property
    def left(self) -> float | None:
        """Seconds, none below 0; None for ever."""
        return None if self._end is None else max(0.0, self._end - time.perf_counter())

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.left == 0.0


def states(api: Api, kind: Kind, namespace: str, name: str, deadline: Deadline) -> Iterator[Obj | None]:
    """The object now and after every change, None when it does not exist, until the deadline.

    A watch that ends early (a server that restarts, an expired revision) is begun anew with a read.
    """
    from kube_lite.errors import Expired, Gone, NotFound

    path = kind.path(namespace)
    selector = {"fieldSelector": f"metadata.name={check_object_name(name)}"}
    while True:
        listed = api.get(path, selector)
        items = listed.get("items") or []
        yield items[0] if items else None
        if deadline.passed:
            return
        query = {**selector, "resourceVersion": listed["metadata"]["resourceVersion"]}
        try:
            for event in api.watch(path, query, timeout=deadline.left):
                if event["type"] == "BOOKMARK":
                    continue
                yield None if event["type"] == "DELETED" else event["object"]
        except (Gone, Expired, NotFound):
            continue


def until_gone(
    api: Api,
    kind: Kind,
    namespace: str,
    name: str,
    deadline: Deadline,
    uid: str = "",
    waiting: Callable[[Kind, str, Obj], None] | None = None,
) -> bool:
    """Wait until the object is deleted, or another of its name exists. False when the deadline passes first.

    :param uid: which object is meant; empty for the first that is seen
    :param waiting: told of the object while it is still there
    """
    for obj in states(api, kind, namespace, name, deadline):
        if obj is None:
            return True
        uid = uid or obj["metadata"]["uid"]
        if obj["metadata"]["uid"] != uid:
            return True
        if waiting is not None:
            waiting(kind, name, obj)
    return False
