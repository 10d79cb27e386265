"""Histories: pinning, recovery after theft, and which key was valid when."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import Code, PeerError
from federation.identity import (
    MAX_HISTORY_ENTRIES,
    KeyHistory,
    Role,
    Standing,
    compare_with_pinned,
    extends,
    sign_entry,
    verify_history,
)
from federation.keys import key_commitment
from tests.vectors.nodes import DAY, LIMA, NAIROBI, T0

FIRST = NAIROBI.history()[0]


def update(**changes: Any) -> bytes:
    return sign_entry(NAIROBI.following(FIRST, NAIROBI.genesis(), **changes), NAIROBI.identity)


def rotation(**changes: Any) -> bytes:
    values = {"next": key_commitment(NAIROBI.after_next.public)} | changes
    return sign_entry(NAIROBI.following(FIRST, NAIROBI.genesis(), **values), NAIROBI.next, rotation=True)


def code_of(history: KeyHistory, kid: str, role: Role, at: int) -> Code:
    with pytest.raises(PeerError) as refusal:
        history.key_valid_at(kid, role, at)
    return refusal.value.code


def test_only_verification_makes_a_history() -> None:
    real = verify_history([FIRST])
    with pytest.raises(TypeError):
        KeyHistory(
            real.node_id,
            real.entries,
            real.documents,
            real.rotations,
            real.identity_public,
            real.spans,
            real.compromised,
            object(),
        )


def test_a_longer_history_replaces_the_pinned_one_and_an_older_one_does_not() -> None:
    short, long = verify_history([FIRST]), verify_history([FIRST, update()])
    assert extends(short, long)
    assert not extends(long, short)
    assert not extends(long, long)
    assert compare_with_pinned(long, short) is Standing.OLDER


def test_a_history_that_parts_from_the_pinned_one_is_an_alarm() -> None:
    pinned, forked = verify_history([FIRST, update(name="One")]), verify_history([FIRST, update(name="Two")])
    with pytest.raises(PeerError) as refusal:
        extends(pinned, forked)
    assert refusal.value.code == Code.HISTORY_FORK


def test_another_nodes_history_is_an_alarm() -> None:
    with pytest.raises(PeerError):
        extends(verify_history([FIRST]), verify_history(LIMA.history()))


def test_stewards_take_a_node_back_from_a_thief_of_its_identity_key() -> None:
    stolen = verify_history([FIRST, update(name="Thief")])
    recovered = verify_history([FIRST, rotation()])
    assert compare_with_pinned(stolen, recovered) is Standing.RECOVERS
    assert extends(stolen, recovered)


def test_a_thief_cannot_undo_a_recovery() -> None:
    recovered = verify_history([FIRST, rotation()])
    stolen = verify_history([FIRST, update(name="Thief")])
    assert compare_with_pinned(recovered, stolen) is Standing.FORKS


def test_two_rotations_at_one_place_are_an_alarm() -> None:
    one, two = verify_history([FIRST, rotation()]), verify_history([FIRST, rotation(name="Other")])
    assert compare_with_pinned(one, two) is Standing.FORKS


def test_a_record_key_counts_from_its_start_to_its_replacement() -> None:
    history = verify_history(NAIROBI.history_with_new_record_key())
    old, new = NAIROBI.rec.kid(NAIROBI.node_id), NAIROBI.rec2.kid(NAIROBI.node_id)
    assert history.record_key(old, T0) == NAIROBI.rec.public
    assert code_of(history, old, Role.REC, T0 - 1) == Code.KEY_NOT_VALID_THEN
    assert code_of(history, old, Role.REC, T0 + 10 * DAY + 1) == Code.KEY_NOT_VALID_THEN
    assert history.record_key(new, T0 + 10 * DAY) == NAIROBI.rec2.public
    assert code_of(history, new, Role.REC, T0 + 10 * DAY - 1) == Code.KEY_NOT_VALID_THEN


def test_a_compromised_key_counts_until_the_second_it_was_lost() -> None:
    history = verify_history(NAIROBI.history_with_new_record_key())
    kid = NAIROBI.rec.kid(NAIROBI.node_id)
    assert history.record_key(kid, T0 + 8 * DAY - 1) == NAIROBI.rec.public
    assert code_of(history, kid, Role.REC, T0 + 8 * DAY) == Code.KEY_COMPROMISED


def test_a_loss_once_declared_is_never_taken_back() -> None:
    kid = NAIROBI.rec.kid(NAIROBI.node_id)
    second = update(compromised={kid: T0 + 5})
    third = sign_entry(
        NAIROBI.following(second, NAIROBI.genesis(), seq=3, iat=T0 + DAY, compromised={kid: T0 + 500}), NAIROBI.identity
    )
    history = verify_history([FIRST, second, third])
    assert code_of(history, kid, Role.REC, T0 + 5) == Code.KEY_COMPROMISED


def test_a_key_serves_one_use() -> None:
    history = verify_history([FIRST])
    assert history.request_key(NAIROBI.req.kid(NAIROBI.node_id), T0) == NAIROBI.req.public
    assert history.log_key(NAIROBI.log.kid(NAIROBI.node_id), T0) == NAIROBI.log.public
    assert code_of(history, NAIROBI.req.kid(NAIROBI.node_id), Role.REC, T0) == Code.KEY_NOT_OWNED
    assert code_of(history, NAIROBI.rec.kid(NAIROBI.node_id), Role.LOG, T0) == Code.KEY_NOT_OWNED


def test_a_history_beyond_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(PeerError) as refusal:
        verify_history([b"x"] * (MAX_HISTORY_ENTRIES + 1))
    assert refusal.value.code == Code.TOO_LARGE
