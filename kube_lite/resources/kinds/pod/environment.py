"""Validation of environment variables and of the downward API, which volumes use too."""

from __future__ import annotations

from collections.abc import Mapping

from kube_lite.resources import names, quantity
from kube_lite.resources.field import Errors, child, index, invalid, not_found, not_supported, required
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import dns_label, dns_subdomain, no_backsteps

ENV_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_LATER_FIELDS = frozenset({"status.hostIPs"})
"""Supported, but not listed where another one is refused: as answers were recorded."""
VOLUME_FIELDS = frozenset(
    {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
)
_KNOWN_FIELDS = (
    ENV_FIELDS
    | VOLUME_FIELDS
    | {"spec.host", "spec.restartPolicy", "spec.schedulerName", "status.phase", "metadata.labels"}
)
RESOURCE_FIELDS = frozenset(
    {
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
    }
)
_RESOURCE_PREFIXES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_ONE_SOURCE = "may not have more than one field specified at a time"


def validate_field_ref(ref: Obj, path: str, allowed: frozenset[str]) -> Errors:
    """A field of the pod that a variable or file shows."""
    version, field_path = ref.get("apiVersion", ""), ref.get("fieldPath", "")
    if not version:
        return [required(child(path, "apiVersion"))]
    at = child(path, "fieldPath")
    if not field_path:
        return [required(at)]
    base, bracket, rest = field_path.partition("['")
    subscripted = bool(bracket) and rest.endswith("']")
    known = base in ("metadata.annotations", "metadata.labels") if subscripted else field_path in _KNOWN_FIELDS
    if version != "v1" or not known:
        problem = f"field label not supported: {field_path}"
        if version != "v1":
            problem = f"unsupported pod version: {version}"
        elif subscripted:
            problem = f"field label does not support subscript: {field_path}"
        return [invalid(at, field_path, f"error converting fieldPath: {problem}")]
    if subscripted:
        subscript = rest[:-2]
        key = subscript.lower() if base == "metadata.annotations" else subscript
        return [invalid(path, subscript, problem) for problem in names.qualified_name(key)]
    shown = "spec.nodeName" if field_path == "spec.host" else field_path
    return [] if shown in allowed else [not_supported(at, shown, allowed - _LATER_FIELDS)]


def validate_resource_ref(ref: Obj, path: str, *, volume: bool) -> Errors:
    """An amount of a container that a variable or file shows."""
    name = ref.get("resource", "")
    if volume and not ref.get("containerName"):
        return [required(child(path, "containerName"))]
    if not name:
        return [required(child(path, "resource"))]
    found: Errors = []
    if name not in RESOURCE_FIELDS and not name.startswith(_RESOURCE_PREFIXES):
        found.append(not_supported(child(path, "resource"), name, RESOURCE_FIELDS))
    divisor = ref.get("divisor", "0")
    if quantity.parse(divisor).nanos:
        kind = name.partition(".")[2]
        at = child(path, "divisor")
        if kind == "cpu" and divisor not in ("1m", "1"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            found.append(invalid(at, name, detail))
        elif kind in ("memory", "ephemeral-storage") and divisor not in _SIZES:
            found.append(invalid(at, name, _bad_size("memory" if kind == "memory" else "local ephemeral storage")))
        elif kind.startswith("hugepages-") and divisor not in _SIZES:
            found.append(invalid(at, name, _bad_size("hugepages")))
    return found


def _bad_size(what: str) -> str:
    return f"only divisor's values {', '.join(_SIZES)} are supported with the {what} resource"


def _key_ref(ref: Obj, path: str) -> Errors:
    found = dns_subdomain(ref.get("name", ""), child(path, "name"))
    if not (key := ref.get("key", "")):
        found.append(required(child(path, "key")))
    else:
        found.extend(invalid(child(path, "key"), key, problem) for problem in names.config_map_key(key))
    return found


def _file_ref(ref: Obj, path: str, volumes: Mapping[str, Obj]) -> Errors:
    """A key of a file in a volume of the pod, which must be a directory of its own."""
    key, volume, where = ref.get("key", ""), ref.get("volumeName", ""), ref.get("path", "")
    at = child(path, "volumeName")
    found: Errors = [] if key else [required(child(path, "key"))]
    found.extend(invalid(child(path, "key"), key, problem) for problem in (names.env_var_name(key) if key else ()))
    found.extend(dns_label(volume, at) if volume else [required(at)])
    found.extend(no_backsteps(where, child(path, "path")) if where else [required(child(path, "path"))])
    if not volume:
        return found
    if (source := volumes.get(volume)) is None:
        found.append(not_found(at, volume))
    elif "emptyDir" not in source:
        found.append(invalid(at, volume, "referenced volume must be of type emptyDir"))
    return found


def _value_from(variable: Obj, path: str, volumes: Mapping[str, Obj]) -> Errors:
    source = variable["valueFrom"]
    found: Errors = []
    count = 0
    if (ref := source.get("fieldRef")) is not None:
        count += 1
        found.extend(validate_field_ref(ref, child(path, "fieldRef"), ENV_FIELDS))
    if (ref := source.get("resourceFieldRef")) is not None:
        count += 1
        found.extend(validate_resource_ref(ref, child(path, "resourceFieldRef"), volume=False))
    for name in ("configMapKeyRef", "secretKeyRef"):
        if (ref := source.get(name)) is not None:
            count += 1
            found.extend(_key_ref(ref, child(path, name)))
    if (ref := source.get("fileKeyRef")) is not None:
        count += 1
        found.extend(_file_ref(ref, child(path, "fileKeyRef"), volumes))
    if not count:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        found.append(invalid(path, "", detail))
    if variable.get("value"):
        if count:
            found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        found.append(invalid(path, "", _ONE_SOURCE))
    return found


def validate_env(variables: list[Obj], path: str, volumes: Mapping[str, Obj]) -> Errors:
    """``env`` of a container; ``volumes`` are those of its pod by name."""
    found: Errors = []
    for i, variable in enumerate(variables):
        name = variable.get("name", "")
        if not name:
            found.append(required(child(index(path, i), "name")))
        elif problems := names.env_var_name(name):
            found.extend(invalid(child(index(path, i), "name"), name, problem) for problem in problems)
        if "valueFrom" in variable:
            found.extend(_value_from(variable, child(index(path, i), "valueFrom"), volumes))
    return found


def validate_env_from(sources: list[Obj], path: str) -> Errors:
    """``envFrom``."""
    found: Errors = []
    for i, source in enumerate(sources):
        at = index(path, i)
        if prefix := source.get("prefix"):
            found.extend(invalid(child(at, "prefix"), prefix, problem) for problem in names.env_var_name(prefix))
        count = 0
        for name in ("configMapRef", "secretRef"):
            if (ref := source.get(name)) is None:
                continue
            count += 1
            if not (referenced := ref.get("name", "")):
                found.append(required(child(child(at, name), "name")))
            else:  # upstream takes what could be the start of a name
                problems = names.subdomain_name(referenced, True)
                found.extend(invalid(child(child(at, name), "name"), referenced, problem) for problem in problems)
        if count != 1:
            detail = _ONE_SOURCE if count else "must specify one of: `configMapRef` or `secretRef`"
            found.append(invalid(path, "", detail))
    return found
