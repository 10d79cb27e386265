"""Policy: every condition, every effect, and what happens to what cannot be known."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from governance.policy import DAY_S, Audience, Conditions, Effect, Example, Policy, Rule, Who
from tests.unit.governance.values import CIRCLE, NOW, OWN, PEER, facts, policy, rule

TODAY = NOW // DAY_S * DAY_S  # ages are counted in calendar days, so that a decision can only change at midnight UTC
TO = Audience(Who.PEER, PEER, frozenset({"BR"}), frozenset({CIRCLE}), "a1", "member")

TABLE: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("kind", "guide", {}, {"kind": "story"}),
    ("topics", ["water", "radio"], {}, {"topics": frozenset()}),
    ("regions", "KE", {}, {"regions": frozenset({"BR"})}),
    ("language", "pt", {"lang": "pt-BR"}, {"lang": "ptx"}),
    ("labels", "tlp:*", {"labels": frozenset({"tlp:red"})}, {"labels": frozenset({"red"})}),
    ("licence", "*", {}, {"licence": ""}),
    ("licence", "CC0-1.0", {}, {"licence": "MIT"}),
    ("purposes", "learning", {}, {"purposes": frozenset()}),
    ("origin", OWN, {}, {"origin": PEER}),
    ("sensitivity", ["high"], {"sensitivity": "high"}, {"sensitivity": ""}),
    ("own", True, {}, {"own": False}),
    ("own", False, {"own": False}, {}),
    ("older_than_days", 2, {"iat": TODAY - 2 * DAY_S - 1}, {"iat": TODAY - 2 * DAY_S}),
    ("younger_than_days", 2, {"iat": TODAY - DAY_S}, {"iat": TODAY - DAY_S - 1}),
]


@pytest.mark.parametrize(("name", "value", "met", "not_met"), TABLE)
def test_each_condition_on_a_record(name: str, value: Any, met: dict[str, Any], not_met: dict[str, Any]) -> None:
    condition = Conditions.model_validate({name: value})
    assert condition.matches(facts(**met), TO, NOW) is True
    assert condition.matches(facts(**not_met), TO, NOW) is False


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("peer", PEER, OWN), ("circle", CIRCLE, CIRCLE + "x"), ("peer_regions", "BR", "KE"), ("agreement", "a1", "a2"),
        ("role", "member", "steward"),
    ],
)  # fmt: skip
def test_each_condition_on_a_recipient(name: str, value: str, other: str) -> None:
    assert Conditions.model_validate({name: value}).matches(facts(), TO, NOW) is True
    assert Conditions.model_validate({name: [other]}).matches(facts(), TO, NOW) is False


@pytest.mark.parametrize("name", ["topics", "regions", "labels", "licence", "sensitivity"])
def test_what_is_not_known_here_is_neither_true_nor_false(name: str) -> None:
    word = "high" if name == "sensitivity" else "*"
    asked = Conditions.model_validate({name: word})
    assert asked.matches(facts(**{name: None}), TO, NOW) is None
    assert Conditions.model_validate({name: word, "own": False}).matches(facts(**{name: None}), TO, NOW) is False


@pytest.mark.parametrize(
    ("asked", "spoken", "held"),
    [("pt", "pt-BR", True), ("pt-BR", "pt", False), ("PT-br", "pt-BR", True), ("pt", "pt", True), ("p", "pt", False)],
)
def test_languages_match_by_prefix_of_whole_parts(asked: str, spoken: str, held: bool) -> None:
    assert Conditions(language=(asked,)).matches(facts(lang=spoken), TO, NOW) is held


def test_all_written_conditions_have_to_hold() -> None:
    both = Conditions(kind=("guide",), labels=("x",))
    assert both.matches(facts(), TO, NOW) is False
    assert both.matches(facts(labels=frozenset({"x"})), TO, NOW) is True
    assert Conditions().matches(facts(), TO, NOW) is True


def test_an_exception_takes_the_rule_away_and_an_unknown_one_leaves_it_undecided() -> None:
    spared = rule(unless={"labels": "x"})
    assert spared.applies(facts(), TO, NOW) is True
    assert spared.applies(facts(labels=frozenset({"x"})), TO, NOW) is False
    assert spared.applies(facts(labels=None), TO, NOW) is None


def test_a_rule_is_only_for_those_it_names() -> None:
    assert rule(to="public").applies(facts(), TO, NOW) is False
    assert Rule(id="r", effect=Effect.SHARE, reason={"en": "x"}).to == {Who.PEER}


@pytest.mark.parametrize(
    ("effects", "strongest"),
    [
        ((Effect.SHARE, Effect.REDACT, Effect.HOLD, Effect.WITHHOLD), Effect.WITHHOLD),
        ((Effect.SHARE, Effect.REDACT, Effect.HOLD), Effect.HOLD),
        ((Effect.SHARE, Effect.REDACT), Effect.SHARE),
        ((Effect.REDACT,), Effect.WITHHOLD),
        ((), Effect.WITHHOLD),
    ],
)
def test_the_strongest_effect_decides(effects: tuple[Effect, ...], strongest: Effect) -> None:
    rules = [rule(e, f"{e}-rule", **({"fields": "person:*"} if e is Effect.REDACT else {})) for e in effects]
    for order in (rules, rules[::-1]):
        ruling = Policy(name="p", rule=tuple(order)).ruling(facts(), TO, NOW)
        assert ruling.effect is strongest
        assert [r.id for r in ruling.rules] == ([f"{strongest}-rule"] if strongest in effects else [])
        assert bool(ruling.redactions) == (strongest is Effect.SHARE and Effect.REDACT in effects)


def test_an_unknown_condition_denies_and_alarms_but_never_shares() -> None:
    unknown = facts(labels=None)
    for effect in (Effect.WITHHOLD, Effect.HOLD):
        ruling = policy(rule(), rule(effect, "deny", when={"labels": "x"})).ruling(unknown, TO, NOW)
        assert ruling.effect is effect
        assert "deny" in ruling.alarms[0]
    redact = policy(rule(), rule(Effect.REDACT, "cut", when={"labels": "x"}, fields="body")).ruling(unknown, TO, NOW)
    assert [r.id for r in redact.redactions] == ["cut"]
    share = policy(rule(when={"labels": "x"})).ruling(unknown, TO, NOW)
    assert share.effect is Effect.WITHHOLD
    assert share.rules == ()


def test_a_rule_that_fails_denies_and_alarms_whatever_its_effect() -> None:
    broken: Any = facts(iat="yesterday")
    ruling = policy(rule(), rule(rule_id="old", when={"older_than_days": 3})).ruling(broken, TO, NOW)
    assert ruling.effect is Effect.WITHHOLD
    assert [r.id for r in ruling.rules] == ["old"]
    assert ruling.alarms[0].startswith("rule old failed")


def test_a_redact_rule_covers_what_its_patterns_name_and_nothing_else() -> None:
    cut = rule(Effect.REDACT, fields=["person:*", "place:p1"])
    assert cut.covers("person:a")
    assert cut.covers("place:p1")
    assert not any(cut.covers(n) for n in ("place:p11", "xperson:a", "person", "title"))
    assert not rule().covers("title")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": " "}, "reason is empty"),
        ({"reason": {}}, "reason is empty"),
        ({"to": []}, "to is empty"),
        ({"effect": "redact", "example": [{}]}, "names fields"),
        ({"fields": "body"}, "names fields"),
        ({"effect": "withhold"}, "at least one example"),
        ({"effect": "redact", "fields": "body"}, "at least one example"),
        ({"when": {"kind": "guid"}}, "unknown kind"),
        ({"when": {"sensitivity": "hi"}}, "unknown sensitivity"),
        ({"when": {"topics": []}}, "empty list"),
        ({"when": {"older_than_days": -1}}, "older_than_days"),
        ({"id": "A"}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"effect": "withhold", "example": [{}], "when": {"circle": CIRCLE}}, "leaves the circle"),
        ({"unless": {"circle": CIRCLE}}, "leaves the circle"),
    ],
)
def test_a_rule_that_says_too_little_or_the_wrong_thing_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate({"id": "a", "effect": "share", "reason": "why", **changed})


def test_a_hold_rule_needs_no_example_and_ids_are_unique() -> None:
    assert Rule(id="a" * 64, effect=Effect.HOLD, reason={"en": "x"}).example == ()
    with pytest.raises(ValidationError, match="used twice"):
        policy(rule(), rule())


def test_an_example_that_its_own_rule_does_not_block_is_told() -> None:
    deny = rule(Effect.WITHHOLD, "deny", when={"labels": "x"}, example=({"labels": "x"}, {"labels": "y"}))
    assert policy(deny).failing_examples(NOW) == [
        "rule deny, example 2: the rule does not block it; mend the rule or the example"
    ]


def test_an_example_is_a_record_about_which_everything_is_known() -> None:
    plain = Example().facts(NOW)
    assert None not in (plain.topics, plain.regions, plain.labels, plain.sensitivity, plain.licence)
    assert Example(age_days=3).facts(NOW).iat == NOW - 3 * DAY_S


def test_a_policy_knows_whether_its_answers_change_with_the_day() -> None:
    assert not policy(rule(when=Conditions(kind=("guide",)))).asks_age
    assert policy(rule(when=Conditions(older_than_days=2))).asks_age
    assert policy(rule(unless=Conditions(younger_than_days=2))).asks_age


def test_a_policy_names_the_ages_at_which_it_may_change_its_mind() -> None:
    asked = policy(rule(when=Conditions(older_than_days=2), unless=Conditions(younger_than_days=7)))
    assert asked.age_steps == {3, 7}
