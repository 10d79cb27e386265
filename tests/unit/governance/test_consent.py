"""Consent: which grant counts, until which second, and what follows without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from governance.consent import Grant, effective_terms, governing_grant, next_change, terms_now
from governance.record import ContributorLink, Draft
from governance.terms import NETWORK, NODE, PUBLIC, STEWARDS, Purpose, Terms, meet
from tests.unit.governance.values import NOW, terms


def grant(gid: str = "g1", wanted: Terms | None = None, **changed: Any) -> Grant:
    given: dict[str, Any] = {
        "gid": gid, "subject": "amina", "terms": wanted or terms(PUBLIC), "how": "by word", "given_at": NOW - 100,
    }  # fmt: skip
    return Grant(**given | changed)


def draft(*links: ContributorLink) -> Draft:
    return Draft(
        kind="guide", lang="en", fields={"title": "T", "person:a": {"name": "A"}}, terms=terms(PUBLIC).to_json(),
        contributors=links or (ContributorLink(subject="amina"),),
    )  # fmt: skip


def test_without_a_grant_a_contributors_field_is_for_the_node() -> None:
    assert effective_terms(draft(), "r", "title", [], NOW) == terms(NODE)


def test_a_field_nobody_stands_behind_follows_the_editor() -> None:
    named = draft(ContributorLink(subject="amina", fields=("person:a",)))
    assert terms_now(named, "r", [], NOW) == {"title": terms(PUBLIC), "person:a": terms(NODE)}


def test_every_contributor_has_to_permit_it() -> None:
    both = draft(ContributorLink(subject="amina"), ContributorLink(subject="bao"))
    wide, narrow = grant(), grant("g2", terms(NETWORK, until=NOW + 5), subject="bao")
    assert effective_terms(both, "r", "title", [wide, narrow], NOW) == meet(wide.terms, narrow.terms)
    assert effective_terms(both, "r", "title", [wide], NOW) == terms(NODE)


def test_a_grant_never_widens_the_editors_choice() -> None:
    tight = draft().model_copy(update={"terms": terms(STEWARDS).to_json()})
    assert effective_terms(tight, "r", "title", [grant()], NOW) == terms(STEWARDS)


def test_the_latest_grant_governs_whichever_order_they_come_in() -> None:
    early, late = grant(), grant("g2", terms(NETWORK), given_at=NOW - 1)
    for grants in ([early, late], [late, early]):
        assert effective_terms(draft(), "r", "title", grants, NOW) == terms(NETWORK)


def test_of_two_grants_of_one_second_the_later_id_governs() -> None:
    first, second = grant("g1"), grant("g2", terms(NETWORK))
    assert governing_grant([second, first], "amina", "r", "title", NOW) is second


def test_withdrawing_the_latest_grant_does_not_revive_an_earlier_one() -> None:
    late = grant("g2", terms(NETWORK), given_at=NOW - 1, withdrawn_at=NOW)
    assert effective_terms(draft(), "r", "title", [grant(), late], NOW - 1) == terms(NETWORK)
    assert effective_terms(draft(), "r", "title", [grant(), late], NOW) == terms(NODE)


def test_a_wish_for_stewards_only_survives_its_withdrawal_and_its_end() -> None:
    for gone in (grant(wanted=terms(STEWARDS), withdrawn_at=NOW), grant(wanted=terms(STEWARDS, until=NOW))):
        assert effective_terms(draft(), "r", "title", [gone], NOW).audiences == {STEWARDS}


def test_a_grant_ends_at_its_second() -> None:
    ends = grant(wanted=terms(PUBLIC, until=NOW))
    assert ends.active(NOW - 1)
    assert not ends.active(NOW)
    assert effective_terms(draft(), "r", "title", [ends], NOW - 1) == terms(PUBLIC, until=NOW)
    assert effective_terms(draft(), "r", "title", [ends], NOW) == terms(NODE)


def test_a_grant_starts_at_its_second() -> None:
    starts = grant(given_at=NOW)
    assert effective_terms(draft(), "r", "title", [starts], NOW - 1) == terms(NODE)
    assert effective_terms(draft(), "r", "title", [starts], NOW) == terms(PUBLIC)


def test_a_grant_speaks_only_of_its_record_fields_and_person() -> None:
    for other in (grant(rid="other"), grant(fields=frozenset({"body"})), grant(subject="bao")):
        assert effective_terms(draft(), "r", "title", [other], NOW) == terms(NODE)
    for mine in (grant(rid="r"), grant(fields=frozenset({"title"}))):
        assert effective_terms(draft(), "r", "title", [mine], NOW) == terms(PUBLIC)


def test_a_grant_narrows_purposes() -> None:
    study = Terms(frozenset({PUBLIC}), frozenset({Purpose.RESEARCH}))
    assert effective_terms(draft(), "r", "title", [grant(wanted=study)], NOW).purposes == {Purpose.RESEARCH}


def test_the_next_change_is_the_first_end_still_to_come() -> None:
    ends = [grant(f"g{n}", terms(PUBLIC, until=NOW + n)) for n in (0, 7, 3)]
    assert next_change(ends, NOW) == NOW + 3
    assert next_change([replace(g, withdrawn_at=NOW) for g in ends], NOW) is None
    assert next_change([grant()], NOW) is None
