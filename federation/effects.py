"""What a step of a session is: the effects that the machine asks for, at this node or at the peer, and their answers.

Values only. `federation.exchange` yields them, whoever drives it performs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from federation.messages import Ack, Marks, Page


class Which(StrEnum):
    """The sets that are reconciled, as the one who asks sees them."""

    GIVEN = "given"  # what the other has given me
    TAKEN = "taken"  # what the other has taken from me
    MARKS = "marks"  # withdrawal markers we both should have

    def mirrored(self) -> Which:
        """The same set as the one who answers sees it."""
        return {Which.GIVEN: Which.TAKEN, Which.TAKEN: Which.GIVEN, Which.MARKS: Which.MARKS}[self]


@dataclass(frozen=True, slots=True)
class Ready:
    """Where we are with a peer: our cursor in its feed, how far it has acknowledged ours, and the fingerprints.

    `given_*` is what it gave us, `taken_*` what it should hold from us; `fresh` is the marker set without those it
    has not acknowledged; `unsent` says that our feed has more for it; `issued` is the highest number ever sent to it.
    """

    cursor: int
    acked: int
    issued: int
    given_count: int
    given_total: bytes
    taken_count: int
    taken_total: bytes
    marks: Marks
    acked_marks: Marks
    unsent: bool


@dataclass(frozen=True, slots=True)
class MarkSwap:
    """Withdrawals to hand over, the histories to verify them by, and markers to ask for."""

    tokens: tuple[str, ...] = ()
    histories: tuple[tuple[str, ...], ...] = ()
    want: tuple[bytes, ...] = ()


# --- effects at this node ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepare:
    """Bring our ledger for the peer up to date; answers `Ready`."""


@dataclass(frozen=True, slots=True)
class ResetCursor:
    """Start the peer's feed from the beginning; answers `Ready`."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Verify, admit and store a page, whole or not at all; answers `Ack`, or `Behind` if the cursor has moved."""

    page: Page


@dataclass(frozen=True, slots=True)
class NextPage:
    """Our feed for the peer after a cursor; answers `Page`."""

    after: int


@dataclass(frozen=True, slots=True)
class Unheard:
    """The peer has our feed up to `upto`; where that is news, its acknowledgement was lost and its receipts with it."""

    upto: int


@dataclass(frozen=True, slots=True)
class TakeAck:
    """Note what the peer made of our entries."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a set; answers a list of `negentropy.Item`."""

    which: Which


@dataclass(frozen=True, slots=True)
class Forget:
    """Give up copies that the peer does not offer any more."""

    copy_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Requeue:
    """Put copies into our feed again."""

    copy_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TakeMarks:
    """Verify and apply withdrawals."""

    swap: MarkSwap


@dataclass(frozen=True, slots=True)
class MarksOf:
    """The signed withdrawals of these markers; answers `MarkSwap`."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Outbox:
    """Signed documents waiting for the peer; answers `Ack` (silent if there are none)."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outbox was taken by the peer."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class HandOut:
    """The outbox for a peer that asks for it; what it has up to `after` can go. Answers `Mail`."""

    after: int


@dataclass(frozen=True, slots=True)
class Expect:
    """`effect` will be asked for soon: whoever drives the machine may begin it beside the next one, and hands its
    result over when it is asked for. None takes that back. A driver may ignore it.
    """

    effect: Fetch | NextPage | None


# --- effects at the peer -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a page of its feed; answers `Page`, `MarksDiffer` or `CursorUnknown`.

    `begin` says that a session begins here, so that no acknowledgement of ours is under way.
    """

    after: int
    marks: Marks
    begin: bool = False


@dataclass(frozen=True, slots=True)
class Push:
    """Hand over a page of our feed; answers `Ack`, `MarksDiffer` or `Behind`."""

    page: Page
    marks: Marks
    reset: bool = False


@dataclass(frozen=True, slots=True)
class SendAck:
    """Tell what became of its page; answers nothing."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class Collect:
    """Ask for documents that wait at the peer, after the last one we have; answers `Mail`."""

    after: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """One message of a reconciliation; answers bytes."""

    which: Which
    message: bytes


@dataclass(frozen=True, slots=True)
class SwapMarks:
    """Hand over withdrawals and ask for others; answers `MarkSwap`."""

    swap: MarkSwap


Effect: TypeAlias = (
    Prepare | ResetCursor | Intake | NextPage | TakeAck | Items | Forget | Requeue | TakeMarks | MarksOf | Outbox
    | Delivered | HandOut | Unheard | Expect | Fetch | Push | SendAck | Collect | Reconcile | SwapMarks
)  # fmt: skip


# --- answers that are not the expected value -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MarksDiffer:
    """The two sides do not know the same withdrawals: they come first."""


@dataclass(frozen=True, slots=True)
class CursorUnknown:
    """We never issued that cursor: we were restored from a backup. Start again from the beginning."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The page does not continue where we are; `cursor` is where that is."""

    cursor: int
