"""Bends inputs out of shape: bytes, text and JSON trees, each in ways that have broken readers before.

Everything is drawn from the `random.Random` that is handed in, so a seed makes the same inputs again.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any, Final

MAX_INPUT_BYTES: Final = 1024 * 1024  # for longer ones the bound on time would have to grow with the input
MAX_REPEATS: Final = 20_000  # of a short piece: what is quadratic shows itself well below
MAX_NESTED: Final = 3_000  # past the interpreter's own limit of 1,000 frames
BIG_CHANCE: Final = 0.01  # of a mutation that makes the input large: such runs are slow, and few are needed
TREE_DEPTH: Final = 40  # past the protocol's 32; a tree that nests much deeper cannot be written by json.dumps

NUMBERS: Final = (
    "0", "-0", "1", "-1", "1.0", "1e0", "1E400", "-1e-400", "0.1", "255", "256", "65536", "2147483647", "2147483648",
    "4294967296", "9007199254740991", "9007199254740992", "-9007199254740992", "1" + "0" * 30, "9" * 5000, "NaN",
    "Infinity", "-Infinity", "0x10", "0x" + "f" * 5000, "1_000", "00", "01", "٣", "²",
)  # fmt: skip
CHARACTERS: Final = (
    "\0", "\x01", "\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\u200b",
    "\u202e",
    "\u0130", "ß", "İ", "ﬁ", "\u0301", "\u0345", "한", "ཱི", "漢", "ไ", "ა", "\U0001f469\u200d\U0001f33e", "\U0010ffff",
    "\ud800", "\udfff", "\ufffe", "é", "e\u0301" * 5, "ע", "م", "क्ष", " ", "  ",
)  # fmt: skip
MARKS: Final = (
    '"', "'", "\\", "\\u0000", "\\ud800", "\\udc00\\ud800", "{", "}", "[", "]", ",", ":", "~", ".", "=", "==", "-",
    "_", "+", "/", "*",
    "#", "`", "```", "<", ">", "&", "&#0;", "&#x110000;", "|", "(", ")", "![", "](", "---", "+++", "null", "true",
    "false",
    '"a":1,"a":2', "[[", "]]", '"""', "'''", "%00", "../", "$", "^", "@", ";", "!", "?", "(?:", "\\x", "{}", "[]", '""',
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 - 1, 2**53, -(2**53), 10**30, 0.5, 1.0, -0.0, 1e308, float("inf"),
    float("nan"), "", " ", "a", "0", "a" * 300, "\0", "\ud800", "é", [], [[]], [None], {}, {"": None}, {"a": {}},
    {"_sd": []}, {"...": "x"}, [1, "a", None, {}],
)  # fmt: skip
NESTS: Final = (
    ("[", "]"),
    ('{"a":', "}"),
    ("[", ""),
    ("{", ""),
    ("> ", ""),
    ("- ", ""),
    ("(", ")"),
    ("*", ""),
    ("![", "](x)"),
)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to four small defects."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(7):
            case 0 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[at % len(out)] = rng.randrange(256)
            case 2:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                del out[at : at + rng.randint(1, 16)]
            case 4:
                piece = out[at : at + rng.randint(1, 64)]
                out[at:at] = piece * _times(rng)
            case 5:
                del out[at:]
            case _:
                out[at:at] = rng.choice(
                    (b"\xff", b"\x80", b"\x00", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf")
                )
    return bytes(out[:MAX_INPUT_BYTES])


def _times(rng: random.Random) -> int:
    return rng.randint(1, MAX_REPEATS) if rng.random() < BIG_CHANCE else rng.randint(1, 6)


def mutate_text(rng: random.Random, text: str, words: Sequence[str] = ()) -> str:
    """The text with one to four defects; `words` are those of the language it is written in."""
    for _ in range(rng.randint(1, 4)):
        text = _bent(rng, text, words)
    return text[: MAX_INPUT_BYTES // 4]


def _bent(rng: random.Random, text: str, words: Sequence[str]) -> str:
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + int(rng.expovariate(1 / 12)))
    match rng.randrange(9):
        case 0:
            return text[:at] + text[end:]
        case 1:
            return text[:at] + rng.choice(CHARACTERS) + text[end:]
        case 2:
            return text[:at] + rng.choice(MARKS) * _times(rng) + text[end:]
        case 3:
            return text[:at] + rng.choice(words or MARKS) + text[at:]
        case 4:
            return text[:at] + text[at:end] * _times(rng) + text[end:]
        case 5:
            return text[:at] + _number(rng) + text[_after_digits(text, at) :]
        case 6:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            return "\n".join(lines)
        case 7:
            return _nested(rng, text, at, end)
        case _:
            return text[:at] if rng.random() < 0.3 else text[:at] + rng.choice(words or CHARACTERS) + text[end:]


def _number(rng: random.Random) -> str:
    return rng.choice(NUMBERS) if rng.random() < 0.7 else str(rng.randrange(2 ** rng.randint(1, 70)))


def _after_digits(text: str, at: int) -> int:
    while at < len(text) and text[at].isdigit():
        at += 1
    return at


def _nested(rng: random.Random, text: str, at: int, end: int) -> str:
    opening, closing = rng.choice(NESTS)
    depth = rng.randint(MAX_NESTED // 3, MAX_NESTED) if rng.random() < BIG_CHANCE * 5 else rng.randint(1, TREE_DEPTH)
    return text[:at] + opening * depth + text[at:end] + closing * depth + text[end:]


def mutate_tree(rng: random.Random, tree: Any, words: Sequence[str] = ()) -> Any:
    """A JSON value with one to three defects somewhere inside; the one that is given stays whole."""
    holder = [copy.deepcopy(tree)]
    for _ in range(rng.randint(1, 3)):
        _break_one(rng, holder, words)
    return holder[0]


def _break_one(rng: random.Random, holder: list[Any], words: Sequence[str]) -> None:
    places = _places(holder)
    inside, key = rng.choice(places)
    value = inside[key]
    match rng.randrange(10):
        case 0:
            inside[key] = copy.deepcopy(rng.choice(VALUES))
        case 1 if inside is not holder:
            del inside[key]
        case 2 if isinstance(inside, dict):
            inside[mutate_text(rng, key) if rng.random() < 0.5 else rng.choice(words or ("a",))] = inside.pop(key)
        case 3 if isinstance(inside, dict):
            inside[rng.choice(words or ("new", "", "_sd", "..."))] = copy.deepcopy(rng.choice(VALUES))
        case 4:
            other, name = rng.choice(places)
            inside[key] = copy.deepcopy(other[name])
        case 5:
            for _ in range(rng.randint(1, TREE_DEPTH)):
                inside[key] = [inside[key]] if rng.random() < 0.5 else {"a": inside[key]}
        case 6 if isinstance(value, list) and value:
            value.extend(copy.deepcopy(rng.choice(value)) for _ in range(min(_times(rng), 3_000)))
        case 7 if type(value) in (int, float):
            inside[key] = value + rng.choice((-1, 1, 0.5, 2**31, -(2**40), value))
        case _:
            _break_leaf(rng, inside, key, words)


def _break_leaf(rng: random.Random, inside: Any, key: Any, words: Sequence[str]) -> None:
    value = inside[key]
    if isinstance(value, str):
        inside[key] = rng.choice(words) if words and rng.random() < 0.2 else mutate_text(rng, value, words)
    elif not isinstance(value, dict | list):
        inside[key] = copy.deepcopy(rng.choice(VALUES))


def _places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    open_: list[Any] = [holder]
    while open_:
        container = open_.pop()
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in pairs:
            found.append((container, key))
            if isinstance(value, dict | list):
                open_.append(value)
    return found


def mutate_json_text(rng: random.Random, text: str, words: Sequence[str] = ()) -> str:
    """A JSON text, bent as a tree three times out of four, else as text."""
    if rng.random() < 0.25:
        return mutate_text(rng, text, words)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return mutate_text(rng, text, words)
    return written(mutate_tree(rng, tree, words), ascii_only=rng.random() < 0.3)


def written(tree: Any, *, ascii_only: bool = True) -> str:
    """The JSON text of a tree, with whatever Python would write; too deep a tree is an empty object."""
    try:
        return json.dumps(tree, ensure_ascii=ascii_only)
    except (RecursionError, ValueError):
        return "{}"
