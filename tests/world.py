"""Several whole nodes in one process: virtual clock, seeded entropy, stores in memory, sessions without HTTP.

Sessions run the real exchange on the real use cases, and every message passes the real codec. Lines can lose, repeat
or break; nodes can crash and be put back to an older snapshot of their store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from federation.client import read_swap, write_swap
from federation.documents import Agreement, AtEnd, Clauses, sign_agreement
from federation.effects import Collect, Effect, Expect, Fetch, Push, Reconcile, SendAck, SwapMarks
from federation.exchange import (
    Answer,
    Tally,
    answer_ack,
    answer_collect,
    answer_fetch,
    answer_push,
    answer_reconcile,
    answer_swap,
    initiate,
)
from federation.identity import KeyHistory
from federation.keys import SEED_BYTES, SigningKey, key_commitment, node_id_of
from federation.messages import (
    Ack,
    Mail,
    Marks,
    Page,
    read_ack,
    read_mail,
    read_page,
    write_ack,
    write_mail,
    write_page,
)
from governance.admission import Admission
from governance.agreement import Phase
from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import parse_policy
from governance.proposal import Rules
from governance.record import Draft
from governance.terms import ALL_PURPOSES, NETWORK, Terms
from node.acks import Acks
from node.agreements import write_proposal
from node.circles import Circles
from node.consents import Consents
from node.copies import Held
from node.core import Core
from node.erasure import Eraser
from node.finding import Finding
from node.holds.holding import Holds
from node.indexing import Indexing
from node.intake import Intake
from node.keyring import Keyring, Profile, first_document
from node.library import Library
from node.lines import Lines
from node.overdue import Overdue
from node.peerbook import KnownPeer, Situation, write_history
from node.peers import Peers
from node.policies import Policies
from node.principal import LOCAL
from node.proposals.wiring import open_proposals
from node.reading import Readings
from node.sharing import Sharing
from node.shelf import Shelf
from node.side import Sides
from node.store.memory import MemoryStore, MemoryWriter, _Table
from node.store.port import Store, Writer
from node.store.row import Row
from node.store.rows import ALL_ROWS, Copy, OriginRow, PeerRow, State
from node.syncing import Syncing
from node.tracing import Tracing
from node.upkeep import Upkeep
from search.memory_engine import MemoryEngine

START: Final = 1_900_000_000
NAMES: Final = ("ana", "bao", "chidi", "dina", "emre", "fatima", "gia", "hoku", "ines", "juma")

OPEN_POLICY: Final = """
name = "open"
[words]
en = "Everything that consent and agreement permit is shared."
[[rule]]
id = "share"
effect = "share"
to = ["peer", "member", "public"]
reason = "We share what people permitted."
"""

CAREFUL_POLICY: Final = (
    OPEN_POLICY.replace('"open"', '"careful"', 1)
    + """
[[rule]]
id = "red-stays"
effect = "withhold"
to = ["peer", "public"]
when.labels = ["tlp:red"]
reason = "It is marked red."
[[rule.example]]
to = "peer"
labels = ["tlp:red"]
[[rule]]
id = "people-stay"
effect = "redact"
to = ["peer", "public"]
fields = "person:*"
reason = "Names of people stay with us."
[[rule.example]]
to = "peer"
kind = "guide"
"""
)

SHUT_POLICY: Final = (
    OPEN_POLICY.replace('"open"', '"shut"', 1)
    + """
[[rule]]
id = "guides-stay"
effect = "withhold"
to = "peer"
when.kind = "guide"
reason = "Guides are not shared now."
[[rule.example]]
to = "peer"
kind = "guide"
"""
)
POLICIES: Final = tuple(parse_policy(t.encode()) for t in (OPEN_POLICY, CAREFUL_POLICY, SHUT_POLICY))


class LineBroken(Exception):
    """The line broke: a request or an answer was lost."""


class Crash(Exception):
    """The process was killed."""


@dataclass
class VirtualClock:
    """A clock that only moves when it is told to."""

    time: int = START
    skew_s: int = 0

    def now(self) -> int:
        return self.time + self.skew_s

    def now_ms(self) -> int:
        return self.now() * 1000

    def steady(self) -> float:
        return float(self.time)


class SeededEntropy:
    """Bytes that follow from a seed; a node put back to a snapshot draws new ones all the same."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._drawn = 0

    def draw(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self._seed}/{self._drawn}".encode()).digest(size)


