"""Own records: written, sealed, narrowed, withdrawn; and all records, read through the gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from federation.documents import Withdrawal
from governance.consent import Grant
from governance.errors import GovernanceError
from governance.record import Draft
from governance.terms import Terms, meet
from node.copies import Held, emptied, references
from node.core import Core
from node.erasure import schedule_erasure
from node.errors import BadInput, NotFound, NotNow
from node.principal import Principal
from node.reading import Readings
from node.releasing import carry_releases
from node.sealing import clear_record, forgotten, grants_for, seal_next
from node.store.port import Writer
from node.store.row import Row
from node.store.rows import (
    AttachmentRef,
    ContributorRow,
    Copy,
    DraftRow,
    GrantRow,
    LinkRow,
    State,
    VersionRow,
)
from node.views import NarrowView, RecordInfo, WithdrawalView

REASONS: Final = ("consent", "harm", "error", "rights", "other")


@dataclass(frozen=True)
class NewRecord:
    """A record to create, or to update if (`source`, `source_id`) is known. `rid` may be fixed beforehand."""

    draft: Draft
    source: str = ""
    source_id: str = ""
    source_hash: str = ""
    grants: tuple[Grant, ...] = ()
    rid: str = ""


@dataclass(frozen=True)
class Taken:
    """What became of a `NewRecord`: `what` is added, changed, unchanged or refused."""

    rid: str
    what: str
    problem: str = ""


class Withdrawals(Protocol):
    """Tells how far withdrawals have come (`node.tracing`)."""

    async def __call__(self, who: Principal, *, rid: str | None = None) -> Sequence[WithdrawalView]: ...


class Library:
    """Use cases of editors."""

    def __init__(self, core: Core, readings: Readings, withdrawals: Withdrawals) -> None:
        self._core = core
        self._readings = readings
        self._withdrawals = withdrawals

    async def create(
        self, who: Principal, draft: Draft, *, publish: bool = True, source: str = "", source_id: str = ""
    ) -> RecordInfo:
        """Write a record and, unless told otherwise, seal its first version."""
        who.need("write")
        draft.checked()
        taken = (await self.create_many(who, [NewRecord(draft, source, source_id)], publish=publish))[0]
        if taken.what == "refused":
            raise BadInput(taken.problem)
        return await self._info(who, taken.rid)

    async def create_many(self, who: Principal, items: Sequence[NewRecord], *, publish: bool = True) -> list[Taken]:
        """Write many records in one transaction; one that cannot be taken is reported and does not stop the others."""
        who.need("write")
        async with self._core.store.write() as tx:
            batch = await self._batch(tx, who, items, publish=publish)
            out = [batch.take(item) for item in items]
            await batch.write()
            await self._core.audit(tx, who.actor, "records.write", detail=f"{len(items)} records")
        self._core.bell.ring()
        return out

    async def _batch(self, tx: Writer, who: Principal, items: Sequence[NewRecord], *, publish: bool) -> _Batch:
        """Everything that the records need to know of each other and of what is here."""
        keys = [(i.source, i.source_id) for i in items if i.source_id]
        rows = {(d.source, d.source_id): d for d in await tx.get_many(DraftRow, keys, by=("source", "source_id"))}
        ids = [(self._core.node_id, d.rid) for d in rows.values()]
        copies = {c.rid: c for c in await tx.get_many(Copy, ids, by=("origin", "rid"))}
        subjects = [c.subject for i in items for c in i.draft.contributors]
        grants = await grants_for(tx, subjects) if subjects else {}
        first = await tx.next_seq(2 * len(items)) if items else 0
        return _Batch(
            self._core, tx, who.actor, rows, copies, grants, iter(range(first, first + 2 * len(items))), publish
        )

    async def draft(self, who: Principal, ref: str) -> Draft:
        """What the editor wrote last."""
        who.need("write")
        row = await self._own(ref)
        return Draft.model_validate_json(row.body)

    async def edit(self, who: Principal, ref: str, draft: Draft) -> RecordInfo:
        """Replace the content and terms of an own record: a new version."""
        draft.checked()
        return (await self._change(who, ref, lambda _: draft, publish=True))[0]

    async def narrow(self, who: Principal, ref: str, terms: Terms, fields: Sequence[str] | None = None) -> NarrowView:
        """Narrow the editor's terms of some fields, or of all; it can only take away.

        Terms that take nothing away make no version, so asking twice is asking once. A draft stays unpublished.
        """

        def narrower(draft: Draft) -> Draft | None:
            unknown = sorted(set(fields or ()) - draft.fields.keys())
            if unknown:
                raise BadInput(f"the record has no field {unknown[0]!r}; it has {', '.join(sorted(draft.fields))}")
            chosen = {name: draft.editor_terms(name) for name in draft.fields}
            met = {name: meet(was, terms) if fields is None or name in fields else was for name, was in chosen.items()}
            if met == chosen:
                return None
            return draft.model_copy(update={"field_terms": {name: t.to_json() for name, t in met.items()}})

        info, changed = await self._change(who, ref, narrower, publish=False)
        return NarrowView(**info.model_dump(), narrowed=changed)

    async def _change(
        self, who: Principal, ref: str, change: Callable[[Draft], Draft | None], *, publish: bool
    ) -> tuple[RecordInfo, bool]:
        """Read, change and seal in one transaction, so that nothing written meanwhile is lost or widened.

        `change` answers None where nothing is to change. With `publish` a draft that never was public is sealed too.
        """
        who.need("write")
        rid = (await self._own(ref)).rid
        async with self._core.store.write() as tx:
            row = await tx.get(DraftRow, rid)
            if row is None or not row.body:
                raise NotNow(f"record {rid} was withdrawn: it stays so for ever; write a new record instead")
            draft = change(Draft.model_validate_json(row.body))
            if draft is not None:
                item = NewRecord(draft, row.source, row.source_id, rid=rid)
                batch = await self._batch(tx, who, [item], publish=publish or row.published)
                taken = batch.take(item)
                if taken.what == "refused":
                    raise BadInput(taken.problem)
                await batch.write()
                await self._core.audit(tx, who.actor, "record.edit", rid)
        if draft is not None:
            self._core.bell.ring()
        return await self._info(who, rid), draft is not None

    async def _info(self, who: Principal, rid: str) -> RecordInfo:
        """The record as a list shows it; as version 0 where it was written down only."""
        async with self._core.store.read() as tx:
            row = await tx.get(DraftRow, rid)
        if row is None or row.published or not row.body:
            return await self._readings.info(who, rid)
        draft = Draft.model_validate_json(row.body)
        told = {
            name: draft.fields[name] for name in ("summary", "licence", "topics", "regions") if name in draft.fields
        }
        return RecordInfo(
            rid=rid,
            origin=self._core.node_id,
            origin_name=self._core.name,
            own=True,
            kind=draft.kind,
            lang=draft.lang,
            title=draft.fields["title"],
            ver=0,
            updated=row.updated_at,
            fields=len(draft.fields),
            withheld=0,
            **told,
        )

    async def withdraw(self, who: Principal, ref: str, reason: str) -> WithdrawalView:
        """Take a record back: erase it here, tell every holder, keep the marker for ever."""
        who.need("write")
        if reason not in REASONS:
            raise BadInput(f"reason {reason!r} is not one of {', '.join(REASONS)}")
        row = await self._own(ref)
        async with self._core.store.write() as tx:
            copies = await tx.get_many(Copy, [(self._core.node_id, row.rid)], by=("origin", "rid"))
            if copies and copies[0].state != State.WITHDRAWN:
                await withdraw_copy(self._core, tx, copies[0], reason)
                await self._core.audit(tx, who.actor, "record.withdraw", row.rid, reason)
            elif not copies:  # a draft that never left the editor
                await tx.delete(DraftRow, {"rid": row.rid})
                await tx.delete(ContributorRow, {"rid": row.rid})
        self._core.bell.ring()
        found = await self._withdrawals(who, rid=row.rid)
        if found:
            return found[0]
        return WithdrawalView(  # a draft that was never published: nobody else ever had it
            rid=row.rid, origin=self._core.node_id, reason=reason, at=0, confirmed=0, waiting=0, overdue=0
        )

    async def _own(self, ref: str) -> DraftRow:
        async with self._core.store.read() as tx:
            row = await tx.get(DraftRow, ref.strip().lower())  # one that was never published has no copy to be found by
        if row is None:
            _, rid = await self._readings.resolve(ref, self._core.node_id)
            async with self._core.store.read() as tx:
                row = await tx.get(DraftRow, rid)
        if row is None:
            raise NotFound(f"no own record {ref!r}: `record list --own` shows them")
        if not row.body:
            raise NotNow(f"record {row.rid} was withdrawn: it stays so for ever; write a new record instead")
        return row


class _Batch:
    """Records being written in one transaction; `take` decides each, `write` stores all."""

    def __init__(
        self,
        core: Core,
        tx: Writer,
        actor: str,
        rows: Mapping[tuple[str, str], DraftRow],
        copies: Mapping[str, Copy],
        grants: Mapping[str, Sequence[Grant]],
        numbers: Iterator[int],
        publish: bool,
    ) -> None:
        self._core = core
        self._tx = tx
        self._actor = actor
        self._rows = rows
        self._copies = copies
        self._grants = grants
        self._numbers = numbers
        self._publish = publish
        self._out: list[Row] = []
        self._replaced: list[str] = []
        self._before: list[tuple[Copy, set[str]]] = []
        self._changes: list[tuple[Copy, Copy]] = []
        self._forgotten: list[Copy] = []

    def take(self, item: NewRecord) -> Taken:
        """What becomes of one record; a reason if it is refused."""
        row = self._rows.get((item.source, item.source_id)) if item.source_id else None
        copy = self._copies.get(row.rid) if row else None
        if copy is not None and copy.state == State.WITHDRAWN:
            return Taken(copy.rid, "unchanged", "it was withdrawn here and stays so")
        if row is not None and item.source_hash and row.source_hash == item.source_hash:
            return Taken(row.rid, "unchanged")
        try:
            checked = replace(item, draft=item.draft.checked(), rid=row.rid if row else item.rid or self._core.new_id())
            self._add(checked, row, copy)
        except (GovernanceError, ValueError) as error:
            return Taken(row.rid if row else "", "refused", str(error))
        return Taken(checked.rid, "changed" if row else "added")

    def _add(self, item: NewRecord, row: DraftRow | None, copy: Copy | None) -> None:
        core, now, draft = self._core, self._core.now(), item.draft
        number, seq = next(self._numbers), next(self._numbers)
        base = copy or Copy(number, core.node_id, item.rid, True, State.ERASED, 0, number, editor=self._actor)
        rows: list[Row] = [self._draft_row(item, row, now)]
        if self._publish:
            sealed = seal_next(core, base, draft, self._granted(item), seq, "edited")
            rows += [*sealed.rows, *references(base, draft.fields)]
            if copy is not None:
                self._changes.append((copy, sealed.copy))
                if forgotten(copy, sealed, draft.fields):
                    self._forgotten.append(copy)
        rows += [ContributorRow(c.subject, item.rid) for c in draft.contributors]
        rows += [grant_row(g) for g in item.grants]
        self._out += rows
        if row is not None:
            self._replaced.append(item.rid)
        if copy is not None and self._publish:
            self._before.append((copy, set(draft.fields)))

    def _granted(self, item: NewRecord) -> list[Grant]:
        new = {g.gid for g in item.grants}
        subjects = {c.subject for c in item.draft.contributors}
        return [*item.grants, *(g for s in subjects for g in self._grants.get(s, ()) if g.gid not in new)]

    def _draft_row(self, item: NewRecord, row: DraftRow | None, now: int) -> DraftRow:
        return DraftRow(
            item.rid,
            item.draft.model_dump_json(),
            item.source or "here",
            item.source_id or item.rid,
            item.source_hash,
            row.created_at if row else now,
            now,
            self._publish or bool(row and row.published),
            row.editor if row else self._actor,
        )

    async def write(self) -> None:
        """Store what was taken; what the former version referred to and the new one does not is let go."""
        tx = self._tx
        if self._replaced:
            await tx.delete(ContributorRow, {"rid": self._replaced})
        for copy, fields in self._before:
            await self._let_go(copy, fields)
        for copy in self._forgotten:
            await schedule_erasure(self._core, tx, copy, receipt=False, fields=(), at_rest=True)
        await tx.put(*self._out)
        await carry_releases(tx, self._changes)

    async def _let_go(self, copy: Copy, fields: set[str]) -> None:
        refs = await self._tx.find(AttachmentRef, {"copy": copy.id})
        dropped = {r.field for r in refs} - fields
        if dropped:
            await schedule_erasure(self._core, self._tx, copy, receipt=False, fields=dropped)
        await self._tx.delete(LinkRow, {"copy": copy.id})


def _ever_relayed(version: VersionRow) -> bool:
    held = Held.read(Copy(0, "", version.rid, True, State.LIVE, version.ver, 0, jws=version.jws, disclosed="{}"))
    return any(t.may_pass_on() for t in held.terms.values())


async def withdraw_copy(core: Core, tx: Writer, copy: Copy, reason: str) -> None:
    """Take an own record back in this transaction: signed, erased here, and on its way to every holder."""
    relay = any(t.may_pass_on() for t in Held.read(copy).terms.values()) if copy.state == State.LIVE else True
    versions = await tx.find(VersionRow, {"rid": copy.rid})
    # An earlier version may have travelled further than this one may.
    relay = relay or any(_ever_relayed(v) for v in versions)
    token = core.sign(
        Withdrawal(iss=core.node_id, iat=core.now(), rid=copy.rid, ver=max(copy.ver, 1), reason=reason, relay=relay)
    )
    await apply_own_withdrawal(core, tx, copy, token, reason, relay=relay)


async def apply_own_withdrawal(core: Core, tx: Writer, copy: Copy, token: str, reason: str, *, relay: bool) -> None:
    """Empty an own record here; the signed marker stays."""
    await clear_record(core, tx, copy)
    seq = await tx.next_seq()
    await tx.put(emptied(copy, State.WITHDRAWN, seq, withdrawal=token, reason=reason, relay=relay))


def grant_row(grant: Grant) -> GrantRow:
    """A grant as it is stored."""
    return GrantRow(
        grant.gid,
        grant.subject,
        json.dumps(grant.terms.to_json()),
        grant.how,
        grant.given_at,
        grant.rid,
        None if grant.fields is None else json.dumps(sorted(grant.fields)),
        grant.withdrawn_at,
        grant.terms.until,
    )
