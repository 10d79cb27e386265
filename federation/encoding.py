"""Bytes to JSON values and back, strictly: what two parsers could read differently is refused.

JSON follows RFC 8259 without its freedoms (I-JSON, RFC 7493, plus a depth limit); base64url is RFC 4648 section 5,
unpadded and canonical; base58btc is the multibase alphabet of did:key.
"""

from __future__ import annotations

import json
import math
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from json.scanner import make_scanner
from typing import Any, Final, TypeAlias

from federation.errors import Code, PeerError

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"

MAX_SAFE_INTEGER: Final = 2**53 - 1  # the largest integer that every JSON reader holds exactly (RFC 7493, 2.2)
MAX_DEPTH: Final = 32  # no document of ours nests past 8; deeper ones only serve to exhaust a stack

_MAX_INTEGER_TEXT: Final = len(str(-MAX_SAFE_INTEGER))
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTAINERS: Final = (dict, list)


def _pairs(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise PeerError(Code.DUPLICATE_KEY, f"the name {twice!r} stands twice in one object")
    return out


def _integer(text: str) -> int:
    # The length check comes first: converting a number of a million digits is itself an attack.
    if len(text) > _MAX_INTEGER_TEXT or not -MAX_SAFE_INTEGER <= (number := int(text)) <= MAX_SAFE_INTEGER:
        raise PeerError(Code.BIG_INTEGER, f"an integer is beyond {MAX_SAFE_INTEGER}")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise PeerError(Code.NOT_FINITE, f"{text[:20]} is beyond what a number can hold")
    return number


def _constant(text: str) -> float:
    raise PeerError(Code.NOT_FINITE, f"{text} is not JSON")


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_scan: Final[Callable[[str, int], tuple[JSONValue, int]]] = make_scanner(_decoder)  # type: ignore[arg-type]


def _not_json(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


# The encoder is made once: JSONEncoder.encode makes a new one for every call, which costs more than a short text.
_encode: Final[Callable[[Any, int], tuple[str, ...]]] = c_make_encoder(
    None, _not_json, encode_basestring, None, ":", ",", True, False, False
)


def loads(data: bytes) -> JSONValue:
    """The value of one JSON text in UTF-8; `PeerError` for anything two readers could understand differently."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PeerError(Code.NOT_UTF8, f"not UTF-8 at byte {error.start}") from None
    return loads_text(text)


def loads_text(text: str) -> JSONValue:
    """The same for text that is already decoded."""
    value = loads_any_depth(text)
    # A count of the raw text comes first, since almost no text can fail the exact check.
    if text.count("{") + text.count("[") > MAX_DEPTH:
        check_depth(value)
    return value


def loads_any_depth(text: str) -> JSONValue:
    """`loads_text` without the limit on depth, for a reader that checks every member it does not know itself."""
    value, end = scan_value(text, 0)
    return value if end == len(text) else _with_whitespace(text)


def scan_value(text: str, start: int) -> tuple[JSONValue, int]:
    """The value that begins at `start` and where it ends; -1 if none begins there. Depth is not limited."""
    try:
        value, end = _scan(text, start)
    except StopIteration:
        return None, -1
    except json.JSONDecodeError as error:
        raise PeerError(Code.BAD_JSON, f"not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise PeerError(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    if "\\u" in text:
        _check_surrogates(text, value)
    return value, end


def _check_surrogates(text: str, value: JSONValue) -> None:
    try:
        if _SURROGATE_ESCAPE.search(text) and _has_lone_surrogate(value):
            raise PeerError(Code.LONE_SURROGATE, "a string holds half of a surrogate pair")
    except RecursionError:  # the search nests more frames than the parser did, and depth is not judged yet
        raise PeerError(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None


def _with_whitespace(text: str) -> JSONValue:
    """The slower way, which allows white space around the value and finds what else is there."""
    try:
        value: JSONValue = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise PeerError(Code.BAD_JSON, f"not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise PeerError(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH}") from None
    _check_surrogates(text, value)
    return value


def check_depth(value: JSONValue, above: int = 0) -> None:
    """`PeerError` if `value`, standing inside `above` containers, nests beyond the limit."""
    if deeper_than(value, MAX_DEPTH - above):
        raise PeerError(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")


def deeper_than(value: JSONValue, limit: int) -> bool:
    """True if containers nest more than `limit` deep; a scalar has depth 0."""
    level: list[Any] = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if isinstance(child, _CONTAINERS)
        ]
    return bool(level)


def _has_lone_surrogate(value: JSONValue) -> bool:
    # The parser has joined whole pairs already, so any surrogate that is left is alone.
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list):
        return any(_has_lone_surrogate(item) for item in value)
    if isinstance(value, dict):
        return any(_SURROGATE.search(key) or _has_lone_surrogate(item) for key, item in value.items())
    return False


def dumps(value: Any) -> bytes:
    """The one compact text of a value: names sorted, no spaces, UTF-8 as is; `ValueError` for NaN or half a pair."""
    return dumps_text(value).encode()


def dumps_text(value: Any) -> str:
    """The same before it is encoded."""
    return "".join(_encode(value, 0))


_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


def b64url_encode(data: bytes) -> str:
    """base64url without padding."""
    return b64url_bytes(data).decode("ascii")


def b64url_bytes(data: bytes) -> bytes:
    """base64url without padding, as the ASCII bytes that are hashed or signed."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def b64url_decode(text: str | bytes) -> bytes:
    """The bytes of canonical unpadded base64url; `PeerError` for padding, spaces, other alphabets, stray bits."""
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        data = a2b_base64(raw.translate(_FROM_URL) + b"=" * (-len(raw) % 4))
    except (Base64Error, UnicodeEncodeError):
        raise PeerError(Code.BASE64, "not base64url") from None
    # Writing it again is the whole check: only one text stands for these bytes.
    if b64url_bytes(data) != raw:
        raise PeerError(Code.BASE64, "not canonical unpadded base64url")
    return data


_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE: Final = {char: value for value, char in enumerate(_BASE58)}
_MAX_BASE58: Final = 128  # keys take 48 characters; decoding is quadratic, so long input is refused first


def b58_encode(data: bytes) -> str:
    """base58btc; each leading zero byte is a leading `1`."""
    number, chars = int.from_bytes(data), []
    while number:
        number, digit = divmod(number, 58)
        chars.append(_BASE58[digit])
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + "".join(reversed(chars))


def b58_decode(text: str) -> bytes:
    """The bytes of base58btc; `PeerError` for other characters or more than a key could need."""
    if len(text) > _MAX_BASE58:
        raise PeerError(Code.BASE58, "too long for a key")
    number = 0
    for char in text:
        if (value := _BASE58_VALUE.get(char)) is None:
            raise PeerError(Code.BASE58, f"{char!r} is not a base58btc character")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8)
