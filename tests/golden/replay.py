"""Replays the recorded cases over HTTP by the shared programs and gathers what differs, case by case.

The programs that recorded the answers (``compare_objects.py``, ``compare_stories.py``) lie with the corpus in
the folder ``shared/golden`` beside the repository. They normalise both sides, so they are loaded as modules and
used as they are. ``description`` texts are not compared, as in the corpus' own rules.

    python -m tests.golden.replay --url URL [--only REGEX] [--topic T ...] [--controllers] [--full]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import re
import string
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "golden"
TOKENS = (
    'admin-token,admin,admin-uid,"system:masters"\n'
    'alice-token,alice,alice-uid,"devs"\n'
    'bob-token,bob,bob-uid,"devs,ops"\n'
    'recorder-token,admin,admin,"system:masters"\n'
)
"""Who asks; the cases of one request were recorded for an administrator with another uid."""
NOT_COMPARED = {"description"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A replayed case; ``differences`` is empty where the answers are equal."""

    case: str
    topic: str
    differences: tuple[tuple[str, Any, Any], ...]
    """Path in the answer, what was recorded, what came."""
    seconds: float


def load(name: str, corpus: Path = CORPUS) -> ModuleType:
    """One of the shared programs as a module."""
    spec = importlib.util.spec_from_file_location(f"golden_{name}", corpus / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(corpus / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases(folder: str, corpus: Path = CORPUS) -> list[tuple[str, dict[str, Any]]]:
    """Every recorded case of ``objects`` or ``stories`` with the name of its topic."""
    found = []
    for path in sorted((corpus / folder).glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            found += [(path.stem, json.loads(line)) for line in lines if line.strip()]
    return found


def replay_objects(url: str, picked: Sequence[tuple[str, dict[str, Any]]], jobs: int = 4) -> list[Outcome]:
    """Replays cases of one request; each job has a connection of its own."""
    program = load("compare_objects")

    def share(index: int) -> list[Outcome]:
        client, outcomes = program.Client(url, "recorder-token"), []
        for topic, case in picked[index::jobs]:
            begun = time.monotonic()
            try:
                answer = program.run_case(client, case)[1]
            except OSError as error:
                answer = {"code": 0, "content_type": None, "body": repr(error)}
            wanted, got = (program.strip(side, NOT_COMPARED) for side in (case["response"], answer))
            different = tuple(program.diff(wanted, got, "", []))
            outcomes.append(Outcome(case["id"], topic, different, time.monotonic() - begun))
        return outcomes

    with ThreadPoolExecutor(jobs) as pool:
        return [outcome for outcomes in pool.map(share, range(jobs)) for outcome in outcomes]


def replay_stories(url: str, picked: Sequence[tuple[str, dict[str, Any]]], jobs: int = 8) -> list[Outcome]:
    """Replays stories; those marked ``serial`` run alone, after the others."""
    program = load("compare_stories")
    options = argparse.Namespace(url=url, token="admin-token", alice="alice-token", bob="bob-token", etcd=None)
    runner = program.Runner(options)
    mark = "".join(random.Random(str(picked)[:50]).choices(string.ascii_lowercase, k=3))

    def one(entry: tuple[str, dict[str, Any]]) -> Outcome:
        topic, story = entry
        begun = time.monotonic()
        got = runner.story(story, mark)
        wanted, answered = ([step.get("response") for step in side["steps"]] for side in (story, got))
        different = tuple(tell(wanted, answered))
        return Outcome(story["id"], topic, different, time.monotonic() - begun)

    parallel = [entry for entry in picked if not entry[1].get("serial")]
    serial = [entry for entry in picked if entry[1].get("serial")]
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(one, parallel))
    return outcomes + [one(entry) for entry in serial]


def tell(wanted: Any, got: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """The differences of two answers: path, recorded, got."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted({*wanted, *got} - NOT_COMPARED):
            yield from tell(wanted.get(key, "<absent>"), got.get(key, "<absent>"), f"{path}/{key}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            yield from tell(one, other, f"{path}/{index}")
    elif wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
        yield path, wanted, got


def needs(story: dict[str, Any]) -> set[str]:
    """What a story needs beside the API server: ``kcm``, ``sched``, ``nodes``, ``etcd``."""
    return set(story.get("needs", ()))


def main() -> int:
    """Replays against a running server and prints what differs; 1 when anything does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="https://127.0.0.1:6443")
    parser.add_argument("--only", default="", help="regular expression on the case")
    parser.add_argument("--topic", action="append", help="name of a file of the corpus, without its ending")
    parser.add_argument("--controllers", action="store_true", help="only stories that need controllers")
    parser.add_argument("--width", type=int, default=300, help="characters printed of a value")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--slow", type=float, help="also print the cases that took longer than so many seconds")
    parser.add_argument("--folder", choices=("objects", "stories"), help="only this half of the corpus")
    parser.add_argument("--json", type=Path, help="write the outcomes here instead of printing them")
    options = parser.parse_args()

    def picked(folder: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            (topic, case)
            for topic, case in cases(folder)
            if options.folder in (None, folder)
            and (not options.topic or topic in options.topic)
            and re.search(options.only, case["id"])
        ]

    stories = [entry for entry in picked("stories") if options.controllers == ("kcm" in needs(entry[1]))]
    stories = [entry for entry in stories if "etcd" not in needs(entry[1])]
    outcomes = [] if options.controllers else replay_objects(options.url, picked("objects"), options.jobs)
    outcomes += replay_stories(options.url, stories, options.jobs)
    if options.json:
        options.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes]), encoding="utf-8")
        return 0
    differing = [outcome for outcome in outcomes if outcome.differences]
    for outcome in differing:
        print("DIFF", outcome.case, f"({outcome.topic})")
        for path, wanted, got in outcome.differences:
            print(f"   {path}\n      recorded {json.dumps(wanted)[: options.width]}")
            print(f"      got      {json.dumps(got)[: options.width]}")
    for outcome in outcomes:
        if options.slow and outcome.seconds > options.slow:
            print(f"SLOW {outcome.case} {outcome.seconds:.1f} s")
    for topic in sorted({outcome.topic for outcome in outcomes}):
        count = sum(outcome.topic == topic for outcome in outcomes)
        print(f"{topic}: {sum(o.topic == topic for o in differing)} of {count} differ")
    print(f"{len(differing)} of {len(outcomes)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
