"""Impersonation: acting as somebody else, for those who may (headers ``Impersonate-User`` and friends).

Each thing that is claimed is asked for on its own: the user (or service account, or node), every group, the uid,
every extra value. What is not asked for is what anybody of that name has: the groups of a service account or node,
``system:authenticated``.

There are two ways (upstream: KEP-5284). In a mode (``user-info``, ``serviceaccount``, ``arbitrary-node``,
``associated-node``) the caller needs the verb ``impersonate:MODE`` for what is claimed, and for what is done
``impersonate-on:MODE:VERB``; the plain verb ``impersonate`` is enough for whatever that user may do. Who has neither is
told of the plain verb.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from msgspec.structs import replace

from kube_lite import errors
from kube_lite.api.authz.attributes import Attributes, attributes_of, refusal
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.authz.node import NODE_PREFIX
from kube_lite.api.http import Request
from kube_lite.api.user import (
    ANONYMOUS,
    AUTHENTICATED,
    MASTERS,
    NODES,
    SERVICE_ACCOUNTS,
    UNAUTHENTICATED,
    User,
)
from kube_lite.resources.names import subdomain_name

ACCOUNT_PREFIX = "system:serviceaccount:"
_EXTRA = b"impersonate-extra-"
_GROUP = "authentication.k8s.io"
_NODE_NAME = "authentication.kubernetes.io/node-name"
"""The extra value in which a token says on which node its pod runs."""


def apply(request: Request, authorizer: Authorizer) -> None:
    """Make the request that of the user it names.

    :raises Forbidden: the caller may not act as that user
    :raises BadRequest: groups, uid or extras without a user
    """
    if not any(key.startswith(b"impersonate-") for key in request.headers):
        return
    name = request.header("impersonate-user")
    groups, extra = _claimed(request)
    uid = request.header("impersonate-uid")
    if not name:
        if groups or extra or uid:
            claimed = User(name, uid, tuple(groups), extra)
            shown = f"uid: {claimed.uid}, groups: {groups}, extra: {extra}"
            raise errors.BadRequest(f"requested {shown} without impersonating a user")
        return
    caller, wanted = request.user, User(name, uid, tuple(groups), extra, how="impersonation")
    refused: errors.Forbidden | None = None
    asked = attributes_of(caller, request.info)
    for mode in _modes(caller, wanted):
        if not authorizer.allows(replace(asked, verb=f"impersonate-on:{mode}:{asked.verb}")):
            continue
        try:
            request.user = _constrained(authorizer, caller, mode, wanted)
        except errors.Forbidden as error:
            refused = refused or error
        else:
            return
    try:
        for attributes in _checks(caller, name, uid, groups, extra):
            authorizer.require(attributes)
    except errors.Forbidden as error:
        raise refused or error from None
    request.user = _user(name, uid, groups, extra)


def _modes(caller: User, wanted: User) -> Iterator[str]:
    """The modes in which somebody may be impersonated."""
    bare = not (wanted.uid or wanted.groups or wanted.extra)
    node, account = _node_of(wanted.name), account_of(wanted.name)
    if node:
        if bare and account_of(caller.name) and list(caller.extra.get(_NODE_NAME) or ()) == [node]:
            yield "associated-node"
        if bare:
            yield "arbitrary-node"
    elif account is not None:
        if bare:
            yield "serviceaccount"
    else:
        yield "user-info"


def _constrained(authorizer: Authorizer, caller: User, mode: str, wanted: User) -> User:
    """Who the caller becomes in a mode. :raises Forbidden: it may not"""

    def require(resource: str, subresource: str, name: str, namespace: str = "") -> None:
        authorizer.require(
            Attributes(caller, f"impersonate:{mode}", _GROUP, "v1", resource, subresource, namespace, name)
        )

    groups = list(wanted.groups)
    account, node = account_of(wanted.name), _node_of(wanted.name)
    if node:
        require("nodes", "", "*" if mode == "associated-node" else node)
        groups = [NODES]
    elif account is not None:
        require("serviceaccounts", "", account[1], account[0])
    else:
        require("users", "", wanted.name)
    if wanted.uid:
        require("uids", "", wanted.uid)
    for group in wanted.groups:
        if group in ("", MASTERS):
            named = "the empty string" if not group else f"the {MASTERS}"
            denied = Attributes(caller, f"impersonate:{mode}", _GROUP, "v1", "groups", name=group)
            raise refusal(denied, f"impersonating {named} group is not allowed")
        require("groups", "", group)
    for key, values in wanted.extra.items():
        for value in values:
            require("userextras", key, value)
    return _user(wanted.name, wanted.uid, groups, wanted.extra)


def _node_of(name: str) -> str:
    """The node that a user name is of, '' when it is none's."""
    node = name.removeprefix(NODE_PREFIX)
    return node if name.startswith(NODE_PREFIX) and not subdomain_name(node) else ""


def _claimed(request: Request) -> tuple[list[str], dict[str, list[str]]]:
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for key, value in request.scope.get("headers") or ():
        if key == b"impersonate-group":
            groups.append(value.decode("latin-1"))
        elif key.startswith(_EXTRA):
            extra.setdefault(unquote(key[len(_EXTRA) :].decode("latin-1")), []).append(value.decode("latin-1"))
    return groups, extra


def account_of(name: str) -> tuple[str, str] | None:
    """Namespace and name when a user name is a service account's."""
    if not name.startswith(ACCOUNT_PREFIX):
        return None
    namespace, colon, account = name[len(ACCOUNT_PREFIX) :].partition(":")
    if not colon or not namespace or not account or ":" in account:
        return None
    return namespace, account


def _checks(caller: User, name: str, uid: str, groups: list[str], extra: dict[str, list[str]]) -> Iterator[Attributes]:
    account = account_of(name)
    if account is not None:
        namespace, short = account
        yield Attributes(caller, "impersonate", resource="serviceaccounts", namespace=namespace, name=short)
    else:
        yield Attributes(caller, "impersonate", resource="users", name=name)
    for group in groups:
        yield Attributes(caller, "impersonate", resource="groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes(caller, "impersonate", _GROUP, "v1", "userextras", key, name=value)
    if uid:
        yield Attributes(caller, "impersonate", _GROUP, "v1", "uids", name=uid)


def _user(name: str, uid: str, groups: list[str], extra: Mapping[str, Sequence[str]]) -> User:
    account = account_of(name)
    if account is not None and not groups:
        groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
    if name == ANONYMOUS.name:
        if UNAUTHENTICATED not in groups:
            groups = [*groups, UNAUTHENTICATED]
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups = [*groups, AUTHENTICATED]
    return User(name, uid, tuple(groups), extra, how="impersonation")
