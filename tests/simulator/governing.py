"""What stewards, contributors and readers do in a schedule: proposals, votes, private links, reports (DESIGN 9).

Organisations have none to four stewards, and each its own rules of how many must say yes, for how long, and how soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from governance.gate import Role
from governance.policy_text import parse_policy
from governance.proposal import UNDECIDED, Rules, State
from governance.terms import NETWORK, NODE, STEWARDS, Purpose
from node.accounts.desk import principal
from node.agreements import ProposedAgreement
from node.inforce import put_in_force
from node.policies import BY_FILE
from node.principal import LOCAL, ROLE_SCOPES, Principal
from node.proposals.acts import (
    Act,
    AgreementPropose,
    AgreementRenew,
    AgreementStep,
    CircleChange,
    CircleCreate,
    HoldLift,
    PolicyChange,
    RecordRelease,
    StewardAdd,
    StewardRemove,
)
from node.store.governing import Account, HoldRow, PrivateLink, ProposalRow, ReportRow, VoteRow
from node.store.rows import CircleRow, ContributorRow, Copy, PeerRow
from node.store.rows import State as CopyState
from tests.simulator.actions import DAY_S, Action, Actions
from tests.simulator.nodes import SimNode
from tests.world import CAREFUL_POLICY, OPEN_POLICY, SHUT_POLICY, terms

STEWARDS_HERE: Final = (0, 1, 2, 2, 3, 3, 4)
HOLDING_POLICY: Final = (
    OPEN_POLICY.replace('"open"', '"holding"', 1)
    + """
