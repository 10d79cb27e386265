"""Laws of proposals, over any votes of any people in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from governance.proposal import UNDECIDED, Ballot, Choice, Rules, Standing, State, judge

NAMES = ("ana", "bao", "chidi", "dina", "emre", "fatima", "gia")
stewards = st.frozensets(st.sampled_from(NAMES))
rules = st.builds(Rules, st.none() | st.integers(1, 9), st.integers(0, 100), st.integers(1, 100))
hashes = st.sampled_from(["h", "old", ""])
ballots = st.lists(
    st.builds(Ballot, st.sampled_from(NAMES), st.sampled_from(list(Choice)), hashes),
    unique_by=lambda b: b.account,
    max_size=len(NAMES),
)
standings = st.builds(
    Standing, st.sampled_from([State.OPEN, State.APPROVED]), st.sampled_from(NAMES), st.just("h"),
    st.integers(0, 200), st.none() | st.integers(0, 100),
)  # fmt: skip
times = st.integers(0, 300)


@given(standings, rules, ballots, stewards, times, st.randoms(use_true_random=False))
def test_the_order_of_votes_never_matters(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int, random: object
) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(standing, rule, votes, who, now) == judge(standing, rule, shuffled, who, now)


@given(rules, ballots, stewards, st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_votes_that_come_one_by_one_decide_the_same_whatever_their_order(
    rule: Rules, votes: list[Ballot], who: frozenset[str], by: str, random: object
) -> None:
    def outcome(order: list[Ballot]) -> State:
        state = State.OPEN
        for n in range(len(order) + 1):
            state = judge(Standing(State.OPEN, by, "h", 1_000), rule, order[:n], who, 1).state
            if state is not State.OPEN:  # decided: later votes are not taken any more
                return state
        return state

    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert outcome(votes) == outcome(shuffled)


@given(standings, rules, ballots, stewards, times)
def test_a_vote_for_another_hash_never_counts(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int
) -> None:
    only = [b for b in votes if b.hash == standing.hash]
    assert judge(standing, rule, votes, who, now) == judge(standing, rule, only, who, now)


@given(standings, rules, ballots, stewards, times)
def test_the_vote_of_who_is_no_steward_never_counts(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int
) -> None:
    only = [b for b in votes if b.account in who]
    assert judge(standing, rule, votes, who, now) == judge(standing, rule, only, who, now)


@given(standings, rules, ballots, stewards, times)
def test_with_two_stewards_or_more_the_proposer_alone_is_never_enough(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int
) -> None:
    verdict = judge(standing, rule, votes, who, now)
    if verdict.state is State.APPROVED and len(who) > 1:
        assert verdict.yes - {standing.by}
        assert len(verdict.yes) >= rule.needed(len(who))


@given(standings, rules, ballots, stewards, times)
def test_one_more_yes_never_takes_an_approval_away(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int
) -> None:
    before = judge(standing, rule, votes, who, now)
    silent = sorted(who - {b.account for b in votes})
    if before.state is State.APPROVED and silent:
        more = [*votes, Ballot(silent[0], Choice.YES, "h")]
        assert judge(standing, rule, more, who, now).state is State.APPROVED


@given(standings, rules, ballots, stewards, times)
def test_nothing_is_ever_due_that_is_not_approved(
    standing: Standing, rule: Rules, votes: list[Ballot], who: frozenset[str], now: int
) -> None:
    verdict = judge(standing, rule, votes, who, now)
    assert standing.state in UNDECIDED
    assert verdict.due(now) == (
        verdict.state is State.APPROVED and verdict.due_at is not None and verdict.due_at <= now
    )
