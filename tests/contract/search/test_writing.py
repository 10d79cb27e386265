"""Writing: what apply, erase, clear and opening again promise; on every engine, on disk where there is one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from search.document import Viewer
from search.engine import SearchEngine
from search.errors import IndexCorrupt
from search.query import make_query
from search.tantivy_engine import TantivyEngine
from search.tantivy_part import Part
from tests.contract.search.library import ENGINES, EVERYONE, INSIDE, LIBRARY, NOW, ON_DISK, entry, refetching


def keys(engine: SearchEngine, text: str, viewer: Viewer = Viewer.STEWARDS) -> set[str]:
    """The record ids that a query finds."""
    return {key.rsplit("/", 1)[1] for key in engine.search(make_query(text, limit=100), viewer, NOW).keys}


def test_an_entry_is_replaced_by_its_key_and_deleted_by_its_key(engine: SearchEngine) -> None:
    engine.apply([entry("r1", "en", "New title", "nothing about water")], ["did:key:zA/r2"], 9)
    assert keys(engine, "debriefing") == set()
    assert keys(engine, "water") == {"r1"}
    assert keys(engine, '"fire drill"') == set()
    assert engine.position() == 9


def test_a_record_that_narrows_leaves_the_wider_tier(engine: SearchEngine) -> None:
    engine.apply([entry("r1", "en", "Debriefing", "now for members", INSIDE)], (), 9)
    assert keys(engine, "debriefing", Viewer.PUBLIC) == set()
    assert keys(engine, "debriefing", Viewer.MEMBERS) == {"r1"}


def test_applying_the_same_changes_twice_changes_nothing(engine: SearchEngine) -> None:
    before = engine.search(make_query(""), Viewer.STEWARDS, NOW)
    engine.apply(LIBRARY, (), 7)
    assert engine.search(make_query(""), Viewer.STEWARDS, NOW) == before


def test_an_empty_apply_moves_the_position_only(engine: SearchEngine) -> None:
    engine.apply((), (), 8)
    assert (engine.position(), engine.count(Viewer.PUBLIC, NOW)) == (8, 20)


def test_clear_leaves_an_empty_index_that_can_be_fed_again(engine: SearchEngine) -> None:
    engine.clear()
    assert (engine.position(), engine.count(Viewer.STEWARDS, NOW), keys(engine, "")) == (0, 0, set())
    engine.apply(LIBRARY, (), 3)
    assert keys(engine, "debriefing") == {"r1"}


def test_erase_forgets_a_record_and_keeps_its_neighbours(engine: SearchEngine) -> None:
    rest = [item for item in LIBRARY if not item.key.endswith(("/r1", "/d1"))]
    engine.apply((), ["did:key:zA/r1"], 8)
    engine.erase(["did:key:zA/r1", "did:key:zA/d1"], refetching(rest))
    for viewer in Viewer:
        assert engine.count(viewer, NOW) == sum(item.visible(viewer, NOW) for item in rest)
    assert keys(engine, "debriefing") == set()
    assert engine.position() == 8


def test_erase_indexes_anew_what_the_database_still_holds_of_the_record(engine: SearchEngine) -> None:
    narrowed = [entry("r1", "en", "Debriefing", "only this is left", EVERYONE)]
    engine.erase(["did:key:zA/r1"], refetching([*narrowed, *LIBRARY[1:]]))
    assert keys(engine, "facilitators") == set()
    assert keys(engine, "left") == {"r1"}
    assert engine.count(Viewer.STEWARDS, NOW) == sum(item.visible(Viewer.STEWARDS, NOW) for item in LIBRARY)


def test_tidy_changes_nothing_that_can_be_found(engine: SearchEngine) -> None:
    gone = [item.key for item in LIBRARY[:3]]
    engine.apply((), gone, 8)
    before = engine.search(make_query(""), Viewer.STEWARDS, NOW)
    engine.tidy(refetching([item for item in LIBRARY if item.key not in gone]))
    assert engine.search(make_query(""), Viewer.STEWARDS, NOW) == before


def test_what_is_applied_with_more_to_follow_is_whole_after_the_last_apply(empty: SearchEngine) -> None:
    """Among what waits: a record that changes, one that narrows to another tier, one that goes."""
    empty.apply([entry("r1", "en", "Old", "outdated words"), *LIBRARY[1:6]], (), 1, more=True)
    empty.apply([entry("m9", "en", "Open", "for everyone"), entry("x9", "en", "Short", "lived")], (), 2, more=True)
    empty.apply([LIBRARY[0], entry("m9", "en", "Closed", "for members", INSIDE)], ["did:key:zA/x9"], 3, more=True)
    empty.apply(LIBRARY[6:], (), 4)
    assert empty.position() == 4
    assert (keys(empty, "outdated"), keys(empty, "lived"), keys(empty, "everyone")) == (set(), set(), set())
    assert (keys(empty, "closed"), keys(empty, "closed", Viewer.PUBLIC)) == ({"m9"}, set())
    for viewer in (Viewer.PUBLIC, Viewer.STEWARDS):
        expected = sum(item.visible(viewer, NOW) for item in LIBRARY)
        assert empty.count(viewer, NOW) == expected + (viewer is Viewer.STEWARDS)


def test_what_waits_for_more_is_unseen_and_fed_again_after_a_crash(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path)
    engine.apply(LIBRARY[:2], (), 2)
    engine.apply(LIBRARY[2:], (), 9, more=True)
    assert (engine.position(), engine.count(Viewer.STEWARDS, NOW)) == (2, 2)
    engine.close()
    again = TantivyEngine(tmp_path)
    assert (again.position(), again.count(Viewer.STEWARDS, NOW)) == (2, 2)
    again.apply(LIBRARY[2:], (), 9)
    assert again.count(Viewer.STEWARDS, NOW) == sum(item.visible(Viewer.STEWARDS, NOW) for item in LIBRARY)
    again.close()


def test_an_apply_that_fails_drops_what_waited_and_keeps_the_position(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path)
    engine.apply(LIBRARY[:3], (), 3, more=True)
    broken = entry("b1", "en", "Broken", "x", updated=2**80)  # no engine can hold this number
    with pytest.raises((ValueError, OverflowError, IndexCorrupt)):
        engine.apply([broken], (), 4)
    assert (engine.position(), engine.count(Viewer.STEWARDS, NOW)) == (0, 0)
    engine.apply(LIBRARY, (), 5)
    assert (engine.position(), keys(engine, "debriefing")) == (5, {"r1"})
    engine.close()


def test_what_is_erased_while_it_waits_leaves_no_trace(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path)
    engine.apply([*LIBRARY, entry("x1", "en", SECRET, SECRET)], (), 5, more=True)
    engine.erase(["did:key:zA/x1"], refetching(LIBRARY))
    assert traces("tantivy", tmp_path) == set()
    assert (engine.position(), keys(engine, "debriefing")) == (5, {"r1"})
    engine.close()


@pytest.mark.parametrize("name", ON_DISK)
def test_an_index_is_the_same_after_closing_and_opening(name: str, tmp_path: Path) -> None:
    first = ENGINES[name](tmp_path)
    first.apply(LIBRARY, (), 42)
    before = first.search(make_query("volunteers"), Viewer.STEWARDS, NOW)
    first.close()
    again = ENGINES[name](tmp_path)
    assert again.position() == 42
    assert again.search(make_query("volunteers"), Viewer.STEWARDS, NOW) == before
    again.close()


SECRET = "zyzzyvagrov"  # in the title, the text and the gist of one record; its own stem


def bytes_of(folder: Path) -> bytes:
    """Everything in the folder, names included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.name.encode() + path.read_bytes() for path in files)


