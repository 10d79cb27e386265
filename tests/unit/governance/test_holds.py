"""Holds in the gate: who is stopped by what, who still sees, and that a hold never widens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.gate import BY_ORIGIN, BY_PEER, Member, Outcome, Public, Role, Why, decide
from governance.holds import NO_STOPS, Stop, Stops
from governance.terms import NETWORK, PUBLIC
from governance.words import reason_words
from tests.unit.governance.values import NOW, peer, policy, record

CIRCLE = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK.coast"
PLAIN, FOR_CIRCLE = frozenset({NETWORK}), frozenset({NETWORK, f"circle:{CIRCLE}"})
STEWARD = Member(Role.STEWARD)
OTHERS = (peer(), Public(), Member(Role.MEMBER), Member(Role.EDITOR, "emma"))


@pytest.mark.parametrize(
    ("stops", "by"),
    [
        (Stops(everything=True), Stop.HERE),
        (Stops(records=frozenset({("ana", "r1")})), Stop.HERE),
        (Stops(records=frozenset({("bao", "r1")})), None),
        (Stops(circles=frozenset({CIRCLE})), Stop.HERE),
        (Stops(circles=frozenset({CIRCLE + "s"})), None),
        (Stops(peers=frozenset({"ana"})), None),
        (Stops(hidden_origins=frozenset({"ana"})), Stop.ORIGIN),
        (Stops(hidden_origins=frozenset({"bao"})), None),
        (Stops(hidden_records=frozenset({("ana", "r1")})), Stop.ORIGIN),
        (Stops(hidden_circles=frozenset({("ana", CIRCLE)})), Stop.ORIGIN),
        (Stops(hidden_circles=frozenset({("bao", CIRCLE)})), None),
        (NO_STOPS, None),
    ],
)
def test_a_hold_covers_what_it_names_and_nothing_else(stops: Stops, by: Stop | None) -> None:
    assert stops.of("ana", "r1", [PLAIN, FOR_CIRCLE]) is by


def test_our_own_hold_is_named_before_the_word_of_the_origin() -> None:
    both = Stops(circles=frozenset({CIRCLE}), hidden_origins=frozenset({"ana"}))
    assert both.of("ana", "r1", [FOR_CIRCLE]) is Stop.HERE
    assert both.of("ana", "r1", [PLAIN]) is Stop.ORIGIN


def test_only_what_stops_more_than_single_records_makes_other_decisions_stale() -> None:
    assert Stops(records=frozenset({("ana", "r1")}), peers=frozenset({"bao"})).broad() == NO_STOPS.broad() == ()
    broad = (Stops(everything=True), Stops(circles=frozenset("x")), Stops(hidden_origins=frozenset("x")))
    assert len({repr(stops.broad()) for stops in broad}) == 3


@pytest.mark.parametrize(("how", "detail"), [("held", ""), ("hidden", BY_ORIGIN)])
def test_what_is_on_hold_is_seen_by_stewards_alone_and_they_see_that_it_is(how: str, detail: str) -> None:
    stopped = replace(record(PUBLIC), held=how == "held", hidden=how == "hidden")
    for to in OTHERS:
        decision = decide(stopped, to, policy(), NOW)
        assert (decision.outcome, decision.fields) == (Outcome.WITHHOLD, frozenset())
        assert [(r.why, r.detail) for r in decision.reasons] == [(Why.HELD_HERE, detail)]
    seen = decide(stopped, STEWARD, policy(), NOW)
    assert seen.fields == decide(record(PUBLIC), STEWARD, policy(), NOW).fields
    assert (seen.reasons[0].why, seen.reasons[0].detail) == (Why.HELD_HERE, detail)


def test_a_steward_sees_no_more_of_it_than_before() -> None:
    for terms_of in (PUBLIC, NETWORK):
        plain = record(terms_of)
        assert (
            decide(replace(plain, held=True), STEWARD, policy(), NOW).fields
            == decide(plain, STEWARD, policy(), NOW).fields
        )


def test_a_peer_on_hold_gets_nothing_and_others_do() -> None:
    decision = decide(record(PUBLIC), replace(peer(), held=True), policy(), NOW)
    assert (decision.outcome, decision.reasons[0].detail) == (Outcome.WITHHOLD, BY_PEER)
    assert decide(record(PUBLIC), peer(), policy(), NOW).outcome is Outcome.SHARE


def test_each_kind_of_hold_has_words_of_its_own() -> None:
    said = {
        reason_words(decide(*asked, policy(), NOW).reasons[0])
        for asked in (
            (replace(record(PUBLIC), held=True), peer()),
            (replace(record(PUBLIC), hidden=True), peer()),
            (record(PUBLIC), replace(peer(), held=True)),
        )
    }
    assert len(said) == 3
    assert all("hold" in words or "hide" in words for words in said)
