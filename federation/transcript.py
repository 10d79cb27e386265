"""The audit log as an outsider gets it: entries, leaves, a signed head; checked without a node, database or network.

An entry's leaf is made of the action, the time, and a salted hash over what may be personal (who, about what, in
which words). So a leaf tells nothing, and a text that was erased leaves its leaf, and the tree, as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from federation.checkpoint import Note, cosigned, read_note, verify_log
from federation.encoding import dumps, loads
from federation.errors import Code, PeerError
from federation.identity import KeyHistory, verify_history
from federation.merkle import HASH_BYTES, MAX_PROOF_HASHES, Frontier, leaf_hash, verify_inclusion

FORMAT: Final = "commonweave-audit/1"
SALT_BYTES: Final = 16  # as for fields of a record
PORTION: Final = 1000  # entries held at a time, however long the log is
TOLD: Final = 20  # wrong entries that are named; more only say the same


def text_digest(salt: bytes, actor: str, subject: str, detail: str) -> bytes:
    """What stands in the leaf for the text of an entry."""
    return hashlib.sha256(salt + dumps({"actor": actor, "subject": subject, "detail": detail})).digest()


def entry_leaf(action: str, at: int, digest: bytes) -> bytes:
    """The leaf of an entry: RFC 6962's leaf hash over its canonical JSON."""
    return leaf_hash(dumps({"action": action, "at": at, "text": digest.hex()}))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with its place. Either the text and its salt are there, or `erased` says what they hashed to."""

    n: int
    at: int
    action: str
    leaf: bytes
    actor: str = ""
    subject: str = ""
    detail: str = ""
    salt: bytes | None = None
    erased: bytes | None = None

    def problem(self) -> str:
        """What does not hold of this entry by itself, as a sentence; empty if it is as it was written."""
        if self.erased is None and self.salt is None:
            return f"entry {self.n} has neither a salt nor the mark of an erased text"
        if self.erased is not None and (self.salt is not None or self.actor or self.subject or self.detail):
            return f"entry {self.n} is marked as erased and has text"
        digest = self.erased
        if self.salt is not None:
            digest = text_digest(self.salt, self.actor, self.subject, self.detail)
        assert digest is not None
        if entry_leaf(self.action, self.at, digest) != self.leaf:
            return f"entry {self.n} is not as it was written: its text, action or time does not give its leaf"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The entry as a line of an export."""
        out: dict[str, Any] = {"t": "entry", "n": self.n, "at": self.at, "action": self.action, "leaf": self.leaf.hex()}
        if self.erased is not None:
            return out | {"erased": self.erased.hex()}
        salt = self.salt.hex() if self.salt is not None else ""
        return out | {"actor": self.actor, "subject": self.subject, "detail": self.detail, "salt": salt}


@dataclass
class Checker:
    """Takes entries in order and says at the end whether they are the log of a signed head."""

    problems: list[str] = field(default_factory=list)
    erased: int = 0
    wrong: int = 0
    frontier: Frontier = field(default_factory=Frontier)

    def take(self, entries: Iterable[Entry]) -> None:
        """The next entries."""
        leaves: list[bytes] = []
        for entry in entries:
            due = self.frontier.size + len(leaves)
            if entry.n != due:
                gap = f"entry {due} is missing: entry {entry.n} comes in its place"
                self.say(gap if entry.n > due else f"entry {entry.n} comes twice or out of order")
            elif problem := entry.problem():
                self.say(problem)
            self.erased += entry.erased is not None
            leaves.append(entry.leaf)
        self.frontier = self.frontier.extend(leaves)

    def say(self, problem: str) -> None:
        """Note something that does not hold."""
        self.wrong += 1
        if len(self.problems) < TOLD:
            self.problems.append(problem)

    def close(self, note: Note) -> None:
        """Compare with the signed head."""
        head = note.head
        if self.frontier.size != head.size:
            self.say(f"there are {self.frontier.size} entries where the signed head has {head.size}")
        elif self.frontier.root() != head.root:
            self.say(
                "the entries do not give the root that was signed"
                + ("" if self.wrong else ": an entry was exchanged together with its leaf")
            )


@dataclass(frozen=True, slots=True)
class Witness:
    """A node that has cosigned the head, and when. Whether it is one that the reader knows, the reader judges."""

    node_id: str
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of checking: `problems` is empty where all holds."""

    node_id: str
    name: str
    size: int
    entries: int
    erased: int
    note: str
    witnesses: tuple[Witness, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What makes entries verifiable: the note, the history of the log's node, and those of its witnesses."""

    note: Note
    history: KeyHistory
    witnesses: Mapping[str, KeyHistory]

    def to_json(self, kind: str) -> dict[str, Any]:
        """The first line of an export, or the frame of a proof."""
        return {
            "t": kind,
            "format": FORMAT,
            "node": self.history.node_id,
            "note": self.note.text(),
            "history": _lines(self.history),
            "witnesses": [_lines(self.witnesses[n]) for n in sorted(self.witnesses)],
        }

    def cosigners(self) -> tuple[Witness, ...]:
        """The witnesses whose cosignatures hold."""
        found = cosigned(self.note, self.witnesses)
        return tuple(Witness(n, self.witnesses[n].current.name, at) for n, at in sorted(found.items()))

    def problems(self) -> list[str]:
        """What does not hold of the signed head, as sentences."""
        try:
            verify_log(self.note, self.history)
        except PeerError as error:
            return [f"the checkpoint is not signed by the log: {error}"]
        return []


