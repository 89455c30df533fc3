"""Bodies from the network: what is read, what is refused before any parser, and the words of the refusal."""

from __future__ import annotations

import pytest

from kube_lite.api.body import MAX_BODY, duplicate_fields, parse, parse_yaml, strict_complaints, warnings_of
from kube_lite.errors import ApiError, BadRequest, RequestEntityTooLarge, UnsupportedMediaType


def complaint(raw: bytes, content_type: str = "application/json") -> str:
    with pytest.raises(BadRequest) as refusal:
        parse(raw, content_type, "ConfigMap")
    return refusal.value.message


def test_json_and_yaml_give_the_same_object() -> None:
    expected = {"kind": "Pod", "metadata": {"labels": {"a": "1"}}, "n": 3, "t": True, "z": None}
    assert parse(b'{"kind":"Pod","metadata":{"labels":{"a":"1"}},"n":3,"t":true,"z":null}', "", "Pod").value == expected
    text = b"kind: Pod\nmetadata:\n  labels: {a: '1'}\nn: 3\nt: yes\nz:\n"
    assert parse(text, "application/yaml; charset=utf-8", "Pod").value == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"a: b", "invalid character 'a' looking for beginning of value (613a2062)"),
        (b'{"a":1} z', "invalid character 'z' after top-level value ({\"a\":1} z)"),
        (b"{nope", "invalid character 'n' looking for beginning of object key string ({nope)"),
        (b'{"a":[1,2}', "invalid character '}' after array element ({\"a\":[1,2})"),
        (b'{"a":1 "b"', 'invalid character \'"\' after object key:value pair ({"a":1 "b")'),
        (b'{"a":NaN}', "invalid character 'N' looking for beginning of value ({\"a\":NaN})"),
    ],
)
def test_what_is_not_json_is_refused_as_go_words_it(raw: bytes, words: str) -> None:
    preamble = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; "
    assert complaint(raw) == f"{preamble}json parse error: {words}"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'"x"',
        b"5",
        b'{"kind":5}',
    ],
)
def test_hostile_json_is_refused(raw: bytes) -> None:
    complaint(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"a: &x 1\nb: *x",
        b"- " * 100_000 + b"a",
        b"[" * 200_000,
        b"? [a]\n: b",
        b"a: !python/object x",
        b"a: .nan",
        b"a:\n" + b"- {}\n" * 100_000,
        b"a: [b",
        b"a: \xff",
    ],
)
def test_hostile_yaml_is_refused(raw: bytes) -> None:
    complaint(raw, "application/yaml")


@pytest.mark.parametrize("depth", [127, 128, 129, 130])
def test_depth_is_counted_exactly(depth: int) -> None:
    raw = b'{"s":"' + b"[" * 200 + b'","l":[],"d":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    if depth <= 128:
        assert parse(raw, "", "Pod").value["l"] == []
    else:
        assert "deeper than 128" in complaint(raw)


def test_brackets_inside_strings_are_not_depth() -> None:
    assert parse(b'{"a":"' + b"[" * 500 + b'\\"{"}', "", "Pod").value["a"].startswith("[[[")


def test_integers_beyond_64_bits_become_floats() -> None:
    assert parse(b'{"a":123456789012345678901}', "", "Pod").value == {"a": 1.2345678901234568e20}


def test_yaml_scalars_resolve_as_in_go() -> None:
    text = b"a: 010\nb: 1e3\nc: 2020-01-01\nd: 1:30\ne: '1'\n1: x\nf: 0x1F\ng: ~\nh: off\ni: 1_000"
    value, twice = parse_yaml(text)
    assert twice == []
    assert value == {
        "a": 8,
        "b": 1000,
        "c": "2020-01-01",
        "d": "1:30",
        "e": "1",
        "1": "x",
        "f": 31,
        "g": None,
        "h": False,
        "i": 1000,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", ['line 4: key "c" already set in map']),
        (b'{"a":1,"b":{"c":1,\n"c":2},\n"a":3}', ['line 2: key "c" already set in map', 'line 3: key "a" already']),
        (b'{"a":1,"b":"\\"a\\":"}', []),
    ],
)
def test_keys_that_occur_twice_in_an_applied_body_are_told_by_their_line(text: bytes, told: list[str]) -> None:
    twice = parse_yaml(text)[1]
    assert [one[: len(start)] for one, start in zip(twice, told, strict=True)] == told


def test_bad_yaml_names_the_line() -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_yaml(b"a: [unclosed")
    problem = "yaml: line 1: did not find expected ',' or ']'"
    assert refusal.value.message == f"error decoding YAML: error converting YAML to JSON: {problem}"


def test_duplicate_fields_are_named_by_path() -> None:
    raw = b'{"a":1,"b":{"c":1,"c":2},"l":[{"x":1,"x":2,"x":3}],"a":2}'
    assert duplicate_fields(raw) == ["b.c", "l[0].x", "a"]
    assert parse(raw, "", "Pod").strict_errors()[0] == 'duplicate field "b.c"'
    yaml_errors = parse(b"a: 1\na: 2\n", "application/yaml", "Pod").strict_errors()
    assert yaml_errors == ['yaml: unmarshal errors:\n  line 2: key "a" already set in map']
    told = parse(b"a: 1\na: 2\na: 3\n", "application/yaml", "Pod").strict_errors()
    each = ['line 2: key "a" already set in map', 'line 3: key "a" already set in map']
    assert warnings_of([*told, 'unknown field "x"']) == [*each, 'unknown field "x"']


def test_unknown_and_duplicate_fields_are_told_as_they_are_met() -> None:
    raw = b'{"x":{"y":1,"y":2},"a":1,"l":[{"u":1,"b":1,"b":2,"u":2}],"a":2,"x":3}'
    assert strict_complaints(raw, ["x", "l[0].u"]) == [
        'unknown field "x"',
        'unknown field "l[0].u"',
        'duplicate field "l[0].b"',
        'duplicate field "a"',
    ]


def test_other_media_types_and_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="accepted media types include: application/json, application/yaml"):
        parse(b"{}", "application/xml", "Pod")
    with pytest.raises(RequestEntityTooLarge):
        parse(b" " * (MAX_BODY + 1), "", "Pod")


@pytest.mark.parametrize("cut", range(40))
def test_every_prefix_of_an_object_is_answered(cut: int) -> None:
    raw = b'{"a":[1,{"b":"\\u00e9\\n"},tru,null],"c":-1.5e3}'
    with pytest.raises(ApiError):
        parse(raw[:cut], "", "Pod")


def test_more_values_than_an_object_has_use_for_are_refused_unread() -> None:
    with pytest.raises(RequestEntityTooLarge):
        parse(b'{"a":[' + b"{}," * 200_001 + b"{}]}", "", "ConfigMap")
    text = b'{"a":"' + b"," * 200_001 + b'"}'
    assert len(parse(text, "", "ConfigMap").value["a"]) == 200_001
