"""JSON Lines in both forms: what is mapped where, and that a bad line is named and never stops the next."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from node.imports import ImportItem, SourceError, content_hash, open_source
from node.imports.corpus import document_id
from tests.unit.imports.reading import CIRCLE_ID, corpus_document, library_record, outcomes, write

REPOSITORY = Path(__file__).parents[3]


def test_a_corpus_document_becomes_a_draft_with_the_callers_terms(tmp_path: Path) -> None:
    items, problems = outcomes(
        write(tmp_path / "a.jsonl", corpus_document(summary="How.", date="2024-05-11T10:00:00Z"))
    )
    assert problems == []
    draft = items[0].draft
    assert draft.fields == {
        "title": "Painted gauges",
        "summary": "How.",
        "topics": ["flood", "early warning"],
        "period": {"from": "2024-05-11", "to": "2024-05-11"},
        "licence": "CC0-1.0",
        "attribution": "River handbook",
        "body": "Paint the pole.",
    }
    assert draft.terms == {"aud": ["network"], "pur": ["learning"]}


def test_a_story_goes_into_its_main_field(tmp_path: Path) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", corpus_document(kind="story")))
    assert items[0].draft.fields["narrative"] == "Paint the pole."


def test_headings_become_sections_only_if_all_of_them_are_sections(tmp_path: Path) -> None:
    whole = corpus_document(kind="case_study", body_markdown="Lead.\n## Context\nA ward.\n## lessons\nLook up.\n")
    mixed = corpus_document(id="b", kind="case_study", body_markdown="## Context\nA ward.\n## Budget\nNone.\n")
    items, _ = outcomes(write(tmp_path / "a.jsonl", whole, mixed))
    assert {k: items[0].draft.fields[k] for k in ("body", "context", "lessons")} == {
        "body": "Lead.",
        "context": "A ward.",
        "lessons": "Look up.",
    }
    assert items[1].draft.fields["body"].startswith("## Context")


@pytest.mark.parametrize(
    ("original", "target"),
    [
        ("fr/jauges.md", document_id("river/handbook", "fr/jauges.md")),
        ("sea/book:fr/a.md", document_id("sea/book", "fr/a.md")),
        ("en/posts/10:30.md", document_id("river/handbook", "en/posts/10:30.md")),
    ],
)
def test_a_translation_names_its_original_by_the_originals_id(tmp_path: Path, original: str, target: str) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", corpus_document(translation_of=original)))
    assert [(link.rel, link.to) for link in items[0].links] == [("translation_of", target)]


def test_a_date_in_words_gives_no_period(tmp_path: Path) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", corpus_document(date="January 2016")))
    assert "period" not in items[0].draft.fields


def test_a_library_record_keeps_terms_people_and_permissions(tmp_path: Path) -> None:
    items, problems = outcomes(write(tmp_path / "a.jsonl", library_record()))
    assert problems == []
    item = items[0]
    assert item.draft.fields["quote:q1"] == {"text": "Miramos el pilar.", "by": "p1"}
    assert item.draft.field_terms["person:p1"]["aud"] == [f"circle:{CIRCLE_ID}"]
    assert [c.fields for c in item.draft.contributors] == [("quote:q1",), None]
    assert [g.subject for g in item.grants] == ["w-1"]
    assert item.refers_to() == {"list"}


def test_until_a_day_includes_that_day(tmp_path: Path) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", library_record()))
    assert items[0].draft.field_terms["person:p1"]["until"] == 1_814_400_000  # 2027-07-01T00:00:00Z


def test_a_toolkits_components_refer_by_source_id(tmp_path: Path) -> None:
    sections = {"components": [{"title": "First", "record": "bridge"}, {"title": "A film"}]}
    record = library_record(kind="toolkit", sections=sections, links=[])
    items, problems = outcomes(write(tmp_path / "a.jsonl", record))
    assert problems == []
    assert items[0].components == {0: "bridge"}
    assert items[0].draft.fields["components"] == [{"title": "First"}, {"title": "A film"}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "is not JSON"),
        ("[1]", "not an object"),
        ('{"a": 1}', "neither a corpus document"),
        ('{"source_id": "x", "source_id": "y"}', "names a member twice"),
        (json.dumps(library_record(title=None)), "title"),
        (json.dumps(library_record(kind="poem")), "kind 'poem' is unknown"),
        (json.dumps(library_record(term={"aud": ["public"]})), "unknown: term"),
        (json.dumps(library_record(terms={"aud": ["circle:sea"], "pur": ["learning"]})), "circle 'sea' is not known"),
        (json.dumps(library_record(terms={"aud": ["everybody"], "pur": ["learning"]})), "unknown audience"),
        (json.dumps(library_record(terms={"aud": [], "pur": ["learning"]})), "terms.aud"),
        (json.dumps(library_record(contributors=[{"subject": "w"}])), "contributors.fields"),
        (json.dumps(library_record(sections={"budget": "none"})), "has no field 'budget'"),
        (json.dumps(library_record(title="a\0b")), "NUL"),
        (json.dumps(library_record(title="\ud800")), "unicode"),
        (json.dumps(library_record(source_id="\ud800")), "unicode"),
        (json.dumps(library_record() | {"\ud800": 1}), "unknown"),
        ('{"source_id": "n", "title": NaN}', "NaN"),
        ('{"source_id": "n", "node": 99999999999999999999}', "too large"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(corpus_document(tags=7)), "tags should be a list"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named_and_the_next_one_taken(tmp_path: Path, line: str, said: str) -> None:
    items, problems = outcomes(write(tmp_path / "a.jsonl", corpus_document(id="a"), line, corpus_document(id="c")))
    assert [i.source_id for i in items] == ["a", "c"]
    assert [p.line for p in problems] == [2]
    assert said in problems[0].problem


def test_the_same_id_twice_is_a_problem_of_the_second(tmp_path: Path) -> None:
    items, problems = outcomes(write(tmp_path / "a.jsonl", library_record(), library_record(title="Otro")))
    assert [i.draft.fields["title"] for i in items] == ["El puente"]
    assert "already used in line 1" in problems[0].problem


def test_gzip_is_read_like_the_plain_file(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.jsonl", corpus_document())
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert outcomes(packed) == outcomes(plain)


def test_a_damaged_gzip_file_says_so(tmp_path: Path) -> None:
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(corpus_document()).encode() * 500)[:-20])
    with pytest.raises(SourceError, match="damaged gzip"):
        outcomes(packed)


def test_an_item_travels_as_json_and_back(tmp_path: Path) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", library_record()))
    assert ImportItem.model_validate_json(items[0].model_dump_json()) == items[0]


def test_the_hash_is_of_the_content_and_not_of_the_line(tmp_path: Path) -> None:
    changed: dict[str, Any] = library_record(source_id="bridge", terms={"aud": ["node"], "pur": ["learning"]})
    first, _ = outcomes(write(tmp_path / "a.jsonl", library_record()))
    moved, _ = outcomes(write(tmp_path / "b.jsonl", "", "", library_record()))
    other, _ = outcomes(write(tmp_path / "c.jsonl", changed))
    assert first[0].line != moved[0].line
    assert content_hash(first[0]) == content_hash(moved[0])
    assert content_hash(first[0]) != content_hash(other[0])


def test_the_whole_sample_library_can_be_taken() -> None:
    items, problems = outcomes(REPOSITORY / "node" / "demo" / "library.jsonl")
    assert problems == []
    assert len(items) >= 40
    assert frozenset().union(*(i.refers_to() for i in items)) <= {i.source_id for i in items}


def test_the_whole_practice_corpus_can_be_taken() -> None:
    corpus = REPOSITORY.parent / "shared" / "corpus" / "practice.jsonl.gz"
    if not corpus.exists():
        pytest.skip("the practice corpus is not beside the repository")
    found = list(open_source(corpus))
    assert len(found) == 2_599
    assert all(isinstance(outcome, ImportItem) for outcome in found)
