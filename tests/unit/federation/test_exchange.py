"""The session machine by itself: what it asks for next, for every answer that it can be given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from federation.effects import (
    Behind,
    Collect,
    CursorUnknown,
    Delivered,
    Effect,
    Expect,
    Fetch,
    Forget,
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
from federation.exchange import MAX_REPAIRS, Session, answer_fetch, answer_push, answer_reconcile, initiate
from federation.messages import (
    MAX_LISTED,
    MAX_PAGE_ENTRIES,
    Ack,
    Circle,
    Mail,
    Marks,
    Page,
    Refused,
    read_ack,
    read_page,
    write_ack,
    write_page,
)
from federation.negentropy import Item, ItemSet, respond

NONE = bytes(32)
SAME = Marks(0, NONE)
OTHER = Marks(1, b"\x01" * 32)
IDS = [bytes([n]) * 32 for n in range(1, 5)]
READY = Ready(5, 7, 9, 0, NONE, 0, NONE, SAME, SAME, unsent=False)


def page(after: int = 5, cursor: int = 5, **more: Any) -> Page:
    return replace(Page(after, (), cursor, False, 0, NONE), **more)


def expect(machine: Session, answers: list[tuple[type[Any], Any]]) -> Effect | None:
    """Feed the machine; each effect has to be of the type named. The next effect, None at its end."""
    value: Any = None
    for kind, answer in answers:
        effect = machine.send(value)
        assert type(effect) is kind, f"{effect} where {kind.__name__} was due"
        value = answer
    try:
        return machine.send(value)
    except StopIteration:
        return None


QUIET = [(Prepare, READY), (Fetch, page()), (Outbox, Ack(None))]


def test_a_session_with_nothing_to_do_is_one_request() -> None:
    assert expect(initiate(), QUIET) is None


def test_withdrawals_are_exchanged_before_anything_is_pulled() -> None:
    machine = initiate()
    ours, theirs = [(0, IDS[0])], [(0, IDS[1])]
    effect = expect(machine, [(Prepare, READY), (Fetch, MarksDiffer()), (Items, ours)])
    assert isinstance(effect, Reconcile)
    assert effect.which is Which.MARKS
    effect = machine.send(respond(ItemSet(theirs), effect.message))
    assert effect == MarksOf((IDS[0],))
    assert machine.send(MarkSwap(("token",))) == SwapMarks(MarkSwap(("token",), (), (IDS[1],)))
    assert machine.send(MarkSwap(("theirs",))) == TakeMarks(MarkSwap(("theirs",)))


def test_marks_that_never_become_equal_end_the_session_with_an_error() -> None:
    with pytest.raises(PeerError) as error:
        _insist(initiate())
    assert error.value.code is Code.RECONCILE


def _insist(machine: Session) -> None:
    """A peer whose marks differ whatever is exchanged."""
    value: Any = None
    for _ in range(40):
        effect = machine.send(value)
        match effect:
            case Prepare():
                value = READY
            case Items():
                value = []
            case Reconcile():
                value = respond(ItemSet([]), effect.message)
            case MarksOf() | SwapMarks():
                value = MarkSwap()
            case _:
                value = MarksDiffer()


def test_a_cursor_that_the_peer_has_forgotten_starts_its_feed_again() -> None:
    machine = initiate()
    assert expect(machine, [(Prepare, READY), (Fetch, CursorUnknown())]) == ResetCursor()
    assert machine.send(replace(READY, cursor=0)) == Fetch(0, SAME)


def test_a_peer_that_does_not_know_the_beginning_of_its_feed_is_at_fault() -> None:
    machine = initiate()
    with pytest.raises(PeerError) as error:
        expect(machine, [(Prepare, replace(READY, cursor=0)), (Fetch, CursorUnknown())])
    assert error.value.code is Code.SEQUENCE


def test_a_page_is_acknowledged_only_after_it_was_taken_in() -> None:
    machine = initiate()
    came, ack = page(cursor=6), Ack(6)
    assert expect(machine, [(Prepare, READY), (Fetch, came)]) == Intake(came)
    assert machine.send(ack) == SendAck(ack)


def test_the_next_page_is_asked_for_while_this_one_is_taken_in() -> None:
    machine = initiate()
    came, ack = page(cursor=6, more=True), Ack(6)
    assert expect(machine, [(Prepare, READY), (Fetch, came)]) == Expect(Fetch(6, SAME))
    assert machine.send(None) == Intake(came)
    assert machine.send(ack) == SendAck(ack)
    assert machine.send(None) == Prepare()
    assert machine.send(replace(READY, cursor=6)) == Fetch(6, SAME)


def test_what_was_asked_for_too_early_is_dropped_when_a_page_is_not_taken_as_it_came() -> None:
    machine = initiate()
    refusal = Ack(6, refused=(Refused("o", "r", 1, "stale"),))
    steps = [(Prepare, READY), (Fetch, page(cursor=6, more=True)), (Expect, None), (Intake, refusal)]
    assert expect(machine, steps) == Expect(None)


def test_the_next_page_is_cut_while_the_peer_takes_this_one() -> None:
    machine = initiate()
    out = page(7, 9, more=True)
    steps = [(Prepare, replace(READY, unsent=True)), (Fetch, page()), (NextPage, out)]
    assert expect(machine, steps) == Expect(NextPage(9))
    assert machine.send(None) == Push(out, SAME)


def test_a_page_that_another_session_has_taken_meanwhile_is_not_acknowledged_twice() -> None:
    machine = initiate()
    steps = [(Prepare, READY), (Fetch, page(cursor=6)), (Intake, Behind(6)), (Prepare, replace(READY, cursor=6))]
    assert isinstance(expect(machine, steps), Outbox)


def test_a_difference_in_what_was_given_drops_the_extra_and_asks_for_the_missing() -> None:
    machine = initiate()
    mine: list[Item] = [(1, IDS[0]), (1, IDS[1])]
    theirs: list[Item] = [(1, IDS[1]), (1, IDS[2])]
    effect = expect(machine, [(Prepare, READY), (Fetch, page(count=2, total=IDS[3])), (Items, mine)])
    assert isinstance(effect, Reconcile)
    assert effect.which is Which.GIVEN
    assert machine.send(respond(ItemSet(theirs), effect.message)) == Prepare()
    assert machine.send(READY) == Forget((IDS[0],))
    assert machine.send(None) == SendAck(Ack(None, want=(IDS[2],)))


def test_a_difference_that_does_not_go_away_ends_after_the_repairs_of_one_session() -> None:
    machine, repairs = initiate(), 0
    value: Any = None
    different: Any = page(count=1, total=IDS[0])
    try:
        for _ in range(60):
            effect = machine.send(value)
            match effect:
                case Prepare():
                    value = READY
                case Items():
                    repairs += 1
                    value = []
                case Reconcile():
                    value = respond(ItemSet([]), effect.message)
                case Outbox():
                    value = Ack(None)
                case _:
                    value = different
    except StopIteration:
        pass
    assert repairs == MAX_REPAIRS


def test_what_is_unsent_is_pushed_from_where_the_peer_confirmed() -> None:
    machine = initiate()
    steps = [(Prepare, replace(READY, unsent=True)), (Fetch, page())]
    assert expect(machine, steps) == NextPage(7)
    out = page(7, 9)
    assert machine.send(out) == Push(out, SAME)
    assert machine.send(Ack(9)) == TakeAck(Ack(9))


@pytest.mark.parametrize(("cursor", "again", "reset"), [(8, 8, False), (20, 0, True)])
def test_a_peer_that_is_elsewhere_in_our_feed_is_met_there_or_begins_again(
    cursor: int, again: int, reset: bool
) -> None:
    machine, ready = initiate(), replace(READY, unsent=True)
    heard = [] if reset else [(Unheard, None)]
    steps = [
        (Prepare, ready),
        (Fetch, page()),
        (NextPage, page(7, 9)),
        (Push, Behind(cursor)),
        *heard,
        (Prepare, ready),
    ]
    assert expect(machine, steps) == NextPage(again)
    out = page(again, 9)
    assert machine.send(out) == Push(out, SAME, reset)


def test_what_the_peer_misses_is_put_into_our_feed_again() -> None:
    machine = initiate()
    first = page(held_count=3, held_total=IDS[3])
    effect = expect(machine, [(Prepare, READY), (Fetch, first), (Items, [(1, IDS[0])])])
    assert isinstance(effect, Reconcile)
    assert effect.which is Which.TAKEN
    assert machine.send(respond(ItemSet([(1, IDS[1])]), effect.message)) == Prepare()
    effect = machine.send(READY)
    assert isinstance(effect, Push)
    assert [e.copy_id for e in effect.page.entries] == [IDS[1]]  # type: ignore[union-attr]
    assert machine.send(Ack(7)) == Requeue((IDS[0],))


def test_what_a_crossing_session_brought_while_both_sides_compared_is_not_called_lost() -> None:
    machine = initiate()
    effect = expect(machine, [(Prepare, READY), (Fetch, page(count=2, total=IDS[3])), (Items, [(1, IDS[0])])])
    assert isinstance(effect, Reconcile)
    assert machine.send(respond(ItemSet([(1, IDS[1])]), effect.message)) == Prepare()
    assert isinstance(machine.send(replace(READY, cursor=READY.cursor + 1)), Fetch)


def test_what_waits_to_be_told_is_told_before_anything_is_called_lost() -> None:
    machine = initiate()
    first = page(held_count=3, held_total=IDS[3])
    effect = expect(machine, [(Prepare, READY), (Fetch, first), (Items, [(1, IDS[0])])])
    assert isinstance(effect, Reconcile)
    assert machine.send(respond(ItemSet([(1, IDS[1])]), effect.message)) == Prepare()
    assert isinstance(machine.send(replace(READY, unsent=True)), NextPage)


def test_documents_wait_in_the_outbox_until_the_peer_has_taken_them() -> None:
    waiting = Ack(None, receipts=("r",))
    machine = initiate()
    assert expect(machine, [(Prepare, READY), (Fetch, page()), (Outbox, waiting)]) == SendAck(waiting)
    assert machine.send(None) == Delivered(waiting)


def test_mail_is_collected_until_there_is_none_and_asking_on_confirms_it() -> None:
    machine = initiate()
    steps = [(Prepare, READY), (Fetch, page(mail=True)), (Outbox, Ack(None))]
    assert expect(machine, steps) == Collect(0)
    mail = Mail(4, Ack(None, receipts=("r",)))
    assert machine.send(mail) == TakeAck(mail.ack)
    assert machine.send(None) == Collect(4)
    with pytest.raises(StopIteration):
        machine.send(Mail(4, Ack(None)))


def run(machine: Any, answers: list[Any]) -> Any:
    value = None
    try:
        for answer in [*answers, None]:
            machine.send(value)
            value = answer
    except StopIteration as end:
        return end.value
    raise AssertionError("the machine asks for more")


@pytest.mark.parametrize("known", [SAME, OTHER])
def test_a_fetch_is_answered_if_the_peer_knows_all_marks_or_all_that_our_feed_does_not_hold(known: Marks) -> None:
    ready = replace(READY, marks=OTHER, acked_marks=SAME)
    assert run(answer_fetch(5, known, begin=False), [ready, page()]) == page()


def test_a_fetch_with_other_marks_gets_no_page() -> None:
    assert run(answer_fetch(5, OTHER, begin=True), [READY]) == MarksDiffer()


def test_a_fetch_after_a_cursor_that_was_never_issued_gets_no_page() -> None:
    assert run(answer_fetch(10, SAME, begin=True), [READY]) == CursorUnknown()
    assert run(answer_fetch(9, SAME, begin=False), [READY, page(9, 9)]) == page(9, 9)


def test_what_a_caller_has_and_never_confirmed_is_told_once_more_when_its_next_session_begins() -> None:
    machine = answer_fetch(9, SAME, begin=True)
    assert machine.send(None) == Prepare()
    assert machine.send(READY) == Unheard(9)
    assert machine.send(None) == NextPage(9)
    assert run(answer_fetch(7, SAME, begin=True), [READY, page(7, 7)]) == page(7, 7)


def test_a_push_that_does_not_continue_is_told_where_we_are() -> None:
    assert run(answer_push(page(4, 6), SAME, reset=False), [READY]) == Behind(5)
    assert run(answer_push(page(5, 6), SAME, reset=False), [READY, Ack(6)]) == Ack(6)


def test_a_push_with_other_marks_is_not_taken_in_even_with_a_reset() -> None:
    assert run(answer_push(page(0, 6), OTHER, reset=True), [READY]) == MarksDiffer()


def test_a_push_that_begins_again_moves_our_cursor_first() -> None:
    machine = answer_push(page(0, 6), SAME, reset=True)
    machine.send(None)
    assert machine.send(READY) == ResetCursor()


def test_a_reconciliation_is_answered_from_the_other_side() -> None:
    machine = answer_reconcile(Which.GIVEN, b"a")
    machine.send(None)
    assert machine.send(READY) == Items(Which.TAKEN)


def test_a_feed_that_is_held_back_ends_the_session_instead_of_asking_for_ever() -> None:
    machine, pushes = initiate(), 0
    ready = replace(READY, unsent=True)
    value: Any = None
    with pytest.raises(StopIteration):  # noqa: PT012 - the machine ends inside the loop
        for _ in range(200):
            effect = machine.send(value)
            match effect:
                case Prepare():
                    value = ready
                case NextPage():
                    value = page(effect.after, effect.after)
                case Push():
                    pushes += 1
                    value = Ack(effect.page.cursor)
                case Outbox():
                    value = Ack(None)
                case _:
                    value = page(5, 5, more=True)
    assert pushes == 1


def test_more_withdrawals_than_a_swap_holds_are_exchanged_in_as_many_as_it_takes() -> None:
    missing = [n.to_bytes(32) for n in range(3 * MAX_LISTED)]
    known: set[bytes] = set()
    machine, swaps = initiate(), 0
    value: Any = None
    while True:
        effect = machine.send(value)
        match effect:
            case Prepare():
                value = READY
            case Items():
                value = [(0, i) for i in sorted(known)]
            case Reconcile():
                value = respond(ItemSet([(0, i) for i in missing]), effect.message)
            case MarksOf():
                value = MarkSwap()
            case SwapMarks():
                assert len(effect.swap.want) <= MAX_LISTED
                known.update(effect.swap.want)
                swaps += 1
                value = MarkSwap()
            case Fetch():
                value = page() if len(known) == len(missing) else MarksDiffer()
            case Outbox():
                break
            case _:
                value = None
    assert swaps == 3


def test_what_is_missed_is_asked_for_in_portions_that_the_peer_takes() -> None:
    theirs = [(1, n.to_bytes(32)) for n in range(MAX_LISTED + 1)]
    machine = initiate()
    effect = expect(machine, [(Prepare, READY), (Fetch, page(count=1, total=IDS[0])), (Items, [])])
    while isinstance(effect, Reconcile):
        effect = machine.send(respond(ItemSet(theirs), effect.message))
    assert isinstance(effect, Prepare)
    effect = machine.send(READY)
    assert isinstance(effect, SendAck)
    assert len(effect.ack.want) == MAX_LISTED
    read_ack(write_ack(effect.ack))


ROSTERS = page(cursor=9, entries=(Circle(8, "roster"),))


@pytest.mark.parametrize(("heard", "after", "reset"), [(5, 5, False), (10, 0, True)])
def test_a_peer_that_is_not_where_it_last_said_is_told_again_what_it_had_confirmed(
    heard: int, after: int, reset: bool
) -> None:
    machine = initiate()
    again = [(Prepare, READY)] if heard > READY.issued else []
    assert expect(machine, [(Prepare, READY), (Fetch, page(heard=heard)), *again]) == NextPage(after)
    assert machine.send(ROSTERS) == Push(ROSTERS, SAME, reset)
    assert machine.send(Ack(9)) == TakeAck(Ack(9))
    assert expect(machine, [(Prepare, READY), (Outbox, Ack(None))]) is None


def test_a_peer_whose_memory_is_older_costs_no_request_if_nothing_it_forgot_still_holds() -> None:
    assert (
        expect(initiate(), [(Prepare, READY), (Fetch, page(heard=5)), (NextPage, page()), (Outbox, Ack(None))]) is None
    )


@pytest.mark.parametrize("heard", [None, 7, 9])
def test_a_peer_that_is_where_we_know_it_is_told_nothing_again(heard: int | None) -> None:
    assert expect(initiate(), [(Prepare, READY), (Fetch, page(heard=heard)), (Outbox, Ack(None))]) is None


def test_a_peer_that_fetched_while_we_asked_it_is_not_taken_for_one_that_is_ahead() -> None:
    since = replace(READY, issued=12, acked=12)
    assert (
        expect(initiate(), [(Prepare, READY), (Fetch, page(heard=12)), (Prepare, since), (Outbox, Ack(None))]) is None
    )


def test_a_page_of_drops_is_one_that_the_peer_reads() -> None:
    ours = [(1, n.to_bytes(32)) for n in range(MAX_PAGE_ENTRIES + 1)]
    machine = initiate()
    first = page(held_count=1, held_total=IDS[3])
    effect = expect(machine, [(Prepare, READY), (Fetch, first), (Items, [])])
    while isinstance(effect, Reconcile):
        effect = machine.send(respond(ItemSet(ours), effect.message))
    assert isinstance(effect, Prepare)
    effect = machine.send(READY)
    assert isinstance(effect, Push)
    assert len(read_page(write_page(effect.page)).entries) == MAX_PAGE_ENTRIES
