"""ComponentStatuses: whether the parts of the control plane work, asked when somebody looks and never stored.

Deprecated upstream since 1.19 and served all the same (upstream: ``pkg/registry/core/componentstatus``). The parts
are tasks of one process here: a part that was left out is unhealthy, as it is upstream when nobody listens on its
port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kube_lite import errors
from kube_lite.api import reads
from kube_lite.api.dispatch import Dispatcher
from kube_lite.api.http import Request, Response, encode_json
from kube_lite.api.negotiate import negotiate
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

NOT_HERE: Final = "not running in this process"


class ComponentStatuses:
    """The handler, put into a dispatcher."""

    def __init__(self, dispatcher: Dispatcher, store: Callable[[], str]) -> None:
        """:param store: '' while the store works, else what is wrong with it"""
        self._dispatcher = dispatcher
        self.checks: dict[str, Callable[[], str]] = {
            "scheduler": lambda: NOT_HERE,
            "controller-manager": lambda: NOT_HERE,
            "etcd-0": store,
        }
        dispatcher.reviews["componentstatuses"] = self._handle

    def running(self, name: str) -> None:
        """Note that a part runs; should it fail, so does the whole process."""
        self.checks[name] = lambda: ""

    async def _handle(self, request: Request, resource: Resource) -> Response:
        """:raises NotFound: there is no such part"""
        info, form = request.info, negotiate(request.header("accept"))
        if info.verb == "get":
            if info.name not in self.checks:
                raise errors.not_found(resource.plural, resource.group, info.name)  # upstream: a 500
            return self._dispatcher.shaped(request, resource, encode_json(self._status(info.name)), form)
        match = reads.list_query(resource, info).match
        names = [name for name in self.checks if match is None or match({}, {"metadata.name": name})]
        values = [encode_json(self._status(name)) for name in names]
        return self._dispatcher.list_shaped(request, resource, values, {}, form)

    def _status(self, name: str) -> Obj:
        problem = self.checks[name]()
        condition = {"type": "Healthy", "status": "False" if problem else "True", "message": problem or "ok"}
        return {"metadata": {"name": name, "creationTimestamp": None}, "conditions": [condition]}
