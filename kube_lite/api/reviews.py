"""Reviews: questions about who somebody is and what they may do, answered and never stored."""

from __future__ import annotations

from typing import Any

from kube_lite import errors
from kube_lite.api import codec, managed, objectmeta, options
from kube_lite.api.authn import Authenticator
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.authz.rules import Rule, quoted
from kube_lite.api.dispatch import Dispatcher
from kube_lite.api.http import Request, Response
from kube_lite.api.large import beside
from kube_lite.api.negotiate import negotiate
from kube_lite.api.review_selectors import field_selector, selector_problems, unread
from kube_lite.api.token_signer import TokenError
from kube_lite.api.tokens import Tokens
from kube_lite.api.user import NODES, User
from kube_lite.errors import FieldError
from kube_lite.resources import field
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import Resource

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"


class Reviews:
    """Handlers, registered with a dispatcher."""

    def __init__(
        self, dispatcher: Dispatcher, authorizer: Authorizer, authenticator: Authenticator, tokens: Tokens
    ) -> None:
        self._authorizer = authorizer
        self._authenticator = authenticator
        self._tokens = tokens
        dispatcher.reviews.update(
            {
                f"tokenreviews.{AUTHENTICATION}": self.token,
                f"selfsubjectreviews.{AUTHENTICATION}": self.self_subject,
                f"subjectaccessreviews.{AUTHORIZATION}": self.subject_access,
                f"localsubjectaccessreviews.{AUTHORIZATION}": self.local_subject_access,
                f"selfsubjectaccessreviews.{AUTHORIZATION}": self.self_subject_access,
                f"selfsubjectrulesreviews.{AUTHORIZATION}": self.self_subject_rules,
            }
        )

    async def _read(self, request: Request, resource: Resource) -> Obj:
        """The review that was sent in its current version, owned by its sender like any object."""
        raw = await request.body()
        wanted = options.write_options(request, "CreateOptions")
        obj = await beside(len(raw), codec.decode_body, request, resource, raw, wanted)
        managed.on_create(resource, obj, wanted)
        obj["metadata"].setdefault("creationTimestamp", None)
        return obj if resource.convert_to_storage is None else resource.convert_to_storage(obj)

    @staticmethod
    def _answer(request: Request, resource: Resource, review: Obj) -> Response:
        if resource.convert_from_storage is not None:
            review = resource.convert_from_storage(review)
        return codec.encoded(review, negotiate(request.header("accept"), table=False), 201)

    # ---- who is it

    async def token(self, request: Request, resource: Resource) -> Response:
        """TokenReview: whose token is it, and is it meant for these audiences."""
        review = await self._read(request, resource)
        spec = review.setdefault("spec", {})
        if not spec.get("token"):
            raise errors.BadRequest("token is required for TokenReview in authentication")
        review["status"] = await self._reviewed(spec["token"], list(spec.get("audiences") or ()))
        return self._answer(request, resource, review)

    async def _reviewed(self, token: str, wanted: list[str]) -> Obj:
        audiences = list(self._tokens.audiences)
        try:
            if self._tokens.is_own(token):
                user, meant_for = await self._tokens.review(token)
                matching = [a for a in (wanted or audiences) if a in meant_for]
                if not matching:
                    shown = " ".join(quoted(a) for a in meant_for)
                    wanted_shown = " ".join(quoted(a) for a in wanted or audiences)
                    why = f"token audiences [{shown}] is invalid for the target audiences [{wanted_shown}]"
                    return {"user": {}, "error": f"[invalid bearer token, {why}]"}
            else:
                user = await self._authenticator.by_token(token)
                matching = [a for a in wanted or audiences if a in audiences]
                if not matching:
                    return {"user": {}, "error": "invalid bearer token"}
        except (errors.Unauthorized, TokenError) as error:
            detail = str(error)
            if detail in ("", "Unauthorized"):
                return {"user": {}, "error": "invalid bearer token"}
            return {"user": {}, "error": f"[invalid bearer token, {detail}]"}
        status: Obj = {"authenticated": True, "user": user.to_json()}
        if matching:
            status["audiences"] = matching
        return status

    async def self_subject(self, request: Request, resource: Resource) -> Response:
        """SelfSubjectReview: who am I, to you."""
        review = await self._read(request, resource)
        review["status"] = {"userInfo": request.user.to_json()}
        return self._answer(request, resource, review)

    # ---- what may they do

    async def subject_access(self, request: Request, resource: Resource) -> Response:
        """SubjectAccessReview: may that user do this."""
        review = await self._read(request, resource)
        spec = review.setdefault("spec", {})
        _refuse([*_spec_problems(spec), *_metadata_problems(review)])
        return self._judged(request, resource, review, _user_of(spec))

    async def local_subject_access(self, request: Request, resource: Resource) -> Response:
        """LocalSubjectAccessReview: may that user do this in this namespace."""
        review = await self._read(request, resource)
        namespace = request.info.namespace
        objectmeta.check_namespace(resource, namespace, review)
        spec = review.setdefault("spec", {})
        asked = (spec.get("resourceAttributes") or {}).get("namespace", "")
        problems = [*_spec_problems(spec), *_metadata_problems(review, "namespace")]
        if spec.get("resourceAttributes") is not None and asked != namespace:
            path = "spec.resourceAttributes.namespace"
            problems.append(field.invalid(path, asked, "must match metadata.namespace"))
        if (path := spec.get("nonResourceAttributes")) is not None:
            shown = go_value("authorization.NonResourceAttributes", path)
            problems.append(field.invalid("spec.nonResourceAttributes", shown, "disallowed on this kind of request"))
        _refuse(problems)
        return self._judged(request, resource, review, _user_of(spec))

    async def self_subject_access(self, request: Request, resource: Resource) -> Response:
        """SelfSubjectAccessReview: may I do this."""
        review = await self._read(request, resource)
        spec = review.setdefault("spec", {})
        _refuse([*_attribute_problems(spec), *selector_problems(spec), *_metadata_problems(review)])
        return self._judged(request, resource, review, request.user)

    def _judged(self, request: Request, resource: Resource, review: Obj, user: User) -> Response:
        decision = self._authorizer.decide(_attributes(user, review["spec"]))
        status: Obj = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        told = [decision.problem] if decision.problem else []
        told.extend(unread(review["spec"].get("resourceAttributes") or {}))
        if told:
            status["evaluationError"] = "; ".join(told)
        review["status"] = status
        return self._answer(request, resource, review)

    async def self_subject_rules(self, request: Request, resource: Resource) -> Response:
        """SelfSubjectRulesReview: all that I may do in this namespace."""
        review = await self._read(request, resource)
        namespace = dig(review, "spec", "namespace", default="")
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        held, lost = self._authorizer.rules_for(request.user, namespace)
        status: Obj = {
            "resourceRules": [_resource_rule(rule) for rule in held if rule.resources],
            "nonResourceRules": [
                {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)} for rule in held if rule.urls
            ],
            "incomplete": False,
        }
        problems = [str(error) for error in lost]
        if NODES in request.user.groups:
            problems.append("node authorizer does not support user rule resolution")
        if problems:
            status["incomplete"] = True
            status["evaluationError"] = ", ".join(problems)
        answer = {**review, "metadata": {"creationTimestamp": None}, "spec": {}, "status": status}
        return self._answer(request, resource, answer)


