"""The ASGI edge: the pipeline as one ordered list, errors turned into answers once.

    request info -> origin -> authenticate -> impersonate -> flow control -> authorize -> dispatch (audited)

The order is upstream's: what is forbidden takes a seat too, so that a flood of it is bounded as any other.

Resource paths are answered here, before FastAPI's router, which costs several times what the request does; the
remaining routes (documentation, kube-lite's own resources) are ordinary FastAPI routes of ``extra``, which is
built when first asked for because importing FastAPI takes half a second of CPU.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from kube_lite import clock, errors
from kube_lite.api import audit as audit_log
from kube_lite.api import codec, impersonation, origin, pretty
from kube_lite.api.audit import AuditLog
from kube_lite.api.authn import Authenticator
from kube_lite.api.authz.attributes import attributes_of
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.flow import FlowControl
from kube_lite.api.flow_levels import Rejected
from kube_lite.api.http import USER, Request, Response, error_response
from kube_lite.api.metrics import RequestMetrics
from kube_lite.api.negotiate import negotiate
from kube_lite.api.nonresource import NonResource
from kube_lite.api.objectmeta import uuid4
from kube_lite.api.receive import Receive, Scope, request_of
from kube_lite.api.send import Send, send_response
from kube_lite.api.stopping import Stopping
from kube_lite.api.user import User

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


class App:
    """One ASGI application for every listener."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        flow: FlowControl,
        resources: Handler,
        nonresource: NonResource,
        audit: AuditLog | None,
        rng: random.Random,
        stopping: Stopping,
        metrics: RequestMetrics,
    ) -> None:
        self._authenticator = authenticator
        self.authorizer = authorizer
        self._flow = flow
        self._resources = resources
        self._nonresource = nonresource
        self._audit = audit
        self._rng = rng
        self._stopping = stopping
        self._metrics = metrics
        self.extra: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None
        """The FastAPI application for the remaining paths."""
        self.elsewhere: Callable[[Request], Awaitable[Response | None]] | None = None
        """Answers requests that belong to other servers (the aggregator), None where they do not."""
        self.hosts: Collection[str] = frozenset()
        """The names that browsers may know the server by, besides ``localhost`` and addresses."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; lifespan and websocket scopes are none of ours."""
        if scope["type"] != "http":
            return
        request = request_of(scope, receive)
        request.audit_id = uuid4(self._rng)
        audit_log.begin()
        started = clock.monotonic()
        sort = self._metrics.begin(request)
        response: Response | None = None
        code, message = 0, ""
        try:
            response, message = await self._answer(request)
            if response is not None and pretty.wanted(request):
                pretty.indent(response)
            if request.seat is not None and (response is None or response.stream is not None):
                request.release_seat()  # a watch has begun
            if response is None:
                code = await self._leave_to_extra(scope, receive, send, request.user)
            else:
                code = response.code
                await send_response(request, response, send, self._stopping)
        finally:
            request.release_seat()
            # a stream that failed or was cut off is a request too
            self._metrics.end(request, sort, code, clock.monotonic() - started)
            if self._audit is not None:
                self._audit.record(request, code, started, message)

    async def _leave_to_extra(self, scope: Scope, receive: Receive, send: Send, user: User) -> int:
        """Let FastAPI answer; the status code of what it answered."""
        extra, code = self.extra, 0
        assert extra is not None

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        scope[USER] = user
        await extra(scope, receive, noted)
        return code

    async def _answer(self, request: Request) -> tuple[Response | None, str]:
        try:
            return await self._pipeline(request), ""
        except Rejected as rejected:
            return _too_many(rejected), rejected.message
        except errors.ApiError as error:
            return _refusal(request, error), error.message
        except Exception as error:
            # the server must outlive any single request; what failed is in the log with its path
            logger.exception("%s %s failed", request.info.method, request.info.path)
            return error_response(errors.InternalError(f"Internal error occurred: {error!r}")), repr(error)

    async def _pipeline(self, request: Request) -> Response | None:
        """The stages, in order. None leaves the request to FastAPI."""
        origin.check(request, self.hosts)
        request.user = await self._authenticator.authenticate(request)
        impersonation.apply(request, self.authorizer)
        request.seat = await self._flow.take(request)
        self.authorizer.require(attributes_of(request.user, request.info))
        if self.elsewhere is not None:
            response = await self.elsewhere(request)
            if response is not None:
                return response
        if request.info.is_resource:
            return await self._resources(request)
        return await self._nonresource.handle(request, fallback=self.extra is not None)


def _refusal(request: Request, error: errors.ApiError) -> Response:
    """The Status of an error, in the media type that the client prefers where it asked for an object."""
    response = error_response(error)
    accept = request.header("accept")
    if request.info.is_resource and ("yaml" in accept or "protobuf" in accept):
        with contextlib.suppress(errors.NotAcceptable):
            form = negotiate(accept, table=False)
            shaped = codec.encoded(error.to_status(), form, error.code)
            shaped.headers = response.headers
            return shaped
    return response


def _too_many(rejected: Rejected) -> Response:
    """Upstream's refusal, which is no Status: clients make one of it."""
    headers = {"Retry-After": str(rejected.retry_after), "X-Content-Type-Options": "nosniff"}
    return Response(429, f"{rejected.message}\n".encode(), "text/plain; charset=utf-8", headers)
