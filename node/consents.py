"""Consent grants: given, withdrawn, listed. A change seals the records concerned anew in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from governance.consent import Grant
from governance.record import ContributorLink, Draft, is_field_name
from governance.speech import ENGLISH, Say
from governance.terms import Terms
from governance.words import day_words
from node.core import Core
from node.errors import BadInput, NotFound
from node.library import grant_row
from node.principal import Principal
from node.reading import Readings, terms_view
from node.sealing import grant_of, records_of, reseal
from node.store.port import Writer
from node.store.rows import ContributorRow, DraftRow, GrantRow
from node.views import ConsentEffect, GrantView

MAX_HOW_CHARS: Final = 500


class Consents:
    """Use cases around contributors."""

    def __init__(self, core: Core, readings: Readings) -> None:
        self._core = core
        self._readings = readings

    async def grant(
        self,
        who: Principal,
        *,
        subject: str,
        terms: Terms,
        how: str,
        ref: str | None = None,
        fields: Sequence[str] | None = None,
        given_at: int | None = None,
    ) -> ConsentEffect:
        """Note what a contributor permits. It replaces what they permitted before for the same fields."""
        who.need("write")
        now = self._core.now()
        given = now if given_at is None else given_at
        self._check(subject, terms, how, fields, given, now)
        rid = (await self._readings.resolve(ref, self._core.node_id))[1] if ref else None
        grant = Grant(
            self._core.new_id(), subject, terms, how, given, rid, None if fields is None else frozenset(fields)
        )
        async with self._core.store.write() as tx:
            if rid is not None:
                await self._link(tx, rid, subject, fields)
            await tx.put(grant_row(grant))
            rids = [rid] if rid else await records_of(tx, subject)
            changed = await reseal(self._core, tx, rids, "consent given", only_if_changed=True)
            await self._core.audit(tx, who.actor, "consent.grant", grant.gid)
        self._core.bell.ring()
        return ConsentEffect(grant=grant_view(grant, now, who.say), records_changed=changed)

    def _check(self, subject: str, terms: Terms, how: str, fields: Sequence[str] | None, given: int, now: int) -> None:
        if not subject.strip() or len(subject) > 200:
            raise BadInput("a contributor needs a pseudonym of 1 to 200 characters")
        if not how.strip() or len(how) > MAX_HOW_CHARS:
            raise BadInput("say how the consent was given, for example “signed form” or “in a meeting, witnessed”")
        if given > now:
            raise BadInput("a consent cannot be given in the future")
        if terms.ended(now):
            raise BadInput(
                f"until: {day_words(str(terms.until))} has passed; give an end that is to come, or withdraw the consent"
                " that is to end"
            )
        bad = [f for f in fields or () if not is_field_name(f)]
        if bad:
            raise BadInput(f"{bad[0]!r} is no field name: use a section's name or quote:, person:, place: with an id")

    async def _link(self, tx: Writer, rid: str, subject: str, fields: Sequence[str] | None) -> None:
        """A grant for one record makes its subject a contributor of that record, if it is not one yet."""
        row = await tx.get(DraftRow, rid)
        if row is None or not row.body:
            raise NotFound(f"no own record {rid!r}")
        draft = Draft.model_validate_json(row.body)
        unknown = sorted(set(fields or ()) - draft.fields.keys())
        if unknown:
            raise BadInput(f"the record has no field {unknown[0]!r}; it has {', '.join(sorted(draft.fields))}")
        if any(c.subject == subject for c in draft.contributors):
            return
        link = ContributorLink(subject=subject, fields=tuple(fields) if fields is not None else None)
        linked = draft.model_copy(update={"contributors": (*draft.contributors, link)})
        await tx.put(replace(row, body=linked.model_dump_json()), ContributorRow(subject, rid))

    async def withdraw(self, who: Principal, gid: str) -> ConsentEffect:
        """Take a permission back: at once, and everywhere it reached."""
        who.need("write")
        now = self._core.now()
        async with self._core.store.write() as tx:
            row = await tx.get(GrantRow, gid)
            if row is None:
                raise NotFound(f"no consent {gid!r}; `consent list` shows the ones there are")
            if row.withdrawn_at is None:
                row = replace(row, withdrawn_at=now)
                await tx.put(row)
            rids = [row.rid] if row.rid else await records_of(tx, row.subject)
            changed = await reseal(self._core, tx, rids, "consent withdrawn", only_if_changed=True)
            await self._core.audit(tx, who.actor, "consent.withdraw", gid)
        self._core.bell.ring()
        return ConsentEffect(grant=grant_view(grant_of(row), now, who.say), records_changed=changed)

    async def list(self, who: Principal, *, subject: str | None = None, ref: str | None = None) -> Sequence[GrantView]:
        """Permissions, newest first."""
        who.need("write")
        where = {"subject": subject} if subject else {}
        async with self._core.store.read() as tx:
            rows = await tx.find(GrantRow, where)
            if ref:
                rid = (await self._readings.resolve(ref, self._core.node_id))[1]
                subjects = {c.subject for c in await tx.find(ContributorRow, {"rid": rid})}
                rows = [r for r in rows if r.rid == rid or (r.rid is None and r.subject in subjects)]
        now = self._core.now()
        return [grant_view(grant_of(r), now, who.say) for r in sorted(rows, key=lambda r: (-r.given_at, r.gid))]


def grant_view(grant: Grant, now: int, say: Say = ENGLISH) -> GrantView:
    """A permission for people and programs."""
    return GrantView(
        gid=grant.gid,
        subject=grant.subject,
        rid=grant.rid,
        fields=None if grant.fields is None else sorted(grant.fields),
        terms=terms_view(grant.terms, say),
        how=grant.how,
        given_at=grant.given_at,
        withdrawn_at=grant.withdrawn_at,
        active=grant.active(now),
    )
