"""Why somebody gets what of a record: the grants, agreement clauses and rules that decided, as data and in words.

Forwards (what this recipient gets) and backwards (who can see it); the past is asked in `node.explaining.hindsight`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

from governance.consent import Grant, governing_grant
from governance.gate import Decision, Member, Outcome, Public, Recipient, Role
from governance.policy import Rule
from governance.record import ContributorLink, Draft
from governance.speech import N_, Say
from governance.words import decision_words, listed, own_words, reason_words, terms_words
from node.agreements import agreement_view
from node.copies import Held
from node.core import Core
from node.errors import NotFound
from node.explaining.views import ExplainedView, GoverningView, RuleView, SeesView
from node.peerbook import KnownPeer
from node.peers import Peers
from node.principal import Principal
from node.reading import Readings
from node.sealing import grants_for
from node.sharing import Sharing
from node.store.port import Reader
from node.store.rows import Custody, DraftRow, Entry, PeerRow, ReceiptRow
from node.views import WithheldView

DAY_S: Final = 86_400
_PEOPLE: Final[Mapping[str, Recipient]] = {
    "public": Public(),
    "member": Member(Role.MEMBER),
    "editor": Member(Role.EDITOR),
    "steward": Member(Role.STEWARD),
}
_PEOPLE_SAID: Final = {
    "public": N_("Everyone can see it: it is public."),
    "member": N_("Members of this organisation can see it."),
    "editor": N_("Editors of this organisation can see it."),
    "steward": N_("Stewards of this organisation can see it."),
}
_ENDED: Final = N_(
    "{who} stands behind {what}: their permission has ended or was withdrawn, so it stays in this organisation."
)
_NOT_YET: Final = N_("{who} stands behind {what}: no permission yet, so it stays in this organisation.")


class Explaining:
    """Use cases of whoever has to answer for what is shared."""

    def __init__(self, core: Core, readings: Readings, sharing: Sharing, peers: Peers) -> None:
        self._core = core
        self._readings = readings
        self._sharing = sharing
        self._peers = peers

    # --- now -------------------------------------------------------------------------------------------------------

    async def explain(
        self, who: Principal, ref: str, to: str, origin: str | None = None, field: str | None = None
    ) -> ExplainedView:
        """What a peer, a member or the public gets of a record, and which grants, clauses and rules decided."""
        who.need("write")
        origin, rid = await self._readings.resolve(ref, origin)
        person = _PEOPLE.get(to.strip().lower())
        peer_row = None if person is not None else await self._peers.find(to)
        async with self._core.store.read() as tx:
            held = await self._readings.held(tx, origin, rid)
            _check_field(held, field)
            situation = await self._core.situation(tx)
            told, peer = None, None
            if peer_row is not None:
                decision, peer = await self._sharing.ledger.decision_for(tx, held, peer_row.id)
                told = _told(await tx.get(Custody, peer_row.id, held.row.id), peer, who.say)
                name = peer.row.name
            else:
                assert person is not None
                decision, name = await self._readings.ask(tx, held, person, situation), to
            standing = await _standing(tx, held)
        now = self._core.now()
        rules = _rules_of(decision, field)
        return ExplainedView(
            rid=rid,
            to=name,
            outcome=_outcome(decision, field),
            words=_words(who, decision, field),
            fields=sorted(n for n in decision.fields if field in (None, n)),
            withheld=[w for w in _withheld(who, held, decision) if field in (None, w.field)],
            policy=getattr(situation.policy, "name", "none"),
            policy_version=decision.policy_version,
            at=decision.at,
            consent=_consent_words(standing, held.row.rid, field, now, who.say),
            last_sent=told,
            field=field,
            rules=[rule_view(r, who) for r in rules],
            agreement=peer.clauses.agreement_id if peer is not None and peer.clauses else None,
            agreement_words=agreed(peer.row.agreement_source if peer is not None else None, self._core.node_id, who),
            grants=_governing(standing, held, field, now, who.say),
        )

    async def who_sees(
        self, who: Principal, ref: str, origin: str | None = None, field: str | None = None
    ) -> list[SeesView]:
        """Everybody who can see a record, or one field of it, now; peers with the agreement that lets them."""
        who.need("write")
        origin, rid = await self._readings.resolve(ref, origin)
        async with self._core.store.read() as tx:
            held = await self._readings.held(tx, origin, rid)
            _check_field(held, field)
            situation = await self._core.situation(tx)
            people = [(n, await self._readings.ask(tx, held, p, situation)) for n, p in _PEOPLE.items()]
            rows = await tx.find(PeerRow)
            asked = [await self._sharing.ledger.decision_for(tx, held, r.id) for r in rows if r.node_id != origin]
            receipts = await tx.find(ReceiptRow, {"origin": origin, "rid": rid, "state": "held"})
            names = await self._readings.names(tx, [r.holder for r in receipts])
        found = [_person_sees(name, d, who.say) for name, d in people if _shows(d, field)]
        found += [_peer_sees(peer, d, who) for d, peer in asked if _shows(d, field)]
        known = {row.node_id for row in rows}
        found += [_passed_on(r, names, who.say) for r in receipts if r.holder not in known]
        return found


def _check_field(held: Held, field: str | None) -> None:
    if field is not None and field not in held.digests:
        raise NotFound(f"the record has no field {field!r}; it has {', '.join(sorted(held.digests))}")


def _shows(decision: Decision, field: str | None) -> bool:
    return decision.outcome is Outcome.SHARE and (field is None or field in decision.fields) and bool(decision.fields)


def _outcome(decision: Decision, field: str | None) -> Literal["share", "withhold", "hold"]:
    if field is None or decision.outcome is not Outcome.SHARE or field in decision.fields:
        return decision.outcome.value
    return "withhold"


def _words(who: Principal, decision: Decision, field: str | None) -> list[str]:
    if field is None or decision.outcome is not Outcome.SHARE:
        return decision_words(decision, who.say, who.langs)
    if field in decision.fields:
        because = [reason_words(r, who.say, who.langs) for r in decision.reasons]
        return [who.say("The field {field} is shared.", field=field), *because]
    reason = decision.withheld.get(field)
    said = reason_words(reason, who.say, who.langs) if reason else who.say("It did not come to us.")
    return [who.say("The field {field} is not shared.", field=field), said]


def _rules_of(decision: Decision, field: str | None) -> list[Rule]:
    reasons = [*decision.reasons, *(r for n, r in decision.withheld.items() if field in (None, n))]
    return list({r.rule.id: r.rule for r in reasons if r.rule is not None}.values())


def rule_view(rule: Rule, who: Principal) -> RuleView:
    """A rule for people and programs, in the reader's language."""
    words = own_words(rule.reason, who.langs or (who.say.lang,))
    return RuleView(id=rule.id, effect=rule.effect.value, fields=list(rule.fields), words=words)


