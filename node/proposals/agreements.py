"""Proposals around agreements: to offer, renew, sign, suspend, resume and end one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from federation.documents import Agreement
from governance.agreement import Clauses, Phase
from governance.promises import promises
from governance.speech import ENGLISH, Say
from node.agreements import ProposedAgreement, clauses_for, read_proposal, spoken_lang
from node.core import Core
from node.peerbook import clauses_of
from node.peers import Peers
from node.previews.previews import WhatIf
from node.proposals.acts import AgreementCountersign, AgreementPropose, AgreementRenew, AgreementStep
from node.proposals.doing import Carried
from node.stewards import By
from node.store.port import Reader, Writer
from node.store.rows import PeerRow

PLACEHOLDER: Final = "n" * 24  # of an agreement that is only looked at


class _WithPeer:
    def __init__(self, core: Core, peers: Peers) -> None:
        self._core = core
        self._peers = peers


def _if(row: PeerRow, phase: Phase, clauses: Clauses | None) -> WhatIf:
    return WhatIf(peers={row.node_id: (phase, clauses)})


class Offers(_WithPeer):
    """Offering a peer an agreement. Nothing flows before both have signed, so what is shown is what would then."""

    async def settle(self, tx: Reader, act: AgreementPropose) -> AgreementPropose:
        """The peer by its node id."""
        row = await self._peers.check_proposable(tx, act.peer)
        clauses_for(act.terms, self._core.now())
        terms = act.terms.model_copy(update={"lang": spoken_lang(act.terms.lang, ENGLISH)})
        return act.model_copy(update={"peer": row.node_id, "terms": terms})

    async def what_if(self, tx: Reader, act: AgreementPropose) -> WhatIf | None:
        """As if both had signed."""
        row = await self._peers.named(tx, act.peer)
        return _if(row, Phase.ACTIVE, _clauses(act.terms, self._core.now(), self._core.node_id, row.node_id))

    async def words(self, tx: Reader, act: AgreementPropose, say: Say) -> list[str]:
        """Whom, and what both sides would promise."""
        row = await self._peers.named(tx, act.peer)
        now = self._core.now()
        first = say("We offer {peer} this agreement; it begins when they have signed it too.", peer=row.name)
        return [first, *promises(_clauses(act.terms, now, self._core.node_id, row.node_id), say)]

    async def carry(self, tx: Writer, act: AgreementPropose, by: By) -> Carried:
        """Draw it up and sign it: the stewards have decided on both."""
        row = await self._peers.propose_in(tx, act.peer, act.terms, by)
        row = await self._peers.sign_in(tx, row.node_id, self._peers.proposed(row).id, by)
        return Carried(row.node_id, lambda: self._peers.exchange_agreement(row.id))


class Renewals(_WithPeer):
    """The present agreement once more."""

    async def settle(self, tx: Reader, act: AgreementRenew) -> AgreementRenew:
        """The peer by its node id; there is an agreement to renew."""
        row = await self._peers.check_proposable(tx, act.peer)
        self._peers.renewal(row, act.days)
        return act.model_copy(update={"peer": row.node_id})

    async def what_if(self, tx: Reader, act: AgreementRenew) -> WhatIf | None:
        """As if both had signed."""
        row = await self._peers.named(tx, act.peer)
        return _if(
            row,
            Phase.ACTIVE,
            _clauses(self._peers.renewal(row, act.days), self._core.now(), self._core.node_id, row.node_id),
        )

    async def words(self, tx: Reader, act: AgreementRenew, say: Say) -> list[str]:
        """For how long."""
        row = await self._peers.named(tx, act.peer)
        now = self._core.now()
        first = say("We offer {peer} to go on under the same agreement for {days} days.", peer=row.name, days=act.days)
        return [
            first,
            *promises(_clauses(self._peers.renewal(row, act.days), now, self._core.node_id, row.node_id), say),
        ]

    async def carry(self, tx: Writer, act: AgreementRenew, by: By) -> Carried:
        """Draw it up and sign it."""
        row = await self._peers.renew_in(tx, act.peer, act.days, by)
        row = await self._peers.sign_in(tx, row.node_id, self._peers.proposed(row).id, by)
        return Carried(row.node_id, lambda: self._peers.exchange_agreement(row.id))


class Signatures(_WithPeer):
    """Signing what is proposed."""

    async def settle(self, tx: Reader, act: AgreementCountersign) -> AgreementCountersign:
        """The peer by its node id, and the one agreement that is signed."""
        row = await self._peers.named(tx, act.peer)
        document = self._peers.proposed(row, act.agreement)
        return act.model_copy(update={"peer": row.node_id, "agreement": document.id})

    async def what_if(self, tx: Reader, act: AgreementCountersign) -> WhatIf | None:
        """As if both had signed and it had begun."""
        row = await self._peers.named(tx, act.peer)
        clauses = clauses_of(self._peers.proposed(row, act.agreement))
        return _if(row, Phase.ACTIVE, replace(clauses, starts=0))

    async def words(self, tx: Reader, act: AgreementCountersign, say: Say) -> list[str]:
        """With whom, and what both sides would promise."""
        row = await self._peers.named(tx, act.peer)
        first = say("We sign the agreement with {peer}.", peer=row.name)
        return [first, *_signed_words(row, act.agreement, say)]

    async def carry(self, tx: Writer, act: AgreementCountersign, by: By) -> Carried:
        """Sign it."""
        row = await self._peers.sign_in(tx, act.peer, act.agreement, by)
        return Carried(row.node_id, lambda: self._peers.exchange_agreement(row.id))


class Steps(_WithPeer):
    """What we declare alone."""

    async def settle(self, tx: Reader, act: AgreementStep) -> AgreementStep:
        """The peer by its node id; the step is possible from where we are."""
        row = await self._peers.named(tx, act.peer)
        self._peers.check_step(row, act.kind)
        return act.model_copy(update={"peer": row.node_id})

    async def what_if(self, tx: Reader, act: AgreementStep) -> WhatIf | None:
        """With the peer in the phase that follows."""
        row = await self._peers.named(tx, act.peer)
        clauses = (await self._core.situation(tx)).peer(row).clauses
        after = self._peers.check_step(row, act.kind)
        # What they have suspended too goes on once they resume, and nobody here is asked again then.
        return _if(row, Phase.ACTIVE if act.kind == "agreement.resume" else Phase(after.phase), clauses)

    async def words(self, tx: Reader, act: AgreementStep, say: Say) -> list[str]:
        """What stops or goes on."""
        row = await self._peers.named(tx, act.peer)
        return [
            {
                "agreement.suspend": say("Sharing with {peer} stops for now, both ways.", peer=row.name),
                "agreement.resume": say("Sharing with {peer} goes on.", peer=row.name),
                "agreement.end": say("The agreement with {peer} ends; copies are treated as it says.", peer=row.name),
                "agreement.block": say("{peer} is blocked: only withdrawals still pass.", peer=row.name),
                "agreement.unblock": say(
                    "{peer} is no longer blocked; sharing again needs a new agreement.", peer=row.name
                ),
            }[act.kind]
        ]

    async def carry(self, tx: Writer, act: AgreementStep, by: By) -> Carried:
        """Take the step; its notice is handed over after the commit."""
        row = await self._peers.step_in(tx, act.peer, act.kind, act.note, by)
        return Carried(row.node_id, lambda: self._peers.deliver_notices(row.id))


def _clauses(terms: ProposedAgreement, now: int, own: str, peer: str) -> Clauses:
    """What is offered, as the gate sees it once both have signed and it has begun."""
    clauses = clauses_for(terms, now)
    offered = Agreement(id="proposed", n=1, iat=now, a=own, b=peer, nonce=PLACEHOLDER, clauses=clauses)
    return replace(clauses_of(offered), starts=0)


def _signed_words(row: PeerRow, agreement: str, say: Say) -> list[str]:
    """What it says; nothing once another one has taken its place."""
    for source in (row.proposal, row.agreement_source):
        if source is not None and read_proposal(source).document.id == agreement:
            return promises(clauses_of(read_proposal(source).document), say)
    return []
