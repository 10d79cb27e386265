"""What a peer should be told of a record, by the gate, beside what it was told: the judgement behind every ledger line.

Values in, values out: `node.ledger` keeps what follows. Nothing here writes, and only `Support.read` reads.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from federation.claims import TITLE
from governance.agreement import Phase, keeps_copies
from governance.classes import Seen, Side
from governance.gate import Decision, Outcome, decide
from governance.holds import NO_STOPS
from governance.terms import ALL_PURPOSES, NETWORK, PUBLIC, Terms
from node.copies import Held, next_end, outline_of, signed_terms, value_in
from node.explaining.remembering import ruled
from node.holds.given import Given, given
from node.holds.given import read as read_given
from node.peerbook import KnownPeer, Situation, passing_peers
from node.store.port import Reader
from node.store.rows import Copy, Custody, Entry, Offer, PeerRow, State, VersionRow
from node.support import onward

_WIDEST: Final = tuple(Terms(frozenset({audience}), ALL_PURPOSES, None) for audience in (NETWORK, PUBLIC))


@dataclass(frozen=True)
class Wanted:
    """What a peer should be told about a record; `entry` None: nothing. `ends_at`: the next end of a field held.

    `ver` and `iat` are those of an earlier version that the peer keeps during a hold; `narrowed`: less than it has.
    `ruled` is what decided, for those who ask later.
    """

    entry: Entry | None
    copy_id: bytes | None = None
    fields: tuple[str, ...] = ()
    policy: str = ""
    hops: tuple[int, ...] = ()
    ends_at: int | None = None
    ver: int | None = None
    iat: int | None = None
    narrowed: bool = False
    ruled: tuple[str, ...] = ()


NOTHING: Final = Wanted(None)


@dataclass(frozen=True)
class Support:
    """What stands behind copies: who offers us received ones, which of these peers' agreements allow to pass things
    on, and the earlier versions that a peer may hold of own ones (texts by record id and number).
    """

    offers: Mapping[int, Sequence[Offer]]
    passing: Collection[int]
    earlier: Mapping[tuple[str, int], Mapping[str, str]]
    sealed: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @staticmethod
    async def read(
        tx: Reader, copies: Collection[Copy], peers: Mapping[int, KnownPeer], told: Mapping[int, Custody]
    ) -> Support:
        received = [c.id for c in copies if not c.own and c.state == State.LIVE]
        offers: dict[int, list[Offer]] = {}
        for offer in await tx.find(Offer, {"copy": received}) if received else ():
            offers.setdefault(offer.copy, []).append(offer)
        older = [(c.rid, n) for c in copies if c.own and c.id in told for n in _versions(told[c.id]) if n < c.ver]
        versions = await tx.get_many(VersionRow, older) if older else ()
        earlier = {(v.rid, v.ver): json.loads(v.disclosed) for v in versions}
        return Support(offers, passing_peers(peers), earlier, {(v.rid, v.ver): v.jws for v in versions})

    def unchanged(self, held: Held, ver: int) -> frozenset[str]:
        """The fields whose words are those of version `ver`, as far as we still know it."""
        before = self.earlier.get((held.row.rid, ver), {}) if held.row.own else {}
        return frozenset(n for n, value in held.values.items() if n in before and value_in(before[n]) == value)

    def no_stricter(self, held: Held, had: Given) -> bool:
        """True if no field has stricter terms now than in the version that the peer has.

        What a holder had before is not kept, so it can only tell where the terms are as wide as can be.
        """
        if not held.row.own:
            return all(held.terms.get(n) in _WIDEST for n in had.fields)  # one that is gone by now has none
        jws = self.sealed.get((held.row.rid, had.ver))
        before = {} if jws is None else signed_terms(jws)
        known = before.keys() & held.terms.keys()
        return all(n in known and before[n].narrower_or_equal(held.terms[n]) for n in had.fields)

    def passed_to_us(self, copy: Copy) -> bool:
        return any(o.peer in self.passing for o in self.offers.get(copy.id, ()))

    def onward(self, copy: Copy, to: int | None) -> dict[str, int]:
        return onward(self.offers.get(copy.id, ()), to, self.passing)


def wanted(
    copy: Copy,
    peer: KnownPeer,
    was: Custody | None,
    situation: Situation,
    support: Support,
    held: Held | None = None,
) -> Wanted:
    if copy.state == State.WITHDRAWN:
        known = handed_over(was, peer.row) or copy.origin == peer.node_id or copy.relay
        return Wanted(Entry.WITHDRAW) if known else NOTHING
    if copy.origin == peer.node_id:
        return NOTHING
    why: tuple[str, ...] = ()
    if copy.state == State.LIVE:
        held = held or Held.read(copy)
        if peer.held or held.stop(situation.stops) is not None:
            return _while_held(held, peer, was, situation, support)
        decision = decision_of(held, peer, was, situation, support)
        if was is not None and was.ver != copy.ver and only_keeps(peer, situation.now):
            # An edit is news, and whoever only keeps what it has does not hear of it; of a narrowing it does.
            if decision.outcome is Outcome.SHARE and _had(was, peer.row) == decision.fields:
                return _as_before(was)
            decision = replace(decision, fields=decision.fields & support.unchanged(held, was.ver))
        why = ruled(decision)
        hops = None if copy.own else support.onward(copy, peer.row.id)
        fields = tuple(n for n in held.texts if n in decision.fields and (hops is None or n in hops))
        if decision.outcome is Outcome.SHARE and TITLE in fields:
            crossed = () if hops is None else tuple(hops[n] for n in fields)
            ends_at = held.next_end(situation.now)
            return Wanted(
                Entry.PUT, held.copy_id(fields), fields, decision.policy_version, crossed, ends_at,
                ruled=why,
            )  # fmt: skip
    if not handed_over(was, peer.row):
        return NOTHING  # there is nothing to take back
    return Wanted(Entry.RETRACT, policy=situation.policy.version, ruled=why)


def _while_held(held: Held, peer: KnownPeer, was: Custody | None, situation: Situation, support: Support) -> Wanted:
    """During a hold the peer keeps what it was given; less of it passes at once, and nothing else does."""
    had, copy = given(was, peer.row), held.row
    if had is None:
        return Wanted(Entry.RETRACT) if handed_over(was, peer.row) else NOTHING
    decision = decision_of(held, peer, was, situation, support, lifted=True)
    hops = None if copy.own else support.onward(copy, peer.row.id)
    left = decision.fields if decision.outcome is Outcome.SHARE else frozenset()
    left = frozenset(n for n in had.fields if n in left and (hops is None or n in hops))
    fields = tuple(n for n in held.texts if n in left)
    crossed = () if hops is None else tuple(hops[n] for n in fields)
    as_before = support.no_stricter(held, had) if had.ver != copy.ver else written_hops(crossed) == had.hops
    if len(left) == len(had.fields) and as_before:
        return Wanted(
            Entry.PUT, had.copy_id, had.fields, had.policy, tuple(map(int, filter(None, had.hops.split(",")))),
            ver=had.ver, iat=had.iat,
        )  # fmt: skip
    if had.ver != copy.ver:
        left &= support.unchanged(held, had.ver)
        fields = tuple(n for n in fields if n in left)
        crossed = () if hops is None else tuple(hops[n] for n in fields)
    if TITLE not in fields or had.seq > peer.row.acked:  # it may never have had it: then even less would be news
        return Wanted(Entry.RETRACT, policy=situation.policy.version)
    ends_at = held.next_end(situation.now)
    return Wanted(Entry.PUT, held.copy_id(fields), fields, decision.policy_version, crossed, ends_at, narrowed=True)


def decision_of(
    held: Held,
    peer: KnownPeer,
    was: Custody | None,
    situation: Situation,
    support: Support,
    *,
    lifted: bool = False,
) -> Decision:
    """The gate's word; `lifted`: as if nothing were on hold."""
    released = situation.released(held.row)
    stops = NO_STOPS if lifted else situation.stops
    view = held.view(situation.circles, support.passed_to_us(held.row), stops=stops, released=released)
    to = replace(peer.recipient, held=False) if lifted else peer.recipient
    if not only_keeps(peer, situation.now):
        return decide(view, to, situation.policy, situation.now)
    # The agreement has ended and lets the peer keep what it has: nothing new, and never more than still may be.
    assert peer.clauses is not None
    as_before = replace(to, phase=Phase.ACTIVE, clauses=replace(peer.clauses, until=None))
    decision = decide(view, as_before, situation.policy, situation.now)
    return replace(decision, fields=decision.fields & _had(was, peer.row))


