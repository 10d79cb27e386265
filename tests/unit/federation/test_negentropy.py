"""Reconciliation: the reference's known answers, its outcome as a property, and hostile messages."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Code, PeerError, ProtocolStateError
from federation.negentropy import (
    MAX_MESSAGE_BYTES,
    MAX_ORDER_KEY,
    MAX_ROUNDS,
    MIN_FRAME_BYTES,
    Initiator,
    Item,
    ItemSet,
    respond,
)
from tests.unit.federation.vector_files import shared


def item(number: int, spread: int = 7) -> Item:
    return number // spread, hashlib.sha256(number.to_bytes(4, "big")).digest()


def reconcile(ours: ItemSet, theirs: ItemSet, frame_bytes: int = 0) -> tuple[set[bytes], set[bytes], list[bytes]]:
    initiator = Initiator(ours, frame_bytes)
    message: bytes | None = initiator.start()
    have: set[bytes] = set()
    need: set[bytes] = set()
    messages: list[bytes] = []
    while message is not None:
        answer = respond(theirs, message, frame_bytes)
        messages += [message, answer]
        outcome = initiator.receive(answer)
        have |= set(outcome.have)
        need |= set(outcome.need)
        message = outcome.message
    return have, need, messages


def test_every_message_is_the_references_own() -> None:
    for session in json.loads(shared("negentropy/kat.json").read_text()):
        ours, theirs = (ItemSet((key, bytes.fromhex(i)) for key, i in session[side]) for side in ("client", "server"))
        have, need, messages = reconcile(ours, theirs, session["frameSizeLimit"])
        assert [message.hex() for message in messages] == session["messages"], session["name"]
        assert {ident.hex() for ident in have} == set(session["have"])
        assert {ident.hex() for ident in need} == set(session["need"])


def test_empty_sets_agree_in_five_bytes() -> None:
    # From the reference's known answers, so that this holds where they are absent.
    _, _, messages = reconcile(ItemSet([]), ItemSet([]))
    assert messages == [bytes.fromhex("6100000200")] * 2


@settings(deadline=None, max_examples=60)
@given(
    st.sets(st.integers(0, 3000), max_size=300),
    st.sets(st.integers(0, 3000), max_size=300),
    st.sets(st.integers(3001, 9000), max_size=600),
    st.sampled_from([0, MIN_FRAME_BYTES]),
    st.sampled_from([1, 7, 10_000]),
)
def test_both_sides_learn_exactly_the_difference(
    ours: set[int], theirs: set[int], common: set[int], frame_bytes: int, spread: int
) -> None:
    mine = {item(n, spread) for n in ours | common}
    yours = {item(n, spread) for n in theirs | common}
    have, need, messages = reconcile(ItemSet(mine), ItemSet(yours), frame_bytes)
    assert have == {ident for _, ident in mine - yours}
    assert need == {ident for _, ident in yours - mine}
    if frame_bytes:
        assert max(map(len, messages)) <= frame_bytes


def test_a_large_set_with_few_differences_costs_few_bytes() -> None:
    everything = [item(n) for n in range(20_000)]
    have, need, messages = reconcile(ItemSet(everything[10:]), ItemSet(everything[:-10]))
    assert (len(have), len(need)) == (10, 10)
    assert sum(map(len, messages)) < 10_000


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("", id="empty"),
        pytest.param("5f", id="another-protocol"),
        pytest.param("6105", id="half-a-bound"),
        pytest.param("61000003", id="unknown-mode"),
        pytest.param("61000001aabb", id="short-fingerprint"),
        pytest.param("6100000205", id="fewer-ids-than-announced"),
        pytest.param("61" + "ff" * 5 + "00", id="endless-number"),
        pytest.param("61" + "8880808002" + "0000", id="order-key-beyond-the-limit"),
        pytest.param("610521" + "00" * 33 + "00", id="prefix-longer-than-an-id"),
        pytest.param("61" + "0501ff00" + "0101fe00", id="bounds-going-backwards"),
        pytest.param("61000000" + "020000", id="a-range-after-the-last"),
    ],
)
def test_a_hostile_message_is_refused(message: str) -> None:
    with pytest.raises(PeerError) as refusal:
        respond(ItemSet([item(1)]), bytes.fromhex(message))
    assert refusal.value.code == Code.RECONCILE


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(message: bytes) -> None:
    items = ItemSet([item(n) for n in range(100)])
    try:
        answer = respond(items, b"\x61" + message)
    except PeerError:
        return
    assert answer[0] == 0x61


def test_another_version_is_answered_with_ours() -> None:
    assert respond(ItemSet([]), b"\x62") == b"\x61"


def test_a_message_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(PeerError) as refusal:
        respond(ItemSet([]), b"\x61" + bytes(MAX_MESSAGE_BYTES))
    assert refusal.value.code == Code.TOO_LARGE


def test_a_peer_that_never_agrees_is_left_after_bounded_rounds() -> None:
    initiator = Initiator(ItemSet([item(n) for n in range(100)]))
    initiator.start()
    never = bytes.fromhex("61000001") + bytes(16)
    for _ in range(MAX_ROUNDS):
        initiator.receive(never)
    with pytest.raises(PeerError) as refusal:
        initiator.receive(never)
    assert refusal.value.code == Code.RECONCILE_ROUNDS


def test_steps_out_of_order_are_our_own_mistake() -> None:
    initiator = Initiator(ItemSet([]))
    with pytest.raises(ProtocolStateError):
        initiator.receive(b"\x61")
    initiator.start()
    with pytest.raises(ProtocolStateError):
        initiator.start()


@pytest.mark.parametrize("bad", [(-1, bytes(32)), (MAX_ORDER_KEY + 1, bytes(32)), (0, bytes(31))])
def test_an_item_outside_the_format_is_our_own_mistake(bad: Item) -> None:
    ItemSet([(MAX_ORDER_KEY, bytes(32)), (0, bytes(32))])
    with pytest.raises(ValueError, match="item"):
        ItemSet([bad])
    with pytest.raises(ValueError, match="twice"):
        ItemSet([(0, bytes(32)), (0, bytes(32))])
    with pytest.raises(ValueError, match="frame"):
        Initiator(ItemSet([]), MIN_FRAME_BYTES - 1)
