"""A contributor's records, holders and progress, made from the rows. Only what the contributor is linked to goes in.

A title that is not theirs is shown only where nobody else stands behind it and it may leave the organisation anyway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from federation.identity import NodeDocument
from governance.consent import Grant, effective_terms, governing_grant
from governance.consent_receipt import Party
from governance.speech import Say
from governance.terms import DIRECT, Terms, reach
from node.contributors.acts import OwnRecord, ceiling, own_copy, permitted
from node.contributors.choices import audience_choices, end_choices, purpose_choices
from node.contributors.views import (
    ActView,
    ConsentNote,
    Did,
    HolderView,
    OwnFieldView,
    OwnRecordView,
    PermissionView,
    ProgressView,
    Stands,
)
from node.contributors.words import (
    act_sentence,
    holder_sentence,
    own_label,
    permission_sentence,
    progress_sentence,
    receipt_name,
    record_name,
    tally_words,
    value_words,
)
from node.core import Core
from node.reading import Readings
from node.store.governing import ContributorAct
from node.store.port import Reader
from node.store.rows import Custody, DraftRow, Entry, ReceiptRow
from node.tracing import HOUR_S

_TITLE: Final = "title"
_DIDS: Final[Mapping[str, Did]] = {did: did for did in get_args(Did)}


def controller_of(document: NodeDocument) -> Party:
    """The organisation as a receipt names it."""
    address = document.urls[0] if document.urls else ""
    return Party(document.iss, document.name, document.contact, address, document.regions)


async def record_view(
    core: Core, tx: Reader, readings: Readings, own: OwnRecord, grants: Sequence[Grant], now: int, say: Say
) -> OwnRecordView:
    """One record as far as it is the contributor's."""
    kind, title = own.draft.kind, shown_title(own, grants, now)
    copy = await own_copy(core, tx, own.row.rid)
    fields = [_field_view(core, own, name, grants, now, say) for name in own.fields]
    tops = [ceiling(grants, own, name, now) for name in own.fields]
    present = [permitted(grants, own, name, now) for name in own.fields]
    return OwnRecordView(
        rid=own.row.rid,
        title=title,
        name=record_name(title, kind, own.row.created_at, say),
        kind=kind,
        published=own.row.published and copy is not None,
        updated=own.row.updated_at,
        fields=fields,
        holders=await _holders(core, tx, readings, own, say) if copy is not None else [],
        may_widen=any(not _endless(t).narrower_or_equal(_endless(p)) for t, p in zip(tops, present, strict=True)),
        audiences=audience_choices(tops, present, core.name, say),
        purposes=purpose_choices(tops, present, say),
        ends=end_choices(tops, ended=any(f.permission.state == "ended" for f in fields), say=say),
    )


def _endless(terms: Terms) -> Terms:
    return Terms(terms.audiences, terms.purposes)


def shown_title(own: OwnRecord, grants: Sequence[Grant], now: int) -> str | None:
    """The title if it is theirs, or nobody's in particular and on its way outside anyway."""
    title = str(own.draft.fields[_TITLE])
    if _TITLE in own.fields:
        return title
    if any(link.covers(_TITLE) for link in own.draft.contributors):
        return None
    terms = effective_terms(own.draft, own.row.rid, _TITLE, grants, now)
    outside = bool(terms.audiences) and min(map(reach, terms.audiences)) >= reach(DIRECT)
    return title if outside and own.row.published else None


def _field_view(core: Core, own: OwnRecord, name: str, grants: Sequence[Grant], now: int, say: Say) -> OwnFieldView:
    grant = governing_grant(grants, own.subject, own.row.rid, name, now)
    terms = permitted(grants, own, name, now)
    if grant is None:
        state, ended_at = "none", None
    elif grant.withdrawn_at is not None and grant.withdrawn_at <= now:
        state, ended_at = "withdrawn", grant.withdrawn_at
    elif grant.terms.ended(now):
        state, ended_at = "ended", grant.terms.until
    else:
        state, ended_at = "active", None
    permission = PermissionView.model_validate(
        {
            "gid": grant.gid if grant is not None else None,
            "state": state,
            "audiences": sorted(terms.audiences),
            "purposes": sorted(terms.purposes),
            "until": terms.until,
            "words": permission_sentence(state, terms, ended_at, core.name, say),
        }
    )
    return OwnFieldView(
        name=name,
        label=own_label(own.draft.kind, name, say),
        text=value_words(own.draft.fields[name]),
        shared=name in own.shared,
        permission=permission,
    )


async def _holders(core: Core, tx: Reader, readings: Readings, own: OwnRecord, say: Say) -> list[HolderView]:
    """Who outside has something of theirs: those we gave it to, then those who have it through others."""
    copy = await own_copy(core, tx, own.row.rid)
    if copy is None:
        return []
    peers = await core.peers(tx, await core.situation(tx))
    lines = {peers[line.peer].node_id: line for line in await tx.find(Custody, {"copy": copy.id})}
    issued = {peer.node_id: peer.row.issued for peer in peers.values()}
    receipts = {r.holder: r for r in await tx.find(ReceiptRow, {"origin": copy.origin, "rid": copy.rid})}
    names = await readings.names(tx, [*lines, *receipts])
    out = []
    for node_id, line in lines.items():
        theirs = [f for f in own.fields if f in line.fields.split(",")]
        if line.entry == Entry.PUT and theirs and line.refused is None and line.seq <= issued[node_id]:
            at = _held_at(receipts.get(node_id), line)
            labels = [own_label(own.draft.kind, f, say) for f in theirs]
            out.append(_holder(node_id, names, labels, line.at, at, direct=True, say=say))
    further = [r for r in receipts.values() if r.holder not in lines and r.state == "held"]
    return out + [_holder(r.holder, names, [], r.at, r.at, direct=False, say=say) for r in further]


