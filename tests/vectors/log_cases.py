"""The audit log: Merkle proofs, checkpoints with cosignatures, and an export, valid and invalid."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

from federation.checkpoint import Head, Note, Signature, cosign, origin_of, sign_head
from federation.errors import Code
from federation.identity import verify_history
from federation.merkle import consistency_ranges, inclusion_ranges, leaf_hash, root_of
from federation.transcript import Entry, Frame, entry_leaf, text_digest, write_proof
from tests.vectors.nodes import DAY, LIMA, NAIROBI, T0, seed

Vector = dict[str, Any]
LEAVES: Final = [leaf_hash(f"entry {n}".encode()) for n in range(13)]
SIZES: Final = ((1, 0), (2, 1), (7, 6), (8, 3), (13, 0), (13, 11))
STEPS: Final = ((1, 1), (1, 2), (3, 7), (4, 8), (6, 8), (8, 13), (13, 13))


# --- proofs ----------------------------------------------------------------------------------------------------------


def _inclusion(n: int, size: int) -> Vector:
    path = [root_of(LEAVES[a:b]).hex() for a, b in inclusion_ranges(n, size)]
    return {
        "about": f"leaf {n} in a tree of {size}", "n": n, "size": size, "leaf": LEAVES[n].hex(),
        "root": root_of(LEAVES[:size]).hex(), "path": path,
    }  # fmt: skip


def _consistency(old: int, new: int) -> Vector:
    path = [root_of(LEAVES[a:b]).hex() for a, b in consistency_ranges(old, new)]
    return {
        "about": f"a tree of {new} continues one of {old}", "old": old, "new": new,
        "old_root": root_of(LEAVES[:old]).hex(), "new_root": root_of(LEAVES[:new]).hex(), "path": path,
    }  # fmt: skip


def valid_proofs() -> Iterator[tuple[str, Vector]]:
    """Proofs over leaves of `entry 0`, `entry 1`, …"""
    for size, n in SIZES:
        yield f"inclusion-{n}-of-{size}", _inclusion(n, size)
    for old, new in STEPS:
        yield f"consistency-{old}-to-{new}", _consistency(old, new)


def invalid_proofs() -> Iterator[tuple[str, Code, Vector]]:
    """What a reader must refuse, the two that are easily let through first: an empty tree, a hash of another length."""
    empty = root_of([]).hex()
    cases: dict[str, Vector] = {
        "consistency-from-nothing": _consistency(3, 7) | {"old": 0, "old_root": empty, "path": []},
        "consistency-of-nothing": _consistency(1, 1) | {"old": 0, "new": 0, "old_root": empty, "new_root": empty},
        "consistency-short-hash": _consistency(1, 1) | {"old_root": "00", "new_root": "00"},
        "consistency-shrinks": _consistency(3, 7) | {"old": 8},
        "consistency-empty": _consistency(3, 7) | {"path": []},
        "consistency-too-long": _consistency(3, 7) | {"path": [*_consistency(3, 7)["path"], empty]},
        "consistency-rewritten": _consistency(3, 7) | {"new_root": root_of([LEAVES[12], *LEAVES[1:7]]).hex()},
        "inclusion-of-nothing": _inclusion(0, 1) | {"size": 0, "root": empty},
        "inclusion-short-hash": _inclusion(0, 1) | {"leaf": "00", "root": "00"},
        "inclusion-beyond": _inclusion(0, 1) | {"n": 1},
        "inclusion-elsewhere": _inclusion(3, 8) | {"n": 2},
        "inclusion-node-as-leaf": _inclusion(3, 8) | {"n": 0, "size": 4, "leaf": root_of(LEAVES[:2]).hex(), "path": []},
        "inclusion-too-long": _inclusion(3, 8) | {"path": [*_inclusion(3, 8)["path"], empty]},
    }
    for name, vector in cases.items():
        yield name, Code.PROOF, vector | {"about": name.replace("-", " ")}


# --- checkpoints -----------------------------------------------------------------------------------------------------


def _note(size: int = 13) -> Note:
    return sign_head(Head(NAIROBI.node_id, size, root_of(LEAVES[:size])), NAIROBI.log)


def _checkpoint(about: str, text: str, **more: Any) -> Vector:
    return {"about": about, "note": text, "now": T0 + DAY, **more}


def valid_checkpoints() -> Iterator[tuple[str, Vector]]:
    """Notes of Nairobi's log, with what a reader knows afterwards."""
    note = _note()
    expect = {"node": NAIROBI.node_id, "size": 13, "root": root_of(LEAVES).hex(), "cosigned": {}}
    yield "signed", _checkpoint("the log alone", note.text(), expect=expect)
    seen = note.with_cosignature(cosign(note.head, LIMA.node_id, LIMA.log, T0 + 60))
    lima = {LIMA.node_id: T0 + 60}
    yield "cosigned", _checkpoint("Lima has witnessed it", seen.text(), expect=expect | {"cosigned": lima})
    other = Signature("example.org/witness", b"\x01\x02\x03\x04", bytes(72))
    strange = note.with_cosignature(other)
    yield "unknown-signature", _checkpoint("a line of an unknown key is ignored", strange.text(), expect=expect)


