"""``/metrics``: what the API server tells Prometheus about its requests, its flow control and what it stores.

Names, labels and buckets are upstream's (KEP-1209 stable metrics and those that dashboards of API servers read), so
that their queries hold. Requests are those that came over a connection: components in this process make none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from kube_lite import clock, errors
from kube_lite.api.flow import FlowControl
from kube_lite.api.http import Request, Response
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.stopping import endless
from kube_lite.api.storage import Storage
from kube_lite.exposition import CONTENT_TYPE, Exposition, Histogram
from kube_lite.resources.registry import Registry

DURATION_BUCKETS: Final = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0),
    *(3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
"""Seconds (upstream's apiserver_request_duration_seconds)."""

MOST_SORTS: Final = 2048
"""Sorts of requests that are told apart; those of kinds that are gone make room. What comes then is
counted together."""
LOOK_SECONDS: Final = 10.0
"""Between two looks for sorts that can make room."""

_VERBS: Final = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
_MUTATING: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
_CONNECTED: Final = frozenset({"proxy", "exec", "attach", "portforward", "tunnel"})

Sort = tuple[str, str, str, str, str, str, str]
"""What requests of one sort have in common, see ``_NAMES``."""
_NAMES: Final = ("verb", "group", "version", "resource", "subresource", "scope", "dry_run")
_OTHER: Final[Sort] = ("OTHER", "", "", "", "", "", "")

_PAGES: Final = frozenset(
    {"api", "apis", "healthz", "livez", "readyz", "version", "metrics", "openapi", "debug", ".well-known", "kube-lite"}
)
"""First segments of the paths that are counted by name."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Counts requests, and how long each took."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sorts: dict[Sort, Sort] = {}
        """What each sort that was asked for is counted as."""
        self._finished: dict[Sort, tuple[dict[int, int], Histogram]] = {}
        """How many ended with each status code, and their seconds."""
        self._running: dict[Sort, int] = {}
        """How many of each sort are being answered."""
        self._endless: dict[Sort, int] = {}
        """The same for those that go on until somebody ends them."""
        self._look_again = 0.0

    def begin(self, request: Request) -> Sort:
        """A request begins; what is answered is to be given to :meth:`end`."""
        asked = _sort(request)
        sort = self._sorts.get(asked)
        if sort is None:
            sort = self._known(request.info, asked)
        running = self._endless if endless(request.info) else self._running
        running[sort] = running.get(sort, 0) + 1
        return sort

    def _known(self, info: RequestInfo, asked: Sort) -> Sort:
        """What is counted under its own name: clients may ask for anything, and a sort once told apart stays."""
        sort = asked
        if info.is_resource:
            resource = self._registry.at(info.group, info.version, info.resource)
            if resource is None or (info.subresource and info.subresource not in resource.subresources):
                return _OTHER
            if info.subresource in _CONNECTED:
                sort = ("CONNECT", *asked[1:])
        elif info.method not in _METHODS or asked[4].removeprefix("/") not in _PAGES:
            return _OTHER
        if len(self._sorts) >= MOST_SORTS:
            self._drop_unserved()
            if len(self._sorts) >= MOST_SORTS:
                return _OTHER
        self._sorts[asked] = sort
        return sort

    def _drop_unserved(self) -> None:
        """Count no longer what was asked of kinds that are gone, and of which nothing is being answered."""
        if clock.monotonic() < self._look_again:
            return
        self._look_again = clock.monotonic() + LOOK_SECONDS
        for asked, sort in list(self._sorts.items()):
            _, group, version, resource, *_ = sort
            if not resource or self._registry.at(group, version, resource) is not None:
                continue
            if not self._running.get(sort) and not self._endless.get(sort):
                del self._sorts[asked]
                for counted in (self._finished, self._running, self._endless):
                    counted.pop(sort, None)

    def end(self, request: Request, sort: Sort, code: int, seconds: float) -> None:
        """The request was answered. :param sort: what :meth:`begin` made of it"""
        running = self._endless if endless(request.info) else self._running
        running[sort] -= 1
        finished = self._finished.get(sort)
        if finished is None:
            finished = self._finished[sort] = {}, Histogram(DURATION_BUCKETS)
        codes, durations = finished
        codes[code] = codes.get(code, 0) + 1
        durations.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
        durations.total += seconds

    def write(self, out: Exposition) -> None:
        """Add what was counted."""
        out.family(
            "apiserver_request_total",
            "counter",
            "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, "
            "resource, scope, component, and HTTP response code.",
            (
                ({"code": str(code), "component": "apiserver", **_labels(sort)}, count)
                for sort, (codes, _) in sorted(self._finished.items())
                for code, count in sorted(codes.items())
            ),
        )
        out.histogram(
            "apiserver_request_duration_seconds",
            "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, "
            "resource, subresource, scope and component.",
            (
                ({"component": "apiserver", **_labels(sort)}, durations)
                for sort, (_, durations) in sorted(self._finished.items())
            ),
        )
        kinds = {"mutating": 0, "readOnly": 0}
        for sort, count in self._running.items():
            kinds["mutating" if sort[0] in _MUTATING else "readOnly"] += count
        out.family(
            "apiserver_current_inflight_requests",
            "gauge",
            "[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind "
            "in last second.",
            (({"request_kind": kind}, count) for kind, count in kinds.items()),
        )
        out.family(
            "apiserver_longrunning_requests",
            "gauge",
            "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, "
            "resource, scope and component. Not all requests are tracked this way.",
            (({"component": "apiserver", **_labels(sort)}, count) for sort, count in sorted(self._endless.items())),
        )


def _sort(request: Request) -> Sort:
    info = request.info
    dry_run = "All" if "dryRun" in info.query else ""
    if not info.is_resource:
        return info.method, "", "", "", f"/{info.path.lstrip('/').partition('/')[0]}", "", dry_run
    verb = _VERBS.get(info.verb, "")
    if verb == "PATCH" and b"apply" in request.headers.get(b"content-type", b""):
        verb = "APPLY"
    scope = "resource" if info.name or verb == "POST" else "namespace" if info.namespace else "cluster"
    return verb, info.group, info.version, info.resource, info.subresource, scope, dry_run


def _labels(sort: Sort) -> dict[str, str]:
    return dict(zip(_NAMES, sort, strict=True))


class Metrics:
    """The page."""

    def __init__(self, storage: Storage, flow: FlowControl) -> None:
        self.requests = RequestMetrics(storage.registry)
        self._storage = storage
        self._flow = flow

    async def page(self, request: Request) -> Response | None:
        """The page ``/metrics``, None for what is below it. :raises MethodNotAllowed:"""
        if request.info.path.rstrip("/") != "/metrics":
            return None
        if request.info.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", {})
        out = Exposition()
        self.requests.write(out)
        out.family(
            "apiserver_storage_objects",
            "gauge",
            "[STABLE] Number of stored objects at the time of last check split by kind. "
            "In case of a fetching error, the value will be -1.",
            (({"resource": name}, count) for name, count in sorted(self._stored())),
        )
        _write_flow(out, self._flow)
        out.process()
        return Response(200, out.text(), CONTENT_TYPE)

    def _stored(self) -> Iterator[tuple[str, int]]:
        storage = self._storage
        for name, resource in {one.group_resource: one for one in storage.registry if not one.answered_only}.items():
            yield name, storage.cache(resource).count(storage.prefix(resource))


def _write_flow(out: Exposition, flow: FlowControl) -> None:
    levels = [({"priority_level": name}, level) for name, level in sorted(flow.levels.items())]
    for name, kind, about, attribute in (
        ("nominal_limit_seats", "gauge", "[BETA] Nominal number of execution seats configured for each", "nominal"),
        ("current_executing_seats", "gauge", "[BETA] Concurrency (number of seats) occupied in", "in_use"),
        ("current_inqueue_requests", "gauge", "[BETA] Number of requests currently pending in queues of", "waiting"),
        ("dispatched_requests_total", "counter", "[BETA] Number of requests executed by", "dispatched"),
    ):
        rows = ((labels, getattr(level, attribute)) for labels, level in levels)
        out.family(f"apiserver_flowcontrol_{name}", kind, f"{about} priority level", rows)
    out.family(
        "apiserver_flowcontrol_rejected_requests_total",
        "counter",
        "[BETA] Number of requests rejected by API Priority and Fairness subsystem",
        (
            ({**labels, "reason": reason}, count)
            for labels, level in levels
            for reason, count in sorted(level.rejected.items())
        ),
    )
