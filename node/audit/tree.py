"""The Merkle tree over the audit log as the store keeps it: leaves in rows, roots of full blocks, a frontier.

The leaves count; blocks and frontier only save reading them. Appending costs the new leaves alone. A proof of a log
of a million entries reads the 3,900 block roots and two blocks of leaves; one of a small log reads the leaves
themselves, so that a leaf changed behind our back shows in the next proof that a peer sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from federation.merkle import HASH_BYTES, Frontier, Range, consistency_ranges, inclusion_ranges, leaf_hash
from federation.transcript import Entry
from node.store.governing import Audit, AuditBlock
from node.store.port import Reader, Writer
from node.store.rows import Meta

BLOCK_LEVEL: Final = 8
BLOCK: Final = 1 << BLOCK_LEVEL  # 256 leaves: a million entries have 3,906 blocks, read in some hundredths of a second
FROM_LEAVES: Final = 32 * BLOCK  # up to here a proof reads every leaf, which takes about a tenth of a second
FRONTIER: Final = "audit.frontier"


class TreeBroken(Exception):
    """A leaf is not where it was put: somebody changed the database."""


def entry_of(row: Audit) -> Entry:
    """A row as an entry of the log; its number and leaf are set."""
    assert row.n is not None
    leaf = row.leaf if row.leaf is not None and len(row.leaf) == HASH_BYTES else leaf_hash(row.leaf or b"")
    return Entry(row.n, row.at, row.action, leaf, row.actor, row.subject, row.detail, row.salt, row.erased)


async def entries(tx: Reader, start: int, end: int) -> list[Audit]:
    """The rows of these numbers that are there, in order."""
    return await tx.find(Audit, above=("n", start - 1), upto=("n", end - 1), order="n")


async def leaves(tx: Reader, start: int, end: int) -> list[bytes]:
    """The leaves of these numbers; `TreeBroken` if one is missing."""
    rows = await entries(tx, start, end)
    for n, row in zip(range(start, end), rows, strict=False):
        if row.n != n or row.leaf is None or len(row.leaf) != HASH_BYTES:
            raise TreeBroken(f"entry {n} of the audit log is missing, or has lost its leaf")
    if len(rows) != end - start:
        raise TreeBroken(f"entry {start + len(rows)} of the audit log is missing")
    return [row.leaf for row in rows if row.leaf is not None]


async def read_frontier(tx: Reader) -> Frontier:
    """The tree as it is; made again from all leaves where the note of it is lost."""
    row = await tx.get(Meta, FRONTIER)
    kept = _parse(row.value) if row is not None else None
    if kept is not None:
        return kept
    last = await tx.find(Audit, above=("n", -1), order="n", descending=True, limit=1)
    frontier = Frontier()
    end = (last[0].n or 0) + 1 if last else 0
    for start in range(0, end, FROM_LEAVES):
        frontier = frontier.extend(await leaves(tx, start, min(start + FROM_LEAVES, end)))
    return frontier


def _parse(text: str) -> Frontier | None:
    """The frontier from its note; None if that was damaged."""
    size, _, peaks = text.partition(":")
    try:
        hashes = bytes.fromhex(peaks)
        parts = tuple(hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        return Frontier(int(size), parts)
    except ValueError:
        return None


async def grow(tx: Writer, frontier: Frontier, new: Sequence[bytes]) -> Frontier:
    """Append leaves whose rows are written in this transaction; full blocks get their roots."""
    at = 0
    while at < len(new):
        room = BLOCK - frontier.size % BLOCK
        part = new[at : at + room]
        frontier = frontier.extend(part)
        at += len(part)
        if frontier.size % BLOCK == 0:
            number = frontier.size // BLOCK - 1
            start = number * BLOCK
            await tx.put(AuditBlock(number, Frontier().extend(await leaves(tx, start, frontier.size)).root()))
    await tx.put(Meta(FRONTIER, f"{frontier.size}:{b''.join(frontier.peaks).hex()}"))
    return frontier


async def consistency_proof(tx: Reader, old: int, new: int) -> list[bytes]:
    """The proof that the log of `new` entries continues that of `old`."""
    return await _roots(tx, consistency_ranges(old, new), new)


async def inclusion_proof(tx: Reader, n: int, size: int) -> list[bytes]:
    """The proof that entry `n` is in the log of `size` entries."""
    return await _roots(tx, inclusion_ranges(n, size), size)


async def _roots(tx: Reader, ranges: Sequence[Range], size: int) -> list[bytes]:
    return [await _root(tx, start, end, blocks=size > FROM_LEAVES) for start, end in ranges]


async def _root(tx: Reader, start: int, end: int, *, blocks: bool) -> bytes:
    """The root over a range as proofs name it: it begins at a multiple of the least power of two that holds it."""
    frontier = Frontier()
    if blocks and end - start >= BLOCK:
        first, last = start >> BLOCK_LEVEL, end >> BLOCK_LEVEL
        rows = await tx.find(AuditBlock, above=("number", first - 1), upto=("number", last - 1), order="number")
        if len(rows) == last - first:
            frontier = frontier.extend((r.root for r in rows), BLOCK_LEVEL)
    for at in range(start + frontier.size, end, FROM_LEAVES):
        frontier = frontier.extend(await leaves(tx, at, min(at + FROM_LEAVES, end)))
    return frontier.root()


async def recheck(tx: Reader, first: int, count: int) -> tuple[list[AuditBlock], list[str]]:
    """Blocks that their leaves do not give any more, as the leaves have them now, and what is wrong, in words."""
    changed: list[AuditBlock] = []
    wrong: list[str] = []
    for row in await tx.find(AuditBlock, above=("number", first - 1), upto=("number", first + count - 1)):
        start = row.number * BLOCK
        try:
            root = Frontier().extend(await leaves(tx, start, start + BLOCK)).root()
        except TreeBroken as error:
            wrong.append(str(error))
            continue
        if root != row.root:
            wrong.append(f"the leaves {start} to {start + BLOCK - 1} of the audit log were changed")
            changed.append(AuditBlock(row.number, root))
    return changed, wrong
