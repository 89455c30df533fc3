"""Names that expressions cannot mention as they are."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel.syntax import escape


@pytest.mark.parametrize(
    ("name", "escaped"), [("in", "__in__"), ("a-b", "a__dash__b"), ("a.b/c", "a__dot__b__slash__c")]
)
def test_property_names_are_escaped_as_upstream_does(name: str, escaped: str) -> None:
    assert escape(name) == escaped
