"""Reviews: who is it, what may they do, and the words of upstream's answers."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite.api.plane import Plane
from kube_lite.api.user import AUTHENTICATED, MASTERS, User
from tests.api.wire import Answer, ask
from tests.plane import admin, started_plane

RBAC = "rbac.authorization.k8s.io"
AUTHZ, AUTHN = "/apis/authorization.k8s.io/v1", "/apis/authentication.k8s.io/v1"
Obj = dict[str, Any]


async def world() -> Plane:
    """Tokens ``root`` and ``alice``; alice reads pods in ``default`` by the RoleBinding rb."""
    plane = await started_plane()
    plane.authenticator.add_token("root", User("root", "1", (MASTERS, AUTHENTICATED)))
    plane.authenticator.add_token("alice", User("alice", "2", ("devs", AUTHENTICATED)))
    rule = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}
    await admin(plane).create(f"roles.{RBAC}", {"metadata": {"name": "r"}, "rules": [rule]}, "default")
    subject = {"kind": "User", "apiGroup": RBAC, "name": "alice"}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "r"}
    binding = {"metadata": {"name": "rb"}, "roleRef": reference, "subjects": [subject]}
    await admin(plane).create(f"rolebindings.{RBAC}", binding, "default")
    return plane


async def post(plane: Plane, path: str, spec: Obj, token: str = "root") -> Answer:
    return await ask(plane, path, method="POST", token=token, body={"spec": spec})


PODS = {"namespace": "default", "verb": "get", "resource": "pods"}
REASON = 'RBAC: allowed by RoleBinding "rb/default" of Role "r" to User "alice"'


def test_access_of_another_user_and_of_oneself() -> None:
    async def main() -> None:
        plane = await world()
        answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", {"user": "alice", "resourceAttributes": PODS})
        assert (answer.code, answer.json()["status"]) == (201, {"allowed": True, "reason": REASON})
        logs = {**PODS, "subresource": "log"}
        answer = await post(plane, f"{AUTHZ}/selfsubjectaccessreviews", {"resourceAttributes": logs}, "alice")
        assert answer.json()["status"] == {"allowed": True, "reason": REASON}
        create = {**PODS, "verb": "create"}
        answer = await post(plane, f"{AUTHZ}/selfsubjectaccessreviews", {"resourceAttributes": create}, "alice")
        assert answer.json()["status"] == {"allowed": False}
        groups = {"user": "x", "groups": [MASTERS], "resourceAttributes": PODS}
        answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", groups)
        assert answer.json()["status"] == {"allowed": True}
        path = {"user": "alice", "nonResourceAttributes": {"path": "/healthz", "verb": "get"}}
        answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", path)
        assert answer.json()["status"] == {"allowed": False}

    anyio.run(main)


def test_selectors_of_what_is_asked_about_are_whole() -> None:
    async def main() -> None:
        plane = await world()
        at = "spec.resourceAttributes"
        exists = {"key": "a", "operator": "Exists"}
        for selectors, fields in (
            ({"fieldSelector": {"rawSelector": "a=b"}, "labelSelector": {"requirements": [exists]}}, []),
            ({"labelSelector": {"requirements": [{"key": "a", "operator": "Later", "values": ["b"]}]}}, []),
            ({"fieldSelector": {}}, ["fieldSelector.requirements"]),
            ({"labelSelector": {"rawSelector": "a", "requirements": [exists]}}, ["labelSelector.rawSelector"]),
            (
                {"fieldSelector": {"requirements": [{"key": "", "operator": "In"}]}},
                ["fieldSelector.requirements[0].key", "fieldSelector.requirements[0].values"],
            ),
            (
                {
                    "labelSelector": {
                        "requirements": [
                            {"key": "a!", "operator": "In", "values": ["b"]},
                            {"key": "a", "operator": "In", "values": ["b!"]},
                        ]
                    }
                },
                ["labelSelector.requirements[0].key", "labelSelector.requirements[1].values[0]"],
            ),
        ):
            asked = {"user": "alice", "resourceAttributes": {**PODS, **selectors}}
            answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", asked)
            causes = answer.json().get("details", {}).get("causes", [])
            assert [cause["field"] for cause in causes] == [f"{at}.{field}" for field in fields]

    anyio.run(main)


def test_an_answer_tells_of_selectors_that_were_left_out() -> None:
    async def main() -> None:
        plane = await world()
        at, why = "spec.resourceAttributes", "ignored due to parse error"
        one, later = ({"key": "a", "operator": operator, "values": ["b"]} for operator in ("In", "Later"))
        for selectors, told in (
            ({"fieldSelector": {"requirements": [one]}, "labelSelector": {"requirements": [one]}}, None),
            ({"fieldSelector": {"requirements": [one, later]}}, f"{at}.fieldSelector partially {why}"),
            ({"fieldSelector": {"requirements": [{"key": "a", "operator": "Exists"}]}}, f"{at}.fieldSelector {why}"),
            (
                {"fieldSelector": {"rawSelector": "a"}, "labelSelector": {"rawSelector": "a in (b"}},
                f"{at}.fieldSelector {why}; {at}.labelSelector {why}",
            ),
        ):
            asked = {"user": "alice", "resourceAttributes": {**PODS, **selectors}}
            answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", asked)
            assert answer.json()["status"].get("evaluationError") == told

    anyio.run(main)


def test_access_in_one_namespace() -> None:
    async def main() -> None:
        plane = await world()
        path = f"{AUTHZ}/namespaces/default/localsubjectaccessreviews"
        answer = await post(plane, path, {"user": "alice", "resourceAttributes": PODS})
        assert answer.json()["status"]["allowed"] is True
        answer = await post(plane, path, {"user": "alice", "resourceAttributes": {**PODS, "namespace": "other"}})
        assert answer.code == 422
        assert answer.json()["details"]["causes"][0]["field"] == "spec.resourceAttributes.namespace"
        answer = await post(plane, path, {"user": "alice", "nonResourceAttributes": {"path": "/x", "verb": "get"}})
        (cause,) = answer.json()["details"]["causes"]
        shown = 'authorization.NonResourceAttributes{Path:"/x", Verb:"get"}'
        assert cause["message"] == f"Invalid value: {shown}: disallowed on this kind of request"

    anyio.run(main)


def test_reviews_that_make_no_sense_are_refused() -> None:
    async def main() -> None:
        plane = await world()
        path = {"path": "/x", "verb": "get"}
        for spec, field in (
            ({"user": "alice"}, "spec.resourceAttributes"),
            ({"user": "a", "resourceAttributes": PODS, "nonResourceAttributes": path}, "spec.nonResourceAttributes"),
            ({"user": "", "resourceAttributes": PODS}, "spec.user"),
        ):
            answer = await post(plane, f"{AUTHZ}/subjectaccessreviews", spec)
            assert answer.code == 422
            assert [c["field"] for c in answer.json()["details"]["causes"]] == [field]

    anyio.run(main)


def test_only_who_may_asks_about_others() -> None:
    async def main() -> None:
        plane = await world()
        spec = {"user": "root", "resourceAttributes": PODS}
        assert (await post(plane, f"{AUTHZ}/subjectaccessreviews", spec, "alice")).code == 403
        assert (await post(plane, f"{AUTHN}/tokenreviews", {"token": "root"}, "alice")).code == 403
        assert (await post(plane, f"{AUTHZ}/selfsubjectaccessreviews", {"resourceAttributes": PODS}, "")).code == 403

    anyio.run(main)


def test_the_rules_of_a_user_in_a_namespace() -> None:
    async def main() -> None:
        plane = await world()
        answer = await post(plane, f"{AUTHZ}/selfsubjectrulesreviews", {"namespace": "default"}, "alice")
        status = answer.json()["status"]
        assert status["incomplete"] is False
        wanted = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}
        assert wanted in status["resourceRules"]
        answer = await post(plane, f"{AUTHZ}/selfsubjectrulesreviews", {"namespace": "kube-system"}, "alice")
        assert wanted not in answer.json()["status"]["resourceRules"]
        answer = await post(plane, f"{AUTHZ}/selfsubjectrulesreviews", {}, "alice")
        assert (answer.code, answer.json()["message"]) == (400, "no namespace on request")

    anyio.run(main)


def test_who_am_i() -> None:
    async def main() -> None:
        plane = await world()
        answer = await post(plane, f"{AUTHN}/selfsubjectreviews", {}, "alice")
        wanted = {"username": "alice", "uid": "2", "groups": ["devs", AUTHENTICATED]}
        assert (answer.code, answer.json()["status"]) == (201, {"userInfo": wanted})

    anyio.run(main)


async def account_token(plane: Plane, audiences: list[str] | None = None) -> str:
    if plane.storage.lookup("serviceaccounts", "default", "robot") is None:
        await admin(plane).create("serviceaccounts", {"metadata": {"name": "robot"}}, "default")
    spec = {"audiences": audiences} if audiences else {}
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    answer = await post(plane, path, spec)
    assert answer.code == 201, answer.body
    return str(answer.json()["status"]["token"])


def test_whose_token_is_it() -> None:
    async def main() -> None:
        plane = await world()

        async def status(token: str, audiences: list[str] | None = None) -> Obj:
            spec: Obj = {"token": token, **({"audiences": audiences} if audiences else {})}
            found: Obj = (await post(plane, f"{AUTHN}/tokenreviews", spec)).json()["status"]
            return found

        found = await status("alice")
        assert (found["user"]["username"], found["audiences"]) == ("alice", list(plane.tokens.audiences))
        assert await status("bad") == {"user": {}, "error": "invalid bearer token"}
        assert await status("alice", ["vault"]) == {"user": {}, "error": "invalid bearer token"}
        own = await account_token(plane)
        found = await status(own)
        assert found["authenticated"] is True
        assert found["user"]["username"] == "system:serviceaccount:default:robot"
        assert found["audiences"] == list(plane.tokens.audiences)
        vault = await account_token(plane, ["vault", "x"])
        assert (await status(vault, ["vault", "y"]))["audiences"] == ["vault"]
        assert "authenticated" not in await status(vault)
        assert "is invalid for the target audiences" in (await status(vault, ["y"]))["error"]
        await admin(plane).delete("serviceaccounts", "robot", "default")
        assert "authenticated" not in await status(own)

    anyio.run(main)


def test_a_token_for_others_opens_nothing_here() -> None:
    async def main() -> None:
        plane = await world()
        vault = await account_token(plane, ["vault"])
        assert (await ask(plane, "/api", token=vault)).code == 401
        assert (await ask(plane, "/api", token=await account_token(plane))).code == 200

    anyio.run(main)


def test_a_token_is_for_the_account_that_is_meant() -> None:
    async def main() -> None:
        plane = await world()
        await admin(plane).create("serviceaccounts", {"metadata": {"name": "a"}}, "default")
        path = "/api/v1/namespaces/default/serviceaccounts/a/token"
        answer = await ask(plane, path, method="POST", token="root", body={"metadata": {"uid": "old"}, "spec": {}})
        assert answer.refusal() == (409, "Conflict")
        assert "the UID in the token request (old) does not match the UID of the service" in answer.json()["message"]

    anyio.run(main)
