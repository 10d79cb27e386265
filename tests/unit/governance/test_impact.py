"""Impacts: what votes are bound to, and that nothing the gate can see is left out of the classes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from governance.agreement import Clauses, Phase
from governance.classes import ABOUT_RECIPIENT, FACT_OF, Seen, Side, Sorter
from governance.gate import Peer, RecordView
from governance.impact import Comparison, Impact, compared
from governance.outline import Outline, write_outline
from governance.policy import Conditions, Facts, Policy
from governance.record import Sensitivity
from governance.terms import ALL_PURPOSES, NETWORK, Terms

NOW = 1_800_000_000
NONE: frozenset[str] = frozenset()
SHARING = Policy.model_validate({"name": "s", "version": "1", "rule": [{"id": "s", "effect": "share", "reason": "r"}]})
NOTHING = Policy.model_validate({"name": "n", "version": "2", "rule": []})
PEER = Peer("did:key:b", Phase.ACTIVE, Clauses("a"))


def outline(number: int, names: tuple[str, ...] = ("title", "body"), kind: str = "guide") -> Outline:
    facts = Facts(kind, "en", "did:key:a", NOW, True, NONE, NONE, NONE, Sensitivity.HIGH, "", ALL_PURPOSES)
    sealed = dict.fromkeys(names, Terms(frozenset({NETWORK}), ALL_PURPOSES))
    text = write_outline(facts, sealed, sealed.values())
    return Outline(number, "did:key:a", f"r{number}", True, 1, NOW, kind, "en", "", "", text)


def side(policy: Policy) -> Side:
    return Side(policy, {PEER.node_id: PEER}, NONE, NONE)


def impact(*records: Outline, before: Policy = NOTHING, after: Policy = SHARING) -> Impact:
    comparison = Comparison(side(before), side(after), NOW)
    for record in records:
        comparison.add(Seen(record))
    list(comparison.work())
    return comparison.impact()


def test_every_condition_of_a_rule_is_looked_at_from_one_side_or_the_other() -> None:
    assert {*FACT_OF, *ABOUT_RECIPIENT} == set(Conditions.model_fields)


def test_every_member_of_a_record_view_is_known_to_the_classes() -> None:
    known = {
        "origin", "rid", "ver", "facts", "sealed", "consent", "direct", "editors", "circles", "passed_to_us", "held",
        "released", "hidden",
    }  # fmt: skip
    assert {f.name for f in fields(RecordView)} == known, "teach governance.classes what the gate sees now"


def test_a_gate_that_tells_fields_of_one_group_apart_stops_the_preview() -> None:
    sorter = Sorter(side(SHARING), side(SHARING), NOW)
    number, _ = sorter.record(Seen(outline(1, ("title", "body", "summary"))))

    class Odd(Side):
        def given(self, seen: Seen, to: Peer, now: int) -> frozenset[str]:
            return frozenset({"title", "body"})

    with pytest.raises(AssertionError, match="apart"):
        sorter.groups(number, Odd(SHARING, {}, NONE, NONE), PEER)


def test_what_voters_saw_covers_less_but_never_more() -> None:
    one, two, wider = outline(1), outline(2), outline(1, ("title", "body", "summary"))
    seen = impact(one, two)
    assert not seen.beyond(seen.pack())
    assert not impact(one).beyond(seen.pack())
    assert seen.beyond(impact(one).pack())
    assert impact(wider).beyond(seen.pack())
    assert seen.beyond(b"")
    assert not impact(one, before=SHARING, after=NOTHING).beyond(b"")


def test_another_peer_than_voters_saw_is_more() -> None:
    seen = impact(outline(1))
    (peer,) = seen.peers
    assert replace(seen, peers=(replace(peer, node_id="did:key:c"),)).beyond(seen.pack())


def test_the_digest_is_of_what_would_change_and_not_of_the_hour() -> None:
    seen = impact(outline(1), outline(2))
    assert replace(seen, at=NOW + 9).digest() == seen.digest()
    assert impact(outline(1), outline(3)).digest() != seen.digest()
    assert impact(outline(1), outline(2), before=SHARING, after=NOTHING).digest() != seen.digest()
    assert replace(seen, contributors=("amina",)).digest() != seen.digest()


def test_counts_kinds_and_the_gravest_examples_first() -> None:
    found = impact(outline(1, kind="story"), outline(2), outline(3))
    (peer,) = found.peers
    assert (peer.starts.records, peer.starts.beginning, peer.stops.records) == (3, 6, 0)
    assert peer.starts.by_kind == {"guide": 2, "story": 1}
    assert peer.starts.by_sensitivity == {"high": 3}
    assert found.touched() == {1, 2, 3}


def test_record_by_record_gives_the_same_as_by_classes() -> None:
    records = [outline(1), outline(2, ("title",))]
    (by_class,) = impact(*records).peers
    names = [frozenset({"title", "body"}), frozenset({"title"})]
    by_record = compared(PEER.node_id, [(o, NONE, n) for o, n in zip(records, names, strict=True)])
    assert by_record.starts == by_class.starts
    assert sorted(by_record.begins) == sorted(by_class.begins)
