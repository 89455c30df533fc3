"""kube-lite's own REST resources, as documented FastAPI routes (see ``/docs``).

Built when first asked for: importing FastAPI costs half a second of CPU, and nothing of Kubernetes' own API needs it.
The routes are thin; what they show is handed over by whoever puts the cluster together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from kube_lite import __version__, errors
from kube_lite.api import history
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.http import USER
from kube_lite.api.plane import Plane

Explain = Callable[[str], Any | None]
"""``namespace/name`` of a pod to the scheduler's last decision about it (a record), None when there is none."""


class Refused(BaseModel):
    """Nodes that one plugin refused for one reason."""

    plugin: str
    reason: str
    nodes: list[str]


class Scored(BaseModel):
    """A node that fits: its total, and what each plugin gave before normalisation and weight."""

    node: str
    total: int
    scores: dict[str, int]


class Explanation(BaseModel):
    """Why a pod is where it is, or nowhere."""

    pod: str = Field(description="namespace/name")
    uid: str
    time: datetime = Field(description="when the scheduler decided")
    node: str = Field(description="the chosen node; empty when none fits")
    message: str = Field(description="the text of the PodScheduled condition when no node fits")
    refused: list[Refused]
    scored: list[Scored]


class FieldChange(BaseModel):
    """One field of one write; null where it was not there."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(description="path, such as .spec.replicas")
    before: Any
    after: Any


class Change(BaseModel):
    """One write of one object."""

    revision: int
    time: str
    manager: str = Field(description="the field manager that wrote")
    operation: str = Field(description="Update, Apply or Delete")
    fields: list[FieldChange]


def build(explain: Explain | None, plane: Plane) -> FastAPI:
    """The application for the paths that are not Kubernetes' own.

    :param explain: the scheduler's memory; None when there is no scheduler
    """
    app = FastAPI(
        title="kube-lite",
        version=__version__,
        description="kube-lite's own resources, beside the Kubernetes API under /api and /apis.",
    )

    @app.get("/kube-lite/v1/namespaces/{namespace}/pods/{name}/explanation", tags=["scheduler"])
    async def explanation(namespace: str, name: str) -> Explanation:
        """The scheduler's last decision about a pod: filters, scores, and what stood in the way."""
        found = explain(f"{namespace}/{name}") if explain is not None else None
        if found is None:
            raise HTTPException(404, f"the scheduler remembers no decision about pod {namespace}/{name}")
        return Explanation.model_validate(found, from_attributes=True)

    @app.get("/kube-lite/v1/changes/{resource}/{name}", tags=["history"])
    async def changes(request: Request, resource: str, name: str, namespace: str = "") -> list[Change]:
        """Who changed which field of an object when, as far as history reaches; ``resource`` as in kubectl."""
        found = plane.registry.named(resource)
        if found is None:
            raise HTTPException(404, f"no resource {resource}")
        if found.namespaced and not namespace:
            namespace = "default"
        try:
            # the path alone would open the past of every Secret
            place = (found.group, found.version, found.plural, "", namespace if found.namespaced else "", name)
            plane.authorizer.require(Attributes(request.scope[USER], "get", *place))
            written = await history.changes(plane.storage, found, namespace if found.namespaced else "", name)
        except errors.ApiError as error:
            raise HTTPException(error.code, error.message) from error
        return [Change.model_validate(change, from_attributes=True) for change in written]

    return app
