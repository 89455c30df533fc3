"""How a Deployment tells its ReplicaSets apart: templates, hashes and the annotations that carry the history.

The hash names a ReplicaSet and labels its pods. It is FNV-1a over the template, spelled in letters that form no
words (upstream: ``ComputeHash`` and ``rand.SafeEncodeString``); its value differs from upstream's, which hashes
Go's print of the object.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kube_lite.resources.meta import Obj
from kube_lite.resources.remembered import remembered
from kube_lite.resources.views import Deployment, ReplicaSet

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

MAX_HISTORY_LENGTH = 2000
"""Characters of the revision history kept on a ReplicaSet (upstream: maxRevHistoryLengthInChars)."""

_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
    }
)

_SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Letters without vowels (apimachinery, ``util/rand``)."""


def fnv1a(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


@remembered(4096, longest=16384)
def _canonical(template: bytes) -> bytes:
    """The template without the hash label, in one spelling."""
    decoded: Obj = msgspec.json.decode(template)
    meta = decoded.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH_LABEL}
    decoded["metadata"] = {**{key: value for key, value in meta.items() if value is not None}, "labels": labels}
    return msgspec.json.encode(decoded, order="sorted")


def same_template(one: msgspec.Raw, other: msgspec.Raw) -> bool:
    """Whether two templates ask for the same pods; the hash label does not count."""
    return _canonical(bytes(one)) == _canonical(bytes(other))


def template_hash(template: msgspec.Raw, collisions: int) -> str:
    """The name of a template; ``collisions`` gives another one when the first is taken."""
    digest = fnv1a(_canonical(bytes(template)) + (str(collisions).encode() if collisions else b""))
    return "".join(_SAFE_LETTERS[ord(digit) % len(_SAFE_LETTERS)] for digit in str(digest))


def oldest_first(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """ReplicaSets by creation, then name."""
    return sorted(sets, key=lambda rs: (rs.metadata.creation_timestamp or "", rs.metadata.name))


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the current template; the oldest, should there be several."""
    candidates = oldest_first(sets)
    return next((rs for rs in candidates if same_template(rs.spec.template, deployment.spec.template)), None)


def revision_of(rs: ReplicaSet) -> int:
    """The revision written on a ReplicaSet, 0 without one."""
    return _number(rs.metadata.annotations.get(REVISION)) or 0


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def desired_replicas(rs: ReplicaSet) -> int | None:
    """The Deployment's size when this ReplicaSet was last scaled."""
    return _number(rs.metadata.annotations.get(DESIRED_REPLICAS))


def max_replicas(rs: ReplicaSet) -> int | None:
    """The most pods that the Deployment allowed then."""
    return _number(rs.metadata.annotations.get(MAX_REPLICAS))


def size_annotations(desired: int, most: int) -> dict[str, str]:
    """What a ReplicaSet remembers of its Deployment's size, to be scaled in proportion later."""
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(most)}


def annotations_for(deployment: Deployment, current: dict[str, str], revision: int) -> dict[str, str]:
    """The annotations to set on the new ReplicaSet: the Deployment's own, and its revision.

    A ReplicaSet that becomes the newest again keeps its former revision in the history.
    """
    wanted = {k: v for k, v in deployment.metadata.annotations.items() if k not in _NOT_COPIED}
    former = current.get(REVISION)
    before = _number(former) if former else 0
    if before is not None and before < revision:
        wanted[REVISION] = str(revision)
        if former:
            wanted[REVISION_HISTORY] = _extended(current.get(REVISION_HISTORY, ""), former)
    return {key: value for key, value in wanted.items() if current.get(key) != value}


def _extended(history: str, revision: str) -> str:
    entries = [entry for entry in history.split(",") if entry] + [revision]
    while entries and len(",".join(entries)) > MAX_HISTORY_LENGTH:
        entries.pop(0)
    return ",".join(entries)
