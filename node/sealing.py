"""Sealing: an own record's draft and its grants become the next signed version, in one transaction with their cause.

So the sealed terms are always the consent of this second, and a change of consent that commits is a change of what
is served (invariant 6).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from federation.claims import SALT_BYTES, RecordHead
from federation.envelope import VerifiedEnvelope, seal
from governance.consent import Grant, terms_now
from governance.record import Draft
from governance.terms import Terms
from node.copies import Held, replaced, row_of
from node.core import Core
from node.erasure import schedule_erasure
from node.releasing import carry_releases
from node.store.port import Reader, Writer
from node.store.rows import ContributorRow, Copy, DraftRow, GrantRow, State, VersionRow


def grant_of(row: GrantRow) -> Grant:
    """A stored grant as a value."""
    return Grant(
        row.gid,
        row.subject,
        Terms.from_json(json.loads(row.terms)),
        row.how,
        row.given_at,
        row.rid,
        None if row.fields is None else frozenset(json.loads(row.fields)),
        row.withdrawn_at,
    )


async def grants_for(reader: Reader, subjects: Iterable[str]) -> dict[str, list[Grant]]:
    """Every grant these contributors ever gave."""
    out: dict[str, list[Grant]] = {}
    for row in await reader.find(GrantRow, {"subject": list(dict.fromkeys(subjects))}):
        out.setdefault(row.subject, []).append(grant_of(row))
    return out


@dataclass(frozen=True)
class Sealed:
    """A new version and the rows that store it."""

    envelope: VerifiedEnvelope
    copy: Copy
    rows: tuple[Copy | VersionRow, ...]


def seal_next(
    core: Core,
    base: Copy,
    draft: Draft,
    grants: Sequence[Grant],
    change_seq: int,
    cause: str,
    above: tuple[int, str] | None = None,
) -> Sealed:
    """The next version of a draft; the one before goes to the history, without what has been narrowed since.

    `above` is number and id of a later version that we had signed and lost.
    """
    now = core.now()
    terms = terms_now(draft, base.rid, grants, now)
    ver, prev = above or (base.ver, base.vid.hex() if base.vid else None)
    head = RecordHead(
        core.node_id,
        base.rid,
        ver + 1,
        prev,
        now,
        draft.kind,
        draft.lang,
    )
    salts = core.entropy.draw(SALT_BYTES * len(draft.fields))
    envelope = seal(head, draft.fields, terms, salts, core.keys.record)
    marked = replace(base, direct=",".join(draft.direct), editor=base.editor, conflict=False)
    copy = row_of(envelope, marked, change_seq=change_seq, now=now)
    rows: list[Copy | VersionRow] = [copy]
    if base.state == State.LIVE and base.jws is not None:
        rows.append(_superseded(base, terms, cause, now))
    return Sealed(envelope, copy, tuple(rows))


def forgotten(before: Copy, sealed: Sealed, values: Mapping[str, Any]) -> set[str]:
    """The fields whose former words are neither in the new version nor in the history."""
    if before.state != State.LIVE:
        return set()
    kept = {name for row in sealed.rows if isinstance(row, VersionRow) for name in json.loads(row.disclosed)}
    return replaced(before, values) - kept


def _superseded(base: Copy, terms: Mapping[str, Terms], cause: str, now: int) -> VersionRow:
    held = Held.read(base)
    kept = {
        name: text
        for name, text in held.texts.items()
        if name in terms and held.terms[name].narrower_or_equal(terms[name])
    }
    assert base.vid is not None
    assert base.jws is not None
    return VersionRow(base.rid, base.ver, base.vid, base.jws, json.dumps(kept, ensure_ascii=False), now, cause)


async def reseal(
    core: Core,
    writer: Writer,
    rids: Sequence[str],
    cause: str,
    *,
    only_if_changed: bool,
    above: Mapping[str, tuple[int, str]] | None = None,
) -> int:
    """Seal the next version of these own, published, live records; how many were.

    With `only_if_changed`, records whose effective terms are what is sealed already keep their version; `above` names
    later versions that were lost here.
    """
    drafts = {d.rid: d for d in await writer.get_many(DraftRow, [(r,) for r in rids])}
    parsed = {rid: Draft.model_validate_json(d.body) for rid, d in drafts.items() if d.body}
    copies = await writer.get_many(Copy, [(core.node_id, r) for r in parsed], by=("origin", "rid"))
    grants = await grants_for(writer, (c.subject for d in parsed.values() for c in d.contributors))
    rows: list[Copy | VersionRow] = []
    changes: list[tuple[Copy, Copy]] = []
    sealed = 0
    for copy in copies:
        draft = parsed[copy.rid]
        if copy.state != State.LIVE or not drafts[copy.rid].published:
            continue
        mine = [g for link in draft.contributors for g in grants.get(link.subject, ())]
        if only_if_changed and Held.read(copy).terms == terms_now(draft, copy.rid, mine, core.now()):
            continue
        result = seal_next(core, copy, draft, mine, await writer.next_seq(), cause, (above or {}).get(copy.rid))
        rows.extend(result.rows)
        changes.append((copy, result.copy))
        sealed += 1
    await writer.put(*rows)
    await carry_releases(writer, changes)
    return sealed


async def records_of(reader: Reader, subject: str) -> list[str]:
    """The own records that a contributor is linked to."""
    return [c.rid for c in await reader.find(ContributorRow, {"subject": subject})]


async def clear_record(core: Core, tx: Writer, copy: Copy) -> None:
    """Everything that an own record has beside its copy: draft, history, links to people, their grants, files."""
    await schedule_erasure(core, tx, copy, receipt=False)
    row = await tx.get(DraftRow, copy.rid)
    if row is not None:
        # Where it came from stays, so that importing the same source again does not bring it back.
        await tx.put(replace(row, body="", source_hash="", published=False, editor=""))
    await tx.delete(VersionRow, {"rid": copy.rid})
    await tx.delete(ContributorRow, {"rid": copy.rid})
    await tx.delete(GrantRow, {"rid": copy.rid})
