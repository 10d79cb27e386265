"""The Merkle tree against RFC 6962's definition, the published vectors, and proofs bent in every bit."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import PeerError
from federation.merkle import (
    EMPTY_ROOT,
    MAX_PROOF_HASHES,
    Frontier,
    Range,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.unit.federation.vector_files import SHARED

PUBLISHED = SHARED / "merkle-rfc6962"
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason="published vectors are not here")


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4)) for n in range(count)]


def tree_root(found: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word: the slow definition that ours is compared with."""
    if not found:
        return hashlib.sha256(b"").digest()
    if len(found) == 1:
        return found[0]
    left = 1
    while left * 2 < len(found):
        left *= 2
    return node_hash(tree_root(found[:left]), tree_root(found[left:]))


def proof(ranges: list[Range], found: list[bytes]) -> list[bytes]:
    return [tree_root(found[start:end]) for start, end in ranges]


def holds(check: Callable[..., None], *given: Any) -> bool:
    try:
        check(*given)
    except PeerError:
        return False
    return True


@given(st.integers(0, 300))
def test_the_root_is_the_one_that_the_rfc_defines(size: int) -> None:
    assert root_of(leaves(size)) == tree_root(leaves(size))


@given(st.integers(0, 8), st.integers(0, 200))
def test_full_subtrees_and_single_leaves_make_the_same_tree(blocks: int, rest: int) -> None:
    found = leaves(blocks * 16 + rest)
    roots = [tree_root(found[n * 16 : n * 16 + 16]) for n in range(blocks)]
    whole = Frontier().extend(roots, 4).extend(found[blocks * 16 :])
    assert whole == Frontier().extend(found)


def test_a_subtree_that_does_not_fit_where_the_tree_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        Frontier().append(leaf_hash(b"")).append(leaf_hash(b""), 1)


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 100])
def test_every_leaf_of_a_tree_is_proved_and_at_no_other_place(size: int) -> None:
    found = leaves(size)
    root = tree_root(found)
    for n in range(size):
        path = proof(inclusion_ranges(n, size), found)
        verify_inclusion(n, size, found[n], path, root)
        assert not any(holds(verify_inclusion, m, size, found[n], path, root) for m in range(size) if m != n)


@pytest.mark.parametrize("new", [*range(1, 34), 64, 65])
def test_every_tree_is_proved_to_continue_each_smaller_one(new: int) -> None:
    found = leaves(new)
    for old in range(1, new + 1):
        path = proof(consistency_ranges(old, new), found)
        verify_consistency(old, new, tree_root(found[:old]), tree_root(found), path)


@settings(max_examples=60)
@given(st.data())
def test_any_changed_bit_of_any_proof_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 200))
    n, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    found = leaves(size)
    inclusion = [found[n], tree_root(found), *proof(inclusion_ranges(n, size), found)]
    consistency = [tree_root(found[:old]), tree_root(found), *proof(consistency_ranges(old, size), found)]
    at = data.draw(st.integers(0, 255))
    for values, check, numbers in (
        (inclusion, verify_inclusion, (n, size)),
        (consistency, verify_consistency, (old, size)),
    ):
        for which in range(len(values)):
            bent = list(values)
            bent[which] = (int.from_bytes(bent[which]) ^ 1 << at).to_bytes(32)
            if check is verify_inclusion:
                assert not holds(check, *numbers, bent[0], bent[2:], bent[1])
            else:
                assert not holds(check, *numbers, bent[0], bent[1], bent[2:])


def test_a_rewritten_or_removed_leaf_breaks_consistency_whatever_is_recomputed() -> None:
    before, after = leaves(20), leaves(30)
    for rewritten in ([*after[:7], leaf_hash(b"x"), *after[8:]], [*after[:7], *after[8:]]):
        path = proof(consistency_ranges(20, len(rewritten)), rewritten)
        assert not holds(verify_consistency, 20, len(rewritten), root_of(before), root_of(rewritten), path)


def test_an_empty_tree_proves_nothing_and_is_proved_by_nothing() -> None:
    one = leaf_hash(b"")
    assert root_of([]) == EMPTY_ROOT
    assert not holds(verify_consistency, 0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not holds(verify_consistency, 0, 1, EMPTY_ROOT, one, [])
    assert not holds(verify_inclusion, 0, 0, EMPTY_ROOT, [], EMPTY_ROOT)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused_wherever_it_stands(size: int) -> None:
    found = leaves(4)
    root, wrong = tree_root(found), bytes(size)
    path = proof(inclusion_ranges(1, 4), found)
    assert not holds(verify_inclusion, 0, 1, wrong, [], wrong)
    assert not holds(verify_inclusion, 1, 4, found[1], [path[0], wrong], root)
    assert not holds(verify_consistency, 4, 4, wrong, wrong, [])


def test_a_proof_longer_than_any_tree_is_refused_before_it_is_hashed() -> None:
    path = [leaf_hash(b"")] * (MAX_PROOF_HASHES + 1)
    assert not holds(verify_inclusion, 0, 2**60, path[0], path, path[0])
    assert not holds(verify_consistency, 1, 2, path[0], path[0], path)


# --- published vectors -----------------------------------------------------------------------------------------------


def published(folder: str) -> list[Any]:
    found = sorted((PUBLISHED / folder).rglob("*.json"))
    return [pytest.param(path, id=str(path.relative_to(PUBLISHED / folder))) for path in found]


def raw(text: str | None) -> bytes:
    return b64decode(text or "")


@needs_published
@pytest.mark.parametrize("path", published("inclusion"))
def test_a_published_inclusion_vector_is_judged_as_published(path: Path) -> None:
    v = json.loads(path.read_text())
    hashes = [raw(h) for h in v["proof"] or []]
    found = holds(verify_inclusion, v["leafIdx"], v["treeSize"], raw(v["leafHash"]), hashes, raw(v["root"]))
    assert found is not v["wantErr"]


@needs_published
@pytest.mark.parametrize("path", published("consistency"))
def test_a_published_consistency_vector_is_judged_as_published(path: Path) -> None:
    v = json.loads(path.read_text())
    hashes = [raw(h) for h in v["proof"] or []]
    root1, root2 = raw(v["root1"]), raw(v["root2"])
    # One published vector accepts a root that is no hash ("don't care") because nothing is computed: we refuse it.
    stricter = path.stem == "sizes-are-equal-one-and-proof-is-empty" and len(root1) != 32
    assert holds(verify_consistency, v["size1"], v["size2"], root1, root2, hashes) is (
        not v["wantErr"] and not stricter
    )
