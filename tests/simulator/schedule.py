"""Random schedules: a seed decides who is there, what they do, and what goes wrong. The same seed, the same world."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from node.agreements import ProposedAgreement
from node.errors import NodeError
from tests.simulator.actions import Actions
from tests.simulator.laws import Watcher, check_sums
from tests.simulator.loop import run
from tests.simulator.network import Network, Weather
from tests.simulator.nodes import NAMES, SimNode
from tests.simulator.watch import Watch

STEPS: Final = 20
NODES: Final = (10, 10, 10, 11, 12)
ROUNDS: Final = 30
DAY_S: Final = 86_400


class Schedule(Actions):
    """A run of one seed. `log` says what was done, so that a failure can be read."""

    def __init__(self, seed: int, steps: int = STEPS) -> None:
        super().__init__(Random(seed))
        self.seed = seed
        self.steps = steps

    async def run(self) -> None:
        """Act at random, then come to rest, and look."""
        await self._begin()
        for _ in range(self.steps):
            await self.step()
            self.watch.check()
        await self.rest()

    async def _begin(self) -> None:
        self.network = Network(self.dice)
        count = self.dice.choice(NODES)
        self.nodes = [SimNode(name, self.seed, self.network, self.dice) for name in NAMES[:count]]
        self.watch = Watch(self.nodes)
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
        for node in self.dice.sample(self.nodes, 3):
            await self.publish(node)
        for one, other in self.pairs():
            await self.visit(one, other)
        self.network.weather = Weather(
            self.dice.choice((0.0, 0.02, 0.1)), self.dice.choice((0.0, 0.05)), self.dice.choice((0.05, 1.0, 8.0))
        )
        crowded = self.dice.random() < 0.5
        for node in self.nodes:
            node.sim_store.crowded = crowded
        self.say(f"{self.network.weather}, crowded={crowded}")

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
        await self.quiet()
        self.watch.check()
        await watcher.check_rest()
        for node in self.nodes:
            await check_sums(node)
        self.check_sessions()

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
    schedule = Schedule(seed, steps)
    try:
        run(schedule.run())
    except Exception as error:
        story = "\n".join(schedule.log)
        raise AssertionError(
            f"seed {seed} fails: {type(error).__name__}: {error}\n{story}\n\n"
            f"again: python -m tests.simulator {seed}" + (f" 1 {steps}" if steps != STEPS else "")
        ) from error
    return schedule.log
