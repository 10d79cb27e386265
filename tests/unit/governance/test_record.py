"""Records: every kind, every limit at its edge, and drafts that cannot be published."""

from __future__ import annotations

from typing import Any

import pytest

from governance.errors import RecordError, TermsError
from governance.kinds import (
    KINDS,
    MAX_ITEMS,
    MAX_LINE_CHARS,
    MAX_TEXT_CHARS,
    kind_label,
    section_adapters,
    section_label,
)
from governance.record import (
    COMMON_FIELDS,
    MAX_FIELDS,
    MAX_TAGS,
    MAX_TITLE_CHARS,
    META_FIELDS,
    ContributorLink,
    Draft,
    check_field,
    check_fields,
    is_field_name,
    is_language,
    text_of,
)
from governance.terms import NODE, PUBLIC
from tests.unit.governance.values import terms

SHA = "0" * 64
ITEM = {"text": "Call the elders"}
# One good value of every section of every kind, as the issue lists them.
SECTIONS: dict[str, dict[str, Any]] = {
    "case_study": dict.fromkeys(
        ("context", "challenge", "actions", "decision_points", "outcome", "lessons", "trade_offs", "reuse_conditions"),
        "text",
    ),
    "after_action_review": dict.fromkeys(
        ("intended", "happened", "why", "sustain", "improve", "safety_notes"), "text"
    ),
    "checklist": {"items": [{"text": "Call", "role": "lead", "when": "before", "required": True, "later": 1}]},
    "toolkit": {"components": [{"title": "Guide", "notes": "n", "record": {"rid": "x", "origin": "o", "ver": 2}}]},
    "template": {"placeholders": [{"name": "date", "description": "d", "example": "e"}]},
    "learning_module": {
        "objectives": ["a"],
        "duration_minutes": 90,
        "level": "introductory",
        "delivery": "in_person",
        "materials": ["pens"],
        "steps": [{"title": "Open", "text": "t", "minutes": 5}],
        "debrief_questions": ["why?"],
        "prerequisites": ["none"],
        "competencies": ["listening"],
    },
    "story": {
        "narrative": "n", "decision_point": "d", "moral_considerations": "m", "trade_offs": "t", "prompts": ["p"],
    },
    "guide": {},
}  # fmt: skip


