"""Receipts say what ISO/IEC TS 27560 asks for, in the words of the DPV, and never what the record says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from governance.consent import Grant
from governance.consent_receipt import CONTEXT, MANDATORY, Covered, Party, Permission, consent_receipt, found
from governance.terms import Purpose, Terms

NOW = 1_900_000_000
HOUSE = Party("did:key:z6MkHouse", "River House", "post@river.example", "https://river.example", ("KE-30", "TZ"))
GRANT = Grant(
    "g1", "voice-7", Terms(frozenset({"network"}), frozenset({Purpose.LEARNING}), NOW + 1000), "signed form", NOW - 10
)
COVERED = [Covered("0199a000-0000-7000-8000-000000000001", {"quote:q1": "Quote q1"})]
PERMISSION = Permission(GRANT, COVERED, HOUSE, [Party("did:key:z6MkHill", "Hill School")])


@pytest.mark.parametrize("field", MANDATORY, ids=lambda f: f.replace(" ", "-"))
@pytest.mark.parametrize("bare", [False, True], ids=["full", "bare"])
def test_every_mandatory_field_of_27560_is_there_and_says_something(field: str, bare: bool) -> None:
    nothing_known = Permission(replace(GRANT, terms=replace(GRANT.terms, until=None)), COVERED, Party("n", "N"), [])
    receipt = consent_receipt(nothing_known if bare else PERMISSION, "r1", NOW)
    values = found(receipt, MANDATORY[field])
    assert values
    assert all(values)


def test_every_name_is_of_a_vocabulary_that_the_context_names() -> None:
    names: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            names.update(value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    receipt = consent_receipt(PERMISSION, "r1", NOW)
    walk({name: value for name, value in receipt.items() if name != "@context"})
    assert {name.partition(":")[0] for name in names if not name.startswith("@")} <= CONTEXT.keys()
    assert receipt["@context"] == dict(CONTEXT)


def test_it_names_who_had_it_for_what_and_until_when() -> None:
    text = json.dumps(consent_receipt(PERMISSION, "r1", NOW))
    for word in ("River House", "Hill School", "voice-7", "cw:learning", "Quote q1", "loc:KE", "loc:TZ", "2030-03-17"):
        assert word in text


def _states(grant: Grant, now: int = NOW) -> list[str]:
    receipt = consent_receipt(replace(PERMISSION, grant=grant), "r1", now)
    states = [s["@type"] for s in receipt["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"]]
    return [s[0] if isinstance(s, list) else s for s in states]


def test_what_happened_stands_in_its_order() -> None:
    assert _states(GRANT) == ["dpv:ConsentGiven"]
    assert _states(replace(GRANT, withdrawn_at=NOW)) == ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
    assert _states(GRANT, NOW + 1000) == ["dpv:ConsentGiven", "dpv:ConsentExpired"]


def test_a_permission_that_was_born_as_a_withdrawal_was_never_given() -> None:
    assert _states(replace(GRANT, given_at=NOW, withdrawn_at=NOW)) == ["dpv:ConsentWithdrawn"]
