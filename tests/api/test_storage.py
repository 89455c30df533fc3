"""How objects are encoded to be stored."""

from __future__ import annotations

from kube_lite.api.plane import Plane
from tests.api.wire import call, run

REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}


def test_data_of_a_revision_is_escaped_as_clients_escape_what_they_compare_it_with() -> None:
    """``kubectl rollout undo`` compares bytes; what Go's encoding/json does to strings is part of them."""

    async def story(plane: Plane) -> None:
        data = {"a": "1 && 2 <\u2028> \u00e9"}
        body = {"metadata": {"name": "r"}, "revision": 1, "data": data}
        told = rb'"data":{"a":"1 \u0026\u0026 2 \u003c\u2028\u003e ' + "\u00e9".encode() + b'"}'
        assert told in (await call(plane.app, "POST", REVISIONS, body, JSON)).body
        renumbered = await call(plane.app, "PATCH", f"{REVISIONS}/r", {"revision": 2}, MERGE)
        assert told in renumbered.body
        assert (renumbered.code, renumbered.json()["data"]) == (200, data)
        assert told in (await call(plane.app, "GET", REVISIONS)).body

    run(story)
