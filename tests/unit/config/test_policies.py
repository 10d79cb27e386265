"""The policies that come with the node do what their comments promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.load import packaged_policies
from governance.gate import Member, Outcome, Public, Recipient, Role, decide
from governance.policy import Conditions, Effect, Policy, Rule
from governance.policy_text import parse_policy, problems
from governance.terms import PUBLIC
from tests.unit.governance.values import NOW, facts, peer, record, terms

FIELDS = dict.fromkeys(("title", "body", "person:a", "place:p"), terms(PUBLIC))
S, W, H = Outcome.SHARE, Outcome.WITHHOLD, Outcome.HOLD


def packaged(name: str) -> Policy:
    return parse_policy(packaged_policies()[name].read_bytes())


def outcome(name: str, to: Recipient, **about: Any) -> tuple[Outcome, frozenset[str]]:
    decision = decide(record(sealed=FIELDS, facts=facts(**about)), to, packaged(name), NOW)
    assert decision.alarms == ()
    return decision.outcome, frozenset(FIELDS) - decision.fields if decision.fields else frozenset()


@pytest.mark.parametrize("name", ["careful", "trusted-partners"])
def test_each_is_without_problems_and_gives_its_reasons_in_three_languages(name: str) -> None:
    assert problems(packaged_policies()[name].read_bytes()) == ()
    policy = packaged(name)
    assert policy.name == name
    for rule in policy.rule:
        assert set(rule.reason) == {"en", "es", "fr"} == set(policy.words)
        assert rule.example or rule.effect == "share"


@pytest.mark.parametrize(
    ("about", "to_peer", "to_public", "left_out"),
    [
        ({}, S, S, set()),
        ({"labels": frozenset({"tlp:red"})}, W, W, set()),
        ({"sensitivity": "high"}, H, H, set()),
        ({"sensitivity": "medium"}, S, S, {"place:p"}),
        ({"sensitivity": "low", "kind": "story"}, S, S, set()),
    ],
)
def test_trusted_partners(about: dict[str, Any], to_peer: Outcome, to_public: Outcome, left_out: set[str]) -> None:
    assert outcome("trusted-partners", peer(), **about) == (to_peer, frozenset(left_out))
    assert outcome("trusted-partners", Public(), **about) == (to_public, frozenset(left_out))
    assert outcome("trusted-partners", Member(Role.MEMBER), **about) == (S, frozenset())


@pytest.mark.parametrize(
    ("about", "to_peer", "to_public"),
    [
        ({}, S, W),
        ({"licence": ""}, W, W),
        ({"kind": "after_action_review"}, W, W),
        ({"kind": "story"}, H, H),
        ({"kind": "case_study", "labels": frozenset({"tlp:clear"})}, H, H),
        ({"labels": frozenset({"tlp:clear"})}, S, S),
        ({"labels": frozenset({"tlp:amber"})}, W, W),
        ({"labels": frozenset({"tlp:amber+strict", "tlp:clear"})}, W, W),
        ({"labels": frozenset({"TLP:RED"})}, W, W),
    ],
)
def test_careful(about: dict[str, Any], to_peer: Outcome, to_public: Outcome) -> None:
    for to, expected in ((peer(), to_peer), (Public(), to_public)):
        assert outcome("careful", to, **about) == (expected, {"person:a"} if expected is S else frozenset())
    assert outcome("careful", Member(Role.MEMBER), **about) == (S, frozenset())


def test_the_rules_shown_in_the_documentation_are_rules() -> None:
    document = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")
    shown = [part.partition("```")[0] for part in document.split("```toml\n")[1:]]
    assert len(shown) == 3
    for text in shown:
        assert problems(text if "name = " in text else f'name = "shown"\n{text}') == ()
    for words in (*Effect, *Conditions.model_fields, *Rule.model_fields):
        assert f"`{words}`" in document, words
