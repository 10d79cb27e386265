"""What can happen in a schedule: what editors, contributors and stewards do, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, ClassVar, Final

from governance.agreement import Phase
from governance.record import ContributorLink, Draft
from governance.terms import DIRECT, NETWORK, NODE, PUBLIC, Purpose, Terms
from node.agreements import ProposedAgreement
from node.errors import NodeError
from node.principal import LOCAL, Principal
from node.store.governing import HoldRow
from node.store.rows import CircleRow, Copy, DraftRow, GrantRow, PeerRow, State
from tests.simulator.loop import aside
from tests.simulator.network import Network
from tests.simulator.nodes import SimNode
from tests.simulator.watch import Watch
from tests.world import POLICIES, Snapshot, draft, set_policy, terms

DAY_S: Final = 86_400
PARTS: Final[dict[str, object]] = {"person:x": {"name": "Xolani"}, "quote:q": {"text": "so it was"}}
PAUSES_S: Final = (0.0, 0.0, 0.01, 1.0, 40.0)
SKEWS_S: Final = (0, 0, 25, -25, 500, -500, 9000, -9000, 3 * DAY_S, -3 * DAY_S, 400 * DAY_S, -400 * DAY_S)
DOWN_S: Final = (0.1, 20.0, 3600.0)
OWN_HELD: Final = 0.8  # the share of holds on what is ours and others have
Action = Callable[[SimNode], Coroutine[Any, Any, None]]


class Actions:
    """One method for everything that can happen; each draws what it needs from the schedule's dice."""

    PURPOSES: ClassVar = tuple(Purpose)
    network: Network
    nodes: list[SimNode]
    watch: Watch

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.log: list[str] = []
        self.circles: list[str] = []
        self.backups: list[tuple[SimNode, Snapshot]] = []
        self.links: list[tuple[int, int]] = []
        self.failed: list[str] = []
        self.wrong_clocks = False

    def say(self, what: str) -> None:
        self.log.append(f"{asyncio.get_running_loop().time():12.2f} {what}")

    def pairs(self) -> list[tuple[SimNode, SimNode]]:
        return [(self.nodes[a], self.nodes[b]) for a, b in self.links]

    async def step(self) -> None:
        """One random action, and some time."""
        actions = self.choices()
        action = self.dice.choices([a for _, a in actions], [w for w, _ in actions])[0]
        await action(self.dice.choice(self.nodes))
        await asyncio.sleep(self.dice.choice(PAUSES_S) * self.dice.random())

    def choices(self) -> list[tuple[int, Action]]:
        """All that can happen, and how often it does."""
        return [
            (14, self.sync), (3, self.publish), (4, self.edit), (3, self.narrow), (2, self.consent),
            (2, self.withdraw_consent), (3, self.withdraw), (2, self.policy), (4, self.agreement), (3, self.circle),
            (4, self.hold), (2, self.lift),
            (2, self.days), (2, self.backup), (2, self.restore), (2, self.crash), (2, self.tend), (2, self.partition),
            (2 * self.wrong_clocks, self.clock),
        ]  # fmt: skip

    async def steward(self, node: SimNode) -> Principal:
        """Who decides at a node: without accounts, whoever runs it."""
        del node
        return LOCAL

    async def attempt(self, node: SimNode, what: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Something that a person does at a node; what the node does not allow is no fault."""
        if not node.up:
            return None
        self.say(what)
        try:
            return await node.inside(work)
        except NodeError as error:
            self.say(f"  not possible: {error}")
            return None

    # --- sessions --------------------------------------------------------------------------------------------------

    async def sync(self, node: SimNode) -> None:
        """Some nodes open lines at once, and nobody waits for them."""
        for _ in range(self.dice.choice((1, 1, 2, 6))):
            one, other = self.dice.choice(self.pairs())
            if self.dice.random() < 0.5:
                one, other = other, one
            self.say(f"{one.name} opens a line to {other.name}")
            aside(partial(self.visit, one, other))

    async def visit(self, one: SimNode, other: SimNode) -> None:
        error = await one.visit(other)
        if error:
            self.say(f"  {one.name} to {other.name}: {error}")
            self.failed.append(f"{one.name} to {other.name}: {error}")

    def check_sessions(self) -> None:
        """An honest peer is never blamed."""
        blamed = [f for f in self.failed if "does not hold" in f or "Error" in f]
        assert not blamed, "\n".join(blamed)

    # --- editors and contributors ----------------------------------------------------------------------------------

    def _audiences(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        other = self.dice.choice(self.nodes)
        circles = [f"circle:{c}" for c in self.circles]
        choice = self.dice.choice([NETWORK, NETWORK, NETWORK, PUBLIC, NODE, DIRECT, *circles])
        return (choice,), (other.id,) if choice == DIRECT else ()

    def _draft(self, node: SimNode) -> Draft:
        audiences, direct = self._audiences()
        body, more = self._audiences()
        extra = {**PARTS, **({"labels": ["tlp:red"]} if self.dice.random() < 0.3 else {})}
        until = node.now + self.dice.choice((2, 5)) * DAY_S if self.dice.random() < 0.3 else None
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

    async def publish(self, node: SimNode) -> None:
        text = self._draft(node)
        await self.attempt(
            node, f"{node.name} publishes {text.fields['title']}", lambda: node.library.create(LOCAL, text)
        )

    async def _own(self, node: SimNode) -> str | None:
        async with node.sim_store.look() as tx:
            rows = [r for r in await tx.find(DraftRow) if r.body]
        return str(self.dice.choice(rows).rid) if rows else None

    async def edit(self, node: SimNode) -> None:
        if rid := await self._own(node):
            text = self._draft(node)
            await self.attempt(node, f"{node.name} edits {rid[-4:]}", lambda: node.library.edit(LOCAL, rid, text))

    async def narrow(self, node: SimNode) -> None:
        if rid := await self._own(node):
            audiences, _ = self._audiences()
            fields = self.dice.choice((None, ["body"]))
            said = f"{node.name} narrows {fields or 'all'} of {rid[-4:]} to {audiences}"
            await self.attempt(node, said, lambda: node.library.narrow(LOCAL, rid, terms(*audiences), fields))

    async def withdraw(self, node: SimNode) -> None:
        if rid := await self._own(node):
            await self.attempt(
                node, f"{node.name} withdraws {rid[-4:]}", lambda: node.library.withdraw(LOCAL, rid, "consent")
            )

    async def consent(self, node: SimNode) -> None:
        subject = f"{node.name}-s{self.dice.choice('12')}"
        audiences, _ = self._audiences()
        until = node.now + self.dice.choice((1, 3)) * DAY_S if self.dice.random() < 0.5 else None
        wide: Terms = terms(*audiences, until=until)
        await self.attempt(
            node,
            f"{subject} permits {audiences} until {until}",
            lambda: node.consents.grant(LOCAL, subject=subject, terms=wide, how="said so"),
        )

    async def withdraw_consent(self, node: SimNode) -> None:
        async with node.sim_store.look() as tx:
            grants = await tx.find(GrantRow)
        if grants:
            grant = self.dice.choice(grants)
            said = f"{grant.subject} takes a permission back"
            await self.attempt(node, said, lambda: node.consents.withdraw(LOCAL, grant.gid))

    # --- stewards --------------------------------------------------------------------------------------------------

    async def policy(self, node: SimNode) -> None:
        chosen = self.dice.choice(POLICIES)
        self.say(f"{node.name} has the policy {chosen.name}")
        set_policy(node, chosen)
        self.watch.permit(node)

    async def agreement(self, node: SimNode) -> None:
        """A steward takes a step that is possible now; what the other side hears of it is up to the lines."""
        one, other = self.dice.choice(self.pairs())
        if self.dice.random() < 0.5:
            one, other = other, one
        row = await one.row_of(other)
        assert row is not None
        match row.phase:
            case Phase.ACTIVE:
                wanted = self.dice.choice(("suspend", "end", "block", "amend", "amend"))
            case Phase.SUSPENDED:
                wanted = self.dice.choice(("resume", "resume", "end"))
            case Phase.BLOCKED:
                wanted = "unblock"
            case _:
                wanted = "amend"
        said = f"{one.name} to {other.name}: {wanted}"
        if wanted != "amend":
            work = {
                "suspend": one.peers.suspend, "resume": one.peers.resume, "end": one.peers.end,
                "block": one.peers.block, "unblock": one.peers.unblock,
            }[wanted]  # fmt: skip
            who = await self.steward(one)
            await self._later(one, said, lambda: self.attempt(one, said, lambda: work(who, other.id)))
            return
        proposed = ProposedAgreement(
            purposes=self.PURPOSES,
            kinds=self.dice.choice(((), (), ("guide",))),
            passing_on=self.dice.random() < 0.7,
            at_end="keep" if self.dice.random() < 0.2 else "erase",
            days=self.dice.choice((None, None, 3)),
        )
        self.say(f"{said} {proposed!r}")
        aside(lambda: one.agree(other, proposed))

    async def _later(self, node: SimNode, said: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A steward's step waits for the line to the peer; nobody else does."""
        aside(work)
        await asyncio.sleep(0)

    async def circle(self, node: SimNode) -> None:
        members = [n.id for n in self.nodes if self.dice.random() < 0.6]
        one = self.dice.choice(self.nodes)
        joins = self.dice.random() < 0.5
        async with node.sim_store.look() as tx:
            own = [r for r in await tx.find(CircleRow) if node.id.endswith(r.cid.partition(".")[0])]
        who = await self.steward(node)
        if not own:
            said = f"{node.name} makes a circle of {len(members)}"
            view = await self.attempt(node, said, lambda: node.circles.create(who, "friends", members))
            if view is not None and view.cid not in self.circles:
                self.circles.append(view.cid)
        elif joins:
            said = f"{node.name} adds {one.name} to its circle"
            await self.attempt(node, said, lambda: node.circles.change(who, own[0].cid, add=[one.id]))
        else:
            said = f"{node.name} takes {one.name} out of its circle"
            await self.attempt(node, said, lambda: node.circles.change(who, own[0].cid, remove=[one.id]))

    async def hold(self, node: SimNode) -> None:
        """A steward stops something: mostly a record, of ours or of others."""
        node = await self._with_copies_out(node)
        scope = self.dice.choice(("record", "record", "record", "peer", "circle", "all"))
        target, origin = "", None
        async with node.sim_store.look() as tx:
            own = {"own": True} if self.dice.random() < OWN_HELD else {}
            if scope == "record" and (copies := await tx.find(Copy, {"state": State.LIVE, **own})):
                copy = self.dice.choice(copies)
                target, origin = copy.rid, copy.origin
            elif scope == "peer":
                target = self.dice.choice(await tx.find(PeerRow)).node_id
            elif scope == "circle" and (circles := await tx.find(CircleRow)):
                target = self.dice.choice(circles).cid
        said = f"{node.name} puts on hold: {scope} {target[-4:]}"
        if target or scope == "all":
            who = await self.steward(node)
            await self.attempt(node, said, lambda: node.holds.hold(who, scope, target, origin=origin))

    async def _with_copies_out(self, node: SimNode) -> SimNode:
        """Mostly a node that others have copies of: there a hold has something to do."""
        origins = []
        for one in self.nodes:
            async with one.sim_store.look() as tx:
                origins += [one] * bool(await tx.count(Copy, {"state": State.LIVE, "own": True}))
        return self.dice.choice(origins) if origins and self.dice.random() < OWN_HELD else node

    async def lift(self, node: SimNode) -> None:
        for one in (node, *self.nodes):
            async with one.sim_store.look() as tx:
                holds = await tx.find(HoldRow, {"lifted_at": None})
            if holds:
                hid = self.dice.choice(holds).hid
                who = await self.steward(one)
                await self.attempt(one, f"{one.name} lifts a hold", partial(one.holds.lift, who, hid))
                return

    async def lift_all(self) -> bool:
        """True if anything was on hold anywhere."""
        lifted = False
        for node in self.nodes:
            async with node.sim_store.look() as tx:
                holds = await tx.find(HoldRow, {"lifted_at": None})
            for hold in holds:
                lifted = True
                who = await self.steward(node)
                await self.attempt(node, f"{node.name} lifts a hold", partial(node.holds.lift, who, hold.hid))
        return lifted

    # --- what goes wrong -------------------------------------------------------------------------------------------

    async def days(self, node: SimNode) -> None:
        days = self.dice.choice((0.1, 1, 2, 4))
        self.say(f"{days} days pass")
        await asyncio.sleep(days * DAY_S)

    async def tend(self, node: SimNode) -> None:
        await self.attempt(node, f"{node.name} tends", node.tend)

    async def partition(self, node: SimNode) -> None:
        """Some nodes cannot reach the others for a while."""
        island = {n.name for n in self.nodes if self.dice.random() < self.dice.choice((0.1, 0.4))}
        cut = {
            frozenset((a.name, b.name)) for a, b in self.pairs() if (a.name in island) != (b.name in island)
        } - self.network.cut
        heals = self.dice.choice((30.0, 3600.0, 2.0 * DAY_S))
        self.say(f"{', '.join(sorted(island)) or 'nobody'} cut off for {heals} s")
        self.network.cut |= cut

        async def heal() -> None:
            await asyncio.sleep(heals)
            self.network.cut -= cut

        aside(heal)

    async def crash(self, node: SimNode) -> None:
        """The process dies at one of its next moments."""
        moments = self.dice.choice((0, 5, 40))
        down = self.dice.choice(DOWN_S)
        self.say(f"{node.name} will die in {moments} moments for {down} s")
        node.sim_store.dies_in = self.dice.randrange(moments + 1)
        if node.up and self.dice.random() < 0.5:
            one, other = self.dice.choice([p for p in self.pairs() if node in p])
            aside(lambda: self.visit(one, other))
        node.died = lambda: aside(lambda: self._starts_again(node, down))

    async def _starts_again(self, node: SimNode, down: float) -> None:
        await asyncio.sleep(down)
        if not node.up:
            self.say(f"{node.name} starts again")
            node.start()

    async def clock(self, node: SimNode) -> None:
        """Somebody sets a clock: wrong by seconds, hours, or a battery that is empty; or right again."""
        node.clock.skew_s = self.dice.choice(SKEWS_S)
        self.say(f"the clock of {node.name} is {node.clock.skew_s} s off")
        self.watch.permit(node)

    async def backup(self, node: SimNode) -> None:
        if not node.sim_store.undo:
            self.say(f"{node.name} is backed up")
            self.backups.append((node, node.store.snapshot()))

    async def restore(self, _: SimNode) -> None:
        if self.backups:
            node, snapshot = self.dice.choice(self.backups)
            if not node.up:
                return
            self.say(f"{node.name} is put back to a backup")
            node.died = None
            node.kill()
            await asyncio.sleep(0.01)
            node.put_back(snapshot)
            node.start()
            self.watch.permit(node)
