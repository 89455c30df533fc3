"""The operations of every served resource, free of any document format: what OpenAPI v2 and v3 are written from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kube_lite.api import patch
from kube_lite.resources.registry import Resource, Subresource
from kube_lite.resources.schema import META, kinds

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
ANSWERS: Final = (JSON, PROTOBUF, YAML)
STREAMS: Final = (*ANSWERS, JSON + ";stream=watch", PROTOBUF + ";stream=watch")
PATCHES: Final = tuple(sorted(patch.BUILT_IN_PATCHES))
CUSTOM_PATCHES: Final = tuple(sorted(patch.CUSTOM_PATCHES))

STATUS: Final = META + "Status"
DELETE_OPTIONS: Final = META + "DeleteOptions"
WATCH_EVENT: Final = META + "WatchEvent"
VERSION_INFO: Final = "io.k8s.apimachinery.pkg.version.Info"
PATCH: Final = META + "Patch"
RESOURCE_LIST: Final = META + "APIResourceList"

GVK: Final = "x-kubernetes-group-version-kind"
ACTION: Final = "x-kubernetes-action"

REASONS: Final = {200: "OK", 201: "Created", 202: "Accepted"}
"""How each answer of an operation is described."""


class Parameter(msgspec.Struct, frozen=True):
    """A query or path parameter of a scalar type."""

    name: str
    description: str
    type: str = "string"
    place: str = "query"


class Operation(msgspec.Struct, frozen=True):
    """One method of one path. ``body`` and the values of ``answers`` are names of schemas, '' for none.

    ``action`` and ``gvk`` say what is done to which kind; empty for documents about what is served.
    """

    method: str
    path: str
    id: str
    tag: str
    description: str
    action: str
    gvk: tuple[str, str, str]
    path_parameters: tuple[Parameter, ...]
    query: tuple[Parameter, ...]
    answers: tuple[tuple[int, str], ...]
    body: str = ""
    consumes: tuple[str, ...] = ("*/*",)
    produces: tuple[str, ...] = ANSWERS

    @property
    def extensions(self) -> dict[str, Any]:
        """What is done to which kind, as the documents say it."""
        group, version, kind = self.gvk
        return {ACTION: self.action, GVK: {"group": group, "kind": kind, "version": version}} if kind else {}


def references(schema: Any) -> Iterator[str]:
    """Names of the definitions that a document, or a part of it, refers to."""
    if isinstance(schema, dict):
        target = schema.get("$ref")
        if isinstance(target, str):
            yield target.rpartition("/")[2]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


_PRETTY: Final = Parameter("pretty", "If 'true', then the output is pretty printed.")
_DRY_RUN: Final = Parameter("dryRun", "'All' processes the request in full but stores nothing.")
_MANAGER: Final = Parameter("fieldManager", "Name of the actor that makes these changes, for managedFields.")
_VALIDATION: Final = Parameter(
    "fieldValidation", "What to do with unknown and duplicate fields: 'Ignore', 'Warn' (the default) or 'Strict'."
)
_WRITE: Final = (_DRY_RUN, _MANAGER, _VALIDATION)
_APPLY: Final = (*_WRITE, Parameter("force", "Take over fields that others own (apply patches only).", "boolean"))
_REVISION: Final = Parameter("resourceVersion", "How fresh the answer must be.")
_LIST: Final = (
    Parameter("allowWatchBookmarks", "Send BOOKMARK events in a watch.", "boolean"),
    Parameter("continue", "Token of the next page of a limited list."),
    Parameter("fieldSelector", "Restricts the answer to objects with these field values."),
    Parameter("labelSelector", "Restricts the answer to objects with these labels."),
    Parameter("limit", "The most items to answer at once.", "integer"),
    _REVISION,
    Parameter("resourceVersionMatch", "How resourceVersion is applied: 'Exact' or 'NotOlderThan'."),
    Parameter("sendInitialEvents", "Begin a watch with the current state, closed by a bookmark.", "boolean"),
    Parameter("timeoutSeconds", "Limits the duration of the call.", "integer"),
    Parameter("watch", "Answer with a stream of changes.", "boolean"),
)
_DELETE: Final = (
    _DRY_RUN,
    Parameter("gracePeriodSeconds", "Seconds until the object is removed; 0 removes it at once.", "integer"),
    Parameter("orphanDependents", "Deprecated, use propagationPolicy.", "boolean"),
    Parameter("propagationPolicy", "What happens to dependants: 'Orphan', 'Background' or 'Foreground'."),
)
_COMMAND: Final = Parameter("command", "What to run, a word for each time it is given.")
_CONTAINER: Final = Parameter("container", "The container; needed where a pod has several.")
_STREAMS: Final = (
    _CONTAINER,
    Parameter("stderr", "Redirect the standard error stream.", "boolean"),
    Parameter("stdin", "Redirect the standard input stream.", "boolean"),
    Parameter("stdout", "Redirect the standard output stream.", "boolean"),
    Parameter("tty", "Use a terminal.", "boolean"),
)
_LOG: Final = (
    _CONTAINER,
    Parameter("follow", "Go on with what is written later.", "boolean"),
    Parameter("insecureSkipTLSVerifyBackend", "Do not check the certificate of the kubelet.", "boolean"),
    Parameter("limitBytes", "The most bytes to answer.", "integer"),
    _PRETTY,
    Parameter("previous", "The log of the container that ran before.", "boolean"),
    Parameter("sinceSeconds", "Leave out what is older than so many seconds.", "integer"),
    Parameter("stream", "'All' (the default), 'Stdout' or 'Stderr'."),
    Parameter("tailLines", "The last lines only, so many.", "integer"),
    Parameter("timestamps", "Begin each line with its time.", "boolean"),
)
_PATH: Final = Parameter("path", "The path below the object's own.")
_CONNECT: Final[dict[str, tuple[Parameter, ...]]] = {
    "PodExecOptions": (_COMMAND, *_STREAMS),
    "PodAttachOptions": _STREAMS,
    "PodPortForwardOptions": (Parameter("ports", "The ports to forward.", "integer"),),
    "PodProxyOptions": (_PATH,),
    "ServiceProxyOptions": (_PATH,),
    "NodeProxyOptions": (_PATH,),
}
"""What connections ask for, by the kind that stands for it."""
_PROXY_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_CONNECT_METHODS: Final = ("get", "post")
_NAME: Final = Parameter("name", "name of the object", place="path")
_NAMESPACE: Final = Parameter("namespace", "object name and auth scope, such as for teams and projects", place="path")


def definition_of(resource: Resource) -> str:
    """The name of a resource's schema; a custom resource's is its reversed group, version and kind."""
    built_in = resource.definition or kinds().get((resource.group, resource.version, resource.kind), "")
    return built_in if built_in and not resource.custom else custom_name(resource, resource.kind)


def list_definition_of(resource: Resource) -> str:
    """The name of the schema of a resource's list, '' where there is none (reviews)."""
    if resource.custom:
        return custom_name(resource, resource.list_kind_name)
    return kinds().get((resource.group, resource.version, resource.list_kind_name), "")


