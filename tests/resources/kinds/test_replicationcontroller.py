"""ReplicationControllers."""

from __future__ import annotations

from tests.resources.kinds.cases import BAD, assert_causes, create, resource

KIND = resource("", "replicationcontrollers")


def test_a_selector_may_hold_any_text_and_must_match() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"a": "not a label"}, "template": template}
    found = create(KIND, {"metadata": {"name": "x"}, "spec": spec})[1]
    assert_causes(found, [(BAD, "spec.template.metadata.labels", "`selector` does not match template `labels`")])


def test_counts_below_zero_are_told_of_also_where_others_are_missing() -> None:
    found = KIND.subresources["status"].validate({"status": {"readyReplicas": -1}}, {})
    assert_causes(
        [(e.reason, e.field, e.message) for e in found],
        [(BAD, "status.readyReplicas", "or equal to 0"), (BAD, "status.availableReplicas", "than readyReplicas")],
    )