def _resource_rule(rule: Rule) -> Obj:
    shown = rule.to_json()
    shown.pop("nonResourceURLs", None)
    return shown


def _refuse(problems: list[FieldError]) -> None:
    if problems:
        # upstream names no kind here
        raise errors.invalid("", AUTHORIZATION, "", problems)


def _spec_problems(spec: Obj) -> list[FieldError]:
    return [*_attribute_problems(spec), *_subject_problems(spec), *selector_problems(spec)]


def _subject_problems(spec: Obj) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [field.invalid("spec.user", spec.get("user", ""), "at least one of user or group must be specified")]


_UNASKED = ("managedFields", "creationTimestamp")
"""Parts of a review's metadata that the server adds."""


def _metadata_problems(review: Obj, *allowed: str) -> list[FieldError]:
    """Questions have no name and no labels: nothing of them is kept."""
    meta = {key: value for key, value in review["metadata"].items() if value not in (None, "", [], {})}
    if all(key in _UNASKED or key in allowed for key in meta):
        return []
    detail = "must be empty except for namespace" if allowed else "must be empty"
    return [field.invalid("metadata", go_value("v1.ObjectMeta", meta), detail)]


def _attribute_problems(spec: Obj) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        values = f"Path:{quoted(path.get('path', ''))}, Verb:{quoted(path.get('verb', ''))}"
        shown = f"authorization.NonResourceAttributes{{{values}}}"
        detail = "cannot be specified in combination with resourceAttributes"
        return [FieldError("FieldValueInvalid", "spec.nonResourceAttributes", f"Invalid value: {shown}: {detail}")]
    if resource is None and path is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [FieldError("FieldValueInvalid", "spec.resourceAttributes", f'Invalid value: "null": {detail}')]
    return []


def _user_of(spec: Obj) -> User:
    extra: dict[str, list[str]] = {key.lower(): list(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra, "review")


def _attributes(user: User, spec: Obj) -> Attributes:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return Attributes(user, path.get("verb", ""), path=path.get("path", "") or "/")
    asked: dict[str, Any] = spec["resourceAttributes"]
    return Attributes(
        user,
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
        "",
        field_selector(asked.get("fieldSelector") or {}),
    )
