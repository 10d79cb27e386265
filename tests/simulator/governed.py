"""The laws of deciding together, looked at in every commit (DESIGN 9), from rows alone.

What a proposal sets free is computed here from the rows before and after its commit, by the gate, record by record and
peer by peer, and compared with what its voters were shown; no preview, verdict or ledger is believed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from federation.jws import peek
from federation.keys import split_kid
from federation.messages import Page, Put
from governance.agreement import Phase, keeps_copies
from governance.gate import Outcome, Role, decide
from governance.holds import NO_STOPS
from governance.proposal import State as ProposalState
from node.agreements import read_proposal
from node.circles import circle_owner
from node.contributors.contributing import TAKES_BACK
from node.copies import Held
from node.inforce import POLICY_VERSION
from node.peerbook import Situation, passing_peers
from node.principal import LOCAL
from node.store.governing import (
    Account,
    Audit,
    ContributorAct,
    HideRow,
    HoldRow,
    ProposalRow,
    ReleaseRow,
    VoteRow,
)
from node.store.memory import Before, MemoryStore
from node.store.port import Reader
from node.store.row import Row
from node.store.rows import CircleRow, Copy, Custody, Entry, Meta, Offer, OriginRow, PeerRow, State
from node.support import onward
from tests.simulator.laws import Key
from tests.simulator.loop import at_once
from tests.simulator.nodes import SimNode
from tests.simulator.watch import Watch

GATE_ASKS: Final = (OriginRow, CircleRow, Meta, ReleaseRow, HoldRow, HideRow, PeerRow, Copy, Offer)
Flows = dict[tuple[str, int], frozenset[str]]  # peer's node id and number of the record, to fields


class CouncilWatch(Watch):
    """The laws of every step, and those of worlds in which stewards decide."""

    def __init__(self, nodes: Iterable[SimNode]) -> None:
        super().__init__(nodes)
        self.in_force: dict[str, int] = {}  # how often each kind of act was carried out
        self._seen: dict[tuple[str, str, int], frozenset[str]] = {}  # all that voters of a node saw begin
        self._sealed: dict[tuple[str, int, int], Situation] = {}  # under what a node took up a record as it is now
        self.taken: dict[Key, tuple[int, set[str]]] = {}  # words taken back, as they were sealed

    # --- every commit ------------------------------------------------------------------------------------------------

    def _committed(self, node: SimNode, changed: Before) -> None:
        super()._committed(node, changed)
        rows: dict[type[Row], list[tuple[Any, Any]]] = {}
        for (kind, number), old in changed.items():
            rows.setdefault(kind, []).append((old, node.sim_store.tables[kind].rows.get(number)))
        before = _Before(node, changed)
        at_once(self._note_sealed(node, rows))
        decided = [
            cast(ProposalRow, new)
            for old, new in rows.get(ProposalRow, ())
            if _state(new) == ProposalState.IN_FORCE != _state(old)
        ]
        for row in decided:
            self._check_votes(node, before, row)
            at_once(self._check_gains(node, before, row))
            self.in_force[row.kind] = self.in_force.get(row.kind, 0) + 1
        if len(before.stewards()) > 1:
            kinds = {row.kind.partition(".")[0] for row in decided}
            for needed, what in _moved(node, rows):
                if needed not in kinds:
                    self.broken.append(f"{node.name} {what} without a proposal, though several stewards decide there")
            back = [new for old, new in rows.get(PeerRow, ()) if new and new.phase == Phase.ACTIVE and _moves(old, new)]
            if back and not decided:
                at_once(self._check_returns(node, before, {p.node_id for p in back}))
        for _, act in rows.get(ContributorAct, ()):
            if act is not None and cast(ContributorAct, act).what in TAKES_BACK:
                self._take_back(node, before, cast(ContributorAct, act))

    def _check_votes(self, node: SimNode, before: _Before, row: ProposalRow) -> None:
        """In force only by a quorum of the stewards of that moment on that very hash, never by its author alone."""
        stewards = before.stewards()
        votes = [cast(VoteRow, v) for v in node.sim_store.tables[VoteRow].rows.values()]
        yes = {v.account for v in votes if v.pid == row.pid and v.choice == "yes" and v.hash == row.hash} & stewards
        asked = len(stewards) // 2 + 1 if node.rules.quorum is None else min(node.rules.quorum, len(stewards))
        who = f"{node.name}: proposal {row.pid} ({row.kind}) of {row.by}, with {sorted(yes)} of {sorted(stewards)},"
        if len(yes) < asked or not row.hash:
            self.broken.append(f"{who} is in force without its quorum of {asked}")
        if len(stewards) > 1 and not yes - {row.by}:
            self.broken.append(f"{who} is in force by its author alone")
        waited = node.now - (row.approved_at if row.approved_at is not None else node.now)
        if len(stewards) > 1 and waited < node.rules.waiting_s:
            self.broken.append(f"{who} is in force after {waited} s of {node.rules.waiting_s}")

    async def _check_gains(self, node: SimNode, before: _Before, row: ProposalRow) -> None:
        """Carrying out sets nothing free that was not in what the voters saw."""
        seen = read_seen(row.seen)
        for (to, number), names in seen.items():
            shown = node.id, to, number
            self._seen[shown] = self._seen.get(shown, frozenset()) | names
        async with before.store().read() as tx:
            had, kept = await flows(node, tx), await keepers(node, tx)
        async with node.sim_store.look() as tx:
            has = await flows(node, tx)
        told = {}
        for line in cast("Iterable[Custody]", node.sim_store.tables[Custody].rows.values()):
            peer = cast(PeerRow, node.sim_store.tables[PeerRow].rows[(line.peer,)]).node_id
            if peer in kept and line.entry == Entry.PUT:  # it has that already, by the agreement that ended
                told[peer, line.copy] = frozenset(line.fields.split(","))
        nothing: frozenset[str] = frozenset()
        for place, fields in has.items():
            extra = fields - had.get(place, nothing) - seen.get(place, nothing) - told.get(place, nothing)
            if extra:
                peer, number = self.nodes[place[0]].name, place[1]
                rid = cast(Copy, node.sim_store.tables[Copy].rows[(number,)]).rid
                self.broken.append(
                    f"{node.name}: proposal {row.pid} ({row.kind}) sets {sorted(extra)} of {rid} free for {peer}, "
                    "which no voter saw"
                )

    async def _note_sealed(self, node: SimNode, rows: Mapping[type[Row], Collection[tuple[Any, Any]]]) -> None:
        """Whoever publishes, edits or permits does it under what is in force then, for every peer there is."""
        copies = {new.id for old, new in rows.get(Copy, ()) if new is not None and (old is None or old.vid != new.vid)}
        copies |= {(new or old).copy for old, new in rows.get(Offer, ())}
        if copies:
            async with node.sim_store.look() as tx:
                situation = await node.core.situation(tx)
            self._sealed |= {(node.id, node.restored, number): situation for number in copies}

    async def _check_returns(self, node: SimNode, before: _Before, back: set[str]) -> None:
        """A peer that comes back or signs gets nothing by its own word that no voter saw and nobody published since."""
        async with before.store().read() as tx:
            had = await flows(node, tx)
        async with node.sim_store.look() as tx:
            has = await flows(node, tx)
            for (peer, number), fields in has.items():
                extra = (
                    fields - had.get((peer, number), frozenset()) - self._seen.get((node.id, peer, number), frozenset())
                )
                if peer in back and extra:
                    extra -= await flow_under(
                        self._sealed.get((node.id, node.restored, number)), node, tx, peer, number
                    )
                    if extra:
                        self.broken.append(
                            f"{node.name}: {self.nodes[peer].name} comes back to {sorted(extra)}, unseen"
                        )

    # --- words taken back --------------------------------------------------------------------------------------------

    def _take_back(self, node: SimNode, before: _Before, act: ContributorAct) -> None:
        """Remember the words as they are sealed now, wherever they are: none of them may be outside at rest."""
        key = node.id, act.rid
        fields = set(act.fields.split(","))
        gone = self.taken.setdefault(key, (node.restored, set()))[1]
        places = [before.rows(Copy)] + [n.sim_store.tables[Copy].rows.values() for n in self.nodes.values()]
        for copies in places:
            for row in copies:
                copy = cast(Copy, row)
                if (copy.origin, copy.rid) == key and copy.state == State.LIVE and copy.disclosed is not None:
                    gone.update(text for name, text in Held.read(copy).texts.items() if name in fields)

    def _handed(self, node: SimNode, peer_id: int, page: Page) -> None:
        super()._handed(node, peer_id, page)
        for entry in page.entries:
            if isinstance(entry, Put):
                for (origin, rid), (restored, gone) in self.taken.items():
                    if origin == node.id and restored == node.restored and gone & set(entry.texts):
                        self.broken.append(f"{node.name} hands on words of {rid} that a contributor took back")

    async def check_rest(self) -> None:
        """Words that were taken back are nowhere outside; logs verify, with one entry for each decision."""
        problems = []
        for (origin, rid), (restored, gone) in self.taken.items():
            if self.nodes[origin].restored > restored:
                continue  # it was put back to before it was asked
            for node in self.nodes.values():
                if node.id == origin:
                    continue
                for row in node.sim_store.tables[Copy].rows.values():
                    copy = cast(Copy, row)
                    if (copy.origin, copy.rid) == (origin, rid) and copy.disclosed and gone & _texts(copy):
                        problems.append(f"{node.name} holds words of {rid} that a contributor took back")
        for node in self.nodes.values():
            problems += await self._log_problems(node)
        assert not problems, "\n".join(problems)

    async def _log_problems(self, node: SimNode) -> list[str]:
        await node.upkeep.audit_log.follow()
        out = [f"the log of {node.name}: {problem}" for problem in (await node.audit.verify(LOCAL)).problems]
        entries = [cast(Audit, a) for a in node.sim_store.tables[Audit].rows.values()]
        noted = [a.subject for a in entries if a.action == "proposal.in-force"]
        decided = {
            cast(ProposalRow, p).pid
            for p in node.sim_store.tables[ProposalRow].rows.values()
            if _state(p) == ProposalState.IN_FORCE
        }
        if sorted(noted) != sorted(decided):
            out.append(f"{node.name} has decided {sorted(decided)} and noted {sorted(noted)}")
        return out


# --- what is computed anew ------------------------------------------------------------------------------------------


class _Before:
    """A node's rows as they were before a commit."""

    def __init__(self, node: SimNode, changed: Before) -> None:
        self._node = node
        self._changed = changed

    def rows(self, kind: type[Row]) -> list[Row]:
        old = {key: row for (k, key), row in self._changed.items() if k is kind}
        now = self._node.sim_store.tables[kind].rows
        return [r for k, r in now.items() if k not in old] + [r for r in old.values() if r is not None]

    def stewards(self) -> set[str]:
        """Who decided then: accounts in use with a password, or whoever runs the node."""
        people = [cast(Account, a) for a in self.rows(Account)]
        found = {a.name for a in people if a.role == Role.STEWARD and a.password and not a.disabled}
        return found or {LOCAL.actor}

    def store(self) -> MemoryStore:
        out = MemoryStore()
        for kind in GATE_ASKS:
            for row in self.rows(kind):
                out.tables[kind].replace(row.key(), row)
        return out


