"""Proposals: what stewards decide together, from a draft until it is in force (DESIGN 9).

A vote counts only for the very text and preview it names, and only while whoever cast it is a steward. The outcome
follows from the set of votes, never from their order; the proposer alone is enough only where there is one steward.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from governance.errors import ProposalError

HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class State(StrEnum):
    """Where a proposal is."""

    DRAFT = "draft"
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    IN_FORCE = "in-force"
    WITHDRAWN = "withdrawn"


class Choice(StrEnum):
    """A vote."""

    YES = "yes"
    NO = "no"


class Move(StrEnum):
    """What can happen to a proposal."""

    EDIT = "edit"
    OPEN = "open"
    VOTE = "vote"
    APPROVE = "approve"
    UNDECIDE = "undecide"
    REJECT = "reject"
    LAPSE = "lapse"
    RETURN = "return"
    CARRY_OUT = "carry out"
    WITHDRAW = "withdraw"


_TABLE: Final[dict[tuple[State, Move], State]] = {
    (State.DRAFT, Move.EDIT): State.DRAFT,
    (State.DRAFT, Move.OPEN): State.OPEN,
    (State.DRAFT, Move.WITHDRAW): State.WITHDRAWN,
    (State.OPEN, Move.EDIT): State.OPEN,
    (State.OPEN, Move.VOTE): State.OPEN,
    (State.OPEN, Move.APPROVE): State.APPROVED,
    (State.OPEN, Move.REJECT): State.REJECTED,
    (State.OPEN, Move.LAPSE): State.LAPSED,
    (State.OPEN, Move.RETURN): State.OPEN,
    (State.OPEN, Move.WITHDRAW): State.WITHDRAWN,
    # An approved one waits: it can still be changed, voted down or taken back, until it is carried out.
    (State.APPROVED, Move.EDIT): State.OPEN,
    (State.APPROVED, Move.VOTE): State.APPROVED,
    (State.APPROVED, Move.UNDECIDE): State.OPEN,
    (State.APPROVED, Move.REJECT): State.REJECTED,
    (State.APPROVED, Move.LAPSE): State.LAPSED,
    (State.APPROVED, Move.RETURN): State.OPEN,
    (State.APPROVED, Move.CARRY_OUT): State.IN_FORCE,
    (State.APPROVED, Move.WITHDRAW): State.WITHDRAWN,
}
UNDECIDED: Final = frozenset({State.OPEN, State.APPROVED})
OVER: Final = frozenset({State.REJECTED, State.LAPSED, State.IN_FORCE, State.WITHDRAWN})


def step(state: State, move: Move) -> State:
    """The state after a move; `ProposalError` says what is possible instead."""
    try:
        return _TABLE[(state, move)]
    except KeyError:
        raise ProposalError(f"a proposal that is {state} {_NOT[move]}: {_WAY_OUT[state]}") from None


_NOT: Final = {
    **{move: f"cannot {move}" for move in Move},
    Move.EDIT: "cannot be changed",
    Move.OPEN: "cannot be opened",
    Move.VOTE: "cannot be voted on",
    Move.WITHDRAW: "cannot be taken back",
}
_WAY_OUT: Final = {
    State.DRAFT: "open it first, so that the others see it",
    State.OPEN: "its stewards are voting on it",
    State.APPROVED: "it waits to be carried out",
    **dict.fromkeys(OVER, "it is decided; make a new proposal"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What one kind of proposal needs. `quorum` None: more than half of the stewards; times in seconds."""

    quorum: int | None = None
    waiting_s: int = 0
    open_s: int = 14 * DAY_S

    def needed(self, stewards: int) -> int:
        """How many have to say yes: never more than there are, never fewer than one."""
        asked = stewards // 2 + 1 if self.quorum is None else self.quorum
        return max(1, min(asked, stewards))


@dataclass(frozen=True, slots=True)
class Standing:
    """A proposal as its rules see it; `hash` is that of its present text and preview."""

    state: State
    by: str
    hash: str
    closes_at: int | None = None
    approved_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one person said, about the text and preview that `hash` names."""

    account: str
    choice: Choice
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes make of a proposal now. `due_at`: when it is carried out, None while that is not decided."""

    state: State
    yes: frozenset[str]
    no: frozenset[str]
    needed: int
    missing: int
    approved_at: int | None = None
    due_at: int | None = None

    def due(self, now: int) -> bool:
        """True if it is to be carried out now."""
        return self.state is State.APPROVED and self.due_at is not None and now >= self.due_at


def judge(standing: Standing, rules: Rules, ballots: Iterable[Ballot], stewards: Collection[str], now: int) -> Verdict:
    """The state that follows from the votes, the stewards of this moment and the time."""
    yes, no = _counted(standing, ballots, stewards)
    needed = rules.needed(len(stewards))
    missing = _missing(yes, standing.by, needed, len(stewards))
    if standing.state not in UNDECIDED:
        return Verdict(standing.state, yes, no, needed, missing, standing.approved_at)
    if not missing:
        since = now if standing.approved_at is None else standing.approved_at
        waiting = rules.waiting_s if len(stewards) > 1 else 0  # who decides alone has nobody to wait for
        return Verdict(State.APPROVED, yes, no, needed, 0, since, since + waiting)
    if not _reachable(no, standing.by, needed, frozenset(stewards)):
        return Verdict(State.REJECTED, yes, no, needed, missing)
    over = standing.closes_at is not None and now >= standing.closes_at
    return Verdict(State.LAPSED if over else State.OPEN, yes, no, needed, missing)


def _counted(
    standing: Standing, ballots: Iterable[Ballot], stewards: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    said: dict[str, Choice] = {b.account: b.choice for b in ballots if b.hash == standing.hash and b.hash}
    yes, no = (frozenset(a for a, c in said.items() if c is choice and a in stewards) for choice in Choice)
    return yes, no


def _missing(yes: frozenset[str], by: str, needed: int, stewards: int) -> int:
    short = max(0, needed - len(yes))
    alone = stewards > 1 and not yes - {by}  # a second pair of eyes, whatever the number asked for
    return max(short, 1) if alone else short


def _reachable(no: frozenset[str], by: str, needed: int, stewards: frozenset[str]) -> bool:
    """True if those who have not said no could still approve it."""
    left = stewards - no
    return len(left) >= needed and (len(stewards) < 2 or bool(left - {by}))


def content_hash(kind: str, body: str, preview: str) -> str:
    """What votes name: SHA-256 over the kind, the act's text and the digest of its preview."""
    text = json.dumps([kind, body, preview], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rules_for(kind: str, default: Rules, by_kind: Mapping[str, Rules]) -> Rules:
    """The rules of a kind: its own, else its family's (`steward` for `steward.add`), else the default."""
    return by_kind.get(kind) or by_kind.get(kind.partition(".")[0]) or default