def only_keeps(peer: KnownPeer, now: int) -> bool:
    """True if the agreement has ended and lets the peer keep what it has."""
    return keeps_copies(peer.phase(now), peer.clauses)


def _had(was: Custody | None, row: PeerRow) -> frozenset[str]:
    """The fields that the peer was given and took."""
    if was is None or was.entry != Entry.PUT or was.refused is not None or not handed_over(was, row):
        return frozenset()
    return frozenset(was.fields.split(","))


def _versions(line: Custody) -> set[int]:
    before = read_given(line.given)
    return {line.ver} if before is None else {line.ver, before.ver}


def _as_before(was: Custody) -> Wanted:
    hops = tuple(map(int, filter(None, was.hops.split(","))))
    return Wanted(Entry(was.entry), was.copy_id, tuple(was.fields.split(",")), was.policy, hops)


def same(was: Custody | None, wanted: Wanted) -> bool:
    if was is None:
        return wanted.entry is None
    return (was.entry, was.copy_id, was.hops) == (wanted.entry, wanted.copy_id, written_hops(wanted.hops))


def written_hops(hops: Iterable[int]) -> str:
    return ",".join(map(str, hops))


def handed_over(was: Custody | None, row: PeerRow) -> bool:
    """True if the peer may have been told of the record, in this or an earlier state of the line."""
    return was is not None and (was.told or was.seq <= row.issued)


def plainly_stays(copy: Copy, was: Custody | None, peer: KnownPeer, situation: Situation, side: Side) -> bool:
    """True for the common case, told from the outline alone: of an own record the peer may have just what it has.

    After a change of policy nearly all lines are of this sort, and none of them has to be read.
    """
    if not copy.own or copy.state != State.LIVE or copy.outline is None or situation.stops is not NO_STOPS:
        return False
    if was is not None and (was.entry, was.ver, was.refused) != (Entry.PUT, copy.ver, None):
        return False
    if only_keeps(peer, situation.now):
        return False
    outline = outline_of(copy)
    if later(copy.ends_at, next_end(outline.sealed().values(), situation.now)):
        return False
    given = side.given(Seen(outline), peer.recipient, situation.now)
    return given == (frozenset(was.fields.split(",")) if was is not None else frozenset())


def later(end: int | None, other: int | None) -> bool:
    return other is not None and (end is None or end > other)
