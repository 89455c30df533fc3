"""RBAC over stored objects: a matrix against an evaluator written apart, and what happens when objects change."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import anyio
import pytest

from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS, UNAUTHENTICATED, User
from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.errors import Forbidden
from tests.plane import admin, started_plane

RBAC = "rbac.authorization.k8s.io"
Obj = dict[str, Any]


class Oracle:
    """The RBAC documentation, word by word, over plain objects; shares nothing with the real evaluator."""

    def __init__(self, plane: Plane) -> None:
        self.cluster_roles = {r["metadata"]["name"]: r for r in plane.storage.select(f"clusterroles.{RBAC}")}
        roles = plane.storage.select(f"roles.{RBAC}")
        self.roles = {(r["metadata"]["namespace"], r["metadata"]["name"]): r for r in roles}
        self.cluster_bindings = plane.storage.select(f"clusterrolebindings.{RBAC}")
        self.bindings = plane.storage.select(f"rolebindings.{RBAC}")

    @staticmethod
    def is_subject(user: User, subject: Obj, home: str) -> bool:
        if subject["kind"] == "User":
            return bool(subject["name"] == user.name)
        if subject["kind"] == "Group":
            return subject["name"] in user.groups
        return user.name == f"system:serviceaccount:{subject.get('namespace') or home}:{subject['name']}"

    @staticmethod
    def rule_allows(rule: Obj, a: Attributes) -> bool:
        if not {"*", a.verb} & set(rule["verbs"]):
            return False
        if a.path:
            for url in rule.get("nonResourceURLs", []):
                if url in ("*", a.path) or (url[-1] == "*" and a.path.startswith(url[:-1])):
                    return True
            return False
        if not {"*", a.group} & set(rule.get("apiGroups", [])):
            return False
        full = a.resource + ("/" + a.subresource if a.subresource else "")
        patterns = {"*", full} | ({"*/" + a.subresource} if a.subresource else set())
        if not patterns & set(rule.get("resources", [])):
            return False
        return not rule.get("resourceNames") or a.name in rule["resourceNames"]

    def rules(self, user: User, namespace: str) -> list[Obj]:
        found: list[Obj] = []
        for binding in self.cluster_bindings:
            if any(self.is_subject(user, s, "") for s in binding.get("subjects", [])):
                found += self.cluster_roles.get(binding["roleRef"]["name"], {}).get("rules") or []
        for binding in self.bindings:
            home = binding["metadata"]["namespace"]
            if home != namespace or not any(self.is_subject(user, s, home) for s in binding.get("subjects", [])):
                continue
            reference = binding["roleRef"]
            cluster_wide = reference["kind"] == "ClusterRole"
            role = (
                self.cluster_roles.get(reference["name"]) if cluster_wide else self.roles.get((home, reference["name"]))
            )
            found += (role or {}).get("rules") or []
        return found


def account(namespace: str, name: str) -> User:
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups=groups)


USERS = [
    User("system:anonymous", groups=(UNAUTHENTICATED,)),
    User("root", groups=(MASTERS, AUTHENTICATED)),
    *(User(name, groups=("devs", AUTHENTICATED)) for name in ("alice", "bob")),
    *(User(name, groups=("ops", AUTHENTICATED)) for name in ("carol", "dave")),
    User("both", groups=("devs", "ops", AUTHENTICATED)),
    User("devs", groups=(AUTHENTICATED,)),
    User("system:kube-scheduler", groups=(AUTHENTICATED,)),
    User("system:kube-controller-manager", groups=(AUTHENTICATED,)),
    User("system:kube-proxy", groups=(AUTHENTICATED,)),
    *(account("kube-system", f"{name}-controller") for name in ("deployment", "namespace", "job", "node", "ttl")),
    *(account(namespace, "robot") for namespace in ("a", "b")),
    account("a", "default"),
]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "escalate", "impersonate")
RESOURCES = (
    ("", "pods", ""),
    ("", "pods", "log"),
    ("", "pods", "status"),
    ("", "pods", "exec"),
    ("", "secrets", ""),
    ("", "nodes", ""),
    ("", "serviceaccounts", "token"),
    ("apps", "deployments", ""),
    ("apps", "deployments", "scale"),
    (RBAC, "clusterroles", ""),
    (RBAC, "roles", ""),
    ("authorization.k8s.io", "selfsubjectaccessreviews", ""),
    ("nobody.example", "things", ""),
)
PATHS = ("/api", "/api/v1", "/apis/x/", "/version", "/metrics", "/healthz", "/healthz/etcd", "/openapi/v3", "/")


async def with_policies(seed: int) -> Plane:
    """A cluster with the default roles and a few dozen random ones."""
    plane = await started_plane()
    rng, client = random.Random(seed), admin(plane)
    for namespace in ("a", "b"):
        await client.create("namespaces", {"metadata": {"name": namespace}})

    def rule() -> Obj:
        group, resource, subresource = rng.choice(RESOURCES)
        full = rng.choice((f"{resource}/{subresource}" if subresource else resource, "*", f"*/{subresource or 'log'}"))
        made: Obj = {
            "verbs": rng.choice((["*"], rng.sample(VERBS, 2))),
            "apiGroups": [rng.choice((group, group, "*"))],
            "resources": [full],
        }
        if rng.random() < 0.3:
            made["resourceNames"] = ["x"]
        return made

    subjects: list[Obj] = [
        *({"kind": "User", "apiGroup": RBAC, "name": name} for name in ("alice", "carol", "devs")),
        *({"kind": "Group", "apiGroup": RBAC, "name": name} for name in ("devs", "ops")),
        *({"kind": "ServiceAccount", "namespace": namespace, "name": "robot"} for namespace in ("a", "b")),
    ]
    for number in range(10):
        rules = [rule() for _ in range(rng.randint(1, 3))]
        await client.create(f"clusterroles.{RBAC}", {"metadata": {"name": f"c{number}"}, "rules": rules})
        for namespace in ("a", "b"):
            await client.create(f"roles.{RBAC}", {"metadata": {"name": f"r{number}"}, "rules": [rule()]}, namespace)
    for number in range(8):
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"c{rng.randrange(12)}"}
        bound = {"metadata": {"name": f"b{number}"}, "roleRef": reference, "subjects": [rng.choice(subjects)]}
        if number < 2:
            await client.create(f"clusterrolebindings.{RBAC}", bound)
        for namespace in ("a", "b"):
            kind, letter = rng.choice((("Role", "r"), ("ClusterRole", "c")))
            reference = {"apiGroup": RBAC, "kind": kind, "name": f"{letter}{rng.randrange(12)}"}
            chosen = rng.sample(subjects, 2)
            bound = {"metadata": {"name": f"b{number}"}, "roleRef": reference, "subjects": chosen}
            await client.create(f"rolebindings.{RBAC}", bound, namespace)
    return plane


def test_every_cell_of_the_matrix_is_as_the_documentation_says() -> None:
    async def main() -> None:
        plane = await with_policies(seed=7)
        oracle, wrong, cells, allowed = Oracle(plane), [], 0, 0
        for user in USERS:
            for namespace in ("", "a", "b"):
                rules = oracle.rules(user, namespace)
                asked = [
                    Attributes(user, verb, group, "v1", resource, subresource, namespace, name)
                    for verb, (group, resource, subresource), name in product(VERBS, RESOURCES, ("", "x", "y"))
                ]
                asked += [Attributes(user, verb, path=path) for verb, path in product(("get", "post"), PATHS)]
                for attributes in asked:
                    expected = MASTERS in user.groups or any(oracle.rule_allows(rule, attributes) for rule in rules)
                    cells, allowed = cells + 1, allowed + expected
                    if plane.authorizer.allows(attributes) is not expected:
                        wrong.append(attributes)
                    if plane.authorizer.decide(attributes).allowed is not expected:
                        wrong.append(attributes)
        assert wrong == []
        assert cells > 20_000
        assert cells / 10 < allowed < cells / 2, "the policies allow too little, or too much, to tell anything"

    anyio.run(main)


ALICE = User("alice", groups=("devs", AUTHENTICATED))
GET_PODS = Attributes(ALICE, "get", "", "v1", "pods", "", "default")


def binding(kind: str, role: str) -> Obj:
    subject = {"kind": "User", "apiGroup": RBAC, "name": "alice"}
    return {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [subject],
    }


def test_roles_and_bindings_count_from_the_next_question_on() -> None:
    async def main() -> None:
        plane = await started_plane()
        client, allows = admin(plane), plane.authorizer.allows
        assert not allows(GET_PODS)
        await client.create(f"rolebindings.{RBAC}", binding("Role", "r"), "default")
        assert not allows(GET_PODS)
        rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
        await client.create(f"roles.{RBAC}", {"metadata": {"name": "r"}, "rules": [rule]}, "default")
        assert allows(GET_PODS)
        await client.patch(f"roles.{RBAC}", "r", {"rules": [{**rule, "verbs": ["list"]}]}, "default")
        assert not allows(GET_PODS)
        await client.patch(f"roles.{RBAC}", "r", {"rules": [rule]}, "default")
        assert allows(GET_PODS)
        await client.patch(f"rolebindings.{RBAC}", "b", {"subjects": None}, "default")
        assert not allows(GET_PODS)
        await client.delete(f"rolebindings.{RBAC}", "b", "default")
        await client.create(f"rolebindings.{RBAC}", binding("Role", "r"), "default")
        assert allows(GET_PODS)
        await client.delete(f"roles.{RBAC}", "r", "default")
        assert not allows(GET_PODS)

    anyio.run(main)


def test_a_refusal_names_the_role_that_is_not_there() -> None:
    async def main() -> None:
        plane = await started_plane()
        await admin(plane).create(f"rolebindings.{RBAC}", binding("ClusterRole", "gone"), "default")
        decision = plane.authorizer.decide(GET_PODS)
        assert decision.reason == f'RBAC: clusterrole.{RBAC} "gone" not found'

    anyio.run(main)


def test_a_binding_in_one_namespace_says_nothing_of_others() -> None:
    async def main() -> None:
        plane = await started_plane()
        await admin(plane).create(f"rolebindings.{RBAC}", binding("ClusterRole", "cluster-admin"), "default")
        allows = plane.authorizer.allows
        assert allows(GET_PODS)
        assert not allows(Attributes(ALICE, "get", "", "v1", "pods", "", "kube-system"))
        assert not allows(Attributes(ALICE, "list", "", "v1", "pods"))
        assert not allows(Attributes(ALICE, "get", path="/metrics"))

    anyio.run(main)


def test_an_update_or_apply_of_nothing_takes_the_right_to_create() -> None:
    async def main() -> None:
        plane = await started_plane()
        root = admin(plane)
        rule = {"verbs": ["update", "patch", "get"], "apiGroups": [""], "resources": ["limitranges"]}
        await root.create(f"clusterroles.{RBAC}", {"metadata": {"name": "changer"}, "rules": [rule]})
        await root.create(f"clusterrolebindings.{RBAC}", binding("ClusterRole", "changer"))
        alice = plane.client(User("alice", groups=(AUTHENTICATED,)), "test")
        limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "a"}, "spec": {"limits": []}}
        told = 'limitranges "a" is forbidden: User "alice" cannot create resource "limitranges" in API group ""'

        with pytest.raises(Forbidden, match=told):
            await alice.update("limitranges", "a", limits, "default")
        with pytest.raises(Forbidden, match=told):
            await alice.patch("limitranges", "a", limits, "default", content_type=APPLY_PATCH, field_manager="t")
        await root.create("limitranges", limits, "default")
        await alice.update("limitranges", "a", limits, "default")

    anyio.run(main)
