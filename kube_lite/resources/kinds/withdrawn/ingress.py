"""Ingresses of networking.k8s.io/v1beta1 and extensions/v1beta1: the backend is a name and a port.

Fields, defaults and conversion are those of Kubernetes' ``pkg/apis/networking/v1beta1``.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_lite.errors import FieldError
from kube_lite.resources.field import Errors
from kube_lite.resources.kinds import ingress, ingressclass
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy, renamed
from kube_lite.resources.meta import Obj

ANY_PATH = "ImplementationSpecific"
"""What a path means where the old version does not say."""
_FIELDS = {
    "spec.defaultBackend": "spec.backend",
    ".service.name": ".serviceName",
    ".service.port.name": ".servicePort",
    ".service.port.number": ".servicePort",
}


def _backend_up(backend: Obj) -> Obj:
    made = {key: value for key, value in backend.items() if key not in ("serviceName", "servicePort")}
    name, port = backend.get("serviceName"), backend.get("servicePort")
    if name or port:
        asked = {"name": port} if isinstance(port, str) else {"number": port}
        made["service"] = {"name": name or "", "port": asked if port else {}}
    return made


def _backend_down(backend: Obj) -> Obj:
    made = {key: value for key, value in backend.items() if key != "service"}
    service = backend.get("service")
    if service is not None:
        port = service.get("port") or {}
        made |= {"serviceName": service.get("name", ""), "servicePort": port.get("name") or port.get("number") or 0}
    return made


def _converted(obj: Obj, old: str, new: str, backend: Callable[[Obj], Obj]) -> Obj:
    """``obj`` with every backend converted; the one for all that no rule names moves from ``old`` to ``new``."""
    spec = obj.get("spec")
    if not spec:
        return obj
    made = {key: value for key, value in spec.items() if key != old}
    if spec.get(old) is not None:
        made[new] = backend(spec[old])
    if spec.get("rules"):
        made["rules"] = [_rule(rule, backend) for rule in spec["rules"]]
    return {**obj, "spec": made}


def _rule(rule: Obj, backend: Callable[[Obj], Obj]) -> Obj:
    http = rule.get("http")
    if not http or not http.get("paths"):
        return rule
    paths = [{**path, "backend": backend(path.get("backend") or {})} for path in http["paths"]]
    return {**rule, "http": {**http, "paths": paths}}


def up(obj: Obj) -> Obj:
    """The v1 form of a v1beta1 Ingress."""
    return _converted(obj, "backend", "defaultBackend", _backend_up)


def down(obj: Obj) -> Obj:
    """The v1beta1 form of a v1 Ingress."""
    return _converted(obj, "defaultBackend", "backend", _backend_down)


def _default(obj: Obj) -> None:
    for rule in (obj.get("spec") or {}).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            path.setdefault("pathType", ANY_PATH)


def _told(obj: Obj, problems: Errors) -> Errors:
    problems = renamed(ingress.without_secret_names(problems), _FIELDS)  # v1beta1 took any
    return [FieldError(p.reason, p.field, p.message.replace("`defaultBackend`", "`backend`")) for p in problems]


_INGRESS = ingress.RESOURCES[0]
_CONVERSION = Conversion(up, down)

RESOURCES = (
    legacy(
        _INGRESS,
        "v1beta1",
        Release("v1.19", "v1.22"),
        conversion=_CONVERSION,
        default=_default,
        errors=_told,
    ),
    legacy(ingressclass.RESOURCES[0], "v1beta1", Release("v1.19", "v1.22")),
    legacy(
        _INGRESS,
        "v1beta1",
        Release("v1.14", "v1.22"),
        group="extensions",
        conversion=_CONVERSION,
        default=_default,
        errors=_told,
    ),
)
