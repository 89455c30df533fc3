"""What is asked for, in the words of a SubjectAccessReview, and the refusal in upstream's words."""

from __future__ import annotations

import msgspec

from kube_lite.api.request_info import RequestInfo
from kube_lite.api.user import User
from kube_lite.errors import Forbidden, qualified

READ = ("get", "list", "watch")
_NARROWED = ("list", "watch")


class Attributes(msgspec.Struct, frozen=True):
    """What is asked for, as in a SubjectAccessReview."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""

    @property
    def full_resource(self) -> str:
        """``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def field(self, name: str) -> str:
        """The value that the field selector requires of ``name``; '' when it requires none."""
        for term in self.field_selector.split(","):
            key, equals, value = term.partition("=")
            if equals and key.strip() == name:
                return value.removeprefix("=").strip()
        return ""


def attributes_of(user: User, info: RequestInfo) -> Attributes:
    """What a request asks for."""
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    name, selector = info.name, info.param("fieldSelector")
    asked = Attributes(
        user, info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, name, "", selector
    )
    if selector and not name and info.verb in _NARROWED and (only := asked.field("metadata.name")):
        # a collection narrowed to one name counts as that object: rules with resourceNames apply
        return Attributes(
            user, info.verb, info.group, info.version, info.resource, "", info.namespace, only, "", selector
        )
    return asked


def refusal(a: Attributes, reason: str = "") -> Forbidden:
    """The 403 in upstream's words."""
    tail = f": {reason}" if reason else ""
    if a.path:
        return Forbidden(f'forbidden: User "{a.user.name}" cannot {a.verb} path "{a.path}"{tail}', {})
    where = f' in the namespace "{a.namespace}"' if a.namespace else " at the cluster scope"
    what = f'User "{a.user.name}" cannot {a.verb} resource "{a.full_resource}" in API group "{a.group}"{where}{tail}'
    quoted = f' "{a.name}"' if a.name else ""
    details = {k: v for k, v in (("name", a.name), ("group", a.group), ("kind", a.resource)) if v}
    return Forbidden(f"{qualified(a.resource, a.group)}{quoted} is forbidden: {what}", details)
