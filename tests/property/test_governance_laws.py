"""The laws of consent, terms, policy and the gate: every input can only narrow (invariant 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.agreement import Clauses, Phase
from governance.consent import Grant, terms_now
from governance.gate import Decision, Member, NoPolicy, Outcome, Peer, Public, Recipient, RecordView, Role, decide
from governance.policy import Effect, Facts, Policy, Rule
from governance.record import Draft
from governance.terms import ALL_PURPOSES, MAX_AUDIENCES, NOBODY, NODE, PUBLIC, Terms, meet
from governance.words import decision_words
from tests.property import strategies as world

law = settings(max_examples=300, deadline=None)


def _given(record: RecordView, to: Recipient, policy: Policy | NoPolicy, now: int) -> frozenset[str]:
    return decide(record, to, policy, now).fields


def _policy(*rules: Rule) -> Policy:
    return Policy(name="p", rule=rules, version="v")


SHARE_ALL = _policy(
    Rule(id="all", effect=Effect.SHARE, reason={"en": "all"}, to=frozenset({"peer", "member", "public"}))
)


# --- terms ---------------------------------------------------------------------------------------------------------


@law
@given(world.any_terms, world.any_terms)
def test_meet_is_commutative(a: Terms, b: Terms) -> None:
    assert meet(a, b) == meet(b, a)


@law
@given(world.any_terms, world.any_terms, world.any_terms)
def test_meet_is_associative(a: Terms, b: Terms, c: Terms) -> None:
    assert meet(meet(a, b), c) == meet(a, meet(b, c))


@law
@given(world.any_terms, world.any_terms)
@example(Terms(frozenset(), ALL_PURPOSES), NOBODY)
def test_meet_is_idempotent_and_no_wider_than_either_side(a: Terms, b: Terms) -> None:
    both = meet(a, b)
    assert meet(both, both) == both == meet(both, a)
    assert both.narrower_or_equal(a)
    assert both.narrower_or_equal(b)
    assert a.narrower_or_equal(a)


@law
@given(st.lists(world.terms, min_size=1, max_size=6))
def test_what_meets_can_always_be_signed_and_read_again(many: list[Terms]) -> None:
    met = many[0]
    for other in many[1:]:
        met = meet(met, other)
    assert Terms.from_json(met.to_json()) == met


@law
@given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40)))
def test_laws_of_meet_hold_for_more_circles_than_can_be_written(one: set[int], two: set[int], three: set[int]) -> None:
    a, b, c = (
        Terms(frozenset({PUBLIC, *(f"circle:{world.OWNER}.c{n}" for n in ids)}), ALL_PURPOSES)
        for ids in (one, two, three)
    )
    assert meet(meet(a, b), c) == meet(a, meet(b, c)) == meet(c, meet(b, a))
    assert len(meet(a, b).audiences) <= MAX_AUDIENCES


@law
@given(world.records(), world.recipients, world.audiences, world.audiences, world.TIMES)
def test_meet_admits_exactly_whom_both_sides_admit(
    record: RecordView, to: Recipient, one: frozenset[str], two: frozenset[str], now: int
) -> None:
    def admitted(terms: Terms) -> bool:
        return bool(_given(replace(record, sealed={"title": terms}, consent=None), to, SHARE_ALL, now))

    a, b = Terms(one, ALL_PURPOSES), Terms(two, ALL_PURPOSES)
    assert admitted(meet(a, b)) == (admitted(a) and admitted(b))


# --- the gate: narrowing any input never widens what anybody gets -----------------------------------------------------

Cut = Callable[[st.DataObject, RecordView, Recipient], tuple[RecordView, Recipient]]


def _less(data: st.DataObject, words: frozenset[Any]) -> frozenset[Any]:
    return frozenset(w for w in sorted(words) if data.draw(st.booleans()))


def _cut_sealed(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    return replace(record, sealed={n: meet(t, data.draw(world.any_terms)) for n, t in record.sealed.items()}), to


def _cut_field(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    kept = _less(data, frozenset(record.sealed))
    return replace(record, sealed={n: t for n, t in record.sealed.items() if n in kept}), to


def _cut_consent(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    before = record.sealed if record.consent is None else record.consent
    kept = _less(data, frozenset(before)) | {"title"}
    narrowed = {n: meet(t, data.draw(world.any_terms)) for n, t in before.items() if n in kept}
    return replace(record, consent=narrowed), to


def _cut_lists(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    fewer: dict[str, Any] = {name: _less(data, getattr(record, name)) for name in ("direct", "editors", "circles")}
    return replace(record, **fewer), to


def _cut_passing_on(_data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    return replace(record, passed_to_us=False), to


def _cut_hold(_data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    return replace(record, held=True), to


def _cut_knowledge(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    names = ("topics", "regions", "labels", "sensitivity", "licence")
    unknown: dict[str, Any] = {n: None for n in names if data.draw(st.booleans())}
    return replace(record, facts=replace(record.facts, **unknown)), to


def _cut_peer_circles(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    return record, replace(to, circles=_less(data, to.circles)) if isinstance(to, Peer) else to


def _cut_phase(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    other = st.sampled_from([p for p in Phase if p is not Phase.ACTIVE])
    return record, replace(to, phase=data.draw(other)) if isinstance(to, Peer) else to


def _fewer(data: st.DataObject, words: frozenset[str], known: tuple[str, ...]) -> frozenset[str]:
    """A clause's list made shorter; empty means all, so the shorter list is never empty."""
    some = sorted(words) or list(known)
    return frozenset(data.draw(st.lists(st.sampled_from(some), min_size=1)))


