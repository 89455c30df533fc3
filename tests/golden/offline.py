"""Replays recorded requests against the kinds alone: decode, default, prepare and validate, no server.

    python -m tests.golden.offline [--corpus DIR] [--id REGEX] [--show N]

Only creations are replayed, and only what the kinds decide: admission, allocation and what needs stored objects
is left to the replay over HTTP. ``allow_objects.txt`` beside this file names the cases that differ, with why.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_lite.resources import schema
from kube_lite.resources.decode import complete, decode
from kube_lite.resources.field import Errors
from kube_lite.resources.metadata import validate_metadata
from kube_lite.resources.registry import Registry, Resource, builtin

CORPUS = Path(os.environ.get("KUBE_LITE_GOLDEN", Path(__file__).parent)) / "objects"
"""Where the recordings are; KUBE_LITE_GOLDEN names another folder."""
TOPICS = ("objects-defaults", "validation-errors")
ALLOWED = Path(__file__).with_name("allow_objects.txt")
_PATH = re.compile(r"/apis?(?:/(?P<group>[^/]+\.[^/]+|apps|batch|autoscaling|policy|extensions))?/(?P<version>v[^/]+)"
                   r"(?:/namespaces/(?P<ns>[^/]+))?/(?P<plural>[^/?]+)(?:\?.*)?")  # fmt: skip
_SERVER_SET = (
    "deletionTimestamp",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "selfLink",
    "name",
)
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True, slots=True)
class Difference:
    """A case whose answer is not the recorded one."""

    case: str
    recorded: Any
    got: Any


def allowed(path: Path = ALLOWED) -> dict[str, str]:
    """Case ids that may differ, each with its reason."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def cases(corpus: Path, topics: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The recorded cases of some topics."""
    for topic in topics:
        with (corpus / f"{topic}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def resource_of(registry: Registry, path: str) -> tuple[Resource, str] | None:
    """The kind that a collection's URL serves, and the namespace in it."""
    parts = _PATH.fullmatch(path)
    if parts is None:
        return None
    found = registry.at(parts["group"] or "", parts["version"], parts["plural"])
    return (found, parts["ns"] or "") if found else None


def create(resource: Resource, body: dict[str, Any], namespace: str) -> tuple[dict[str, Any], Errors]:
    """What the kind makes of a posted object, and what is wrong with it."""
    type_ = schema.type_of(resource.definition)
    obj = decode(type_, copy.deepcopy(body)).obj
    meta = obj.setdefault("metadata", {})
    if resource.namespaced:
        meta.setdefault("namespace", "nsabc")
    if meta.get("generateName") and not meta.get("name"):
        meta["name"] = meta["generateName"] + "abcde"
    meta["uid"] = "00000000-0000-0000-0000-000000000000"
    resource.default(obj)
    if resource.kind == "Pod":
        _admit_pod(obj)
    resource.prepare_create(obj)
    errors = validate_metadata(meta, namespaced=resource.namespaced, rule=resource.name_rule)
    errors = errors + resource.validate(obj)
    obj.setdefault("kind", resource.kind)
    obj.setdefault("apiVersion", resource.api_version)
    complete(type_, obj)
    return obj, errors


def _admit_pod(pod: dict[str, Any]) -> None:
    """What the admission plug-ins of the recording did to every pod."""
    spec = pod["spec"]
    tolerations = spec.setdefault("tolerations", [])
    for key in _TOLERATED:
        if not any(t.get("key") == key and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _comparable(obj: Any) -> Any:
    if isinstance(obj, dict):
        kept = {k: _comparable(v) for k, v in obj.items() if v is not None and k not in ("clusterIP", "clusterIPs")}
        if isinstance(kept.get("metadata"), dict):
            kept["metadata"] = {k: v for k, v in kept["metadata"].items() if k not in _SERVER_SET and k != "namespace"}
        return {k: v for k, v in kept.items() if not str(v).startswith(("<nodePort", "<health"))}
    if isinstance(obj, list):
        return [_comparable(item) for item in obj]
    return re.sub(r"00000000-0000-0000-0000-000000000000", "<uid>", obj) if isinstance(obj, str) else obj


def _causes(errors: Errors) -> list[tuple[str, str, str]]:
    return [(e.reason, e.field, e.message) for e in errors]


def replay(registry: Registry, case: dict[str, Any]) -> Difference | bool | None:
    """The difference of a case; None when there is none, False when the case is not for the kinds alone."""
    step, answer = case["step"], case["response"]
    body = step.get("body")
    found = resource_of(registry, step["path"])
    if step["method"] != "POST" or case.get("setup") or not isinstance(body, dict) or found is None:
        return False
    resource, namespace = found
    if resource.answered_only or answer["code"] not in (200, 201, 422):
        return False
    try:
        obj, errors = create(
            resource, json.loads(json.dumps(body).replace("${U}", "uabc").replace("${NS}", "nsabc")), namespace
        )
    except ValueError as error:
        return Difference(case["id"], answer["code"], repr(error))
    recorded = answer["body"]
    if answer["code"] == 422:
        causes = [
            (c["reason"], c.get("field", ""), c["message"]) for c in (recorded.get("details") or {}).get("causes", [])
        ]
        got = json.loads(
            json.dumps(_causes(errors))
            .replace("00000000-0000-0000-0000-000000000000", "<uid>")
            .replace("nsabc", "${NS}")
            .replace("uabc", "${U}")
        )
        wanted = [list(c) for c in causes]
        return None if wanted == got else Difference(case["id"], wanted, got)
    if errors:
        return Difference(case["id"], answer["code"], _causes(errors))
    want, have = _comparable(recorded), _comparable(obj)
    have = json.loads(json.dumps(have).replace("nsabc", "${NS}").replace("uabc", "${U}"))
    return None if want == have else Difference(case["id"], want, have)


def _show(recorded: Any, got: Any, path: str = "") -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(got, dict):
        for key in sorted({*recorded, *got}):
            yield from _show(recorded.get(key, "<absent>"), got.get(key, "<absent>"), f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(got, list) and len(recorded) == len(got):
        for i, (one, other) in enumerate(zip(recorded, got, strict=True)):
            yield from _show(one, other, f"{path}[{i}]")
    elif recorded != got:
        yield f"{path or '.'}\n      recorded {json.dumps(recorded)[:700]}\n      got      {json.dumps(got)[:700]}"


def main() -> int:
    """Replay and print the differences; 1 when any is not allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--id", default="")
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    registry, known = builtin(), allowed()
    same = allowed_count = skipped = 0
    differing = []
    for case in cases(options.corpus, TOPICS):
        if not re.search(options.id, case["id"]):
            continue
        outcome = replay(registry, case)
        if outcome is False:
            skipped += 1
        elif outcome is None:
            same += 1
        elif isinstance(outcome, Difference):
            if outcome.case in known:
                allowed_count += 1
            else:
                differing.append(outcome)
    for difference in differing[: options.show]:
        print("DIFF", difference.case)
        for line in _show(difference.recorded, difference.got):
            print("   ", line)
    print(f"{same} same, {allowed_count} allowed, {len(differing)} differ, {skipped} not replayed")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