def _lines(history: KeyHistory) -> list[str]:
    return [e.decode("ascii") for e in history.entries]


# --- reading what was exported ---------------------------------------------------------------------------------------


def verify_export(lines: Iterable[str]) -> Verified:
    """Check an export, or a proof of one entry, from its lines alone. `PeerError` if it is neither."""
    numbered = _objects(lines)
    first = next(numbered, None)
    if first is None:
        raise PeerError(Code.DOCUMENT, "the file is empty")
    if first.get("t") not in ("log", "proof") or first.get("format") != FORMAT:
        raise PeerError(Code.DOCUMENT, f"neither an export nor a proof of an audit log ({FORMAT})")
    frame = read_frame(first)
    return _proof(frame, first) if first["t"] == "proof" else _log(frame, numbered)


def read_frame(body: Mapping[str, Any]) -> Frame:
    """The frame of an export or proof; `PeerError` if a history in it does not chain."""
    history = _history(body.get("history"))
    if history.node_id != body.get("node"):
        raise PeerError(Code.ISS_MISMATCH, "the history is another node's")
    witnesses = [_history(h) for h in _list(body, "witnesses")]
    return Frame(read_note(str(body.get("note", ""))), history, {h.node_id: h for h in witnesses})


def _history(value: object) -> KeyHistory:
    if not isinstance(value, list) or not all(isinstance(v, str) and v.isascii() for v in value):
        raise PeerError(Code.DOCUMENT, "a history is a list of signed entries")
    return verify_history([v.encode("ascii") for v in value])


def _log(frame: Frame, objects: Iterator[dict[str, Any]]) -> Verified:
    checker = Checker(frame.problems())
    ended = False
    portion: list[Entry] = []
    for body in objects:
        if body.get("t") == "end":
            ended = True
        elif body.get("t") == "entry":
            portion.append(read_entry(body))
            if len(portion) == PORTION:
                checker.take(portion)
                portion = []
    checker.take(portion)
    checker.close(frame.note)
    if not ended:
        checker.say("the end of the file is missing")
    return _verified(frame, checker.frontier.size, checker.erased, checker.problems)


def _proof(frame: Frame, body: Mapping[str, Any]) -> Verified:
    problems = frame.problems()
    inner = body.get("entry")
    if not isinstance(inner, dict):
        raise PeerError(Code.DOCUMENT, "a proof holds the entry that it proves")
    entry = read_entry(inner)
    path = [_hex(h, "path") for h in _list(body, "path")]
    if problem := entry.problem():
        problems.append(problem)
    try:
        verify_inclusion(entry.n, frame.note.head.size, entry.leaf, path, frame.note.head.root)
    except PeerError as error:
        problems.append(f"entry {entry.n} is not in the log that was signed: {error}")
    return _verified(frame, 1, int(entry.erased is not None), problems)


def _verified(frame: Frame, entries: int, erased: int, problems: list[str]) -> Verified:
    return Verified(
        frame.history.node_id, frame.history.current.name, frame.note.head.size, entries, erased, frame.note.text(),
        frame.cosigners(), tuple(problems),
    )  # fmt: skip


def write_proof(frame: Frame, entry: Entry, path: Iterable[bytes]) -> dict[str, Any]:
    """The proof that an entry is in the log, for `verify_export`."""
    return frame.to_json("proof") | {"entry": entry.to_json(), "path": [h.hex() for h in path]}


def read_entry(body: Mapping[str, Any]) -> Entry:
    """An entry from its line; `PeerError` names what is not of its form."""
    n, at = body.get("n"), body.get("at")
    if type(n) is not int or n < 0 or type(at) is not int:
        raise PeerError(Code.DOCUMENT, "an entry has a number and a time")
    words = [body.get(name, "") for name in ("action", "actor", "subject", "detail")]
    if not all(isinstance(w, str) for w in words):
        raise PeerError(Code.DOCUMENT, f"entry {n}: its words are not text")
    erased = _hex(body["erased"], f"entry {n}") if "erased" in body else None
    salt = _hex(body["salt"], f"entry {n}", SALT_BYTES) if "salt" in body else None
    action, actor, subject, detail = (str(w) for w in words)
    return Entry(n, at, action, _hex(body.get("leaf"), f"entry {n}"), actor, subject, detail, salt, erased)


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            body = loads(line.rstrip("\r\n").encode())
        except UnicodeEncodeError:
            raise PeerError(Code.DOCUMENT, f"line {number} is not text") from None
        except PeerError as error:
            raise PeerError(error.code, f"line {number} cannot be read: {error.args[0]}") from None
        if not isinstance(body, dict):
            raise PeerError(Code.DOCUMENT, f"line {number} is not an object")
        yield body


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > max(MAX_PROOF_HASHES, 256):
        raise PeerError(Code.DOCUMENT, f"{name} is a list, and not a long one")
    return value


def _hex(value: object, where: str, size: int = HASH_BYTES) -> bytes:
    text = value if isinstance(value, str) else ""
    if len(text) != 2 * size or not set(text) <= set("0123456789abcdef"):
        raise PeerError(Code.DOCUMENT, f"{where}: a hash or salt is {2 * size} hex digits")
    return bytes.fromhex(text)
