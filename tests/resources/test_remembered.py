"""What is remembered of texts that clients choose: short ones, and not too many."""

from __future__ import annotations

from kube_lite.resources.remembered import remembered


def test_short_texts_are_answered_once_and_long_ones_are_not_kept() -> None:
    asked: list[int] = []

    @remembered(2, longest=3)
    def size(text: str) -> int:
        asked.append(len(text))
        return len(text)

    assert [size("abc"), size("abc"), size("abcd"), size("abcd")] == [3, 3, 4, 4]
    assert asked == [3, 4, 4]


def test_too_many_are_all_forgotten() -> None:
    asked: list[str] = []

    @remembered(2)
    def same(text: str) -> str:
        asked.append(text)
        return text

    for text in "abca":
        same(text)
    assert asked == ["a", "b", "c", "a"]
