"""What every engine finds: the same hits, totals and facets for the same queries."""

from __future__ import annotations

from collections import Counter

import pytest

from search.document import FACETS, Entry, Viewer
from search.engine import SearchEngine
from search.memory_engine import fits
from search.query import Sort, make_query
from tests.contract.search.library import LIBRARY, NOW, entry

EVERY_HIT = 100


def found(engine: SearchEngine, text: str, viewer: Viewer = Viewer.PUBLIC) -> set[str]:
    """The record ids that a query finds."""
    results = engine.search(make_query(text, limit=EVERY_HIT), viewer, NOW)
    assert results.total == len(results.keys)
    return {key.rsplit("/", 1)[1] for key in results.keys}


HITS = [
    # stemming, accents, case
    ("facilitator", {"r1"}),
    ("FACILITATE", {"r1"}),
    ("exit", {"r2"}),
    ("educacion", {"r3"}),
    ("EDUCACIÓN", {"r3"}),
    ("incendio", {"r3"}),
    ("ecole", {"r4"}),
    ("l'école", {"r4"}),
    ("évacuations", {"r4", "r18"}),
    ("eleve", {"r4"}),
    ("Feuerlöscher", {"r5"}),
    ("feuerloscher", {"r5"}),
    ("freiwillige", {"r5"}),
    ("пожарная", {"r15"}),
    ("доброволец", {"r15"}),
    ("istanbul", {"r16"}),
    ("İstanbul", {"r16"}),
    ("IŞIKLI", {"r16"}),
    ("isikli", {"r16"}),
    ("egitim", {"r16"}),
    ("belajar", {"r17"}),
    ("inundacao", {"r18"}),
    # Arabic, Hindi
    ("مدرب", {"r6"}),
    ("تدريب", {"r6"}),
    ("والمُتطوّعون", {"r6"}),
    ("قرية", {"r6"}),
    ("सड़क", {"r7"}),
    ("सडक", {"r7"}),
    ("स्वयंसेवक", {"r7"}),
    # scripts without spaces; traditional and simplified find each other
    ("社区", {"r8", "r9"}),
    ("社區", {"r8", "r9"}),
    ("志愿者", {"r9"}),
    ("训练手册", {"r8"}),
    ("复盘", {"r9"}),
    ("避難訓練", {"r10"}),
    ("学校", {"r10"}),
    ("교육", {"r11"}),
    ("대피", {"r11"}),
    ("น้ำท่วม", {"r12"}),
    ("บทเรียน", {"r12"}),
    ("灾", {"r9"}),
    # languages without a stemmer; Vietnamese with and without tones
    ("jifunza", {"r13"}),
    ("mafuriko", {"r13"}),
    ("giáo dục", {"r14"}),
    ("giao duc", {"r14"}),
    # several words, phrases, prefixes, exclusions
    ("fire checklist", {"r2"}),
    ('"count the people"', {"r2"}),
    ('"people the count"', set()),
    ('"prévention de incendies"', set()),
    ('"prevención de incendios"', {"r3"}),
    ('"訓練手冊"', {"r8"}),
    ("\"l'exercice d'évacuation\"", {"r4"}),
    ("facil*", {"r1"}),
    ("brandschutz*", {"r5"}),
    ("мо*", set()),
    ("доброволь*", {"r15"}),
    ("volunteers -flood", {"r2", "d1", "e1"}),
    ('volunteers -"call the volunteers" -story', {"r1", "e1"}),
    ("volunteers -count*", {"r1", "d1", "e1"}),
    # typos and parts of compounds, when nothing else is found
    ("debreifing", {"r1"}),
    ("facilitatrs", {"r1"}),
    ("schutzübungen", {"r5"}),
    ("水社", {"r9"}),
    ("防社", {"r8"}),  # no such word, but a record with both characters
]


@pytest.mark.parametrize(("text", "rids"), HITS, ids=[text for text, _ in HITS])
def test_a_query_finds_exactly_these_records(engine: SearchEngine, text: str, rids: set[str]) -> None:
    assert found(engine, text) == rids


def test_all_words_come_before_some_words(empty: SearchEngine) -> None:
    empty.apply([entry("both", "en", "x", "apples and pears"), entry("one", "en", "x", "apples apples apples")], (), 1)
    assert found(empty, "apple pear") == {"both"}
    assert found(empty, "apple zzzzzzz") == {"both", "one"}  # nothing has both, so any will do


def test_a_word_in_the_title_ranks_first(empty: SearchEngine) -> None:
    texts = [entry(f"t{i}", "en", "Other", "harvest of some kind and other words here") for i in range(9)]
    empty.apply([*texts, entry("best", "en", "Harvest", "of some kind and other words here")], (), 1)
    assert empty.search(make_query("harvest"), Viewer.PUBLIC, NOW).keys[0].endswith("/best")


def test_a_new_record_alone_in_its_part_ranks_by_its_words_and_not_by_its_part(empty: SearchEngine) -> None:
    empty.apply([entry(f"o{i:02}", "en", "Other", f"harvest notes number{i} about soil") for i in range(12)], (), 1)
    empty.apply([entry("new", "en", "Harvest", "harvest harvest of soil")], (), 2)
    assert empty.search(make_query("harvest soil"), Viewer.PUBLIC, NOW).keys[0].endswith("/new")


def test_an_empty_query_browses_newest_first(engine: SearchEngine) -> None:
    results = engine.search(make_query("", limit=3), Viewer.PUBLIC, NOW)
    assert [key.rsplit("/", 1)[1] for key in results.keys] == ["e1", "d1", "r18"]
    assert results.total == 20