class FragileStore(MemoryStore):
    """A store whose process can be killed right before one of the next commits."""

    def __init__(self) -> None:
        super().__init__()
        self.crash_in: int | None = None
        self.changes = 0  # grows with every commit, so that who watches need not look again for nothing

    @asynccontextmanager
    async def write(self) -> AsyncIterator[MemoryWriter]:
        async with super().write() as tx:
            yield tx
            if self.crash_in is not None:
                self.crash_in -= 1
                if self.crash_in < 0:
                    self.crash_in = None
                    raise Crash
            self.changes += 1

    def snapshot(self) -> Snapshot:
        """Everything as it is now; rows never change, so they are shared."""
        return Snapshot({kind: tuple(table.rows.values()) for kind, table in self.tables.items()}, self.last_seq)

    def put_back(self, snapshot: Snapshot) -> None:
        """Everything as it was then."""
        self.tables = {kind: _Table(kind) for kind in ALL_ROWS}
        for kind, rows in snapshot.rows.items():
            for row in rows:
                self.tables[kind].replace(row.key(), row)
        self.last_seq = snapshot.last_seq
        self.changes += 1


@dataclass(frozen=True)
class Snapshot:
    """A backup of a store."""

    rows: Mapping[type[Row], tuple[Row, ...]]
    last_seq: int


class GivenPolicies:
    """Stands for a policy file that is changed by the test through `core.policy`."""

    async def refresh(self) -> bool:
        return False


class NoSchedule:
    """Sessions are started by the test."""

    async def visit_due(self) -> None:
        return None


def _unheard(keys: Keyring) -> None:
    """No line here signs with keys of its own."""
    del keys


def _keyring(entropy: SeededEntropy) -> Keyring:
    keys = [SigningKey.from_seed(entropy.draw(SEED_BYTES)) for _ in range(5)]
    identity, request, record, log, following = keys
    return Keyring(
        node_id_of(identity.public), identity, request, record, log, entropy.draw(32), key_commitment(following.public)
    )


class WorldNode:
    """One node: a `Core` and the use cases that the laws need, wired as `node.app` does it."""

    def __init__(self, name: str, seed: int, clock: VirtualClock, store: Store, page_records: int = 3) -> None:
        entropy = SeededEntropy(f"{seed}/{name}")
        self.name = name
        self.clock = clock
        self.entropy = entropy
        self.page_records = page_records
        self.core = Core(store, clock, entropy, _keyring(entropy), name, POLICIES[0])
        self.admission = Admission()
        self.history: KeyHistory = first_document(
            self.core.keys, Profile(name, ("KE",), ("en",), "", (f"https://{name}.example",)), clock.now()
        )
        self._wire()

    def _wire(self) -> None:
        core = self.core
        self.readings = Readings(core)
        self.sharing = self._sharing()
        self.library = Library(core, self.readings, self._withdrawals)
        self.consents = Consents(core, self.readings)
        self.circles = Circles(core)
        self.engine = self._index()
        self.indexing = Indexing(core, self.readings, self.engine)
        self.find = Finding(core, self.readings, self.engine)
        self.intake = Intake(core, self.admission)
        self.acks = Acks(core, self.sharing)
        self.peers = Peers(core, cast(Lines, None))
        self.tracing = Tracing(core, self.readings, self.sharing, self.peers)
        self.proposals = open_proposals(core, self.peers, self.circles, Path("no-keys-here"), _unheard, Rules(), {})
        self.holds = Holds(core, self.readings, self.peers, self.indexing)
        self.sides = Sides(core, self.sharing, self.intake, self.acks)
        self.eraser = Eraser(core, Path("no-files-here"), [self.indexing.erase])
        self.upkeep = Upkeep(
            core,
            cast(Policies, GivenPolicies()),
            self.eraser,
            self.indexing,
            cast(Syncing, NoSchedule()),
            self._shelf,
            (Overdue(core, self.peers).settle, self.proposals.tend),
        )

    def _index(self) -> MemoryEngine:
        return MemoryEngine()

    def _sharing(self) -> Sharing:
        return Sharing(self.core, page_records=self.page_records)

    async def _withdrawals(self, who: Any, *, rid: str | None = None) -> Any:
        return await self.tracing.withdrawals(who, rid=rid)

    async def _shelf(self, tx: Writer, peer: KnownPeer, situation: Situation) -> Shelf:
        return await Shelf.open(self.core, tx, peer, situation, self.admission, [])

    @property
    def id(self) -> str:
        return self.core.node_id

    @property
    def store(self) -> FragileStore:
        assert isinstance(self.core.store, FragileStore)
        return self.core.store

    async def introduce(self) -> None:
        """Keep our own history, as opening a node does."""
        self.core.earliest = self.history.current.iat
        async with self.core.store.write() as tx:
            await tx.put(OriginRow(self.id, write_history(self.history), self.name))

    def put_back(self, snapshot: Snapshot) -> None:
        """Restore the store from a backup; the index is made again, keys and policy stay."""
        self.store.put_back(snapshot)
        self._wire()

    def restart(self) -> None:
        """A new process over the same store."""
        self.store.crash_in = None
        self._wire()

    async def tend(self) -> None:
        """What the background does between sessions."""
        await self.upkeep.catch_up()

    async def peer(self, other: WorldNode) -> PeerRow:
        async with self.core.store.read() as tx:
            rows = await tx.get_many(PeerRow, [(other.id,)], by=("node_id",))
        return rows[0]

    async def knows(self, other: WorldNode) -> bool:
        async with self.core.store.read() as tx:
            return bool(await tx.count(PeerRow, {"node_id": other.id}))

    async def live(self) -> dict[tuple[str, str], Held]:
        """Every live copy, by origin and record."""
        async with self.core.store.read() as tx:
            return {(c.origin, c.rid): Held.read(c) for c in await tx.find(Copy, {"state": State.LIVE})}

    async def copies(self) -> dict[tuple[str, str], Copy]:
        async with self.core.store.read() as tx:
            return {(c.origin, c.rid): c for c in await tx.find(Copy)}

    async def perform(self, peer: WorldNode, machine: Answer) -> Any:
        """Answer a peer's request, as `node.hosting` does."""
        peer_id = (await self.peer(peer)).id
        sent: list[int] = []
        value: Any = None
        try:
            while True:
                value = await self.sides.perform(peer_id, machine.send(value), sent)
        except StopIteration as end:
            return end.value


