"""A sync session as a pure state machine: what a node does next is a value, and a driver does it (DESIGN 8).

`initiate` and the `answer_*` functions are generators: they yield effects and are sent the results. The same machine
runs over HTTP, from a bundle and in the simulator. The order keeps invariant 5: markers of withdrawals are compared
before anything else may pass, in either direction.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from federation.effects import (
    Behind,
    Collect,
    CursorUnknown,
    Delivered,
    Effect,
    Expect,
    Fetch,
    Forget,
    HandOut,
    Intake,
    Items,
    MarksDiffer,
    MarksOf,
    MarkSwap,
    NextPage,
    Outbox,
    Prepare,
    Push,
    Ready,
    Reconcile,
    Requeue,
    ResetCursor,
    SendAck,
    SwapMarks,
    TakeAck,
    TakeMarks,
    Unheard,
    Which,
)
from federation.errors import Code, PeerError
from federation.messages import MAX_LISTED, MAX_PAGE_ENTRIES, Ack, Drop, Mail, Marks, Page
from federation.negentropy import Initiator, Item, ItemSet, respond

MAX_PAGES: Final = 100_000  # a session of more is a peer that never ends
MAX_REPAIRS: Final = 2  # a third difference in one session is not loss, it is a fault to be told
FRAME_BYTES: Final = 60_000  # a reconciliation message that a slow line carries in seconds


@dataclass
class Tally:
    """What a session did, for people."""

    pages: int = 0
    pushed: int = 0
    repaired: int = 0
    swaps: int = 0
    unknown: int = 0
    mail: bool = False
    codes: list[str] = field(default_factory=list)


Session: TypeAlias = Generator[Effect, Any, Tally]


def initiate() -> Session:
    """A whole session: withdrawals first, pull, repair, push, repair, outbox."""
    tally = Tally()
    ready: Ready = yield Prepare()
    ready, last = yield from _pull(ready, tally)
    yield from _push(ready, last, tally)
    waiting: Ack = yield Outbox()
    if not waiting.silent:
        yield SendAck(waiting)
        yield Delivered(waiting)
    if tally.mail:
        yield from _collect()
    return tally


def _collect() -> Generator[Effect, Any, None]:
    """Receipts that wait at a peer which may have no way to reach us; asking on confirms what came."""
    after = 0
    for _ in range(MAX_PAGES):
        mail: Mail = yield Collect(after)
        if mail.last <= after:
            return
        yield TakeAck(mail.ack)
        after = mail.last
    raise PeerError(Code.SEQUENCE, "the peer's mail does not end")


def _pull(ready: Ready, tally: Tally) -> Generator[Effect, Any, tuple[Ready, Page]]:
    """Take the peer's feed to its end; its last page also says what the peer has of ours."""
    repairs = 0
    for number in range(MAX_PAGES):
        answer = yield Fetch(ready.cursor, ready.marks, begin=number == 0)
        if isinstance(answer, MarksDiffer):
            ready = yield from _swap_marks(tally)
            continue
        if isinstance(answer, CursorUnknown):
            if ready.cursor == 0:
                raise PeerError(Code.SEQUENCE, "the peer does not know the beginning of its own feed")
            ready = yield ResetCursor()
            continue
        page: Page = answer
        tally.pages += 1
        tally.mail = page.mail
        moved = page.cursor != ready.cursor
        if moved:
            if page.more:
                yield Expect(Fetch(page.cursor, ready.marks))
            ack = yield Intake(page)
            if page.more and not (isinstance(ack, Ack) and ack.clean):
                yield Expect(None)  # what the peer says of the next page will be another thing once it knows
            if isinstance(ack, Ack):
                yield SendAck(ack)
            ready = yield Prepare()
        if page.more and moved:
            continue
        if (page.count, page.total) == (ready.given_count, ready.given_total) or repairs == MAX_REPAIRS:
            return ready, page
        repairs += 1
        ready = yield from _repair_given(ready, tally)
    raise PeerError(Code.SEQUENCE, "the peer's feed does not end")


def _repair_given(ready: Ready, tally: Tally) -> Generator[Effect, Any, Ready]:
    """Both sides compare what the peer gave us; what it does not offer goes, what we miss it sends again."""
    extra, missing = yield from _reconcile(Which.GIVEN)
    now: Ready = yield Prepare()
    if (ready.cursor, ready.given_total) != (now.cursor, now.given_total):
        return now  # a session that crosses this one brought something meanwhile: look again
    tally.repaired += len(extra) + len(missing)
    if extra:
        yield Forget(extra)
    if missing:
        yield SendAck(Ack(None, want=missing[:MAX_LISTED]))  # what is left shows in the next round or session
    again: Ready = yield Prepare()
    return again