def draft(**changed: Any) -> Draft:
    given: dict[str, Any] = {
        "kind": "guide", "lang": "sw", "fields": {"title": "Maji"}, "terms": terms(PUBLIC).to_json(),
    }  # fmt: skip
    return Draft(**given | changed)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_exactly_its_named_sections(kind: str) -> None:
    assert set(section_adapters(kind)) == set(SECTIONS[kind])
    check_fields(kind, {"title": "T", "body": "b", **SECTIONS[kind]})
    draft(kind=kind, fields={"title": "T", **SECTIONS[kind]}).checked()
    assert kind_label(kind)
    assert all(section_label(kind, name) for name in SECTIONS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_each_section_refuses_a_value_of_another_form(kind: str) -> None:
    for name in SECTIONS[kind]:
        for bad in (None, {"x": object}, [3.5], b"\xff"):
            with pytest.raises(RecordError, match=name):
                check_field(kind, name, bad)


def test_a_field_of_a_later_version_passes_but_not_from_our_own_editor() -> None:
    check_fields("guide", {"title": "T", "hologram": 3, "voice:a": 3})
    check_fields("opera", {"title": "T", "libretto": []})
    for name in ("contxt", "voice:a"):
        with pytest.raises(RecordError, match=f"no field '{name}'"):
            draft(kind="case_study", fields={"title": "T", name: "x"}).checked()
    assert section_label("opera", "first_act") == "First act"
    assert kind_label("grand_opera") == "Grand opera"


LONGEST: list[tuple[str, str, Any, Any]] = [
    ("guide", "title", "x" * MAX_TITLE_CHARS, "x" * (MAX_TITLE_CHARS + 1)),
    ("guide", "title", "x", ""),
    ("guide", "title", " x", " \n"),
    ("guide", "body", "x" * MAX_TEXT_CHARS, "x" * (MAX_TEXT_CHARS + 1)),
    ("story", "narrative", "x" * MAX_TEXT_CHARS, "x" * (MAX_TEXT_CHARS + 1)),
    ("checklist", "items", [ITEM] * MAX_ITEMS, [ITEM] * (MAX_ITEMS + 1)),
    ("checklist", "items", [{"text": "x" * MAX_LINE_CHARS}], [{"text": "x" * (MAX_LINE_CHARS + 1)}]),
    ("toolkit", "components", [{"title": "t"}] * MAX_ITEMS, [{"title": "t"}] * (MAX_ITEMS + 1)),
    ("template", "placeholders", [{"name": "t"}] * MAX_ITEMS, [{"name": ""}]),
    ("learning_module", "objectives", ["x"] * MAX_ITEMS, ["x"] * (MAX_ITEMS + 1)),
    ("learning_module", "steps", [{"title": "t", "minutes": 100_000}], [{"title": "t", "minutes": 100_001}]),
    ("learning_module", "duration_minutes", 1_000_000, 1_000_001),
    ("learning_module", "duration_minutes", 0, -1),
    ("learning_module", "level", "advanced", "expert"),
    ("learning_module", "delivery", "self_paced", "post"),
    ("story", "prompts", ["x" * MAX_LINE_CHARS], ["x" * (MAX_LINE_CHARS + 1)]),
    ("guide", "topics", [f"t{n}" for n in range(MAX_TAGS)], ["t"] * (MAX_TAGS + 1)),
    ("guide", "topics", ["x" * 100], ["x" * 101]),
    ("guide", "labels", ["tlp:amber"], [""]),
    ("guide", "regions", ["KE", "BR-BA", "419"], ["kenya"]),
    ("guide", "regions", ["KE"] * MAX_TAGS, ["KE"] * (MAX_TAGS + 1)),
    ("guide", "period", {"from": "2019", "to": "2020-04-01"}, {"from": "last year"}),
    ("guide", "licence", "C" * 100, "C" * 101),
    ("guide", "licence", "CC-BY-4.0", "CC BY"),
    ("guide", "sensitivity", "high", "extreme"),
    ("guide", "attribution", "x" * MAX_TITLE_CHARS, "x" * (MAX_TITLE_CHARS + 1)),
    ("guide", "links", [{"rel": "related", "to": {"rid": "x", "ver": 1}}], [{"rel": "copied", "to": {"rid": "x"}}]),
    ("guide", "quote:q1", {"text": "We waited.", "by": "person:a"}, {"by": "person:a"}),
    ("guide", "person:a", {"name": "Amina"}, {"name": ""}),
    ("guide", "place:p", {"name": "Port", "lat": -90, "lon": 180}, {"name": "Port", "lat": 90.1}),
    (
        "guide", "attachment:m", {"name": "map.png", "media_type": "image/png", "size": 0, "sha256": SHA, "chunks": []},
        {"name": "map.png", "media_type": "image/png", "size": -1, "sha256": SHA, "chunks": []},
    ),
    (
        "guide", "attachment:m", {"name": "m", "media_type": "a/b", "size": 1, "sha256": SHA, "chunks": [SHA]},
        {"name": "m", "media_type": "a/b", "size": 1, "sha256": SHA.upper() + "g", "chunks": [SHA]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "good", "bad"), LONGEST)
def test_every_limit_holds_exactly_at_its_edge(kind: str, name: str, good: Any, bad: Any) -> None:
    check_field(kind, name, good)
    with pytest.raises(RecordError, match=name):
        check_field(kind, name, bad)


def test_a_record_has_a_title_and_a_limited_number_of_fields() -> None:
    full: dict[str, Any] = {"title": "T", **{f"quote:q{n}": {"text": "x"} for n in range(MAX_FIELDS - 1)}}
    check_fields("guide", full)
    with pytest.raises(RecordError, match="at most 256"):
        check_fields("guide", {**full, "body": "one more"})
    with pytest.raises(RecordError, match="title"):
        check_fields("guide", {"body": "x"})


@pytest.mark.parametrize(
    "name",
    [
        "Title",
        "",
        "a b",
        "quote:",
        "Quote:a",
        "quote:-a",
        "quote:a/b",
        "title\n",
        "quote:a\n",
        "a" * 65,
        "quote:" + "a" * 65,
    ],
)
def test_other_field_names_are_refused(name: str) -> None:
    assert not is_field_name(name)
    with pytest.raises(RecordError, match="is not allowed"):
        check_field("guide", name, "x")


def test_field_names_reach_exactly_their_length() -> None:
    assert is_field_name("a" * 64)
    assert is_field_name("quote:" + "a" * 64)
    assert set(META_FIELDS) < set(COMMON_FIELDS)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "guid"}, "unknown kind 'guid'"),
        ({"lang": "swahili!"}, "BCP 47"),
        ({"fields": {"body": "x"}}, "title"),
        ({"fields": {"title": ""}}, "title"),
        ({"terms": {"aud": ["all"], "pur": []}}, "unknown audience"),
        ({"field_terms": {"body": {"aud": ["node"], "pur": []}}}, "no such field"),
        ({"field_terms": {"title": {"aud": [], "pur": []}}}, "title: "),
    ],
)
def test_a_draft_that_cannot_be_published_says_why(changed: dict[str, Any], words: str) -> None:
    draft().checked()
    with pytest.raises((RecordError, TermsError), match=words):
        draft(**changed).checked()


def test_a_fields_own_terms_stand_before_the_records() -> None:
    one = draft(fields={"title": "T", "body": "b"}, field_terms={"body": terms(NODE).to_json()})
    assert one.editor_terms("title") == terms(PUBLIC)
    assert one.editor_terms("body") == terms(NODE)


def test_a_contributor_stands_behind_named_fields_or_all() -> None:
    assert ContributorLink(subject="s").covers("anything")
    assert ContributorLink(subject="s", fields=("body",)).covers("body")
    assert not ContributorLink(subject="s", fields=("body",)).covers("title")
    assert not ContributorLink(subject="s", fields=()).covers("title")


def test_languages_are_tags_not_names() -> None:
    assert all(map(is_language, ("sw", "pt-BR", "zh-Hant-TW", "fil")))
    assert not any(map(is_language, ("", "s", "pt_BR", "english", "en-", "en\n")))


def test_text_is_what_a_reader_sees_and_no_hash_or_number() -> None:
    value = {"items": [{"text": "Call", "required": True}, {"text": "Wait", "sha256": SHA}], "rid": "x", "size": 3}
    assert text_of(value) == "Call\nWait"
    assert text_of(7) == text_of(None) == ""
