"""The gate: who gets what, as tables, and each thing that can stand in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from governance.agreement import Clauses, Phase
from governance.gate import Decision, Member, NoPolicy, Outcome, Public, Reason, Recipient, Role, Why, decide
from governance.policy import Effect
from governance.terms import ALL_PURPOSES, DIRECT, NETWORK, NODE, PUBLIC, STEWARDS, Purpose, Terms
from governance.words import audience_words, decision_words, reason_words, terms_words
from tests.unit.governance.values import CIRCLE, NOW, facts, peer, policy, record, rule, terms

COAST = f"circle:{CIRCLE}"
RECIPIENTS: dict[str, Recipient] = {
    "public": Public(),
    "member": Member(Role.MEMBER, "bao"),
    "editor": Member(Role.EDITOR, "amina"),
    "steward": Member(Role.STEWARD),
    "peer": peer(),
    "chosen": peer(node_id="did:key:chosen"),
    "mate": peer(circles=frozenset({CIRCLE})),
}
INSIDE = {"member", "editor", "steward"}
OUTSIDE = {"peer", "chosen", "mate"}
OWN_TABLE: list[tuple[tuple[str, ...], set[str]]] = [
    ((STEWARDS,), {"editor", "steward"}),
    ((NODE,), INSIDE),
    ((DIRECT,), INSIDE | {"chosen"}),
    ((COAST,), INSIDE | {"mate"}),
    ((NETWORK,), INSIDE | OUTSIDE),
    ((PUBLIC,), INSIDE | OUTSIDE | {"public"}),
    ((PUBLIC, COAST), INSIDE | {"mate"}),
    ((DIRECT, COAST), INSIDE),
    ((), set()),
]
HELD_TABLE: list[tuple[tuple[str, ...], set[str]]] = [
    ((STEWARDS,), set()),
    ((NODE,), set()),
    ((DIRECT,), INSIDE),
    ((COAST,), INSIDE | {"mate"}),
    ((NETWORK,), INSIDE | OUTSIDE),
    ((PUBLIC,), INSIDE | OUTSIDE | {"public"}),
]


def got(decision: Decision) -> bool:
    return decision.fields == {"title"}


@pytest.mark.parametrize(("audiences", "admitted"), OWN_TABLE)
def test_whom_each_audience_admits_to_our_own_record(audiences: tuple[str, ...], admitted: set[str]) -> None:
    ours = record(*audiences, direct=frozenset({"did:key:chosen"}), editors=frozenset({"amina"}))
    assert {name for name, to in RECIPIENTS.items() if got(decide(ours, to, policy(), NOW))} == admitted


@pytest.mark.parametrize(("audiences", "admitted"), HELD_TABLE)
def test_whom_each_audience_admits_to_a_copy_we_hold(audiences: tuple[str, ...], admitted: set[str]) -> None:
    theirs = record(
        *audiences, origin="did:key:far", facts=facts(own=False), circles=frozenset({CIRCLE}), passed_to_us=True,
        direct=frozenset({"did:key:chosen"}), editors=frozenset({"amina"}),
    )  # fmt: skip
    assert {name for name, to in RECIPIENTS.items() if got(decide(theirs, to, policy(), NOW))} == admitted


def test_a_circle_without_anybody_admits_no_peer_and_no_holder_outside_it() -> None:
    assert not got(decide(record(COAST), peer(), policy(), NOW))
    theirs = record(COAST, origin="did:key:far", facts=facts(own=False), passed_to_us=True)
    assert not got(decide(theirs, peer(circles=frozenset({CIRCLE})), policy(), NOW))
    assert not got(decide(theirs, Member(Role.STEWARD), policy(), NOW))


BARS: list[tuple[dict[str, Any], Why]] = [
    ({"clauses": None}, Why.NO_AGREEMENT),
    *(({"phase": p}, Why.PHASE) for p in Phase if p not in (Phase.ACTIVE, Phase.AGREED)),
    ({"clauses": Clauses("a", starts=NOW + 1)}, Why.NOT_BEGUN),
    ({"clauses": Clauses("a", until=NOW)}, Why.PHASE),
    ({"clauses": Clauses("a", kinds=frozenset({"story"}))}, Why.AGREEMENT_KIND),
    ({"clauses": Clauses("a", topics=frozenset({"radio"}))}, Why.AGREEMENT_TOPIC),
    ({"clauses": Clauses("a", purposes=frozenset())}, Why.AGREEMENT_PURPOSE),
]


@pytest.mark.parametrize(("changed", "why"), BARS)
def test_each_clause_of_an_agreement_bars(changed: dict[str, Any], why: Why) -> None:
    decision = decide(record(PUBLIC), peer(**changed), policy(), NOW)
    assert decision.outcome is Outcome.WITHHOLD
    assert decision.reasons[0].why is why
    assert decision.withheld["title"].why is why


def test_clauses_that_name_the_record_let_it_through() -> None:
    named = Clauses("a", frozenset({Purpose.LEARNING}), frozenset({"guide"}), frozenset({"water"}), until=NOW + 1)
    assert got(decide(record(PUBLIC), peer(clauses=named), policy(), NOW))
    unknown = record(PUBLIC, facts=facts(topics=None))
    assert decide(unknown, peer(clauses=named), policy(), NOW).reasons[0].why is Why.AGREEMENT_TOPIC


def test_what_came_without_the_right_to_pass_it_on_goes_only_to_members_and_its_origin() -> None:
    theirs = record(PUBLIC, origin="did:key:far", facts=facts(own=False))
    for to in (peer(), Public()):
        assert decide(theirs, to, policy(), NOW).reasons[0].why is Why.PASSING_ON
        assert got(decide(replace(theirs, passed_to_us=True), to, policy(), NOW))
    assert got(decide(theirs, Member(Role.MEMBER), policy(), NOW))
    assert got(decide(theirs, peer(node_id="did:key:far"), policy(), NOW))


def test_terms_end_at_their_second_for_everybody() -> None:
    ends = record(sealed={"title": terms(PUBLIC, until=NOW)})
    for to in RECIPIENTS.values():
        assert got(decide(ends, to, policy(), NOW - 1))
        assert decide(ends, to, policy(), NOW).reasons[0].why is Why.ENDED


def test_terms_without_a_purpose_admit_nobody() -> None:
    none = record(sealed={"title": Terms(frozenset({PUBLIC}), frozenset())})
    assert {decide(none, to, policy(), NOW).reasons[0].why for to in RECIPIENTS.values()} == {Why.PURPOSE}


def test_a_record_travels_only_if_its_title_may() -> None:
    hidden = record(sealed={"title": terms(NODE), "body": terms(PUBLIC)})
    decision = decide(hidden, peer(), policy(), NOW)
    assert decision.outcome is Outcome.WITHHOLD
    assert decision.withheld == {"title": Reason(Why.AUDIENCE, NODE), "body": Reason(Why.TITLE)}
    missing = decide(record(sealed={"body": terms(PUBLIC)}), peer(), policy(), NOW)
    assert missing.reasons == (Reason(Why.TITLE),)


def test_consent_of_this_second_narrows_what_was_sealed_before() -> None:
    sealed = {"title": terms(PUBLIC), "body": terms(PUBLIC), "summary": terms(PUBLIC)}
    consent = {"title": terms(PUBLIC), "body": terms(NODE)}
    decision = decide(record(sealed=sealed, consent=consent), Public(), policy(), NOW)
    assert decision.fields == {"title"}
    assert decision.withheld == {"body": Reason(Why.AUDIENCE, NODE), "summary": Reason(Why.NO_CONSENT)}


def test_wider_consent_does_not_widen_what_was_sealed() -> None:
    decision = decide(record(NODE, consent={"title": terms(PUBLIC)}), Public(), policy(), NOW)
    assert decision.outcome is Outcome.WITHHOLD


@pytest.mark.parametrize(("missing", "why"), [(NoPolicy(), Why.NO_POLICY), (NoPolicy("line 3"), Why.POLICY_BROKEN)])
def test_without_a_readable_policy_nobody_gets_anything(missing: NoPolicy, why: Why) -> None:
    for to in RECIPIENTS.values():
        decision = decide(record(PUBLIC), to, missing, NOW)
        assert (decision.outcome, decision.reasons[0].why) == (Outcome.WITHHOLD, why)


def test_no_matching_rule_withholds() -> None:
    assert decide(record(PUBLIC), peer(), policy(rule(to="member")), NOW).reasons == (Reason(Why.NO_RULE),)


def test_a_hold_rule_waits_for_a_steward_and_a_withhold_rule_does_not() -> None:
    for effect, outcome in ((Effect.HOLD, Outcome.HOLD), (Effect.WITHHOLD, Outcome.WITHHOLD)):
        decision = decide(record(PUBLIC), peer(), policy(rule(), rule(effect, "stop")), NOW)
        assert (decision.outcome, decision.fields) == (outcome, frozenset())
        assert decision.reasons == (Reason(Why.RULE, "stop"),)


def test_an_emergency_hold_stops_a_record_for_everybody() -> None:
    stopped = record(PUBLIC, held=True)
    assert {decide(stopped, to, policy(), NOW).reasons[0].why for to in RECIPIENTS.values()} == {Why.HELD_HERE}


def test_a_redact_rule_takes_its_fields_out_and_says_so() -> None:
    people = record(sealed=dict.fromkeys(("title", "person:a", "place:p"), terms(PUBLIC)))
    decision = decide(people, peer(), policy(rule(), rule(Effect.REDACT, "people", fields="person:*")), NOW)
    assert decision.fields == {"title", "place:p"}
    assert decision.withheld == {"person:a": Reason(Why.RULE, "people")}
    titled = decide(people, peer(), policy(rule(), rule(Effect.REDACT, "all", fields="t*")), NOW)
    assert titled.outcome is Outcome.WITHHOLD


def test_an_agreement_without_attachments_leaves_them_out_for_peers_only() -> None:
    files = record(sealed=dict.fromkeys(("title", "attachment:map"), terms(PUBLIC)))
    without = peer(clauses=Clauses("a", attachments=False))
    assert decide(files, without, policy(), NOW).withheld == {"attachment:map": Reason(Why.AGREEMENT_ATTACHMENTS)}
    assert "attachment:map" in decide(files, Public(), policy(), NOW).fields


def test_a_decision_says_when_and_under_which_policy_it_was_made() -> None:
    decision = decide(record(PUBLIC), peer(), policy(), NOW)
    assert (decision.policy_version, decision.at) == ("v1", NOW)


def test_a_value_that_breaks_the_gate_is_withheld_with_an_alarm() -> None:
    broken: Any = record(sealed={"title": Terms(frozenset({PUBLIC}), ALL_PURPOSES, "soon")})  # type: ignore[arg-type]
    decision = decide(broken, peer(), policy(), NOW)
    assert (decision.outcome, decision.reasons[0].why) == (Outcome.WITHHOLD, Why.FAILED)
    assert "the gate failed on record r" in decision.alarms[0]


def test_an_alarm_of_the_policy_reaches_the_decision() -> None:
    asks = policy(rule(), rule(Effect.HOLD, "stop", when={"labels": "x"}))
    assert "stop" in decide(record(PUBLIC, facts=facts(labels=None)), peer(), asks, NOW).alarms[0]


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", Why)
def test_every_reason_has_a_sentence(why: Why) -> None:
    sentence = reason_words(Reason(why, "detail", rule() if why is Why.RULE else None))
    assert sentence.strip().endswith((".", "rule", "detail"))
    assert "{" not in sentence


def test_a_rule_without_its_text_is_still_named() -> None:
    assert reason_words(Reason(Why.RULE, "tlp")) == "A rule of the policy decided: tlp."


def test_a_rule_speaks_the_readers_language_or_english_or_any() -> None:
    said = rule(reason={"en": "red", "pt": "vermelho"})
    heard = [reason_words(Reason(Why.RULE, "r", said), langs=[lang]) for lang in ("pt-BR", "pt", "sw")]
    assert heard == ["vermelho", "vermelho", "red"]
    assert reason_words(Reason(Why.RULE, "r", rule(reason={"sw": "nyekundu"})), langs=["fr"]) == "nyekundu"


@pytest.mark.parametrize("audience", [STEWARDS, NODE, DIRECT, NETWORK, PUBLIC, COAST, "nobody"])
def test_every_audience_is_put_in_words(audience: str) -> None:
    assert audience_words(audience) != audience or audience == "nobody"
    assert "z6Mk" not in audience_words(audience)


def test_decisions_read_as_sentences() -> None:
    people = record(sealed={"title": terms(PUBLIC), "person:a": terms(NODE)})
    assert decision_words(decide(people, peer(), policy(), NOW)) == [
        "Shared: 1 of 2 fields.",
        "because of rule",
        "Without person:a: It is for members of the organisation it comes from only.",
    ]
    assert decision_words(decide(record(PUBLIC), peer(), NoPolicy(), NOW))[0] == "Not shared."
    held = decide(record(PUBLIC), peer(), policy(rule(), rule(Effect.HOLD, "stop")), NOW)
    assert decision_words(held)[0] == "Waiting for a steward to release it."


def test_terms_read_as_one_line() -> None:
    assert terms_words(terms(PUBLIC)) == "For everyone; for archive, learning, publication, research"
    assert terms_words(Terms(frozenset(), frozenset())) == "For nobody; for no purpose"
