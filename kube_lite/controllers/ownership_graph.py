"""Which object belongs to which, over all resources, from their metadata alone.

A node is an object that a watch has shown; its edges are its owner references. Owners are looked up by uid, so a
reference to an object that was recreated under the same name leads nowhere.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from kube_lite.resources.meta import ObjectMeta

REMEMBERED_DELETIONS = 5_000
"""Uids of deleted objects without dependants that are remembered, for those that come late; the oldest go first."""


class Node(msgspec.Struct, frozen=True):
    """An object, as last seen."""

    resource: str
    meta: ObjectMeta

    @property
    def key(self) -> str:
        """What the collector's queue holds."""
        return f"{self.resource} {self.meta.key}"

    @property
    def deleting(self) -> bool:
        """Whether its deletion was asked for."""
        return self.meta.deletion_timestamp is not None

    @property
    def waiting(self) -> bool:
        """Whether it waits for its dependants to go first."""
        return self.deleting and "foregroundDeletion" in self.meta.finalizers

    def blocks(self, owner_uid: str) -> bool:
        """Whether that owner must wait for this object when it is deleted in the foreground."""
        return any(ref.uid == owner_uid and ref.block_owner_deletion for ref in self.meta.owner_references)


class OwnershipGraph:
    """All objects by uid, and their dependants."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependants: dict[str, dict[str, None]] = {}
        self._survived: set[str] = set()
        """Uids of deleted objects that have dependants still."""
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._counts: dict[str, int] = {}

    def get(self, uid: str) -> Node | None:
        """The object with that uid."""
        return self._nodes.get(uid)

    def put(self, resource: str, meta: ObjectMeta) -> Node:
        """Take up a new object, or a new state of a known one."""
        known = self._nodes.get(meta.uid)
        node = Node(resource, meta)
        self._nodes[meta.uid] = node
        if known is None:
            self._counts[resource] = self._counts.get(resource, 0) + 1
            self._deleted.pop(meta.uid, None)
            self._survived.discard(meta.uid)
        else:
            self._unlink(known)
        for reference in meta.owner_references:
            self._dependants.setdefault(reference.uid, {})[meta.uid] = None
        return node

    def remove(self, uid: str) -> None:
        """Take out an object whose deletion was seen."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return
        self._unlink(node)
        self._counts[node.resource] -= 1
        if uid in self._dependants:
            self._survived.add(uid)
        else:
            self._remember(uid)

    def _remember(self, uid: str) -> None:
        self._deleted[uid] = None
        if len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)

    def forget(self, resource: str) -> None:
        """Take out all objects of a resource that is no longer served."""
        for uid in [uid for uid, node in self._nodes.items() if node.resource == resource]:
            self._unlink(self._nodes.pop(uid))
        self._counts.pop(resource, None)

    def saw_deletion(self, uid: str) -> bool:
        """Whether the deletion of that object was seen, by this process."""
        return uid in self._survived or uid in self._deleted

    def dependants(self, uid: str) -> list[Node]:
        """The objects that name ``uid`` as an owner, in the order in which they came."""
        return [self._nodes[dependant] for dependant in self._dependants.get(uid, ())]

    def count(self, resource: str) -> int:
        """How many objects of a resource there are."""
        return self._counts.get(resource, 0)

    def _unlink(self, node: Node) -> None:
        for reference in node.meta.owner_references:
            siblings = self._dependants.get(reference.uid)
            if siblings is not None:
                siblings.pop(node.meta.uid, None)
                if not siblings:
                    del self._dependants[reference.uid]
                    if reference.uid in self._survived:
                        self._survived.discard(reference.uid)
                        self._remember(reference.uid)