def _push(ready: Ready, last: Page, tally: Tally) -> Generator[Effect, Any, None]:
    repairs, held = 0, (last.held_count, last.held_total)
    if last.heard is not None and last.heard > ready.issued:
        ready = yield Prepare()  # it may have fetched from us since we looked: then it is not ahead
    after, reset, again = _resume(ready, last.heard)
    held_back = False  # what is unsent does not leave now: the policy cannot be read
    for _ in range(MAX_PAGES):
        if not (ready.unsent or again) or held_back:
            if held == (ready.taken_count, ready.taken_total) or repairs == MAX_REPAIRS:
                return
            repairs += 1
            ready = yield from _repair_taken(ready, tally)
            held, held_back = (ready.taken_count, ready.taken_total), False
            continue
        page: Page = yield NextPage(after)
        if again and not page.entries:
            after, reset, again = ready.acked, False, False  # nothing is left of what the peer has forgotten
            continue
        if page.more and page.cursor > after:
            yield Expect(NextPage(page.cursor))
        answer = yield Push(page, ready.marks, reset)
        if isinstance(answer, MarksDiffer):
            ready = yield from _swap_marks(tally)
            continue
        if isinstance(answer, Behind):
            # A higher cursor than we ever issued is the memory of a state that we have lost: begin again.
            reset = answer.cursor > ready.issued
            after = 0 if reset else answer.cursor
            if not reset:
                yield Unheard(answer.cursor)
            ready = yield Prepare()
            continue
        ack: Ack = answer
        tally.pages += 1
        tally.pushed += len(page.entries)
        yield TakeAck(ack)
        ready = yield Prepare()
        held_back = not page.entries and page.cursor == page.after and ready.unsent
        again = again and page.more
        after = page.cursor if again else max(page.cursor, ready.acked)
        reset, held = False, (ack.count, ack.total)
    raise PeerError(Code.SEQUENCE, "our feed for this peer does not end")


def _resume(ready: Ready, heard: int | None) -> tuple[int, bool, bool]:
    """Where our feed goes on; whether the peer has to begin anew; whether it is told again what it had confirmed.

    One that is not where it last said is, or we are, as of a backup. The fingerprints do not show that of a roster.
    """
    if heard is None or ready.acked <= heard <= ready.issued:
        return ready.acked, False, False
    ahead = heard > ready.issued
    return (0 if ahead else heard), ahead, True


def _repair_taken(ready: Ready, tally: Tally) -> Generator[Effect, Any, Ready]:
    """Both sides compare what the peer took from us; it drops what we do not offer, we send again what it misses."""
    missing, extra = yield from _reconcile(Which.TAKEN)
    now: Ready = yield Prepare()
    if now.unsent:
        return now  # something has changed meanwhile, and is told before anything is called lost
    tally.repaired += len(extra) + len(missing)
    if extra:
        drops = tuple(Drop(ready.acked, copy_id) for copy_id in extra[:MAX_PAGE_ENTRIES])
        page = Page(ready.acked, drops, ready.acked, False, ready.taken_count, ready.taken_total)
        yield Push(page, ready.marks)
    if missing:
        yield Requeue(missing)
    again: Ready = yield Prepare()
    return again


def _swap_marks(tally: Tally) -> Generator[Effect, Any, Ready]:
    ours, theirs = yield from _reconcile(Which.MARKS)
    left = len(ours) + len(theirs)
    if tally.swaps >= MAX_REPAIRS and left >= tally.unknown:  # so many that they take more swaps become fewer
        raise PeerError(Code.RECONCILE, "the withdrawals of both sides still differ after they were exchanged")
    tally.swaps += 1
    tally.unknown = left
    outgoing: MarkSwap = yield MarksOf(ours)
    incoming: MarkSwap = yield SwapMarks(MarkSwap(outgoing.tokens, outgoing.histories, theirs[:MAX_LISTED]))
    yield TakeMarks(incoming)
    ready: Ready = yield Prepare()
    return ready


def _reconcile(which: Which) -> Generator[Effect, Any, tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
    """Ids that only we have, and ids that only the peer has."""
    items: list[Item] = yield Items(which)
    machine = Initiator(ItemSet(items), FRAME_BYTES)
    message: bytes | None = machine.start()
    have: list[bytes] = []
    need: list[bytes] = []
    while message is not None:
        answer: bytes = yield Reconcile(which, message)
        round_ = machine.receive(answer)
        have += round_.have
        need += round_.need
        message = round_.message
    return tuple(dict.fromkeys(have)), tuple(dict.fromkeys(need))


# --- the answering side --------------------------------------------------------------------------------------------

Answer: TypeAlias = Generator[Effect, Any, Any]


def _same_marks(ready: Ready, theirs: Marks) -> bool:
    """True if the peer knows all we know, or all but what our feed still holds for it."""
    return theirs in (ready.marks, ready.acked_marks)


def answer_fetch(after: int, marks: Marks, *, begin: bool) -> Answer:
    """A page of our feed, unless withdrawals differ or the cursor was never ours."""
    ready: Ready = yield Prepare()
    if not _same_marks(ready, marks):
        return MarksDiffer()
    if after > ready.issued:
        return CursorUnknown()
    if begin and after > ready.acked:
        yield Unheard(after)
    page: Page = yield NextPage(after)
    return page


def answer_push(page: Page, marks: Marks, *, reset: bool) -> Answer:
    """Take a page that the peer brings; the same rules as for one we fetched."""
    ready: Ready = yield Prepare()
    if not _same_marks(ready, marks):
        return MarksDiffer()
    if reset:
        ready = yield ResetCursor()
    if page.after != ready.cursor:
        return Behind(ready.cursor)
    answer = yield Intake(page)
    return answer


def answer_ack(ack: Ack) -> Answer:
    """Note an acknowledgement."""
    yield TakeAck(ack)
    return None


def answer_collect(after: int) -> Answer:
    """Hand out what waits for the peer."""
    mail: Mail = yield HandOut(after)
    return mail


def answer_reconcile(which: Which, message: bytes) -> Answer:
    """One message of a reconciliation, from the other side's point of view."""
    yield Prepare()
    items: list[Item] = yield Items(which.mirrored())
    return respond(ItemSet(items), message, FRAME_BYTES)


def answer_swap(swap: MarkSwap) -> Answer:
    """Apply the withdrawals handed to us, hand over those asked for."""
    yield TakeMarks(swap)
    theirs: MarkSwap = yield MarksOf(swap.want)
    return theirs
