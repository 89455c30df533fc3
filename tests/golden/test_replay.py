"""The recorded answers of a real API server, replayed against kube-lite: equal, or named with a reason.

``allow.tsv`` names the cases that differ on purpose (case, reason, what is answered instead), ``pending.tsv`` those
that still differ and shall not. Both may only name what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.replay import CORPUS, Outcome, cases, needs, replay_objects, replay_stories
from tests.golden.server import serving

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the recordings are not there: {CORPUS}")
HERE = Path(__file__).parent
ALLOWED_SHARE = 0.08
"""Largest part of all recorded cases that may differ on purpose."""
JOBS = 8


def listed(name: str) -> dict[str, list[str]]:
    """The lines of one of the lists, by case."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}


def judge(outcomes: list[Outcome]) -> None:
    """Fail on differences that are not listed, and on lines whose case is equal."""
    known = {**listed("allow.tsv"), **listed("pending.tsv")}
    unstable = {case["id"] for _, case in cases("stories") if case.get("stable") is False}
    told = []
    for outcome in outcomes:
        if outcome.case in unstable:
            continue
        if outcome.differences and outcome.case not in known:
            path, wanted, got = outcome.differences[0]
            told.append(f"{outcome.case} differs at {path}: recorded {str(wanted)[:200]}, got {str(got)[:200]}")
        elif not outcome.differences and outcome.case in known:
            told.append(f"{outcome.case} is equal, take it off its list")
    assert not told, "\n".join(sorted(told))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without controllers and scheduler."""
    with serving(tmp_path_factory.mktemp("quiet")) as url:
        yield url


@pytest.mark.timeout(170)
def test_requests_are_answered_as_recorded(quiet: str) -> None:
    judge(replay_objects(quiet, cases("objects"), JOBS))


@pytest.mark.timeout(170)
def test_stories_without_controllers_go_as_recorded(quiet: str) -> None:
    judge(replay_stories(quiet, [entry for entry in cases("stories") if not needs(entry[1])], JOBS))


@pytest.mark.timeout(170)
def test_stories_with_controllers_go_as_recorded(tmp_path: Path) -> None:
    with serving(tmp_path, controllers=True) as url:
        judge(replay_stories(url, [entry for entry in cases("stories") if "kcm" in needs(entry[1])], 2 * JOBS))


def test_few_cases_differ_on_purpose_and_each_says_why() -> None:
    recorded = {case["id"] for _, case in cases("objects") + cases("stories")}
    allowed, pending = listed("allow.tsv"), listed("pending.tsv")
    assert len(allowed) <= ALLOWED_SHARE * len(recorded)
    assert not [case for case, row in allowed.items() if len(row) != 2 or not all(re.search(r"\w", t) for t in row)]
    assert not (set(allowed) | set(pending)) - recorded
    assert not set(allowed) & set(pending)
