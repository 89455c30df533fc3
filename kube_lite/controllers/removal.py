"""Taking away what was seen and is not wanted any more: an object, or the finalizer that holds it.

What is gone already needs no more doing, and of the same name only the object that was seen is touched.
"""

from __future__ import annotations

from kube_lite.client.protocol import Client
from kube_lite.errors import NotFound
from kube_lite.resources.meta import ObjectMeta


async def delete_seen(client: Client, resource: str, meta: ObjectMeta) -> None:
    """Delete the object. :raises Conflict: another one has its name now"""
    try:
        await client.delete(resource, meta.name, meta.namespace, uid=meta.uid)
    except NotFound:
        return


async def lift_finalizer(client: Client, resource: str, meta: ObjectMeta, finalizer: str) -> None:
    """Take a finalizer off the object. :raises Conflict: it changed since it was seen"""
    kept = [entry for entry in meta.finalizers if entry != finalizer]
    patch = {"metadata": {"resourceVersion": meta.resource_version, "finalizers": kept or None}}
    try:
        await client.patch(resource, meta.name, patch, meta.namespace)
    except NotFound:
        return
