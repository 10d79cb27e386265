"""Checkpoints of a node's audit log: C2SP tlog-checkpoint as a signed note, and cosignatures of its witnesses.

The log signs the note's text with its log key (Ed25519, type 0x01). A witness signs `cosignature/v1`, the time and the
same text with its own log key (type 0x04). An origin line never reads `cosignature/v1`, so neither signature can be
shown as the other. https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note, https://c2sp.org/tlog-cosignature
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from federation.errors import Code, PeerError
from federation.identity import KeyHistory, Role
from federation.keys import DID_PREFIX, SIGNATURE_BYTES, SigningKey, signature_holds
from federation.merkle import HASH_BYTES, MAX_TREE_SIZE
from governance.terms import MAX_UNTIL

ORIGIN_PREFIX: Final = "commonweave/log/"
MAX_SIGNATURES: Final = 256  # a node with more witnesses shows the newest; C2SP asks for at least 16
MAX_NOTE_BYTES: Final = 64 * 1024  # 256 signature lines of about 190 bytes, and the head
LOG_SIGNATURE: Final = 0x01
COSIGNATURE: Final = 0x04
KEY_ID_BYTES: Final = 4
TIME_BYTES: Final = 8
_MARK: Final = "\u2014 "
_SIZE: Final = re.compile(r"(0|[1-9][0-9]{0,15})\Z")
_NAME: Final = re.compile(r"[^\s+]+\Z")


@dataclass(frozen=True, slots=True)
class Head:
    """What a checkpoint states: the log of `node_id` has `size` entries with this root."""

    node_id: str
    size: int
    root: bytes

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{origin_of(self.node_id)}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: key name, key id, and what follows it."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """The line without its line feed."""
        return f"{_MARK}{self.name} {b64encode(self.key_id + self.blob).decode()}"

    @property
    def at(self) -> int:
        """The time inside a cosignature."""
        return int.from_bytes(self.blob[:TIME_BYTES])

    @property
    def node_id(self) -> str:
        """The node that the key name stands for; empty for a name of another sort."""
        return node_of(self.name)


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with its signatures, none of them verified yet."""

    head: Head
    signatures: tuple[Signature, ...]

    def text(self) -> str:
        """The signed note as it is kept and sent."""
        return self.head.text() + "\n" + "".join(s.line() + "\n" for s in self.signatures)

    def bare(self) -> Note:
        """The note with the log's own signatures only."""
        name = origin_of(self.head.node_id)
        return replace(self, signatures=tuple(s for s in self.signatures if s.name == name))

    def with_cosignature(self, cosignature: Signature) -> Note:
        """The note with this cosignature in place of an older one by the same witness; the newest are kept."""
        others = tuple(s for s in self.signatures if s.name != cosignature.name)
        own = len(self.bare().signatures)
        return replace(self, signatures=(*others[:own], *others[own:][-(MAX_SIGNATURES - own - 1) :], cosignature))


def origin_of(node_id: str) -> str:
    """The origin line of a node's log, and the name of its log keys."""
    return ORIGIN_PREFIX + node_id.removeprefix(DID_PREFIX)


def node_of(name: str) -> str:
    """The node of an origin line or key name; empty if it is none of ours."""
    return DID_PREFIX + name.removeprefix(ORIGIN_PREFIX) if name.startswith(ORIGIN_PREFIX + "z6Mk") else ""


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The first bytes of SHA-256 over name, line feed, signature type and public key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_BYTES]


# --- signing ---------------------------------------------------------------------------------------------------------


def sign_head(head: Head, key: SigningKey) -> Note:
    """The note of a log's own head; `key` is its log key."""
    name = origin_of(head.node_id)
    blob = key.sign(head.text().encode())
    return Note(head, (Signature(name, key_id(name, LOG_SIGNATURE, key.public), blob),))


def cosign(head: Head, node_id: str, key: SigningKey, at: int) -> Signature:
    """The statement of witness `node_id`: at this time this head is the largest consistent one it has seen."""
    name = origin_of(node_id)
    blob = at.to_bytes(TIME_BYTES) + key.sign(_cosigned(head, at))
    return Signature(name, key_id(name, COSIGNATURE, key.public), blob)


