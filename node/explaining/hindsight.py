"""Why something was shared then: answers about the past, made of what was recorded when it was decided.

Nothing here asks what holds now: rules and agreements speak in the words they had, permissions by what was noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast

from governance.errors import PolicyError
from governance.policy import Policy, Rule
from governance.policy_text import parse_policy
from governance.speech import N_, Say
from governance.words import listed, reason_words
from node.explaining.explaining import DAY_S, Explaining, agreed, grant_view, rule_view
from node.explaining.remembering import reason_of
from node.explaining.views import GoverningView, PastView, ToldView
from node.principal import Principal
from node.sealing import grant_of
from node.store.governing import AgreementRow, Disclosure, Handover, PolicyRow
from node.store.port import Reader
from node.store.rows import Copy, GrantRow, PeerRow


class Hindsight(Explaining):
    """The same use cases, and what was decided on a day that has passed."""

    # --- then ------------------------------------------------------------------------------------------------------

    async def past(
        self, who: Principal, ref: str, to: str, on: int, origin: str | None = None, field: str | None = None
    ) -> PastView:
        """What a peer had been told of a record by the end of the day of second `on` (UTC), and why."""
        who.need("write")
        origin, rid = await self._readings.resolve(ref, origin)
        peer = await self._peers.find(to)
        since = on - on % DAY_S
        until = since + DAY_S - 1
        async with self._core.store.read() as tx:
            copy = (await tx.get_many(Copy, [(origin, rid)], by=("origin", "rid")))[0]
            rows = await tx.find(Disclosure, {"copy": copy.id, "peer": peer.id}, order="id")
            heard = [r for r in rows if r.at <= until]
            before = [r for r in heard if r.at < since][-1:]
            that_day = [r for r in heard if r.at >= since]
            told = [
                await self._told_then(tx, who, row, peer, rows, field)
                for row in (*before, *that_day)
                if field is None or not row.fields or field in row.fields.split(",")
            ]
        words = _past_words(told, peer.name, until, who.say)
        return PastView(rid=rid, to=peer.name, since=since, until=until, told=told, words=words)

    async def _told_then(
        self, tx: Reader, who: Principal, row: Disclosure, peer: PeerRow, rows: Sequence[Disclosure], field: str | None
    ) -> ToldView:
        policy, name = await _policy_then(tx, row)
        rules = [rule_view(r, who) for r in _named(policy, row.rules)]
        words = [w for w in row.rules.split(",") if w]
        known = {r.id for r in rules}
        reasons = [reason_words(r, who.say, who.langs) for r in map(reason_of, words) if r is not None]
        lost = [w for w in words if reason_of(w) is None and w not in known]
        reasons += [who.say("Rule {rule}, whose words are not kept here any more.", rule=w) for w in lost]
        agreement = await tx.get(AgreementRow, row.agreement) if row.agreement else None
        handed = await _handed(tx, row, rows)
        grants = await self._grants_then(tx, row, field, who.say)
        view = ToldView(
            at=row.at,
            entry=cast(Literal["put", "retract", "withdraw", "none"], row.entry or "none"),
            ver=row.ver,
            fields=[f for f in row.fields.split(",") if f and field in (None, f)],
            policy=name,
            policy_version=row.policy,
            rules=rules,
            reasons=reasons,
            agreement=row.agreement or None,
            agreement_words=agreed(agreement.source if agreement else None, self._core.node_id, who),
            grants=grants,
            handed_over_at=handed.at if handed else None,
            confirmed_at=handed.confirmed_at if handed else None,
            words=[],
        )
        return view.model_copy(update={"words": _told_words(view, peer.name, who.say)})

    async def _grants_then(self, tx: Reader, row: Disclosure, field: str | None, say: Say) -> list[GoverningView]:
        """The permissions that counted then; the ones erased since, with the record, by their ids alone."""
        ids = [g for g in row.grants.split(",") if g]
        kept = {g.gid: grant_of(g) for g in await tx.get_many(GrantRow, [(g,) for g in ids])}
        fields = [f for f in row.fields.split(",") if f and field in (None, f)]
        return [grant_view(g, kept.get(g), fields, row.at, say) for g in ids]


async def _policy_then(tx: Reader, row: Disclosure) -> tuple[Policy | None, str | None]:
    """The policy a line was decided under, as it was written then."""
    kept = [p for p in await tx.find(PolicyRow, {"version": row.policy}) if row.policy]
    if not kept:
        return None, None
    try:
        return parse_policy(kept[0].text.encode()), kept[0].name
    except PolicyError:
        return None, kept[0].name


def _named(policy: Policy | None, words: str) -> Iterable[Rule]:
    wanted = set(words.split(","))
    return [] if policy is None else [r for r in policy.rule if r.id in wanted]


async def _handed(tx: Reader, row: Disclosure, rows: Sequence[Disclosure]) -> Handover | None:
    """The page that took a line to the peer; None if another state of the line replaced it before."""
    if not row.entry:
        return None
    found = await tx.find(Handover, {"peer": row.peer}, above=("upto", row.id - 1), order="upto", limit=1)
    later = next((r for r in rows if r.id > row.id), None)
    if not found or (later is not None and (later.id <= found[0].upto or later.at < found[0].at)):
        return None
    return found[0]


def _told_words(view: ToldView, name: str, say: Say) -> list[str]:
    day, fields = say.day(view.at), listed(view.fields, say)
    match view.entry:
        case "put":
            text = N_("{day}: version {ver} was to be shared with {name}, with these fields: {fields}.")
        case "retract":
            text = N_("{day}: it was to be taken back from {name}.")
        case "withdraw":
            text = N_("{day}: its withdrawal was to be told to {name}.")
        case "none":
            text = N_("{day}: it was no longer to be shared with {name}, who had not been sent it.")
    out = [say(text, day=day, name=name, ver=view.ver, fields=fields)]
    out += [r.words for r in view.rules] + view.reasons
    if view.agreement is not None and view.entry == "put":
        out.append(say("It was covered by the agreement {agreement}.", agreement=view.agreement))
    out += [g.words for g in view.grants]
    if view.handed_over_at is None:
        out.append(say("It was not handed over in this form."))
    elif view.confirmed_at is None:
        out.append(say("Handed over: {day}. Not confirmed.", day=say.day(view.handed_over_at)))
    else:
        days = {"day": say.day(view.handed_over_at), "confirmed": say.day(view.confirmed_at)}
        out.append(say("Handed over: {day}. Confirmed: {confirmed}.", **days))
    return out


def _past_words(told: Sequence[ToldView], name: str, until: int, say: Say) -> list[str]:
    if not told:
        return [say("Nothing of it had been decided for {name} by {day}.", name=name, day=say.day(until))]
    return [sentence for view in told for sentence in view.words]
