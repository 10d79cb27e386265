"""Proposals to let go of a record that a rule holds: for the words of one version, to one peer or to all."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from governance.speech import Say
from node.core import Core
from node.errors import BadInput, NotFound, NotNow
from node.peers import Peers
from node.previews.previews import WhatIf
from node.proposals.acts import RecordRelease
from node.proposals.doing import Carried
from node.stewards import By
from node.store.governing import ReleaseRow
from node.store.port import Reader, Writer
from node.store.rows import Copy, State

MIN_REF: Final = 8  # of a record's id, as everywhere else


class RecordReleases:
    """Letting go."""

    def __init__(self, core: Core, peers: Peers) -> None:
        self._core = core
        self._peers = peers

    async def settle(self, tx: Reader, act: RecordRelease) -> RecordRelease:
        """Record, version and peer made exact; an edit since then has to be looked at again."""
        copy = await self._copy(tx, act)
        if act.ver not in (0, copy.ver):
            raise NotNow(f"record {copy.rid} was edited: version {copy.ver} has to be looked at, not {act.ver}")
        to = (await self._peers.named(tx, act.to)).node_id if act.to else ""
        return act.model_copy(update={"record": copy.rid, "origin": copy.origin, "ver": copy.ver, "to": to})

    async def what_if(self, tx: Reader, act: RecordRelease) -> WhatIf | None:
        """As if it were released."""
        return WhatIf(releases={act.record: (act.ver, act.to)})

    async def words(self, tx: Reader, act: RecordRelease, say: Say) -> list[str]:
        """Which words, to whom."""
        to = (await self._peers.named(tx, act.to)).name if act.to else say("everybody whom the rules would allow it")
        first = say("Version {ver} of record {rid} is released to {to}.", ver=act.ver, rid=act.record, to=to)
        return [first, say("An edit of its words waits again.")]

    async def carry(self, tx: Writer, act: RecordRelease, by: By) -> Carried:
        """Released from the commit on; its line in every feed is decided anew."""
        copy = await self._copy(tx, act)
        if copy.ver != act.ver:
            raise NotNow(f"record {copy.rid} was edited since: propose to release version {copy.ver}")
        await tx.put(ReleaseRow(copy.origin, copy.rid, act.to, copy.ver, by.pid, self._core.now()))
        await tx.put(replace(copy, change_seq=await tx.next_seq()))
        await self._core.audit(tx, by.actor, "record.release", copy.rid, by.detail)
        return Carried(copy.rid)

    async def _copy(self, tx: Reader, act: RecordRelease) -> Copy:
        ref = act.record.strip().lower()
        if len(ref) < MIN_REF:
            raise BadInput(f"{act.record!r} is no record id: give a whole one, or its first {MIN_REF} characters")
        where = {"origin": act.origin} if act.origin else {}
        found = await tx.find(Copy, where | {"rid": ref}, limit=2)
        found = found or await tx.find(Copy, where, above=("rid", ref), upto=("rid", ref + "~"), limit=2)
        if not found:
            raise NotFound(f"no record {act.record!r} here; `record list` shows them")
        if len(found) > 1:
            raise BadInput(f"{act.record!r} fits more than one record: give more of the id, or its origin")
        if found[0].state != State.LIVE:
            raise NotNow(f"record {found[0].rid} is not shown here any more: there is nothing to release")
        return found[0]
