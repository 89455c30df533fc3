"""A killed store keeps what it acknowledged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kube_lite.store.store import Event, Record
from tests.store.crash import Found, Witness, body


@pytest.mark.timeout(400)
def test_two_hundred_kills_lose_no_acknowledged_write(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.store.crash", "kill", str(tmp_path), "200", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["kills"] == 200
    assert report["productive"] > 60  # else the lives were too short to prove anything
    assert report["acknowledged"] > 5_000


def _found(*records: Record, events: tuple[Event, ...] = (), revision: int = 9, compacted: int = 0) -> Found:
    return Found({record.key: record for record in records}, events, revision, compacted)


def _put(key: str, revision: int) -> Event:
    return Event(key, body(key, revision), revision, False, None)


def _record(key: str, revision: int) -> Record:
    return Record(key, body(key, revision), revision)


TOLD = b"H 5\nA 5 /own/a put\n"


def test_the_check_accepts_what_fits() -> None:
    witness = Witness()
    witness.hear(TOLD + b"H 6\nA 6")  # the last line was cut off: not acknowledged
    witness.check(_found(_record("/own/a", 5), events=(_put("/own/a", 5),)))
    assert witness.problems == []


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param(TOLD, _found(), id="lost"),
        pytest.param(TOLD, _found(_record("/own/a", 5)), id="lost from history"),
        pytest.param(TOLD, _found(_record("/own/a", 5), events=(_put("/own/a", 5),), revision=4), id="counter back"),
        pytest.param(TOLD, _found(_record("/own/a", 4), compacted=6), id="went back"),
        pytest.param(TOLD, _found(Record("/own/a", b"ha", 5), events=(_put("/own/a", 5),)), id="half a write"),
        pytest.param(b"A 5 /own/a gone\n", _found(_record("/own/a", 4), compacted=6), id="resurrected"),
        pytest.param(TOLD + b"A 5 /own/b put\n", _found(_record("/own/a", 5), compacted=9), id="revision used twice"),
        pytest.param(b"A 5 /transient/a put\n", _found(), id="transient row lost"),
        pytest.param(
            TOLD, _found(_record("/own/a", 5), events=(_put("/own/a", 5), _put("/own/a", 6))), id="state behind history"
        ),
    ],
)
def test_the_check_notices(told: bytes, found: Found) -> None:
    witness = Witness()
    witness.hear(told)
    witness.check(found)
    assert witness.problems


def test_the_check_notices_a_revision_handed_out_in_two_lives() -> None:
    witness = Witness()
    witness.hear(b"H 5\n")
    witness.hear(b"H 5\n")
    assert witness.problems
