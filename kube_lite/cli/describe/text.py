"""Text under tab stops that stretch, as kubectl's ``describe`` is laid out.

A tab ends a cell. Cells in neighbouring lines form a column, and a column is as wide as its widest cell and two blanks;
a line without that cell ends the column ("elastic tabstops", as in Go's text/tabwriter).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kube_lite.cli.connection import Api, Obj

PADDING = 2
LONGEST_ANNOTATION = 140
"""Characters of an annotation that are shown, as in kubectl."""
HIDDEN_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def align(lines: Sequence[str]) -> list[str]:
    """``lines`` with their tabs stretched to blanks."""
    cells = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[] for _ in cells]
    _stretch(cells, widths, 0, len(cells), 0)
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], own, strict=True)) + row[-1]
        for row, own in zip(cells, widths, strict=True)
    ]


def _stretch(cells: list[list[str]], widths: list[list[int]], first: int, end: int, column: int) -> None:
    at = first
    while at < end:
        if column >= len(cells[at]) - 1:
            at += 1
            continue
        begin = at
        while at < end and column < len(cells[at]) - 1:
            at += 1
        width = max(len(row[column]) for row in cells[begin:at]) + PADDING
        for own in widths[begin:at]:
            own.append(width)
        _stretch(cells, widths, begin, at, column + 1)


class Page:
    """Lines that are being written; ``level`` indents by two blanks."""

    def __init__(self, api: Api, obj: Obj) -> None:
        self.api = api
        self.obj = obj
        self.lines: list[str] = []

    def add(self, level: int, *cells: str) -> None:
        """One line of cells."""
        self.lines.append("  " * level + "\t".join(cells))

    def heading(self, labels: bool = True) -> None:
        """Name, namespace, labels and annotations, as most kinds begin."""
        metadata = self.obj["metadata"]
        self.add(0, "Name:", metadata["name"])
        if metadata.get("namespace"):
            self.add(0, "Namespace:", metadata["namespace"])
        if labels:
            self.labels()
            self.annotations()

    def labels(self, level: int = 0, labels: Mapping[str, str] | None = None, title: str = "Labels:") -> None:
        """Labels, one a line under each other."""
        found = (self.obj["metadata"].get("labels") if labels is None else labels) or {}
        self.column(level, title, [f"{key}={found[key]}" for key in sorted(found)])

    def annotations(self, level: int = 0, annotations: Mapping[str, str] | None = None) -> None:
        """Annotations, long ones cut."""
        found = (self.obj["metadata"].get("annotations") if annotations is None else annotations) or {}
        shown = []
        for key in sorted(found):
            value = found[key]
            if key in HIDDEN_ANNOTATIONS:
                continue
            lines = value.rstrip("\n").splitlines()
            if len(value) + len(key) + 2 > LONGEST_ANNOTATION or len(lines) > 1:
                shown.append(f"{key}:")
                shown += ["  " + (line[: LONGEST_ANNOTATION - 3] + "..." if len(line) > LONGEST_ANNOTATION else line)
                          for line in lines]  # fmt: skip
            else:
                shown.append(f"{key}: {value}")
        self.column(level, "Annotations:", shown)

    def column(self, level: int, title: str, values: Sequence[str]) -> None:
        """A title and values under each other, or ``<none>``."""
        self.add(level, title, values[0] if values else "<none>")
        for value in values[1:]:
            self.add(level, "", value)

    def events(self) -> None:
        """What has happened to the object, oldest first."""
        found = events_of(self.api, self.obj)
        if not found:
            self.add(0, "Events:", "<none>")
            return
        self.add(0, "Events:")
        self.add(1, "Type", "Reason", "Age", "From", "Message")
        self.add(1, "----", "------", "----", "----", "-------")
        for event in found:
            source = event.get("reportingComponent") or (event.get("source") or {}).get("component") or ""
            message = (event.get("message") or "").strip()
            self.add(1, event.get("type") or "", event.get("reason") or "", event_age(event), source, message)

    def age(self, timestamp: str | None) -> str:
        """How long ago that was."""
        return age(timestamp)

    def text(self) -> str:
        """The page, aligned."""
        return "\n".join(align(self.lines)) + "\n"


def age(timestamp: str | None) -> str:
    """How long ago that was."""
    from kube_lite import clock
    from kube_lite.resources import ages

    return ages.since(timestamp, clock.now())


def event_age(event: Obj) -> str:
    """When an event was seen last, and how often."""
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    first = event.get("firstTimestamp") or event.get("eventTime")
    count = series.get("count") or event.get("count") or 1
    if count > 1:
        return f"{age(last)} (x{count} over {age(first)})"
    return age(last or first)


def events_of(api: Api, obj: Obj) -> list[Obj]:
    """The events about an object, oldest first; none when they may not be read."""
    from kube_lite.cli.names import builtin_named
    from kube_lite.errors import ApiError

    metadata = obj["metadata"]
    fields = {
        "involvedObject.name": metadata["name"],
        "involvedObject.namespace": metadata.get("namespace", ""),
        "involvedObject.kind": obj.get("kind", ""),
        "involvedObject.uid": metadata["uid"] if obj.get("kind") != "Node" else "",
    }
    selector = ",".join(f"{key}={value}" for key, value in fields.items() if value)
    kind = builtin_named("events")
    assert kind is not None
    try:
        found = api.list_all(kind.path(metadata.get("namespace", "")), {"fieldSelector": selector}).get("items") or []
    except ApiError:
        return []
    return sorted(found, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or e["metadata"]["name"]))


def date(timestamp: str | None) -> str:
    """``Sat, 21 Nov 2026 02:41:39 +0000``: RFC 1123 with a numeric zone."""
    if not timestamp:
        return "<unset>"
    from email.utils import format_datetime

    from kube_lite import clock

    return format_datetime(clock.parse_timestamp(timestamp))


def controlled_by(page: Page) -> None:
    """The controller that owns the object, if one does."""
    for owner in page.obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            page.add(0, "Controlled By:", f"{owner['kind']}/{owner['name']}")


def joined(values: Sequence[Any]) -> str:
    """Values with commas, or ``<none>``."""
    return ",".join(map(str, values)) or "<none>"
