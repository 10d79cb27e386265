"""Use cases of the audit log: show its head, prove and export it, check it whole, erase personal text, judge peers'.

Nothing here changes an entry but `erase`, and that leaves the leaf: no text, but the same tree.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

from federation.checkpoint import read_note, verifier_key
from federation.identity import KeyHistory
from federation.transcript import Checker, Frame, Verified, text_digest, write_proof
from node.audit.log import Log, newest_checkpoint
from node.audit.tree import TreeBroken, entries, entry_of, inclusion_proof
from node.audit.views import CheckpointView, ErasedView, LogCheckView, WitnessedView, WitnessView, check_view
from node.core import Core
from node.errors import NodeError, NotFound, NotNow
from node.peerbook import read_history
from node.peers import Peers
from node.principal import Principal, Scope
from node.store.governing import Audit, Checkpoint, Witnessed
from node.store.port import Reader
from node.store.rows import OriginRow, PeerRow
from node.views import CheckView

PORTION: Final = 1000  # entries at a time: other requests are let in between
SAMPLE: Final = 200  # newest entries that doctor looks at
LOUD_CHARS: Final = 300


class Auditing:
    """What stewards do with the log."""

    def __init__(self, core: Core, log: Log, peers: Peers) -> None:
        self._core = core
        self._log = log
        self._peers = peers

    # --- our own log -------------------------------------------------------------------------------------------------

    async def checkpoint(self, who: Principal) -> CheckpointView:
        """The newest signed head, with the peers that have cosigned it."""
        who.need(Scope.STEWARD)
        async with self._core.store.read() as tx:
            row, frame = await self._head(tx)
        return CheckpointView(
            size=row.size,
            root=row.root.hex(),
            at=row.at,
            note=row.note,
            key=verifier_key(self._core.node_id, self._core.keys.log.public),
            witnesses=[WitnessView(node_id=w.node_id, name=w.name, at=w.at) for w in frame.cosigners()],
        )

    async def prove(self, who: Principal, entry: str) -> dict[str, Any]:
        """The proof that an entry is in the log, for whoever has nothing but the answer."""
        who.need(Scope.STEWARD)
        async with self._core.store.read() as tx:
            row = await _numbered(tx, entry)
            head, frame = await self._head(tx)
            assert row.n is not None
            if row.n >= head.size:
                raise NotNow(f"entry {row.n} gets its place in the log within a second: ask again")
            try:
                path = await inclusion_proof(tx, row.n, head.size)
            except TreeBroken as error:
                raise NodeError(f"{error}: the database was changed from outside; `commonweave audit verify`") from None
        return write_proof(frame, entry_of(row), path)

    async def export(self, who: Principal) -> AsyncIterator[dict[str, Any]]:
        """The whole log with what is needed to check it: a first line, the entries, a last line."""
        who.need(Scope.STEWARD)
        await self._log.follow()
        async with self._core.store.read() as tx:
            head, frame = await self._head(tx)
            yield frame.to_json("log")
            for start in range(0, head.size, PORTION):
                for row in await entries(tx, start, min(start + PORTION, head.size)):
                    yield entry_of(row).to_json()
                await asyncio.sleep(0)
            yield {"t": "end", "size": head.size}

    async def verify(self, who: Principal) -> LogCheckView:
        """Every entry, the tree and the signed head, from this node's own database."""
        who.need(Scope.STEWARD)
        checker = Checker()
        async with self._core.store.read() as tx:
            head, frame = await self._head(tx)
            for problem in frame.problems():
                checker.say(problem)
            for start in range(0, head.size, PORTION):
                rows = await entries(tx, start, min(start + PORTION, head.size))
                checker.take([entry_of(row) for row in rows])
                await asyncio.sleep(0)
        checker.close(frame.note)
        note, history = frame.note, frame.history
        return check_view(
            Verified(
                history.node_id, history.current.name, note.head.size, checker.frontier.size, checker.erased,
                note.text(), frame.cosigners(), tuple(checker.problems),
            )
        )  # fmt: skip

    async def erase(self, who: Principal, entry: str, reason: str) -> ErasedView:
        """Take who, about what and in which words out of an entry, for ever and from disk; what and when stay.

        The leaf stays, so every checkpoint and proof holds as before. That it was done is itself in the log.
        """
        who.need(Scope.STEWARD)
        await self._log.follow()
        async with self._core.store.write() as tx:
            row = await _numbered(tx, entry)
            if row.salt is not None:
                digest = text_digest(row.salt, row.actor, row.subject, row.detail)
                await tx.put(replace(row, actor="", subject="", detail="", salt=None, erased=digest))
                await self._core.audit(tx, who.actor, "audit.erase", str(row.n), reason[:LOUD_CHARS])
        await self._core.store.scrub()  # also the second time: the process may have been killed right before
        assert row.n is not None
        return ErasedView(n=row.n, at=row.at, action=row.action)

    async def _head(self, tx: Reader) -> tuple[Checkpoint, Frame]:
        """The newest signed head with the histories by which it and its cosignatures are verified."""
        row = await newest_checkpoint(tx)
        own = await tx.get(OriginRow, self._core.node_id)
        if row is None or own is None:
            raise NotNow("the log has no signed head yet: it gets one within a second of its first entry")
        note = read_note(row.note)
        return row, Frame(note, read_history(own.history), await _witnesses(tx, {s.node_id for s in note.signatures}))

    # --- peers' logs -------------------------------------------------------------------------------------------------

    async def witnessed(self, who: Principal) -> list[WitnessedView]:
        """Each peer's log as we have witnessed it, and ours as they say they have."""
        who.need(Scope.STEWARD)
        async with self._core.store.read() as tx:
            rows = await tx.find(Witnessed)
            names = {p.node_id: p.name for p in await tx.find(PeerRow)}
        return [_witnessed_view(row, names.get(row.node_id, row.node_id)) for row in rows]

    async def accept(self, who: Principal, ref: str, reason: str) -> WitnessedView:
        """Go on from a peer's log as it showed it last, though it contradicts what was witnessed. A steward's word."""
        who.need(Scope.STEWARD)
        peer = await self._peers.find(ref)
        async with self._core.store.write() as tx:
            row = await tx.get(Witnessed, peer.node_id)
            if row is None or not row.alarm:
                raise NotNow(f"there is no alarm about the log of {peer.name}: nothing has to be accepted")
            head = read_note(row.shown).head
            detail = f"{row.size} witnessed, {head.size} accepted: {reason[:LOUD_CHARS]}"
            await self._core.audit(tx, who.actor, "log.accept", peer.node_id, detail)
            row = replace(
                row, size=head.size, root=head.root, note=row.shown, at=self._core.now(), alarm="", shown="", asked_at=0
            )
            await tx.put(row)
        return _witnessed_view(row, peer.name)

    # --- health ------------------------------------------------------------------------------------------------------

    async def health(self) -> list[CheckView]:
        """What doctor says of our log and of the logs of peers."""
        async with self._core.store.read() as tx:
            head = await newest_checkpoint(tx)
            rows = await entries(tx, max(0, head.size - SAMPLE), head.size) if head is not None else []
            witnessed = await tx.find(Witnessed)
            names = {p.node_id: p.name for p in await tx.find(PeerRow)}
        size = head.size if head is not None else 0
        wrong = [p for row in rows if (p := entry_of(row).problem())] + list(self._log.problems)
        if len(rows) != min(SAMPLE, size):
            wrong.append(f"entries are missing among the newest {SAMPLE}")
        own = CheckView(
            name="audit log",
            ok=not wrong,
            detail="; ".join(wrong[:3]) or f"{size} entries, the newest {len(rows)} are as they were written",
            remedy="" if not wrong else "the database was changed from outside: `commonweave audit verify` names where",
        )
        return [own, *(c for row in witnessed for c in _peer_checks(row, names.get(row.node_id, ""), size))]


