"""Who makes a request, as authentication found out and authorization, admission and audit use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
NODES = "system:nodes"
EXECUTORS = "kube-lite:nodes"
"""Nodes that joined with the node token: kubelet and kube-proxy in one."""
SERVICE_ACCOUNTS = "system:serviceaccounts"


class User(msgspec.Struct, frozen=True):
    """A name, its groups, and how it was proved (``how``: token, certificate, unix-socket, in-process)."""

    name: str
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    how: str = ""

    def to_json(self) -> dict[str, Any]:
        """As ``userInfo`` in reviews and audit events."""
        info: dict[str, Any] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {k: list(v) for k, v in self.extra.items()}
        return info


ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,), how="anonymous")
SERVER = User("system:apiserver", groups=(MASTERS,), how="in-process")
"""The server itself."""


def service_account(namespace: str, name: str, uid: str = "", how: str = "in-process") -> User:
    """The identity of a service account, with the groups upstream gives it."""
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", uid=uid, groups=groups, how=how)
