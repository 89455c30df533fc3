"""Images that go: removed by name or id, or collected because nothing runs from them; their layers follow."""

from __future__ import annotations

import fcntl
from collections.abc import Collection

from kube_lite.node.linux.images.catalog import Catalog
from kube_lite.node.linux.images.layers import LayerStore
from kube_lite.node.linux.images.reference import Reference


class ImageInUse(Exception):
    """An image that cannot be removed, as containers run from it."""


class ImageNotFound(Exception):
    """No image has that name or id here."""


def remove(catalog: Catalog, layers: LayerStore, image: str, in_use: Collection[str]) -> int:
    """Take the name away, and the image with its last name; an id removes all. Returns the bytes freed.

    :param in_use: ids of images that containers run from
    :raises ImageInUse: it is one of those
    :raises ImageNotFound: it is not here
    """
    with catalog.changing() as records:
        name = image if image in records else Reference.parse(image).key
        image_id = next((one for one, record in records.items() if one == name or name in record.names), None)
        if image_id is None:
            raise ImageNotFound(f"no such image: {image}")
        record = records[image_id]
        digest = record.names.pop(name, "")
        tags = [other for other in record.names if "@" not in other]
        if image_id == name or not tags:
            if image_id in in_use:
                raise ImageInUse(f"image {image} is in use by a container")
            del records[image_id]
        elif digest and not any(record.names[tag] == digest for tag in tags):
            record.names = {key: value for key, value in record.names.items() if value != digest}
    return _collect_layers(catalog, layers)


def collect(catalog: Catalog, layers: LayerStore, keep: Collection[str]) -> int:
    """Remove every image whose id is not in ``keep``; returns the bytes freed."""
    with catalog.changing() as records:
        for image_id in records.keys() - set(keep):
            del records[image_id]
    return _collect_layers(catalog, layers)


def _collect_layers(catalog: Catalog, layers: LayerStore) -> int:
    """Delete the layers and configurations that no image has, unless somebody is just bringing one."""
    try:
        with catalog.locked("pull.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            records = catalog.read()
            wanted = {diff_id for record in records.values() for diff_id in record.layers}
            for image_id in catalog.configs() - records.keys():
                catalog.forget_config(image_id)
            return sum(layers.remove(diff_id) for diff_id in layers.present() - wanted)
    except BlockingIOError:
        return 0
