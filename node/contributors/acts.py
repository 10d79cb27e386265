"""What contributors do with what is theirs, inside the caller's transaction: permit less, again, take back, remove.

Only fields that the contributor is linked to are touched, and never anything that somebody else stands behind too,
but to close it. A permission is widened here only up to what the organisation once noted from them in person, and
never after it was taken back: whoever finds the link must not be able to open what its owner has closed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from governance.consent import Grant, governing_grant
from governance.policy import DAY_S
from governance.record import Draft
from governance.speech import N_
from governance.terms import ALL_PURPOSES, NODE_ONLY, STEWARDS, Purpose, Terms, meet, meet_all
from node.contributors.views import Did
from node.copies import Held
from node.core import Core
from node.erasure import schedule_erasure
from node.errors import BadInput, NotFound, NotNow
from node.library import grant_row, withdraw_copy
from node.sealing import grants_for, reseal
from node.store.governing import ContributorAct
from node.store.port import Reader, Writer
from node.store.rows import ContributorRow, Copy, Custody, DraftRow, Entry, GrantRow, ReceiptRow, State, VersionRow
from node.tracing import DEFAULT_RESPONSE_H

ON_PAGE: Final = N_("by the contributor, on their own page")  # `how` of every permission made here
MAX_DAYS: Final = 5 * 366  # longer, nobody remembers having said yes
TRIES: Final = 64  # ids of one millisecond are in no order; one of so many comes after any other
HIDDEN: Final = frozenset({STEWARDS})
_NOWHERE: Final = Terms(NODE_ONLY, ALL_PURPOSES)


@dataclass(frozen=True)
class OwnRecord:
    """A record as far as it is one contributor's: `fields` are theirs, `shared` those that others stand behind too."""

    row: DraftRow
    draft: Draft
    subject: str
    fields: tuple[str, ...]
    shared: frozenset[str]

    @property
    def whole(self) -> bool:
        """True if nothing of it is anybody else's."""
        return set(self.fields) == set(self.draft.fields) and not self.shared


@dataclass(frozen=True)
class Wish:
    """What a contributor chooses: the widest audience (None: as far as permitted), purposes, and days from now.

    `days` None keeps the end as it is, 0 asks for no end.
    """

    audience: str | None
    purposes: frozenset[Purpose]
    days: int | None


@dataclass(frozen=True)
class Done:
    """One thing that was done, before it has a receipt: the permission that says so, and what it took."""

    what: Did
    grant: Grant
    fields: tuple[str, ...]
    removed: bool = False


def own_record(row: DraftRow | None, subject: str) -> OwnRecord | None:
    """The record as the contributor's; None where there is nothing left of it that is theirs."""
    if row is None or not row.body:
        return None
    draft = Draft.model_validate_json(row.body)
    mine = [link for link in draft.contributors if link.subject == subject]
    others = [link for link in draft.contributors if link.subject != subject]
    fields = tuple(name for name in draft.fields if any(link.covers(name) for link in mine))
    shared = frozenset(name for name in fields if any(link.covers(name) for link in others))
    return OwnRecord(row, draft, subject, fields, shared) if fields else None


async def own_records(reader: Reader, subject: str) -> list[OwnRecord]:
    """Every record that holds something of a contributor, newest first."""
    rids = [row.rid for row in await reader.find(ContributorRow, {"subject": subject})]
    rows = await reader.get_many(DraftRow, [(rid,) for rid in rids])
    found = [own for row in rows if (own := own_record(row, subject)) is not None]
    return sorted(found, key=lambda own: (-own.row.updated_at, own.row.rid))


async def chosen_record(reader: Reader, subject: str, rid: str, fields: Collection[str] | None) -> OwnRecord:
    """The record with just the chosen fields; somebody else's record or field is told as one that does not exist."""
    linked = await reader.get(ContributorRow, subject, rid)
    own = own_record(await reader.get(DraftRow, rid), subject) if linked is not None else None
    if own is None:
        raise NotFound(N_("there is no record of yours with this number"))
    if fields is None:
        return own
    if not fields or not set(fields) <= set(own.fields):
        raise BadInput(N_("choose one or more of your own parts of this record"))
    return replace(own, fields=tuple(name for name in own.fields if name in fields))


def permitted(grants: Sequence[Grant], own: OwnRecord, field: str, now: int) -> Terms:
    """What a contributor permits for a field now; inside the organisation where they do not."""
    grant = governing_grant(grants, own.subject, own.row.rid, field, now)
    if grant is None:
        return _NOWHERE
    return grant.terms if grant.active(now) else meet(_NOWHERE, Terms(grant.terms.audiences, ALL_PURPOSES))


