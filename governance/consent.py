"""Consent: what each contributor permits, and the terms that follow for a field (DESIGN 2).

Grants stay at the origin. Their only effect outside is the terms they narrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governance.record import ContributorLink, Draft
from governance.terms import NODE_ONLY, Terms, meet


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission of one contributor.

    `rid` None covers every record the contributor is linked to; `fields` None covers all fields of those.
    `how` says in words how it was given; times are unix seconds.
    """

    gid: str
    subject: str
    terms: Terms
    how: str
    given_at: int
    rid: str | None = None
    fields: frozenset[str] | None = None
    withdrawn_at: int | None = None

    def covers(self, rid: str, field: str) -> bool:
        """True if the grant speaks of this field."""
        return self.rid in (None, rid) and (self.fields is None or field in self.fields)

    def active(self, now: int) -> bool:
        """True while it was given, is not withdrawn and has not ended."""
        gone = self.withdrawn_at is not None and now >= self.withdrawn_at
        return self.given_at <= now and not gone and not self.terms.ended(now)


def governing_grant(grants: Iterable[Grant], subject: str, rid: str, field: str, now: int) -> Grant | None:
    """The grant that counts for a contributor's field: the last one given, even if it has been withdrawn since.

    A later, narrower grant therefore replaces an earlier wide one, and withdrawing it does not revive the earlier.
    """
    given = [g for g in grants if g.subject == subject and g.given_at <= now and g.covers(rid, field)]
    return max(given, key=lambda g: (g.given_at, g.gid), default=None)


def effective_terms(draft: Draft, rid: str, field: str, grants: Sequence[Grant], now: int) -> Terms:
    """The editor's choice narrowed by every linked contributor's grant; without an active grant: at most the node."""
    terms = draft.editor_terms(field)
    for link in draft.contributors:
        if link.covers(field):
            terms = meet(terms, _permitted(link, terms, rid, field, grants, now))
    return terms


def _permitted(link: ContributorLink, editor: Terms, rid: str, field: str, grants: Sequence[Grant], now: int) -> Terms:
    grant = governing_grant(grants, link.subject, rid, field, now)
    if grant is not None and grant.active(now):
        return grant.terms
    node = Terms(NODE_ONLY, editor.purposes, editor.until)
    # A grant that lapsed was still a wish: "stewards only" must not become "all members" by being withdrawn.
    return node if grant is None else meet(node, Terms(grant.terms.audiences, grant.terms.purposes))


def terms_now(draft: Draft, rid: str, grants: Sequence[Grant], now: int) -> dict[str, Terms]:
    """Effective terms of every field of the draft."""
    return {field: effective_terms(draft, rid, field, grants, now) for field in draft.fields}


def next_change(grants: Iterable[Grant], now: int) -> int | None:
    """The next second at which a grant's end changes effective terms, if any."""
    ends = (g.terms.until for g in grants if g.active(now) and g.terms.until is not None)
    return min((t for t in ends if t > now), default=None)
