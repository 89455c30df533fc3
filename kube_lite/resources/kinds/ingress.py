"""Ingresses: HTTP routes to services."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.addresses import load_balancer_status
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, GoLiteral, child, index, invalid, not_supported, required, show
from kube_lite.resources.kinds.replicaset import prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource, status
from kube_lite.resources.rules import dns_subdomain, parse_ip, port_number

PATH_TYPES = frozenset({"Exact", "ImplementationSpecific", "Prefix"})
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}


def validate_object_reference(reference: Obj, path: str) -> Errors:
    """A reference to an object of any kind, in a group that may be named."""
    found: Errors = []
    if (group := reference.get("apiGroup")) is not None:
        found.extend(dns_subdomain(group, child(path, "apiGroup")))
    for name in ("kind", "name"):
        value = reference.get(name, "")
        if not value:
            found.append(required(child(path, name), f"{name} is required"))
        else:
            found.extend(invalid(child(path, name), value, problem) for problem in names.path_segment(value))
    return found


def _backend(backend: Obj, path: str) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return validate_object_reference(resource, child(path, "resource"))
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    found: Errors = []
    at = child(path, "service")
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        found.append(required(child(at, "name")))
    else:
        # since v1.36 a Service's name may start with a digit; what is told of others is as before
        problems = names.dns_1035_label(name) if names.dns_label(name) else ()
        found.extend(invalid(child(at, "name"), name, problem) for problem in problems)
    where = child(at, "port")
    if port.get("name") and port.get("number"):
        found.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        text = port["name"]
        found.extend(invalid(child(where, "name"), text, problem) for problem in names.port_name(text))
    elif port.get("number"):
        found.extend(port_number(port["number"], child(where, "number")))
    else:
        found.append(required(path, "port name or number is required"))
    return found


def _path(entry: Obj, path: str) -> Errors:
    found: Errors = []
    text, kind = entry.get("path", ""), entry.get("pathType")
    at = child(path, "path")
    if kind is None:
        return [required(child(path, "pathType"), "pathType must be specified")]
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            found.append(invalid(at, text, "must be an absolute path"))
        found.extend(invalid(at, text, f"must not contain '{bad}'") for bad in _BAD_SEQUENCES if bad in text)
        found.extend(invalid(at, text, f"cannot end with '{bad}'") for bad in _BAD_ENDINGS if text.endswith(bad))
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            found.append(invalid(at, text, "must be an absolute path"))
    else:
        found.append(not_supported(child(path, "pathType"), kind, PATH_TYPES))
    return found + _backend(entry.get("backend") or {}, child(path, "backend"))


def _host(host: str, path: str) -> Errors:
    problems = names.wildcard_dns_subdomain(host) if "*" in host else names.dns_subdomain(host)
    address = ("must be a DNS name, not an IP address",) if parse_ip(host) is not None else ()
    return [invalid(path, host, problem) for problem in (*address, *problems)]


def _rules(rules: list[Obj]) -> Errors:
    found: Errors = []
    for i, rule in enumerate(rules):
        at = index("spec.rules", i)
        if host := rule.get("host"):
            found.extend(_host(host, child(at, "host")))
        http = rule.get("http")
        if http is None:
            continue
        where = child(child(at, "http"), "paths")
        paths = http.get("paths") or []
        if not paths:
            found.append(required(where))
        for j, entry in enumerate(paths):
            found.extend(_path(entry, index(where, j)))
    return found


def _tls(entries: list[Obj]) -> Errors:
    found: Errors = []
    for i, entry in enumerate(entries):
        at = index("spec.tls", i)
        for j, host in enumerate(entry.get("hosts") or ()):
            problems = names.wildcard_dns_subdomain(host) if "*" in host else names.dns_subdomain(host)
            found.extend(invalid(index(child(at, "hosts"), j), host, problem) for problem in problems)
        if name := entry.get("secretName"):
            found.extend(dns_subdomain(name, child(at, "secretName")))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        shown = GoLiteral(f"[]networking.IngressRule{'(nil)' if spec.get('rules') is None else '{}'}")
        found.append(invalid("spec", shown, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        found.extend(_backend(backend, "spec.defaultBackend"))
    found.extend(_rules(rules))
    found.extend(_tls(spec.get("tls") or []))
    if (name := spec.get("ingressClassName")) is not None:
        found.extend(dns_subdomain(name, "spec.ingressClassName"))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    """A malformed name of a secret may stay: older versions took any."""
    found = _validate(new)
    return without_secret_names(found) if found and _names_badly(old) else found


def _names_badly(obj: Obj) -> bool:
    found = _tls((obj.get("spec") or {}).get("tls") or [])
    return without_secret_names(found) != found


def without_secret_names(problems: Errors) -> Errors:
    """The problems but those of secrets' names."""
    return [p for p in problems if not (p.field.startswith("spec.tls[") and p.field.endswith("].secretName"))]


def _validate_create(obj: Obj) -> Errors:
    spec, annotations = obj.get("spec") or {}, (obj.get("metadata") or {}).get("annotations") or {}
    found = _validate(obj)
    said, name = annotations.get(CLASS_ANNOTATION), spec.get("ingressClassName")
    if said is not None and name is not None and said != name:
        at, detail = f"annotations.{CLASS_ANNOTATION}", "must match `ingressClassName` when both are specified"
        found.append(invalid(at, said, detail))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    return load_balancer_status(new.get("status") or {}, old.get("status") or {})


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    if old is None and CLASS_ANNOTATION in annotations and (new.get("spec") or {}).get("ingressClassName") is None:
        return [f"annotation {show(CLASS_ANNOTATION)} is deprecated, please use 'spec.ingressClassName' instead"]
    return []


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    shown = ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "") if hosts else "*"
    ingress = (state.get("loadBalancer") or {}).get("ingress") or ()
    addresses = sorted({entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""})
    return [
        name_of(obj),
        spec.get("ingressClassName") or "<none>",
        shown,
        ",".join(addresses),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="Ingress",
        warnings=_warnings,
        update_checks=REPLACED,
        invalid_group="extensions",
        plural="ingresses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.Ingress",
        short_names=("ing",),
        subresources={"status": status(validate=_validate_status)},
        prepare_create=_prepare_create,
        prepare_update=prepare_update,
        validate=_validate_create,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Class"),
            Column("Hosts"),
            Column("Address"),
            Column("Ports"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
