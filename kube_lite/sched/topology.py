"""Domains: nodes that share the value of a label (a zone, a rack, a host), and sums over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kube_lite.sched.nodes import Ints, Mask, NodeTable


def sum_by_domain(nodes: NodeTable, key: str, counts: Ints, where: Mask) -> tuple[Ints, NDArray[np.int32]]:
    """For each value of label ``key`` the sum of ``counts`` over the nodes in ``where``; and the nodes' codes."""
    codes = nodes.label_codes(key)
    taking_part = where & (codes >= 0)
    values = max(len(nodes.label(key).values), 1)
    sums = np.bincount(codes[taking_part], weights=counts[taking_part], minlength=values)
    return sums.astype(np.int64), codes


def of_domain(sums: Ints, codes: NDArray[np.int32]) -> Ints:
    """Each node's domain's sum; 0 where the label is missing."""
    found: Ints = np.where(codes >= 0, sums[np.maximum(codes, 0)], 0)
    return found
