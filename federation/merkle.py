"""The Merkle tree of RFC 6962: hashes of leaves and nodes, roots, and proofs made and checked.

Values in, values out. Who makes a proof is told which ranges of leaves it names (`inclusion_ranges`,
`consistency_ranges`) and brings their roots; so a log of a million leaves need not be held in memory. Checking is
RFC 9162, 2.1.3.2 and 2.1.4.2: every hash is 32 bytes, and an empty tree proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import Code, PeerError

HASH_BYTES: Final = 32
MAX_TREE_SIZE: Final = 2**53 - 1  # what every JSON reader holds exactly
MAX_PROOF_HASHES: Final = 2 * 53  # a consistency proof names at most two hashes for each level
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_LEAF: Final = b"\x00"  # leaves and nodes are hashed apart, so that no node can be shown as a leaf (RFC 6962, 2.1)
_NODE: Final = b"\x01"

Range = tuple[int, int]


def leaf_hash(entry: bytes) -> bytes:
    """The hash with which an entry stands in the tree."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the full subtrees that a tree of this size consists of, largest first: all that appending needs."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has another number of full subtrees")
        if any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise ValueError(f"a hash is {HASH_BYTES} bytes")

    def append(self, root: bytes, level: int = 0) -> Frontier:
        """The tree with one more leaf, or with one more full subtree of 2^level leaves where it fits."""
        return self.extend((root,), level)

    def extend(self, roots: Iterable[bytes], level: int = 0) -> Frontier:
        """The tree with more leaves, or full subtrees of 2^level leaves; the size must be a multiple of that."""
        if self.size % (1 << level):
            raise ValueError(f"a subtree of {1 << level} leaves cannot follow leaf {self.size}")
        peaks, count = list(self.peaks), self.size >> level
        for root in roots:
            if len(root) != HASH_BYTES:
                raise ValueError(f"a hash is {HASH_BYTES} bytes")
            peaks.append(root)
            count += 1
            for _ in range((count & -count).bit_length() - 1):
                right = peaks.pop()
                peaks[-1] = node_hash(peaks[-1], right)
        return Frontier(count << level, tuple(peaks))

    def root(self) -> bytes:
        """The root of the tree, RFC 6962's MTH."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    return Frontier().extend(leaves).root()


# --- which subtrees a proof names ------------------------------------------------------------------------------------


def inclusion_ranges(n: int, size: int) -> list[Range]:
    """The ranges of leaves whose roots prove that leaf `n` stands in the tree of `size`, in the proof's order."""
    if not 0 <= n < size:
        raise ValueError(f"leaf {n} is not in a tree of {size}")
    out: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left(end - start)
        if n < middle:
            out.append((middle, end))
            end = middle
        else:
            out.append((start, middle))
            start = middle
    return out[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges of leaves whose roots prove that the tree of `new` leaves continues that of `old`, in order."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves does not continue one of {old}")
    out: list[Range] = []
    start, end, whole = 0, new, True  # `whole`: the old tree's root is known to whoever checks
    while old != end:
        middle = start + _left(end - start)
        if old <= middle:
            out.append((middle, end))
            end = middle
        else:
            out.append((start, middle))
            start, whole = middle, False
    if not whole:
        out.append((start, end))
    return out[::-1]


def _left(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


# --- proofs checked --------------------------------------------------------------------------------------------------


def verify_inclusion(n: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Nothing if the leaf is number `n` of the tree with this root; `PeerError` otherwise."""
    _check_form(size, [leaf, root, *proof])
    if not 0 <= n < size:
        raise PeerError(Code.PROOF, f"a tree of {size} has no leaf {n}")
    at, last, found = n, size - 1, leaf
    for part in proof:
        if last == 0:
            raise PeerError(Code.PROOF, "the proof is longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(part, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, part)
        at, last = at >> 1, last >> 1
    if last != 0 or found != root:
        raise PeerError(Code.PROOF, f"the proof does not lead from leaf {n} to the root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Nothing if the tree of `new` leaves begins with that of `old`; `PeerError` otherwise."""
    _check_form(new, [old_root, new_root, *proof])
    if not 0 < old <= new:
        raise PeerError(Code.PROOF, f"a tree of {old} proves nothing of one of {new}")
    if old == new:
        if proof or old_root != new_root:
            raise PeerError(Code.PROOF, "one size has one root, and nothing to prove")
        return
    if not proof:
        raise PeerError(Code.PROOF, "the proof is empty")
    _check_path(old, new, old_root, new_root, proof)


def _check_path(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4.2, from step 2."""
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    then = now = path[0]
    for part in path[1:]:
        if last == 0:
            raise PeerError(Code.PROOF, "the proof is longer than the tree is high")
        if at & 1 or at == last:
            then, now = node_hash(part, then), node_hash(part, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, part)
        at, last = at >> 1, last >> 1
    if last != 0 or then != old_root or now != new_root:
        raise PeerError(Code.PROOF, f"the proof does not lead from {old} leaves to {new}")


def _check_form(size: int, hashes: Sequence[bytes]) -> None:
    if size > MAX_TREE_SIZE or len(hashes) > MAX_PROOF_HASHES + 2:
        raise PeerError(Code.PROOF, "a proof for a tree larger than there can be")
    if any(len(one) != HASH_BYTES for one in hashes):
        raise PeerError(Code.PROOF, f"a hash is {HASH_BYTES} bytes")
