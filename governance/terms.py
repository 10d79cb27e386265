"""Terms: who may hold and pass on a field, for which purposes, until when (DESIGN 2 and 5).

Terms form a meet-semilattice: `meet` is the only way to combine them, and it can only narrow.
Audiences are a conjunction, every one of them has to admit a recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Final

from governance.errors import TermsError

MAX_AUDIENCES: Final = 16  # a conjunction longer than this is a mistake, not a wish
MAX_UNTIL: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second ISO 8601 can write


class Purpose(StrEnum):
    """What a field may be used for."""

    LEARNING = "learning"
    RESEARCH = "research"
    PUBLICATION = "publication"
    ARCHIVE = "archive"


ALL_PURPOSES: Final = frozenset(Purpose)

STEWARDS: Final = "stewards"
NODE: Final = "node"
DIRECT: Final = "direct"
NETWORK: Final = "network"
PUBLIC: Final = "public"
CIRCLE_PREFIX: Final = "circle:"
_PLAIN_AUDIENCES: Final = frozenset({STEWARDS, NODE, DIRECT, NETWORK, PUBLIC})
# A circle id names its owner's identity key, so that only that key can sign its roster.
_CIRCLE_ID: Final = re.compile(r"z6Mk[1-9A-HJ-NP-Za-km-z]{44}\.[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")

# How wide each audience reaches, for showing and for "at most the node"; circles stand beside `direct`.
_REACH: Final = {STEWARDS: 0, NODE: 1, DIRECT: 2, NETWORK: 4, PUBLIC: 5}
_CIRCLE_REACH: Final = 3


def circle_id(audience: str) -> str | None:
    """The circle's id if the audience is a circle, else None."""
    return audience[len(CIRCLE_PREFIX) :] if audience.startswith(CIRCLE_PREFIX) else None


def is_circle_id(text: str) -> bool:
    """True for `<multibase identity key of the owner>.<slug>`."""
    return _CIRCLE_ID.match(text) is not None


def check_audience(audience: object) -> str:
    """The audience itself if it is one of the words of DESIGN 2; `TermsError` names it otherwise."""
    if isinstance(audience, str):
        if audience in _PLAIN_AUDIENCES:
            return audience
        cid = circle_id(audience)
        if cid is not None and is_circle_id(cid):
            return audience
    raise TermsError(
        f"unknown audience {audience!r}: use stewards, node, direct, network, public or circle:<owner key>.<name>"
    )


def reach(audience: str) -> int:
    """0 for stewards up to 5 for public; a larger number admits more."""
    return _REACH.get(audience, _CIRCLE_REACH)


@dataclass(frozen=True, slots=True)
class Terms:
    """Audiences (all must admit), purposes, and the end in unix seconds (None: no end).

    No audience or no purpose admits nobody: the empty value is the narrowest one.
    """

    audiences: frozenset[str]
    purposes: frozenset[Purpose]
    until: int | None = None

    def to_json(self) -> dict[str, object]:
        """The form that is signed: sorted lists, `until` left out when there is no end."""
        out: dict[str, object] = {"aud": sorted(self.audiences), "pur": sorted(self.purposes)}
        if self.until is not None:
            out["until"] = self.until
        return out

    @staticmethod
    def from_json(value: object) -> Terms:
        """Read the signed form; members of a later version are ignored, wrong types raise `TermsError`.

        An unknown purpose is dropped (it can only narrow); an unknown audience is refused, since dropping a
        member of a conjunction would widen.
        """
        if not isinstance(value, dict):
            raise TermsError("terms are an object with aud, pur and until")
        aud, pur, until = value.get("aud"), value.get("pur"), value.get("until")
        if not isinstance(aud, list) or not aud or len(aud) > MAX_AUDIENCES:
            raise TermsError(f"terms.aud is a list of 1 to {MAX_AUDIENCES} audiences")
        if not isinstance(pur, list) or not all(isinstance(p, str) for p in pur):
            raise TermsError("terms.pur is a list of purposes")
        if until is not None and (type(until) is not int or not 0 <= until <= MAX_UNTIL):
            raise TermsError("terms.until is a time in unix seconds")
        known = frozenset(p for p in Purpose if p in pur)
        return Terms(frozenset(check_audience(a) for a in aud), known, until)

    def ended(self, now: int) -> bool:
        """True from the second `until` on."""
        return self.until is not None and now >= self.until

    def narrower_or_equal(self, other: Terms) -> bool:
        """True if everything these terms admit, the other admits too."""
        return meet(self, other) == _canonical(self)

    def may_pass_on(self) -> bool:
        """True if a holder other than the origin could ever hand the field to another node."""
        return bool(self.audiences) and not self.audiences & {STEWARDS, NODE, DIRECT}


NOBODY: Final = Terms(frozenset(), frozenset())
NODE_ONLY: Final = frozenset({NODE})


def _canonical(terms: Terms) -> Terms:
    """The smallest conjunction with the same meaning: a wider plain audience beside a narrower one says nothing."""
    if not terms.audiences:
        return NOBODY
    plain = [a for a in terms.audiences if a in _REACH]
    circles = {a for a in terms.audiences if a not in _REACH}
    if len(circles) + (DIRECT in plain) > MAX_AUDIENCES and STEWARDS not in plain:
        # More than can be written down and read again; the next narrower thing that can is the node.
        return Terms(NODE_ONLY, terms.purposes, terms.until)
    if not plain:
        return terms
    narrowest = min(plain, key=reach)
    if narrowest in (STEWARDS, NODE):
        return Terms(frozenset({narrowest}), terms.purposes, terms.until)
    if narrowest == DIRECT or not circles:
        return Terms(frozenset({narrowest}) | circles, terms.purposes, terms.until)
    return Terms(frozenset(circles), terms.purposes, terms.until)


def meet(a: Terms, b: Terms) -> Terms:
    """The widest terms that are no wider than either: audiences joined, purposes shared, the earlier end."""
    if not a.audiences or not b.audiences:
        return NOBODY  # joining the audiences would hide that one side admits nobody
    ends = [t for t in (a.until, b.until) if t is not None]
    return _canonical(Terms(a.audiences | b.audiences, a.purposes & b.purposes, min(ends) if ends else None))


def meet_all(first: Terms, *others: Terms) -> Terms:
    """`meet` over all the given terms."""
    return reduce(meet, others, first)
