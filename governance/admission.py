"""Admission: the inbound half of the gate (DESIGN 8). What a peer may hand us, and what of it we take.

`right_to_pass` reads only signed terms and rosters, so a holder that oversteps is found out by whoever receives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from governance.terms import DIRECT, NETWORK, PUBLIC, Terms, circle_id

DEFAULT_COPY_BYTES: Final = 4 * 1024 * 1024  # DESIGN 5: a whole copy
DEFAULT_BUDGET_BYTES: Final = 2 * 1024**3  # per peer: some 300,000 texts; a laptop's disk survives a few such peers


class NotAdmitted(StrEnum):
    """Why an entry is refused, as the sender is told."""

    KIND = "admission-kind"
    LANGUAGE = "admission-language"
    ORIGIN = "admission-origin"
    SIZE = "admission-size"
    BUDGET = "admission-budget"
    PHASE = "admission-phase"
    PASSING_ON = "passing-on"
    NOT_FOR_US = "not-for-us"


@dataclass(frozen=True, slots=True)
class Admission:
    """What this node accepts; an empty set accepts all."""

    kinds: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    max_copy_bytes: int = DEFAULT_COPY_BYTES
    budget_bytes: int = DEFAULT_BUDGET_BYTES

    def refuses(self, kind: str, lang: str, origin: str, size: int, held_bytes: int) -> NotAdmitted | None:
        """Why a copy of `size` bytes is not taken from a peer that already gave us `held_bytes`."""
        if self.kinds and kind not in self.kinds:
            return NotAdmitted.KIND
        if self.languages and not any(lang == w or lang.startswith(w + "-") for w in self.languages):
            return NotAdmitted.LANGUAGE
        if self.origins and origin not in self.origins:
            return NotAdmitted.ORIGIN
        if size > self.max_copy_bytes:
            return NotAdmitted.SIZE
        return NotAdmitted.BUDGET if held_bytes + size > self.budget_bytes else None


def right_to_pass(
    terms: Terms, *, origin: str, sender: str, receiver: str, rosters: Mapping[str, frozenset[str]]
) -> NotAdmitted | None:
    """Why `sender` may not hand a field with these terms to `receiver`, as far as terms and rosters tell."""
    for audience in terms.audiences:
        circle = circle_id(audience)
        if circle is not None:
            members = rosters.get(circle, frozenset())
            if receiver not in members:
                return NotAdmitted.NOT_FOR_US
            if sender not in (origin, *members):
                return NotAdmitted.PASSING_ON
        elif audience == DIRECT:
            if sender != origin:
                return NotAdmitted.PASSING_ON
        elif audience not in (NETWORK, PUBLIC):
            return NotAdmitted.NOT_FOR_US
    return None if terms.audiences else NotAdmitted.NOT_FOR_US


def may_hold(terms: Terms, receiver: str, rosters: Mapping[str, frozenset[str]], now: int) -> bool:
    """True if a holder may still have a field: it has not ended, and we are in every circle it is for."""
    circles = (circle_id(a) for a in terms.audiences)
    return not terms.ended(now) and all(receiver in rosters.get(c, frozenset()) for c in circles if c is not None)