def _cut_clauses(data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    if not isinstance(to, Peer) or to.clauses is None:
        return record, to
    old: Clauses = to.clauses
    end = data.draw(world.TIMES)
    new = replace(
        old,
        purposes=_less(data, old.purposes),
        kinds=_fewer(data, old.kinds, world.KINDS),
        topics=_fewer(data, old.topics, world.TOPICS) if data.draw(st.booleans()) else old.topics,
        attachments=old.attachments and data.draw(st.booleans()),
        until=end if old.until is None else min(old.until, end),
    )
    return record, replace(to, clauses=data.draw(st.sampled_from((new, new, None))))


def _cut_role(_data: st.DataObject, record: RecordView, to: Recipient) -> tuple[RecordView, Recipient]:
    """Losing the account that makes one an editor of the record; rules about roles see the same role."""
    return record, replace(to, account="") if isinstance(to, Member) else to


CUTS: tuple[Cut, ...] = (
    _cut_sealed,
    _cut_field,
    _cut_consent,
    _cut_lists,
    _cut_passing_on,
    _cut_hold,
    _cut_knowledge,
    _cut_peer_circles,
    _cut_phase,
    _cut_clauses,
    _cut_role,
)


@settings(max_examples=1_500, deadline=None)
@given(
    st.data(), st.sampled_from(CUTS), world.records(), world.recipients, world.policies(ages=True) | st.just(SHARE_ALL),
    world.TIMES,
)  # fmt: skip
def test_narrowing_any_input_never_widens_what_anybody_gets(
    data: st.DataObject, cut: Cut, record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    less, narrowed = cut(data, record, to)
    assert _given(less, narrowed, policy, now) <= _given(record, to, policy, now)


@law
@given(world.records(), world.peers, world.policies(), st.sampled_from(world.CIRCLES))
def test_leaving_a_circle_never_widens(record: RecordView, to: Peer, policy: Policy, circle: str) -> None:
    wide = replace(record, sealed=dict.fromkeys(record.sealed, Terms(frozenset({PUBLIC}), ALL_PURPOSES)), consent=None)
    sharing = _policy(*SHARE_ALL.rule, *(r for r in policy.rule if r.effect is not Effect.SHARE or r.unless is None))
    for rules in (policy, sharing):
        left = _given(wide, replace(to, circles=to.circles - {circle}), rules, 0)
        assert left <= _given(wide, replace(to, circles=to.circles | {circle}), rules, 0)


@law
@given(st.data(), world.records(), world.recipients, world.policies(), world.TIMES)
def test_adding_a_withhold_hold_or_redact_rule_never_shares(
    data: st.DataObject, record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    effect = data.draw(st.sampled_from((Effect.WITHHOLD, Effect.HOLD, Effect.REDACT)))
    more = _policy(*policy.rule, data.draw(world.rules(effect, "new")))
    assert _given(record, to, more, now) <= _given(record, to, policy, now)


@law
@given(st.data(), world.records(), world.recipients, world.policies(), world.TIMES)
def test_removing_a_share_rule_never_shares(
    data: st.DataObject, record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    gone = data.draw(st.sampled_from([r for r in policy.rule if r.effect is Effect.SHARE]))
    fewer = _policy(*(r for r in policy.rule if r is not gone))
    assert _given(record, to, fewer, now) <= _given(record, to, policy, now)


@law
@given(st.data(), world.records(), world.recipients, world.policies(ages=True), world.TIMES)
def test_the_order_of_rules_never_changes_a_decision(
    data: st.DataObject, record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    shuffled = _policy(*data.draw(st.permutations(policy.rule)))
    assert decide(record, to, shuffled, now) == decide(record, to, policy, now)


@law
@given(world.records(), world.recipients, world.policies() | st.just(SHARE_ALL), world.TIMES, st.integers(0, 500))
def test_time_passing_never_widens_where_no_rule_asks_for_age(
    record: RecordView, to: Recipient, policy: Policy, now: int, later: int
) -> None:
    assert _given(record, to, policy, now + later) <= _given(record, to, policy, now)


@law
@given(world.records(), world.recipients, world.TIMES)
def test_without_a_policy_nobody_gets_anything(record: RecordView, to: Recipient, now: int) -> None:
    for missing in (NoPolicy(), NoPolicy("line 3 is broken", "v0"), _policy()):
        assert decide(record, to, missing, now).outcome is Outcome.WITHHOLD
        assert not _given(record, to, missing, now)


@law
@given(world.records(), world.recipients, world.policies(ages=True), world.TIMES)
def test_every_field_is_either_shared_or_withheld_with_a_reason(
    record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    decision = decide(record, to, policy, now)
    assert decision.fields | decision.withheld.keys() == frozenset(record.sealed)
    assert not decision.fields & decision.withheld.keys()
    assert decision.reasons
    assert (decision.outcome is Outcome.SHARE) == ("title" in decision.fields)
    assert all(line.strip() for line in decision_words(decision))


_junk: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3),
    st.lists(st.integers() | st.lists(st.integers(), max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data(), world.records(), world.recipients, world.policies(ages=True), world.TIMES)
def test_decide_never_raises_on_arbitrary_facts(
    data: st.DataObject, record: RecordView, to: Recipient, policy: Policy, now: int
) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(Facts.__dataclass_fields__))))
    bad: dict[str, Any] = {name: data.draw(_junk) for name in names}
    decision = decide(replace(record, facts=replace(record.facts, **bad)), to, policy, now)
    assert isinstance(decision, Decision)


# --- consent ---------------------------------------------------------------------------------------------------------


def _consented(draft: Draft, grants: list[Grant], now: int) -> RecordView:
    """A record freshly sealed from its draft under the grants of this second."""
    terms = terms_now(draft, "r", grants, now)
    seen = Facts("case_study", "en", world.NODES[0], 0, True)
    return RecordView(world.NODES[0], "r", 1, seen, terms, terms, direct=frozenset(world.NODES))


@settings(max_examples=300, deadline=None)
@given(st.data(), world.drafts(), world.members | world.recipients, world.TIMES)
def test_withdrawing_a_grant_never_widens_even_when_sealed_again(
    data: st.DataObject, draft: Draft, to: Recipient, now: int
) -> None:
    grants = data.draw(world.grants(given_by=now))
    before = _given(_consented(draft, grants, now), to, SHARE_ALL, now)
    at = {n for n in range(len(grants)) if data.draw(st.booleans())}
    withdrawn = [
        replace(g, withdrawn_at=min(now, g.withdrawn_at or now)) if n in at else g for n, g in enumerate(grants)
    ]
    assert _given(_consented(draft, withdrawn, now), to, SHARE_ALL, now) <= before


@settings(max_examples=300, deadline=None)
@given(st.data(), world.drafts(), world.members | world.recipients, world.TIMES, st.integers(0, 500))
def test_the_end_of_a_grant_never_widens_even_when_sealed_again(
    data: st.DataObject, draft: Draft, to: Recipient, now: int, later: int
) -> None:
    ends = st.none() | st.integers(now, now + later)  # most of them between the two looks
    drawn = data.draw(world.grants(given_by=now))
    grants = [replace(g, terms=replace(g.terms, until=data.draw(ends))) for g in drawn]
    before = _given(_consented(draft, grants, now), to, SHARE_ALL, now)
    assert _given(_consented(draft, grants, now + later), to, SHARE_ALL, now + later) <= before


@law
@given(st.data(), world.drafts(), world.TIMES)
def test_narrowing_a_grant_or_the_editors_choice_narrows_the_terms(data: st.DataObject, draft: Draft, now: int) -> None:
    grants = data.draw(world.grants(given_by=now))
    cut = data.draw(world.terms)
    tight = draft.model_copy(
        update={
            "terms": meet(Terms.from_json(draft.terms), cut).to_json(),
            "field_terms": {n: meet(Terms.from_json(t), cut).to_json() for n, t in draft.field_terms.items()},
        }
    )
    wide = terms_now(draft, "r", grants, now)
    assert all(t.narrower_or_equal(wide[n]) for n, t in terms_now(tight, "r", grants, now).items())


@law
@given(world.drafts(), world.peers | st.just(Public()), world.TIMES)
def test_without_any_grant_a_contributors_field_stays_at_the_node(draft: Draft, to: Recipient, now: int) -> None:
    record = _consented(draft, [], now)
    theirs = {n for n in draft.fields if any(link.covers(n) for link in draft.contributors)}
    assert not _given(record, to, SHARE_ALL, now) & theirs
    assert all(record.sealed[n].audiences <= {NODE, "stewards"} for n in theirs)


@law
@given(st.data(), world.drafts(), world.recipients, world.TIMES)
def test_a_later_narrower_grant_governs_and_its_withdrawal_revives_nothing(
    data: st.DataObject, draft: Draft, to: Recipient, now: int
) -> None:
    grants = data.draw(world.grants(given_by=now))
    subject = data.draw(st.sampled_from(world.SUBJECTS))
    latest = Grant("z", subject, data.draw(world.terms), "said so", now)
    under_latest = _given(_consented(draft, [*grants, latest], now), to, SHARE_ALL, now)
    gone = replace(latest, withdrawn_at=now)
    assert _given(_consented(draft, [*grants, gone], now), to, SHARE_ALL, now) <= under_latest
    alone = [*(g for g in grants if g.subject != subject), latest]
    assert under_latest == _given(_consented(draft, alone, now), to, SHARE_ALL, now)


def test_the_weakest_role_sees_no_more_than_a_stronger_one() -> None:
    terms = {
        n: Terms(frozenset({a}), ALL_PURPOSES) for n, a in (("title", PUBLIC), ("summary", NODE), ("body", "stewards"))
    }
    record = RecordView("o", "r", 1, Facts("guide", "en", "o", 0, True), terms)
    seen = [_given(record, Member(role), SHARE_ALL, 0) for role in (Role.MEMBER, Role.EDITOR, Role.STEWARD)]
    assert seen[0] <= seen[1] < seen[2]
