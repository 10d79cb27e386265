"""Terms: reading, meeting, ending."""

from __future__ import annotations

from typing import Any

import pytest

from governance.errors import TermsError
from governance.terms import (
    ALL_PURPOSES,
    DIRECT,
    MAX_AUDIENCES,
    MAX_UNTIL,
    NETWORK,
    NOBODY,
    NODE,
    PUBLIC,
    STEWARDS,
    Purpose,
    Terms,
    check_audience,
    is_circle_id,
    meet_all,
    reach,
)
from tests.unit.governance.values import CIRCLE, terms

KEY = "z6Mk" + "a" * 44


def test_terms_survive_their_signed_form() -> None:
    for value in (terms(PUBLIC), terms(DIRECT, f"circle:{CIRCLE}", until=0), Terms(frozenset({NODE}), frozenset())):
        assert Terms.from_json(value.to_json()) == value


def test_the_signed_form_is_sorted_and_leaves_out_a_missing_end() -> None:
    assert terms(PUBLIC, NETWORK).to_json() == {
        "aud": ["network", "public"],
        "pur": ["archive", "learning", "publication", "research"],
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"pur": []},
        {"aud": [], "pur": []},
        {"aud": "public", "pur": []},
        {"aud": ["public"], "pur": "learning"},
        {"aud": ["public"], "pur": [3]},
        {"aud": ["public"]},
        {"aud": ["everyone"], "pur": []},
        {"aud": ["public", "friends"], "pur": []},
        {"aud": [["public"]], "pur": []},
        {"aud": ["circle:coast"], "pur": []},
        {"aud": ["public"] * (MAX_AUDIENCES + 1), "pur": []},
        {"aud": ["public"], "pur": [], "until": -1},
        {"aud": ["public"], "pur": [], "until": MAX_UNTIL + 1},
        {"aud": ["public"], "pur": [], "until": True},
        {"aud": ["public"], "pur": [], "until": 1.5},
        {"aud": ["public"], "pur": [], "until": "2030-01-01"},
    ],
)
def test_terms_of_another_form_are_refused(value: Any) -> None:
    with pytest.raises(TermsError):
        Terms.from_json(value)


def test_limits_hold_exactly_at_their_edge() -> None:
    many = [f"circle:{KEY}.c{n}" for n in range(MAX_AUDIENCES)]
    assert len(Terms.from_json({"aud": many, "pur": []}).audiences) == MAX_AUDIENCES
    assert Terms.from_json({"aud": ["node"], "pur": [], "until": MAX_UNTIL}).until == MAX_UNTIL


def test_a_purpose_of_a_later_version_is_dropped_but_an_audience_is_refused() -> None:
    assert Terms.from_json({"aud": ["node"], "pur": ["learning", "mining"], "new": 1}).purposes == {Purpose.LEARNING}
    with pytest.raises(TermsError, match="'galaxy'"):
        Terms.from_json({"aud": ["node", "galaxy"], "pur": []})


def test_terms_end_at_their_second_and_not_before() -> None:
    ends = terms(PUBLIC, until=100)
    assert not ends.ended(99)
    assert ends.ended(100)
    assert not terms(PUBLIC).ended(MAX_UNTIL)


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ({PUBLIC}, {NETWORK}, {NETWORK}),
        ({PUBLIC}, {STEWARDS}, {STEWARDS}),
        ({NODE}, {DIRECT}, {NODE}),
        ({NODE}, {f"circle:{CIRCLE}"}, {NODE}),
        ({DIRECT}, {f"circle:{CIRCLE}"}, {DIRECT, f"circle:{CIRCLE}"}),
        ({NETWORK}, {f"circle:{CIRCLE}"}, {f"circle:{CIRCLE}"}),
        ({f"circle:{KEY}.a"}, {f"circle:{KEY}.b"}, {f"circle:{KEY}.a", f"circle:{KEY}.b"}),
    ],
)
def test_meeting_audiences_keeps_the_smallest_conjunction(one: set[str], two: set[str], both: set[str]) -> None:
    assert meet_all(terms(*one), terms(*two)).audiences == both


def test_meeting_takes_the_earlier_end_and_the_shared_purposes() -> None:
    a = Terms(frozenset({PUBLIC}), frozenset({Purpose.LEARNING, Purpose.ARCHIVE}), 50)
    b = Terms(frozenset({PUBLIC}), frozenset({Purpose.LEARNING}), None)
    assert meet_all(a, b, terms(PUBLIC, until=70)) == Terms(frozenset({PUBLIC}), frozenset({Purpose.LEARNING}), 50)


def test_one_circle_more_than_can_be_written_means_the_node() -> None:
    many = [terms(f"circle:{KEY}.c{n}") for n in range(MAX_AUDIENCES + 1)]
    assert len(meet_all(*many[:-1]).audiences) == MAX_AUDIENCES
    assert meet_all(*many).audiences == {NODE}
    assert meet_all(*many, terms(STEWARDS)).audiences == {STEWARDS}


def test_nobody_stays_nobody() -> None:
    assert meet_all(NOBODY, terms(PUBLIC)) == NOBODY
    assert Terms(frozenset(), ALL_PURPOSES).narrower_or_equal(NOBODY)
    assert not terms(STEWARDS).narrower_or_equal(NOBODY)


def test_only_what_may_reach_another_node_from_a_holder_may_be_passed_on() -> None:
    assert all(terms(a).may_pass_on() for a in (NETWORK, PUBLIC, f"circle:{CIRCLE}"))
    assert not any(terms(a).may_pass_on() for a in (STEWARDS, NODE, DIRECT))
    assert not terms(DIRECT, f"circle:{CIRCLE}").may_pass_on()
    assert not NOBODY.may_pass_on()


def test_a_circle_is_named_by_its_owners_key() -> None:
    assert is_circle_id(CIRCLE)
    assert check_audience(f"circle:{CIRCLE}") == f"circle:{CIRCLE}"
    for bad in (
        "coast",
        f"{KEY}.",
        f"{KEY}.-a",
        f"{KEY}.a-",
        f"{KEY}.A",
        f"{KEY}.a\n",
        f"z6Mk{'0' * 44}.a",
        f"x{CIRCLE}",
    ):
        assert not is_circle_id(bad)
    assert is_circle_id(f"{KEY}.{'a' * 64}")
    assert not is_circle_id(f"{KEY}.{'a' * 65}")


def test_reach_orders_audiences_from_stewards_to_public() -> None:
    order = [STEWARDS, NODE, DIRECT, f"circle:{CIRCLE}", NETWORK, PUBLIC]
    assert [reach(a) for a in order] == sorted(reach(a) for a in order)
