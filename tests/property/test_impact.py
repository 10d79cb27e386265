"""The preview is what happens: whatever a change is, the custody ledgers move by exactly what its impact said.

Random records, grants, agreements, circles, releases and policies; each seed is a world of its own. What is settled
before and after comes from the ledger, which knows nothing of previews.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from federation.keys import encode_ed25519, identity_key_of
from governance.agreement import Phase
from governance.consent import Grant
from governance.impact import Flow, Impact
from governance.policy import Policy
from governance.record import ContributorLink
from governance.terms import ALL_PURPOSES, CIRCLE_PREFIX, Purpose, Terms
from node.agreements import read_proposal
from node.ledger import Ledger
from node.peerbook import clauses_of
from node.previews.previews import Previews, WhatIf
from node.principal import LOCAL
from node.store.governing import ReleaseRow
from node.store.rows import Copy, Custody, Entry, State
from tests.world import Bond, World, WorldNode, draft, set_policy

SEEDS: Final = 60
TOPICS: Final = ("water", "flood", "schools")
LABELS: Final = ("tlp:red", "draft")
KINDS: Final = ("guide", "case_study", "story")
SUBJECTS: Final = ("p1", "p2", "p3")
HOLDING: Final = Policy.model_validate(
    {
        "name": "holding",
        "version": "holding",
        "rule": [
            {"id": "share", "effect": "share", "reason": "r"},
            {"id": "wait", "effect": "hold", "reason": "r", "example": [{}]},
        ],
    }
)
Lines = dict[tuple[str, int], frozenset[str]]


def some(rng: random.Random, *values: Any) -> list[Any]:
    return [v for v in values if rng.random() < 0.5] or [rng.choice(values)]


def policy(rng: random.Random, number: int, world: World) -> Policy:
    """Rules of every effect over every sort of condition."""
    nodes = [n.id for n in world.nodes[1:]]

    def conditions(*, circles: bool = False) -> dict[str, Any]:
        every: dict[str, Any] = {
            "kind": some(rng, *KINDS),
            "topics": [*some(rng, *TOPICS), "wat*"],
            "labels": some(rng, *LABELS),
            "language": ["en"],
            "licence": ["CC-*"],
            "sensitivity": some(rng, "low", "high"),
            "origin": [world.nodes[rng.randrange(3)].id],
            "own": rng.random() < 0.5,
            "purposes": ["research"],
            "older_than_days": rng.randrange(3),
            "younger_than_days": rng.randrange(1, 4),
            "peer": some(rng, *nodes),
            "peer_regions": ["KE"],
            "agreement": ["agreement-*" if rng.random() < 0.5 else "agreement-2"],
        }
        if circles:
            every["circle"] = [circle_of(world)]
        return {n: every[n] for n in rng.sample(sorted(every), rng.randrange(0, 3))}

    rules: list[dict[str, Any]] = [{"id": "base", "effect": "share", "reason": "r", "when": conditions(circles=True)}]
    if rng.random() < 0.8:
        rules.append({"id": "all", "effect": "share", "reason": "r"})
    for n in range(rng.randrange(3)):
        effect = rng.choice(("withhold", "hold", "redact"))
        rule = {"id": f"r{n}", "effect": effect, "reason": "r", "when": conditions() or {"kind": ["guide"]}}
        rule |= {"unless": conditions(circles=True)} if rng.random() < 0.3 else {}
        rule |= {"fields": rng.choice((["person:*"], ["body", "quote:*"], ["title"]))} if effect == "redact" else {}
        rules.append(rule | {"example": [{}]})
    return Policy.model_validate({"name": f"p{number}", "rule": rules, "version": f"v{number}"})


def circle_of(world: World) -> str:
    return f"{encode_ed25519(identity_key_of(world.nodes[0].id))}.team"


def terms(rng: random.Random, world: World) -> Terms:
    circle = CIRCLE_PREFIX + circle_of(world)
    audiences = rng.choice((("network",), ("network",), ("public",), ("direct",), ("node",), (circle,), (circle,)))
    until = rng.choice((None, None, world.clock.now() + 50_000, world.clock.now() + 400_000))
    purposes = ALL_PURPOSES if rng.random() < 0.6 else frozenset(some(rng, *ALL_PURPOSES))
    return Terms(frozenset(audiences), purposes, until)


async def publish(rng: random.Random, world: World, node: WorldNode, number: int) -> str:
    fields: dict[str, Any] = {"quote:q1": {"text": "words"}, "person:a": {"name": "A"}}
    fields = {n: v for n, v in fields.items() if rng.random() < 0.7}
    for name, value in (("topics", some(rng, *TOPICS)), ("labels", some(rng, *LABELS)), ("licence", "CC-BY-4.0")):
        fields |= {name: value} if rng.random() < 0.5 else {}
    fields |= {"sensitivity": rng.choice(("low", "medium", "high"))} if rng.random() < 0.6 else {}
    own = {n: terms(rng, world) for n in ("title", "body", *fields) if rng.random() < 0.2}
    links = [
        ContributorLink(subject=s, fields=rng.choice((None, ("body",), ("title",))))
        for s in SUBJECTS
        if rng.random() < 0.25
    ]
    made = draft(
        f"Record {number}",
        audiences=sorted(terms(rng, world).audiences) if rng.random() < 0.5 else ("network",),
        kind=rng.choice(KINDS),
        fields=fields,
        field_terms={n: t for n, t in own.items() if n in ("title", "body") or n in fields},
        contributors=links,
        direct=some(rng, *(n.id for n in world.nodes[1:])),
    )
    return (await node.library.create(LOCAL, made)).rid


@dataclass
class Scene:
    """A world of four nodes in which the first one thinks about a change."""

    rng: random.Random
    world: World
    own: list[str]

    @property
    def here(self) -> WorldNode:
        return self.world.nodes[0]

    @staticmethod
    async def make(seed: int) -> Scene:
        rng = random.Random(seed)
        world = await World.make(seed, 4, [])
        here = world.nodes[0]
        for node in world.nodes[1:]:
            kinds = rng.choice(((), (), ("guide", "story")))
            bond = Bond(rng.random() < 0.7, rng.random() < 0.7, rng.random() < 0.5, kinds=kinds)
            await world.meet(here, node, bond)
        await world.meet(world.nodes[1], world.nodes[2], Bond())
        await here.circles.create(LOCAL, "team", some(rng, *(n.id for n in world.nodes)))
        for subject in SUBJECTS:
            given = terms(rng, world)
            fields = rng.choice((None, ["body"]))
            await here.consents.grant(LOCAL, subject=subject, terms=given, how="form", fields=fields)
        own = [await publish(rng, world, here, n) for n in range(rng.randrange(4, 12))]
        for node in world.nodes[1:3]:
            for n in range(rng.randrange(3)):
                await publish(rng, world, node, 100 + n)
        if rng.random() < 0.5:
            await world.quiet()
        set_policy(here, policy(rng, 1, world))
        if rng.random() < 0.5:
            await world.quiet()
        if rng.random() < 0.4:
            await world.declare(here, rng.choice(world.nodes[1:]), Phase.ENDED)
        world.clock.time += rng.randrange(0, 200_000)
        await world.tend()
        return Scene(rng, world, own)

    async def lines(self) -> Lines:
        """What each peer should have, after settling: fields by node id and number of the copy."""
        ledger = Ledger(self.here.core)
        async with self.here.core.store.read() as tx:
            situation = await self.here.core.situation(tx)
            peers = await self.here.core.peers(tx, situation)
        for number in peers:
            await ledger.settle(number)
        async with self.here.core.store.read() as tx:
            found = await tx.find(Custody, {"entry": Entry.PUT})
        return {(peers[c.peer].node_id, c.copy): frozenset(c.fields.split(",")) for c in found}

    async def change(self) -> tuple[WhatIf, Any]:
        """A change that is thought of, and what makes it come true."""
        sorts = (self.a_policy, self.an_agreement, self.a_circle, self.a_consent, self.a_withdrawal, self.a_release)
        return await self.rng.choice(sorts)()

    async def a_policy(self) -> tuple[WhatIf, Any]:
        new = policy(self.rng, 2, self.world)

        async def activate() -> None:
            set_policy(self.here, new)

        return WhatIf(policy=new), activate

    async def an_agreement(self) -> tuple[WhatIf, Any]:
        there = self.world.nodes[self.rng.randrange(1, 4)]
        phase = self.rng.choice((Phase.ACTIVE, Phase.SUSPENDED, Phase.ENDED, Phase.BLOCKED))
        bond = Bond(self.rng.random() < 0.5, self.rng.random() < 0.5, self.rng.random() < 0.7)
        row = await self.here.peer(there)
        if phase is Phase.ACTIVE:
            agreement, source = self.world.agreement(self.here, there, bond)
            row = replace(row, agreement=agreement, agreement_source=source)
        assert row.agreement_source is not None
        clauses = clauses_of(read_proposal(row.agreement_source).document)

        async def activate() -> None:
            async with self.here.core.store.write() as tx:
                source, tokens = row.agreement_source, row.agreement
                fresh = await self.here.peer(there)
                await tx.put(replace(fresh, phase=phase, agreement=tokens, agreement_source=source))

        return WhatIf(peers={there.id: (phase, clauses)}), activate

    async def a_circle(self) -> tuple[WhatIf, Any]:
        (circle,) = await self.here.circles.list(LOCAL)
        members = set(some(self.rng, *(n.id for n in self.world.nodes)))

        async def activate() -> None:
            await self.here.circles.change(LOCAL, circle.cid, add=members, remove=set(circle.members) - members)

        return WhatIf(rosters={circle.cid: frozenset(members)}), activate

    async def a_consent(self) -> tuple[WhatIf, Any]:
        rid = self.rng.choice((None, self.rng.choice(self.own)))
        fields = self.rng.choice((None, ["body"], ["title"]))
        subject, given = self.rng.choice((*SUBJECTS, "new")), terms(self.rng, self.world)
        now = self.here.core.now()
        if given.ended(now):
            given = replace(given, until=None)
        grant = Grant("z-new", subject, given, "form", now, rid, None if fields is None else frozenset(fields))

        async def activate() -> None:
            await self.here.consents.grant(LOCAL, subject=subject, terms=given, how="form", ref=rid, fields=fields)

        return WhatIf(grants=(grant,)), activate

    async def a_withdrawal(self) -> tuple[WhatIf, Any]:
        views = [g for g in await self.here.consents.list(LOCAL) if g.active]
        if not views:
            return await self.a_consent()
        view = self.rng.choice(views)
        until = view.terms.until
        given = Terms(frozenset(view.terms.audiences), frozenset(map(Purpose, view.terms.purposes)), until)
        fields = None if view.fields is None else frozenset(view.fields)
        now = self.here.core.now()
        grant = Grant(view.gid, view.subject, given, view.how, view.given_at, view.rid, fields, now)

        async def activate() -> None:
            await self.here.consents.withdraw(LOCAL, view.gid)

        return WhatIf(grants=(grant,)), activate

    async def a_release(self) -> tuple[WhatIf, Any]:
        set_policy(self.here, HOLDING)
        rid = self.rng.choice(self.own)
        to = self.rng.choice(("", self.world.nodes[1].id))
        copy = (await self.here.copies())[self.here.id, rid]

        async def activate() -> None:
            async with self.here.core.store.write() as tx:
                await tx.put(ReleaseRow(**release(copy, to, self.here.core.now())))
                await tx.put(replace(copy, change_seq=await tx.next_seq()))

        return WhatIf(releases={rid: (copy.ver, to)}), activate


def release(copy: Copy, to: str, at: int) -> dict[str, Any]:
    return {"origin": copy.origin, "rid": copy.rid, "to": to, "ver": copy.ver, "pid": "p", "at": at}


def said(impact: Impact, which: str) -> Lines:
    out: Lines = {}
    for peer in impact.peers:
        flow: Flow = getattr(peer, which)
        for names, numbers in flow:
            for number in numbers:
                out[peer.node_id, number] = frozenset(names)
    return out


def gained(before: Mapping[Any, frozenset[str]], after: Mapping[Any, frozenset[str]]) -> Lines:
    none: frozenset[str] = frozenset()
    return {k: after[k] - before.get(k, none) for k in after if after[k] - before.get(k, none)}


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_impact_is_what_happens(seed: int) -> None:
    scene = await Scene.make(seed)
    what_if, activate = await scene.change()
    before = await scene.lines()
    impact = await Previews(scene.here.core).impact(what_if)
    await activate()
    after = await scene.lines()
    assert said(impact, "begins") == gained(before, after)
    assert said(impact, "ends") == gained(after, before)
    counted = {(p.node_id): (p.starts.records, p.stops.records, p.changes.records) for p in impact.peers}
    for node_id, (starts, stops, changes) in counted.items():
        had, has = ({n for p, n in lines if p == node_id} for lines in (before, after))
        assert (starts, stops) == (len(has - had), len(had - has))
        assert changes == sum(before[node_id, n] != after[node_id, n] for n in had & has)


async def test_an_impact_counts_the_records_that_are_here_and_nothing_else() -> None:
    scene = await Scene.make(3)
    impact = await Previews(scene.here.core).impact(WhatIf())
    live = [c for c in (await scene.here.copies()).values() if c.state == State.LIVE]
    assert impact.records == len(live)
    assert impact.nothing
    assert json.dumps(impact.contributors) == "[]"
