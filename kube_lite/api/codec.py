"""Between bytes on the wire and objects: decoding request bodies by the schema, encoding answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kube_lite import errors
from kube_lite.api import body as bodies
from kube_lite.api import options
from kube_lite.api.http import Request, Response, decode_json, encode_json
from kube_lite.api.large import beside
from kube_lite.api.negotiate import JSON, PROTOBUF, YAML, Form
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.resources import decode, field, schema
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource


def type_of(resource: Resource) -> schema.Type:
    """The compiled schema of a resource's objects."""
    if resource.schema is not None:
        found: schema.Type = resource.schema
        return found
    return schema.type_for(resource.group, resource.version, resource.kind)


def decode_body(request: Request, resource: Resource, raw: bytes, wanted: WriteOptions) -> Obj:
    """The object in a request body: parsed, of the right kind, pruned and canonical.

    :raises BadRequest: not JSON or YAML, of another kind, or with a value of the wrong type
    """
    value, duplicates = parse(request, raw, resource.kind, wanted.field_validation != "Ignore" and not request.own)
    if resource.custom:
        check_custom_kind(resource, value, raw)
        if bodies.FRACTION.search(raw):
            value = bodies.without_empty_fractions(value)
    check_kind(resource, value)
    return decode_object(resource, value, wanted, request.warnings, duplicates, lambda: _as_json(request, raw))


