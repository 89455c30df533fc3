"""A simulated node on its own."""

from __future__ import annotations

from kube_lite.sim.simnode import MOST_IMAGES, SimNode


def test_images_that_nobody_has_used_for_long_are_removed() -> None:
    node = SimNode(0, "n", {}, {})
    for number in range(2 * MOST_IMAGES):
        node.use_images(["base", f"i{number}"])
    assert len(node.images) == MOST_IMAGES
    assert {"base", f"i{2 * MOST_IMAGES - 1}"} <= node.images.keys()
    assert "i0" not in node.images
