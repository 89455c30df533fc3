"""FlowSchemas compiled for matching: which of them a request falls under, and to which flow it belongs.

All schemas are tried in order of precedence, once for each kind of request: the answer depends only on the user's
name and groups and on what authorization asks about, so it is remembered until the schemas change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from kube_lite.api.request_info import RequestInfo
from kube_lite.api.user import User
from kube_lite.resources.meta import Obj

REMEMBERED = 4096
"""Kinds of request that are remembered; then they are worked out anew."""

Test = Callable[[User, RequestInfo], bool]


class Flow(msgspec.Struct, frozen=True):
    """What a kind of request falls under; ``hash`` tells flows of one schema apart."""

    schema: str
    level: str
    hash: int
    headers: tuple[tuple[bytes, bytes], ...]
    """The answer's headers that name schema and level (upstream's ``X-Kubernetes-PF-...``)."""


class Schema(msgspec.Struct, frozen=True):
    """One FlowSchema, ready to match."""

    name: str
    level: str
    precedence: int
    distinguisher: str
    rules: Sequence[Test]
    headers: tuple[tuple[bytes, bytes], ...]

    def flow(self, user: User, info: RequestInfo) -> Flow:
        """The flow of a request that matches."""
        who = {"ByUser": user.name, "ByNamespace": info.namespace}.get(self.distinguisher, "")
        # eight bytes of SHA-256 over both names, as upstream
        digest = hashlib.sha256(f"{self.name},{who}".encode()).digest()[:8]
        return Flow(self.name, self.level, int.from_bytes(digest, "little"), self.headers)


class Classifier:
    """All schemas whose level exists, in order of precedence."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self.schemas = sorted(schemas, key=lambda schema: (schema.precedence, schema.name))
        self._known: dict[object, Flow] = {}

    def classify(self, user: User, info: RequestInfo) -> Flow:
        """The flow that a request belongs to; what nothing matches belongs to the last schema, the catch-all."""
        target: object = (info.verb, info.path)
        if info.is_resource:
            target = (info.verb, info.group, info.resource, info.subresource, info.namespace)
        key = (user.name, *user.groups, target)
        flow = self._known.get(key)
        if flow is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            flow = self._known[key] = self._find(user, info)
        return flow

    def _find(self, user: User, info: RequestInfo) -> Flow:
        for schema in self.schemas:
            if any(rule(user, info) for rule in schema.rules):
                return schema.flow(user, info)
        return self.schemas[-1].flow(user, info)


def compiled(obj: Obj, level_uid: str) -> Schema:
    """A FlowSchema ready to match; ``level_uid`` is that of the level it names."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    headers = (
        (b"x-kubernetes-pf-flowschema-uid", str(meta.get("uid", "")).encode()),
        (b"x-kubernetes-pf-prioritylevel-uid", level_uid.encode()),
    )
    return Schema(
        meta["name"],
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type", ""),
        [_rule(rule) for rule in spec.get("rules") or ()],
        headers,
    )


def _rule(rule: Obj) -> Test:
    subjects = [_subject(subject) for subject in rule.get("subjects") or ()]
    resources = [_resource_rule(r) for r in rule.get("resourceRules") or ()]
    others = [_other_rule(r) for r in rule.get("nonResourceRules") or ()]

    def matches(user: User, info: RequestInfo) -> bool:
        if not any(subject(user) for subject in subjects):
            return False
        return any(asked(info) for asked in (resources if info.is_resource else others))

    return matches


def _subject(subject: Obj) -> Callable[[User], bool]:
    kind = subject.get("kind")
    if kind == "ServiceAccount":
        account: Mapping[str, str] = subject.get("serviceAccount") or {}
        namespace, name = account.get("namespace", ""), account.get("name", "")
        prefix = f"system:serviceaccount:{namespace}:"
        if name == "*":
            return lambda user: user.name.startswith(prefix)
        return lambda user: user.name == prefix + name
    wanted = (subject.get("user" if kind == "User" else "group") or {}).get("name", "")
    if wanted == "*":
        return lambda user: True
    if kind == "User":
        return lambda user: user.name == wanted
    return lambda user: wanted in user.groups


def _among(values: Iterable[str] | None) -> Callable[[str], bool]:
    chosen = frozenset(values or ())
    if "*" in chosen:
        return lambda value: True
    return chosen.__contains__


def _resource_rule(rule: Obj) -> Callable[[RequestInfo], bool]:
    verb, group = _among(rule.get("verbs")), _among(rule.get("apiGroups"))
    resource, namespace = _among(rule.get("resources")), _among(rule.get("namespaces"))
    cluster = bool(rule.get("clusterScope"))

    def matches(info: RequestInfo) -> bool:
        if not (verb(info.verb) and group(info.group)):
            return False
        if not resource(f"{info.resource}/{info.subresource}" if info.subresource else info.resource):
            return False
        return namespace(info.namespace) if info.namespace else cluster

    return matches


def _other_rule(rule: Obj) -> Callable[[RequestInfo], bool]:
    verb = _among(rule.get("verbs"))
    urls = rule.get("nonResourceURLs") or ()
    exact = frozenset(urls)
    prefixes = tuple(url[:-1] for url in urls if url.endswith("*"))
    return lambda info: verb(info.verb) and (info.path in exact or info.path.startswith(prefixes))