def custom_name(resource: Resource, kind: str) -> str:
    """``com.example.v1.Widget``."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, kind])


def _camel(group: str, version: str) -> str:
    name = (group or "core").removesuffix(".k8s.io").replace("-", ".")
    return "".join(part[:1].upper() + part[1:] for part in name.split(".")) + version[:1].upper() + version[1:]


def operations(resource: Resource) -> Iterator[Operation]:
    """Everything that can be done with a resource and its subresources."""
    yield from _collection(resource)
    yield from _item(resource)
    if "watch" in resource.verbs and not resource.custom:
        yield from _watches(resource)
    for sub in resource.subresources.values():
        if sub.kind in _CONNECT:
            yield from _connections(resource, sub)
        else:
            yield from _subresource(resource, sub)


def overview(group_versions: Iterable[tuple[str, str]]) -> Iterator[Operation]:
    """The documents about what is served, and who issues tokens."""
    yield _about("/api/", "getCoreAPIVersions", "core", "get available API versions", META + "APIVersions")
    yield _about("/apis/", "getAPIVersions", "apis", "get available API versions", META + "APIGroupList")
    yield _about("/version/", "getCodeVersion", "version", "get the code version", VERSION_INFO)
    issuer = "getServiceAccountIssuerOpenID"
    yield _about("/.well-known/openid-configuration/", issuer + "Configuration", "WellKnown", "get the issuer", "")
    yield _about("/openid/v1/jwks/", issuer + "Keyset", "openid", "get the issuer's keys", "")
    served = list(group_versions)
    for group in sorted({group for group, _ in served if group}):
        name = _camel(group, "").removesuffix("V")
        tag = group.removesuffix(".k8s.io").replace(".", "_")
        yield _about(f"/apis/{group}/", f"get{name}APIGroup", tag, "get information of a group", META + "APIGroup")
    for group, version in served:
        yield about_version(group, version)


def about_version(group: str, version: str) -> Operation:
    """The document about what a group and version serves."""
    path = f"/apis/{group}/{version}/" if group else f"/api/{version}/"
    tag = f"{group.removesuffix('.k8s.io').replace('.', '_') or 'core'}_{version}"
    name = f"get{_camel(group, version)}APIResources"
    return _about(path, name, tag, "get available resources", RESOURCE_LIST)


def _about(path: str, name: str, tag: str, description: str, answer: str) -> Operation:
    return Operation("get", path, name, tag, description, "", ("", "", ""), (), (), ((200, answer),), produces=(JSON,))


def _scope(resource: Resource) -> tuple[str, str, tuple[Parameter, ...]]:
    """The path of the collection, the word in operation ids, and the path's parameters."""
    if resource.namespaced:
        return f"{resource.path}/namespaces/{{namespace}}/{resource.plural}", "Namespaced", (_NAMESPACE, _PRETTY)
    return f"{resource.path}/{resource.plural}", "", (_PRETTY,)


