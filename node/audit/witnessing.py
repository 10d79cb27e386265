"""Peers watch one another's audit logs: checkpoints are exchanged, consistent ones cosigned, others raise an alarm.

An alarm stays, whatever the peer shows next, until a steward here accepts the log as it is now. A node that was
restored from an older backup meets just that: its log is shorter than was witnessed, and it says so itself.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from federation.checkpoint import Signature, cosign, read_note, verify_cosignature, verify_log
from federation.client import Line, Rejected, TransportError
from federation.errors import Code, PeerError
from federation.identity import KeyHistory
from federation.merkle import EMPTY_ROOT
from federation.witness import Known, Shown, judge
from governance.agreement import Phase
from node.audit.log import newest_checkpoint
from node.audit.tree import TreeBroken, consistency_proof
from node.core import Core
from node.store.governing import Checkpoint, Witnessed
from node.store.port import Reader, Writer
from node.store.rows import PeerRow

log = logging.getLogger("commonweave.audit")

ASK_S: Final = 3600  # a quiet log is shown, and looked at, this often; one that has grown in every session
ROUNDS: Final = 3  # show, show from where the witness really is, hand over our cosignature
OLD_PEER: Final = "it is of a version that does not witness logs"


class Witnessing:
    """Both sides of an exchange of checkpoints."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def visit(self, peer_id: int, line: Line) -> None:
        """Exchange checkpoints with a peer where there is something new; a broken line is no harm.

        `PeerError` if the peer shows what is not signed by its log.
        """
        row = await self._due(peer_id)
        if row is None:
            return
        handed: tuple[int, Signature] | None = None
        since: int | None = None
        try:
            for _ in range(ROUNDS):
                shown = await self._show(row.node_id, since, handed)
                answer = await line.show_log(shown)
                if answer is None:
                    await self._note_old(row.node_id)
                    return
                before = await self._known(row.node_id)
                handed = await self._take(line.peer, answer, asked=True)
                behind = shown.note is not None and answer.cosigned is None and answer.seen != shown.since
                first = before is None or not before.asked_at  # never asked, or a steward has just accepted it
                news = handed is not None and (first or before is None or before.size < handed[0])
                if not news and (not behind or answer.alarm):
                    return
                since = answer.seen
        except (TransportError, Rejected) as error:
            log.info("%s: checkpoints were not exchanged: %s", row.name, error)

    async def answer(self, history: KeyHistory, shown: Shown) -> Shown:
        """A peer shows its log and sees ours. `PeerError` if its log has not signed what it shows."""
        handed = await self._take(history, shown)
        known = await self._known(history.node_id)
        answer = await self._show(history.node_id, shown.seen, handed)
        return replace(answer, alarm=known.alarm if known is not None else "")

    async def _due(self, peer_id: int) -> PeerRow | None:
        """The peer, if its log and ours are to be compared now."""
        async with self._core.store.read() as tx:
            row = await tx.get(PeerRow, peer_id)
            if row is None or row.agreement is None or row.phase == Phase.BLOCKED:
                return None
            newest = await newest_checkpoint(tx)
            known = await tx.get(Witnessed, row.node_id)
        if newest is None:
            return None
        asked_lately = known is not None and self._core.now() - known.asked_at < ASK_S
        if known is not None and asked_lately and (known.refused or newest.size == known.ours):
            return None
        return row

    async def _known(self, node_id: str) -> Witnessed | None:
        async with self._core.store.read() as tx:
            return await tx.get(Witnessed, node_id)

    async def _show(self, node_id: str, since: int | None, handed: tuple[int, Signature] | None) -> Shown:
        """Our newest checkpoint, with the proof from where the peer is, or where we last heard that it was."""
        async with self._core.store.read() as tx:
            known = await tx.get(Witnessed, node_id) or _nothing(node_id)
            newest = await newest_checkpoint(tx)
            start = known.ours if since is None else since
            proof = await _proof(tx, start, newest.size) if newest is not None else ()
        note = None if newest is None else read_note(newest.note)
        return Shown(known.size, note, start, proof, handed)

    async def _take(self, history: KeyHistory, shown: Shown, *, asked: bool = False) -> tuple[int, Signature] | None:
        """What the peer shows and says; our cosignature, if its log continues what we knew."""
        now = self._core.now()
        shown = _readable(shown, history, now)
        async with self._core.store.write() as tx:
            row = await tx.get(Witnessed, history.node_id) or _nothing(history.node_id)
            row = replace(row, ours=shown.seen, asked_at=now if asked else row.asked_at)
            if asked:
                row = replace(row, refused=shown.alarm)
                await self._say_refused(tx, history, shown.alarm)
            if shown.cosigned is not None and await _keep(tx, history, *shown.cosigned):
                row = replace(row, refused="")
            row, accepted = await self._judge(tx, row, history, shown, now)
            await tx.put(row)
        if not accepted or shown.note is None or not shown.note.head.size:
            return None
        head = shown.note.head
        return head.size, cosign(head, self._core.node_id, self._core.keys.log, now)

    async def _say_refused(self, tx: Writer, history: KeyHistory, alarm: str) -> None:
        before = await tx.get(Witnessed, history.node_id)
        if alarm and (before is None or before.refused != alarm):
            log.error("%s does not accept our audit log: %s", history.current.name, alarm)

    async def _judge(
        self, tx: Writer, row: Witnessed, history: KeyHistory, shown: Shown, now: int
    ) -> tuple[Witnessed, bool]:
        if shown.note is None or row.alarm:
            return row, False
        head = shown.note.head
        known = Known(row.size, row.root, row.at) if row.size else None
        verdict = judge(known, head, shown, now)
        text = shown.note.bare().text()
        if verdict.alarm:
            log.error("the audit log of %s: %s", history.current.name, verdict.alarm)
            await self._core.audit(tx, history.node_id, "log.alarm", history.node_id, verdict.alarm)
            return replace(row, alarm=verdict.alarm, shown=text), False
        if verdict.accepted:
            row = replace(row, size=head.size, root=head.root, note=text, at=now)
        return row, verdict.accepted

    async def _note_old(self, node_id: str) -> None:
        async with self._core.store.write() as tx:
            row = await tx.get(Witnessed, node_id) or _nothing(node_id)
            await tx.put(replace(row, refused=OLD_PEER, asked_at=self._core.now()))


