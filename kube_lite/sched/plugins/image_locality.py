"""ImageLocality: nodes that already have the pod's images are liked a little better.

An image counts by its size and by the share of nodes that have it, so that pods do not pile up on the one node
that has a rare image. Thresholds are upstream's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kube_lite.sched.framework import MAX_NODE_SCORE, SKIP, Plugin
from kube_lite.sched.nodes import Ints, Mask, NodeTable, Rows
from kube_lite.sched.podinfo import PodInfo

MEGABYTE = 1024 * 1024
MIN_THRESHOLD = 23 * MEGABYTE
"""Bytes up to which images do not count."""
MAX_CONTAINER_THRESHOLD = 1000 * MEGABYTE
"""Bytes per container from which on more does not count."""


def normalized_name(image: str) -> str:
    """``image`` with the tag ``latest`` when it has neither tag nor digest."""
    return image if ":" in image.rsplit("/", 1)[-1] else f"{image}:latest"


class ImageLocality(Plugin):
    """Scores by the bytes of images that are there, spread over the nodes that have them."""

    name = "ImageLocality"

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """The score of each node; SKIP when no node has any of the images."""
        containers = [*info.pod.spec.init_containers, *info.pod.spec.containers]
        held = [rows for c in containers if (rows := nodes.images.get(normalized_name(c.image)))]
        if not held:
            return SKIP
        total = nodes.count
        sums = np.zeros(nodes.size, dtype=np.int64)
        for rows in held:
            for row, size in rows.items():
                sums[row] += size * len(rows) // total
        most = MAX_CONTAINER_THRESHOLD * len(containers)
        clipped = np.clip(sums, MIN_THRESHOLD, most)
        return MAX_NODE_SCORE * (clipped - MIN_THRESHOLD) // (most - MIN_THRESHOLD)

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """That score."""
        scores: Ints = state[rows]
        return scores


PLUGIN = ImageLocality
