"""The laws of deciding together, each broken from outside: whoever goes round a decision is seen at the commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest

from governance.agreement import Phase
from governance.gate import Role
from governance.impact import Impact
from governance.proposal import State
from governance.record import ContributorLink
from governance.terms import NETWORK
from node.accounts.desk import principal, set_role
from node.agreements import ProposedAgreement
from node.inforce import put_in_force
from node.principal import LOCAL, ROLE_SCOPES, Principal
from node.proposals import Pending
from node.proposals.acts import Act, AgreementPropose, AgreementStep, HoldLift, PolicyChange
from node.stewards import By
from node.store.governing import Account, HoldRow, ProposalRow, ReleaseRow, VoteRow
from node.store.port import Writer
from node.store.rows import Copy
from tests.simulator.governed import CouncilWatch
from tests.simulator.loop import run
from tests.simulator.network import Network
from tests.simulator.nodes import NAMES, SimNode
from tests.world import OPEN_POLICY, SHUT_POLICY, draft, terms


class Council:
    """Ana, where amal and bela decide, and bao, where nobody else does."""

    def __init__(self) -> None:
        network = Network(Random(1))
        self.nodes = [SimNode(name, 1, network, Random(1)) for name in NAMES[:2]]
        self.ana, self.bao = self.nodes
        self.watch = CouncilWatch(self.nodes)
        self.amal, self.bela = (
            principal(Account(n, Role.STEWARD, "a hash", 0), ROLE_SCOPES[Role.STEWARD]) for n in ("amal", "bela")
        )

    async def begin(self, policy: str) -> None:
        for node in self.nodes:
            await node.introduce()
        await self.ana.introduced(self.bao)
        await self.bao.introduced(self.ana)
        await self.ana.agree(self.bao, ProposedAgreement())
        async with self.ana.core.store.write() as tx:
            await tx.put_many([Account(n, Role.STEWARD.value, "a hash", 0) for n in ("amal", "bela")])
            self.ana.core.policy = await put_in_force(tx, policy, self.ana.now)
        self.watch.broken.clear()  # the first policy was nobody's decision
        await self.ana.library.create(LOCAL, draft("Wells"))

    async def write(self, change: Callable[[Writer], Awaitable[object]]) -> None:
        async with self.ana.core.store.write() as tx:
            await change(tx)

    async def decide(self, act: Act, *who: Principal) -> str:
        view = await self.ana.proposals.propose(self.amal, act)
        for one in who:
            await self.ana.proposals.vote(one, view.pid, "yes", view.hash)
        return view.pid


def broken(story: Callable[[Council], Awaitable[None]], policy: str = OPEN_POLICY) -> str:
    """What the laws say of a story."""
    council: list[Council] = []

    async def told() -> None:
        council.append(Council())
        await council[0].begin(policy)
        await story(council[0])

    run(told())
    return "\n".join(council[0].watch.broken)


async def _lift_by_hand(c: Council) -> None:
    view = await c.ana.holds.hold(c.amal, "all", "")

    async def lift(tx: Writer) -> None:
        row = await tx.get(HoldRow, view.hid)
        assert row is not None
        await tx.put(replace(row, lifted_at=c.ana.now))

    await c.write(lift)


async def _release_by_hand(c: Council) -> None:
    async def release(tx: Writer) -> None:
        copy = (await tx.find(Copy))[0]
        await tx.put(ReleaseRow(copy.origin, copy.rid, "", copy.ver, "no proposal", c.ana.now))

    await c.write(release)


async def _policy_by_hand(c: Council) -> None:
    await c.write(lambda tx: put_in_force(tx, SHUT_POLICY, c.ana.now))


async def _steward_by_hand(c: Council) -> None:
    await c.write(lambda tx: set_role(tx, "bela", Role.MEMBER))


async def _resume_by_hand(c: Council) -> None:
    await c.decide(AgreementStep(kind="agreement.suspend", peer=c.bao.id), c.amal, c.bela)
    row = await c.ana.peer(c.bao)
    await c.write(lambda tx: tx.put(replace(row, phase=Phase.ACTIVE, we_suspended=False)))


async def _sign_by_hand(c: Council) -> None:
    await c.bao.propose(c.ana, ProposedAgreement(days=3))
    await c.write(lambda tx: c.ana.peers.sign_in(tx, c.bao.id, "", By("amal")))


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (_lift_by_hand, "lifted the hold"),
        (_release_by_hand, "released"),
        (_policy_by_hand, "changed its policy"),
        (_steward_by_hand, "changed who is a steward"),
        (_resume_by_hand, "resumed with bao"),
        (_sign_by_hand, "signed with bao"),
    ],
)
def test_what_stewards_decide_on_moves_only_with_a_proposal(
    story: Callable[[Council], Awaitable[None]], said: str
) -> None:
    assert said in broken(story)


def test_what_they_decide_as_they_should_breaks_nothing() -> None:
    async def story(c: Council) -> None:
        await c.decide(PolicyChange(text=OPEN_POLICY.replace('"open"', '"open again"')), c.amal, c.bela)
        view = await c.ana.holds.hold(c.amal, "all", "")
        with pytest.raises(Pending):
            await c.ana.holds.lift(c.amal, view.hid)
        await c.decide(HoldLift(hold=view.hid), c.bela, c.amal)
        assert c.watch.in_force == {"policy.change": 1, "hold.lift": 1}
        await c.watch.check_rest()

    assert broken(story, SHUT_POLICY) == ""


@pytest.mark.parametrize("voters", [(), ("amal",), ("amal", "somebody"), ("bela", "amal")])
def test_a_proposal_is_in_force_only_by_its_quorum(voters: tuple[str, ...]) -> None:
    async def story(c: Council) -> None:
        pid = await c.decide(PolicyChange(text=SHUT_POLICY))

        async def carry_out(tx: Writer) -> None:
            row = await tx.get(ProposalRow, pid)
            assert row is not None
            await tx.put_many([VoteRow(pid, v, "yes", row.hash, c.ana.now) for v in voters])
            await tx.put(replace(row, state=State.IN_FORCE))

        await c.write(carry_out)

    said = broken(story)
    assert ("in force without its quorum of 2" in said) == ("bela" not in voters)
    assert ("by its author alone" in said) == ("bela" not in voters)


def test_a_vote_on_another_text_is_no_vote() -> None:
    async def story(c: Council) -> None:
        pid = await c.decide(PolicyChange(text=SHUT_POLICY), c.bela)

        async def carry_out(tx: Writer) -> None:
            row = await tx.get(ProposalRow, pid)
            assert row is not None
            await tx.put(VoteRow(pid, "amal", "yes", "another", c.ana.now), replace(row, state=State.IN_FORCE))

        await c.write(carry_out)

    assert "with ['bela'] of ['amal', 'bela']" in broken(story)


def test_nothing_is_set_free_that_voters_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impact, "pack", lambda self: b"")
    monkeypatch.setattr(Impact, "beyond", lambda self, packed: False)

    async def story(c: Council) -> None:
        await c.decide(PolicyChange(text=OPEN_POLICY), c.amal, c.bela)

    assert "sets ['body', 'summary', 'title']" in broken(story, SHUT_POLICY)


def test_words_taken_back_are_seen_wherever_they_stay() -> None:
    async def story(c: Council) -> None:
        await c.ana.consents.grant(LOCAL, subject="s1", terms=terms(NETWORK), how="said so")
        links = [ContributorLink(subject="s1", fields=("body",))]
        rid = (await c.ana.library.create(LOCAL, draft("Her story", contributors=links))).rid
        await c.ana.visit(c.bao)
        link = await c.ana.contributing.make_link(LOCAL, subject="s1")
        holder = await c.ana.contributing.open(link.secret or "", "somewhere")
        await c.ana.contributing.withdraw(holder, rid)
        with pytest.raises(AssertionError, match=r"bao holds words of .* that a contributor took back"):
            await c.watch.check_rest()
        await c.ana.visit(c.bao)
        await c.watch.check_rest()

    assert broken(story) == ""


async def _bao_suspends(c: Council) -> None:
    await c.bao.peers.suspend(LOCAL, c.ana.id)
    await c.bao.visit(c.ana)


async def _bao_resumes(c: Council) -> None:
    await c.bao.peers.resume(LOCAL, c.ana.id)


async def _ana_offers_anew(c: Council) -> None:
    await c.decide(AgreementStep(kind="agreement.end", peer=c.bao.id), c.amal, c.bela)
    await c.decide(AgreementPropose(peer=c.bao.id, terms=ProposedAgreement()), c.amal, c.bela)


async def _bao_signs(c: Council) -> None:
    await c.bao.peers.approve(LOCAL, c.ana.id)


@pytest.mark.parametrize(("goes", "comes_back"), [(_bao_suspends, _bao_resumes), (_ana_offers_anew, _bao_signs)])
def test_stewards_are_shown_what_a_peer_will_get_that_comes_back_by_its_own_word(
    goes: Callable[[Council], Awaitable[None]], comes_back: Callable[[Council], Awaitable[None]]
) -> None:
    async def story(c: Council) -> None:
        await goes(c)
        view = await c.ana.proposals.propose(c.amal, PolicyChange(text=OPEN_POLICY))
        assert [(p["node_id"], p["starts"]["records"]) for p in view.impact["peers"]] == [(c.bao.id, 1)]
        for who in (c.amal, c.bela):
            await c.ana.proposals.vote(who, view.pid, "yes", view.hash)
        await c.bao.visit(c.ana)
        assert not await c.bao.live()
        await comes_back(c)
        await c.bao.visit(c.ana)
        assert len(await c.bao.live()) == 1

    assert broken(story, SHUT_POLICY) == ""


def test_stewards_who_resume_are_shown_what_goes_on_once_the_peer_resumes_too() -> None:
    async def story(c: Council) -> None:
        await c.decide(AgreementStep(kind="agreement.suspend", peer=c.bao.id), c.amal, c.bela)
        await _bao_suspends(c)
        view = await c.ana.proposals.propose(c.amal, AgreementStep(kind="agreement.resume", peer=c.bao.id))
        assert [(p["node_id"], p["starts"]["records"]) for p in view.impact["peers"]] == [(c.bao.id, 1)]

    assert broken(story) == ""
