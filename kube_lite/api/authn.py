"""Authentication: who is calling, from a client certificate, a bearer token (in a header or, over
websocket, among the subprotocols) or the owner of a unix socket.

The first method that says anything decides: a wrong token is 401 even beside a valid certificate. Nobody is
``system:anonymous``, which authorization lets see little.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from kube_lite.api import websocket
from kube_lite.api.http import Request
from kube_lite.api.user import ANONYMOUS, AUTHENTICATED, MASTERS, User
from kube_lite.errors import Unauthorized

logger = logging.getLogger(__name__)

PEER_CERTIFICATE = "kube_lite.peer_certificate"
"""Key in the ASGI scope: what ``SSLObject.getpeercert()`` gave."""
PEER_UID = "kube_lite.peer_uid"
"""Key in the ASGI scope: the user id at the other end of a unix socket."""

TokenReviewer = Callable[[str], Awaitable[User | None]]


def read_token_file(path: Path) -> dict[str, User]:
    """Static tokens: lines of ``token,user,uid,"group1,group2"`` (upstream's ``--token-auth-file``).

    :raises ValueError: it cannot be read, or a line has fewer than three columns, naming it
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else f"not a file of comma-separated text ({error})"
        raise ValueError(f"--token-auth-file {path}: {why}") from error
    users: dict[str, User] = {}
    for number, row in enumerate(rows, 1):
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        if len(row) < 3 or not row[0].strip():
            raise ValueError(f"{path}, line {number}: want token,user,uid[,groups], found {len(row)} columns")
        token, name, uid = (column.strip() for column in row[:3])
        if token in users and users[token].name != name:  # upstream warns, too, and takes the last
            logger.warning("%s, line %d: the token of %s is %s's from now on", path, number, users[token].name, name)
        groups = tuple(g.strip() for g in row[3].split(",") if g.strip()) if len(row) > 3 else ()
        users[token] = User(name, uid, (*groups, AUTHENTICATED), how="token")
    return users


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Authenticator:
    """Tells the user of a request.

    :param tokens: static bearer tokens
    :param owner_uid: the user id that is administrator over the unix socket
    """

    def __init__(self, tokens: Mapping[str, User], owner_uid: int, reviewers: Sequence[TokenReviewer] = ()) -> None:
        # looked up by digest: how long a comparison takes says nothing about the token
        self._tokens = {_digest(token): user for token, user in tokens.items()}
        self._owner_uid = owner_uid
        self.reviewers = list(reviewers)

    def add_token(self, token: str, user: User) -> None:
        """Accept one more static token."""
        self._tokens[_digest(token)] = user

    async def authenticate(self, request: Request) -> User:
        """The user of a request. :raises Unauthorized: credentials that are not valid"""
        authorization = request.header("authorization")
        if authorization:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return await self.by_token(token.strip())
            if scheme.lower() == "bearer":
                raise Unauthorized("Unauthorized")
        elif request.header("sec-websocket-protocol") and (token := websocket.bearer_token(request)):
            return await self.by_token(token)
        certificate = request.scope.get(PEER_CERTIFICATE)
        if certificate:
            return by_certificate(certificate)
        peer_uid = request.scope.get(PEER_UID)
        if peer_uid is not None:
            if peer_uid not in (self._owner_uid, 0):
                raise Unauthorized("Unauthorized")
            return User("kube-lite:owner", groups=(MASTERS, AUTHENTICATED), how="unix-socket")
        return ANONYMOUS

    async def by_token(self, token: str) -> User:
        """The user of a bearer token. :raises Unauthorized: nobody knows it"""
        user = self._tokens.get(_digest(token))
        if user is not None:
            return user
        for reviewer in self.reviewers:
            found = await reviewer(token)
            if found is not None:
                return found
        raise Unauthorized("Unauthorized")


def by_certificate(certificate: Mapping[str, object]) -> User:
    """The user of a verified client certificate: common name and organizations (upstream's x509 request header)."""
    subject = certificate.get("subject") or ()
    assert isinstance(subject, tuple)
    return _by_subject(subject)


@lru_cache(maxsize=1024)
def _by_subject(subject: tuple[tuple[tuple[str, str], ...], ...]) -> User:
    name, groups = "", []
    for part in subject:
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        raise Unauthorized("Unauthorized")
    return User(name, groups=(*groups, AUTHENTICATED), how="certificate")
