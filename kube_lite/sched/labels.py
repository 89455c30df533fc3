"""Labels of nodes as columns, one per key that something asked for: codes by row instead of texts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from kube_lite.resources.views import Node

MAX_LABEL_COLUMNS = 256
"""Label keys that have a column at a time; the one used longest ago makes room."""


class LabelColumn(msgspec.Struct):
    """The values of one label: ``codes[row]`` indexes ``values``, -1 where the label is missing."""

    codes: NDArray[np.int32]
    values: list[str] = msgspec.field(default_factory=list)
    code_of: dict[str, int] = msgspec.field(default_factory=dict)

    def set(self, row: int, value: str | None) -> None:
        """Note ``value`` (None: no such label) for ``row``."""
        if value is None:
            self.codes[row] = -1
            return
        code = self.code_of.get(value)
        if code is None:
            code = self.code_of[value] = len(self.values)
            self.values.append(value)
        self.codes[row] = code


class LabelColumns:
    """The columns in use, by key; made from the nodes at first use, and again after they have been dropped."""

    def __init__(self) -> None:
        self._capacity = 0
        self._columns: OrderedDict[str, LabelColumn] = OrderedDict()

    def __len__(self) -> int:
        return len(self._columns)

    def get(self, key: str, nodes: Sequence[Node | None]) -> LabelColumn:
        """The column of a label. :param nodes: by row; at most as many as there is room for"""
        column = self._columns.get(key)
        if column is None:
            column = LabelColumn(np.full(self._capacity, -1, dtype=np.int32))
            for row, node in enumerate(nodes):
                if node is not None:
                    column.set(row, node.metadata.labels.get(key))
            self._columns[key] = column
            if len(self._columns) > MAX_LABEL_COLUMNS:
                self._columns.popitem(last=False)
        else:
            self._columns.move_to_end(key)
        return column

    def put(self, row: int, labels: Mapping[str, str]) -> None:
        """Note the labels of the node in ``row``."""
        for key, column in list(self._columns.items()):
            column.set(row, labels.get(key))
            if len(column.values) > 4 * self._capacity:
                del self._columns[key]  # mostly values of nodes that are gone; made anew when needed

    def clear(self, row: int) -> None:
        """Forget the labels of the node that was in ``row``."""
        for column in self._columns.values():
            column.codes[row] = -1

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows, more than there are now."""
        blank = np.full(capacity - self._capacity, -1, dtype=np.int32)
        for column in self._columns.values():
            column.codes = np.concatenate([column.codes, blank])
        self._capacity = capacity
