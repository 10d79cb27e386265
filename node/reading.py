"""Records as somebody may read them: every answer here has passed the gate for the one who asked."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Sequence
from typing import Final

from federation.claims import MAX_COPY_BYTES
from federation.envelope import VerifiedEnvelope, redact, verify, verify_compact
from federation.errors import PeerError
from federation.identity import KeyHistory
from federation.jws import peek
from federation.keys import split_kid
from governance.gate import Decision, Outcome, Recipient, Why, decide
from governance.kinds import kind_label, section_label
from governance.speech import ENGLISH, Say
from governance.terms import Terms
from governance.words import reason_words, terms_words
from node.copies import Held
from node.core import Core
from node.errors import BadInput, NotFound
from node.peerbook import Situation, known_origins
from node.principal import Principal
from node.store.port import Reader
from node.store.rows import Copy, LinkRow, OriginRow, PeerRow, State, VersionRow
from node.views import (
    FieldView,
    LinkView,
    Page,
    RecordInfo,
    RecordView,
    TermsView,
    VerifyView,
    VersionView,
    WithheldView,
)

MIN_PREFIX: Final = 8
MAX_PAGE: Final = 500
MAX_CANDIDATES: Final = 200  # records made in the same minute share their first 8 digits; more digits always help
MAX_LINKS_SHOWN: Final = 100  # of a much adapted record the first hundred are enough for a page
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PREFIX: Final = re.compile(r"[0-9a-f-]{8,35}\Z")
_PART_LABELS: Final = {"quote": "Quote", "person": "Person", "place": "Place", "attachment": "Attachment"}


def terms_view(terms: Terms, say: Say = ENGLISH) -> TermsView:
    """Terms for people and programs."""
    return TermsView(
        audiences=sorted(terms.audiences),
        purposes=sorted(terms.purposes),
        until=terms.until,
        words=terms_words(terms, say),
    )


def field_label(kind: str, name: str) -> str:
    """What people read above a field."""
    head, colon, ident = name.partition(":")
    if not colon:
        return section_label(kind, name)
    return f"{_PART_LABELS.get(head) or head.replace('_', ' ').capitalize()} {ident}"  # a later version has more parts


class Readings:
    """Reads copies for people; `names` of nodes come from their verified documents."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def decide(self, held: Held, to: Recipient, situation: Situation, passing: Container[int]) -> Decision:
        """The gate's word for a member or the public; `passing` are copies that may be shown beyond our members."""
        released = situation.released(held.row)
        view = held.view(situation.circles, held.row.id in passing, stops=situation.stops, released=released)
        return decide(view, to, situation.policy, situation.now)

    async def ask(self, reader: Reader, held: Held, to: Recipient, situation: Situation) -> Decision:
        """`decide` for a single record."""
        return self.decide(held, to, situation, await self._core.passing(reader, situation, [held.row]))

    async def titles(self, tx: Reader, who: Principal, numbers: Iterable[int]) -> dict[int, str]:
        """Titles of the copies with these numbers that are live and that the one who asks may see."""
        situation = await self._core.situation(tx)
        rows = [c for c in await tx.get_many(Copy, [(n,) for n in numbers]) if c.state == State.LIVE]
        passing = await self._core.passing(tx, situation, rows)
        held = [Held.read(c) for c in rows]
        shown = [h for h in held if self.decide(h, who.viewer, situation, passing).outcome is Outcome.SHARE]
        return {h.row.id: h.title for h in shown}

    async def resolve(self, ref: str, origin: str | None = None, who: Principal | None = None) -> tuple[str, str]:
        """Origin and id of the record that a full id or a unique beginning of one names.

        With `who`, what they may not see does not count: not even as one of several that the beginning fits.
        """
        copy = await self._find(ref.strip().lower(), origin, who)
        return copy.origin, copy.rid

    async def _find(self, ref: str, origin: str | None, who: Principal | None) -> Copy:
        where = {"origin": origin} if origin else {}
        limit = 2 if who is None else MAX_CANDIDATES
        if _UUID.match(ref):
            async with self._core.store.read() as tx:
                found = await tx.find(Copy, where | {"rid": ref}, limit=limit)
                found = found if who is None else await self._visible(tx, found, who)
        elif _PREFIX.match(ref):
            async with self._core.store.read() as tx:
                found = await tx.find(Copy, where, above=("rid", ref), upto=("rid", ref + "~"), limit=limit)
                found = found if who is None else await self._visible(tx, found, who)
        else:
            raise BadInput(f"{ref!r} is no record id: give a whole one, or its first {MIN_PREFIX} characters or more")
        if not found:
            raise NotFound(f"no record {ref!r} here that you may see")
        if len(found) > 1:
            raise BadInput(f"{ref!r} fits more than one record: give more of the id, or its origin")
        return found[0]

    async def _visible(self, tx: Reader, rows: Sequence[Copy], who: Principal) -> list[Copy]:
        situation = await self._core.situation(tx)
        passing = await self._core.passing(tx, situation, rows)
        live = [row for row in rows if row.state == State.LIVE]
        decided = [(row, self.decide(Held.read(row), who.viewer, situation, passing)) for row in live]
        return [row for row, decision in decided if decision.outcome is Outcome.SHARE]

    async def held(self, reader: Reader, origin: str, rid: str) -> Held:
        """The live copy of a record."""
        rows = await reader.get_many(Copy, [(origin, rid)], by=("origin", "rid"))
        if not rows or rows[0].state != State.LIVE:
            raise NotFound(f"no record {rid!r} here that you may see")
        return Held.read(rows[0])

    async def names(self, reader: Reader, ids: Sequence[str]) -> dict[str, str]:
        """Node ids to names, as far as we know them."""
        wanted = [(i,) for i in dict.fromkeys(ids)]
        out = {o.node_id: o.name for o in await reader.get_many(OriginRow, wanted)}
        out.update({p.node_id: p.name for p in await reader.get_many(PeerRow, wanted, by=("node_id",))})
        return out | {self._core.node_id: self._core.name}

    async def info(self, who: Principal, rid: str) -> RecordInfo:
        """One own record as a list shows it; for its writer even before it is published."""
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            held = await self.held(tx, self._core.node_id, rid)
            names = await self.names(tx, [held.row.origin])
            decision = await self.ask(tx, held, who.viewer, situation)
        return info_view(held, decision, names)

    async def browse(
        self,
        who: Principal,
        *,
        own: bool | None = None,
        kind: str | None = None,
        lang: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[RecordInfo]:
        """Records that `who` may see, last changed first."""
        limit = max(1, min(limit, MAX_PAGE))
        asked = {"state": State.LIVE, "own": own, "kind": kind, "lang": lang}
        where = {k: v for k, v in asked.items() if v is not None}
        cursor = _cursor(after)
        items: list[RecordInfo] = []
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            while len(items) < limit:
                upto = None if cursor is None else ("change_seq", cursor)
                rows = await tx.find(Copy, where, upto=upto, order="change_seq", descending=True, limit=limit)
                names = await self.names(tx, [r.origin for r in rows])
                passing = await self._core.passing(tx, situation, rows)
                for row in rows:
                    cursor = row.change_seq - 1
                    held = Held.read(row)
                    decision = self.decide(held, who.viewer, situation, passing)
                    if decision.outcome is Outcome.SHARE:
                        items.append(info_view(held, decision, names))
                    if len(items) == limit:
                        break
                if len(rows) < limit and len(items) < limit:
                    return Page[RecordInfo](items=items)
        return Page[RecordInfo](items=items, next=str(cursor))

    async def show(self, who: Principal, ref: str, origin: str | None = None) -> RecordView:
        """A record with its provenance; its signature is checked again for this answer."""
        origin, rid = await self.resolve(ref, origin, who)
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            held = await self.held(tx, origin, rid)
            decision = await self.ask(tx, held, who.viewer, situation)
            if decision.outcome is not Outcome.SHARE:
                raise NotFound(f"no record {ref!r} here that you may see")
            via = await tx.get(PeerRow, held.row.via) if held.row.via else None
            names = await self.names(tx, [origin])
            histories = await known_origins(tx, [origin])
            links = await self._links(tx, held, decision, who, situation)
            back = await self._linked_from(tx, held, who, situation)
        envelope = _verified(held, histories)
        return _record_view(who, held, decision, envelope, names, via.name if via else None, links, back)

    async def export(self, who: Principal, ref: str, origin: str | None = None) -> str:
        """The copy that `who` may have, as a compact SD-JWT that anybody can verify."""
        origin, rid = await self.resolve(ref, origin, who)
        async with self._core.store.read() as tx:
            situation = await self._core.situation(tx)
            held = await self.held(tx, origin, rid)
            histories = await known_origins(tx, [origin])
            decision = await self.ask(tx, held, who.viewer, situation)
        if decision.outcome is not Outcome.SHARE:
            raise NotFound(f"no record {ref!r} here that you may see")
        assert held.row.jws is not None
        return redact(verify(held.row.jws, list(held.texts.values()), histories.get), decision.fields).compact()

    async def history(self, who: Principal, ref: str) -> list[VersionView]:
        """Versions of a record, newest first, with the names of the fields that changed."""
        shown = await self.show(who, ref)
        async with self._core.store.read() as tx:
            held = await self.held(tx, shown.origin, shown.rid)
            older = await tx.find(VersionRow, {"rid": shown.rid}, order="ver") if shown.own else []
        row = held.row
        assert row.vid is not None
        chain = [(v.ver, v.vid.hex(), v.sealed_at, v.cause, json.loads(v.disclosed)) for v in older]
        chain.append((row.ver, row.vid.hex(), row.iat or 0, "current", dict(held.texts)))
        visible = {f.name for f in shown.fields}
        out: list[VersionView] = []
        before: dict[str, str] = {}
        for ver, vid, at, cause, texts in chain:
            said = {name: json.dumps(json.loads(text)[2], sort_keys=True) for name, text in texts.items()}
            changed = sorted(n for n in said.keys() | before.keys() if said.get(n) != before.get(n) and n in visible)
            fields = [n for n in texts if n in visible]
            out.append(VersionView(ver=ver, vid=vid, sealed_at=at, cause=cause, fields=fields, changed=changed))
            before = said
        return out[::-1]

    async def verify(self, text: str) -> VerifyView:
        """What a record file proves to this node."""
        text = text.strip()
        try:
            if len(text) > 2 * MAX_COPY_BYTES:
                return VerifyView(ok=False, problem="the file is larger than any record can be", code="too-large")
            issuer = split_kid(peek(text.partition("~")[0])[1])[0]
            async with self._core.store.read() as tx:
                histories = await known_origins(tx, [issuer, self._core.node_id])
            envelope = verify_compact(text, histories.get)
        except PeerError as error:
            return VerifyView(ok=False, problem=str(error.args[0]), code=error.code)
        head = envelope.head
        return VerifyView(
            ok=True,
            rid=head.rid,
            origin=head.iss,
            ver=head.ver,
            vid=envelope.vid,
            kind=head.kind,
            lang=head.lang,
            signed_at=head.iat,
            disclosed=list(envelope.disclosed),
            withheld=list(envelope.withheld),
            known_origin=True,
        )

    async def _links(
        self, tx: Reader, held: Held, decision: Decision, who: Principal, situation: Situation
    ) -> list[LinkView]:
        if "links" not in decision.fields:
            return []
        out = []
        for link in held.value("links") or []:
            to = link["to"]
            title = await self._title(tx, to.get("origin"), to["rid"], who, situation)
            out.append(
                LinkView(rel=link["rel"], rid=to["rid"], origin=to.get("origin"), ver=to.get("ver"), title=title)
            )
        return out

    async def _linked_from(self, tx: Reader, held: Held, who: Principal, situation: Situation) -> list[LinkView]:
        """Translations, adaptations and parts of this record that are here and that `who` may see."""
        back = await tx.find(LinkRow, {"to_rid": held.row.rid}, limit=MAX_LINKS_SHOWN)
        rows = {row.id: row for row in await tx.get_many(Copy, [(b.copy,) for b in back])}
        out = []
        for link in back:
            row = rows.get(link.copy)
            if row is None or row.state != State.LIVE or row.id == held.row.id:
                continue
            other = Held.read(row)
            decision = await self.ask(tx, other, who.viewer, situation)
            if decision.outcome is Outcome.SHARE and "links" in decision.fields:
                out.append(LinkView(rel=link.rel, rid=row.rid, origin=row.origin, ver=None, title=other.title))
        return out

    async def _title(
        self, tx: Reader, origin: str | None, rid: str, who: Principal, situation: Situation
    ) -> str | None:
        where = {"rid": rid, "state": State.LIVE} | ({"origin": origin} if origin else {})
        rows = await tx.find(Copy, where, limit=1)
        if not rows:
            return None
        held = Held.read(rows[0])
        decision = await self.ask(tx, held, who.viewer, situation)
        return held.title if decision.outcome is Outcome.SHARE else None


def info_view(held: Held, decision: Decision, names: dict[str, str]) -> RecordInfo:
    """A record as a list shows it, with only what the decision lets through."""
    row = held.row
    seen = {n: held.value(n) for n in ("summary", "licence", "topics", "regions") if n in decision.fields}
    return RecordInfo(
        rid=row.rid,
        origin=row.origin,
        origin_name=names.get(row.origin, row.origin),
        own=row.own,
        kind=row.kind or "",
        lang=row.lang or "",
        title=held.title,
        summary=seen.get("summary"),
        ver=row.ver,
        updated=row.iat or 0,
        fields=len(decision.fields),
        withheld=len(held.digests) - len(decision.fields),
        licence=seen.get("licence"),
        topics=list(seen.get("topics") or ()),
        regions=list(seen.get("regions") or ()),
        on_hold=_on_hold(decision),
    )


def _on_hold(decision: Decision) -> str:
    """Why only stewards see the record, if so."""
    return " ".join(reason_words(r) for r in decision.reasons if r.why is Why.HELD_HERE)


def _verified(held: Held, histories: dict[str, KeyHistory]) -> VerifiedEnvelope | None:
    try:
        assert held.row.jws is not None
        return verify(held.row.jws, list(held.texts.values()), histories.get)
    except PeerError:
        return None


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise BadInput(f"cursor {text!r} is not one that this node gave: start again without a cursor")
    return int(text)


def _withheld(who: Principal, held: Held, decision: Decision) -> list[WithheldView]:
    out, say = [], who.say
    for name in held.digests:
        if name in decision.fields:
            continue
        reason = decision.withheld.get(name)
        if reason is not None:
            words = reason_words(reason, say, who.langs)
        else:
            words = say("Its origin keeps it: {terms}.", terms=terms_words(held.terms[name], say))
        out.append(WithheldView(field=name, reason=words))
    return out


def _record_view(
    who: Principal,
    held: Held,
    decision: Decision,
    envelope: VerifiedEnvelope | None,
    names: dict[str, str],
    via: str | None,
    links: list[LinkView],
    back: list[LinkView],
) -> RecordView:
    row = held.row
    kind = row.kind or ""
    shown = [name for name in held.digests if name in decision.fields]
    return RecordView(
        rid=row.rid,
        origin=row.origin,
        origin_name=names.get(row.origin, row.origin),
        own=row.own,
        kind=kind,
        kind_label=kind_label(kind),
        lang=row.lang or "",
        title=held.title,
        ver=row.ver,
        vid=row.vid.hex() if row.vid else "",
        copy_id=held.copy_id(shown).hex(),
        on_hold=_on_hold(decision),
        signed_at=row.iat or 0,
        signed_by=envelope.kid if envelope else "",
        verified=envelope is not None,
        received_at=row.received_at,
        received_from=via,
        conflict=row.conflict,
        fields=[
            FieldView(
                name=name,
                label=field_label(kind, name),
                value=held.value(name),
                terms=terms_view(held.terms[name], who.say),
            )
            for name in shown
        ],
        withheld=_withheld(who, held, decision),
        links=links,
        linked_from=back,
    )
