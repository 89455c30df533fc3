"""Rules of roles: a role's rules compiled for look-up, and whether some rules cover others.

A compiled set answers "may I get pods in this group" with a dozen dictionary look-ups, however many rules it was
made from. Matching is upstream's: ``*`` stands for all verbs, groups, resources (with their subresources) or
paths, ``*/scale`` for that subresource of everything, a path may end in ``*``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from kube_lite.api.authz.attributes import Attributes
from kube_lite.resources.meta import Obj

ALL = "*"


class Rule(msgspec.Struct, frozen=True):
    """One PolicyRule: verbs over resources of groups (of these names only, if any), or over URL paths."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def to_json(self) -> Obj:
        """As in a role."""
        fields: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("verbs", self.verbs),
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("nonResourceURLs", self.urls),
        )
        return {key: list(values) for key, values in fields if values}

    def __str__(self) -> str:
        """As upstream prints a rule in messages."""
        parts: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.urls),
            ("ResourceNames", self.names),
            ("Verbs", self.verbs),
        )
        shown = (f"{key}:[{' '.join(quoted(v) for v in values)}]" for key, values in parts if values)
        return "{" + ", ".join(shown) + "}"


def quoted(text: str) -> str:
    """A string as Go's ``%q`` prints it."""
    return json.dumps(text, ensure_ascii=False)


def rule(obj: Obj) -> Rule:
    """A PolicyRule of a role."""

    def strings(key: str) -> tuple[str, ...]:
        return tuple(obj.get(key) or ())

    return Rule(
        strings("verbs"),
        strings("apiGroups"),
        strings("resources"),
        strings("resourceNames"),
        strings("nonResourceURLs"),
    )


def rules_of(role: Obj) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole."""
    return tuple(rule(r) for r in role.get("rules") or ())


def url_matches(pattern: str, path: str) -> bool:
    """Whether a nonResourceURL of a rule stands for a path."""
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))


class RuleIndex:
    """Rules, each with the reason to give when it allows something, arranged for look-up."""

    __slots__ = ("_resources", "_urls")

    def __init__(self, granted: Iterable[tuple[Rule, str]] = ()) -> None:
        self._resources: dict[tuple[str, str, str], list[tuple[frozenset[str] | None, str]]] = {}
        self._urls: dict[str, list[tuple[str, str]]] = {}
        for one, reason in granted:
            self._add(one, reason)

    def _add(self, one: Rule, reason: str) -> None:
        names = frozenset(one.names) or None
        for verb in one.verbs:
            for url in one.urls:
                self._urls.setdefault(verb, []).append((url, reason))
            for group in one.groups:
                for resource in one.resources:
                    self._resources.setdefault((verb, group, resource), []).append((names, reason))

    def allows(self, a: Attributes) -> str | None:
        """The reason of a rule that allows it; None when there is none."""
        if a.path:
            return self._allows_path(a)
        verb, group, resource, found = a.verb, a.group, a.resource, self._resources
        wanted = (f"{resource}/{a.subresource}", ALL, f"*/{a.subresource}") if a.subresource else (resource, ALL)
        for v in (verb, ALL):
            for g in (group, ALL):
                for r in wanted:
                    for names, reason in found.get((v, g, r), ()):
                        if names is None or a.name in names:
                            return reason
        return None

    def _allows_path(self, a: Attributes) -> str | None:
        for verb in (a.verb, ALL):
            for pattern, reason in self._urls.get(verb, ()):
                if url_matches(pattern, a.path):
                    return reason
        return None


# ---- does one set of rules cover another


def broken_down(one: Rule) -> Iterator[Rule]:
    """A rule as rules of one verb, one group, one resource and at most one name each, or one verb and one path."""
    for group in one.groups:
        for resource in one.resources:
            for verb in one.verbs:
                for name in one.names or (None,):
                    yield Rule((verb,), (group,), (resource,), () if name is None else (name,))
    for url in one.urls:
        for verb in one.verbs:
            yield Rule(verbs=(verb,), urls=(url,))


def _covers(held: Rule, simple: Rule) -> bool:
    """Whether ``held`` allows all that ``simple``, a rule that was broken down, allows."""
    if ALL not in held.verbs and simple.verbs[0] not in held.verbs:
        return False
    if simple.urls:
        return any(url_matches(pattern, simple.urls[0]) for pattern in held.urls)
    if ALL not in held.groups and simple.groups[0] not in held.groups:
        return False
    resource = simple.resources[0]
    _, slash, subresource = resource.partition("/")
    if not (
        ALL in held.resources or resource in held.resources or (slash and f"{ALL}/{subresource}" in held.resources)
    ):
        return False
    return not held.names or (bool(simple.names) and simple.names[0] in held.names)


def missing(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What ``wanted`` allows and ``held`` does not, as rules that differ in more than their verbs."""
    uncovered = [
        simple for one in wanted for simple in broken_down(one) if not any(_covers(rule_, simple) for rule_ in held)
    ]
    merged: dict[Any, Rule] = {}
    for simple in uncovered:
        key = (simple.groups, simple.resources, simple.names) if not simple.urls else (simple.urls, simple.verbs)
        before = merged.get(key)
        if before is None:
            merged[key] = simple
        elif simple.verbs[0] not in before.verbs:
            merged[key] = replace(before, verbs=before.verbs + simple.verbs)
    return list(merged.values())