def dictionary_of(folder: Path) -> set[str]:
    """Every term of every segment in a Tantivy folder, those of deleted documents too: its files spell no word out."""
    parts = [Part(Viewer.PUBLIC, path) for path in (folder / "parts").iterdir()]
    fields = ("title", "body", "side", "words", "key", "topic")
    return {term for part in parts for field in fields for term, _ in part.opened.searcher.terms_with_prefix(field, "")}


def traces(name: str, folder: Path) -> set[str]:
    """Which words of the secret record can be read from the folder."""
    secrets = {SECRET, "unverwechselbar"}
    if name == "tantivy":
        return secrets & {term.split("|")[0] for term in dictionary_of(folder)}
    return {word for word in secrets if word.encode() in bytes_of(folder)}


@pytest.mark.parametrize("name", ON_DISK)
@pytest.mark.parametrize("already_deleted", [False, True], ids=["alive", "deleted before"])
def test_no_byte_of_an_erased_record_is_left_in_the_folder(name: str, already_deleted: bool, tmp_path: Path) -> None:
    engine = ENGINES[name](tmp_path)
    text = f"{SECRET} {SECRET} and {SECRET}s met Ünverwechselbar"
    secret = entry("x1", "en", f"{SECRET} gathering", text)
    late = entry("late", "en", "A later record", "of another page")
    engine.apply([*LIBRARY[:3], secret, *LIBRARY[3:]], (), 1)
    if already_deleted:
        engine.apply([late], ["did:key:zA/x1"], 2)
    engine.search(make_query(SECRET), Viewer.PUBLIC, NOW)
    assert traces(name, tmp_path) == {SECRET, "unverwechselbar"}  # the test would not see it otherwise
    engine.erase(["did:key:zA/x1"], refetching([*LIBRARY, late]))
    assert traces(name, tmp_path) == set()
    assert SECRET.encode() not in bytes_of(tmp_path)
    assert keys(engine, "volunteers") >= {"r1", "r2", "m1", "s1"}
    engine.close()