def ceiling(grants: Sequence[Grant], own: OwnRecord, field: str, now: int) -> Terms:
    """The widest that the contributor can permit by themselves; its end is whether they ever gave one without end."""
    last = governing_grant(grants, own.subject, own.row.rid, field, now)
    noted = governing_grant([g for g in grants if g.how != ON_PAGE], own.subject, own.row.rid, field, now)
    taken_back = any(g is not None and g.withdrawn_at is not None for g in (last, noted))
    if last is None or noted is None or taken_back:
        return meet(_NOWHERE, Terms(last.terms.audiences, ALL_PURPOSES)) if last is not None else _NOWHERE
    return noted.terms


async def change(core: Core, tx: Writer, own: OwnRecord, wish: Wish) -> list[Done]:
    """Permit less, again, or longer: new permissions in place of the present ones, and the record sealed by them."""
    now = core.now()
    grants = (await grants_for(tx, [own.subject])).get(own.subject, [])
    chosen: dict[tuple[Did, Terms], list[str]] = {}
    for field in own.fields:
        before, after = permitted(grants, own, field, now), _wished(grants, own, field, wish, now)
        if after != before:
            chosen.setdefault((_kind(before, after), after), []).append(field)
    done = []
    for (what, terms), fields in chosen.items():
        grant = Grant(_gid(core, grants), own.subject, terms, ON_PAGE, now, own.row.rid, frozenset(fields))
        await tx.put(grant_row(grant))
        done.append(Done(what, grant, tuple(fields)))
    await reseal(core, tx, [own.row.rid], "the contributor chose anew", only_if_changed=True)
    return done


def _wished(grants: Sequence[Grant], own: OwnRecord, field: str, wish: Wish, now: int) -> Terms:
    top = ceiling(grants, own, field, now)
    audiences = top.audiences if wish.audience is None else frozenset({wish.audience})
    terms = meet(Terms(top.audiences, top.purposes), Terms(audiences, wish.purposes))
    if not terms.purposes:
        raise BadInput(N_("choose at least one purpose; if none is right, take the permission back"))
    return replace(terms, until=_until(grants, own, field, wish.days, top, now))


def _until(grants: Sequence[Grant], own: OwnRecord, field: str, days: int | None, top: Terms, now: int) -> int | None:
    if days is None:
        present = permitted(grants, own, field, now)
        last = governing_grant(grants, own.subject, own.row.rid, field, now)
        if last is not None and last.terms.ended(now) and last.withdrawn_at is None:
            raise BadInput(N_("this permission has ended; choose until when it is to hold now"))
        return present.until
    if days == 0:
        if top.until is not None:
            raise BadInput(N_("this permission was given with an end; choose until when it is to hold"))
        return None
    if not 0 < days <= MAX_DAYS:
        raise BadInput(f"days: 1 to {MAX_DAYS}")
    return now + days * DAY_S


def _kind(before: Terms, after: Terms) -> Did:
    if after.narrower_or_equal(before):
        return "narrow"
    endless = replace(after, until=None).narrower_or_equal(replace(before, until=None))
    return "renew" if endless else "widen"


async def take_back(core: Core, tx: Writer, own: OwnRecord, *, remove: bool) -> Done:
    """Take the permission back; with `remove`, take out what is theirs alone and close the rest to all but stewards.

    The permission that is noted as taken back keeps the fields closed even if an editor writes them down again.
    """
    now, rid = core.now(), own.row.rid
    grants = (await grants_for(tx, [own.subject])).get(own.subject, [])
    present = [permitted(grants, own, field, now) for field in own.fields]
    audiences = HIDDEN if remove else meet_all(_NOWHERE, *present).audiences or HIDDEN
    purposes = frozenset[Purpose]().union(*(terms.purposes for terms in present))
    grant = Grant(
        _gid(core, grants), own.subject, Terms(audiences, purposes), ON_PAGE, now, rid, frozenset(own.fields), now
    )
    await tx.put(grant_row(grant), *_ended(grants, own, now))
    gone = tuple(f for f in own.fields if f not in own.shared and f != "title") if remove else ()
    if remove and own.whole:
        await _withdraw_whole(core, tx, own)
        return Done("remove", grant, own.fields, removed=True)
    if gone:
        await _take_out(core, tx, own, gone)
    await reseal(core, tx, [rid], "consent withdrawn", only_if_changed=True)
    if not remove:
        return Done("withdraw", grant, own.fields)
    return Done("remove" if len(gone) == len(own.fields) else "close", grant, own.fields, removed=bool(gone))


