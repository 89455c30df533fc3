"""kube-lite's own REST resources, as documented FastAPI routes (see ``/docs``).

Built after the server is ready: importing FastAPI costs half a second of CPU, and nothing of Kubernetes' own API
needs it. The routes are thin; what they show is handed over by whoever puts the cluster together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from kube_lite import __version__

Explain = Callable[[str], Any | None]
"""``namespace/name`` of a pod to the scheduler's last decision about it (a dataclass), None when there is none."""


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


def build(explain: Explain | None) -> FastAPI:
    """The application for the paths that are not Kubernetes' own."""
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

    return app
