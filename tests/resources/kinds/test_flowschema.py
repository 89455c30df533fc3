"""FlowSchemas."""

from __future__ import annotations

import pytest

from kube_lite.resources.flow_defaults import MANDATORY_SCHEMAS
from kube_lite.resources.registry import UpdateCheck
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    assert_update,
    create,
    resource,
)

KIND = resource("flowcontrol.apiserver.k8s.io", "flowschemas")
RULE = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
VALID = {
    "metadata": {"name": "x"},
    "spec": {
        "priorityLevelConfiguration": {"name": "l"},
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "u"}}],
                "resourceRules": [RULE],
                "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/a"]}],
            }
        ],
    },
}
FIRST = "spec.rules.0"
AT = "spec.rules[0]"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("no rules", {"spec.rules": None}, []),
        (
            "precedence",
            {"spec.matchingPrecedence": 1},
            [(BAD, "spec.matchingPrecedence", "only the schema named 'exempt' may have matchingPrecedence 1")],
        ),
        ("too late", {"spec.matchingPrecedence": 10001}, [(BAD, "spec.matchingPrecedence", "not be greater than 1")]),
        (
            "no level",
            {"spec.priorityLevelConfiguration": {}},
            [(NEEDED, "spec.priorityLevelConfiguration.name", "must reference a priority level")],
        ),
        (
            "nobody",
            {f"{FIRST}.subjects": None},
            [(NEEDED, f"{AT}.subjects", "subjects must contain at least one value")],
        ),
        ("subject", {f"{FIRST}.subjects.0.user": {}}, [(NEEDED, f"{AT}.subjects[0].user.name", "Required value")]),
        (
            "account",
            {f"{FIRST}.subjects.0": {"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}},
            [(NEEDED, f"{AT}.subjects[0].serviceAccount.namespace", "must specify namespace for service account")],
        ),
        (
            "the others after its own",
            {
                f"{FIRST}.subjects.0.group": {"name": "g"},
                f"{FIRST}.subjects.0.serviceAccount": {},
                f"{FIRST}.subjects.0.user": {},
            },
            [
                (NEEDED, f"{AT}.subjects[0].user.name", ""),
                (NOT_HERE, f"{AT}.subjects[0].serviceAccount", ""),
                (NOT_HERE, f"{AT}.subjects[0].group", ""),
            ],
        ),
        (
            "two subjects in one",
            {f"{FIRST}.subjects.0.group": {"name": "g"}},
            [(NOT_HERE, f"{AT}.subjects[0].group", "group is forbidden when subject kind is not 'Group'")],
        ),
        (
            "nothing",
            {f"{FIRST}.resourceRules": None, f"{FIRST}.nonResourceRules": None},
            [(NEEDED, AT, "at least one of resourceRules and nonResourceRules has to be non-empty")],
        ),
        (
            "verbs",
            {f"{FIRST}.resourceRules.0.verbs": ["got"]},
            [(UNKNOWN, f"{AT}.resourceRules[0].verbs", 'supported values: "create", "delete"')],
        ),
        *(
            (
                f"all {what}",
                {f"{FIRST}.resourceRules.0.{what}": ["*", "x"]},
                [(BAD, f"{AT}.resourceRules[0].{what}", f"if '*' is present, must not specify other {many}")],
            )
            for what, many in (
                ("verbs", "verbs"),
                ("apiGroups", "api groups"),
                ("resources", "resources"),
                ("namespaces", "namespaces"),
            )
        ),
        (
            "namespace",
            {f"{FIRST}.resourceRules.0.namespaces": ["A"]},
            [(BAD, f"{AT}.resourceRules[0].namespaces[0]", "must be '*' or a DNS-1123 label; a lowercase RFC 1123")],
        ),
        (
            "no namespace",
            {f"{FIRST}.resourceRules.0.namespaces": None},
            [(NEEDED, f"{AT}.resourceRules[0].namespaces", "not cluster scoped must supply at least one namespace")],
        ),
        *(
            (
                f"url {url}",
                {f"{FIRST}.nonResourceRules.0.nonResourceURLs": [url]},
                [(BAD, f"{AT}.nonResourceRules[0].nonResourceURLs[0]", detail)],
            )
            for url, detail in (
                ("", "must not be empty"),
                ("a", "must start with slash"),
                ("/a b", "must not contain white-space"),
                ("/a//b", "must not contain double slash"),
                ("/a*", "wildcard can only do suffix matching"),
            )
        ),
    ],
)
def test_a_new_schema(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_the_mandatory_schemas_are_fixed() -> None:
    fixed = {"metadata": {"name": "catch-all"}, "spec": MANDATORY_SCHEMAS["catch-all"]}
    assert_causes(create(KIND, fixed)[1], [])
    wrong = [(BAD, "spec", "spec of 'catch-all' must equal the fixed value")]
    assert_update(KIND, fixed, {"spec.distinguisherMethod": None}, wrong)


def test_metadata_that_changed_is_told_of_once_and_checked_as_new() -> None:
    """What is particular to these kinds does not look at changes of metadata again, but does at all of it."""
    assert KIND.update_checks == (UpdateCheck.METADATA,)
    assert resource("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations").update_checks == KIND.update_checks