async def end_all(tx: Writer, subject: str, now: int) -> None:
    """Every permission that still stands, also those for records yet to come, is taken back."""
    rows = await tx.find(GrantRow, {"subject": subject})
    await tx.put(*(replace(row, withdrawn_at=now) for row in rows if row.withdrawn_at is None))


def _ended(grants: Sequence[Grant], own: OwnRecord, now: int) -> list[GrantRow]:
    """Permissions that spoke of these fields alone end with them; wider ones are only overruled here."""
    alone = [
        g
        for g in grants
        if g.rid == own.row.rid and g.fields is not None and g.fields <= set(own.fields) and g.withdrawn_at is None
    ]
    return [grant_row(replace(g, withdrawn_at=now)) for g in alone]


async def _withdraw_whole(core: Core, tx: Writer, own: OwnRecord) -> None:
    copy = await own_copy(core, tx, own.row.rid)
    if copy is not None:
        await withdraw_copy(core, tx, copy, "consent")
        return
    for kind in (DraftRow, ContributorRow, GrantRow):  # it never left the editor
        await tx.delete(kind, {"rid": own.row.rid})


async def _take_out(core: Core, tx: Writer, own: OwnRecord, gone: Collection[str]) -> None:
    draft = own.draft.model_copy(
        update={
            "fields": {n: v for n, v in own.draft.fields.items() if n not in gone},
            "field_terms": {n: t for n, t in own.draft.field_terms.items() if n not in gone},
        }
    )
    await tx.put(replace(own.row, body=draft.model_dump_json(), updated_at=core.now()))
    for version in await tx.find(VersionRow, {"rid": own.row.rid}):
        told = {name: text for name, text in json.loads(version.disclosed).items() if name not in gone}
        await tx.put(replace(version, disclosed=json.dumps(told, ensure_ascii=False)))
    copy = await own_copy(core, tx, own.row.rid)
    if copy is not None:
        await schedule_erasure(core, tx, copy, receipt=False, fields=gone)


def _gid(core: Core, grants: Sequence[Grant]) -> str:
    """An id that comes after those given in this very second: of two at once, the greater id counts."""
    now = core.now()
    latest = max((g.gid for g in grants if g.given_at == now), default="")
    for _ in range(TRIES):
        if (made := core.new_id()) > latest:
            return made
    raise NotNow("something else was done in this very second; try again")


async def own_copy(core: Core, reader: Reader, rid: str) -> Copy | None:
    """Our copy of an own record, if it was ever published."""
    found = await reader.get_many(Copy, [(core.node_id, rid)], by=("origin", "rid"))
    return found[0] if found else None


async def holders_of(core: Core, reader: Reader, rid: str, fields: Collection[str]) -> dict[str, int]:
    """Who outside may have any of these fields, directly or through others, and the hours each has to confirm."""
    copy = await own_copy(core, reader, rid)
    if copy is None or copy.state != State.LIVE:
        return {}
    peers = await core.peers(reader, await core.situation(reader))
    lines = [(peers[line.peer], line) for line in await reader.find(Custody, {"copy": copy.id})]
    out = {
        peer.node_id: peer.clauses.response_h if peer.clauses else DEFAULT_RESPONSE_H
        for peer, line in lines
        if _may_have(line, peer.row.issued, fields)
    }
    if any(t.may_pass_on() for n, t in Held.read(copy).terms.items() if n in fields):
        told = {peer.node_id for peer, _ in lines}
        receipts = await reader.find(ReceiptRow, {"origin": copy.origin, "rid": rid, "state": "held"})
        out |= {r.holder: DEFAULT_RESPONSE_H for r in receipts if r.holder not in told}
    return out


def _may_have(line: Custody, issued: int, fields: Collection[str]) -> bool:
    """A line that is not handed over yet says nothing of what was there before: then the peer counts as a holder."""
    if line.refused is not None or line.entry not in (Entry.PUT, Entry.RETRACT):
        return False
    if line.seq > issued:
        return line.told
    return line.entry == Entry.PUT and not set(fields).isdisjoint(line.fields.split(","))


def stored_act(
    done: Done, *, link: str, act_id: str, ver: int, holders: Mapping[str, int], receipt: str
) -> ContributorAct:
    """The row that remembers something done, for its progress and its receipt."""
    grant = done.grant
    if grant.rid is None:
        raise NotNow("what is done on a contributor's page is done to one record")
    return ContributorAct(
        act_id, grant.subject, link, grant.rid, done.what, ",".join(done.fields), grant.given_at, grant.gid, ver,
        json.dumps(holders), receipt,
    )  # fmt: skip
