"""Keys in order, though nobody asks for ranges for a long time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kube_lite.store.current import SortedKeys

KEYS = st.sampled_from([f"/{letter}" for letter in "abcdefgh"])


@given(st.lists(st.tuples(KEYS, st.booleans())), st.sets(KEYS))
def test_the_keys_are_those_of_the_mapping_whatever_came_and_went(
    steps: list[tuple[str, bool]], start: set[str]
) -> None:
    mapping = dict.fromkeys(start, 0)
    keys = SortedKeys(mapping)
    for key, look in steps:
        if key in mapping:
            del mapping[key]
            keys.went(key)
        else:
            mapping[key] = 0
            keys.came(key)
        if look:
            assert keys.span("")[0] == sorted(mapping)
    found, low, high = keys.span("/")
    assert found[low:high] == sorted(mapping)


def test_what_came_and_went_is_not_kept_until_somebody_asks_for_a_range() -> None:
    """The store's own keys are listed at its start only: a hundred bytes stayed for every object ever made."""
    mapping = {"/stays": 0}
    keys = SortedKeys(mapping)
    for number in range(1000):
        mapping[f"/{number}"] = number
        keys.came(f"/{number}")
        del mapping[f"/{number}"]
        keys.went(f"/{number}")
    assert not keys._touched
