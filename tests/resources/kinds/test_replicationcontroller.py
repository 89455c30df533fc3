"""ReplicationControllers."""

from __future__ import annotations

from tests.resources.kinds.cases import BAD, assert_causes, create, resource

KIND = resource("", "replicationcontrollers")


def test_a_selector_may_hold_any_text_and_must_match() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"a": "not a label"}, "template": template}
    found = create(KIND, {"metadata": {"name": "x"}, "spec": spec})[1]
    assert_causes(found, [(BAD, "spec.template.metadata.labels", "`selector` does not match template `labels`")])