def invalid_checkpoints() -> Iterator[tuple[str, Code, Vector]]:
    """Notes that are refused."""
    text = _note().text()
    root = b64encode(root_of(LEAVES)).decode()
    yield "another-size", Code.BAD_SIGNATURE, _checkpoint("the size was changed", text.replace("\n13\n", "\n12\n"))
    mine = Head(NAIROBI.node_id, 13, root_of(LEAVES))
    stolen = Note(mine, sign_head(mine, NAIROBI.rec).signatures)
    yield "record-key", Code.KEY_NOT_OWNED, _checkpoint("signed by the record key", stolen.text())
    witness = Note(mine, (cosign(mine, NAIROBI.node_id, NAIROBI.log, T0),))
    yield "only-cosigned", Code.KEY_NOT_OWNED, _checkpoint("a cosignature is no signature of the log", witness.text())
    early = _checkpoint("before the log key began", text)
    yield "too-early", Code.KEY_NOT_VALID_THEN, early | {"now": T0 - 1}
    forms = {
        "no-signature": text.partition("\u2014")[0],
        "leading-zero": text.replace("\n13\n", "\n013\n"),
        "extension-line": text.replace(f"{root}\n", f"{root}\nmore\n"),
        "short-root": text.replace(root, b64encode(bytes(31)).decode()),
        "another-origin": text.replace(origin_of(NAIROBI.node_id), "example.org/log"),
        "no-base64": text.replace(root, root.replace("=", "")),
        "carriage-return": text.replace("\n", "\r\n"),
    }
    for name, bent in forms.items():
        yield name, Code.CHECKPOINT, _checkpoint(name.replace("-", " "), bent)


# --- an export -------------------------------------------------------------------------------------------------------


def _entries() -> list[Entry]:
    out = []
    for n, (action, subject) in enumerate((("circle.roster", "coast"), ("account.add", "amal"), ("peer.invite", "x"))):
        salt = seed(f"salt {n}")[:16]
        digest = text_digest(salt, "amal", subject, "")
        leaf = entry_leaf(action, T0 + n, digest)
        if n == 1:
            out.append(Entry(n, T0 + n, action, leaf, erased=digest))
        else:
            out.append(Entry(n, T0 + n, action, leaf, "amal", subject, "", salt))
    return out


def exports() -> Iterator[tuple[str, Vector]]:
    """An export whose second text was erased, a proof from it, and the same with a changed word."""
    entries = _entries()
    head = Head(NAIROBI.node_id, 3, root_of(e.leaf for e in entries))
    note = sign_head(head, NAIROBI.log)
    note = note.with_cosignature(cosign(head, LIMA.node_id, LIMA.log, T0 + 60))
    histories = [verify_history(node.history()) for node in (NAIROBI, LIMA)]
    frame = Frame(note, histories[0], {LIMA.node_id: histories[1]})
    lines = [frame.to_json("log"), *(e.to_json() for e in entries), {"t": "end", "size": 3}]
    yield "whole", {"about": "an export; the text of entry 1 was erased", "lines": lines, "wrong": []}
    path = [entries[0].leaf, entries[1].leaf]
    proof = write_proof(frame, entries[2], [root_of(path)])
    yield "proof", {"about": "entry 2 alone", "lines": [proof], "wrong": []}
    bent = [dict(line) for line in lines]
    bent[3]["subject"] = "y"
    yield "changed-word", {"about": "a word of entry 2 was changed", "lines": bent, "wrong": [2]}
    bent_at = [dict(line) for line in lines]
    bent_at[2]["at"] = T0
    yield "changed-time", {"about": "the time of an erased entry was changed", "lines": bent_at, "wrong": [1]}
