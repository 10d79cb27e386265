"""Whole nodes on a virtual network and virtual clocks, wired as `node.app` does it, over a store in memory.

A node here opens sessions by its own `Syncing`, answers by its own routes, and can be killed at any transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar, cast

import aiohttp

from federation.client import Signer
from federation.messages import Page
from federation.routes import federation_routes
from governance.agreement import Phase
from governance.proposal import Rules
from node.agreements import ProposedAgreement
from node.attaching import Attachments
from node.audit.auditing import Auditing
from node.contributors.contributing import Contributing
from node.core import Core
from node.erasure import Eraser
from node.errors import NodeError
from node.holds.holding import Holds
from node.hosting import Hosting
from node.keyring import Keyring
from node.lines import Lines
from node.overdue import Overdue
from node.peerbook import write_history
from node.peers import Peers
from node.policies import Policies
from node.principal import LOCAL
from node.proposals.wiring import open_proposals
from node.reports.reports import Reports
from node.sharing import Sharing
from node.store.memory import Before, MemoryReader, MemoryWriter
from node.store.rows import PeerRow
from node.syncing import Pace, Syncing
from node.tracing import Tracing
from node.upkeep import Upkeep
from search.memory_engine import MemoryEngine
from tests.simulator.loop import VirtualLoop, owned
from tests.simulator.network import Endpoint, Network, Wire
from tests.world import START, FragileStore, GivenPolicies, NoSchedule, Snapshot, VirtualClock, WorldNode

T = TypeVar("T")

NAMES: Final = (
    "ana", "bao", "chidi", "dina", "emre", "fatima", "gia", "hoku", "ines", "juma", "kofi", "lena", "mila", "nuno",
)  # fmt: skip
NO_FILES: Final = Path("no-files-here")
WAITS: Final = 0.15  # the share of transactions that somebody else gets in before
WAIT_S: Final = 0.02


class SimClock(VirtualClock):
    """The loop's time, and what is wrong with this node's clock."""

    def now(self) -> int:
        return START + int(asyncio.get_running_loop().time()) + self.skew_s

    def steady(self) -> float:
        return asyncio.get_running_loop().time()


class SimStore(FragileStore):
    """A store that lets others in between transactions, tells what was committed, and at which its process may die."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._dice = dice
        self.committed: Callable[[Before], None] | None = None
        self.killed: Callable[[], None] | None = None
        self.dies_in: int | None = None  # moments to live: before a transaction, before its commit, after it
        self.crowded = False

    async def _let_others(self) -> None:
        self._moment()
        if self.crowded and self._dice.random() < WAITS:
            await asyncio.sleep(self._dice.random() * WAIT_S)

    def _moment(self) -> None:
        if self.dies_in is None:
            return
        self.dies_in -= 1
        if self.dies_in < 0:
            self.dies_in = None
            assert self.killed is not None
            self.killed()
            raise asyncio.CancelledError("killed")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[MemoryReader]:
        await self._let_others()
        async with super().read() as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[MemoryWriter]:
        await self._let_others()
        async with super().write() as tx:
            yield tx
            self._moment()
            changed = dict(self.undo)
        if self.committed is not None:
            self.committed(changed)
        self._moment()

    def look(self) -> Any:
        """A reader that nobody notices."""
        return super().read()


def _unheard(keys: Keyring) -> None:
    del keys


class TellingSharing(Sharing):
    """Says what it hands over, in the moment in which that is committed."""

    def __init__(self, core: Core, page_records: int, told: Callable[[int, Page], None]) -> None:
        super().__init__(core, page_records=page_records)
        self._told = told

    async def page(self, peer_id: int, after: int) -> Page:
        page = await super().page(peer_id, after)
        self._told(peer_id, page)
        return page