def _nothing(node_id: str) -> Witnessed:
    return Witnessed(node_id, 0, EMPTY_ROOT, "", 0)


def _readable(shown: Shown, history: KeyHistory, now: int) -> Shown:
    """What is shown, if we can judge who signed it. A log key that we have not heard of yet is no misconduct."""
    if shown.note is None:
        return shown
    try:
        verify_log(shown.note, history, max(now, history.current.iat))
    except PeerError as error:
        if error.code not in (Code.KEY_NOT_OWNED, Code.KEY_NOT_VALID_THEN):
            raise
        log.info("the checkpoint of %s is signed by a key not known yet", history.current.name)
        return replace(shown, note=None)
    return shown


async def _proof(tx: Reader, start: int, size: int) -> tuple[bytes, ...]:
    """From where the witness is to our newest head; empty where there is nothing to prove, or nothing that can be."""
    if not 0 < start < size:
        return ()
    try:
        return tuple(await consistency_proof(tx, start, size))
    except TreeBroken as error:
        log.error("%s: peers will see that our log does not hold", error)
        return ()


async def _keep(tx: Writer, history: KeyHistory, size: int, cosignature: Signature) -> bool:
    """Add a peer's cosignature to the head it is for; False for one that does not hold, or comes too late."""
    row = await tx.get(Checkpoint, size)
    if row is None:
        return False
    note = read_note(row.note)
    try:
        verify_cosignature(note.head, cosignature, history)
    except PeerError as error:
        log.warning("%s sent a cosignature that does not hold: %s", history.current.name, error)
        return False
    await tx.put(replace(row, note=note.with_cosignature(cosignature).text()))
    return True
