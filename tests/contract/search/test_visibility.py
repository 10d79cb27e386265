"""Viewers: nobody finds, counts, completes or infers what is not for them; on every engine."""

from __future__ import annotations

import pytest

from search.document import Viewer
from search.engine import SearchEngine
from search.query import make_query
from tests.contract.search.library import INSIDE, LIBRARY, NOW, STEWARDS, entry

SECRETS = [
    ("kestrel", {Viewer.MEMBERS, Viewer.STEWARDS}),
    ("quillfeather", {Viewer.STEWARDS}),
    ("marigold", {Viewer.MEMBERS, Viewer.STEWARDS}),
]


@pytest.mark.parametrize("viewer", list(Viewer))
@pytest.mark.parametrize(("word", "allowed"), SECRETS)
def test_a_word_is_found_suggested_and_corrected_only_for_those_who_may_read_it(
    engine: SearchEngine, viewer: Viewer, word: str, allowed: set[Viewer]
) -> None:
    may = viewer in allowed
    mistyped = word[:-2] + word[-1]
    for text in (word, word[:5] + "*", f'"{word}"'):
        assert engine.search(make_query(text), viewer, NOW).total == int(may)
    assert engine.suggest(word[:4], viewer, NOW) == ((word,) if may else ())
    corrected = engine.search(make_query(mistyped), viewer, NOW)
    assert (corrected.total, corrected.did_you_mean) == ((1, word) if may else (0, None))


def test_each_viewer_sees_one_projection_of_a_record(engine: SearchEngine) -> None:
    for viewer in Viewer:
        results = engine.search(make_query("night shelter"), viewer, NOW)
        assert results.keys == ("did:key:zA/d1",)
        topics = dict(results.facets["topic"])
        assert ("harbour" in topics) == (viewer is not Viewer.PUBLIC)


def test_counts_are_of_what_the_viewer_sees(engine: SearchEngine) -> None:
    for viewer in Viewer:
        assert engine.count(viewer, NOW) == sum(item.visible(viewer, NOW) for item in LIBRARY)


@pytest.mark.parametrize("second", [NOW, NOW + 99, NOW + 100, NOW + 101])
def test_an_entry_is_gone_from_the_second_it_ends(engine: SearchEngine, second: int) -> None:
    there = second < NOW + 100
    results = engine.search(make_query("ospreyword"), Viewer.PUBLIC, second)
    assert results.total == int(there)
    assert engine.suggest("ospre", Viewer.PUBLIC, second) == (("ospreyword",) if there else ())
    assert engine.count(Viewer.PUBLIC, second) == 19 + int(there)
    facets = engine.search(make_query(""), Viewer.PUBLIC, second).facets
    assert ("ending" in dict(facets["topic"])) == there
    engine.apply([entry("twin", "en", "Ending soon", "The volunteers agreed to share until spring.")], (), 8)
    assert ("did:key:zA/twin" in engine.more_like("did:key:zA/e1", Viewer.PUBLIC, second)) == there
    assert ("did:key:zA/e1" in engine.more_like("did:key:zA/twin", Viewer.PUBLIC, second)) == there


def test_restricted_records_do_not_move_a_public_search(empty: SearchEngine) -> None:
    """The measured attack: restricted documents change term statistics, and with them a public order or score."""
    public = [
        entry("a", "en", "Harbour", "rareword once among other things"),
        entry("b", "en", "Harbour", "common common words and more of the common"),
        entry("c", "en", "Harbour", "rareword common"),
        entry("d", "sw", "Bandari", "maneno mengine ya bandari"),
    ]
    queries = ["rareword common", "harbour rareword", "common", "rarewrd", "bandari", "harbo*", "maneno", ""]
    empty.apply(public, (), 1)
    before = [empty.search(make_query(text), Viewer.PUBLIC, NOW) for text in queries]
    words = [empty.suggest(text, Viewer.PUBLIC, NOW) for text in ("ra", "co", "har")]
    likes = [empty.more_like(item.key, Viewer.PUBLIC, NOW) for item in public]

    hidden = [
        entry(f"h{i}", "ru", "Rareword", "rareword common rarewrd harbourful редкое", STEWARDS) for i in range(30)
    ]
    hidden += [entry(f"i{i}", "de", "Rareword", "rareword seltenes common", INSIDE) for i in range(30)]
    empty.apply(hidden, (), 2)

    assert [empty.search(make_query(text), Viewer.PUBLIC, NOW) for text in queries] == before
    assert [empty.suggest(text, Viewer.PUBLIC, NOW) for text in ("ra", "co", "har")] == words
    assert [empty.more_like(item.key, Viewer.PUBLIC, NOW) for item in public] == likes


def test_more_like_a_record_that_the_viewer_does_not_see_is_empty(engine: SearchEngine) -> None:
    assert engine.more_like("did:key:zA/s1", Viewer.MEMBERS, NOW) == ()
    assert "did:key:zA/s1" not in engine.more_like("did:key:zA/m1", Viewer.MEMBERS, NOW)
