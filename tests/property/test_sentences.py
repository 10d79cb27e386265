"""Laws of sentences: nothing that a rule asks is left unsaid, in any language (DESIGN 9)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from governance import sentences
from governance.agreement import Clauses
from governance.kinds import KINDS
from governance.policy import Conditions, Effect, Policy, Rule, Who
from governance.promises import promises
from governance.record import Sensitivity
from governance.sentences import policy_sentences, rule_sentence
from governance.terms import Purpose
from node.speech import languages, speech

for _lang in languages():  # a catalogue is read once, and takes longer than an example may
    speech([_lang])
LANGS = st.sampled_from(languages())
WORD = st.from_regex(r"[a-z]{1,6}\*?", fullmatch=True)
DAYS = st.integers(0, 4000)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    name: st.lists(WORD, min_size=1, max_size=3, unique=True).map(tuple) for name in Conditions.model_fields
} | {
    "kind": st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True).map(tuple),
    "sensitivity": st.lists(st.sampled_from(list(Sensitivity)), min_size=1, unique=True).map(tuple),
    "purposes": st.lists(st.sampled_from(list(Purpose)) | WORD, min_size=1, max_size=3, unique=True).map(tuple),
    "role": st.lists(st.sampled_from(["member", "editor", "steward"]) | WORD, min_size=1, unique=True).map(tuple),
    "own": st.booleans(),
    "older_than_days": DAYS,
    "younger_than_days": DAYS,
}
_AS_WRITTEN = frozenset(Conditions.model_fields) - {
    "kind", "sensitivity", "purposes", "role", "own", "older_than_days", "younger_than_days", "licence",
}  # fmt: skip
CONDITIONS = st.fixed_dictionaries({}, optional=VALUES)


def _rule(effect: Effect, when: dict[str, Any], unless: dict[str, Any] | None, to: set[Who]) -> Rule | None:
    value: dict[str, Any] = {"id": "r", "effect": effect, "reason": "because", "when": when, "to": to}
    if unless is not None:
        value["unless"] = unless
    if effect is Effect.REDACT:
        value["fields"] = ["person:*", "summary"]
    if effect in (Effect.WITHHOLD, Effect.REDACT):
        value["example"] = [{}]
    try:
        return Rule.model_validate(value)
    except ValidationError:  # a circle on the side where it may not stand
        return None


RULES = st.builds(
    _rule,
    st.sampled_from(Effect),
    CONDITIONS,
    st.none() | CONDITIONS,
    st.sets(st.sampled_from(Who), min_size=1),
).filter(lambda rule: rule is not None)


@given(RULES, LANGS)
def test_every_condition_shows_and_no_placeholder_is_left(rule: Rule, lang: str) -> None:
    say = speech([lang])
    sentence = rule_sentence(rule, say)
    assert not re.search(r"\{[a-z_]*\}", sentence)
    for side in ("when", "unless"):
        conditions: Conditions = getattr(rule, side) or Conditions()
        for name in conditions.model_fields_set:
            without = rule.model_copy(update={side: conditions.model_copy(update={name: None})})
            assert len(rule_sentence(without, say)) < len(sentence)
            value = getattr(conditions, name)
            if name in _AS_WRITTEN:
                assert all(word in sentence for word in value)


@pytest.mark.parametrize("name", Conditions.model_fields)
def test_there_are_words_for_every_condition(name: str) -> None:
    assert (name in sentences._SPECIAL) != (name in sentences._LISTS)


@given(RULES, CONDITIONS, LANGS)
def test_two_rules_that_differ_in_a_condition_read_differently(rule: Rule, other: dict[str, Any], lang: str) -> None:
    changed = rule.model_copy(update={"when": Conditions.model_validate(other)})
    if changed.when == rule.when:
        return
    say = speech([lang])
    assert rule_sentence(rule, say) != rule_sentence(changed, say)


@given(RULES, LANGS)
def test_effects_and_recipients_read_differently(rule: Rule, lang: str) -> None:
    say = speech([lang])
    variants = [
        rule.model_copy(update={"effect": effect, "to": frozenset(to)})
        for effect in Effect
        for to in ({Who.PEER}, {Who.MEMBER}, {Who.PUBLIC}, {Who.PEER, Who.PUBLIC})
    ]
    assert len({rule_sentence(v, say) for v in variants}) == len(variants)


@given(st.lists(RULES, min_size=1, max_size=5), LANGS)
def test_a_policy_says_every_rule_whatever_their_order(rules: list[Rule], lang: str) -> None:
    say = speech([lang])
    named = tuple(rule.model_copy(update={"id": f"r{n}"}) for n, rule in enumerate(rules))
    policy = Policy.model_construct(name="p", words={}, rule=named, version="")
    backwards = Policy.model_construct(name="p", words={}, rule=named[::-1], version="")
    said = policy_sentences(policy, say)
    assert said == policy_sentences(backwards, say)
    assert all(rule_sentence(rule, say) in said for rule in named)


SECONDS = st.integers(0, 4_000_000_000).map(lambda s: s - s % 60)
TOPICS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
CLAUSES = st.builds(
    Clauses,
    agreement_id=st.just("a"),
    purposes=st.frozensets(st.sampled_from(Purpose)),
    kinds=st.frozensets(st.sampled_from(sorted(KINDS)), max_size=3),
    topics=st.frozensets(TOPICS, max_size=3),
    passing_on=st.booleans(),
    attachments=st.booleans(),
    erase_at_end=st.booleans(),
    response_h=st.integers(1, 2160),
    until=st.none() | SECONDS,
    starts=SECONDS,
    review=st.none() | SECONDS,
    conflict=st.just("") | TOPICS,
    suspend_overdue=st.booleans(),
)


@given(CLAUSES, CLAUSES, LANGS)
def test_clauses_that_differ_read_differently_and_the_same_ones_alike(one: Clauses, other: Clauses, lang: str) -> None:
    say = speech([lang])
    assert (promises(one, say) == promises(other, say)) == (one == other)


@pytest.mark.parametrize("lang", languages())
def test_a_conflict_path_with_braces_is_said_as_it_is_written(lang: str) -> None:
    path = "Ask {name} {0} first, {{then}} {kinds}."
    assert path in promises(Clauses("a", conflict=path), speech([lang]))[-1]
