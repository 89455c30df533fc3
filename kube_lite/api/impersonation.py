"""Impersonation: acting as somebody else, for those who may (headers ``Impersonate-User`` and friends).

Each thing that is claimed is asked for on its own: the user (or service account), every group, the uid, every
extra value. What is not asked for is what anybody of that name has: the groups of a service account,
``system:authenticated``.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from kube_lite import errors
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.http import Request
from kube_lite.api.user import ANONYMOUS, AUTHENTICATED, SERVICE_ACCOUNTS, UNAUTHENTICATED, User

ACCOUNT_PREFIX = "system:serviceaccount:"
_EXTRA = b"impersonate-extra-"
_GROUP = "authentication.k8s.io"


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
    for attributes in _checks(request.user, name, uid, groups, extra):
        authorizer.require(attributes)
    request.user = _user(name, uid, groups, extra)


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


def _user(name: str, uid: str, groups: list[str], extra: dict[str, list[str]]) -> User:
    account = account_of(name)
    if account is not None and not groups:
        groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
    if name == ANONYMOUS.name:
        if UNAUTHENTICATED not in groups:
            groups = [*groups, UNAUTHENTICATED]
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups = [*groups, AUTHENTICATED]
    return User(name, uid, tuple(groups), extra, how="impersonation")