def _as_json(request: Request, raw: bytes) -> bytes:
    """The JSON text that upstream's decoder reads of a body: YAML is turned into JSON with sorted keys first."""
    media = bodies.media_type(request.header("content-type"))
    if media == JSON:
        return raw
    value, _ = parse(request, raw, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(request: Request, raw: bytes, kind: str, find_duplicates: bool = False) -> tuple[Obj, list[str]]:
    """A body as a mapping, and the complaints about fields that occur twice."""
    bodies.check_size(raw)
    media = request.header("content-type").split(";", 1)[0].strip().lower()
    if media == PROTOBUF:
        from kube_lite.api import protobuf

        if not raw.startswith(protobuf.MAGIC):
            raise errors.BadRequest(bodies.unrecognized(protobuf.NO_ENVELOPE, kind, raw))
        return protobuf.decode(raw), []
    parsed = bodies.parse(raw, media or JSON, kind)
    return parsed.value, parsed.strict_errors() if find_duplicates else []


def check_kind(resource: Resource, value: Obj, sub: Subresource | None = None) -> None:
    """Fill in kind and apiVersion, or refuse others. :raises BadRequest: the body is of another kind"""
    kind, version = resource.kind, resource.api_version
    if sub is not None and sub.kind:
        kind = sub.kind
        version = f"{sub.group}/{sub.version}" if sub.group else sub.version
    given_kind, given_version = value.get("kind") or kind, value.get("apiVersion") or version
    if not isinstance(given_kind, str) or not isinstance(given_version, str):
        raise errors.BadRequest("kind and apiVersion must be strings")
    if resource.custom and version == resource.api_version != given_version:
        raise errors.BadRequest(mismatched(given_version, version))  # any kind decodes: no type says otherwise
    if (given_kind, given_version) != (kind, version):
        raise errors.BadRequest(_other_kind(given_kind, given_version, kind, version))
    value["kind"], value["apiVersion"] = kind, version


def check_custom_kind(resource: Resource, value: Obj, raw: bytes) -> None:
    """Custom resources must say what they are, and another kind of the same version is an invalid value.

    :raises BadRequest: apiVersion or kind is missing
    :raises Invalid: another kind
    """
    for name in ("kind", "apiVersion"):
        if not value.get(name):
            shown = "Kind" if name == "kind" else name
            raise errors.BadRequest(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                + _at_the_end(f"unmarshalerDecoder: Object '{shown}' is missing in", raw)
            )
    kind = value["kind"]
    if kind != resource.kind and value["apiVersion"] == resource.api_version and isinstance(kind, str):
        wrong = field.invalid("kind", kind, f"must be {resource.kind}")
        raise errors.invalid(kind, resource.group, (value.get("metadata") or {}).get("name") or "", [wrong])


def _at_the_end(what: str, raw: bytes) -> str:
    """A complaint about a whole body in the words of upstream's streaming decoder, which has read it to its end."""
    text = raw.decode(errors="replace")
    near, around = text[-10:], text[-50:]
    return f"{what} '{text}', error found in #{len(near)} byte of ...|{near}|..., bigger context ...|{around}|..."


def _other_kind(kind: str, version: str, wanted_kind: str, wanted_version: str) -> str:
    def split(api_version: str) -> tuple[str, str]:
        group, _, number = api_version.rpartition("/")
        return group, number

    group, number = split(version)
    wanted_group, _ = split(wanted_version)
    if not _registered(group, number, kind):
        why = unregistered(kind, version, wanted_group)
        return f'{kind} in version "{number}" cannot be handled as a {wanted_kind}: {why}'
    if kind == wanted_kind and version != wanted_version:
        return mismatched(version, wanted_version)
    return (
        f'{kind} in version "{number}" cannot be handled as a {wanted_kind}: '
        f"{unconvertible(kind, number, wanted_kind, wanted_group)}"
    )


_LATER: Final = {
    ("batch", "v1", "CronJob"),
    ("storage.k8s.io", "v1", "CSIStorageCapacity"),
    ("networking.k8s.io", "v1", "IPAddress"),
    ("networking.k8s.io", "v1", "ServiceCIDR"),
}
_LATER_VERSIONS: Final = {
    ("policy", "v1"),
    ("discovery.k8s.io", "v1"),
    ("autoscaling", "v2"),
    ("flowcontrol.apiserver.k8s.io", "v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta3"),
}
_EARLIER_VERSIONS: Final = {
    ("extensions", "v1beta1"),
    ("apps", "v1beta1"),
    ("apps", "v1beta2"),
    ("batch", "v1beta1"),
    ("autoscaling", "v2beta1"),
    ("autoscaling", "v2beta2"),
    ("policy", "v1beta1"),
    ("networking.k8s.io", "v1beta1"),
    ("rbac.authorization.k8s.io", "v1beta1"),
    ("rbac.authorization.k8s.io", "v1alpha1"),
    ("storage.k8s.io", "v1beta1"),
    ("scheduling.k8s.io", "v1beta1"),
    ("coordination.k8s.io", "v1beta1"),
    ("discovery.k8s.io", "v1beta1"),
    ("events.k8s.io", "v1beta1"),
    ("node.k8s.io", "v1beta1"),
    ("admissionregistration.k8s.io", "v1beta1"),
    ("authentication.k8s.io", "v1beta1"),
    ("authorization.k8s.io", "v1beta1"),
    ("certificates.k8s.io", "v1beta1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta1"),
}
"""Versions that are no longer described, and those that came after the servers whose words are spoken here."""


def _registered(group: str, version: str, kind: str) -> bool:
    """Whether upstream's decoder knew that kind when its answers were recorded; else it says so first."""
    if group == "meta.k8s.io" or (kind == "List" and (group, version) == ("", "v1")):
        return True
    if (group, version) in _EARLIER_VERSIONS:
        return any(known == kind for _, _, known in schema.kinds())
    late = (group, version) in _LATER_VERSIONS or (group, version, kind) in _LATER
    return not late and (group, version, kind) in schema.kinds()


_SCHEMES: Final = {
    "apiextensions.k8s.io": "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:52",
    "apiregistration.k8s.io": "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:32",
}
"""Where upstream keeps the types of the groups that have servers of their own."""


def unregistered(kind: str, version: str, wanted_group: str = "") -> str:
    """What upstream's decoder says of a kind that it does not know, asked for one of ``wanted_group``."""
    where = _SCHEMES.get(wanted_group, "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30")
    return f'no kind "{kind}" is registered for version "{version}" in scheme "{where}"'


def mismatched(version: str, wanted: str) -> str:
    """What it says of the right kind in another version."""
    return f"the API version in the data ({version}) does not match the expected API version ({wanted})"


def unconvertible(kind: str, version: str, wanted: str, wanted_group: str) -> str:
    """What it says of a kind that it knows, but not as the one that was wanted (of its internal package)."""
    package = {"": "core", "meta.k8s.io": "v1", "events.k8s.io": "core"}.get(wanted_group)
    package = package or wanted_group.partition(".")[0]
    return f"converting ({version}.{kind}) to ({package}.{wanted}): unknown conversion"


_UNVERSIONED: Final = {"JobSpec", "JobStatus", "JobCondition"}
"""Structs that withdrawn versions took from the later ones."""


def _of_version(resource: Resource, told: str) -> str:
    """A decoder's complaint with the structs of a withdrawn version named as its own: ``v1beta1.CronJobSpec``."""
    later = resource.storage_version or resource.version
    if not resource.definition or later == resource.version:
        return told
    package = ".".join([*resource.definition.split(".")[:-2], later])

    def renamed(found: re.Match[str]) -> str:
        if f"{package}.{found[1]}" not in schema.definitions():
            return found[0]
        return f"{later if found[1] in _UNVERSIONED else resource.version}.{found[1]}"

    path, cut, rest = told.partition(", error found in")
    return re.sub(rf"\b(?:{later}|{resource.version})\.([A-Z]\w*)", renamed, path) + cut + rest


def decode_object(
    resource: Resource,
    value: Obj,
    wanted: WriteOptions,
    warnings: list[str],
    duplicates: list[str] | None = None,
    text: Callable[[], bytes] | None = None,
) -> Obj:
    """Prune and canonicalise a parsed object by its schema; complaints go where fieldValidation says.

    :param text: gives the object's JSON, which is quoted in complaints
    :raises BadRequest: a value of the wrong type, or under strict validation an unknown field
    """
    try:
        result = decode.decode(type_of(resource), value, None if resource.custom else text)
    except decode.DecodeError as error:
        raise errors.BadRequest(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"{_of_version(resource, str(error))}"
        ) from error
    complaints = [*(duplicates or ()), *result.strict_errors]
    if complaints and wanted.field_validation != "Ignore":
        if result.unknown and text and not resource.custom:
            of_yaml = [told for told in duplicates or () if not told.startswith("duplicate")]
            complaints = [*of_yaml, *bodies.strict_complaints(text(), result.unknown)]  # one decoder finds both
        if wanted.field_validation == "Strict":
            joined = ", ".join(complaints)
            raise errors.BadRequest(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {joined}"
            )
        warnings.extend(bodies.warnings_of(complaints))
    obj = result.obj
    obj.setdefault("metadata", {})
    return obj


class Part(msgspec.Struct, frozen=True):
    """What is sent to a subresource: a kind that is never stored, and the versions in which it may come."""

    kind: str
    definition: str
    versions: tuple[str, ...]
    """The first is the one that a body means which names none."""


SCALE: Final = Part(
    "Scale",
    "io.k8s.api.autoscaling.v1.Scale",
    ("autoscaling/v1", "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"),
)
EVICTION: Final = Part("Eviction", "io.k8s.api.policy.v1.Eviction", ("policy/v1beta1", "policy/v1"))


def decode_part(request: Request, raw: bytes, part: Part) -> Obj:
    """The object sent to a subresource, pruned. :raises BadRequest: another kind, or a value of the wrong type"""
    value, _ = parse(request, raw, part.kind)
    given, version = value.get("kind") or part.kind, value.get("apiVersion") or part.versions[0]
    if given != part.kind or version not in part.versions:
        raise errors.BadRequest(_other_kind(given, version, part.kind, part.versions[0]))
    try:
        return decode.decode(schema.type_of(part.definition), value, lambda: _as_json(request, raw)).obj
    except decode.DecodeError as error:
        number = version.rpartition("/")[2]
        told = re.sub(rf"\bv1\.{part.kind}", f"{number}.{part.kind}", str(error))
        raise errors.BadRequest(
            f'{part.kind} in version "{number}" cannot be handled as a {part.kind}: {told}'
        ) from error


def nested_delete_options(request: Request, value: Any) -> DeleteOptions:
    """The DeleteOptions inside an Eviction."""
    if not value:
        return DeleteOptions()
    return _delete_options(request, value)


async def delete_options(request: Request) -> DeleteOptions:
    """DeleteOptions from body or query. :raises BadRequest: the body is something else"""
    raw = await request.body()
    if not raw:
        return options.delete_options(request, None)
    value, _ = await beside(len(raw), parse, request, raw, "DeleteOptions")
    kind = value.get("kind") or "DeleteOptions"
    if kind != "DeleteOptions":
        version = value.get("apiVersion") or "v1"
        raise errors.BadRequest(_other_kind(kind, version, "DeleteOptions", "meta.k8s.io/v1"))
    return _delete_options(request, value)


def _delete_options(request: Request, value: Any) -> DeleteOptions:
    try:
        result = decode.decode(schema.type_of("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"), value)
    except decode.DecodeError as error:
        raise errors.BadRequest(str(error)) from error
    return options.delete_options(request, result.obj)


def answer(body: bytes, form: Form, code: int = 200) -> Response:
    """JSON bytes in the media type that was asked for."""
    if form.media == JSON:
        return Response(code, body)
    return encoded(decode_json(body), form, code)


def encoded(value: Any, form: Form, code: int = 200) -> Response:
    """A value in the media type that was asked for."""
    if form.media == YAML:
        from kube_lite.api.yaml_body import dump

        return Response(code, dump(value).encode(), YAML)
    if form.media == PROTOBUF:
        from kube_lite.api import protobuf

        return Response(code, protobuf.encode(value), PROTOBUF)
    return Response(code, encode_json(value))
