"""Who we know: verified histories of peers and origins, agreements as clauses, and peers as the gate sees them.

A `Situation` is everything beside the record that a decision depends on, read in one transaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Final

from federation.documents import Agreement, AtEnd, VerifiedAgreement, verify_agreement
from federation.identity import KeyHistory, verify_history
from governance.agreement import Clauses, Phase, phase_now
from governance.gate import NoPolicy, Peer
from governance.holds import NO_STOPS, Stops
from governance.policy import DAY_S, Policy
from node.store.port import Reader
from node.store.rows import CircleRow, Copy, Offer, OriginRow, PeerRow

# A peer whose clock is behind ours begins later, and refuses until then: it is asked again after these times.
BEGIN_AGAIN_S: Final = (600, 3600, 4 * 3600)
HISTORIES_REMEMBERED: Final = 512  # a history is verified once per process, not once per record


@lru_cache(HISTORIES_REMEMBERED)
def read_history(text: str) -> KeyHistory:
    """A stored history (JSON list of entries), verified again on first use."""
    return verify_history([entry.encode("ascii") for entry in json.loads(text)])


def write_history(history: KeyHistory) -> str:
    """The stored form."""
    return json.dumps([entry.decode("ascii") for entry in history.entries])


def renewed(row: PeerRow, history: KeyHistory) -> PeerRow:
    """A peer's row with what its newest node document says."""
    document = history.current
    return replace(
        row,
        history=write_history(history),
        name=document.name,
        urls=json.dumps(document.urls),
        regions=json.dumps(document.regions),
        languages=json.dumps(document.languages),
    )


def clauses_of(agreement: Agreement) -> Clauses:
    """An agreement as the gate sees it."""
    c = agreement.clauses
    return Clauses(
        agreement.id,
        c.purposes,
        frozenset(c.kinds),
        frozenset(c.topics),
        c.passing_on,
        c.attachments,
        c.at_end is AtEnd.ERASE,
        c.withdrawal_response_h,
        c.until,
        c.starts,
        c.review,
        c.conflict,
        c.suspend_overdue,
    )


@dataclass(frozen=True)
class KnownPeer:
    """A peer's row with what is derived from it."""

    row: PeerRow
    history: KeyHistory
    clauses: Clauses | None
    circles: frozenset[str]
    held: bool = False

    @property
    def node_id(self) -> str:
        """Its id."""
        return self.row.node_id

    def phase(self, now: int) -> Phase:
        """Where we are with it at this second."""
        return phase_now(Phase(self.row.phase), self.clauses, now)

    @cached_property
    def recipient(self) -> Peer:
        """The peer as the gate sees it; the gate itself applies the time."""
        return Peer(
            self.node_id, Phase(self.row.phase), self.clauses, frozenset(json.loads(self.row.regions)), self.circles,
            self.held,
        )  # fmt: skip


@lru_cache(HISTORIES_REMEMBERED)
def read_agreement(tokens: str, *histories: str) -> VerifiedAgreement:
    """A stored agreement or proposal (JSON list of tokens), verified under the given stored histories."""
    known = {h.node_id: h for h in map(read_history, histories)}
    return verify_agreement(tuple(t.encode("ascii") for t in json.loads(tokens)), known.get)


@dataclass(frozen=True)
class Situation:
    """What decisions depend on beside the record: the policy, our circles and the rosters, at second `now`."""

    node_id: str
    history: str
    policy: Policy | NoPolicy
    rosters: Mapping[str, frozenset[str]]
    now: int
    roster_seqs: Mapping[str, int] = field(default_factory=dict)
    releases: Mapping[tuple[str, str, int], frozenset[str]] = field(default_factory=dict)
    stops: Stops = NO_STOPS

    @property
    def circles(self) -> frozenset[str]:
        """The circles we are in; owning one is not being in it."""
        return frozenset(cid for cid, members in self.rosters.items() if self.node_id in members)

    def released(self, copy: Copy) -> frozenset[str]:
        """To whom stewards have let go of just these words of a record that a rule holds."""
        return self.releases.get((copy.origin, copy.rid, copy.ver), frozenset())

    def peer(self, row: PeerRow) -> KnownPeer:
        """A row as a known peer."""
        history = read_history(row.history)
        clauses = None
        if row.agreement is not None:
            clauses = clauses_of(read_agreement(row.agreement, self.history, row.history).document)
        circles = frozenset(cid for cid, members in self.rosters.items() if row.node_id in members)
        return KnownPeer(row, history, clauses, circles, row.node_id in self.stops.peers)

    def under(self, peer: KnownPeer, peers: Mapping[int, KnownPeer]) -> str:
        """A fingerprint of everything that, when it changes, makes every decision for this peer stale.

        Where rules ask for a record's age in days, the day is part of it. What a peer refused is tried again when it
        changes, so everything that may change the peer's own mind is part of it too.
        """
        policy = self.policy
        parts = (
            policy.version,
            type(policy).__name__,
            self.now // DAY_S if isinstance(policy, Policy) and policy.asks_age else 0,
            peer.phase(self.now),
            peer.row.agreement,  # the signed text, which is the same after a restart
            peer.row.regions,
            sorted(peer.circles),
            sorted(self.circles),
            peer.clauses and sum(self.now >= peer.clauses.starts + s for s in BEGIN_AGAIN_S),
            peer.row.their_notice_seq,
            sorted(passing_peers(peers)),
            (peer.held, *self.stops.broad()),
            sorted((c, n) for c, n in self.roster_seqs.items() if c in peer.circles or c in self.circles),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def passing_peers(peers: Mapping[int, KnownPeer]) -> set[int]:
    """The peers whose agreement with us lets us pass on what they give us."""
    return {n for n, p in peers.items() if p.clauses is not None and p.clauses.passing_on}


async def rosters(reader: Reader) -> tuple[dict[str, frozenset[str]], dict[str, int]]:
    """Every circle we know of: its members, and the number of the roster that names them."""
    rows = await reader.find(CircleRow)
    return {c.cid: frozenset(json.loads(c.members)) for c in rows}, {c.cid: c.seq for c in rows}


async def known_origins(reader: Reader, ids: Iterable[str]) -> dict[str, KeyHistory]:
    """Verified histories of the given nodes, as far as we know them: peers first, then origins met through others."""
    wanted = [(i,) for i in dict.fromkeys(ids)]
    found = {o.node_id: o.history for o in await reader.get_many(OriginRow, wanted)}
    found.update({p.node_id: p.history for p in await reader.get_many(PeerRow, wanted, by=("node_id",))})
    return {node_id: read_history(text) for node_id, text in found.items()}


async def may_be_passed_on(reader: Reader, copies: Iterable[int], peers: Mapping[int, KnownPeer]) -> set[int]:
    """Of these received copies, the ones that some agreement under which we got them allows to pass on."""
    offers = await reader.find(Offer, {"copy": list(copies)})
    allowed = {p for p, peer in peers.items() if peer.clauses is not None and peer.clauses.passing_on}
    return {o.copy for o in offers if o.peer in allowed}
