"""What came later to agreements: left out where it says nothing, so that older signatures stay good."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from federation.documents import MAX_CONFLICT_CHARS, MAX_SENTENCE_CHARS, MAX_SENTENCES, Agreement, Clauses

A, B = (f"did:key:z6Mk{letter * 44}" for letter in "ab")
CLAUSES: dict[str, Any] = {"purposes": ["learning"], "starts": 0}
AGREEMENT: dict[str, Any] = {"id": "x", "n": 1, "iat": 1, "a": A, "b": B, "nonce": "n" * 22, "clauses": CLAUSES}


def _agreement(**more: Any) -> Agreement:
    return Agreement.model_validate_json(json.dumps(AGREEMENT | more))


def test_an_agreement_without_the_later_members_is_written_as_it_always_was() -> None:
    written = json.loads(_agreement().model_dump_json())
    assert set(written) == {"id", "n", "iat", "a", "b", "nonce", "clauses"}
    assert set(written["clauses"]) == {
        "purposes", "kinds", "topics", "passing_on", "attachments", "withdrawal_response_h", "at_end", "starts",
        "until",
    }  # fmt: skip


def test_what_the_later_members_say_is_written_and_read_again() -> None:
    later = {"review": 5, "conflict": "The elders decide.", "suspend_overdue": True}
    agreement = _agreement(clauses=CLAUSES | later, words=["It may."], lang="pt-BR", rendering=2)
    again = Agreement.model_validate_json(agreement.model_dump_json())
    assert again == agreement
    assert json.loads(agreement.model_dump_json())["words"] == ["It may."]
    assert again.clauses.conflict == "The elders decide."


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": ["a"] * (MAX_SENTENCES + 1)},
        {"words": ["a" * (MAX_SENTENCE_CHARS + 1)]},
        {"words": [""]},
        {"words": "a"},
        {"lang": "../es"},
        {"lang": ""},
        {"rendering": -1},
        {"rendering": "1"},
    ],
)
def test_words_of_another_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _agreement(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"conflict": "a" * (MAX_CONFLICT_CHARS + 1)}, {"review": -1}, {"suspend_overdue": 1}]
)
def test_clauses_of_another_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Clauses.model_validate_json(json.dumps(CLAUSES | wrong))