class SimNode(WorldNode):
    """One node and its process, which may be up or down."""

    def __init__(self, name: str, seed: int, network: Network, dice: Random, store: SimStore | None = None) -> None:
        """With a `store` of its own the node is whole: it has an index too, which outlives its process as that does."""
        self.network = network
        self.whole = store is not None
        self._kept_index = MemoryEngine()
        self.up = True
        self.restored = 0
        self.rules = Rules()  # of proposals here; what another process of this node was started with
        self.died: Callable[[], object] | None = None
        self.handed: Callable[[int, Page], None] = lambda peer_id, page: None
        store = store or SimStore(dice)
        store.killed = self.kill
        super().__init__(name, seed, SimClock(), store)
        network.stations[f"{name}.example"] = self

    def _wire(self) -> None:
        super()._wire()
        core = self.core
        self.eraser = Eraser(core, NO_FILES, [self._clear_index] if self.whole else [])  # an index costs time
        signer = Signer(core.node_id, core.keys.request_kid, core.keys.request, core.now, core.entropy.draw)
        lines = Lines(cast(aiohttp.ClientSession, Wire(self.network, self)), signer)
        self.peers = Peers(core, lines)
        self.tracing = Tracing(core, self.readings, self.sharing, self.peers)
        self._wire_governance(core)
        also = (Overdue(core, self.peers).settle, self.proposals.tend)
        self.upkeep = Upkeep(
            core, cast(Policies, GivenPolicies()), self.eraser, self.indexing, cast(Syncing, NoSchedule()), self._shelf,
            also,
        )  # fmt: skip
        self.audit = Auditing(core, self.upkeep.audit_log, self.peers)
        files = Attachments(core, self.readings, self.library, self.sharing, NO_FILES, 1)
        self.syncing = Syncing(core, self.sides, self.sharing, lines, self.peers, files, Pace())
        self.syncing.before = self.eraser.run
        self.host = Hosting(core, signer, {f"{self.name}.example"}, self.sides, self.peers, files)
        self._routes = [(r.method, r.path.split("/"), r.handler) for r in federation_routes(self.host)]

    def _wire_governance(self, core: Core) -> None:
        # No schedule rotates keys, so there are no files of them, and nobody who has to hear of others.
        self.proposals = open_proposals(core, self.peers, self.circles, NO_FILES, _unheard, self.rules, {})
        self.holds = Holds(core, self.readings, self.peers, self.indexing)
        self.contributing = Contributing(core, self.readings)
        self.reports = Reports(core, self.readings)

    def _sharing(self) -> Sharing:
        return TellingSharing(self.core, self.page_records, self._tell)

    def _tell(self, peer_id: int, page: Page) -> None:
        self.handed(peer_id, page)

    def _index(self) -> MemoryEngine:
        return self._kept_index

    async def _clear_index(self, keys: Sequence[str]) -> None:
        """As `Indexing.erase`, whose thread would wait for the loop; this engine has no neighbours to write again."""
        async with self.indexing._lock:
            now = await self.indexing._fetch(keys)
            self.engine.erase(keys, lambda wanted: [entry for entry in now if entry.key in wanted])

    async def tend(self) -> None:
        """What the background does between sessions."""
        await (self.upkeep.catch_up if self.whole else self.upkeep.settle)()

    @property
    def sim_store(self) -> SimStore:
        assert isinstance(self.core.store, SimStore)
        return self.core.store

    @property
    def now(self) -> int:
        return self.core.now()

    def endpoint(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        """The route of a request."""
        parts = path.split("/")
        for verb, pattern, handler in self._routes:
            if verb == method and len(pattern) == len(parts):
                pairs = list(zip(pattern, parts, strict=True))
                if all(want == got or want.startswith("{") for want, got in pairs):
                    return cast(Endpoint, handler), {w.strip("{}"): g for w, g in pairs if w.startswith("{")}
        raise AssertionError(f"no route for {method} {path}")

    # --- the process -----------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the process: whatever it was doing is not done, whatever it had committed is."""
        self.up = False
        self.sim_store.dies_in = None
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for task in list(loop.tasks.get(self.name, ())):
            if task is not asyncio.current_task():
                task.cancel()
        if self.died is not None:
            self.died()

    def start(self) -> None:
        """A new process over the same store."""
        self.restart()
        self.up = True

    def put_back(self, snapshot: Snapshot) -> None:
        """Restore the store of a node that is down."""
        assert not self.up
        self.store.put_back(snapshot)
        self.restored += 1

    async def inside(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Do work as the node's process; None if it was killed meanwhile."""
        if not self.up:
            return None
        task = owned(self.name, work)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    # --- peers -----------------------------------------------------------------------------------------------------

    async def row_of(self, other: WorldNode) -> PeerRow | None:
        async with self.sim_store.look() as tx:
            rows: list[PeerRow] = await tx.get_many(PeerRow, [(other.id,)], by=("node_id",))
        return rows[0] if rows else None

    async def knows(self, other: WorldNode) -> bool:
        return await self.row_of(other) is not None

    async def introduced(self, other: SimNode) -> None:
        """Know another node as after a meeting, before any agreement; the meeting itself is tested elsewhere."""
        if not await self.knows(other):
            async with self.core.store.write() as tx:
                await tx.put(
                    PeerRow(
                        await tx.next_seq(), other.id, Phase.INVITED, other.name, write_history(other.history), "[]",
                        '["KE"]', self.core.now(),
                    )
                )  # fmt: skip

    async def propose(self, other: SimNode, terms: ProposedAgreement) -> None:
        await self.inside(lambda: self.peers.propose(LOCAL, other.id, terms))

    async def approve(self, other: SimNode) -> None:
        """Sign what is proposed, if anything is."""
        row = await self.row_of(other)
        if row is not None and row.proposal is not None:
            await self.inside(lambda: self.peers.approve(LOCAL, other.id))

    async def agree(self, other: SimNode, terms: ProposedAgreement) -> None:
        """Propose, and both sign."""
        try:
            await self.propose(other, terms)
            await other.approve(self)
            await self.approve(other)
        except NodeError:
            return  # one side has gone another way meanwhile

    async def visit(self, other: SimNode) -> str:
        """One session that this node opens; what went wrong in it, in words."""
        row = await self.row_of(other)
        if row is None:
            return ""
        view = await self.inside(lambda: self.syncing.with_peer(row.id))
        return "" if view is None or view.ok else view.error