def _held_at(receipt: ReceiptRow | None, line: Custody) -> int | None:
    if receipt is None or receipt.state != "held":
        return None
    return receipt.at if receipt.copy_id == line.copy_id or receipt.ver >= line.ver else None


def _holder(
    node_id: str, names: Mapping[str, str], labels: list[str], since: int, at: int | None, *, direct: bool, say: Say
) -> HolderView:
    return HolderView(
        node_id=node_id,
        name=names.get(node_id, node_id),
        direct=direct,
        fields=labels,
        since=since,
        confirmed_at=at,
        words=holder_sentence(labels, since, at, direct, say),
    )


async def acts_view(
    core: Core,
    tx: Reader,
    readings: Readings,
    acts: Sequence[ContributorAct],
    records: Sequence[OwnRecordView],
    now: int,
    say: Say,
) -> list[ActView]:
    """What was done here and how far it has come; a record that is gone is named by its kind no more."""
    named = {record.rid: record.name for record in records}
    out = []
    for act in acts:
        row = await tx.get(DraftRow, act.rid)
        kind = json.loads(row.body)["kind"] if row is not None and row.body else ""
        name = named.get(act.rid) or (record_name(None, kind, row.created_at, say) if row and kind else "")
        labels = [own_label(kind, field, say) for field in act.fields.split(",")]
        holders = await _progress(core, tx, readings, act, now, say)
        states = [h.state for h in holders]
        out.append(
            ActView.model_validate(
                {
                    "id": act.id,
                    "what": act.what,
                    "rid": act.rid,
                    "name": name,
                    "fields": labels,
                    "at": act.at,
                    "gid": act.gid,
                    "words": act_sentence(_DIDS[act.what], labels, act.at, say),
                    "confirmed": states.count("confirmed"),
                    "waiting": states.count("waiting"),
                    "overdue": states.count("overdue"),
                    "tally": [
                        {"state": state, "words": tally_words(state, n, say)}
                        for state in get_args(Stands)
                        if (n := states.count(state))
                    ],
                    "holders": holders,
                }
            )
        )
    return out


async def _progress(
    core: Core, tx: Reader, readings: Readings, act: ContributorAct, now: int, say: Say
) -> list[ProgressView]:
    """How each of those who had it then stands: its newest signed receipt against the version that carries the act."""
    due: dict[str, int] = {node_id: act.at + hours * HOUR_S for node_id, hours in json.loads(act.holders).items()}
    if not due:
        return []
    receipts = {r.holder: r for r in await tx.find(ReceiptRow, {"origin": core.node_id, "rid": act.rid})}
    keeping = await _keeping(core, tx, act)
    names = await readings.names(tx, list(due))
    out = []
    for node_id, by in due.items():
        receipt = receipts.get(node_id)
        answered = receipt is not None and _answers(receipt, act)
        state: Stands = "confirmed" if answered else "overdue" if now > by else "waiting"
        at = receipt.at if receipt is not None and answered else by
        words = progress_sentence(_DIDS[act.what], state, at, node_id in keeping, say)
        out.append(
            ProgressView.model_validate(
                {"node_id": node_id, "name": names.get(node_id, node_id), "state": state, "at": at, "words": words}
            )
        )
    return out


def _answers(receipt: ReceiptRow, act: ContributorAct) -> bool:
    """True if a holder's last word was said after it knew: it holds that version or a later one, or nothing."""
    if receipt.state == "held":
        return receipt.ver >= act.ver
    return receipt.at >= act.at or receipt.ver >= act.ver


async def _keeping(core: Core, tx: Reader, act: ContributorAct) -> set[str]:
    """Peers who may still have some of these fields after the act."""
    copy = await own_copy(core, tx, act.rid)
    if copy is None or act.what in ("withdraw", "remove", "close"):
        return set()
    peers = await core.peers(tx, await core.situation(tx))
    fields = set(act.fields.split(","))
    return {
        peers[line.peer].node_id
        for line in await tx.find(Custody, {"copy": copy.id})
        if line.entry == Entry.PUT and not fields.isdisjoint(line.fields.split(",")) and line.ver >= act.ver
    }


def consent_notes(grants: Sequence[Grant], acts: Sequence[ContributorAct], say: Say) -> list[ConsentNote]:
    """The permissions there are receipts for, newest first; also of a record that is gone."""
    notes = {
        act.gid: ConsentNote(
            gid=act.gid, at=act.at, words=receipt_name(act.what in ("narrow", "renew", "widen"), act.at, say)
        )
        for act in acts
    }
    for grant in grants:
        at = grant.given_at if grant.withdrawn_at is None else grant.withdrawn_at
        notes[grant.gid] = ConsentNote(gid=grant.gid, at=at, words=receipt_name(grant.withdrawn_at is None, at, say))
    return sorted(notes.values(), key=lambda note: (-note.at, note.gid))