[[rule]]
id = "stories-wait"
effect = "hold"
to = "peer"
when.kind = "story"
reason = "A steward looks at each story first."
"""
)
TEXTS: Final = (OPEN_POLICY, CAREFUL_POLICY, SHUT_POLICY, HOLDING_POLICY)
HOUR_S: Final = 3_600
MEETINGS: Final = 4  # at rest: what goes back to the voters, or follows from another proposal, is voted on again


class Governing(Actions):
    """Actions of worlds in which several people decide."""

    governed = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.read: dict[tuple[str, str], str] = {}  # what somebody saw last of a proposal: they vote on that
        self.letters: list[tuple[SimNode, str]] = []  # private links that were handed out

    def choices(self) -> list[tuple[int, Action]]:
        """With what only people with accounts do."""
        if not self.governed:
            return super().choices()
        return [
            *super().choices(),
            (7, self.propose), (8, self.vote), (8, self.meeting), (4, self.change_proposal), (2, self.take_back),
            (3, self.countersign), (3, self.link), (8, self.contributor), (3, self.report), (1, self.answer),
        ]  # fmt: skip

    async def set_up_governing(self) -> None:
        """Accounts, rules and a policy that is kept where stewards decide on it."""
        for node in self.nodes:
            node.rules = Rules(
                self.dice.choice((None, None, None, 1, 2, 3)),
                self.dice.choice((0, 0, 0, HOUR_S, DAY_S)),
                self.dice.choice((2, 14)) * DAY_S,
            )
            count = self.dice.choice(STEWARDS_HERE)
            roles = [Role.STEWARD] * count + [Role.MEMBER, Role.EDITOR]
            people = [Account(f"{node.name}-{n}", r.value, "a hash", node.now) for n, r in enumerate(roles)]
            people.append(Account(f"{node.name}-invited", Role.STEWARD.value, "", node.now))
            text = OPEN_POLICY if self.dice.random() < 0.7 else HOLDING_POLICY
            async with node.core.store.write() as tx:
                await tx.put_many(people)
                node.core.policy = await put_in_force(tx, text, node.now)
            node.start()
            self.watch.permit(node)
            self.say(f"{node.name} has {count} stewards and {node.rules}")

    async def ask_contributors(self) -> None:
        """Who is in the first records has said yes, so that there is something to take back."""
        for node in self.nodes:
            for number in "12":
                await node.consents.grant(LOCAL, subject=f"{node.name}-s{number}", terms=terms(NETWORK), how="said so")

    # --- people ------------------------------------------------------------------------------------------------------

    async def people(self, node: SimNode, *roles: Role) -> list[Principal]:
        """Who has an account with one of these roles and uses it."""
        async with node.sim_store.look() as tx:
            rows = [a for a in await tx.find(Account, order="name") if a.password and a.role in roles]
        return [principal(a, ROLE_SCOPES[Role(a.role)]) for a in rows]

    async def steward(self, node: SimNode) -> Principal:
        """One of those who decide at a node."""
        found = await self.people(node, Role.STEWARD) if self.governed else []
        return self.dice.choice(found) if found else LOCAL

    # --- proposals ---------------------------------------------------------------------------------------------------

    async def propose(self, node: SimNode) -> None:
        ways = (self._policy, self._agreement, self._step, self._circle, self._release, self._people, self._hold)
        make = self.dice.choice((*ways, self._release, self._people))
        act = await make(node)
        if act is None:
            return
        who, drafted = await self.steward(node), self.dice.random() < 0.15
        call = node.proposals.draft if drafted else node.proposals.propose
        said = f"{who.actor} of {node.name} {'drafts' if drafted else 'proposes'} {_words(act)}"
        view = await self.attempt(node, said, lambda: call(who, act))
        if drafted and view is not None:
            await asyncio.sleep(self.dice.choice((0.0, 40.0)))
            await self.attempt(node, f"{who.actor} opens it", lambda: node.proposals.open(who, view.pid))

    async def _policy(self, node: SimNode) -> Act:
        del node
        return PolicyChange(text=self.dice.choice(TEXTS))

    async def _agreement(self, node: SimNode) -> Act | None:
        peer = await self._peer(node)
        if self.dice.random() < 0.3:
            return AgreementRenew(peer=peer.node_id, days=self.dice.choice((2, 30)))
        offered = ProposedAgreement(
            purposes=self.PURPOSES, kinds=self.dice.choice(((), ("guide",))), passing_on=self.dice.random() < 0.8,
            at_end=self.dice.choice(("erase", "erase", "keep")), days=self.dice.choice((None, 3)),
        )  # fmt: skip
        return AgreementPropose(peer=peer.node_id, terms=offered)

    async def _step(self, node: SimNode) -> Act:
        peer = await self._peer(node)
        step = {"suspended": "resume", "blocked": "unblock"}.get(peer.phase)
        wanted = step or self.dice.choice(("suspend", "suspend", "end", "block"))
        return AgreementStep.model_validate({"kind": f"agreement.{wanted}", "peer": peer.node_id})

    async def _circle(self, node: SimNode) -> Act:
        async with node.sim_store.look() as tx:
            own = [r.cid for r in await tx.find(CircleRow) if node.id.endswith(r.cid.partition(".")[0])]
        some = tuple(n.id for n in self.dice.sample(self.nodes, 3))
        if not own:
            return CircleCreate(slug="council", members=some)
        return CircleChange(circle=self.dice.choice(own), add=some[:2], remove=some[2:])

    async def _release(self, node: SimNode) -> Act | None:
        """Mostly of what waits."""
        async with node.sim_store.look() as tx:
            live = await tx.find(Copy, {"state": CopyState.LIVE})
        copies = [c for c in live if c.kind == "story"] or live
        if not copies:
            return None
        copy = self.dice.choice(copies)
        to = (await self._peer(node)).node_id if self.dice.random() < 0.5 else ""
        return RecordRelease(record=copy.rid, origin=copy.origin, to=to)

    async def _people(self, node: SimNode) -> Act | None:
        async with node.sim_store.look() as tx:
            account = self.dice.choice(await tx.find(Account, order="name"))
        return (StewardRemove if account.role == Role.STEWARD else StewardAdd)(account=account.name)

    async def _hold(self, node: SimNode) -> Act | None:
        async with node.sim_store.look() as tx:
            holds = await tx.find(HoldRow, {"lifted_at": None})
        return HoldLift(hold=self.dice.choice(holds).hid) if holds else None

    async def _peer(self, node: SimNode) -> PeerRow:
        async with node.sim_store.look() as tx:
            peers: list[PeerRow] = await tx.find(PeerRow, order="id")
        return self.dice.choice(peers)

    async def _undecided(self, node: SimNode | None = None) -> list[tuple[SimNode, ProposalRow]]:
        out = []
        for one in self.nodes if node is None else (node,):
            async with one.sim_store.look() as tx:
                out += [(one, r) for r in await tx.find(ProposalRow, order="created_at") if r.state in UNDECIDED]
        return out

    async def vote(self, _: SimNode) -> None:
        """Somebody votes on what they read, which may be another text by now, or no longer be theirs to decide."""
        if not (open_ones := await self._undecided()):
            return
        node, row = self.dice.choice(open_ones)
        everybody = await self.people(node, *Role)
        who = self.dice.choice([*everybody, LOCAL])
        said = "yes" if self.dice.random() < 0.75 else "no"
        seen = self.read.setdefault((who.actor, row.pid), row.hash)
        what = f"{who.actor} of {node.name} says {said} to {row.pid[-4:]} {row.kind}"
        if await self.attempt(node, what, lambda: node.proposals.vote(who, row.pid, said, seen)) is None:
            self.read.pop((who.actor, row.pid), None)

    async def meeting(self, _: SimNode) -> None:
        """The stewards of one organisation say yes, one after the other."""
        if open_ones := await self._undecided():
            await self._agree_on(*self.dice.choice(open_ones))

    async def _agree_on(self, node: SimNode, row: ProposalRow) -> None:
        for who in await self.people(node, Role.STEWARD) or [LOCAL]:
            async with node.sim_store.look() as tx:
                now = await tx.get(ProposalRow, row.pid)
            if now is None or now.state not in UNDECIDED:
                return
            what = f"{who.actor} of {node.name} says yes to {now.pid[-4:]} {now.kind}"
            await self.attempt(node, what, partial(node.proposals.vote, who, now.pid, "yes", now.hash))

    async def change_proposal(self, node: SimNode) -> None:
        """Its author changes a text, best one that somebody has said yes to."""
        open_ones = await self._undecided()
        voted = [(n, r) for n, r in open_ones if any(pid == r.pid for pid, _ in n.sim_store.tables[VoteRow].rows)]
        if not open_ones:
            return
        node, row = self.dice.choice(voted or open_ones)
        make = self.dice.choice((self._policy, self._circle, self._release))
        act = await make(node)
        if act is not None:
            who = await self._author(node, row)
            said = f"{row.by} changes {row.pid[-4:]} to {_words(act)}"
            await self.attempt(node, said, lambda: node.proposals.edit(who, row.pid, act))

    async def take_back(self, node: SimNode) -> None:
        if open_ones := await self._undecided():
            node, row = self.dice.choice(open_ones)
            who = await self._author(node, row)
            said = f"{row.by} takes {row.pid[-4:]} {row.kind} back"
            await self.attempt(node, said, lambda: node.proposals.withdraw(who, row.pid))

    async def _author(self, node: SimNode, row: ProposalRow) -> Principal:
        return next((p for p in await self.people(node, *Role) if p.actor == row.by), LOCAL)

    async def policy(self, node: SimNode) -> None:
        """The policy file changes: in force at once where one is enough, else a proposal."""
        if not self.governed:
            await super().policy(node)
            return
        text = self.dice.choice(TEXTS)
        self.say(f"the policy file of {node.name} says {parse_policy(text.encode()).name}")
        if len(await self.people(node, Role.STEWARD)) > 1:
            wish = PolicyChange(text=text, source="file")
            await self.attempt(node, "  which is proposed", lambda: node.proposals.from_node(BY_FILE, wish))
        else:
            await self.attempt(node, "  which is in force", lambda: _at_once(node, text))

    async def countersign(self, node: SimNode) -> None:
        """Sign what a peer has proposed."""
        async with node.sim_store.look() as tx:
            waiting = [p for p in await tx.find(PeerRow, order="id") if p.proposal is not None]
        if waiting:
            row, who = self.dice.choice(waiting), await self.steward(node)
            said = f"{who.actor} of {node.name} signs with {row.name}"
            await self.attempt(node, said, lambda: node.peers.approve(who, row.node_id))

    async def decide_all(self) -> None:
        """Every proposal that is open is agreed on, and carried out if it still can be."""
        for _ in range(MEETINGS):
            if not (open_ones := await self._undecided()):
                return
            for node, row in open_ones:
                await self._agree_on(node, row)
            if any(r.state == State.APPROVED for _, r in await self._undecided()):
                await asyncio.sleep(DAY_S)
                for node in self.nodes:
                    await self.attempt(node, f"{node.name} tends", node.tend)

    # --- contributors and readers ------------------------------------------------------------------------------------

    async def link(self, node: SimNode) -> None:
        """An editor hands out a private link, or one ends."""
        async with node.sim_store.look() as tx:
            subjects = sorted({r.subject for r in await tx.find(ContributorRow)})
            links = await tx.find(PrivateLink, order="created_at")
        if links and self.dice.random() < 0.1:
            await self.attempt(node, "a link ends", lambda: node.contributing.revoke_link(LOCAL, links[0].id))
        elif subjects:
            subject = self.dice.choice(subjects)
            make: Callable[[], Any] = partial(node.contributing.make_link, LOCAL, subject=subject)
            view = await self.attempt(node, f"{subject} gets a private link", make)
            if view is not None and view.secret is not None:
                self.letters.append((node, view.secret))

    async def contributor(self, node: SimNode) -> None:
        """Somebody opens their private link and does something; without one they ask for it first."""
        if not self.letters:
            await self.link(node)
        if self.letters:
            node, secret = self.dice.choice(self.letters[-6:])
            await self.attempt(node, "a private link is opened", lambda: self._on_own_page(node, secret))

    async def _on_own_page(self, node: SimNode, secret: str) -> None:
        page = node.contributing
        holder = await page.open(secret, "somewhere")
        seen = await page.see(holder)
        if not seen.records:
            return
        rid = self.dice.choice(seen.records).rid
        doing = self.dice.choice(("change", "change", "withdraw", "withdraw", "remove", "everything"))
        self.say(f"  {holder.subject}: {doing} {rid[-4:]}")
        if doing != "change":
            what = None if doing == "everything" else rid
            await page.withdraw(holder, what, remove=doing == "remove")
            return
        audience = self.dice.choice((None, NETWORK, NODE, STEWARDS))
        await page.change(
            holder, rid, audience=audience, purposes=tuple(Purpose), days=self.dice.choice((None, 0, 3, 30))
        )

    async def report(self, node: SimNode) -> None:
        """A reader finds a danger, and mostly hides it here at once."""
        async with node.sim_store.look() as tx:
            copies = await tx.find(Copy, {"state": CopyState.LIVE})
        readers = await self.people(node, *Role)
        if not copies or not readers:
            return
        copy, who = self.dice.choice(copies), self.dice.choice(readers)
        what, hide = self.dice.choice(("danger", "error")), self.dice.random() < 0.7
        tell: Callable[[], Any] = partial(
            node.reports.report,
            who,
            copy.rid,
            what=what,
            text="Somebody is named.",
            origin=copy.origin,
            hide=hide,
        )
        await self.attempt(node, f"{who.actor} reports {copy.rid[-4:]}, hides it: {hide}", tell)

    async def answer(self, _: SimNode) -> None:
        for node in self.nodes:
            async with node.sim_store.look() as tx:
                reports = [r for r in await tx.find(ReportRow) if r.origin == node.id and r.answered_at is None]
            if reports:
                who, row = await self.steward(node), reports[0]
                reply: Callable[[], Any] = partial(node.reports.answer, who, row.id, done="read", text="We look at it.")
                await self.attempt(node, f"{node.name} answers a report", reply)
                return


def _words(act: Act) -> str:
    if isinstance(act, PolicyChange):
        return f"the policy {parse_policy(act.text.encode()).name}"
    return f"{act.kind} {' '.join(f'{k}={str(v)[-6:]}' for k, v in act if k != 'kind' and v)}"


async def _at_once(node: SimNode, text: str) -> None:
    async with node.core.store.write() as tx:
        policy = await put_in_force(tx, text, node.now)
    node.core.policy = policy
