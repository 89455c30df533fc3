"""The form of a story: rows of arguments with what is expected of each, in one namespace, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One run of kubectl.

    In every text ``NS`` stands for the story's namespace and ``DIR`` for a directory with its files.
    """

    arguments: str
    """As in a shell, after ``kubectl``."""
    says: str | Sequence[str] = ()
    """Regular expressions to be found in what it prints, lines anchored by ``^`` and ``$``."""
    code: int = 0
    stdin: str = ""
    since: int = 0
    """The oldest kubectl that this holds for: 29 for 1.29."""
    until: int = 99
    editor: str = ""
    """A sed script that stands for the editor."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables."""
    eventually: bool = False
    """Run it again until it says so: a controller has to act first."""

    def patterns(self) -> Sequence[str]:
        """``says`` as a list."""
        return (self.says,) if isinstance(self.says, str) else self.says


@dataclass(frozen=True)
class Story:
    """Rows that belong together."""

    name: str
    rows: Sequence[Row]
    files: Mapping[str, str] = field(default_factory=dict)