def test_erasing_removes_the_whole_part_that_held_the_record_and_touches_no_other(tmp_path: Path) -> None:
    """Tantivy compresses what it stores: that nothing is left shows in the absence of every file that held it."""
    engine = TantivyEngine(tmp_path, part_entries=4)
    engine.apply(LIBRARY, (), 1)
    folders = list((tmp_path / "parts").iterdir())
    key = "did:key:zA/r1"
    holders = {folder.name for folder in folders if Part(Viewer.PUBLIC, folder).may_hold(key)}
    old_files = {path.name for folder in folders if folder.name in holders for path in folder.glob("*.*")}
    engine.erase([key], refetching(item for item in LIBRARY if item.key != key))
    left = {folder.name for folder in (tmp_path / "parts").iterdir()}
    segment_files = {
        name for name in old_files if name.endswith((".term", ".idx", ".pos", ".store", ".fast", ".fieldnorm"))
    }
    assert len(holders) == 1
    assert len(segment_files) >= 6
    assert left.isdisjoint(holders)
    assert {folder.name for folder in folders} - holders <= left
    assert not segment_files & {path.name for path in tmp_path.rglob("*")}
    engine.close()


def test_a_crash_before_the_manifest_leaves_the_old_state_and_no_orphan(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path, part_entries=4)
    engine.apply(LIBRARY[:4], (), 1)

    def failing(_: object) -> list[object]:
        raise ConnectionError("database gone")

    with pytest.raises(ConnectionError):
        engine.erase([LIBRARY[0].key], failing)  # type: ignore[arg-type]
    assert keys(engine, "debriefing") == {"r1"}
    engine.close()
    again = TantivyEngine(tmp_path, part_entries=4)
    assert keys(again, "debriefing") == {"r1"}
    assert len(list((tmp_path / "parts").iterdir())) == 1
    again.close()


@pytest.mark.parametrize("name", ON_DISK)
def test_a_damaged_index_says_so_when_opened_and_can_be_fed_again(name: str, tmp_path: Path) -> None:
    engine = ENGINES[name](tmp_path)
    engine.apply(LIBRARY, (), 5)
    engine.close()
    damaged = 0
    for path in list(tmp_path.rglob("*")):
        if not path.is_file() or path.suffix in (".lock", ".keys") or path.name.endswith("WRITELOCK"):
            continue
        whole = path.read_bytes()
        if not whole or path.name in (".managed.json",):
            continue
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(IndexCorrupt):
            keys(ENGINES[name](tmp_path), "volunteers")
        path.write_bytes(whole)
        damaged += 1
    assert damaged > 3
    assert ENGINES[name](tmp_path).position() == 5


def test_searches_run_beside_a_writer_and_see_whole_states(tmp_path: Path) -> None:
    engine = TantivyEngine(tmp_path, part_entries=8)
    pairs = [
        [entry(f"p{i}", "en", "Pair", "alpha", updated=i), entry(f"q{i}", "en", "Pair", "beta")] for i in range(12)
    ]
    odd: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            total = engine.search(make_query("pair"), Viewer.PUBLIC, NOW).total
            if total % 2:
                odd.append(total)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i, pair in enumerate(pairs):
        engine.apply(pair, (), i)
    done.set()
    for thread in threads:
        thread.join()
    assert odd == []
    assert engine.search(make_query("pair"), Viewer.PUBLIC, NOW).total == 24
    engine.close()
