"""APIServices: which server answers for a group and version, this one or another behind a Service.

Every version that this server serves itself has an APIService too, kept in step with the registry, as clients expect
to find them. One whose spec names a Service takes its group and version over: its requests are passed on with the
user in ``X-Remote-*`` headers, proved by the front proxy's certificate. One task, :meth:`Aggregator.run`, looks after
both: it is woken by changes, and asks the backends again every few seconds. Its queue is a flag.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
from anyio.abc import TaskGroup

from kube_lite import errors
from kube_lite.api import bootstrap, request_info
from kube_lite.api.aggregation.backend import Backend
from kube_lite.api.aggregation.conditions import LOCAL, Availability, condition_of, with_condition
from kube_lite.api.authz.attributes import attributes_of
from kube_lite.api.certs import Authority, Pair
from kube_lite.api.discovery import GROUP_ORDER, version_rank
from kube_lite.api.http import BrokenOff, Request, Response, decode_json, encode_json
from kube_lite.api.large import beside
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.send import close_stream
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER, User
from kube_lite.resources.meta import Obj, dig, name_of
from kube_lite.store.store import Event

logger = logging.getLogger(__name__)

API_SERVICES: Final = "apiservices.apiregistration.k8s.io"
MANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
RESYNC: Final = 30.0
"""Seconds after which available backends are asked again (kube-aggregator's resync)."""
RETRY: Final = 2.0
"""Seconds after which those are asked again that were not available."""
LIST_TIMEOUT: Final = 60.0
"""Seconds that a list for a client in this process may take in all."""
MAX_LIST: Final = 32 * 1024 * 1024
"""Bytes of such a list: measurements of some 50,000 pods."""
SETTLE: Final = 0.05
"""Seconds to wait after a change, for others that come with it."""
_WATCHED: Final = (API_SERVICES, "services", "endpointslices.discovery.k8s.io")
_OPTIONS: Final = WriteOptions(field_manager="kube-apiserver")
_CORE_PRIORITY: Final = 18000
_FIRST_PRIORITY: Final = 17900
_CUSTOM_PRIORITY: Final = 1000
"""Group priorities of kube-apiserver: the core group, the first one after it, and custom resources."""


class Aggregator:
    """Put into a plane: takes over requests for versions that are served elsewhere.

    :param front_proxy: the CA whose client certificate proves that a request comes from this server
    :param client_ca: PEM of the CA that users' certificates are signed by, published for the backends
    """

    def __init__(self, plane: Plane, front_proxy: Authority, client_ca: bytes) -> None:
        self._plane = plane
        self._caller = plane.webhook_caller
        self._front_proxy = front_proxy
        self._client_ca = client_ca
        self._identity: Pair | None = None
        self._backends: dict[tuple[str, str], Backend] = {}
        self._changed = anyio.Event()
        self._looking: set[str] = set()
        """APIServices whose servers are being asked."""
        storage = plane.storage
        resources = [storage.registry.named(name) for name in _WATCHED]
        self._prefixes = tuple(storage.prefix(resource) for resource in resources if resource is not None)
        found = storage.registry.named(API_SERVICES)
        assert found is not None
        self._resource = found
        storage.store.subscribe(self._committed)
        plane.discovery.on_change.append(self._wake)
        plane.app.elsewhere = self.answer
        plane.dispatcher.list_elsewhere = self.list
        self._own_openapi = plane.nonresource.pages["openapi"]
        plane.nonresource.pages["openapi"] = self._openapi

    def _committed(self, events: Sequence[Event]) -> None:
        # Services come and go all the time, and matter to none while every version is served here
        prefixes = self._prefixes if self._backends else self._prefixes[:1]
        if any(event.key.startswith(prefixes) for event in events):
            self._wake()

    def _wake(self) -> None:
        self._changed.set()

    # ---- requests

    async def answer(self, request: Request) -> Response | None:
        """The answer of the server that the request's version belongs to; None when that is this one."""
        if not self._backends:
            return None
        parts = request.info.path.split("/", 4)
        if len(parts) < 4 or parts[1] != "apis":
            return None
        backend = self._backends.get((parts[2], parts[3]))
        if backend is None:
            return None
        return await backend.pass_on(request, request.info.path)

    async def list(self, user: User, resource: str, namespace: str, selector: str) -> Sequence[bytes] | None:
        """The items of a list from another server, for a client in this process; None when none has the resource.

        :raises ApiError: the user may not, or the server refuses or cannot be reached
        """
        plural, _, group = resource.partition(".")
        backend = next((b for (g, _), b in self._backends.items() if g == group and b.has(plural)), None)
        if backend is None:
            return None
        within = f"/namespaces/{quote(namespace)}" if namespace else ""
        path = f"/apis/{group}/{backend.version}{within}/{plural}"
        query = urlencode({"labelSelector": selector}) if selector else ""
        request = Request(request_info.parse("GET", path, query), scope={"query_string": query.encode()}, user=user)
        self._plane.authorizer.require(attributes_of(user, request.info))
        try:
            with anyio.fail_after(LIST_TIMEOUT):
                answer = await backend.pass_on(request, path)
                body = await _gathered(answer)
        except (BrokenOff, TimeoutError) as error:
            raise errors.ServiceUnavailable(f"error trying to reach service: {error or 'timeout'}") from error
        if answer.code != 200:
            raise errors.from_status(_status(body), answer.code)
        return await beside(len(body), _items, body)

    async def _openapi(self, request: Request) -> Response | None:
        path = request.info.path.rstrip("/")
        if path.startswith("/openapi/v3/apis/"):
            group, _, version = path.removeprefix("/openapi/v3/apis/").partition("/")
            backend = self._backends.get((group, version))
            if backend is not None and backend.converted:
                return Response(200, backend.converted)
            if backend is not None:
                return await backend.pass_on(request, path)
        return await self._own_openapi(request)

    # ---- the task

    async def run(self) -> None:
        """Keep APIServices, their conditions and what is served in step; never returns."""
        try:
            await self._publish()
            async with anyio.create_task_group() as tasks:
                while True:
                    self._changed = anyio.Event()
                    try:
                        await self._reconcile(tasks)
                        wait = RESYNC if all(b.state.available for b in self._backends.values()) else RETRY
                    except Exception:
                        logger.exception("APIServices: will be looked at again")
                        wait = RETRY
                    with anyio.move_on_after(wait):
                        await self._changed.wait()
                        await anyio.sleep(SETTLE)
        finally:
            with anyio.CancelScope(shield=True):
                for backend in self._backends.values():
                    await backend.close()

    async def _publish(self) -> None:
        """Tell backends how to know this server and its users: a ConfigMap that upstream's libraries read."""
        self._identity = self._front_proxy.client_pair("front-proxy-client", "front-proxy-client", ())
        data = {
            "client-ca-file": self._client_ca.decode(),
            "requestheader-allowed-names": '["front-proxy-client"]',
            "requestheader-client-ca-file": self._front_proxy.certificate_pem.decode(),
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }
        name, verbs = "extension-apiserver-authentication", self._plane.verbs
        obj: Obj = {"metadata": {"name": name, "namespace": "kube-system"}, "data": data}
        stored = self._plane.storage.lookup("configmaps", "kube-system", name)
        if stored is None:
            await bootstrap.ensure(verbs, "configmaps", "kube-system", obj)
        elif stored.get("data") != data:
            resource = self._plane.storage.registry.named("configmaps")
            assert resource is not None

            async def renewed(old: Obj) -> Obj:
                return {**old, "data": data}

            await verbs.guaranteed_update(Target(resource, "kube-system", name), renewed, SERVER, _OPTIONS)

    async def _reconcile(self, tasks: TaskGroup) -> None:
        stored = {name_of(obj): obj for obj in self._plane.storage.select(API_SERVICES)}
        await self._register(stored)
        remote = {name: obj for name, obj in stored.items() if dig(obj, "spec", "service") is not None}
        await self._forget({(o["spec"].get("group", ""), o["spec"]["version"]) for o in remote.values()})
        for name, obj in stored.items():
            if name not in remote:
                await self._tell(name, obj, LOCAL)
        for name, obj in remote.items():  # each by itself: a slow one holds up no other
            if name not in self._looking:
                self._looking.add(name)
                tasks.start_soon(self._look_at, name, obj)
        self._show()

    def _show(self) -> None:
        """Put what other servers have into the documents about everything."""
        parts = (backend.swagger for _, backend in sorted(self._backends.items()))
        openapi = self._plane.openapi
        openapi.elsewhere = tuple(part for part in parts if part is not None)
        openapi.elsewhere_v3 = {k: v for backend in self._backends.values() for k, v in backend.openapi_paths.items()}
        served = {key: backend.discovered for key, backend in self._backends.items()}
        if served != self._plane.discovery.elsewhere:
            self._plane.discovery.elsewhere = served
            self._plane.discovery.changed()

    async def _register(self, stored: dict[str, Obj]) -> None:
        """An APIService for each version served here; none for those that no longer are."""
        wanted: dict[str, Obj] = {}
        for group, versions in self._plane.discovery.own_groups().items():
            for version in versions:
                made = _local(group, version, self._plane.discovery.is_custom(group))
                wanted[name_of(made)] = made
        for name, obj in wanted.items():
            if name not in stored:
                await bootstrap.ensure(self._plane.verbs, API_SERVICES, "", obj)
                found = self._plane.storage.lookup(API_SERVICES, "", name)
                if found is not None:
                    stored[name] = found
        for name, obj in list(stored.items()):
            if name not in wanted and MANAGED in (obj["metadata"].get("labels") or {}):
                del stored[name]
                with contextlib.suppress(errors.NotFound):
                    await self._delete(name)

    async def _delete(self, name: str) -> None:
        from kube_lite.api import deletion

        await deletion.delete(self._plane.verbs, Target(self._resource, "", name), SERVER, DeleteOptions())

    async def _forget(self, wanted: set[tuple[str, str]]) -> None:
        for key in [key for key in self._backends if key not in wanted]:
            await self._backends.pop(key).close()

    async def _look_at(self, name: str, obj: Obj) -> None:
        try:
            await self._look(name, obj)
            self._show()
        except Exception:
            logger.exception("APIService %s: will be looked at again", name)
        finally:
            self._looking.discard(name)
        now = self._plane.storage.lookup(API_SERVICES, "", name)
        if now is not None and now["spec"] != obj["spec"]:
            self._wake()  # it changed meanwhile

    async def _look(self, name: str, obj: Obj) -> None:
        """Ask one backend, and write down what it is."""
        key = (str(obj["spec"].get("group", "")), str(obj["spec"]["version"]))
        backend = self._backends.get(key)
        if backend is None or not backend.is_of(obj):
            if backend is not None:
                await backend.close()
            backend = self._backends[key] = Backend(obj, self._caller, self._plane.verbs.objects, self._identity)
        await backend.check(obj)
        if self._backends.get(key) is backend:
            await self._tell(name, obj, backend.state)
        else:  # it went meanwhile
            await backend.close()

    async def _tell(self, name: str, obj: Obj, state: Availability) -> None:
        told = condition_of(obj)
        status = "True" if state.available else "False"
        if told is not None and (told.get("status"), told.get("reason"), told.get("message")) == (
            status,
            state.reason,
            state.message,
        ):
            return

        async def changed(old: Obj) -> Obj:
            new: Obj = decode_json(encode_json(old))
            return {**new, "status": with_condition(new, state)}

        target = Target(self._resource, "", name, self._resource.subresources["status"])
        with contextlib.suppress(errors.NotFound):  # it went meanwhile
            await self._plane.verbs.guaranteed_update(target, changed, SERVER, _OPTIONS)


async def _gathered(answer: Response) -> bytes:
    """The whole of an answer. :raises ServiceUnavailable: there is too much of it"""
    body = bytearray(bytes(answer.body))
    if answer.stream is not None:
        try:
            async for chunk in answer.stream:
                body += chunk
                if len(body) > MAX_LIST:
                    raise errors.ServiceUnavailable("error trying to reach service: the answer is too large")
        finally:
            await close_stream(answer.stream)
    return bytes(body)


def _items(body: bytes) -> list[bytes]:
    """The items of a list. :raises ServiceUnavailable: it is none"""
    try:
        found = decode_json(body)
        return [encode_json(item) for item in found.get("items") or ()]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error


def _status(body: bytes) -> Obj:
    """The Status in a refusal; other servers may answer in plain text."""
    try:
        found = decode_json(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": body[:1024].decode("utf-8", "replace").strip()}


def _local(group: str, version: str, custom: bool) -> Obj:
    """The APIService of a version that this server serves itself."""
    if not group:
        priority = _CORE_PRIORITY
    elif custom:
        priority = _CUSTOM_PRIORITY
    else:
        rank = GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER)
        priority = _FIRST_PRIORITY - 50 * rank
    spec: dict[str, Any] = {"groupPriorityMinimum": priority, "version": version}
    spec["versionPriority"] = 100 if custom else _version_priority(version)
    if group:
        spec["group"] = group
    labels: Mapping[str, str] = {MANAGED: "true" if custom else "onstart"}
    return {"metadata": {"name": f"{version}.{group}", "labels": dict(labels)}, "spec": spec}


def _version_priority(version: str) -> int:
    """Stable versions before betas before alphas, newer ones first; v1 has 15, as in kube-apiserver."""
    stability, major, minor, _ = version_rank(version)
    return {-3: 14, -2: 8, -1: 1}.get(stability, 1) - major - minor // 10
