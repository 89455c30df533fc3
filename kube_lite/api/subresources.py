"""Subresources that are more than a part of their parent: scale, binding, eviction, finalize."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from kube_lite import clock, errors
from kube_lite.api import codec, managed, options, patch, patching, scale_apply, table
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.dispatch import Dispatcher
from kube_lite.api.eviction import SUCCESS, evict
from kube_lite.api.http import Request, Response, decode_json, encode_json
from kube_lite.api.large import beside
from kube_lite.api.manner import Manner, Shown
from kube_lite.api.negotiate import negotiate
from kube_lite.api.objectmeta import check_namespace
from kube_lite.api.scale_apply import ScaleApplied, patched
from kube_lite.api.target import Target
from kube_lite.api.write_checks import other_uid
from kube_lite.resources import field, selectors
from kube_lite.resources.ages import age
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, ScalePaths


def _path(dotted: str) -> list[str]:
    return [step for step in dotted.split(".") if step]


class Subresources:
    """Handlers, registered with a dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._storage = dispatcher.storage
        self._verbs = dispatcher.verbs
        dispatcher.subresources.update(
            {
                "scale": self.scale,
                "pods/binding": self.binding,
                "pods/eviction": self.eviction,
                "namespaces/finalize": self.finalize,
            }
        )
        dispatcher.reviews["bindings"] = self.bindings

    # ---- scale

    async def scale(self, request: Request, resource: Resource) -> Response:
        """GET, PUT and PATCH of ``/scale``: only the number of replicas can be written."""
        info = request.info
        paths = resource.scale or ScalePaths()
        if info.verb == "get":
            return self._scale_answer(request, resource, paths, await self._scaled(request, resource))
        raw = await request.body()
        kind = "UpdateOptions" if info.verb == "update" else "PatchOptions"
        wanted = options.write_options(request, kind)
        target = Dispatcher.target(info, resource, resource.subresources["scale"])
        applied: ScaleApplied | None = None
        body: Obj = {}
        pinned = False
        if info.verb == "update":
            body = await self._scale_body(request, raw)
            pinned = bool(dig(body, "metadata", "resourceVersion"))
        elif patch.media_type(request.header("content-type")) == patch.APPLY_PATCH:
            read = patching.configuration
            value, twice = await beside(len(raw), read, request, raw, "Scale", scale_apply.API_VERSION)
            applied = ScaleApplied(value, wanted, _path(paths.spec_replicas), resource.api_version)
        else:
            accepted = patch.CUSTOM_PATCHES if resource.custom else patch.BUILT_IN_PATCHES
            change = patch.read(request.header("content-type"), raw, accepted)

        async def scaled(old: Obj) -> Obj:
            if info.verb == "update":
                uid, stored = dig(body, "metadata", "uid"), old["metadata"]["uid"]
                if uid and uid != stored:
                    raise other_uid(target, uid, stored)
                return self._with_replicas(resource, paths, old, body)
            scale = self._to_scale(resource, paths, old, absent_is_zero=True)
            if applied is None:
                new = patched(target, change, scale, wanted, request.warnings)
            else:
                new = applied.onto(scale, old)
                patching.check_twice(twice, wanted, request.warnings)
            return self._with_replicas(resource, paths, old, new)

        # the parent changes, so its own rules apply, not those of a status write; admission sees the Scale
        parent = replace(target, subresource=None)
        shown = Shown(
            "scale",
            lambda whole: self._to_scale(resource, paths, whole, absent_is_zero=True),
            lambda whole, scale: self._with_replicas(resource, paths, whole, scale),
        )
        manage = applied.manage if applied is not None else None
        manner = Manner(manage, pinned=pinned, managed_as="scale", shown=shown)
        written = await self._verbs.guaranteed_update(parent, scaled, request.user, wanted, request.warnings, manner)
        obj = self._storage.load(resource, await self._storage.incoming_one(resource, written.value))
        return self._scale_answer(request, resource, paths, obj)

    async def _scaled(self, request: Request, resource: Resource) -> Obj:
        info = request.info
        item = self._storage.item(resource, info.namespace, info.name)
        if item is None:
            own = resource.custom or resource.group_resource == "statefulsets.apps"
            plural = resource.plural if own else f"{resource.plural}/scale"
            group = "autoscaling" if resource.group_resource == "replicationcontrollers" else resource.group
            raise errors.not_found(plural, group, info.name)
        return self._storage.load(resource, await self._storage.incoming_one(resource, item.value))

    async def _scale_body(self, request: Request, raw: bytes) -> Obj:
        value = await beside(len(raw), codec.decode_part, request, raw, codec.SCALE)
        name = dig(value, "metadata", "name", default="")
        if not name:
            raise errors.BadRequest(
                f"the name of the object ({request.info.name} based on URL) was undeterminable: name must be provided"
            )
        if name != request.info.name:
            raise errors.BadRequest(
                f"the name of the object ({name}) does not match the name on the URL ({request.info.name})"
            )
        namespace = dig(value, "metadata", "namespace", default="")
        if namespace not in ("", request.info.namespace):
            raise errors.BadRequest(
                f"the namespace of the object ({namespace}) does not match the namespace on the request "
                f"({request.info.namespace})"
            )
        return value

    @staticmethod
    def _to_scale(resource: Resource, paths: ScalePaths, obj: Obj, *, absent_is_zero: bool = False) -> Obj:
        meta = obj["metadata"]
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        replicas = dig(obj, *_path(paths.spec_replicas))
        if replicas is None and resource.custom and not absent_is_zero:
            why = f'the spec replicas field "{paths.spec_replicas}" does not exist'
            raise errors.InternalError(f"Internal error occurred: {why}", {"causes": [{"message": why}]})
        status: Obj = {"replicas": dig(obj, *_path(paths.status_replicas), default=0)}
        selector = _selector_text(dig(obj, *_path(paths.selector)) if paths.selector else None)
        if selector:
            status["selector"] = selector
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {k: meta[k] for k in kept if k in meta},
            "spec": {"replicas": replicas} if replicas else {},
            "status": status,
        }

    @staticmethod
    def _with_replicas(resource: Resource, paths: ScalePaths, old: Obj, scale: Obj) -> Obj:
        replicas = dig(scale, "spec", "replicas", default=0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise errors.BadRequest("spec.replicas must be an integer")
        if replicas < 0:
            if resource.custom:
                wrong = field.invalid(paths.spec_replicas, replicas, "should be a non-negative integer")
                raise errors.invalid(resource.kind, resource.group, old["metadata"]["name"], [wrong])
            wrong = field.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise errors.invalid("Scale", "autoscaling", old["metadata"]["name"], [wrong])
        new: Obj = decode_json(encode_json(old))
        steps = _path(paths.spec_replicas)
        holder = new
        for step in steps[:-1]:
            holder = holder.setdefault(step, {})
        holder[steps[-1]] = replicas
        for name in ("resourceVersion", "uid"):
            given = dig(scale, "metadata", name)
            if given:
                new["metadata"][name] = given
        return new

    def _scale_answer(self, request: Request, resource: Resource, paths: ScalePaths, obj: Obj) -> Response:
        scale = self._to_scale(resource, paths, obj)
        form = negotiate(request.header("accept"))
        if form.as_ == "Table":
            include = table.include_object(request.info.param("includeObject"))
            metadata = {"resourceVersion": scale["metadata"].get("resourceVersion", "")}
            return codec.encoded(table.table(_SCALE, [scale], form, include, metadata), form)
        if form.as_:
            return codec.encoded(table.partial(scale, form), form)
        return codec.encoded(scale, form)

    # ---- binding

    async def bindings(self, request: Request, resource: Resource) -> Response:
        """POST of a Binding to the collection: the pod is named in the object."""
        value = await self._read_binding(request)
        return await self._bind(request, value, dig(value, "metadata", "name", default=""), resource)

    async def binding(self, request: Request, resource: Resource) -> Response:
        """POST to ``pods/x/binding``."""
        value = await self._read_binding(request)
        name = dig(value, "metadata", "name")
        if name != request.info.name:
            raise errors.BadRequest("name in URL does not match name in Binding object")
        return await self._bind(request, value, request.info.name, resource)

    async def _read_binding(self, request: Request) -> Obj:
        kind = self._storage.registry.at("", "v1", "bindings")
        assert kind is not None
        raw = await request.body()
        wanted = options.write_options(request, "CreateOptions")
        binding = await beside(len(raw), codec.decode_body, request, kind, raw, wanted)
        check_namespace(kind, request.info.namespace, binding)
        return binding

    async def _bind(self, request: Request, binding: Obj, name: str, posted_to: Resource) -> Response:
        form = negotiate(request.header("accept"))
        pods = self._storage.registry.at("", "v1", "pods")
        assert pods is not None
        wanted = options.write_options(request, "CreateOptions")
        node = dig(binding, "target", "name", default="")
        kind = dig(binding, "target", "kind", default="")
        if not node:
            raise errors.invalid("Binding", "", name, [field.required("target.name")])
        if kind not in ("", "Node"):
            wrong = field.not_supported("target.kind", kind, ["Node", "<empty>"])
            raise errors.invalid("Binding", "", name, [wrong])
        target = Target(pods, request.info.namespace, name)
        await self._admit(request.info.subresource, request, posted_to, name, binding, wanted.dry_run)

        async def bound(old: Obj) -> Obj:
            return _bound(old, binding, node)

        await self._verbs.guaranteed_update(
            target, bound, request.user, wanted, request.warnings, Manner(managed.untouched, trusted=True)
        )
        return codec.encoded(SUCCESS, form, 201)

    async def _admit(
        self, subresource: str, request: Request, resource: Resource, name: str, obj: Obj, dry_run: bool
    ) -> None:
        """Admission of a subresource that is created. :raises ApiError: refused"""
        asked = AdmissionRequest(
            operation="CREATE",
            resource=resource,
            subresource=subresource,
            namespace=request.info.namespace,
            name=name,
            user=request.user,
            obj=obj,
            dry_run=dry_run,
            warnings=request.warnings,
        )
        await self._verbs.admission.admit(asked, self._verbs.objects)
        await self._verbs.admission.validate(asked, self._verbs.objects)

    # ---- eviction

    async def eviction(self, request: Request, resource: Resource) -> Response:
        """POST to ``pods/x/eviction``. :raises TooManyRequests: a budget does not allow it now"""

        async def admit(eviction: Obj, dry_run: bool) -> None:
            await self._admit("eviction", request, resource, request.info.name, eviction, dry_run)

        return await evict(self._verbs, request, resource, admit)

    # ---- namespaces/finalize

    async def finalize(self, request: Request, resource: Resource) -> Response:
        """PUT of ``namespaces/x/finalize``: only ``spec.finalizers`` is written; the last one gone removes it."""
        raw = await request.body()
        wanted = options.write_options(request, "UpdateOptions")
        obj = await beside(len(raw), codec.decode_body, request, resource, raw, wanted)
        obj.setdefault("status", {}).setdefault("phase", "Active")  # the default, so that its owner keeps it
        target = Target(resource, "", request.info.name, resource.subresources["finalize"])
        written = await self._verbs.update(target, obj, request.user, wanted, request.warnings)
        form = negotiate(request.header("accept"))
        return self._dispatcher.shaped(request, resource, written.value, form)


def _scale_row(scale: Obj, now: datetime) -> Cells:
    desired, available = dig(scale, "spec", "replicas", default=0), dig(scale, "status", "replicas", default=0)
    return [scale["metadata"].get("name", ""), desired, available, age(scale, now)]


_SCALE = Resource(
    kind="Scale",
    plural="scales",
    group="autoscaling",
    columns=(NAME_COLUMN, Column("Desired", "integer"), Column("Available", "integer"), AGE_COLUMN),
    row=_scale_row,
)
"""What ``get --subresource=scale`` prints; a Scale is never stored."""


def _selector_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    if "matchLabels" in value or "matchExpressions" in value:
        return str(selectors.from_object(value))
    return ",".join(f"{k}={value[k]}" for k in sorted(value))


def _bound(old: Obj, binding: Obj, node: str) -> Obj:
    name = old["metadata"]["name"]

    def refuse(why: str) -> errors.Conflict:
        return errors.conflict("pods/binding", "", name, why)

    uid = dig(binding, "metadata", "uid")
    if uid and uid != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
        raise refuse(why)
    if old["metadata"].get("deletionTimestamp") is not None:
        raise refuse(f"pod {name} is being deleted, cannot be assigned to a host")
    present = dig(old, "spec", "nodeName")
    if present:
        raise refuse(f'pod {name} is already assigned to node "{present}"')
    if dig(old, "spec", "schedulingGates"):
        raise refuse(f"pod {name} has non-empty .spec.schedulingGates")
    new: Obj = {**old, "metadata": dict(old["metadata"]), "spec": {**old["spec"], "nodeName": node}}
    for kind in ("annotations", "labels"):
        extra = dig(binding, "metadata", kind)
        if extra:
            new["metadata"][kind] = {**(old["metadata"].get(kind) or {}), **extra}
    status = dict(old.get("status") or {})
    status.pop("nominatedNodeName", None)  # what was hoped for says nothing any more
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": clock.timestamp(),
    }
    status["conditions"] = [*others, scheduled]
    new["status"] = status
    return new
