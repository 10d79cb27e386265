"""Meeting a peer: a one-time invitation, six words to compare by voice, and the proposed agreement (DESIGN 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from federation.client import Line, Rejected, TransportError, fetch_history
from federation.documents import (
    Agreement,
    Invite,
    verify_document,
)
from federation.encoding import b64url_decode, b64url_encode, loads
from federation.errors import PeerError
from federation.identity import KeyHistory, extends
from federation.jws import peek
from federation.keys import split_kid
from federation.words import six_words
from governance.agreement import Phase, Step, step
from governance.speech import ENGLISH
from node.agreements import (
    ProposedAgreement,
    clauses_for,
    read_proposal,
    spoken_lang,
    worded,
    words_differ,
    write_proposal,
)
from node.errors import BadInput, NotNow, PeerTrouble
from node.peer_views import InviteView, PeerView
from node.peerbook import read_history, renewed
from node.peers.acquaintance import Acquaintance, refused
from node.principal import Principal
from node.store.port import Writer
from node.store.rows import InviteRow, PeerRow

HOUR_S: Final = 3600
MAX_INVITE_H: Final = 24 * 30  # an invitation that lies about for longer than a month is one lost
NONCE_BYTES: Final = 18


class Meeting(Acquaintance):
    """Inviting and accepting."""

    async def invite(
        self, who: Principal, *, terms: ProposedAgreement, note: str = "", valid_h: int = 72
    ) -> InviteView:
        """A one-time invitation with a proposed agreement; hand it over by any channel."""
        who.need("steward")
        if not 1 <= valid_h <= MAX_INVITE_H:
            raise BadInput(f"an invitation is valid for 1 to {MAX_INVITE_H} hours, not {valid_h}")
        lang = spoken_lang(terms.lang, who.say)
        now = self._core.now()
        ident = b64url_encode(self._core.entropy.draw(12))
        async with self._core.store.write() as tx:
            own = await self._own(tx)
            if not own.current.urls:
                raise NotNow(
                    "this node has no address that others reach: set server.own_urls, or accept their invitation"
                )
            document = Invite(
                iss=self._core.node_id,
                iat=now,
                id=ident,
                urls=own.current.urls,
                nonce=b64url_encode(self._core.entropy.draw(NONCE_BYTES)),
                expires=now + valid_h * HOUR_S,
                clauses=clauses_for(terms, now),
                lang=lang,
            )
            token = self._core.sign(document)
            await tx.put(InviteRow(ident, token, document.expires, note))
            await self._core.audit(tx, who.actor, "peer.invite", ident)
        link = f"{own.current.urls[0].rstrip('/')}/join#{token}"
        return InviteView(id=ident, link=link, text=token, expires_at=document.expires)

    async def accept(self, who: Principal, text: str) -> PeerView:
        """Take an invitation (link or text): meet its node, and show the six words to compare by voice."""
        who.need("steward")
        token = text.strip().rpartition("#")[2].strip()
        urls, claimed = _unverified_urls(token)
        history = await self._history_at(urls, claimed)
        try:
            invite = verify_document(token, Invite, lambda n: history if n == history.node_id else None).document
        except PeerError as error:
            raise BadInput(f"this invitation does not hold: {error}; ask for a new one") from error
        if invite.expires <= self._core.now():
            raise NotNow("this invitation has expired: ask for a new one")
        if invite.iss == self._core.node_id:
            raise BadInput("this is your own invitation: give it to the other organisation")
        line = self._lines.to(history, list(invite.urls))
        async with self._core.store.read() as tx:
            own = await self._own(tx)
        body = {"invite": token, "history": [e.decode("ascii") for e in own.entries]}
        answer = await self._asked(line, "/meet", body)
        try:
            proposal = Agreement.model_validate_json(json.dumps(answer.get("proposal")))
        except (ValidationError, PeerError) as error:
            raise PeerTrouble("the other node answered with an agreement that is not well formed") from error
        as_invited = (proposal.a, proposal.b) == (invite.iss, self._core.node_id) and proposal.clauses == invite.clauses
        if not as_invited or words_differ(proposal):
            raise PeerTrouble("the other node answered with another agreement than it invited to: do not go on")
        async with self._core.store.write() as tx:
            row = await self._introduce(tx, history, proposal, six_words(invite.iss, self._core.node_id, invite.nonce))
            await self._core.audit(tx, who.actor, "peer.accept", row.node_id)
        return await self.get(who, row.node_id)

    async def met(self, history: KeyHistory, token: str) -> Mapping[str, Any]:
        """A stranger brings one of our invitations; answers the proposed agreement."""
        own = self._core.node_id
        async with self._core.store.write() as tx:
            histories = {own: await self._own(tx)}
            invite = verify_document(token, Invite, histories.get).document
            row = await tx.get(InviteRow, invite.id)
            if row is None or row.expires_at <= self._core.now() or row.used_by not in (None, history.node_id):
                raise refused("this invitation was used, has expired, or was not made here")
            if row.used_by is None:
                proposal = self._proposal(invite, histories[own], history)
                await self._introduce(tx, history, proposal, six_words(own, history.node_id, invite.nonce))
                await tx.put(replace(row, used_by=history.node_id))
                await self._core.audit(tx, history.node_id, "peer.met", history.node_id)
            else:  # the answer was lost: the same one again
                peer = (await tx.get_many(PeerRow, [(history.node_id,)], by=("node_id",)))[0]
                proposal = read_proposal(peer.proposal or peer.agreement_source or "").document
        self._core.bell.ring()
        return {"proposal": json.loads(proposal.model_dump_json())}

    def _proposal(self, invite: Invite, own: KeyHistory, other: KeyHistory) -> Agreement:
        """What the invite offers, dated so that the record keys of both, however new, were valid then."""
        since = max(h.current.keys.rec.since for h in (own, other))
        proposal = Agreement(
            id=invite.id,
            n=1,
            iat=max(self._core.now(), invite.iat, since),
            a=own.node_id,
            b=other.node_id,
            nonce=invite.nonce,
            clauses=invite.clauses,
        )
        return worded(proposal, invite.lang or ENGLISH.lang)

    async def renew(self, peer_id: int, line: Line) -> None:
        """Fetch a peer's newer node document: a new address, name or key. One that does not chain is an alarm."""
        offered = await fetch_history(self._lines.http, line.base_url)
        async with self._core.store.write() as tx:
            row = await tx.get(PeerRow, peer_id)
            if row is not None and extends(read_history(row.history), offered):
                await tx.put(renewed(row, offered))
                line.peer = offered

    async def _introduce(self, tx: Writer, history: KeyHistory, proposal: Agreement, words: tuple[str, ...]) -> PeerRow:
        known = await tx.get_many(PeerRow, [(history.node_id,)], by=("node_id",))
        if known and known[0].phase == Phase.BLOCKED:
            raise refused("this invitation was used, has expired, or was not made here")
        if known:
            # A node we know is pinned: another history under the same name is an alarm, never an update.
            row = renewed(known[0], history) if extends(read_history(known[0].history), history) else known[0]
        else:
            number = await tx.next_seq()
            row = renewed(
                PeerRow(number, history.node_id, Phase.INVITED, "", "", "[]", "[]", self._core.now()), history
            )
        row = replace(
            row,
            phase=step(Phase(row.phase), Step.PROPOSE),
            proposal=write_proposal(proposal, ()),
            words=" ".join(words),
            invite=proposal.id,
            next_sync_at=self._core.now(),
        )
        await tx.put(row)
        return row

    async def _history_at(self, urls: Sequence[str], claimed: str) -> KeyHistory:
        problem = "it names no address"
        for url in urls:
            try:
                history = await fetch_history(self._lines.http, url)
            except (PeerError, Rejected, TransportError) as error:
                problem = str(error)
                continue
            if history.node_id == claimed:
                return history
            problem = f"{url} is another node than the one that signed the invitation"
        raise PeerTrouble(f"the inviting node was not reached: {problem}. Is it running, and is the address right?")


def _unverified_urls(token: str) -> tuple[list[str], str]:
    """Where an invitation claims to come from; everything is verified once its node has answered."""

    try:
        claimed = split_kid(peek(token)[1])[0]
        payload = loads(b64url_decode(token.split(".")[1]))
    except (PeerError, IndexError) as error:
        raise BadInput("this is no invitation: paste the whole link or the whole text you were given") from error
    urls = payload.get("urls") if isinstance(payload, dict) else None
    if not isinstance(urls, list) or not all(isinstance(u, str) for u in urls):
        raise BadInput("this invitation names no address: ask for a new one")
    return [str(u) for u in urls], claimed
