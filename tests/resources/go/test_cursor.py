"""Reading JSON as upstream's old decoder does, also once something is wrong."""

from __future__ import annotations

from kube_lite.resources.go.cursor import END, Cursor


def test_values_are_skipped_to_their_end() -> None:
    for raw in (b'{"a":[1,{"b":null}],"c":"\\"}"} ,', b'"x\\\\" ,', b"-1.5e3,", b"true,", b"[] ,"):
        cursor = Cursor(raw)
        cursor.skip()
        assert (cursor.token(), cursor.error) == (b",", "")


def test_the_first_error_stays_and_takes_the_step_back_away() -> None:
    cursor = Cursor(b'[x] "n"')
    cursor.skip()
    first = cursor.error
    assert first.startswith("Skip: do not know how to skip: 120, error found in #2 byte of ...|[x] ")
    head = cursor.head
    cursor.unread()
    cursor.report("later", "x")
    assert (cursor.head, cursor.error) == (head, first)


def test_the_end_of_the_text_is_an_error_that_others_replace() -> None:
    cursor = Cursor(b"  ")
    assert (cursor.token(), cursor.error) == (b"", END)
    cursor.report("where", "what")
    assert cursor.error.startswith("where: what, error found in #2 byte of ...|  |...")


def test_most_overflows_are_seen_but_not_all() -> None:
    for text, told in (("99999999999", "readUint32: overflow"), ("4000000000", "ReadInt32: overflow: 4000000000")):
        cursor = Cursor(f"{text}, 1234567890".encode())
        cursor.integer(32)
        assert cursor.error.startswith(told)
    cursor = Cursor(b"5000000000,")
    cursor.integer(32)
    assert cursor.error == ""
