"""What a peer has of a record by all we know, also while a later state of its ledger line still waits to be sent.

During a hold nothing new goes out: a line that waits goes back to what the peer was given. Whatever overwrites a line
therefore keeps, in `Custody.given`, the state that was handed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from node.store.rows import Custody, Entry, PeerRow


@dataclass(frozen=True, slots=True)
class Given:
    """A state of a ledger line that was handed over at `seq`."""

    seq: int
    ver: int
    copy_id: bytes
    iat: int | None
    fields: tuple[str, ...]
    hops: str
    policy: str


def given(was: Custody | None, row: PeerRow) -> Given | None:
    """What the peer was given and may still have; None if it has nothing from us."""
    if was is None:
        return None
    if was.seq <= row.issued:
        return _state(was)
    return read(was.given)


def overwritten(was: Custody | None, row: PeerRow, *, narrowed: bool = False) -> str | None:
    """What to keep in the line that replaces `was`; `narrowed` marks one that a hold lets pass, since it is less."""
    state = given(was, row)
    return None if state is None else write(state, narrowed=narrowed)


def arrived(line: Custody) -> str | None:
    """The same for a line that the peer has taken and is told once more."""
    state = _state(line)
    return None if state is None else write(state)


def narrows(line: Custody) -> bool:
    """True for a line that may be sent during a hold."""
    return line.given is not None and json.loads(line.given)[-1] is True


def write(state: Given, *, narrowed: bool = False) -> str:
    """The stored form."""
    names = ",".join(state.fields)
    parts = (state.seq, state.ver, state.copy_id.hex(), state.iat, names, state.hops, state.policy, narrowed)
    return json.dumps(parts, separators=(",", ":"))


def read(text: str | None) -> Given | None:
    """A stored state, None from none."""
    if text is None:
        return None
    seq, ver, copy_id, iat, names, hops, policy, _ = json.loads(text)
    return Given(seq, ver, bytes.fromhex(copy_id), iat, tuple(names.split(",")), hops, policy)


def _state(line: Custody) -> Given | None:
    if line.entry != Entry.PUT or line.refused is not None or line.copy_id is None:
        return None
    return Given(line.seq, line.ver, line.copy_id, line.iat, tuple(line.fields.split(",")), line.hops, line.policy)