class _Maker:
    """Fills in what the operations of one path share."""

    def __init__(self, resource: Resource, path: str, parameters: tuple[Parameter, ...], noun: str) -> None:
        self.path, self.parameters, self.noun = path, parameters, noun
        self.prefix = _camel(resource.group, resource.version)
        self.tag = f"{resource.group.removesuffix('.k8s.io').replace('.', '_') or 'core'}_{resource.version}"
        self.gvk = (resource.group, resource.version, resource.kind)
        self.custom = resource.custom

    def make(
        self,
        method: str,
        verb: str,
        action: str,
        description: str,
        answers: tuple[tuple[int, str], ...],
        query: tuple[Parameter, ...] = (),
        body: str = "",
        consumes: tuple[str, ...] = ("*/*",),
        produces: tuple[str, ...] = ANSWERS,
        noun: str = "",
    ) -> Operation:
        return Operation(
            method=method,
            path=self.path,
            id=f"{verb}{self.prefix}{noun or self.noun}",
            tag=self.tag,
            description=description,
            action=action,
            gvk=self.gvk,
            path_parameters=self.parameters,
            query=query,
            answers=answers,
            body=body,
            consumes=consumes,
            produces=(JSON, YAML) if self.custom else produces,
        )


def _collection(resource: Resource) -> Iterator[Operation]:
    path, scope, parameters = _scope(resource)
    kind, verbs = resource.kind, resource.verbs
    one, many = definition_of(resource), list_definition_of(resource)
    maker = _Maker(resource, path, parameters, scope + kind)
    if "list" in verbs:
        about = f"list or watch objects of kind {kind}"
        yield maker.make("get", "list", "list", about, ((200, many),), _LIST, produces=STREAMS)
        if resource.namespaced:
            everywhere = _Maker(resource, f"{resource.path}/{resource.plural}", (_PRETTY,), f"{kind}ForAllNamespaces")
            yield everywhere.make("get", "list", "list", about, ((200, many),), _LIST, produces=STREAMS)
    if "create" in verbs:
        done = ((200, one), (201, one), (202, one))
        yield maker.make("post", "create", "post", f"create {_article(kind)}", done, _WRITE, one)
    if "deletecollection" in verbs:
        about = f"delete collection of {kind}"
        query = (*_DELETE, *(p for p in _LIST if p.name not in ("allowWatchBookmarks", "watch")))
        noun = f"Collection{scope}{kind}"
        yield maker.make(
            "delete", "delete", "deletecollection", about, ((200, STATUS),), query, DELETE_OPTIONS, noun=noun
        )


def _article(kind: str) -> str:
    return f"{'an' if kind[:1] in 'AEIO' else 'a'} {kind}"


