"""The recorded answers of a real API server, replayed against kube-lite: equal, or named with a reason.

``allow.tsv`` names the cases that differ on purpose (case, reason, what is answered instead), ``pending.tsv`` those
that still differ and shall not. Both may only name what differs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.golden.replay import CORPUS, Outcome, cases
from tests.golden.server import ROOT, serving

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the recordings are not there: {CORPUS}")
HERE = Path(__file__).parent
ALLOWED_SHARE = 0.08
"""Largest part of all recorded cases that may differ on purpose."""


def listed(name: str) -> dict[str, list[str]]:
    """The lines of one of the lists, by case."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}


def replayed(url: str, directory: Path, *arguments: str) -> list[Outcome]:
    """The outcomes of a replay, in a process of its own: the shared programs leave their connections open."""
    found = directory / "outcomes.json"
    command = [sys.executable, "-m", "tests.golden.replay", "--url", url, "--json", str(found), *arguments]
    subprocess.run(command, cwd=ROOT, check=True)
    return [Outcome(**outcome) for outcome in json.loads(found.read_text(encoding="utf-8"))]


Replay = Callable[..., list[Outcome]]


def judge(replay: Replay) -> None:
    """Fail on differences that are not listed, and on allowed cases that are equal.

    Recorded times are whole seconds and many cases run at once, so one that differs gets a second, quiet look. A
    pending case that is equal is told, not refused: several of them turn on timing.
    """
    allowed, pending = listed("allow.tsv"), listed("pending.tsv")
    outcomes = replay()
    unlisted = [o.case for o in outcomes if o.differences and o.case not in allowed and o.case not in pending]
    if unlisted:
        names = "^(" + "|".join(re.escape(case) for case in unlisted) + ")$"
        again = {o.case: o for o in replay("--only", names, "--jobs", "1")}
        outcomes = [again.get(o.case, o) for o in outcomes]
    unstable = {case["id"] for _, case in cases("stories") if case.get("stable") is False}
    told = []
    for outcome in outcomes:
        if outcome.case in unstable or (outcome.differences and outcome.case in pending):
            continue
        if outcome.differences and outcome.case not in allowed:
            path, wanted, got = outcome.differences[0]
            told.append(f"{outcome.case} differs at {path}: recorded {str(wanted)[:200]}, got {str(got)[:200]}")
        elif not outcome.differences and outcome.case in allowed:
            told.append(f"{outcome.case} is equal, take it off its list")
        elif outcome.case in pending:
            print(f"{outcome.case} is equal now: take it off pending.tsv if that stays so")
    assert not told, "\n".join(sorted(told))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without controllers and scheduler."""
    with serving(tmp_path_factory.mktemp("quiet")) as url:
        yield url


@pytest.mark.timeout(170)
def test_requests_are_answered_as_recorded(quiet: str, tmp_path: Path) -> None:
    judge(partial(replayed, quiet, tmp_path, "--folder", "objects"))


@pytest.mark.timeout(170)
def test_stories_without_controllers_go_as_recorded(quiet: str, tmp_path: Path) -> None:
    judge(partial(replayed, quiet, tmp_path, "--folder", "stories"))


@pytest.mark.long  # three minutes, most of it spent in recorded timeouts
@pytest.mark.timeout(300)
def test_stories_with_controllers_go_as_recorded(tmp_path: Path) -> None:
    with serving(tmp_path, controllers=True) as url:
        judge(partial(replayed, url, tmp_path, "--controllers", "--jobs", "16"))


def test_few_cases_differ_on_purpose_and_each_says_why() -> None:
    recorded = {case["id"] for _, case in cases("objects") + cases("stories")}
    allowed, pending = listed("allow.tsv"), listed("pending.tsv")
    assert len(allowed) <= ALLOWED_SHARE * len(recorded)
    assert not [case for case, row in allowed.items() if len(row) != 2 or not all(re.search(r"\w", t) for t in row)]
    assert not (set(allowed) | set(pending)) - recorded
    assert not set(allowed) & set(pending)
