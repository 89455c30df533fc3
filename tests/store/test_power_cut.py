"""A power cut loses nothing that was acknowledged; with synchronous=NORMAL it does, which shows that this test sees."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from kube_lite.store.sqlite import SqliteSettings, open_sqlite
from tests.store.crash import Witness, look
from tests.store.power_cut import Cut, Player, Recording, record, restore


@pytest.fixture(scope="module")
def _strace() -> None:
    """The recorder, installed if it is not there: nothing else sees the syncs of an unmodified store."""
    if shutil.which("strace") is None:
        subprocess.run(["apt-get", "install", "-y", "strace"], check=True, stdout=subprocess.DEVNULL)


def problems_after(cut: Cut, recording: Recording, target: Path) -> list[str]:
    """What is wrong with the store that is opened on what the cut left."""
    path = restore(cut, recording.directory, target)
    witness = Witness()
    witness.hear(cut.told)

    async def check() -> None:
        async with open_sqlite(path, SqliteSettings(reserve_bytes=0, synchronous="NORMAL")) as store:
            witness.check(await look(store))
            if store.revision < witness.newest_handed:
                witness.problems.append(f"{witness.newest_handed} was handed out, and may be again")

    asyncio.run(check())
    shutil.rmtree(target)
    return [f"cut {cut.name}: {problem}" for problem in witness.problems]


def all_problems(recording: Recording, directory: Path) -> Iterator[list[str]]:
    for number, cut in enumerate(Player(recording, seed=1).cuts()):
        yield problems_after(cut, recording, directory / f"cut-{number}")


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_strace")
def test_no_power_cut_loses_an_acknowledged_write(tmp_path: Path) -> None:
    recording = record(tmp_path, 12, "FULL")
    found = list(all_problems(recording, tmp_path))
    assert [problem for problems in found for problem in problems] == []
    assert len(found) > 100
    player = Player(recording, seed=1)
    told = [cut.told for cut in player.cuts()]
    assert told[-1].count(b"\nA ") > 400
    assert any(b"A " in before and before != after for before, after in pairwise(told))


@pytest.mark.usefixtures("_strace")
def test_the_recording_is_complete(tmp_path: Path) -> None:
    recording = record(tmp_path, 3, "FULL")
    *_, last = Player(recording, seed=1).cuts()
    left = {path: content for path, content in last.files.items() if not path.endswith("-wal")}
    assert left == {path: Path(path).read_bytes() for path in left}
    assert left


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_strace")
def test_without_a_sync_per_commit_a_power_cut_loses_writes(tmp_path: Path) -> None:
    recording = record(tmp_path, 12, "NORMAL")
    assert any("lost" in problem or "not in history" in problem
               for problems in all_problems(recording, tmp_path) for problem in problems)  # fmt: skip