def _cosigned(head: Head, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{head.text()}".encode()


# --- reading ---------------------------------------------------------------------------------------------------------


def read_note(text: str) -> Note:
    """A checkpoint of its one form; `PeerError` for anything else. Extension lines are refused: nothing audits them."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NOTE_BYTES:
        raise PeerError(Code.TOO_LARGE, f"a checkpoint has at most {MAX_NOTE_BYTES} bytes")
    body, blank, signed = text.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) != 3 or not signed.endswith("\n"):
        raise PeerError(Code.CHECKPOINT, "a checkpoint is three lines, an empty one, and signature lines")
    node_id = node_of(lines[0])
    if not node_id or not _NAME.match(lines[0]) or not _SIZE.match(lines[1]) or int(lines[1]) > MAX_TREE_SIZE:
        raise PeerError(Code.CHECKPOINT, "a checkpoint names a node's log and its size")
    root = _base64(lines[2])
    if len(root) != HASH_BYTES:
        raise PeerError(Code.CHECKPOINT, f"a root has {HASH_BYTES} bytes")
    found = signed[:-1].split("\n")
    if len(found) > MAX_SIGNATURES:
        raise PeerError(Code.TOO_LARGE, f"a checkpoint has at most {MAX_SIGNATURES} signatures")
    return Note(Head(node_id, int(lines[1]), root), tuple(read_signature(line) for line in found))


def read_signature(line: str) -> Signature:
    """A signature line; `PeerError` for anything else."""
    name, space, blob = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space or not _NAME.match(name) or any(ord(c) < 0x20 for c in name):
        raise PeerError(Code.CHECKPOINT, "a signature line is a dash, a name and base64")
    raw = _base64(blob)
    if len(raw) <= KEY_ID_BYTES:
        raise PeerError(Code.CHECKPOINT, "a signature line without a signature")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _base64(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise PeerError(Code.CHECKPOINT, "not base64") from None
    if b64encode(raw).decode() != text:
        raise PeerError(Code.CHECKPOINT, "not canonical base64")
    return raw


# --- verifying -------------------------------------------------------------------------------------------------------


def verify_log(note: Note, history: KeyHistory, at: int | None = None) -> Head:
    """The head, if the log itself signed it: with the log key in use at `at`, or with any never lost for None.

    `PeerError` otherwise. A note carries no time of its own; whoever hears it live gives the present one.
    """
    if note.head.node_id != history.node_id:
        raise PeerError(Code.ISS_MISMATCH, "a checkpoint of another node's log")
    name = origin_of(history.node_id)
    keys = {key_id(name, LOG_SIGNATURE, p): (kid, p) for kid, p in _log_keys(history)}
    lost: PeerError | None = None
    for signature in note.signatures:
        if signature.name != name or signature.key_id not in keys:
            continue
        kid, public = keys[signature.key_id]
        if not signature_holds(public, signature.blob, note.head.text().encode()):
            raise PeerError(Code.BAD_SIGNATURE, "the log's signature does not hold")
        try:
            _check_in_use(history, kid, at)
        except PeerError as error:
            lost = error
            continue
        return note.head
    raise lost or PeerError(Code.KEY_NOT_OWNED, "no log key of this node has signed the checkpoint")


def _check_in_use(history: KeyHistory, kid: str, at: int | None) -> None:
    if at is not None:
        history.log_key(kid, at)
    elif kid in history.compromised:
        raise PeerError(Code.KEY_COMPROMISED, "the log key was declared compromised")


def verify_cosignature(head: Head, signature: Signature, history: KeyHistory) -> int:
    """When the witness saw this head as consistent; `PeerError` if its log key of that time did not sign so."""
    name = origin_of(history.node_id)
    if signature.name != name or len(signature.blob) != TIME_BYTES + SIGNATURE_BYTES or signature.at > MAX_UNTIL:
        raise PeerError(Code.CHECKPOINT, "no cosignature of this witness")
    for kid, public in _log_keys(history):
        if key_id(name, COSIGNATURE, public) != signature.key_id:
            continue
        if not signature_holds(public, signature.blob[TIME_BYTES:], _cosigned(head, signature.at)):
            raise PeerError(Code.BAD_SIGNATURE, "the cosignature does not hold")
        history.log_key(kid, signature.at)
        return signature.at
    raise PeerError(Code.KEY_NOT_OWNED, "the cosignature is by no log key of this witness")


def cosigned(note: Note, histories: Mapping[str, KeyHistory]) -> dict[str, int]:
    """Which of these witnesses have cosigned, and when; lines of others, or that do not hold, count for nothing."""
    out: dict[str, int] = {}
    for signature in note.signatures:
        history = histories.get(signature.node_id)
        if history is None or signature.node_id == note.head.node_id:
            continue
        try:
            out[history.node_id] = verify_cosignature(note.head, signature, history)
        except PeerError:
            continue
    return out


def _log_keys(history: KeyHistory) -> list[tuple[str, bytes]]:
    return [(kid, span.public) for kid, span in history.spans.items() if span.role is Role.LOG]


def verifier_key(node_id: str, public: bytes, kind: int = LOG_SIGNATURE) -> str:
    """The key as other tools of signed notes take it: name, key id in hex, and type and key in base64."""
    name = origin_of(node_id)
    return f"{name}+{key_id(name, kind, public).hex()}+{b64encode(bytes([kind]) + public).decode()}"