def _peer_checks(row: Witnessed, name: str, size: int) -> list[CheckView]:
    out = []
    if row.alarm:
        remedy = "ask them what happened; if you believe it: `commonweave audit accept`"
        out.append(CheckView(name=f"log of {name}", ok=False, detail=row.alarm, remedy=remedy))
    if row.ours > size:
        detail = f"{name} has witnessed {row.ours} entries of our log, and we have {size}: restored from an old backup?"
        remedy = f"tell the stewards of {name}; they can accept our log as it is now"
        out.append(CheckView(name=f"our log at {name}", ok=False, detail=detail, remedy=remedy))
    elif row.refused.startswith(("rewritten", "shorter")):
        remedy = f"tell the stewards of {name} what happened; they can accept our log as it is now"
        out.append(CheckView(name=f"our log at {name}", ok=False, detail=row.refused, remedy=remedy))
    return out


def _witnessed_view(row: Witnessed, name: str) -> WitnessedView:
    return WitnessedView(
        node_id=row.node_id,
        name=name,
        size=row.size,
        at=row.at or None,
        alarm=row.alarm,
        shown_size=read_note(row.shown).head.size if row.shown else None,
        ours_seen=row.ours,
        ours_refused=row.refused,
    )


async def _numbered(tx: Reader, entry: str) -> Audit:
    """The entry with this number in the log."""
    number = int(entry) if entry.isascii() and entry.isdecimal() and len(entry) <= 15 else -1
    rows = await tx.find(Audit, {"n": number}) if number >= 0 else []
    if not rows:
        raise NotFound(f"the log has no entry {entry[:40]!r}: give a number as `audit list` shows it")
    return rows[0]


async def _witnesses(tx: Reader, node_ids: set[str]) -> Mapping[str, KeyHistory]:
    rows = await tx.get_many(PeerRow, [(n,) for n in sorted(node_ids)], by=("node_id",))
    return {row.node_id: read_history(row.history) for row in rows}
