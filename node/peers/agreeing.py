"""Agreeing: what would flow, both signatures, amending, coming back after an end (DESIGN 7)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from federation.documents import (
    Agreement,
    sign_agreement,
    verify_agreement,
)
from federation.encoding import b64url_encode
from federation.errors import PeerError
from federation.jws import peek
from federation.keys import split_kid
from federation.messages import words_of
from governance.agreement import Phase, Step, step
from governance.errors import AgreementError
from governance.gate import Outcome, decide
from governance.speech import ENGLISH
from governance.words import reason_words
from node.agreements import (
    Proposal,
    ProposedAgreement,
    clauses_for,
    read_proposal,
    renewal,
    spoken_lang,
    worded,
    words_differ,
    write_proposal,
)
from node.copies import Held
from node.errors import NotNow, PeerTrouble
from node.explaining.remembering import remember_agreement
from node.peer_views import FlowView, PeerView
from node.peerbook import clauses_of, read_history
from node.peers.acquaintance import refused
from node.peers.parting import Parting
from node.principal import Principal
from node.proposals.acts import AgreementCountersign, AgreementPropose, AgreementRenew
from node.stewards import By, alone
from node.store.port import Reader, Writer
from node.store.rows import Copy, Outgoing, PeerRow, State

NONCE_BYTES: Final = 18
EXAMPLES: Final = 8
FLOW_BATCH: Final = 1000


class Agreeing(Parting):
    """Proposing and signing; nothing flows before both have signed."""

    async def preview(self, who: Principal, ref: str) -> FlowView:
        """What would flow to the peer if the proposed (or present) agreement were active now, by the real gate."""
        who.need("steward")
        async with self._core.store.read() as tx:
            row = await self._row(tx, ref)
            situation = await self._core.situation(tx)
            peer = situation.peer(row)
            proposal = read_proposal(row.proposal).document if row.proposal else None
            clauses = clauses_of(proposal) if proposal else peer.clauses
            to = replace(peer.recipient, phase=Phase.ACTIVE, clauses=clauses and replace(clauses, starts=0))
            flow = _Flow(who)
            above = 0
            while True:
                rows = await tx.find(
                    Copy, {"state": State.LIVE}, above=("change_seq", above), order="change_seq", limit=FLOW_BATCH
                )
                if not rows:
                    return flow.view()
                above = rows[-1].change_seq
                passing = await self._core.passing(tx, situation, rows)
                for copy in rows:
                    if copy.origin != row.node_id:
                        held = Held.read(copy)
                        view = held.view(
                            situation.circles,
                            copy.id in passing,
                            stops=situation.stops,
                            released=situation.released(copy),
                        )
                        flow.add(held, decide(view, to, situation.policy, situation.now))

    async def approve(self, who: Principal, ref: str) -> PeerView:
        """Sign the proposed agreement; it is active once both have signed."""
        who.need("steward")
        row = await self.find(ref)
        document = self.proposed(row)
        by = await alone(self._core, who, AgreementCountersign(peer=row.node_id, agreement=document.id))
        async with self._core.store.write() as tx:
            row = await self.sign_in(tx, row.node_id, document.id, by)
        await self.exchange_agreement(row.id)
        self._core.bell.ring()
        return await self.get(who, row.node_id)

    def proposed(self, row: PeerRow, agreement: str = "") -> Agreement:
        """The agreement that waits for our signature, the one with this id if one is given; `NotNow` without it."""
        if row.proposal is None:
            raise NotNow(f"there is no proposal with {row.name} to approve; `peer propose` makes one")
        document = read_proposal(row.proposal).document
        if agreement not in ("", document.id):
            raise NotNow(f"{row.name} has another agreement before it by now: look at it and propose to sign that one")
        return document

    async def sign_in(self, tx: Writer, ref: str, agreement: str, by: By) -> PeerRow:
        """Sign the proposed agreement in this transaction; `exchange_agreement` shows it to the peer afterwards."""
        row = await self._row(tx, ref)
        document = self.proposed(row, agreement)
        before = read_proposal(row.proposal or "").tokens
        token = sign_agreement(document, self._core.node_id, self._core.keys.record).decode("ascii")
        tokens = (*(t for t in before if _signer(t) != self._core.node_id), token)
        phase = _step(row, Step.PROPOSE) if row.phase in (Phase.ENDED, Phase.EXPIRED) else row.phase  # it comes back
        row = await self._complete(tx, replace(row, phase=phase, proposal=write_proposal(document, tokens)))
        await tx.put(row)
        await self._core.audit(tx, by.actor, "agreement.approve", document.id, by.detail)
        return row

    async def propose(self, who: Principal, ref: str, terms: ProposedAgreement) -> PeerView:
        """A new agreement with a peer we know: to amend one, or to come back after an end."""
        who.need("steward")
        async with self._core.store.read() as tx:
            row = await self.check_proposable(tx, ref)
        clauses_for(terms, self._core.now())
        terms = terms.model_copy(update={"lang": spoken_lang(terms.lang, who.say)})
        by = await alone(self._core, who, AgreementPropose(peer=row.node_id, terms=terms))
        async with self._core.store.write() as tx:
            row = await self.propose_in(tx, row.node_id, terms, by)
        await self.exchange_agreement(row.id)
        return await self.get(who, row.node_id)

    async def check_proposable(self, tx: Reader, ref: str) -> PeerRow:
        """The peer, with which a new agreement can be proposed; `NotNow` if it cannot."""
        row = await self._settled(tx, await self._row(tx, ref))
        _step(row, Step.PROPOSE)
        return row

    async def propose_in(self, tx: Writer, ref: str, terms: ProposedAgreement, by: By) -> PeerRow:
        """Draw up a new agreement in this transaction; `exchange_agreement` shows it to the peer afterwards."""
        now = self._core.now()
        row = await self._settled(tx, await self._row(tx, ref))
        before = read_proposal(row.agreement_source).document.n if row.agreement_source else 0
        document = Agreement(
            id=b64url_encode(self._core.entropy.draw(12)),
            n=before + 1,
            # Dated so that the peer's key, however new, can sign it though our clock be behind.
            iat=max(now, read_history(row.history).current.keys.rec.since),
            a=self._core.node_id,
            b=row.node_id,
            nonce=b64url_encode(self._core.entropy.draw(NONCE_BYTES)),
            clauses=clauses_for(terms, now),
        )
        document = worded(document, terms.lang or ENGLISH.lang)
        row = replace(row, phase=_step(row, Step.PROPOSE), proposal=write_proposal(document, ()))
        await tx.put(row)
        await self._core.audit(tx, by.actor, "agreement.propose", document.id, by.detail)
        return row

    async def renew_agreement(self, who: Principal, ref: str, days: int = 365) -> PeerView:
        """Propose the present agreement again with a new end, so many days after the present one."""
        who.need("steward")
        async with self._core.store.read() as tx:
            row = await self.check_proposable(tx, ref)
        self.renewal(row, days)
        by = await alone(self._core, who, AgreementRenew(peer=row.node_id, days=days))
        async with self._core.store.write() as tx:
            row = await self.renew_in(tx, row.node_id, days, by)
        await self.exchange_agreement(row.id)
        return await self.get(who, row.node_id)

    def renewal(self, row: PeerRow, days: int) -> ProposedAgreement:
        """What a renewal proposes; `NotNow` where there is nothing to renew."""
        if row.agreement_source is None:
            raise NotNow(f"there is no agreement with {row.name} to renew; `peer propose` makes one")
        return renewal(read_proposal(row.agreement_source).document, days, self._core.now())

    async def renew_in(self, tx: Writer, ref: str, days: int, by: By) -> PeerRow:
        """Draw up the renewal in this transaction; `exchange_agreement` shows it to the peer afterwards."""
        row = await self._row(tx, ref)
        return await self.propose_in(tx, row.node_id, self.renewal(row, days), by)

    async def exchange_agreement(self, peer_id: int) -> bool:
        """Show the peer our side of the proposal and take its side; False if it was not reached (tried again later)."""
        async with self._core.store.read() as tx:
            row = await tx.get(PeerRow, peer_id)
        if row is None or (row.proposal is None and row.agreement is None):
            return True
        # What we declared of the agreement before comes first: heard later, it would undo the one that is shown now.
        if not await self.deliver_notices(peer_id):
            return False
        source = row.proposal or row.agreement_source
        assert source is not None
        proposal = read_proposal(source)
        body = _shown(proposal) | {"noticed": row.their_notice_seq}
        try:
            line = self._lines.to(read_history(row.history), json.loads(row.urls))
            answer = await self._asked(line, "/agreement", body)
        except PeerTrouble:
            return False
        for token in words_of(answer, "notices"):  # a peer that cannot reach us has had no other way to tell
            await self.noticed(row.node_id, token)
        async with self._core.store.write() as tx:
            await self._take_agreement(tx, peer_id, answer)
        return True

    async def agreed(self, node_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The peer's side of `exchange_agreement`."""
        async with self._core.store.write() as tx:
            row = (await tx.get_many(PeerRow, [(node_id,)], by=("node_id",)))[0]
            row = await self._take_agreement(tx, row.id, body)
            source = row.proposal or row.agreement_source
            notices = await self._unheard_notices(tx, row, body.get("noticed"))
        self._core.bell.ring()
        return {} if source is None else _shown(read_proposal(source)) | {"notices": notices}

    async def _take_agreement(self, tx: Writer, peer_id: int, body: Mapping[str, Any]) -> PeerRow:
        """Join the peer's signature to a proposal we have, or take up its newer proposal."""
        row = await tx.get(PeerRow, peer_id)
        assert row is not None
        if row.phase == Phase.BLOCKED or not isinstance(body.get("proposal"), dict):
            return row
        row = await self._settled(tx, row)
        document = _read_agreement(json.dumps(body["proposal"]))
        if {document.a, document.b} != {self._core.node_id, row.node_id}:
            raise refused("this agreement is not between our two nodes")
        ours = read_proposal(row.proposal) if row.proposal else None
        current = read_proposal(row.agreement_source).document if row.agreement_source else None
        if current is not None and (document.id == current.id or document.n <= current.n):
            return row
        if ours is None or (ours.document.id != document.id and (document.n, document.iat) >= _rank(ours.document)):
            if words_differ(document):
                raise refused("the words of this agreement say something else than its clauses: we do not take it up")
            row = replace(row, phase=_step(row, Step.PROPOSE), proposal=write_proposal(document, ()))
            ours = read_proposal(row.proposal or "")
        if ours.document == document:
            theirs = tuple(str(t) for t in body.get("tokens", ()) if _signer(str(t)) == row.node_id)
            mine = tuple(t for t in ours.tokens if _signer(t) == self._core.node_id)
            await self._check_tokens(tx, row, theirs)
            row = replace(row, proposal=write_proposal(document, mine + theirs[:1]))
            row = await self._complete(tx, row)
        await tx.put(row)
        return row

    async def _check_tokens(self, tx: Reader, row: PeerRow, tokens: tuple[str, ...]) -> None:
        histories = {row.node_id: read_history(row.history), self._core.node_id: await self._own(tx)}
        for token in tokens:
            verify_agreement((token.encode("ascii", "replace"),), histories.get)

    async def _complete(self, tx: Writer, row: PeerRow) -> PeerRow:
        """An agreement that both have signed becomes the one in force; one that begins later waits for the present one.

        It then stays a proposal with both signatures, which every session shows again.
        """
        proposal = read_proposal(row.proposal or "")
        if len(proposal.tokens) < 2:
            return row
        histories = {row.node_id: read_history(row.history), self._core.node_id: await self._own(tx)}
        whole = verify_agreement(tuple(t.encode("ascii") for t in proposal.tokens), histories.get)
        if not whole.complete or await self._waits(tx, row, proposal.document.clauses.starts):
            return row
        phase = Phase.ACTIVE if row.phase in (Phase.PROPOSED, Phase.ACTIVE) else Phase(row.phase)
        if row.phase == Phase.PROPOSED:  # the end of the one before has been overtaken
            await tx.delete(Outgoing, {"peer": row.id, "what": "notice"})
        await remember_agreement(tx, row.node_id, row.proposal or "", self._core.now())
        return replace(
            row,
            phase=phase,
            agreement=json.dumps(list(proposal.tokens)),
            agreement_source=row.proposal,
            proposal=None,
            next_sync_at=self._core.now(),
        )

    async def _waits(self, tx: Reader, row: PeerRow, starts: int) -> bool:
        situation = await self._core.situation(tx)
        present = situation.peer(row).phase(situation.now)
        return starts > situation.now and present in (Phase.ACTIVE, Phase.SUSPENDED)