def _item(resource: Resource) -> Iterator[Operation]:
    collection, scope, parameters = _scope(resource)
    kind, verbs = resource.kind, resource.verbs
    one = definition_of(resource)
    maker = _Maker(resource, collection + "/{name}", (_NAME, *parameters), scope + kind)
    stored = ((200, one), (201, one))
    patches = CUSTOM_PATCHES if resource.custom else PATCHES
    if "get" in verbs:
        yield maker.make("get", "read", "get", f"read the specified {kind}", ((200, one),), (_REVISION,))
    if "update" in verbs:
        yield maker.make("put", "replace", "put", f"replace the specified {kind}", stored, _WRITE, one)
    if "delete" in verbs:
        gone = ((200, STATUS), (202, STATUS))
        yield maker.make("delete", "delete", "delete", f"delete {_article(kind)}", gone, _DELETE, DELETE_OPTIONS)
    if "patch" in verbs:
        about = f"partially update the specified {kind}"
        yield maker.make("patch", "patch", "patch", about, stored, _APPLY, PATCH, patches)


def _watches(resource: Resource) -> Iterator[Operation]:
    """The older paths of watches, on which some clients still build."""
    kind = resource.kind
    about = f"watch objects of kind {kind}; deprecated, list them with the parameter 'watch'"
    scope, namespace = ("Namespaced", (_NAMESPACE,)) if resource.namespaced else ("", ())
    collection = f"{resource.path}/watch/{'namespaces/{namespace}/' if resource.namespaced else ''}{resource.plural}"
    places = [
        (collection, f"{scope}{kind}List", "watchlist", namespace),
        (collection + "/{name}", scope + kind, "watch", (_NAME, *namespace)),
    ]
    if resource.namespaced:
        everywhere = f"{resource.path}/watch/{resource.plural}"
        places.append((everywhere, f"{kind}ListForAllNamespaces", "watchlist", ()))
    for path, noun, action, parameters in places:
        maker = _Maker(resource, path, (*parameters, _PRETTY, *_LIST), noun)
        yield maker.make("get", "watch", action, about, ((200, WATCH_EVENT),), produces=STREAMS)


def _connections(resource: Resource, sub: Subresource) -> Iterator[Operation]:
    """What is passed on to a container, a pod or a node, whatever it is."""
    collection, scope, _ = _scope(resource)
    path = f"{collection}/{{name}}/{sub.name}"
    place = (_NAME, _NAMESPACE) if resource.namespaced else (_NAME,)
    noun = f"{scope}{resource.kind}{sub.name[:1].upper()}{sub.name[1:]}"
    makers = [_Maker(resource, path, (*place, *_CONNECT[sub.kind]), noun)]
    proxy = _PATH in _CONNECT[sub.kind]
    if proxy:
        below = Parameter("path", "the path that is asked for", place="path")
        makers.append(_Maker(resource, path + "/{path}", (*place, below, _PATH), noun + "WithPath"))
    for maker in makers:
        maker.gvk = (sub.group, sub.version or resource.version, sub.kind)
        for method in _PROXY_METHODS if proxy else _CONNECT_METHODS:
            about = f"connect {method.upper()} requests to {sub.name} of {resource.kind}"
            named = method.capitalize() + maker.noun
            yield maker.make(method, "connect", "connect", about, ((200, ""),), produces=("*/*",), noun=named)


def _subresource(resource: Resource, sub: Subresource) -> Iterator[Operation]:
    collection, scope, parameters = _scope(resource)
    if sub.kind:
        one = kinds().get((sub.group, sub.version, sub.kind), "")
        gvk = (sub.group, sub.version, sub.kind)
    else:
        one = definition_of(resource)
        gvk = (resource.group, resource.version, resource.kind)
    noun = f"{scope}{resource.kind}{sub.name[:1].upper()}{sub.name[1:]}"
    maker = _Maker(resource, f"{collection}/{{name}}/{sub.name}", (_NAME, *parameters), noun)
    maker.gvk = gvk
    about = f"{sub.name} of the specified {resource.kind}"
    if sub.name == "log":
        maker.parameters = (_NAME, _NAMESPACE, *_LOG)
        yield maker.make("get", "read", "get", f"read {about}", ((200, ""),), produces=("text/plain", *ANSWERS))
        return
    stored = ((200, one), (201, one))
    patches = CUSTOM_PATCHES if resource.custom else PATCHES
    if "get" in sub.verbs:
        yield maker.make("get", "read", "get", f"read {about}", ((200, one),))
    if "create" in sub.verbs:
        yield maker.make("post", "create", "post", f"create {about}", (*stored, (202, one)), _WRITE, one)
    if "update" in sub.verbs:
        yield maker.make("put", "replace", "put", f"replace {about}", stored, _WRITE, one)
    if "patch" in sub.verbs:
        yield maker.make("patch", "patch", "patch", f"partially update {about}", stored, _APPLY, PATCH, patches)
