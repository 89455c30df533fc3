"""Options of writes: what is taken, what is refused, and in which words."""

from __future__ import annotations

import pytest

from kube_lite import errors
from kube_lite.api.http import Request
from kube_lite.api.options import delete_options, user_agent_manager, write_options
from kube_lite.api.request_info import parse
from kube_lite.api.user import User


def request(query: str = "", agent: str = "kubectl/v1.36 (linux)", method: str = "POST", sent: str = "") -> Request:
    """A write; ``sent`` is its content type."""
    path = "/api/v1/namespaces/default/pods"
    headers = {b"user-agent": agent.encode("latin-1"), b"content-type": sent.encode()}
    return Request(parse(method, path, query), headers, user=User("u"))


def test_the_manager_is_named_or_taken_from_the_user_agent() -> None:
    assert write_options(request(), "CreateOptions").field_manager == "kubectl"
    assert write_options(request("fieldManager=me"), "CreateOptions").field_manager == "me"
    assert user_agent_manager(request(agent="")) == "unknown"
    assert len(user_agent_manager(request(agent="x" * 500))) == 128
    for manager in ("x" * 129, "a%00b"):
        with pytest.raises(errors.Invalid, match="fieldManager"):
            write_options(request(f"fieldManager={manager}"), "PatchOptions")


def test_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(errors.Invalid, match="dryRun: Unsupported value"):
        write_options(request("dryRun=Some"), "CreateOptions")
    with pytest.raises(errors.Invalid, match="fieldValidation: Unsupported value"):
        write_options(request("fieldValidation=Maybe"), "CreateOptions")
    apply = "application/apply-patch+yaml"
    found = write_options(
        request("dryRun=All&fieldValidation=Strict&fieldManager=m&force=1", sent=apply), "PatchOptions"
    )
    assert (found.dry_run, found.field_validation, found.force) == (True, "Strict", True)
    with pytest.raises(errors.Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        write_options(request("force=false"), "PatchOptions")
    with pytest.raises(errors.Invalid, match=r"\[fieldManager: Required value: .*, dryRun: Unsupported value"):
        write_options(request("dryRun=Some", sent=apply), "PatchOptions")


def test_unknown_fields_are_warned_of_unless_the_writer_is_one_of_us() -> None:
    assert write_options(request(), "CreateOptions").field_validation == "Warn"
    own = request()
    own.user = User("system:kube-scheduler", how="in-process")
    assert write_options(own, "CreateOptions").field_validation == "Ignore"


def test_a_delete_takes_its_options_from_the_body_or_else_the_query() -> None:
    query = "gracePeriodSeconds=5&propagationPolicy=Orphan&dryRun=All"
    found = delete_options(request(query), None)
    assert (found.grace_period_seconds, found.propagation_policy, found.dry_run) == (5, "Orphan", True)
    body = {"preconditions": {"uid": "u", "resourceVersion": "7"}, "gracePeriodSeconds": 0}
    found = delete_options(request(query), body)
    assert (found.grace_period_seconds, found.propagation_policy, found.dry_run) == (0, None, False)
    assert (found.uid, found.resource_version) == ("u", "7")
    found = delete_options(request("uid=u&resourceVersion=7"), None)
    assert (found.uid, found.resource_version) == ("u", "7")


def test_a_delete_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="cannot be both set"):
        delete_options(request(), {"propagationPolicy": "Orphan", "orphanDependents": True})
    with pytest.raises(errors.Invalid, match="propagationPolicy: Unsupported value"):
        delete_options(request("propagationPolicy=Slowly"), None)
    with pytest.raises(errors.BadRequest, match='parsing "soon": invalid syntax'):
        delete_options(request("gracePeriodSeconds=soon"), None)