@dataclass
class _Flow:
    """Counts for a preview."""

    who: Principal
    records: int = 0
    fields: int = 0
    withheld: int = 0

    def __post_init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._examples: list[str] = []

    def add(self, held: Held, decision: Any) -> None:
        if decision.outcome is Outcome.SHARE:
            self.records += 1
            self.fields += len(decision.fields)
            self._kinds[held.row.kind or ""] += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(held.title)
        else:
            self.withheld += 1
            self._reasons.update({reason_words(r, self.who.say, self.who.langs) for r in decision.reasons})

    def view(self) -> FlowView:
        return FlowView(
            records=self.records, fields=self.fields, by_kind=dict(self._kinds), examples=self._examples,
            withheld=self.withheld, reasons=dict(self._reasons.most_common()),
        )  # fmt: skip


def _shown(proposal: Proposal) -> dict[str, Any]:
    return {"proposal": json.loads(proposal.document.model_dump_json()), "tokens": list(proposal.tokens)}


def _step(row: PeerRow, wanted: Step) -> Phase:
    try:
        return step(Phase(row.phase), wanted)
    except AgreementError as error:
        raise NotNow(str(error)) from error


def _rank(agreement: Agreement) -> tuple[int, int]:
    return agreement.n, agreement.iat


def _signer(token: str) -> str:
    try:
        return split_kid(peek(token)[1])[0]
    except PeerError:
        return ""


def _read_agreement(text: str) -> Agreement:

    try:
        return Agreement.model_validate_json(text)
    except ValidationError as error:
        raise refused(f"the agreement is not well formed: {error.errors()[0]['msg']}") from error
