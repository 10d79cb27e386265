"""What every use case of a node shares: store, keys, clock, the policy in force, and the bell that rings on change.

A `Core` holds no state of its own that the database does not have, but for the bell and the policy just read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from federation.documents import SignedDocument, sign_document
from governance.gate import NoPolicy
from governance.policy import Policy
from node.clock import Clock, Entropy, uuid7
from node.holds.stopping import stops_in_force
from node.inforce import policy_in_force
from node.keyring import Keyring
from node.peerbook import KnownPeer, Situation, may_be_passed_on, rosters
from node.principal import Principal
from node.proposal_views import ProposalView
from node.proposals.acts import Act
from node.releasing import releases
from node.store.governing import Audit
from node.store.port import Reader, Store, Writer
from node.store.rows import Copy, OriginRow, PeerRow, State

Propose = Callable[[Principal, Act], Awaitable[ProposalView]]


class Bell:
    """Wakes whoever follows the sequence of changes; ringing twice before somebody looks is one ring."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Something was committed."""
        for event in self._waiting:
            event.set()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Return when the bell has rung since the last call with this event, or after the time."""
        self._waiting.add(event)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass
        event.clear()

    def leave(self, event: asyncio.Event) -> None:
        """Stop listening."""
        self._waiting.discard(event)


@dataclass
class Core:
    """The shared parts; `policy` is the one read last: decisions ask `policy_in`, which knows what is committed."""

    store: Store
    clock: Clock
    entropy: Entropy
    keys: Keyring
    name: str
    policy: Policy | NoPolicy
    policy_problem: str = ""
    propose: Propose | None = None  # how an act becomes a proposal, where one steward is not enough
    bell: Bell = field(default_factory=Bell)
    earliest: int = 0  # the date of our own node document: a clock that is behind it is wrong

    @property
    def node_id(self) -> str:
        """Our own id."""
        return self.keys.node_id

    def now(self) -> int:
        """Unix seconds, never before our own node document: what is dated before its key is refused everywhere."""
        return max(self.clock.now(), self.earliest)

    def new_id(self) -> str:
        """A fresh UUIDv7."""
        return uuid7(self.clock.now_ms(), self.entropy.draw(10))

    def sign(self, document: SignedDocument) -> str:
        """A document signed with our record key."""
        return sign_document(document, self.keys.record).decode("ascii")

    async def situation(self, reader: Reader) -> Situation:
        """All that decisions depend on beside the record, as this transaction sees it."""
        own = await reader.get(OriginRow, self.node_id)
        assert own is not None, "open_app writes our own history before anything else runs"
        members, seqs = await rosters(reader)
        policy = await self.policy_in(reader)
        released = await releases(reader) if isinstance(policy, Policy) and policy.holds else {}
        stops = await stops_in_force(reader, self.node_id)
        return Situation(self.node_id, own.history, policy, members, self.now(), seqs, released, stops)

    async def policy_in(self, reader: Reader) -> Policy | NoPolicy:
        """The policy that is in force in this transaction: once another one is committed, nothing asks the old one."""
        return await policy_in_force(reader, self.policy)

    async def peers(self, reader: Reader, situation: Situation) -> dict[int, KnownPeer]:
        """Every peer we have met, by number."""
        return {row.id: situation.peer(row) for row in await reader.find(PeerRow)}

    async def passing(self, reader: Reader, situation: Situation, rows: Iterable[Copy]) -> set[int]:
        """Of these copies, the received ones that we got under an agreement that allows to pass them on."""
        received = [row.id for row in rows if not row.own and row.state == State.LIVE]
        return await may_be_passed_on(reader, received, await self.peers(reader, situation)) if received else set()

    async def audit(self, writer: Writer, actor: str, action: str, subject: str = "", detail: str = "") -> None:
        """Note what was done. Never content, never a person's name beyond the account."""
        await writer.put(Audit(await writer.next_seq(), self.now(), actor, action, subject, detail))
