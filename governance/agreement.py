"""Agreements: the clauses that narrow sharing, and the states a peer passes through (DESIGN 7).

Start, expiry, suspension and end act everywhere through one function, `phase_now`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from governance.errors import AgreementError
from governance.terms import ALL_PURPOSES, Purpose


class Phase(StrEnum):
    """Where we are with a peer."""

    INVITED = "invited"
    PROPOSED = "proposed"
    AGREED = "agreed"  # both signed, before its start; made of ACTIVE by the time, never stored
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    EXPIRED = "expired"
    BLOCKED = "blocked"


class Step(StrEnum):
    """What either side can do."""

    PROPOSE = "propose"
    APPROVE = "approve"
    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"
    BLOCK = "block"
    UNBLOCK = "unblock"


_TABLE: Final[dict[tuple[Phase, Step], Phase]] = {
    (Phase.INVITED, Step.PROPOSE): Phase.PROPOSED,
    (Phase.PROPOSED, Step.PROPOSE): Phase.PROPOSED,
    (Phase.PROPOSED, Step.APPROVE): Phase.ACTIVE,
    (Phase.ACTIVE, Step.SUSPEND): Phase.SUSPENDED,
    (Phase.SUSPENDED, Step.RESUME): Phase.ACTIVE,
    # Coming back: an agreement that ended is never revived, a new one is proposed.
    (Phase.ACTIVE, Step.PROPOSE): Phase.ACTIVE,
    (Phase.ENDED, Step.PROPOSE): Phase.PROPOSED,
    (Phase.EXPIRED, Step.PROPOSE): Phase.PROPOSED,
    (Phase.BLOCKED, Step.UNBLOCK): Phase.ENDED,
    **{(p, Step.END): Phase.ENDED for p in Phase if p is not Phase.BLOCKED},
    **{(p, Step.BLOCK): Phase.BLOCKED for p in Phase},
}


def step(phase: Phase, wanted: Step) -> Phase:
    """The phase after a step; `AgreementError` names the steps that are possible instead."""
    try:
        return _TABLE[(phase, wanted)]
    except KeyError:
        possible = sorted(s for (p, s) in _TABLE if p is phase)
        raise AgreementError(
            f"cannot {wanted} a peer that is {phase}; possible now: {', '.join(possible) or 'nothing'}"
        ) from None


@dataclass(frozen=True, slots=True)
class Clauses:
    """What both nodes agreed on, in force from `starts` on (unix seconds).

    Empty `kinds`, `topics` mean all; `until` None means no end. `review` is when to look at it again, `conflict` says
    who is asked first where the two disagree, `suspend_overdue` that a withdrawal not confirmed in time suspends.
    """

    agreement_id: str
    purposes: frozenset[Purpose] = ALL_PURPOSES
    kinds: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    passing_on: bool = True
    attachments: bool = True
    erase_at_end: bool = True
    response_h: int = 72
    until: int | None = None
    starts: int = 0
    review: int | None = None
    conflict: str = ""
    suspend_overdue: bool = False


def either(one: Clauses, other: Clauses) -> Clauses:
    """Clauses that let pass what one or the other does (and, where they are about different things, a little more).

    For foreseeing what a peer may come to have while an amendment waits for its signature; never for deciding.
    """
    ends = (one.until, other.until)
    return replace(
        one,
        purposes=one.purposes | other.purposes,
        kinds=_either_list(one.kinds, other.kinds),
        topics=_either_list(one.topics, other.topics),
        passing_on=one.passing_on or other.passing_on,
        attachments=one.attachments or other.attachments,
        until=None if None in ends else max(e for e in ends if e is not None),
        starts=min(one.starts, other.starts),
    )


def _either_list(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return one | other if one and other else frozenset()  # an empty list means all


def phase_now(phase: Phase, clauses: Clauses | None, now: int) -> Phase:
    """The phase that counts at this second: past its end an agreement has expired, before its start it is not active.

    A suspension before the start stays one, so that both sides see it.
    """
    if phase not in (Phase.ACTIVE, Phase.SUSPENDED):
        return phase
    if clauses is None or _past(clauses, now):
        return Phase.EXPIRED
    return Phase.AGREED if phase is Phase.ACTIVE and now < clauses.starts else phase


def _past(clauses: Clauses, now: int) -> bool:
    return clauses.until is not None and now >= clauses.until


def keeps_copies(phase: Phase, clauses: Clauses | None) -> bool:
    """True if the agreement has ended but lets a holder keep what it was sent until the terms end.

    Nothing new flows then, and narrowing and withdrawal still reach the holder.
    """
    return phase in (Phase.ENDED, Phase.EXPIRED) and clauses is not None and not clauses.erase_at_end
