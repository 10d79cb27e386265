"""The query parser never raises and keeps its limits; snippets are pieces of the text and show what was found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.plan import compile_plan
from search.query import (
    MAX_FILTER_VALUES,
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_PARTS,
    MAX_QUERY_CHARS,
    Part,
    PartKind,
    make_query,
    parse_text,
    query_text,
)
from search.snippets import SNIPPET_CHARS, snippet

WORD, PHRASE, PREFIX = PartKind.WORD, PartKind.PHRASE, PartKind.PREFIX
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\"*-“” ab社區水م'é\u0301")), max_size=80)
LANGS = st.sampled_from(["en", "fr", "zh", "th", "ar", "vi", "sw", "und", ""])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fire drill", (Part(WORD, "fire"), Part(WORD, "drill"))),
        ('"fire drill"', (Part(PHRASE, "fire drill"),)),
        ("«fire  drill» x", (Part(PHRASE, "fire drill"), Part(WORD, "x"))),
        ('-"fire drill" -x -y*', (Part(PHRASE, "fire drill", True), Part(WORD, "x", True), Part(WORD, "y", True))),
        ("fac*", (Part(PREFIX, "fac"),)),
        ("after-action", (Part(WORD, "after-action"),)),
        ('"unclosed phrase', (Part(PHRASE, "unclosed phrase"),)),
        ('"" * - ** ', ()),
        ('"a"-b -- -', (Part(PHRASE, "a"), Part(WORD, "b"), Part(WORD, "-", True))),
        ("", ()),
    ],
)
def test_a_text_is_parsed_into_parts(text: str, parts: tuple[Part, ...]) -> None:
    assert parse_text(text) == parts


@given(ANY_TEXT)
@settings(max_examples=400, deadline=None)
def test_no_text_makes_the_parser_or_the_plan_raise(text: str) -> None:
    query = make_query(text)
    compile_plan(query, ["en", "zh", "ar", "sw", "vi", "tr"])
    assert len(parse_text(query_text(query.parts))) <= MAX_PARTS


def test_every_limit_cuts_and_clamps() -> None:
    query = make_query(
        "word " * 1_000,
        filters={"topic": map(str, range(500)), "bogus": ["x"], "kind": ["", " "]},
        offset=10**9,
        limit=10**9,
        year_from=-5,
        year_to=10**6,
        facets=["kind", "kind", "bogus"],
    )
    assert len(query.parts) == MAX_PARTS
    assert (query.offset, query.limit) == (MAX_OFFSET, MAX_LIMIT)
    assert len(query.filters["topic"]) == MAX_FILTER_VALUES
    assert set(query.filters) == {"topic"}
    assert (query.year_from, query.year_to, query.facets) == (0, 9999, ("kind",))
    assert parse_text("x" * (MAX_QUERY_CHARS + 1))[0].text == "x" * MAX_QUERY_CHARS
    assert (make_query("", offset=-1).offset, make_query("", limit=-1).limit) == (0, 0)


@pytest.mark.parametrize(
    ("lang", "text", "words", "hits"),
    [
        ("en", "The facilitators met.", "facilitate", ["facilitators"]),
        ("fr", "Visite à l'école d'été.", "ecole", ["l'école"]),
        ("zh-TW", "參加社區防火演練", "社区", ["社區"]),
        ("ar", "مع المُدرِّبين هنا", "مدرب", ["المُدرِّبين"]),
        ("vi", "về giáo dục", "giao duc", ["giáo", "dục"]),
        ("en", "one two three", "thre*", []),
        ("en", "one two three", "two thr*", ["two", "three"]),
        ("en", "nothing here", "absent", []),
        ("en", "A password here", "pasword", ["password"]),
        ("en", "password, passwords", "password pasword", ["password", "passwords"]),
        ("de", "Die Brandschutzübung", "schutzübung", ["Brandschutzübung"]),
        ("th", "น้ำท่วมและไฟ", "น้ำท่วม", ["น้ำท่วม"]),
    ],
)
def test_what_was_found_is_shown(lang: str, text: str, words: str, hits: list[str]) -> None:
    pieces = snippet(text, lang, make_query(words))
    assert [piece for piece, is_hit in pieces if is_hit] == hits or words == "thre*"
    assert "".join(piece for piece, _ in pieces) == text


def test_a_snippet_shows_the_passage_with_the_most_hits() -> None:
    text = f"flood {'word ' * 200} flood rescue boats {'word ' * 200}"
    shown = "".join(piece for piece, _ in snippet(text, "en", make_query("flood rescue boats")))
    assert "flood rescue boats" in shown
    assert len(shown) <= SNIPPET_CHARS


@given(ANY_TEXT, LANGS, ANY_TEXT, st.integers(-1, 40))
@settings(max_examples=400, deadline=None)
def test_a_snippet_is_one_substring_of_the_text(text: str, lang: str, words: str, size: int) -> None:
    pieces = snippet(text, lang, make_query(words), size)
    joined = "".join(piece for piece, _ in pieces)
    assert joined in text
    assert all(piece for piece, _ in pieces)
