"""Import: items of a source become own records, batch by batch, and the same source again changes only what changed.

An item is known by (source, source id), its state by a hash of its content; so an import that broke off is begun
again and goes on where it was. It never widens: what was narrowed or taken back here stays so.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from governance.consent import Grant
from governance.record import MAX_TAGS, Draft
from governance.terms import Terms, meet
from node.core import Core
from node.errors import BadInput
from node.imports.item import ImportItem, Outcome, Unreadable, check_item, content_hash
from node.library import Library, NewRecord
from node.principal import Principal
from node.store.rows import DraftRow, GrantRow
from node.views import ImportLine, ImportView

BATCH_ITEMS: Final = 200  # a transaction of some 100 ms: readers never wait, and little is repeated after a crash
MAX_HELD_BYTES: Final = 64 * 1024 * 1024  # of items that wait for one they refer to; then they go without that link
MAX_SOURCE_CHARS: Final = 100  # a name for people, kept with every record
_RESERVED_SOURCES: Final = ("", "here")  # what records written here carry


@dataclass
class _Run:
    """One import so far. `rids` has every source id seen or found here; `held` waits for others to come."""

    source: str
    read: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("added", "changed", "unchanged"), 0))
    refused: int = 0
    problems: list[ImportLine] = field(default_factory=list)
    rids: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    held: dict[str, ImportItem] = field(default_factory=dict)
    held_bytes: int = 0

    def report(self, line: int, source_id: str, problem: str, *, refused: bool = True) -> None:
        self.problems.append(ImportLine(line=line, source_id=source_id, problem=problem))
        self.refused += refused

    def view(self, *, done: bool = False) -> ImportView:
        """The counts so far and the problems since the view before."""
        problems, self.problems = self.problems, []
        return ImportView(read=self.read, refused=self.refused, problems=problems, done=done, **self.counts)


class Importer:
    """The use case behind `import`."""

    def __init__(self, core: Core, library: Library) -> None:
        self._core = core
        self._library = library

    async def run(
        self, who: Principal, items: AsyncIterable[Outcome], *, source: str, publish: bool = True
    ) -> AsyncIterator[ImportView]:
        """Take everything that can be taken; a view after each batch, the last one `done`.

        Counts add up over the views, `problems` are those since the view before.
        """
        who.need("write")
        if source in _RESERVED_SOURCES or len(source) > MAX_SOURCE_CHARS or not source.isprintable():
            raise BadInput(f"source {source[:20]!r}: give a name of 1 to {MAX_SOURCE_CHARS} characters, not `here`")
        run = _Run(source)
        async for arrived in _batches(_checked(run, items)):
            await self._arrive(run, arrived)
            await self._write(run, who, _ready(run), publish)
            if run.held_bytes > MAX_HELD_BYTES:
                await self._write(run, who, _all_held(run), publish)
            yield run.view()
        await self._write(run, who, _all_held(run), publish)
        yield run.view(done=True)

    async def _arrive(self, run: _Run, arrived: list[ImportItem]) -> None:
        """Give each its record id: the one it had before, or a new one; and find what they refer to from before."""
        wanted = {i.source_id for i in arrived}.union(*(i.refers_to() for i in arrived)) - run.rids.keys()
        async with self._core.store.read() as tx:
            rows = await tx.get_many(DraftRow, [(run.source, s) for s in sorted(wanted)], by=("source", "source_id"))
        mine = {i.source_id for i in arrived}
        for row in rows:
            run.rids[row.source_id] = row.rid
            if row.source_id in mine and row.body:  # a withdrawn record keeps its ids and nothing else
                run.drafts[row.source_id] = Draft.model_validate_json(row.body)
        for item in arrived:
            run.rids.setdefault(item.source_id, self._core.new_id())
            run.held[item.source_id] = item
            run.held_bytes += _weight(item)

    async def _write(self, run: _Run, who: Principal, ready: list[ImportItem], publish: bool) -> None:
        for start in range(0, len(ready), BATCH_ITEMS):
            batch = ready[start : start + BATCH_ITEMS]
            records = await self._records(run, batch)
            taken = await self._library.create_many(who, records, publish=publish)
            for item, one in zip(batch, taken, strict=True):
                if one.what in run.counts:
                    run.counts[one.what] += 1
                    if one.problem:
                        run.report(item.line, item.source_id, one.problem, refused=False)
                else:
                    run.report(item.line, item.source_id, one.problem)

    async def _records(self, run: _Run, batch: list[ImportItem]) -> list[NewRecord]:
        grants = {item.source_id: self._grants(run, item) for item in batch}
        async with self._core.store.read() as tx:
            ids = [(g.gid,) for gs in grants.values() for g in gs]
            known = {row.gid for row in await tx.get_many(GrantRow, ids)}
        return [self._record(run, item, [g for g in grants[item.source_id] if g.gid not in known]) for item in batch]

    def _record(self, run: _Run, item: ImportItem, grants: Iterable[Grant]) -> NewRecord:
        draft = _linked(item, run.rids, self._core.node_id)
        missing = sorted(item.refers_to() - run.rids.keys())
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            problem = f"taken without the reference to {shown}: not in this source"
            run.report(item.line, item.source_id, problem, refused=False)
        before = run.drafts.pop(item.source_id, None)
        return NewRecord(
            draft=_never_wider(draft, before) if before else draft,
            source=run.source,
            source_id=item.source_id,
            source_hash=_state(item, run.rids),
            grants=tuple(grants),
            rid=run.rids[item.source_id],
        )

    def _grants(self, run: _Run, item: ImportItem) -> list[Grant]:
        """The permissions with ids that follow from what they say, so that coming again they are not given anew."""
        rid, now = run.rids[item.source_id], self._core.now()
        return [
            Grant(
                gid=_digest(rid, spec.model_dump_json())[:32],
                subject=spec.subject,
                terms=Terms.from_json(spec.terms),
                how=spec.how,
                given_at=now if spec.given_at is None else spec.given_at,
                rid=rid,
                fields=None if spec.fields is None else frozenset(spec.fields),
                withdrawn_at=spec.withdrawn_at,
            )
            for spec in item.grants
        ]


async def _checked(run: _Run, items: AsyncIterable[Outcome]) -> AsyncIterator[ImportItem | None]:
    """Items fit to be records, each source id once; None for a thing that was only counted."""
    seen: set[str] = set()
    async for outcome in items:
        run.read += 1
        if isinstance(outcome, ImportLine):
            run.report(outcome.line, outcome.source_id, outcome.problem)
        elif outcome.source_id in seen:
            run.report(outcome.line, outcome.source_id, "the id came twice in this import")
        else:
            try:
                check_item(outcome)
            except Unreadable as error:
                run.report(outcome.line, outcome.source_id, str(error))
            else:
                seen.add(outcome.source_id)
                yield outcome
                continue
        yield None


async def _batches(items: AsyncIterable[ImportItem | None]) -> AsyncIterator[list[ImportItem]]:
    """Batches by what was read, so that views keep coming through a long stretch of bad lines too."""
    batch: list[ImportItem] = []
    read = 0
    async for item in items:
        read += 1
        if item is not None:
            batch.append(item)
        if read >= BATCH_ITEMS:
            yield batch
            batch, read = [], 0
    if batch:
        yield batch


def _ready(run: _Run) -> list[ImportItem]:
    """Items whose references have all been seen. Two that refer to each other are ready together."""
    return [_release(run, s) for s, i in list(run.held.items()) if i.refers_to() <= run.rids.keys()]


def _all_held(run: _Run) -> list[ImportItem]:
    return [_release(run, source_id) for source_id in list(run.held)]


def _release(run: _Run, source_id: str) -> ImportItem:
    item = run.held.pop(source_id)
    run.held_bytes -= _weight(item)
    return item


def _weight(item: ImportItem) -> int:
    return sum(len(str(value)) for value in item.draft.fields.values())


def _linked(item: ImportItem, rids: Mapping[str, str], origin: str) -> Draft:
    """The draft with record ids in the place of source ids, where they are known."""
    fields: dict[str, Any] = dict(item.draft.fields)
    links = [
        {"rel": ref.rel.value, "to": {"rid": rids[ref.to], "origin": origin}} for ref in item.links if ref.to in rids
    ]
    if links:
        fields["links"] = [*fields.get("links", []), *links][:MAX_TAGS]
    components = fields.get("components")
    if item.components and isinstance(components, list):
        fields["components"] = [
            {**entry, "record": {"rid": rids[item.components[n]], "origin": origin}}
            if item.components.get(n) in rids
            else entry
            for n, entry in enumerate(components)
        ]
    return item.draft.model_copy(update={"fields": fields})


def _never_wider(draft: Draft, before: Draft) -> Draft:
    """The new content under terms no wider than the editor had left them here; widening is for `record edit`."""
    field_terms = {
        name: meet(draft.editor_terms(name), before.editor_terms(name)).to_json()
        if name in before.fields
        else draft.editor_terms(name).to_json()
        for name in draft.fields
    }
    return draft.model_copy(update={"field_terms": field_terms})


def _state(item: ImportItem, rids: Mapping[str, str]) -> str:
    """The item's hash with the references that could be resolved: an original that comes later changes it."""
    resolved = sorted(rids[s] for s in item.refers_to() if s in rids)
    return _digest(content_hash(item), *resolved)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