def test_newest_first_is_kept_across_pages(engine: SearchEngine) -> None:
    def page(offset: int) -> tuple[str, ...]:
        query = make_query("", sort=Sort.NEWEST, offset=offset, limit=6)
        return engine.search(query, Viewer.STEWARDS, NOW).keys

    updated = {entry.key: entry.updated for entry in LIBRARY}
    read = [key for offset in (0, 6, 12, 18, 24) for key in page(offset)]
    assert len(read) == len(set(read)) == 22
    assert [updated[key] for key in read] == sorted((updated[key] for key in read), reverse=True)


def test_the_readers_languages_come_first_if_asked(engine: SearchEngine) -> None:
    query = make_query("", sort=Sort.RELEVANCE, languages=["fr"], languages_first=True)
    plain = make_query("evacuation", languages=["pt"], languages_first=True)
    assert engine.search(plain, Viewer.PUBLIC, NOW).keys[0].endswith("/r18")
    assert (
        engine.search(make_query("evacuation", languages=["fr"], languages_first=True), Viewer.PUBLIC, NOW)
        .keys[0]
        .endswith("/r4")
    )
    assert engine.search(query, Viewer.PUBLIC, NOW).total == 20


FILTERS: list[dict[str, list[str]]] = [
    {"kind": ["checklist"]},
    {"topic": ["fire"]},
    {"topic": ["fire", "flood"]},
    {"topic": ["fire"], "region": ["asia"]},
    {"language": ["zh"]},
    {"language": ["pt-PT"]},
    {"origin": ["did:key:zB"]},
    {"licence": ["CC0-1.0"]},
    {"purpose": ["research"]},
    {"year": ["2021"]},
    {"kind": ["nothing"]},
]


@pytest.mark.parametrize("viewer", list(Viewer))
@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_filters_totals_and_facets_equal_brute_force(
    engine: SearchEngine, viewer: Viewer, chosen: dict[str, list[str]]
) -> None:
    query = make_query("", filters=chosen, limit=EVERY_HIT)
    expected = [entry for entry in LIBRARY if entry.visible(viewer, NOW) and fits(entry, query)]
    results = engine.search(query, viewer, NOW)
    assert_equals(results.total, results.keys, results.facets, expected)


def assert_equals(total: int, keys: tuple[str, ...], facets: object, expected: list[Entry]) -> None:
    """Hits, total and every facet are those of the expected entries."""
    assert total == len(expected)
    assert sorted(keys) == sorted(entry.key for entry in expected)
    counts = {f: Counter(value for entry in expected for value in entry.facet_values(f)) for f in FACETS}
    assert {f: dict(values) for f, values in dict(facets).items()} == counts  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("first", "last", "rids"), [(2021, None, {"r1", "r4"}), (None, 2019, {"r2", "r5"}), (2020, 2021, {"r1", "r3"})]
)
def test_a_range_of_years_leaves_out_records_without_one(
    engine: SearchEngine, first: int | None, last: int | None, rids: set[str]
) -> None:
    results = engine.search(make_query("", year_from=first, year_to=last), Viewer.PUBLIC, NOW)
    assert {key.rsplit("/", 1)[1] for key in results.keys} == rids


def test_only_asked_facets_are_counted(engine: SearchEngine) -> None:
    assert set(engine.search(make_query("fire", facets=["kind"]), Viewer.PUBLIC, NOW).facets) == {"kind"}


def test_a_mistyped_word_gets_a_correction_as_it_is_written(engine: SearchEngine) -> None:
    assert engine.search(make_query("debreifing flood"), Viewer.PUBLIC, NOW).did_you_mean == "debriefing flood"
    assert engine.search(make_query("educasion"), Viewer.PUBLIC, NOW).did_you_mean == "educación"
    assert engine.search(make_query("debriefing"), Viewer.PUBLIC, NOW).did_you_mean is None


def test_a_word_found_only_by_its_likeness_is_corrected_and_a_form_of_a_word_is_not(empty: SearchEngine) -> None:
    texts = [entry(f"p{i}", "en", "Password", "passwords and safe passphrases") for i in range(4)]
    german = [entry(f"g{i}", "de", "Passwortliste", "Passwortlisten") for i in range(4)]
    empty.apply([*texts, *german], (), 1)
    results = empty.search(make_query("paswortlist"), Viewer.PUBLIC, NOW)
    assert results.did_you_mean == "passwortliste"
    assert empty.search(make_query("passphrase"), Viewer.PUBLIC, NOW).did_you_mean is None


def test_suggestions_complete_a_word_as_it_is_written(engine: SearchEngine) -> None:
    assert engine.suggest("educa", Viewer.PUBLIC, NOW) == ("educación",)
    assert engine.suggest("VOLUN", Viewer.PUBLIC, NOW)[0] == "volunteers"
    assert engine.suggest("v", Viewer.PUBLIC, NOW) == ()
    assert engine.suggest("", Viewer.PUBLIC, NOW) == ()


def test_more_like_this_finds_what_shares_words_and_not_itself(empty: SearchEngine) -> None:
    empty.apply(
        [
            entry("a", "en", "Flood debrief", "river rescue boats volunteers shelter", topics=("flood",)),
            entry("b", "en", "Flood review", "river rescue boats shelter families", topics=("flood",)),
            entry("c", "en", "Cooking", "bread oven flour yeast", topics=("food",)),
        ],
        (),
        1,
    )
    assert [key.rsplit("/", 1)[1] for key in empty.more_like("did:key:zA/a", Viewer.PUBLIC, NOW)] == ["b"]
    assert empty.more_like("did:key:zA/none", Viewer.PUBLIC, NOW) == ()
