"""Strict JSON, base64url and base58btc: one reading only."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.encoding import (
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    JSONValue,
    b58_decode,
    b58_encode,
    b64url_decode,
    b64url_encode,
    dumps,
    loads,
    loads_text,
)
from federation.errors import Code, PeerError

numbers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def code_of(text: bytes) -> Code:
    with pytest.raises(PeerError) as refusal:
        loads(text)
    return refusal.value.code


@given(values)
def test_what_is_written_is_read_back(value: JSONValue) -> None:
    assert loads(dumps(value)) == value


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_accepted_text_means_what_json_says(value: JSONValue, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert loads_text(text) == json.loads(text)


@given(st.text())
def test_any_text_is_read_as_json_reads_it_or_refused(text: str) -> None:
    try:
        value = loads_text(text)
    except PeerError:
        return
    assert value == json.loads(text)


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_the_order_of_names_does_not_change_the_bytes(value: dict[str, int]) -> None:
    assert dumps(dict(reversed(value.items()))) == dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", b"bytes", {1, 2}])
def test_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        dumps(value)


@pytest.mark.parametrize("number", [MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER, 0])
def test_the_largest_safe_integers_are_accepted(number: int) -> None:
    assert loads(str(number).encode()) == number


@pytest.mark.parametrize("text", [b"9007199254740992", b"-9007199254740992", b"9" * 100_000])
def test_integers_beyond_the_safe_ones_are_refused(text: bytes) -> None:
    assert code_of(text) == Code.BIG_INTEGER


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_at_the_limit_is_accepted_and_one_more_is_refused(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        inner = "" if opening == "[" else "0"
        return (opening * levels + inner + closing * levels).encode()

    loads(nested(MAX_DEPTH))
    assert code_of(nested(MAX_DEPTH + 1)) == Code.TOO_DEEP
    assert code_of(nested(100_000)) == Code.TOO_DEEP


@pytest.mark.parametrize("levels", [33, 200, 450, 490, 900, 5000])
def test_half_a_pair_deep_inside_is_refused_whatever_the_depth(levels: int) -> None:
    assert code_of(b"[" * levels + b'"\\ud83d"' + b"]" * levels) in (Code.TOO_DEEP, Code.LONE_SURROGATE)


def test_brackets_inside_words_are_not_depth() -> None:
    assert loads(json.dumps("[" * 100).encode()) == "[" * 100


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"a":1,"a":1}', Code.DUPLICATE_KEY),
        (b'{"a":1,"\\u0061":2}', Code.DUPLICATE_KEY),
        (b"NaN", Code.NOT_FINITE),
        (b"-1e999", Code.NOT_FINITE),
        (b"\xff", Code.NOT_UTF8),
        (b'"\\ud83d x"', Code.LONE_SURROGATE),
        (b'["\\ude00\\ud83d"]', Code.LONE_SURROGATE),
        (b"", Code.BAD_JSON),
        (b"1 2", Code.BAD_JSON),
        (b"[1,]", Code.BAD_JSON),
        (b"'a'", Code.BAD_JSON),
        (b"\xef\xbb\xbf1", Code.BAD_JSON),
        (b"01", Code.BAD_JSON),
        (b"\x0b1", Code.BAD_JSON),
    ],
)
def test_text_with_two_readings_is_refused(text: bytes, code: Code) -> None:
    assert code_of(text) == code


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert loads(b' "\\ud83d\\ude00" ') == "😀"


@given(st.binary(max_size=100))
def test_base64url_has_one_text_for_each_value(data: bytes) -> None:
    text = b64url_encode(data)
    assert b64url_decode(text) == data
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(st.text(alphabet="AQgwz-_+/= \n", max_size=12))
def test_base64url_accepts_only_what_it_would_write(text: str) -> None:
    try:
        data = b64url_decode(text)
    except PeerError:
        return
    assert b64url_encode(data) == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "+/+/", "QQ\n", " QQ", "é", "Q.Q"])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(PeerError, match="base64"):
        b64url_decode(text)


@given(st.binary(max_size=64))
def test_base58_reads_what_it_writes(data: bytes) -> None:
    assert b58_decode(b58_encode(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "1" * 129])
def test_other_base58_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        b58_decode(text)