@dataclass
class Fault:
    """What goes wrong at the `at`-th message of a session: `request`, `reply`, `twice`, or `crash-here`/`crash-there`.

    A crash strikes right before a commit: the `commit`-th after that message.
    """

    at: int
    what: str
    commit: int = 0


@dataclass(frozen=True)
class Bond:
    """What two nodes agree on in a world."""

    passing_on: bool = True
    attachments: bool = True
    keep: bool = False
    until: int | None = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Truth:
    """Where two nodes are with one another, once both have heard it."""

    phase: Phase
    agreement: str
    source: str
    number: int
    bond: Bond


THERE: Final = (Fetch, Push, SendAck, Collect, Reconcile, SwapMarks)


class World:
    """N nodes and the lines between them."""

    def __init__(self, seed: int, count: int, make_store: Callable[[], Store] = FragileStore) -> None:
        self.seed = seed
        self.clock = VirtualClock()
        self.nodes = [WorldNode(NAMES[n], seed, self.clock, make_store()) for n in range(count)]
        self._agreements = 0
        self.bonds: dict[frozenset[str], Truth] = {}
        self.by_id = {n.id: n for n in self.nodes}
        self.messages = 0
        self.seen: list[str] = []
        self.watch: Callable[[WorldNode], Any] | None = None

    @staticmethod
    async def make(
        seed: int, count: int, links: Sequence[tuple[int, int]], bond: Bond | None = None, **more: Any
    ) -> World:
        """A world whose nodes have met along the links."""
        world = World(seed, count, **more)
        for node in world.nodes:
            await node.introduce()
        for a, b in links:
            await world.meet(world.nodes[a], world.nodes[b], bond or Bond())
        return world

    # --- agreements ------------------------------------------------------------------------------------------------

    async def meet(self, a: WorldNode, b: WorldNode, bond: Bond) -> None:
        """Both sides know one another and have signed; the meeting itself is tested elsewhere."""
        agreement, source = self.agreement(a, b, bond)
        self.bonds[frozenset((a.name, b.name))] = Truth(Phase.ACTIVE, agreement, source, self._agreements, bond)
        for one, other in ((a, b), (b, a)):
            await self.agree_at(one, other, agreement, source)

    def agreement(self, a: WorldNode, b: WorldNode, bond: Bond) -> tuple[str, str]:
        """An agreement with both signatures, as a peer's row keeps it."""
        self._agreements += 1
        clauses = Clauses(
            purposes=ALL_PURPOSES,
            kinds=bond.kinds,
            passing_on=bond.passing_on,
            attachments=bond.attachments,
            at_end=AtEnd.KEEP if bond.keep else AtEnd.ERASE,
            starts=self.clock.now(),
            until=bond.until,
        )
        document = Agreement(
            id=f"agreement-{self._agreements}",
            n=self._agreements,
            iat=self.clock.now(),
            a=a.id,
            b=b.id,
            nonce="n" * 24,
            clauses=clauses,
        )
        tokens = tuple(sign_agreement(document, n.id, n.core.keys.record).decode("ascii") for n in (a, b))
        return json.dumps(list(tokens)), write_proposal(document, tokens)

    async def agree_at(self, here: WorldNode, there: WorldNode, agreement: str, source: str) -> None:
        """One side takes the agreement into force."""
        async with here.core.store.write() as tx:
            known = await tx.get_many(PeerRow, [(there.id,)], by=("node_id",))
            row = (
                known[0]
                if known
                else PeerRow(
                    await tx.next_seq(), there.id, Phase.ACTIVE, there.name, write_history(there.history), "[]",
                    '["KE"]', here.clock.now(),
                )
            )  # fmt: skip
            await tx.put(replace(row, phase=Phase.ACTIVE, agreement=agreement, agreement_source=source))

    async def declare(self, here: WorldNode, there: WorldNode, phase: Phase, bond: Bond | None = None) -> None:
        """One side takes a step at once; the other hears of it when a line opens."""
        pair = frozenset((here.name, there.name))
        truth = self.bonds[pair]
        self._agreements += 1
        self.bonds[pair] = replace(truth, phase=phase, number=self._agreements)
        if bond is not None:
            agreement, source = self.agreement(here, there, bond)
            self.bonds[pair] = Truth(phase, agreement, source, self._agreements, bond)
        truth = self.bonds[pair]
        async with here.core.store.write() as tx:
            row = (await tx.get_many(PeerRow, [(there.id,)], by=("node_id",)))[0]
            await tx.put(replace(row, phase=phase, agreement=truth.agreement, agreement_source=truth.source))

    async def align(self, one: WorldNode, other: WorldNode) -> None:
        """What notices and agreements do when a line opens: both sides come to know what is in force."""
        truth = self.bonds.get(frozenset((one.name, other.name)))
        if truth is None:
            return
        for here, there in ((one, other), (other, one)):
            row = await here.peer(there)
            if (row.phase, row.agreement) != (truth.phase, truth.agreement):
                async with here.core.store.write() as tx:
                    fresh = await tx.get(PeerRow, row.id)
                    assert fresh is not None
                    await tx.put(
                        replace(
                            fresh,
                            phase=truth.phase,
                            agreement=truth.agreement,
                            agreement_source=truth.source,
                            their_notice_seq=truth.number,
                        )
                    )

    # --- sessions --------------------------------------------------------------------------------------------------

    async def session(self, here: WorldNode, there: WorldNode, fault: Fault | None = None) -> Tally:
        """One session that `here` opens. Raises `LineBroken` or `Crash` where the fault strikes."""
        await self.align(here, there)
        machine = initiate()
        peer_id = (await here.peer(there)).id
        sent: list[int] = []
        value: Any = None
        number = 0
        try:
            while True:
                effect = machine.send(value)
                if isinstance(effect, Expect):
                    value = None
                elif isinstance(effect, THERE):
                    value = await self._there(here, there, effect, number, fault)
                    number += 1
                else:
                    value = await here.sides.perform(peer_id, effect, sent)
                if self.watch is not None:
                    await self.watch(here)
                    await self.watch(there)
        except StopIteration as end:
            return cast(Tally, end.value)
        finally:
            self.messages = number
            for node in (here, there):
                if isinstance(node.core.store, FragileStore):
                    node.core.store.crash_in = None

    async def _there(self, here: WorldNode, there: WorldNode, effect: Effect, number: int, fault: Fault | None) -> Any:
        self.seen.append(type(effect).__name__)
        strikes = fault is not None and fault.at == number
        if fault is not None and strikes and fault.what.startswith("crash"):
            (here if fault.what == "crash-here" else there).store.crash_in = fault.commit
        if fault is not None and strikes and fault.what == "request":
            raise LineBroken("the request was lost")
        answer = await self._carry(here, there, effect)
        if fault is not None and strikes and fault.what == "twice":
            answer = await self._carry(here, there, effect)
        if fault is not None and strikes and fault.what == "reply":
            raise LineBroken("the answer was lost")
        return answer

    async def _carry(self, here: WorldNode, there: WorldNode, effect: Effect) -> Any:
        """A message over the wire's own forms, and its answer back."""
        match effect:
            case Fetch():
                machine = answer_fetch(effect.after, Marks.parse(effect.marks.text()), begin=effect.begin)
            case Push():
                page = read_page(write_page(effect.page))
                assert page == effect.page
                machine = answer_push(page, Marks.parse(effect.marks.text()), reset=effect.reset)
            case SendAck():
                machine = answer_ack(read_ack(write_ack(effect.ack)))
            case Collect():
                machine = answer_collect(effect.after)
            case Reconcile():
                machine = answer_reconcile(effect.which, effect.message)
            case SwapMarks():
                machine = answer_swap(read_swap(write_swap(effect.swap)))
            case _:
                raise TypeError(f"{type(effect).__name__} does not travel")
        answer = await there.perform(here, machine)
        match answer:
            case Page():
                return read_page(write_page(answer))
            case Ack():
                return read_ack(write_ack(answer))
            case Mail():
                return read_mail(write_mail(answer))
            case _ if isinstance(effect, SwapMarks):
                return read_swap(write_swap(answer))
            case _:
                return answer

    async def tend(self) -> None:
        for node in self.nodes:
            await node.tend()

    async def pairs(self) -> list[tuple[WorldNode, WorldNode]]:
        """Every two nodes that know one another, once."""
        every = [(one, other) for at, one in enumerate(self.nodes) for other in self.nodes[at + 1 :]]
        return [(one, other) for one, other in every if await one.knows(other) and await other.knows(one)]

    async def state(self) -> str:
        """What laws look at, as one comparable text."""
        lines = []
        for node in self.nodes:
            for key, held in sorted((await node.live()).items()):
                lines.append(f"{node.name} {key} {held.row.ver} {sorted(held.texts)}")
            for key, copy in sorted((await node.copies()).items()):
                lines.append(f"{node.name} {key} {copy.state} {copy.ver}")
        return "\n".join(lines)

    async def quiet(self, rounds: int = 30, after_round: Callable[[], Awaitable[None]] | None = None) -> int:
        """Sync every link, in both directions, until nothing moves; how many rounds it took."""
        before = ""
        calm = 0
        for number in range(rounds):
            await self.tend()
            for one, other in await self.pairs():
                for here, there in ((one, other), (other, one)):
                    await self.session(here, there)
                    if after_round is not None:
                        await after_round()
            await self.tend()
            now = await self.state()
            calm = calm + 1 if now == before else 0
            if calm >= 2:
                return number
            before = now
        raise AssertionError(f"the world does not come to rest in {rounds} rounds")

    # --- short words for tests -------------------------------------------------------------------------------------

    async def publish(self, node: WorldNode, title: str = "A title", **more: Any) -> str:
        """A published record; its id."""
        info = await node.library.create(LOCAL, draft(title, **more))
        return info.rid


def terms(*audiences: str, until: int | None = None) -> Terms:
    """Terms for every purpose."""
    return Terms(frozenset(audiences or (NETWORK,)), ALL_PURPOSES, until)


def draft(
    title: str = "A title",
    *,
    audiences: Sequence[str] = (NETWORK,),
    until: int | None = None,
    fields: Mapping[str, Any] | None = None,
    field_terms: Mapping[str, Terms] | None = None,
    kind: str = "guide",
    contributors: Sequence[Any] = (),
    direct: Sequence[str] = (),
    lang: str = "en",
) -> Draft:
    """What an editor would write."""
    return Draft(
        kind=kind,
        lang=lang,
        fields={"title": title, "summary": f"{title} in short", "body": f"{title} at length", **(fields or {})},
        terms=terms(*audiences, until=until).to_json(),
        field_terms={n: t.to_json() for n, t in (field_terms or {}).items()},
        contributors=tuple(contributors),
        direct=tuple(direct),
    )


def set_policy(node: WorldNode, policy: Policy | NoPolicy) -> None:
    """As if the steward's file had changed."""
    node.core.policy = policy
