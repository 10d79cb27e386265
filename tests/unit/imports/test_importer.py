"""Importing into a node: what changes, what does not, and that nothing becomes wider than it was left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from governance.gate import NoPolicy
from governance.record import Draft
from governance.terms import Terms
from node import importer as limits
from node.clock import SystemClock, SystemEntropy
from node.core import Core
from node.errors import BadInput, NotAllowed
from node.importer import Importer
from node.imports import ImportItem, LinkRef, Outcome
from node.keyring import Profile, create_keys, first_document
from node.library import Library
from node.peerbook import write_history
from node.principal import ANYBODY, LOCAL, Principal
from node.reading import Readings
from node.store.memory import MemoryStore
from node.store.rows import DraftRow, GrantRow, OriginRow
from node.views import ImportLine, ImportView, WithdrawalView
from tests.unit.imports.reading import corpus_document, library_record, outcomes, write

NODE_ONLY: dict[str, object] = {"aud": ["node"], "pur": ["learning"]}
NETWORK: dict[str, object] = {"aud": ["network"], "pur": ["learning"]}


async def _nobody_was_told(who: Principal, *, rid: str | None = None) -> list[WithdrawalView]:
    """How far a withdrawal has come on a node without peers."""
    return [WithdrawalView(rid=rid or "", origin="", reason="consent", at=0, confirmed=0, waiting=0, overdue=0)]


class Desk:
    """An importer over a store in memory, and short ways to look at what it did."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.library = Library(core, Readings(core), _nobody_was_told)
        self.importer = Importer(core, self.library)

    async def run(self, items: Sequence[Outcome], source: str = "s", publish: bool = True) -> list[ImportView]:
        async def stream() -> AsyncIterator[Outcome]:
            for item in items:
                yield item

        return [view async for view in self.importer.run(LOCAL, stream(), source=source, publish=publish)]

    async def counts(self, items: Sequence[Outcome], source: str = "s") -> tuple[int, int, int, int]:
        last = (await self.run(items, source))[-1]
        assert last.done
        return last.added, last.changed, last.unchanged, last.refused

    async def row(self, source_id: str, source: str = "s") -> DraftRow:
        async with self.core.store.read() as tx:
            return (await tx.get_many(DraftRow, [(source, source_id)], by=("source", "source_id")))[0]

    async def draft(self, source_id: str) -> Draft:
        return Draft.model_validate_json((await self.row(source_id)).body)

    async def grants(self) -> list[GrantRow]:
        async with self.core.store.read() as tx:
            return await tx.find(GrantRow)


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    clock = SystemClock()
    keys = create_keys(tmp_path / "keys", SystemEntropy())
    core = Core(MemoryStore(), clock, SystemEntropy(), keys, "Here", NoPolicy())
    history = first_document(keys, Profile("Here", (), ("en",), "", ()), clock.now())
    async with core.store.write() as tx:
        await tx.put(OriginRow(keys.node_id, write_history(history), "Here"))
    return Desk(core)


def item(
    source_id: str, *, to: str | None = None, title: str = "T", terms: dict[str, object] | None = None
) -> ImportItem:
    links = (LinkRef.model_validate({"rel": "related", "to": to}),) if to else ()
    draft = Draft(kind="guide", lang="en", fields={"title": title, "body": "b"}, terms=terms or NETWORK)
    return ImportItem(line=1, source_id=source_id, draft=draft, links=links)


async def test_the_same_import_again_changes_nothing(desk: Desk) -> None:
    items = [item("a"), item("b", to="a")]
    assert await desk.counts(items) == (2, 0, 0, 0)
    assert await desk.counts(items) == (0, 0, 2, 0)


async def test_only_what_changed_changes(desk: Desk) -> None:
    await desk.run([item("a"), item("b")])
    rid = (await desk.row("a")).rid
    assert await desk.counts([item("a", title="New"), item("b")]) == (0, 1, 1, 0)
    assert (await desk.row("a")).rid == rid


async def test_two_sources_may_use_the_same_ids(desk: Desk) -> None:
    await desk.run([item("a")], source="one")
    assert await desk.counts([item("a")], source="two") == (1, 0, 0, 0)


async def test_problems_of_the_reader_are_counted_and_told_once(desk: Desk) -> None:
    bad = ImportLine(line=2, source_id="", problem="is not JSON")
    views = await desk.run([item("a"), bad, item("c")])
    assert [p for view in views for p in view.problems] == [bad]
    assert (views[-1].read, views[-1].added, views[-1].refused) == (3, 2, 1)


async def test_references_find_their_record_before_and_after_them(desk: Desk) -> None:
    assert await desk.counts([item("a", to="b"), item("b", to="a"), item("c", to="c")]) == (3, 0, 0, 0)
    rid = {name: (await desk.row(name)).rid for name in "abc"}
    for name, other in (("a", "b"), ("b", "a"), ("c", "c")):
        links = (await desk.draft(name)).fields["links"]
        assert links == [{"rel": "related", "to": {"rid": rid[other], "origin": desk.core.node_id}}]


