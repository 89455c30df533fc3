"""The audit log: lines gathered and written, rotated by size, and lost rather than in the way."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import anyio
import pytest

from kube_lite import clock
from kube_lite.api import audit
from kube_lite.api.audit import AuditLog
from kube_lite.api.http import Request
from kube_lite.api.request_info import parse


def request(name: str) -> Request:
    """A request for a pod."""
    return Request(parse("GET", f"/api/v1/namespaces/default/pods/{name}"), audit_id=name)


def names(path: Path) -> list[str]:
    """Whose lines a file holds."""
    return [json.loads(line)["objectRef"]["name"] for line in path.read_text().splitlines()]


def test_lines_are_written_every_quarter_of_a_second_and_the_rest_at_the_end(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")

    async def story() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.run)
            await anyio.sleep(0.1)
            log.record(request("a"), 200, 0.0)
            assert not (tmp_path / "audit.log").exists()
            await anyio.sleep(0.2)
            assert names(tmp_path / "audit.log") == ["a"]
            log.record(request("b"), 404, 0.0, "not there")
            tasks.cancel_scope.cancel()

    clock.run_virtual(story())
    log.close()
    assert names(tmp_path / "audit.log") == ["a", "b"]
    last = json.loads((tmp_path / "audit.log").read_text().splitlines()[1])
    assert last["responseStatus"] == {"metadata": {}, "code": 404, "message": "not there"}


def test_what_admission_says_is_in_the_event_of_its_request_only(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    audit.begin()
    audit.annotate({"policy": "warned"})
    log.record(request("a"), 200, 0.0)
    audit.begin()
    log.record(request("b"), 200, 0.0)
    log.close()
    first, second = (json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines())
    assert (first["annotations"], "annotations" in second) == ({"policy": "warned"}, False)


def test_a_full_file_is_rotated_and_the_oldest_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_BYTES", 1000)
    monkeypatch.setattr(audit, "MAX_FILES", 2)
    log = AuditLog(tmp_path / "audit.log")
    for number in range(6):
        log.record(request(f"p{number}"), 200, 0.0)
        log.record(request(f"q{number}"), 200, 0.0)
        log.flush()
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["audit.1.log", "audit.2.log", "audit.log"]
    kept = [names(tmp_path / name) for name in ("audit.2.log", "audit.1.log", "audit.log")]
    assert kept == [["p3", "q3"], ["p4", "q4"], ["p5", "q5"]]
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)} == {0o600}


def test_a_restart_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        log = AuditLog(tmp_path / "audit.log")
        log.record(request(name), 200, 0.0)
        log.close()
    assert names(tmp_path / "audit.log") == ["a", "b"]


def test_a_disk_that_fails_costs_lines_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = AuditLog(tmp_path / "gone" / "audit.log")
    log.record(request("a"), 200, 0.0)
    with caplog.at_level(logging.ERROR):
        log.flush()
    assert "No such file or directory; 1 lines are lost" in caplog.text
    (tmp_path / "gone").mkdir()
    log.record(request("b"), 200, 0.0)
    log.close()
    assert names(tmp_path / "gone" / "audit.log") == ["b"]
