"""The lost-reply table of everything beside the exchange: meeting, agreements, notices; and that no write is left out.

Each request in turn is lost, or its answer is, or the answering node dies right before or after it commits. Whoever
asked tries again or the next session carries it, and both sides are where an undisturbed line would have brought them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import pytest

from federation.client import ROOT
from federation.routes import federation_routes
from governance.agreement import Phase
from governance.terms import Purpose
from node.agreements import ProposedAgreement
from node.audit.log import newest_checkpoint
from node.errors import NodeError
from node.principal import LOCAL
from node.store.governing import Witnessed
from tests.simulator.loop import run
from tests.simulator.network import Message, Network
from tests.simulator.nodes import SimNode
from tests.simulator.test_lost_replies import busy_pair, with_mail
from tests.world import THERE

TERMS: Final = ProposedAgreement(purposes=tuple(Purpose), days=None)
WHAT: Final = ("request", "reply", "dies-0", "dies-1", "dies-2", "dies-3", "dies-5")
READS: Final = {"/node", "/attachments/{sha256}"}  # nothing changes where they are asked
BY_EFFECT: Final = {
    "Fetch": ("GET", "/feed"), "Push": ("POST", "/feed"), "SendAck": ("POST", "/ack"), "Collect": ("GET", "/mail"),
    "Reconcile": ("POST", "/reconcile/{which}"), "SwapMarks": ("POST", "/marks"),
}  # fmt: skip
BY_STEP: Final = {("POST", "/agreement"), ("POST", "/notice"), ("POST", "/checkpoint")}
Pair = tuple[SimNode, SimNode]


def pair() -> tuple[Network, Pair]:
    network = Network(Random(1))
    return network, (SimNode("ana", 1, network, network.dice), SimNode("bao", 1, network, network.dice))


async def agreed(nodes: Pair) -> None:
    ana, bao = nodes
    await ana.introduce()
    await bao.introduce()
    await ana.introduced(bao)
    await bao.introduced(ana)
    await ana.agree(bao, TERMS)


async def agree_again(nodes: Pair) -> None:
    await nodes[0].agree(nodes[1], TERMS.model_copy(update={"kinds": ("guide",)}))


async def suspend(nodes: Pair) -> None:
    await nodes[0].inside(lambda: nodes[0].peers.suspend(LOCAL, nodes[1].id))


async def suspend_and_resume(nodes: Pair) -> None:
    await suspend(nodes)
    await nodes[0].inside(lambda: nodes[0].peers.resume(LOCAL, nodes[1].id))


async def end(nodes: Pair) -> None:
    await nodes[0].inside(lambda: nodes[0].peers.end(LOCAL, nodes[1].id))


async def witness(nodes: Pair) -> None:
    for node in nodes:
        async with node.sim_store.write() as tx:
            await node.core.audit(tx, "amal", "test.done")
        await node.upkeep.audit_log.follow()
    await nodes[0].visit(nodes[1])


STEPS: Final[dict[str, tuple[Callable[[Pair], Awaitable[None]], Phase]]] = {
    "agree again": (agree_again, Phase.ACTIVE),
    "suspend": (suspend, Phase.SUSPENDED),
    "suspend and resume": (suspend_and_resume, Phase.ACTIVE),
    "end": (end, Phase.ENDED),
    "witness": (witness, Phase.ACTIVE),
}


class Striker:
    """Strikes the `at`-th message of the network."""

    def __init__(self, nodes: Pair, at: int, what: str) -> None:
        self._by_name = {n.name: n for n in nodes}
        self._at = at
        self._what = what
        self.paths: list[str] = []

    def __call__(self, message: Message) -> str:
        self.paths.append(message.path)
        if len(self.paths) - 1 != self._at:
            return ""
        if self._what.startswith("dies"):
            self._by_name[message.receiver].sim_store.dies_in = int(self._what[-1])
            return ""
        return self._what


async def settle(nodes: Pair) -> None:
    """What people and the schedule do afterwards: start what died, sign what waits, open lines."""
    for node in nodes:
        node.sim_store.dies_in = None
        if not node.up:
            node.start()
    ana, bao = nodes
    for here, there in ((ana, bao), (bao, ana), (ana, bao)):
        await here.visit(there)
        try:
            await here.approve(there)
        except NodeError:
            continue


async def has_witnessed(here: SimNode, there: SimNode) -> bool:
    """True if we hold the newest head of the other's log, where it has one, and nothing against it."""
    async with there.sim_store.look() as tx:
        newest = await newest_checkpoint(tx)
    async with here.sim_store.look() as tx:
        known = await tx.get(Witnessed, there.id)
    return newest is None or (known is not None and (known.size, known.alarm) == (newest.size, ""))


async def struck(step: str, at: int, what: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """What was asked for, and where both sides are in the end."""
    network, nodes = pair()
    await agreed(nodes)
    striker = network.strike = Striker(nodes, at, what)
    await STEPS[step][0](nodes)
    network.strike = None
    await settle(nodes)
    ends = []
    for here, there in (nodes, nodes[::-1]):
        row = await here.row_of(there)
        assert row is not None
        ends.append(
            (row.phase, sorted(json.loads(row.agreement or "[]")))
        )  # each side may list its own signature first
        assert await has_witnessed(here, there)
    return striker.paths, ends


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_request_or_answer_is_lost_is_carried_by_the_next_session(step: str, what: str) -> None:
    undisturbed, _ = run(struck(step, -1, what))
    assert undisturbed

    for at in range(len(undisturbed)):
        _, (mine, theirs) = run(struck(step, at, what))
        assert mine == theirs, f"message {at}, {undisturbed[at]}: the two sides differ"
        assert mine[0] == STEPS[step][1], f"message {at}, {undisturbed[at]}"


async def test_every_route_that_writes_and_every_effect_that_travels_is_in_a_table() -> None:
    world, _ = await busy_pair()
    await world.session(world.nodes[0], world.nodes[1])
    await world.session(world.nodes[1], world.nodes[0])
    mailing = await with_mail()
    await mailing.session(mailing.nodes[0], mailing.nodes[1])
    struck_effects = {*world.seen, *mailing.seen}

    _, nodes = pair()
    routes = {(r.method, r.path.removeprefix(ROOT)) for r in federation_routes(nodes[0].host)}

    assert {t.__name__ for t in THERE} == set(BY_EFFECT)
    assert struck_effects == set(BY_EFFECT)
    writes = {r for r in routes if r[1] not in READS}
    assert writes - {("POST", "/meet")} == {*BY_EFFECT.values(), *BY_STEP}


def test_the_steps_with_a_peer_use_every_route_they_stand_for() -> None:
    used = {path.removeprefix(ROOT) for step in STEPS for path in run(struck(step, -1, "request"))[0]}

    assert {path for _, path in BY_STEP} <= used
