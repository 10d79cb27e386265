"""What people type: ends in time, and the form in which a record is edited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.record import ContributorLink, Draft
from node.cli.editing import edited, from_text, to_text
from node.cli.wording import moment, until
from node.errors import BadInput

NOW = 1_700_000_000
TERMS = {"aud": ["network"], "pur": ["learning"]}
DRAFT = Draft(
    kind="case_study",
    lang="es",
    fields={
        "title": 'El "puente"',
        "context": "Uno.\n\n+++\n\n## Dos\n",
        "quote:q1": {"text": "Miramos\nel pilar", "by": "p1"},
        "topics": ["río", "alerta"],
        "period": {"from": "2024", "to": None},
    },
    terms=TERMS,
    field_terms={"quote:q1": {"aud": ["node"], "pur": ["learning"], "until": NOW}},
    contributors=(ContributorLink(subject="w-1", fields=("quote:q1",)), ContributorLink(subject="w-2")),
    direct=("did:key:z6Mkx",),
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("90d", NOW + 90 * 86_400),
        ("36h", NOW + 36 * 3_600),
        ("2w", NOW + 14 * 86_400),
        ("6m", NOW + 180 * 86_400),
        ("1y", NOW + 365 * 86_400),
        ("2027-06-30", 1_814_400_000),
    ],
)
def test_an_end_is_a_day_that_counts_or_a_time_from_now(text: str | None, seconds: int | None) -> None:
    assert until(text, NOW) == seconds


@pytest.mark.parametrize("text", ["tomorrow", "2027-13-01", "90", "-3d", "", "1e9d"])
def test_an_end_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="2027-06-30"):
        until(text, NOW)


def test_a_day_begins_at_midnight_utc() -> None:
    assert moment("1970-01-02", "--given") == 86_400


def test_a_record_survives_its_form() -> None:
    back = from_text(to_text(DRAFT))
    assert back.fields["context"] == "Uno.\n\n+++\n\n## Dos"
    assert back.fields["period"] == {"from": "2024"}
    assert (back.terms, back.field_terms, back.contributors, back.direct) == (
        DRAFT.terms,
        DRAFT.field_terms,
        DRAFT.contributors,
        DRAFT.direct,
    )
    assert from_text(to_text(back)) == back


@given(st.text(max_size=200).filter(lambda t: bool(t.strip())))
def test_any_title_survives_the_form(title: str) -> None:
    draft = Draft(kind="guide", lang="en", fields={"title": title.replace("\n", " ").replace("\r", " ")}, terms=TERMS)
    if draft.fields["title"].strip() and len(title) <= 60:
        assert from_text(to_text(draft)).fields == draft.fields


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title", "begins with"),
        ("+++\nkind = \n+++\n", "not TOML"),
        ('+++\nkind = "guide"\n+++\n', "lang"),
        (to_text(DRAFT).replace("case_study", "poem"), "unknown kind"),
        (to_text(DRAFT) + "\n=== title ===\nAgain\n", "stands twice"),
        (to_text(DRAFT).replace("=== context ===", "stray"), "stands under no"),
    ],
)
def test_a_form_that_cannot_be_read_says_where(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) if said == "unknown kind" else pytest.raises(BadInput, match=said):
        from_text(text)


def test_the_editor_gets_the_form_and_what_it_saves_counts() -> None:
    changed = edited(DRAFT, "sed -i s/Dos/Tres/")
    assert changed.fields["context"] == "Uno.\n\n+++\n\n## Tres"


def test_an_editor_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="--editor"):
        edited(DRAFT, "no-such-editor-here")
