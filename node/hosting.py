"""This node as the federation's routes see it: who may ask, what has been asked before, and how it is answered."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from federation.client import Signer
from federation.encoding import b64url_encode
from federation.errors import Code, PeerError
from federation.exchange import Answer
from federation.identity import KeyHistory
from federation.routes import Declined
from federation.witness import Shown
from node.attaching import Attachments
from node.audit.witnessing import Witnessing
from node.core import Core
from node.errors import NotNow
from node.peerbook import read_history
from node.peers import Peers
from node.side import Sides
from node.store.port import StoreConflict
from node.store.rows import Nonce, OriginRow, PeerRow

log = logging.getLogger("commonweave.peers")

CHALLENGE_S: Final = 120
MAX_CHALLENGES: Final = 10_000  # strangers can ask for them: beyond this the oldest are forgotten
CHALLENGE_BYTES: Final = 18
PRUNE_EVERY: Final = 500


class Hosting:
    """Implements `federation.routes.Host`."""

    def __init__(
        self,
        core: Core,
        signer: Signer,
        authorities: Collection[str],
        sides: Sides,
        peers: Peers,
        attachments: Attachments,
    ) -> None:
        self._core = core
        self.signer = signer
        self.authorities = authorities
        self._sides = sides
        self._peers = peers
        self._attachments = attachments
        self._witnessing = Witnessing(core)
        self._challenges: dict[str, int] = {}
        self._since_prune = 0

    async def own_history(self) -> KeyHistory:
        """The history we serve to everybody."""
        async with self._core.store.read() as tx:
            own = await tx.get(OriginRow, self._core.node_id)
        assert own is not None
        return read_history(own.history)

    async def history(self, node_id: str) -> KeyHistory | None:
        """A peer's pinned history."""
        async with self._core.store.read() as tx:
            rows = await tx.get_many(PeerRow, [(node_id,)], by=("node_id",))
        return read_history(rows[0].history) if rows else None

    async def use_nonce(self, node_id: str, nonce: str, expires: int) -> bool:
        """Remember a nonce, durably and before anything is done for the request."""
        try:
            async with self._core.store.write() as tx:
                if await tx.get(Nonce, node_id, nonce) is not None:
                    return False
                await tx.put(Nonce(node_id, nonce, expires))
                self._since_prune += 1
                if self._since_prune >= PRUNE_EVERY:
                    self._since_prune = 0
                    await tx.delete(Nonce, upto=("expires_at", self._core.now()))
        except StoreConflict:
            return False
        self._challenges.pop(nonce, None)
        return True

    def new_challenge(self) -> str:
        """A nonce that proves freshness to a node whose clock is wrong."""
        now = self._core.now()
        for old in [n for n, t in self._challenges.items() if t < now]:
            del self._challenges[old]
        while len(self._challenges) >= MAX_CHALLENGES:
            del self._challenges[next(iter(self._challenges))]
        nonce = b64url_encode(self._core.entropy.draw(CHALLENGE_BYTES))
        self._challenges[nonce] = now + CHALLENGE_S
        return nonce

    def is_challenge(self, nonce: str) -> bool:
        """True for a challenge of ours that has neither ended nor been used."""
        return self._challenges.get(nonce, -1) >= self._core.now()

    async def misbehaved(self, node_id: str, code: Code) -> None:
        """Lower the standing of a peer."""
        async with self._core.store.write() as tx:
            for row in await tx.get_many(PeerRow, [(node_id,)], by=("node_id",)):
                log.warning("%s sent something that does not hold (%s)", row.name, code)
                await tx.put(replace(row, standing=row.standing - 1))

    async def answer(self, node_id: str, machine: Answer) -> Any:
        """Drive an answering machine; all its effects happen here."""
        async with self._core.store.read() as tx:
            rows = await tx.get_many(PeerRow, [(node_id,)], by=("node_id",))
        if not rows:
            raise PeerError(Code.UNKNOWN_ISSUER, "this node is not a peer of ours")
        sent: list[int] = []
        value: Any = None
        try:
            while True:
                value = await self._sides.perform(rows[0].id, machine.send(value), sent)
        except StopIteration as end:
            return end.value

    async def meet(self, history: KeyHistory, invite: str) -> Mapping[str, Any]:
        """A stranger brings an invite."""
        answer: Mapping[str, Any] = await self._in_words(self._peers.met(history, invite))
        return answer

    async def agree(self, node_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A peer shows its side of an agreement."""
        answer: Mapping[str, Any] = await self._in_words(self._peers.agreed(node_id, body))
        return answer

    async def notice(self, node_id: str, token: str) -> int:
        """A peer declares a step alone; the number of the last one before."""
        before: int = await self._in_words(self._peers.noticed(node_id, token))
        return before

    async def log_shown(self, history: KeyHistory, shown: Shown) -> Shown:
        """A peer shows its audit log; nobody is asked to witness before there is an agreement."""
        async with self._core.store.read() as tx:
            rows = await tx.get_many(PeerRow, [(history.node_id,)], by=("node_id",))
        if not rows or rows[0].agreement is None:
            raise Declined(Code.DOCUMENT, "logs are witnessed where there is an agreement")
        return await self._witnessing.answer(history, shown)

    async def attachment(self, node_id: str, sha256: str) -> Path | None:
        """A file that this peer may have."""
        return await self._attachments.for_peer(node_id, sha256)

    async def _in_words(self, work: Any) -> Any:
        try:
            return await work
        except NotNow as error:
            raise Declined(Code.DOCUMENT, str(error)) from error
