"""Peers as they are known here: found by name, shown, and what every step with them needs."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from federation.client import Line
from federation.encoding import dumps
from federation.errors import Code, PeerError
from federation.identity import KeyHistory
from federation.messages import read_object
from governance.agreement import Phase
from governance.speech import Say
from node.agreements import agreement_view
from node.core import Core
from node.errors import BadInput, NotFound, PeerTrouble
from node.lateness import withdrawals
from node.lines import Lines
from node.peer_views import PeerView
from node.peerbook import KnownPeer, read_history
from node.principal import Principal
from node.reminding import reminders_of
from node.store.governing import Witnessed
from node.store.port import Reader
from node.store.rows import OriginRow, PeerRow


class Acquaintance:
    """What all use cases around peers share; `ref` is a node id, the beginning of one, or a name or part of it."""

    def __init__(self, core: Core, lines: Lines) -> None:
        self._core = core
        self._lines = lines
        self._telling: dict[int, asyncio.Lock] = {}  # peers that notices are being handed to

    async def list(self, who: Principal) -> Sequence[PeerView]:
        """Everybody we have met."""
        who.need("steward")
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            peers = await self._core.peers(tx, situation)
            alarms = await _log_alarms(tx)
            due = await self._reminders(tx, peers.values(), situation.now, who.say)
        ordered = sorted(peers.values(), key=lambda p: p.row.name)
        views = [self._view(p, situation.now, who.say, due[p.node_id]) for p in ordered]
        return [v.model_copy(update={"log_alarm": alarms.get(v.node_id, "")}) for v in views]

    async def get(self, who: Principal, ref: str) -> PeerView:
        """One peer."""
        who.need("steward")
        async with self._core.store.read() as tx:
            row = await self._row(tx, ref)
            situation = await self._core.situation(tx)
            alarms = await _log_alarms(tx)
            due = await self._reminders(tx, [situation.peer(row)], situation.now, who.say)
        view = self._view(situation.peer(row), situation.now, who.say, due[row.node_id])
        return view.model_copy(update={"log_alarm": alarms.get(view.node_id, "")})

    async def find(self, ref: str) -> PeerRow:
        """The peer that a reference names."""
        async with self._core.store.read() as tx:
            return await self._row(tx, ref)

    async def named(self, tx: Reader, ref: str) -> PeerRow:
        """The peer that a reference names, in this transaction."""
        return await self._row(tx, ref)

    async def _row(self, tx: Reader, ref: str) -> PeerRow:
        rows = await tx.find(PeerRow)
        wanted = _plain(ref)
        for fits in (
            [r for r in rows if r.node_id == ref.strip()],
            [r for r in rows if _plain(r.name) == wanted],
            [r for r in rows if wanted and (wanted in _plain(r.name) or ref.strip() in r.node_id)],
        ):
            if len(fits) == 1:
                return fits[0]
            if len(fits) > 1:
                raise BadInput(f"{ref!r} fits {len(fits)} peers: give more of the name, or the node id")
        raise NotFound(f"no peer {ref!r}; `peer list` shows the ones there are")

    async def _asked(self, line: Line, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a peer answers to a small message; what cannot be read is its trouble, not ours."""
        answer = await self._lines.ask(line, "POST", path, dumps(dict(body)))
        try:
            return read_object(answer)
        except PeerError as error:
            raise PeerTrouble(f"{line.peer.current.name} answered what cannot be read: {error}") from error

    async def _own(self, tx: Reader) -> KeyHistory:
        own = await tx.get(OriginRow, self._core.node_id)
        assert own is not None
        return read_history(own.history)

    async def _settled(self, tx: Reader, row: PeerRow) -> PeerRow:
        """The row with an agreement that has run out marked as expired."""
        situation = await self._core.situation(tx)
        phase = situation.peer(row).phase(situation.now)
        return replace(row, phase=phase) if phase is Phase.EXPIRED else row

    async def _reminders(
        self, tx: Reader, peers: Iterable[KnownPeer], now: int, say: Say
    ) -> Mapping[str, Sequence[str]]:
        own = self._core.node_id
        withdrawn = await withdrawals(tx, own)
        return {p.node_id: [r.words for r in await reminders_of(tx, own, p, withdrawn, now, say)] for p in peers}

    def _view(self, peer: KnownPeer, now: int, say: Say, reminders: Sequence[str]) -> PeerView:
        row = peer.row
        return PeerView(
            node_id=row.node_id,
            name=row.name,
            phase=peer.phase(now),
            six_words=row.words,
            urls=json.loads(row.urls),
            regions=json.loads(row.regions),
            languages=json.loads(row.languages),
            agreement=agreement_view(row.agreement_source, self._core.node_id, say) if row.agreement_source else None,
            proposal=agreement_view(row.proposal, self._core.node_id, say) if row.proposal else None,
            sent=row.put_count,
            received=row.offer_count,
            last_sync_at=row.last_sync_at,
            last_contact_at=row.last_contact_at,
            next_sync_at=row.next_sync_at,
            last_error=row.last_error,
            failures=row.failures,
            misconduct=-row.standing,
            reminders=list(reminders),
        )


async def _log_alarms(tx: Reader) -> Mapping[str, str]:
    return {row.node_id: row.alarm for row in await tx.find(Witnessed)}


def refused(words: str) -> PeerError:

    return PeerError(Code.DOCUMENT, words)


def _plain(name: str) -> str:
    """A name without case and accents, as people type it."""
    apart = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))
