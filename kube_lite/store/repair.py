"""Salvage: ``python -m kube_lite.store.repair DATABASE NEW`` copies every row that is whole into a new file.

The damaged file is left alone. Of an object whose newest row is damaged, the newest whole one of its history is
taken. As in a backup, history is gone afterwards and numbering goes on far above.
"""

from __future__ import annotations

import argparse
import asyncio

from kube_lite.store.sqlite import SqliteLog, SqliteSettings


async def repair(damaged: str, new: str) -> list[str]:
    """Copy what is whole from one file to a new one; returns what was left out and why.

    :raises Corrupt: the file's structure is damaged, so that its rows cannot be read at all
    """
    problems: list[str] = []
    log = await SqliteLog.open(damaged, SqliteSettings(reserve_bytes=0))
    try:
        await log.write_copy(new, await log.load(problems))
    finally:
        await log.close(0)
    return problems


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="kube_lite.store.repair", description=__doc__)
    parser.add_argument("database", help="the damaged file; its -wal must lie beside it")
    parser.add_argument("new", help="where to write what is whole; must not exist")
    options = parser.parse_args()
    for problem in asyncio.run(repair(options.database, options.new)):
        print(problem)
    print(f"{options.new} holds the rest: put it in the place of {options.database}, and remove that one's -wal")


if __name__ == "__main__":
    main()