async def flows(node: SimNode, tx: Reader) -> Flows:
    """What the gate lets each peer have of each record, by these rows."""
    situation = await node.core.situation(tx)
    peers = await node.core.peers(tx, situation)
    passing = passing_peers(peers)
    out: Flows = {}
    for copy in await tx.find(Copy, {"state": State.LIVE}):
        held, offers = Held.read(copy), await tx.find(Offer, {"copy": copy.id})
        got = any(o.peer in passing for o in offers)
        view = held.view(situation.circles, got, stops=situation.stops, released=situation.released(copy))
        for peer in peers.values():
            if peer.node_id == copy.origin:
                continue
            may = frozenset(held.texts) if copy.own else onward(offers, peer.row.id, passing).keys()
            decision = decide(view, peer.recipient, situation.policy, situation.now)
            if decision.outcome is Outcome.SHARE and "title" in decision.fields & may:
                out[peer.node_id, copy.id] = decision.fields & may
    return out


async def flow_under(then: Situation | None, node: SimNode, tx: Reader, peer_id: str, number: int) -> frozenset[str]:
    """What a peer would have of a record by the policy, circles and releases of an earlier moment."""
    copy = await tx.get(Copy, number)
    assert copy is not None
    held = Held.read(copy)
    if then is None:
        return frozenset(held.texts)  # it is from before there were stewards, or from a backup
    now = await node.core.situation(tx)
    peer = next(p for p in (await node.core.peers(tx, now)).values() if p.node_id == peer_id)
    circles = frozenset(cid for cid, members in then.rosters.items() if peer_id in members)
    view = held.view(then.circles, True, stops=NO_STOPS, released=then.released(copy))
    return decide(view, replace(peer.recipient, circles=circles), then.policy, now.now).fields


