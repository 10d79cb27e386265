"""The values that the governance tests share."""

from __future__ import annotations

from typing import Any

from governance.agreement import Clauses, Phase
from governance.gate import Peer, RecordView
from governance.policy import Effect, Facts, Policy, Rule, Who
from governance.terms import ALL_PURPOSES, Terms

OWN = "did:key:own"
PEER = "did:key:peer"
CIRCLE = f"z6Mk{'a' * 44}.coast"
NOW = 1_000_000


def terms(*audiences: str, until: int | None = None) -> Terms:
    """Terms for all purposes."""
    return Terms(frozenset(audiences), ALL_PURPOSES, until)


def facts(**changed: Any) -> Facts:
    """A plain guide of our own, everything about it known."""
    known: dict[str, Any] = {
        "kind": "guide",
        "lang": "en",
        "origin": OWN,
        "iat": NOW,
        "own": True,
        "topics": frozenset({"water"}),
        "regions": frozenset({"KE"}),
        "labels": frozenset(),
        "sensitivity": "",
        "licence": "CC0-1.0",
        "purposes": frozenset({"learning"}),
    }
    return Facts(**known | changed)


def record(*audiences: str, **changed: Any) -> RecordView:
    """A record whose title is for the audiences."""
    given: dict[str, Any] = {
        "origin": OWN,
        "rid": "r",
        "ver": 1,
        "facts": facts(),
        "sealed": {"title": terms(*audiences)},
    }
    return RecordView(**given | changed)


def peer(**changed: Any) -> Peer:
    """A peer with an active agreement for everything."""
    given: dict[str, Any] = {"node_id": PEER, "phase": Phase.ACTIVE, "clauses": Clauses("a1")}
    return Peer(**given | changed)


def rule(effect: Effect = Effect.SHARE, rule_id: str = "rule", **changed: Any) -> Rule:
    """A rule for everybody, with the example that some effects need."""
    given: dict[str, Any] = {"id": rule_id, "effect": effect, "reason": f"because of {rule_id}", "to": frozenset(Who)}
    if effect is not Effect.SHARE:
        given["example"] = ({},)
    return Rule.model_validate(given | changed)


def policy(*rules: Rule) -> Policy:
    """A policy of the rules; without any it shares everything that consent and agreement permit."""
    return Policy(name="test", rule=rules or (rule(),), version="v1")
