"""Targets of governance: what nodes show of their logs, exports that outsiders bring, letters that are sealed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Final

from federation.checkpoint import Head, cosign, read_note, sign_head
from federation.errors import PeerError
from federation.keys import x25519_public
from federation.letters import open_text, seal_text
from federation.transcript import verify_export
from federation.witness import Shown, read_shown, write_shown
from tests.fuzz.harness import Broken, Target, again, raw, text
from tests.fuzz.messages import bend_json, bend_lines
from tests.fuzz.mutation import mutate_text
from tests.vectors.nodes import LIMA, NAIROBI, T0

EXPORTS: Final = Path(__file__).parents[1] / "vectors" / "export"
SECRET: Final = bytes(range(32))
HEAD: Final = Head(NAIROBI.node_id, 7, bytes(range(32)))


def shown_seeds() -> list[bytes]:
    """From a log that nobody knows to one with all that can be said of it."""
    note = sign_head(HEAD, NAIROBI.log)
    whole = Shown(3, note, 2, (bytes(32),) * 3, (5, cosign(HEAD, LIMA.node_id, LIMA.log, T0)), "shorter than witnessed")
    return [write_shown(Shown(0)), write_shown(whole)]


def run_shown(data: bytes) -> None:
    """What is accepted is the same when it is written and read again."""
    shown = read_shown(data)
    again(lambda: read_shown(write_shown(shown)), shown, "what a peer shows")


def run_note(data: bytes) -> None:
    """An accepted note is the same when it is written and read again."""
    note = read_note(text(data))
    again(lambda: read_note(note.text()), note, "the note")


def export_seeds() -> list[bytes]:
    """A whole export and the proof of one entry, as lines."""
    return [
        "\n".join(json.dumps(line) for line in json.loads((EXPORTS / name).read_text())["lines"]).encode()
        for name in ("whole.json", "proof.json")
    ]


def run_export(data: bytes) -> None:
    """What is brought is checked, whatever it is."""
    verify_export(text(data).split("\n"))


def letter_seeds() -> list[bytes]:
    """Letters that were sealed to us, short and long."""
    key = x25519_public(SECRET)
    return [seal_text(words, key, bytes([n]) * 32).encode() for n, words in enumerate(("", "سرّ", "a" * 3_000), 1)]


def run_letter(data: bytes) -> None:
    """A letter that opens is text that can be sealed again."""
    words = open_text(text(data), SECRET)
    if open_text(seal_text(words, x25519_public(SECRET), SECRET[::-1]), SECRET) != words:
        raise Broken("not the same words")


def _bend_text(rng: random.Random, data: bytes) -> bytes:
    return raw(mutate_text(rng, text(data)))


REFUSED: Final = (PeerError,)
TARGETS: Final = (
    Target("shown", shown_seeds, bend_json, run_shown, REFUSED),
    Target("note", lambda: [sign_head(HEAD, NAIROBI.log).text().encode()], _bend_text, run_note, REFUSED),
    Target("export", export_seeds, bend_lines, run_export, REFUSED),
    Target("letter", letter_seeds, _bend_text, run_letter, REFUSED),
)