async def keepers(node: SimNode, tx: Reader) -> set[str]:
    """Peers that keep what they had under an agreement that is over."""
    situation = await node.core.situation(tx)
    peers = await node.core.peers(tx, situation)
    return {p.node_id for p in peers.values() if keeps_copies(p.phase(situation.now), p.clauses)}


def read_seen(packed: bytes | None) -> Mapping[tuple[str, int], frozenset[str]]:
    """What voters saw begin: the stored form, read without the code that writes it."""
    if not packed:
        return {}
    seen = json.loads(zlib.decompress(packed))
    out: dict[tuple[str, int], frozenset[str]] = {}
    for peer, flow in seen["peers"].items():
        for names, cell in seen["flows"][flow]:
            number = 0
            for distance in seen["cells"][cell]:
                number += distance
                place = peer, number
                out[place] = out.get(place, frozenset()) | frozenset(seen["names"][names])
    return out


def _moves(old: Row | None, new: Row) -> bool:
    """True if a peer is where it was not before: in another phase, or under another agreement."""
    return any(getattr(old, name, None) != getattr(new, name) for name in ("phase", "agreement"))


def _moved(node: SimNode, rows: Mapping[type[Row], Collection[tuple[Any, Any]]]) -> list[tuple[str, str]]:
    """What a node changed of its own that stewards decide on: the kind of proposal that does it, and in words."""
    out = []
    for old, new in rows.get(HoldRow, ()):
        if old is not None and old.lifted_at is None and (new is None or new.lifted_at is not None):
            out.append(("hold", f"lifted the hold {old.hid}"))
    for old, new in rows.get(ReleaseRow, ()):
        if new is not None and (old is None or old.pid != new.pid):
            out.append(("record", f"released {new.rid}"))
    for old, new in rows.get(CircleRow, ()):
        if new is not None and circle_owner(new.cid) == node.id and (old is None or old.seq != new.seq):
            out.append(("circle", f"changed the circle {new.cid}"))
    for old, new in rows.get(Meta, ()):
        if (new or old).key() == (POLICY_VERSION,) and new != old:
            out.append(("policy", "changed its policy"))
    for old, new in rows.get(Account, ()):
        if (old is not None and old.role == Role.STEWARD) != (new is not None and new.role == Role.STEWARD):
            out.append(("steward", f"changed who is a steward ({(new or old).name})"))
    for old, new in rows.get(PeerRow, ()):
        if old is not None and new is not None:
            out += [("agreement", f"{what} with {new.name}") for what in _stepped(node, old, new)]
    return out


def _stepped(node: SimNode, old: PeerRow, new: PeerRow) -> list[str]:
    """Steps that nobody but we can take."""
    out = []
    if old.phase == Phase.BLOCKED != new.phase:
        out.append("unblocked")
    if old.we_suspended and old.phase == Phase.SUSPENDED and not new.we_suspended and new.phase == Phase.ACTIVE:
        out.append("resumed")
    if _signed(node, new) - _signed(node, old):
        out.append("signed")
    return out


def _signed(node: SimNode, row: PeerRow) -> set[str]:
    """The agreements that bear our signature."""
    found = [read_proposal(text) for text in (row.proposal, row.agreement_source) if text]
    return {p.document.id for p in found if any(split_kid(peek(t)[1])[0] == node.id for t in p.tokens)}


def _state(row: Row | None) -> str:
    return "" if row is None else cast(ProposalRow, row).state


def _texts(copy: Copy) -> set[str]:
    return set(Held.read(copy).texts.values()) if copy.state == State.LIVE else set(json.loads(copy.disclosed or "{}"))