def agreed(source: str | None, own: str, who: Principal) -> list[str]:
    """What an agreement says, in the reader's language."""
    return [] if source is None else agreement_view(source, own, who.say).words


def _withheld(who: Principal, held: Held, decision: Decision) -> list[WithheldView]:
    return [
        WithheldView(field=name, reason=reason_words(reason, who.say, who.langs))
        for name, reason in sorted(decision.withheld.items())
        if name in held.digests
    ]


def _told(line: Custody | None, peer: KnownPeer, say: Say) -> str | None:
    if line is None:
        return None
    confirmed = line.seq <= peer.row.acked
    match Entry(line.entry):
        case Entry.PUT:
            count = len(line.fields.split(","))
            what = say.count("version {ver} with {n} field", "version {ver} with {n} fields", count, ver=line.ver)
            refused = say("; it refused it ({code})", code=line.refused) if line.refused else ""
        case Entry.RETRACT:
            what, refused = say("taken back"), ""
        case Entry.WITHDRAW:
            what, refused = say("withdrawn"), ""
        case _:
            return None
    told = N_("{what}, and it confirmed") if confirmed else N_("{what}, not confirmed yet")
    return say(told, what=what) + refused


# --- permissions ----------------------------------------------------------------------------------------------------

Standing = tuple[Sequence[ContributorLink], Mapping[str, Sequence[Grant]]]


