"""Random schedules: a seed decides who is there, what they do, and what goes wrong. The same seed, the same world."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from node.agreements import ProposedAgreement
from node.errors import NodeError
from tests.simulator.governed import CouncilWatch
from tests.simulator.governing import Governing
from tests.simulator.laws import Watcher, check_index, check_sums
from tests.simulator.loop import run
from tests.simulator.network import Network, Weather
from tests.simulator.nodes import NAMES, SimNode
from tests.simulator.twofold import TwofoldStore
from tests.simulator.watch import Watch

STEPS: Final = 20
MORE_STEPS: Final = 20  # where stewards decide: much of what they do is talk
GOVERNED: Final = 0.4  # the share of worlds in which they do
NODES: Final = (10, 10, 10, 11, 12)
ROUNDS: Final = 30
WHOLE_EVERY: Final = 50  # seeds: such a world has its rows in SQLite files and an index, and takes some seconds
DAY_S: Final = 86_400


class Schedule(Governing):
    """A run of one seed. `log` says what was done, so that a failure can be read."""

    def __init__(self, seed: int, steps: int = STEPS, folder: Path | None = None) -> None:
        super().__init__(Random(seed))
        self.folder = folder
        self.seed = seed
        self.steps = steps

    async def run(self) -> None:
        """Act at random, then come to rest, and look."""
        await self._begin()
        for _ in range(self.steps + MORE_STEPS * self.governed):
            await self.step()
            self.watch.check()
        await self.rest()

    async def _begin(self) -> None:
        self.network = Network(self.dice)
        count = self.dice.choice(NODES)
        self.nodes = [SimNode(n, self.seed, self.network, self.dice, self._store(n)) for n in NAMES[:count]]
        self.governed = self.dice.random() < GOVERNED
        self.watch = CouncilWatch(self.nodes) if self.governed else Watch(self.nodes)
        self.wrong_clocks = self.dice.random() < 0.4
        if self.wrong_clocks:
            for node in self.dice.sample(self.nodes, 2):
                await self.clock(node)
        for node in self.nodes:
            await node.introduce()
        self.links = _graph(self.dice, count)
        self.say(
            f"{count} nodes, lines {' '.join(f'{self.nodes[a].name}-{self.nodes[b].name}' for a, b in self.links)}"
        )
        await asyncio.gather(*[self._link(self.nodes[a], self.nodes[b]) for a, b in self.links])
        for node in self.dice.sample(self.nodes, 3):
            await self.circle(node)
        if self.governed:
            await self.ask_contributors()
        for node in self.dice.sample(self.nodes, 5 if self.governed else 3):
            await self.publish(node)
        for one, other in self.pairs():
            await self.visit(one, other)
        if self.governed:
            await self.set_up_governing()
        self.network.weather = Weather(
            self.dice.choice((0.0, 0.02, 0.1)), self.dice.choice((0.0, 0.05)), self.dice.choice((0.05, 1.0, 8.0))
        )
        crowded = self.dice.random() < 0.5
        for node in self.nodes:
            node.sim_store.crowded = crowded
        self.say(f"{self.network.weather}, crowded={crowded}")

    def _store(self, name: str) -> TwofoldStore | None:
        """Where the rows of a node lie, if not only in memory."""
        return None if self.folder is None else TwofoldStore(self.dice, self.folder / f"{name}.db")

    async def _link(self, one: SimNode, other: SimNode) -> None:
        terms = ProposedAgreement(
            purposes=self.PURPOSES,
            days=None,
            passing_on=self.dice.random() < 0.85,
            at_end="keep" if self.dice.random() < 0.2 else "erase",
        )
        await one.introduced(other)
        await other.introduced(one)
        await one.agree(other, terms)

    # --- rest ------------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """No faults any more: the world comes to rest, and the laws hold."""
        self.say("rest")
        await self.calm()
        watcher = Watcher(self.nodes)
        await watcher.remember_withdrawn()
        await self._look(watcher)
        held = await self.lift_all()  # what a hold kept back comes, and nothing was lost by it
        if self.governed:
            await self.decide_all()
        if held or self.governed:
            await watcher.remember_withdrawn()
            await self._look(watcher)
        self.check_sessions()

    async def _look(self, watcher: Watcher) -> None:
        await self.quiet()
        self.watch.check()
        await watcher.check_rest()
        if isinstance(self.watch, CouncilWatch):
            await self.watch.check_rest()
        for node in self.nodes:
            await check_sums(node)
            if isinstance(node.sim_store, TwofoldStore):
                await node.inside(node.tend)  # the index follows what was the last to change
                await check_index(node)
                await node.sim_store.check_file()

    async def calm(self) -> None:
        """Lines, clocks and nodes are well again, and what hangs has ended."""
        self.network.weather = Weather()
        self.network.cut.clear()
        for node in self.nodes:
            node.sim_store.dies_in = node.died = None
            node.sim_store.crowded = False
        # Between clocks that differ, what has ended for one node and not for the other is given and dropped for ever.
        for node in self.nodes:
            node.clock.skew_s = 0
            self.watch.permit(node)
        await asyncio.sleep(DAY_S)  # also what was refused is tried again
        for node in self.nodes:
            if not node.up:
                node.start()
        for one, other in self.pairs():
            for here, there in ((one, other), (other, one), (one, other)):
                try:
                    await here.approve(there)
                except NodeError as error:
                    self.say(f"  not possible: {error}")

    async def quiet(self) -> None:
        """Two nodes of which one has changed talk, until a round of all changes nothing."""
        seen: dict[tuple[str, str], int] = {}
        for number in range(ROUNDS):
            before = sum(self.watch.moves.values())
            visits = 0
            for one, other in self.pairs():
                for node in (one, other):
                    await node.inside(node.tend)
                state = self.watch.moves[one.name] + self.watch.moves[other.name]
                if seen.get((one.name, other.name)) == state:
                    continue
                here, there = (one, other) if number % 2 == 0 else (other, one)
                await self.visit(here, there)
                for node in (one, other):
                    await node.inside(node.tend)
                visits += 1
                seen[one.name, other.name] = self.watch.moves[one.name] + self.watch.moves[other.name]
            if sum(self.watch.moves.values()) == before and visits == len(self.links):
                return
            if not visits:
                seen.clear()
        raise AssertionError(f"the world does not come to rest in {ROUNDS} rounds")


def _graph(dice: Random, count: int) -> list[tuple[int, int]]:
    """A connected graph: a tree with long and broad branches, and some lines more."""
    links = [(dice.randrange(max(0, n - 4), n), n) for n in range(1, count)]
    for _ in range(dice.randrange(2, 5)):
        a, b = sorted(dice.sample(range(count), 2))
        if (a, b) not in links:
            links.append((a, b))
    return links


def replay(seed: int, steps: int = STEPS) -> list[str]:
    """Run a seed; an error carries the log."""
    with TemporaryDirectory() as folder:
        return _replay(Schedule(seed, steps, None if seed % WHOLE_EVERY else Path(folder)))


def _replay(schedule: Schedule) -> list[str]:
    seed, steps = schedule.seed, schedule.steps
    try:
        run(schedule.run())
    except Exception as error:
        story = "\n".join(schedule.log)
        raise AssertionError(
            f"seed {seed} fails: {type(error).__name__}: {error}\n{story}\n\n"
            f"again: python -m tests.simulator {seed}" + (f" 1 {steps}" if steps != STEPS else "")
        ) from error
    return schedule.log
