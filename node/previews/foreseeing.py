"""What a steward would like to foresee: a policy, an agreement, a circle, a consent, a release or a hold let go.

It turns wishes into a `WhatIf` and shows what the preview finds; nothing is changed and nobody else is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.documents import Agreement
from federation.keys import encode_ed25519, identity_key_of
from governance.agreement import Clauses, Phase, Step, step
from governance.consent import Grant
from governance.errors import AgreementError, PolicyError, TermsError
from governance.impact import Impact
from governance.policy_text import parse_policy
from governance.terms import Purpose, Terms, is_circle_id
from node.agreements import ProposedAgreement, clauses_for
from node.circles import Circles
from node.core import Core
from node.errors import BadInput, NotFound, NotNow
from node.holds.holding import in_force
from node.peerbook import clauses_of
from node.peers import Peers
from node.previews.previews import Previews, WhatIf
from node.previews.views import ImpactView, PreviewLine, impact_view
from node.principal import Principal
from node.reading import Readings
from node.sealing import grant_of
from node.store.rows import Copy, GrantRow, PeerRow

PROGRESS_S: Final = 0.2  # between two lines of progress
FORESEEN: Final = "foreseen"  # stands for the id and nonce of an agreement that nobody has drawn up yet


class _Wish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgreementWish(_Wish):
    """New terms with a peer, or a step with the present ones."""

    peer: str
    terms: ProposedAgreement | None = None
    step: Literal["suspend", "resume", "end", "block"] | None = None

    @model_validator(mode="after")
    def _one(self) -> AgreementWish:
        if (self.terms is None) == (self.step is None):
            raise ValueError("give either terms or a step (suspend, resume, end, block)")
        return self


class CircleWish(_Wish):
    """Members to add and to remove, by id or name; a name that no circle of ours has is a new one."""

    circle: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class ConsentWish(_Wish):
    """A permission as it would be given, or the id of one that would be withdrawn."""

    subject: str = ""
    audiences: tuple[str, ...] = ("network",)
    purposes: tuple[Purpose, ...] = tuple(Purpose)
    until: int | None = None
    record: str | None = None
    fields: tuple[str, ...] | None = None
    withdraw: str | None = None


class ReleaseWish(_Wish):
    """A record that a rule holds, for one peer or (empty) for all."""

    record: str
    to: str = ""


class Wish(_Wish):
    """What might be changed: exactly one of these."""

    policy: str | None = Field(default=None, description="the whole text of a policy")
    agreement: AgreementWish | None = None
    circle: CircleWish | None = None
    consent: ConsentWish | None = None
    release: ReleaseWish | None = None
    lift: str | None = Field(default=None, description="the id of a hold")

    @model_validator(mode="after")
    def _one(self) -> Wish:
        given = [n for n in type(self).model_fields if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of policy, agreement, circle, consent, release or lift")
        return self


class Foreseeing:
    """Previews for stewards, step by step."""

    def __init__(self, core: Core, readings: Readings, peers: Peers, circles: Circles) -> None:
        self._core = core
        self._readings = readings
        self._peers = peers
        self._circles = circles
        self._previews = Previews(core)

    async def preview(self, who: Principal, wish: Wish) -> AsyncIterator[PreviewLine]:
        """Progress while it is computed, then the impact."""
        who.need("steward")
        what_if = await self.what_if(who, wish)
        seen = [0, 0]

        def progress(done: int, total: int) -> None:
            seen[:] = done, total

        task = asyncio.create_task(self._previews.impact(what_if, progress=progress))
        try:
            while not (await asyncio.wait({task}, timeout=PROGRESS_S))[0]:
                yield PreviewLine(done=seen[0], total=seen[1])
            impact = await task
        finally:
            task.cancel()
        yield PreviewLine(done=impact.records, total=impact.records, impact=await self.view(who, impact))

    async def view(self, who: Principal, impact: Impact) -> ImpactView:
        """With names of peers, and titles of the examples that the one who asks may see."""
        tallies = (t for p in impact.peers for t in (p.starts, p.stops, p.changes))
        numbers = sorted({n for t in tallies for n in t.examples})
        async with self._core.store.read() as tx:
            names = {r.node_id: r.name for r in await tx.find(PeerRow)}
            titles = await self._readings.titles(tx, who, numbers)
        return impact_view(impact, names, titles, who.say)

    async def what_if(self, who: Principal, wish: Wish) -> WhatIf:
        """The change that a wish means; `BadInput`, `NotFound` or `NotNow` where it cannot be made."""
        if wish.policy is not None:
            try:
                return WhatIf(policy=parse_policy(wish.policy.encode()))
            except PolicyError as error:
                raise BadInput(f"this is not a policy: {error}") from error
        if wish.agreement is not None:
            return await self._agreement(wish.agreement)
        if wish.circle is not None:
            return await self._circle(who, wish.circle)
        if wish.consent is not None:
            return await self._consent(wish.consent)
        if wish.release is not None:
            return await self._release(wish.release)
        async with self._core.store.read() as tx:
            return WhatIf(lifted=frozenset({(await in_force(tx, wish.lift or "")).hid}))

    async def _agreement(self, wish: AgreementWish) -> WhatIf:
        row = await self._peers.find(wish.peer)
        async with self._core.store.read() as tx:
            peer = (await self._core.situation(tx)).peer(row)
        if wish.terms is not None:
            return WhatIf(peers={row.node_id: (Phase.ACTIVE, self._clauses(row, wish.terms))})
        try:
            return WhatIf(peers={row.node_id: (step(Phase(row.phase), Step(wish.step or "")), peer.clauses)})
        except AgreementError as error:
            raise NotNow(str(error)) from error

    def _clauses(self, row: PeerRow, terms: ProposedAgreement) -> Clauses:
        """As if it were in force at once, whatever the day it begins: what begins later is to be seen before."""
        now = self._core.now()
        document = Agreement(
            id=FORESEEN, n=1, iat=now, a=self._core.node_id, b=row.node_id, nonce=FORESEEN * 3,
            clauses=clauses_for(terms, now),
        )  # fmt: skip
        return replace(clauses_of(document), starts=0)

    async def _circle(self, who: Principal, wish: CircleWish) -> WhatIf:
        slug = wish.circle.rpartition(".")[2]
        cid = f"{encode_ed25519(identity_key_of(self._core.node_id))}.{slug}"
        if not is_circle_id(cid):
            raise BadInput(f"circle name {slug!r}: use 1 to 64 lower-case letters, digits and hyphens")
        known = {c.cid: set(c.members) for c in await self._circles.list(who)}
        members = known.get(cid, set()) | {await self._node(n) for n in wish.add}
        return WhatIf(rosters={cid: frozenset(members - {await self._node(n) for n in wish.remove})})

    async def _node(self, ref: str) -> str:
        return ref if ref.startswith("did:key:z") else (await self._peers.find(ref)).node_id

    async def _consent(self, wish: ConsentWish) -> WhatIf:
        now = self._core.now()
        if wish.withdraw is not None:
            async with self._core.store.read() as tx:
                row = await tx.get(GrantRow, wish.withdraw)
            if row is None:
                raise NotFound(f"no consent {wish.withdraw!r}; `consent list` shows the ones there are")
            return WhatIf(grants=(replace(grant_of(row), withdrawn_at=now),))
        if not wish.subject.strip():
            raise BadInput("consent: name the contributor (subject), or the permission to withdraw")
        try:
            terms = Terms.from_json({"aud": list(wish.audiences), "pur": list(wish.purposes), "until": wish.until})
        except TermsError as error:
            raise BadInput(str(error)) from error
        rid = (await self._readings.resolve(wish.record, self._core.node_id))[1] if wish.record else None
        fields = None if wish.fields is None else frozenset(wish.fields)
        return WhatIf(grants=(Grant(self._core.new_id(), wish.subject, terms, FORESEEN, now, rid, fields),))

    async def _release(self, wish: ReleaseWish) -> WhatIf:
        origin, rid = await self._readings.resolve(wish.record)
        async with self._core.store.read() as tx:
            copy = (await tx.get_many(Copy, [(origin, rid)], by=("origin", "rid")))[0]
        return WhatIf(releases={rid: (copy.ver, await self._node(wish.to) if wish.to else "")})
