"""Random schedules: a seed decides who is there, what they do, and what goes wrong. The same seed, the same world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from federation.errors import PeerError
from governance.agreement import Phase
from governance.record import ContributorLink
from governance.terms import DIRECT, NETWORK, NODE, PUBLIC, Terms
from node.errors import NodeError
from node.principal import LOCAL
from node.store.rows import CircleRow, DraftRow, GrantRow
from tests.simulator.laws import Watcher
from tests.world import POLICIES, Bond, Crash, Fault, LineBroken, Snapshot, World, WorldNode, draft, set_policy, terms

STEPS: Final = 14
DAY_S: Final = 86_400
SHAPES: Final[dict[str, tuple[int, tuple[tuple[int, int], ...]]]] = {
    "pair": (2, ((0, 1),)),
    "row of three": (3, ((0, 1), (1, 2))),
    "ring of three": (3, ((0, 1), (1, 2), (2, 0))),
    "row of four": (4, ((0, 1), (1, 2), (2, 3))),
    "ring of four": (4, ((0, 1), (1, 2), (2, 3), (3, 0))),
    "tail on a ring": (4, ((0, 1), (1, 2), (2, 3), (3, 1))),
}
PARTS: Final[dict[str, object]] = {"person:x": {"name": "Xolani"}, "quote:q": {"text": "so it was"}}
FAULTS: Final = ("request", "reply", "twice", "crash-here", "crash-there")


class Schedule:
    """A run of one seed. `log` says what was done, so that a failure can be read."""

    def __init__(self, seed: int, steps: int = STEPS) -> None:
        self.seed = seed
        self.steps = steps
        self.dice = Random(seed)
        self.log: list[str] = []
        self.circles: list[str] = []
        self.backups: list[tuple[WorldNode, Snapshot]] = []

    async def run(self) -> None:
        """Act at random, then come to rest, and look."""
        shape = self.dice.choice(list(SHAPES))
        count, links = SHAPES[shape]
        keep = self.dice.random() < 0.2
        self.world = await World.make(self.seed, count, links, Bond(keep=keep))
        self.watcher = Watcher(self.world)
        self.world.watch = self.watcher.check_step
        self.log.append(f"{shape}, keep={keep}")
        for node in self.world.nodes:
            if self.dice.random() < 0.5:
                await self.circle(node)
        for node in self.world.nodes[: self.dice.choice((1, 2, 3))]:
            await node.library.create(LOCAL, draft(f"From the start, of {node.name}", fields=PARTS))
        await self.watcher.allow()
        await self.world.quiet(after_round=self.watcher.allow)
        await self.publish(self.world.nodes[0])
        for _ in range(self.steps):
            await self.step()
        await self.rest()

    async def rest(self) -> None:
        """No faults any more: the world comes to rest, and the laws hold."""
        await self.watcher.allow()
        await self.watcher.remember_withdrawn()
        self.log.append("rest")
        for one, other in await self.world.pairs():
            await self.world.align(one, other)
        await self.watcher.allow()
        await self.world.quiet(after_round=self.watcher.allow)
        await self.watcher.check_rest()

    async def step(self) -> None:
        """One random action; what it allows is remembered before anybody can act on it."""
        node = self.dice.choice(self.world.nodes)
        actions: list[tuple[int, Callable[[WorldNode], Awaitable[None]]]] = [
            (10, self.sync), (3, self.publish), (3, self.edit), (2, self.narrow), (2, self.consent),
            (2, self.withdraw_consent), (2, self.withdraw), (2, self.policy), (2, self.agreement), (2, self.circle),
            (2, self.time), (1, self.backup), (2, self.restore), (1, self.restart), (2, self.tend),
        ]  # fmt: skip
        action = self.dice.choices([a for _, a in actions], [w for w, _ in actions])[0]
        try:
            await action(node)
        except NodeError as error:
            self.log.append(f"  not possible: {error}")
        await self.watcher.allow()
        for each in self.world.nodes:
            await self.watcher.check_step(each)

    # --- actions ---------------------------------------------------------------------------------------------------

    async def sync(self, node: WorldNode) -> None:
        pairs = await self.world.pairs()
        one, other = self.dice.choice(pairs)
        if self.dice.random() < 0.5:
            one, other = other, one
        fault = None
        if self.dice.random() < 0.35:
            fault = Fault(self.dice.randrange(8), self.dice.choice(FAULTS), self.dice.randrange(3))
        self.log.append(f"sync {one.name} -> {other.name} {fault or ''}")
        await self.world.align(one, other)
        await self.watcher.allow()
        try:
            await self.world.session(one, other, fault)
        except LineBroken:
            pass
        except Crash:
            one.restart()
            other.restart()
        except PeerError as error:
            raise AssertionError(f"{one.name} and {other.name} cannot talk: {error}") from error

    def _audiences(self, node: WorldNode) -> tuple[tuple[str, ...], tuple[str, ...]]:
        other = self.dice.choice(self.world.nodes)
        circles = [f"circle:{c}" for c in self.circles]
        choice = self.dice.choice([NETWORK, NETWORK, NETWORK, PUBLIC, NODE, DIRECT, *circles])
        return (choice,), (other.id,) if choice == DIRECT else ()

    def _draft(self, node: WorldNode) -> object:
        audiences, direct = self._audiences(node)
        body, more = self._audiences(node)
        extra = {**PARTS, **({"labels": ["tlp:red"]} if self.dice.random() < 0.3 else {})}
        until = self.world.clock.now() + self.dice.choice((2, 5)) * DAY_S if self.dice.random() < 0.3 else None
        links = [ContributorLink(subject=f"{node.name}-s1", fields=("quote:q",))] if self.dice.random() < 0.5 else []
        if self.dice.random() < 0.2:
            links.append(ContributorLink(subject=f"{node.name}-s2"))
        return draft(
            f"Title {self.dice.randrange(1000)}",
            audiences=audiences,
            field_terms={"body": terms(*body, until=until)},
            fields=extra,
            contributors=links,
            direct=(*direct, *more),
            kind=self.dice.choice(("guide", "guide", "story")),
        )

    async def publish(self, node: WorldNode) -> None:
        info = await node.library.create(LOCAL, self._draft(node))  # type: ignore[arg-type]
        self.log.append(f"{node.name} publishes {info.rid[-4:]}: {info.title}")

    async def _own(self, node: WorldNode) -> str | None:
        async with node.core.store.read() as tx:
            rows = [r for r in await tx.find(DraftRow) if r.body]
        return self.dice.choice(rows).rid if rows else None

    async def edit(self, node: WorldNode) -> None:
        if rid := await self._own(node):
            self.log.append(f"{node.name} edits {rid[-4:]}")
            await node.library.edit(LOCAL, rid, self._draft(node))  # type: ignore[arg-type]

    async def narrow(self, node: WorldNode) -> None:
        if rid := await self._own(node):
            audiences, _ = self._audiences(node)
            fields = self.dice.choice((None, ["body"]))
            self.log.append(f"{node.name} narrows {fields or 'all'} of {rid[-4:]} to {audiences}")
            await node.library.narrow(LOCAL, rid, terms(*audiences), fields)

    async def withdraw(self, node: WorldNode) -> None:
        if rid := await self._own(node):
            self.log.append(f"{node.name} withdraws {rid[-4:]}")
            await node.library.withdraw(LOCAL, rid, "consent")

    async def consent(self, node: WorldNode) -> None:
        subject = f"{node.name}-s{self.dice.choice('12')}"
        audiences, _ = self._audiences(node)
        until = self.world.clock.now() + self.dice.choice((1, 3)) * DAY_S if self.dice.random() < 0.5 else None
        self.log.append(f"{subject} permits {audiences} until {until}")
        wide: Terms = terms(*audiences, until=until)
        await node.consents.grant(LOCAL, subject=subject, terms=wide, how="said so")

    async def withdraw_consent(self, node: WorldNode) -> None:
        async with node.core.store.read() as tx:
            grants = await tx.find(GrantRow)
        if grants:
            grant = self.dice.choice(grants)
            self.log.append(f"{grant.subject} takes a permission back")
            await node.consents.withdraw(LOCAL, grant.gid)

    async def policy(self, node: WorldNode) -> None:
        chosen = self.dice.choice(POLICIES)
        self.log.append(f"{node.name} has the policy {chosen.name}")
        set_policy(node, chosen)

    async def agreement(self, node: WorldNode) -> None:
        one, other = self.dice.choice(await self.world.pairs())
        phase = self.world.bonds[frozenset((one.name, other.name))].phase
        now = self.world.clock.now()
        match phase:
            case Phase.ACTIVE:
                wanted, bond = self.dice.choice((Phase.SUSPENDED, Phase.ENDED, Phase.ACTIVE)), None
                if wanted is Phase.ACTIVE:
                    bond = Bond(
                        passing_on=self.dice.random() < 0.5,
                        until=now + 3 * DAY_S if self.dice.random() < 0.5 else None,
                        kinds=self.dice.choice(((), ("guide",))),
                    )
            case Phase.SUSPENDED:
                wanted, bond = Phase.ACTIVE, None
            case _:
                wanted, bond = Phase.ACTIVE, Bond()
        self.log.append(f"{one.name} declares {wanted} to {other.name} {bond or ''}")
        await self.world.declare(one, other, wanted, bond)

    async def circle(self, node: WorldNode) -> None:
        members = [n.id for n in self.world.nodes if self.dice.random() < 0.6]
        async with node.core.store.read() as tx:
            own = [r for r in await tx.find(CircleRow) if node.id.endswith(r.cid.partition(".")[0])]
        if not own:
            view = await node.circles.create(LOCAL, "friends", members)
            if view.cid not in self.circles:
                self.circles.append(view.cid)
            self.log.append(f"{node.name} makes a circle of {len(members)}")
            return
        one = self.dice.choice(self.world.nodes)
        if self.dice.random() < 0.5:
            self.log.append(f"{node.name} adds {one.name} to its circle")
            await node.circles.change(LOCAL, own[0].cid, add=[one.id])
        else:
            self.log.append(f"{node.name} takes {one.name} out of its circle")
            await node.circles.change(LOCAL, own[0].cid, remove=[one.id])

    async def time(self, node: WorldNode) -> None:
        days = self.dice.choice((1, 2, 4))
        self.log.append(f"{days} days pass")
        await self.watcher.allow()
        self.world.clock.time += days * DAY_S

    async def tend(self, node: WorldNode) -> None:
        self.log.append(f"{node.name} tends")
        await node.tend()

    async def backup(self, node: WorldNode) -> None:
        self.log.append(f"{node.name} is backed up")
        self.backups.append((node, node.store.snapshot()))

    async def restore(self, node: WorldNode) -> None:
        if self.backups:
            node, snapshot = self.dice.choice(self.backups)
            self.log.append(f"{node.name} is put back to a backup")
            node.put_back(snapshot)
            self.watcher.forget(node)

    async def restart(self, node: WorldNode) -> None:
        self.log.append(f"{node.name} starts again")
        node.restart()


async def replay(seed: int, steps: int = STEPS) -> list[str]:
    """Run a seed; an error carries the log."""
    schedule = Schedule(seed, steps)
    try:
        await schedule.run()
    except Exception as error:
        story = "\n".join(schedule.log)
        raise AssertionError(
            f"seed {seed} fails: {type(error).__name__}: {error}\n{story}\n\nagain: python -m tests.simulator {seed}"
        ) from error
    return schedule.log
