"""Sessions with peers: who is due, driving the machine, what came of it; and the work that follows every change."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from federation.client import Line, Meter, Rejected, TransportError
from federation.effects import Collect, Effect, Expect, Fetch, Intake, Push, Reconcile, SendAck, SwapMarks
from federation.errors import PeerError, ProtocolStateError
from federation.exchange import Session, Tally, initiate
from federation.messages import Page, Put, Retract, Withdraw
from governance.agreement import Phase
from node.ahead import Ahead
from node.attaching import Attachments
from node.audit.witnessing import Witnessing
from node.core import Core
from node.errors import NodeError, PeerTrouble
from node.lines import Lines
from node.peer_views import SyncView
from node.peerbook import read_history
from node.peers import Peers
from node.principal import Principal
from node.sharing import Sharing
from node.side import Sides
from node.store.port import StoreError
from node.store.rows import Custody, Entry, Outgoing, PeerRow

log = logging.getLogger("commonweave.sync")

_THERE: Final = (Fetch, Push, SendAck, Collect, Reconcile, SwapMarks)


@dataclass(frozen=True)
class Pace:
    """When peers are visited."""

    interval_s: int = 60
    jitter: float = 0.2
    backoff_max_s: int = 3600
    at_once: int = 4


@dataclass
class Counted:
    """What passed in a session."""

    received: int = 0
    retracted: int = 0
    withdrawn: int = 0
    refused: int = 0
    sent: int = 0
    sent_retracted: int = 0
    sent_withdrawn: int = 0

    def came(self, page: Page) -> None:
        """A page that was taken in."""
        self.received += sum(isinstance(e, Put) for e in page.entries)
        self.retracted += sum(isinstance(e, Retract) for e in page.entries)
        self.withdrawn += sum(isinstance(e, Withdraw) for e in page.entries)

    def went(self, page: Page) -> None:
        """A page that was handed over."""
        self.sent += sum(isinstance(e, Put) for e in page.entries)
        self.sent_retracted += sum(isinstance(e, Retract) for e in page.entries)
        self.sent_withdrawn += sum(isinstance(e, Withdraw) for e in page.entries)


class Syncing:
    """Use cases of synchronising."""

    def __init__(
        self,
        core: Core,
        sides: Sides,
        sharing: Sharing,
        lines: Lines,
        peers: Peers,
        attachments: Attachments,
        pace: Pace,
    ) -> None:
        self._core = core
        self._sides = sides
        self._sharing = sharing
        self._lines = lines
        self._peers = peers
        self._attachments = attachments
        self._pace = pace
        self._witnessing = Witnessing(core)
        self._running: dict[int, asyncio.Task[SyncView]] = {}
        # Set by the wiring: clears what has to go and signs the receipts, so that a session can carry them.
        self.before: Callable[[], Awaitable[object]] | None = None

    async def sync(self, who: Principal, ref: str | None = None) -> list[SyncView]:
        """Sync with one peer, or with all; an error of one is in its view and does not stop the others.

        A peer without an address has to open the line to us, which is no error.
        """
        who.need("write")
        async with self._core.store.read() as tx:
            rows = await tx.find(PeerRow)
        if ref is not None:
            rows = [await self._peers.find(ref)]
        gate = asyncio.Semaphore(self._pace.at_once)

        async def one(row: PeerRow) -> SyncView:
            if not _has_address(row):
                return SyncView(peer=row.name, node_id=row.node_id, ok=True, error="", waits=True)
            async with gate:
                running = self._running.get(row.id)
                if running is not None:  # it may have looked before the change that we are asked to carry
                    await asyncio.wait([running])
                return await self.with_peer(row.id)

        return list(await asyncio.gather(*(one(row) for row in rows)))

    async def with_peer(self, peer_id: int) -> SyncView:
        """One session; whoever asks while one runs gets its result."""
        task = self._running.get(peer_id)
        if task is None:
            task = asyncio.create_task(self._session(peer_id))
            self._running[peer_id] = task
            task.add_done_callback(lambda _: self._running.pop(peer_id, None))
        return await asyncio.shield(task)

    async def _session(self, peer_id: int) -> SyncView:
        started = self._core.clock.steady()
        async with self._core.store.read() as tx:
            row = await tx.get(PeerRow, peer_id)
        assert row is not None
        meter, counted, problem = Meter(), Counted(), ""
        tally, files = Tally(), 0
        try:
            line = self._lines.to(read_history(row.history), json.loads(row.urls))
            line.meter = meter
            await self._peers.deliver_notices(peer_id)
            if row.proposal is not None:
                await self._peers.exchange_agreement(peer_id)
            tally = await self._drive(peer_id, line, counted)
            if tally.mail and await self._terms_with(peer_id) != (row.phase, row.agreement):
                await self._drive(peer_id, line, counted)  # what we have just heard changes what we give
            files = await self._attachments.fetch_missing(peer_id, line)
            if self.before is not None and counted.retracted + counted.withdrawn:
                await self.before()
                tally.pages += (await self._drive(peer_id, line, counted)).pages
            await self._witnessing.visit(peer_id, line)
        except (TransportError, Rejected, PeerError, ProtocolStateError, NodeError, StoreError) as error:
            problem = in_words(error, row.name)
        await self._note(peer_id, problem, hostile=_is_hostile(problem))
        return SyncView(
            peer=row.name,
            node_id=row.node_id,
            ok=not problem,
            error=problem,
            pages=tally.pages,
            received=counted.received,
            changed=counted.received,
            retracted=counted.retracted,
            withdrawn=counted.withdrawn,
            refused=counted.refused,
            sent=counted.sent,
            sent_retracted=counted.sent_retracted,
            sent_withdrawn=counted.sent_withdrawn,
            attachments=files,
            repaired=tally.repaired,
            requests=meter.requests,
            bytes_in=meter.bytes_in,
            bytes_out=meter.bytes_out,
            took_ms=round((self._core.clock.steady() - started) * 1000, 1),
        )

    async def _drive(self, peer_id: int, line: Line, counted: Counted) -> Tally:
        """Perform the machine's effects, here or there, until it is done."""
        machine: Session = initiate()
        sent: list[int] = []

        async def perform(effect: Effect) -> Any:
            if isinstance(effect, _THERE):
                return await line.perform(effect)
            return await self._sides.perform(peer_id, effect, sent)

        ahead = Ahead(perform)
        value: Any = None
        heard = renewed = False
        try:
            while True:
                effect = machine.send(value)
                if isinstance(effect, Expect):
                    ahead.expect(effect.effect)
                    value = None
                    continue
                value = await ahead.perform(effect)
                if isinstance(effect, _THERE):
                    if isinstance(value, Page) and value.node_head not in ("", line.peer.head) and not renewed:
                        await self._peers.renew(peer_id, line)
                        renewed = True
                    if isinstance(value, Page) and value.mail and not heard:
                        # Notices of a peer that cannot reach us come first: they say what of the page we may take.
                        heard = await self._peers.exchange_agreement(peer_id)
                    if isinstance(effect, Push):
                        counted.went(effect.page)
                elif isinstance(effect, Intake):
                    counted.came(effect.page)
                    counted.refused += len(getattr(value, "refused", ()))
        except StopIteration as end:
            tally: Tally = end.value
            return tally
        finally:
            ahead.drop()

    async def _terms_with(self, peer_id: int) -> tuple[str, str | None]:
        async with self._core.store.read() as tx:
            row = await tx.get(PeerRow, peer_id)
        assert row is not None
        return row.phase, row.agreement

    async def _note(self, peer_id: int, problem: str, *, hostile: bool) -> None:
        now = self._core.now()
        async with self._core.store.write() as tx:
            row = await tx.get(PeerRow, peer_id)
            if row is None:
                return
            failures = row.failures + 1 if problem else 0
            wait = min(self._pace.interval_s * 2 ** min(failures, 16), self._pace.backoff_max_s)
            wait = self._pace.interval_s if not problem else max(wait, self._pace.interval_s)
            await tx.put(
                replace(
                    row,
                    failures=failures,
                    last_error=problem[:500],
                    standing=row.standing - int(hostile),
                    next_sync_at=now + self._jittered(wait),
                    last_sync_at=row.last_sync_at if problem else now,
                    last_contact_at=row.last_contact_at if problem else now,
                )
            )

    def _jittered(self, wait_s: int) -> int:
        share = int.from_bytes(self._core.entropy.draw(2)) / 65_535 * 2 - 1
        return max(1, round(wait_s * (1 + self._pace.jitter * share)))

    # --- the schedule ----------------------------------------------------------------------------------------------

    async def due(self) -> list[int]:
        """Peers to visit now: those whose time has come, and those that have to be told of something taken back."""
        now = self._core.now()
        async with self._core.store.read() as tx:
            known = await tx.find(PeerRow)
        for row in known:
            await self._sharing.ledger.settle(row.id)  # only a ledger that is up to date tells what a peer has to hear
        async with self._core.store.read() as tx:
            rows = await tx.find(PeerRow)
            out = []
            for row in rows:
                if not _has_address(row):
                    continue  # it opens the line to us
                if row.phase == Phase.BLOCKED and not await _owed(tx, row):
                    continue
                if row.next_sync_at <= now or (row.failures == 0 and await _owed(tx, row)):
                    out.append(row.id)
        return [p for p in out if p not in self._running]

    async def visit_due(self) -> None:
        """Sync with every peer that is due, a few at a time."""
        gate = asyncio.Semaphore(self._pace.at_once)

        async def one(peer_id: int) -> None:
            async with gate:
                view = await self.with_peer(peer_id)
                if not view.ok:
                    log.warning("sync with %s failed: %s", view.peer, view.error)

        await asyncio.gather(*(one(p) for p in await self.due()))