async def test_a_reference_to_nothing_is_left_out_and_told(desk: Desk) -> None:
    views = await desk.run([item("a", to="elsewhere")])
    assert (views[-1].added, views[-1].refused) == (1, 0)
    assert "elsewhere" in views[-1].problems[0].problem
    assert "links" not in (await desk.draft("a")).fields


async def test_a_reference_that_can_be_resolved_later_is_put_in_then(desk: Desk) -> None:
    await desk.run([item("a", to="b")])
    assert await desk.counts([item("a", to="b"), item("b")]) == (1, 1, 0, 0)
    assert "links" in (await desk.draft("a")).fields


async def test_items_that_wait_too_long_go_without_their_reference(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_HELD_BYTES", 1)
    monkeypatch.setattr(limits, "BATCH_ITEMS", 1)
    views = await desk.run([item("a", to="b"), item("b")])
    assert views[-1].added == 2
    assert any("taken without the reference" in p.problem for v in views for p in v.problems)


async def test_an_import_that_broke_off_goes_on_when_begun_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_ITEMS", 2)
    items = [item(str(n)) for n in range(6)]

    async def breaking() -> AsyncIterator[Outcome]:
        for one in items[:5]:
            yield one
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async for _ in desk.importer.run(LOCAL, breaking(), source="s"):
            pass
    assert await desk.counts(items) == (2, 0, 4, 0)


async def test_an_import_never_widens_what_was_narrowed_here(desk: Desk) -> None:
    await desk.run([item("a")])
    rid = (await desk.row("a")).rid
    await desk.library.narrow(LOCAL, rid, Terms.from_json(NODE_ONLY), ["body"])
    await desk.run([item("a", title="New")])
    draft = await desk.draft("a")
    assert draft.fields["title"] == "New"
    assert draft.editor_terms("body") == Terms.from_json(NODE_ONLY)
    assert draft.editor_terms("title") == Terms.from_json(NETWORK)


async def test_an_import_narrows(desk: Desk) -> None:
    await desk.run([item("a")])
    await desk.run([item("a", terms=NODE_ONLY)])
    assert (await desk.draft("a")).editor_terms("body") == Terms.from_json(NODE_ONLY)


async def test_a_withdrawn_record_does_not_come_back(desk: Desk) -> None:
    await desk.run([item("a")])
    await desk.library.withdraw(LOCAL, (await desk.row("a")).rid, "consent")
    await desk.run([item("a", title="Again")])
    assert await desk.counts([item("a", title="And again")]) == (0, 0, 1, 0)


async def test_permissions_come_with_the_record_once_and_stay_withdrawn(desk: Desk, tmp_path: Path) -> None:
    first, _ = outcomes(write(tmp_path / "a.jsonl", library_record(links=[])))
    second, _ = outcomes(write(tmp_path / "b.jsonl", library_record(links=[], title="Otro")))
    await desk.run(first)
    (grant,) = await desk.grants()
    assert (grant.subject, grant.given_at) == ("w-1", 1_715_385_600)
    async with desk.core.store.write() as tx:
        await tx.put(type(grant)(**{n: getattr(grant, n) for n in grant.columns()} | {"withdrawn_at": 1_800_000_000}))
    assert await desk.counts(second) == (0, 1, 0, 0)
    assert [g.withdrawn_at for g in await desk.grants()] == [1_800_000_000]


async def test_a_toolkits_components_stand_for_their_records(desk: Desk, tmp_path: Path) -> None:
    sections = {"components": [{"title": "First", "record": "bridge"}, {"title": "A film"}]}
    kit = library_record(source_id="kit", kind="toolkit", sections=sections, links=[])
    items, _ = outcomes(write(tmp_path / "a.jsonl", kit, library_record(links=[])))
    await desk.run(items)
    first, second = (await desk.draft("kit")).fields["components"]
    assert first["record"] == {"rid": (await desk.row("bridge")).rid, "origin": desk.core.node_id}
    assert "record" not in second


async def test_drafts_are_written_and_not_published(desk: Desk, tmp_path: Path) -> None:
    items, _ = outcomes(write(tmp_path / "a.jsonl", corpus_document()))
    await desk.run(items, publish=False)
    assert not (await desk.row(items[0].source_id)).published


@pytest.mark.parametrize("source", ["", "here", "x" * 101, "a\nb"])
async def test_a_source_needs_a_name_of_its_own(desk: Desk, source: str) -> None:
    with pytest.raises(BadInput):
        await desk.run([item("a")], source=source)


async def test_the_public_may_not_import(desk: Desk) -> None:
    async def nothing() -> AsyncIterator[Outcome]:
        return
        yield

    with pytest.raises(NotAllowed):
        await anext(desk.importer.run(ANYBODY, nothing(), source="s"))
