"""Secrets: confidential configuration."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, invalid, key, required, too_long
from kube_lite.resources.kinds.configmap import SIZE_LIMIT, validate_immutable
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import annotation_path
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
"""Labels, with a date: when the token in a Secret was last used, and since when it is good no more."""
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
"""ConfigMap in kube-system whose ``since`` is the day on which uses began to be noted."""
ACCOUNT_NAME = "kubernetes.io/service-account.name"
REDACTED = "<secret contents redacted>"

_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _default(obj: Obj) -> None:
    """The type, and ``stringData`` moved into ``data``, which is how it is stored."""
    if not obj.get("type"):
        obj["type"] = "Opaque"
    if plain := obj.pop("stringData", None):
        data = obj.setdefault("data", {})
        for name, text in plain.items():
            data[name] = base64.b64encode(text.encode()).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (ValueError, binascii.Error):
        return b""


def _json_problem(text: bytes) -> str:
    """Why it is not JSON, as Go's decoder says it; '' when it is."""
    try:
        value = json.loads(text or b"")
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            return "unexpected end of JSON input"
        return f"invalid character '{text.decode(errors='replace')[error.pos]}' looking for beginning of value"
    except UnicodeDecodeError:
        return "invalid character in JSON"
    except RecursionError:
        return "exceeded max depth"
    if value is None or isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {_go_kind(value)} into Go value of type map[string]interface {{}}"


def _go_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    data, kind = obj.get("data") or {}, obj.get("type", "")
    total = 0
    for name, value in data.items():
        found.extend(invalid(key("data", name), name, problem) for problem in names.config_map_key(name))
        total += len(value) * 3 // 4 - value[-2:].count("=")
    if total > SIZE_LIMIT:
        found.append(too_long("data", SIZE_LIMIT))
    if kind == "kubernetes.io/service-account-token":
        if not ((obj.get("metadata") or {}).get("annotations") or {}).get(ACCOUNT_NAME):
            found.append(required(annotation_path(ACCOUNT_NAME)))
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            # Upstream formats these paths and the next wrongly; clients see them so.
            found.append(required("data[%s][username]"))
            found.append(required("data[%s][password]"))
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            found.append(required("data[%s][ssh-privatekey]"))
    else:
        for name in _NEEDED_KEYS.get(kind, ()):
            if name not in data:
                found.append(required(key("data", name)))
            elif name.startswith(".docker") and (problem := _json_problem(_bytes(data[name]))):
                found.append(invalid(key("data", name), REDACTED, problem))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    if new.get("type") != old.get("type"):
        found.append(invalid("type", new.get("type"), IMMUTABLE))
    return found + validate_immutable(new, old, ("data",)) + _validate(new)


def _prepare_update(new: Obj, old: Obj) -> None:
    """A type that is left out stays."""
    if not new.get("type"):
        new["type"] = old.get("type", "Opaque")


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    if new.get("type") != "kubernetes.io/tls":
        return []
    from kube_lite.resources.key_pair import key_pair_problem

    data = new.get("data") or {}
    problem = key_pair_problem(_bytes(data.get("tls.crt", "")), _bytes(data.get("tls.key", "")))
    return [problem] if problem else []


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


RESOURCES = (
    Resource(
        kind="Secret",
        update_checks=REPLACED,
        plural="secrets",
        definition="io.k8s.api.core.v1.Secret",
        generation=False,
        default=_default,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        columns=(NAME_COLUMN, Column("Type"), Column("Data"), AGE_COLUMN),
        row=_row,
        selectable=lambda obj: {"type": obj.get("type", "")},
        selectable_names=("type",),
    ),
)