def _has_address(row: PeerRow) -> bool:
    return bool(json.loads(row.urls) or read_history(row.history).current.urls)


async def _owed(tx: Any, row: PeerRow) -> bool:
    """True if something that takes back, or a signed document, waits for the peer.

    Another state of a copy that the peer has counts too: it may have fewer fields.
    """
    where = {"peer": row.id, "entry": [Entry.RETRACT, Entry.WITHDRAW, Entry.ROSTER, Entry.HIDE]}
    changed = {"peer": row.id, "entry": Entry.PUT, "told": True, "refused": None}
    if await tx.find(Custody, changed, above=("seq", row.acked), order="seq", limit=1):
        return True
    if await tx.find(Custody, where, above=("seq", row.acked), order="seq", limit=1):
        return True
    return bool(await tx.find(Outgoing, {"peer": row.id}, limit=1))


def in_words(error: Exception, name: str) -> str:
    """An error of a session as one sentence for people."""
    match error:
        case Rejected(status=401):
            return f"{name} does not accept our signature: it may have ended the agreement or lost its data"
        case Rejected():
            return f"{name} answered: {error}"
        case PeerError():
            return f"{name} sent something that does not hold: {error}"
        case PeerTrouble():
            return str(error)
        case _:
            return str(error) or type(error).__name__


def _is_hostile(problem: str) -> bool:
    return "does not hold" in problem
