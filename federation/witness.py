"""How peers witness one another's audit logs: what is shown, what is answered, and what is made of it.

A peer shows its newest checkpoint with a proof that it continues the one that the other has witnessed. What continues
is cosigned; what does not is an alarm, never an update. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from federation.checkpoint import Head, Note, Signature, read_note, read_signature
from federation.encoding import dumps
from federation.errors import Code, PeerError
from federation.merkle import verify_consistency
from federation.messages import hashes_of, read_object

MAX_SHOWN_BYTES: Final = 256 * 1024  # a note at its limit, and a proof
MAX_ALARM_CHARS: Final = 300  # a sentence
LATE_S: Final = 600  # two lives of a signed request: an older checkpoint that comes later than this is not just slow


@dataclass(frozen=True, slots=True)
class Shown:
    """One side's part of an exchange, the same in the request and in the answer.

    `note` is its own newest checkpoint (None: it has none, or the other knows it), `since` the size that `proof`
    starts from. `seen` is how much of the other's log it has witnessed, `cosigned` the size and line of its
    cosignature on a checkpoint of the other, `alarm` what it has against the other's log, in words.
    """

    seen: int
    note: Note | None = None
    since: int = 0
    proof: tuple[bytes, ...] = ()
    cosigned: tuple[int, Signature] | None = None
    alarm: str = ""


def write_shown(shown: Shown) -> bytes:
    """The JSON of one side's part; what is not there is left out."""
    body: dict[str, Any] = {"seen": shown.seen}
    if shown.note is not None:
        body |= {"note": shown.note.bare().text(), "since": shown.since, "proof": [h.hex() for h in shown.proof]}
    if shown.cosigned is not None:
        size, signature = shown.cosigned
        body["cosigned"] = {"size": size, "line": signature.line()}
    if shown.alarm:
        body["alarm"] = shown.alarm[:MAX_ALARM_CHARS]
    return dumps(body)


def read_shown(data: bytes) -> Shown:
    """One side's part; `PeerError` if it is anything else."""
    body = read_object(data, MAX_SHOWN_BYTES)
    note = None
    if "note" in body:
        if not isinstance(body["note"], str):
            raise PeerError(Code.CHECKPOINT, "a checkpoint is a text")
        note = read_note(body["note"]).bare()
        if not note.signatures:
            raise PeerError(Code.CHECKPOINT, "a checkpoint is signed by its own log")
    alarm = body.get("alarm", "")
    if not isinstance(alarm, str) or len(alarm) > MAX_ALARM_CHARS:
        raise PeerError(Code.CHECKPOINT, f"an alarm is at most {MAX_ALARM_CHARS} characters")
    cosigned = _cosigned(body.get("cosigned"))
    since, proof = _size(body, "since", 0), hashes_of(body, "proof")
    if note is None:  # of nothing there is nothing to prove
        since, proof = 0, ()
    return Shown(_size(body, "seen"), note, since, proof, cosigned, alarm)


def _cosigned(value: object) -> tuple[int, Signature] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("line"), str):
        raise PeerError(Code.CHECKPOINT, "a cosignature has a size and a line")
    return _size(value, "size"), read_signature(value["line"])


def _size(body: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = body.get(name, default)
    if type(value) is not int or value < 0:
        raise PeerError(Code.CHECKPOINT, f"{name} is a number from 0")
    return value


# --- what is made of it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What a witness holds of a log: the last head that proved consistent, and when it was shown."""

    size: int
    root: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """`accepted`: the head continues what is known, and may be cosigned. `alarm`: it contradicts it, in words.

    Neither: nothing follows, since the proof starts elsewhere or an older head was merely slow; shown again, from
    where the witness is, it will be judged.
    """

    accepted: bool = False
    alarm: str = ""


def judge(known: Known | None, head: Head, shown: Shown, now: int) -> Judgement:
    """What a witness makes of a verified head. Without a head known before, the first one is taken as it is."""
    if known is None or known.size == 0:
        return Judgement(accepted=True)
    if head.size == known.size:
        if head.root == known.root:
            return Judgement(accepted=True)
        return Judgement(alarm=f"rewritten: another log of {head.size} entries than the one witnessed")
    if head.size < known.size:
        if shown.since == known.size or now - known.at > LATE_S:
            return Judgement(alarm=f"shorter than witnessed: {head.size} entries, and there were {known.size}")
        return Judgement()
    if shown.since != known.size:
        return Judgement()
    try:
        verify_consistency(known.size, head.size, known.root, head.root, shown.proof)
    except PeerError:
        grown = f"{head.size} entries that do not continue the {known.size} witnessed"
        return Judgement(alarm=f"rewritten: {grown}")
    return Judgement(accepted=True)