async def _standing(tx: Reader, held: Held) -> Standing:
    row = await tx.get(DraftRow, held.row.rid) if held.row.own else None
    if row is None or not row.body:
        return (), {}
    links = Draft.model_validate_json(row.body).contributors
    return links, await grants_for(tx, (c.subject for c in links))


def _consent_words(standing: Standing, rid: str, field: str | None, now: int, say: Say) -> list[str]:
    links, grants = standing
    out = []
    for link in links:
        if field is not None and not link.covers(field):
            continue
        what = say("the whole record") if link.fields is None else listed(link.fields, say)
        mine = [g for g in grants.get(link.subject, ()) if g.rid in (None, rid)]
        active = [g for g in mine if g.active(now)]
        if not active:
            out.append(say(_ENDED if mine else _NOT_YET, who=link.subject, what=what))
        out += [_permits(g, what, say) for g in active]
    return out


def _permits(grant: Grant, what: str, say: Say) -> str:
    return say(
        "{who} permits {what}: {terms} (given by {how}).",
        who=grant.subject, what=what, terms=terms_words(grant.terms, say), how=grant.how,
    )  # fmt: skip


def _governing(standing: Standing, held: Held, field: str | None, now: int, say: Say) -> list[GoverningView]:
    """The permission that counts for each field, as `governance.consent` finds it."""
    links, grants = standing
    found: dict[str, tuple[Grant, list[str]]] = {}
    for link in links:
        for name in (n for n in held.digests if link.covers(n) and field in (None, n)):
            grant = governing_grant(grants.get(link.subject, ()), link.subject, held.row.rid, name, now)
            if grant is not None:
                found.setdefault(grant.gid, (grant, []))[1].append(name)
    return [grant_view(gid, grant, names, now, say) for gid, (grant, names) in found.items()]


def grant_view(gid: str, grant: Grant | None, fields: Sequence[str], at: int, say: Say) -> GoverningView:
    """A permission for people and programs; one that is gone by its id alone."""
    if grant is None:
        words = say("A permission that has been erased since, with the record.")
        return GoverningView(gid=gid, subject="", fields=[], active=False, words=words)
    covered = [f for f in fields if grant.fields is None or f in grant.fields]
    words = _permits(grant, listed(covered, say), say)
    return GoverningView(gid=gid, subject=grant.subject, fields=covered, active=grant.active(at), words=words)


# --- backwards ------------------------------------------------------------------------------------------------------


def _person_sees(name: str, decision: Decision, say: Say) -> SeesView:
    sort = cast(Literal["public", "member", "editor", "steward"], name)
    return SeesView(
        to=name, node_id=None, sort=sort, fields=sorted(decision.fields), agreement=None, words=say(_PEOPLE_SAID[name])
    )


def _peer_sees(peer: KnownPeer, decision: Decision, who: Principal) -> SeesView:
    agreement = peer.clauses.agreement_id if peer.clauses else None
    because = " ".join(reason_words(r, who.say, who.langs) for r in decision.reasons)
    words = who.say(
        "{name} can have it under the agreement {agreement}: {reason}",
        name=peer.row.name, agreement=agreement or "", reason=because,
    )  # fmt: skip
    return SeesView(
        to=peer.row.name, node_id=peer.node_id, sort="peer", fields=sorted(decision.fields), agreement=agreement,
        words=words,
    )  # fmt: skip


def _passed_on(receipt: ReceiptRow, names: Mapping[str, str], say: Say) -> SeesView:
    name = names.get(receipt.holder, receipt.holder)
    words = say("{name} has a copy that was passed on to it, as its terms allow.", name=name)
    return SeesView(to=name, node_id=receipt.holder, sort="through others", fields=[], agreement=None, words=words)
