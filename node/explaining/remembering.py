"""What is kept so that a question about the past is answered from what was known then, not from what holds now.

Each time a ledger line changes: what the peer was to be told, and under which policy, agreement, rules and
permissions. Ids and names of fields only, never content; it stays when the record is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from governance.consent import Grant, governing_grant
from governance.gate import Decision, Reason, Why
from governance.record import ContributorLink
from node.agreements import read_proposal
from node.peerbook import KnownPeer
from node.sealing import grants_for
from node.store.governing import AgreementRow, Disclosure, Handover
from node.store.port import Reader, Writer
from node.store.rows import ContributorRow, Copy, Custody, DraftRow, PeerRow

NOTHING: Final = ""  # the entry of a disclosure that was decided and taken back before the peer heard of it
_NOT_A_RULE: Final = "="  # no rule's id has it: what stands before it is a reason of the gate's own


def ruled(decision: Decision) -> tuple[str, ...]:
    """What decided, as short words: ids of rules, and `why=detail` for everything else."""
    found = dict.fromkeys(map(_word, decision.reasons))
    found.update(dict.fromkeys(_word(r) for r in decision.withheld.values() if r.rule is not None))
    return tuple(found)


def _word(reason: Reason) -> str:
    if reason.why is Why.RULE:
        return reason.detail
    return f"{reason.why.value}{_NOT_A_RULE}{reason.detail.replace(',', ' ')}"


def reason_of(word: str) -> Reason | None:
    """A reason of the gate's own, from its short word; None for the id of a rule."""
    why, told, detail = word.partition(_NOT_A_RULE)
    return Reason(Why(why), detail) if told and why in tuple(Why) else None


async def remember_told(
    tx: Writer, lines: Sequence[tuple[Custody, Copy, Sequence[str]]], peer: KnownPeer, now: int
) -> None:
    """Keep what changed in a peer's ledger: each new line, its record, and what decided."""
    standing = await _standing(tx, [c for line, c, _ in lines if c.own and line.fields])
    agreement = peer.clauses.agreement_id if peer.clauses else ""
    await tx.put_many(
        [
            Disclosure(
                line.seq, peer.row.id, line.copy, now, line.entry, line.ver, line.fields, line.policy, agreement,
                ",".join(rules), _governing(standing, copy.rid, line.fields, now) if copy.rid in standing else "",
            )
            for line, copy, rules in lines
        ]
    )  # fmt: skip


async def _standing(
    tx: Reader, copies: Iterable[Copy]
) -> Mapping[str, tuple[Sequence[ContributorLink], Mapping[str, Sequence[Grant]]]]:
    """The contributors of own records that have any, and all they ever permitted."""
    linked = {r.rid for r in await tx.find(ContributorRow, {"rid": [c.rid for c in copies]})}
    if not linked:
        return {}
    drafts = await tx.get_many(DraftRow, [(rid,) for rid in linked])
    links = {d.rid: _links(d.body) for d in drafts if d.body}
    grants = await grants_for(tx, (link.subject for some in links.values() for link in some))
    return {rid: (some, grants) for rid, some in links.items()}


def _links(body: str) -> list[ContributorLink]:
    found: list[Mapping[str, Any]] = json.loads(body).get("contributors", [])
    return [ContributorLink.model_validate(one) for one in found]


def _governing(standing: Mapping[str, Any], rid: str, fields: str, now: int) -> str:
    links, grants = standing[rid]
    found: dict[str, None] = {}
    for link in links:
        mine = grants.get(link.subject, ())
        for name in fields.split(","):
            grant = governing_grant(mine, link.subject, rid, name, now) if mine and link.covers(name) else None
            if grant is not None:
                found[grant.gid] = None
    return ",".join(found)


async def remember_handed(tx: Writer, row: PeerRow, upto: int, now: int) -> None:
    """A page up to this line goes to a peer; one that it is sent again is not another hand-over."""
    if upto > row.issued:
        await tx.put(Handover(row.id, upto, now))


async def remember_confirmed(tx: Writer, row: PeerRow, upto: int, now: int) -> None:
    """A peer, whose row this was before, has confirmed its feed up to this line."""
    if upto <= row.acked:
        return
    waiting = await tx.find(Handover, {"peer": row.id}, above=("upto", row.acked), upto=("upto", upto))
    await tx.put_many([replace(h, confirmed_at=now) for h in waiting if h.confirmed_at is None])


async def remember_agreement(tx: Writer, node_id: str, source: str, now: int) -> None:
    """An agreement has come into force with a peer: the one before it has ended."""
    document = read_proposal(source).document
    before = await tx.find(AgreementRow, {"node_id": node_id, "ended_at": None})
    await tx.put(*(replace(row, ended_at=now) for row in before if row.id != document.id))
    if not any(row.id == document.id for row in before):
        await tx.put(AgreementRow(document.id, node_id, max(now, document.clauses.starts), source))
