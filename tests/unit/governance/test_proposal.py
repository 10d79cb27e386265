"""Proposals as a table of states and a count of votes."""

from __future__ import annotations

import pytest

from governance.errors import ProposalError
from governance.proposal import (
    OVER,
    Ballot,
    Choice,
    Move,
    Rules,
    Standing,
    State,
    content_hash,
    judge,
    rules_for,
    step,
)

THREE = frozenset({"ana", "bao", "chidi"})
NOW = 1_000


def said(*names: str, choice: Choice = Choice.YES, hash_: str = "h") -> list[Ballot]:
    return [Ballot(name, choice, hash_) for name in names]


def standing(state: State = State.OPEN, by: str = "ana", approved_at: int | None = None) -> Standing:
    return Standing(state, by, "h", NOW + 10, approved_at)


@pytest.mark.parametrize(("stewards", "needed"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_a_majority_is_more_than_half_and_two_of_two(stewards: int, needed: int) -> None:
    assert Rules().needed(stewards) == needed


def test_a_number_above_the_stewards_asks_for_all_of_them() -> None:
    assert Rules(quorum=5).needed(3) == 3


def test_enough_votes_approve_and_with_no_waiting_it_is_due_at_once() -> None:
    verdict = judge(standing(), Rules(), said("ana", "bao"), THREE, NOW)
    assert verdict.state is State.APPROVED
    assert verdict.due(NOW)


def test_the_waiting_period_begins_with_the_last_vote_needed_and_is_not_begun_anew() -> None:
    rules = Rules(waiting_s=100)
    first = judge(standing(), rules, said("ana", "bao"), THREE, NOW)
    later = judge(standing(State.APPROVED, approved_at=first.approved_at), rules, said(*THREE), THREE, NOW + 50)
    assert later.due_at == NOW + 100
    assert not later.due(NOW + 99)
    assert later.due(NOW + 100)


def test_one_steward_alone_waits_for_nobody() -> None:
    assert judge(standing(), Rules(waiting_s=100), said("ana"), {"ana"}, NOW).due(NOW)


def test_the_proposer_alone_is_not_enough_even_where_a_quorum_of_one_is_set() -> None:
    rules = Rules(quorum=1)
    assert judge(standing(), rules, said("ana"), THREE, NOW).missing == 1
    assert judge(standing(), rules, said("bao"), THREE, NOW).state is State.APPROVED


def test_it_is_rejected_when_those_left_cannot_approve_it() -> None:
    assert judge(standing(), Rules(), said("bao", "chidi", choice=Choice.NO), THREE, NOW).state is State.REJECTED
    others = said("bao", "chidi", choice=Choice.NO)
    assert judge(standing(), Rules(quorum=1), others, THREE, NOW).state is State.REJECTED


def test_it_lapses_when_its_time_is_over_but_not_once_it_is_approved() -> None:
    assert judge(standing(), Rules(), said("ana"), THREE, NOW + 10).state is State.LAPSED
    waiting = standing(State.APPROVED, approved_at=NOW + 9)
    assert judge(waiting, Rules(waiting_s=50), said("ana", "bao"), THREE, NOW + 20).state is State.APPROVED


def test_an_approved_one_that_loses_its_quorum_while_it_waits_is_open_again() -> None:
    waiting = standing(State.APPROVED, approved_at=NOW)
    verdict = judge(waiting, Rules(waiting_s=50), said("ana", "bao"), {"ana", "chidi", "dina"}, NOW + 5)
    assert verdict.state is State.OPEN
    assert verdict.approved_at is None


@pytest.mark.parametrize("state", sorted(OVER))
@pytest.mark.parametrize("move", list(Move))
def test_what_is_over_stays_over(state: State, move: Move) -> None:
    with pytest.raises(ProposalError, match="make a new proposal"):
        step(state, move)
    assert judge(standing(state), Rules(), said(*THREE), THREE, NOW).state is state


def test_a_draft_cannot_be_voted_on() -> None:
    with pytest.raises(ProposalError, match="open it first"):
        step(State.DRAFT, Move.VOTE)
    assert judge(standing(State.DRAFT), Rules(), said(*THREE), THREE, NOW).state is State.DRAFT


def test_text_and_preview_cannot_be_shifted_into_one_another() -> None:
    assert content_hash("k", "ab", "c") != content_hash("k", "a", "bc")
    assert content_hash("k", 'a","b', "") != content_hash("k", "a", "b")


def test_a_kind_has_its_own_rules_then_its_familys_then_the_default() -> None:
    one, family, default = Rules(1), Rules(2), Rules(3)
    kinds = {"agreement.end": one, "agreement": family}
    found = [rules_for(k, default, kinds) for k in ("agreement.end", "agreement.renew", "policy.change")]
    assert found == [one, family, default]
