"""Pages, acknowledgements and marks: what is written is read again, and anything else is a `PeerError`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.client import read_swap
from federation.errors import PeerError
from federation.messages import (
    MAX_ACK_BYTES,
    MAX_LISTED,
    MAX_PAGE_BYTES,
    MAX_PAGE_ENTRIES,
    Ack,
    Circle,
    Drop,
    Mail,
    Marks,
    Page,
    Put,
    Refused,
    Retract,
    Withdraw,
    read_ack,
    read_mail,
    read_object,
    read_page,
    write_ack,
    write_mail,
    write_page,
)

MAX_INT = 2**53 - 1
NONE = bytes(32)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
hashes = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, MAX_INT)


@st.composite
def puts(draw: st.DrawFn, seq: int) -> Put:
    held = tuple(draw(st.lists(texts, max_size=4)))
    hops = tuple(draw(st.integers(1, 8)) for _ in held) if draw(st.booleans()) else ()
    return Put(seq, draw(texts), held, hops)


@st.composite
def pages(draw: st.DrawFn) -> Page:
    seqs = sorted(draw(st.lists(numbers, max_size=6)))
    after, cursor = (seqs[0], seqs[-1]) if seqs else (5, 9)
    entries = [
        draw(
            st.one_of(
                puts(seq),
                st.builds(Retract, st.just(seq), texts, texts, numbers),
                st.builds(Withdraw, st.just(seq), texts),
                st.builds(Circle, st.just(seq), texts),
                st.builds(Drop, st.just(seq), hashes),
            )
        )
        for seq in seqs
    ]
    return Page(
        after,
        tuple(entries),
        cursor,
        draw(st.booleans()),
        draw(numbers),
        draw(hashes),
        tuple(map(tuple, draw(st.lists(st.lists(texts, max_size=3), max_size=2)))),
        draw(texts),
        draw(texts),
        draw(numbers),
        draw(hashes),
        draw(st.booleans()),
    )


acks = st.builds(
    Ack,
    st.none() | numbers,
    numbers,
    hashes,
    st.lists(texts, max_size=3).map(tuple),
    st.lists(st.lists(texts, max_size=3).map(tuple), max_size=2).map(tuple),
    st.lists(st.builds(Refused, texts, texts, numbers, texts), max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(hashes, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
)


@given(pages())
def test_a_page_is_read_as_it_was_written(page: Page) -> None:
    assert read_page(write_page(page)) == page


@given(acks)
def test_an_acknowledgement_is_read_as_it_was_written(ack: Ack) -> None:
    assert read_ack(write_ack(ack)) == ack


@given(numbers, acks)
def test_mail_is_read_as_it_was_written_and_never_moves_a_cursor(last: int, ack: Ack) -> None:
    mail = Mail(last, ack)
    if ack.cursor is None:
        assert read_mail(write_mail(mail)) == mail
    else:
        with pytest.raises(PeerError):
            read_mail(write_mail(mail))


@given(st.integers(0, 10**15 - 1), hashes)
def test_marks_are_read_as_they_were_written(count: int, total: bytes) -> None:
    assert Marks.parse(Marks(count, total).text()) == Marks(count, total)


@pytest.mark.parametrize(
    "text",
    ["", ":", "1", "-1:" + "0" * 64, "1:" + "0" * 63, "1:" + "A" * 64, "1:" + "g" * 64, "1" * 16 + ":" + "0" * 64],
)
def test_marks_of_another_form_are_the_peers_fault(text: str) -> None:
    with pytest.raises(PeerError):
        Marks.parse(text)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_peer_error_and_nothing_else(data: bytes) -> None:
    for read in (read_page, read_ack, read_mail):
        with pytest.raises(PeerError):
            read(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def lines(page: Page) -> list[dict[str, Any]]:
    return [json.loads(line) for line in write_page(page).decode().splitlines()]


def joined(objects: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects).encode()


WHOLE = Page(
    1,
    (
        Put(2, "jws", ("a", "b"), (1, 2)),
        Retract(3, "o", "r", 1),
        Withdraw(4, "jws"),
        Circle(5, "jws"),
        Drop(6, NONE),
    ),
    6,
    False,
    1,
    NONE,
    (("h",),),
    "manifest",
)
MEMBERS = [(n, name) for n, line in enumerate(lines(WHOLE)) for name in line]


@given(st.sampled_from(MEMBERS), json_values)
def test_a_page_with_any_member_replaced_is_read_or_refused_but_never_breaks(
    where: tuple[int, str], value: object
) -> None:
    objects = lines(WHOLE)
    objects[where[0]][where[1]] = value
    try:
        read_page(joined(objects))
    except PeerError:
        return


@pytest.mark.parametrize(
    ("line", "member", "value"),
    [
        (0, "after", -1),
        (0, "after", True),
        (0, "after", 1.0),
        (0, "after", 7),  # beyond the cursor
        (2, "seq", 0),  # before the page
        (2, "seq", 7),  # behind it
        (2, "seq", -1),
        (2, "jws", None),
        (2, "d", "ab"),
        (2, "hops", [1]),
        (2, "hops", [0, 1]),
        (2, "hops", [True, 1]),
        (2, "hops", None),
        (3, "ver", -1),
        (6, "copy", "00"),
        (6, "copy", "A" * 64),
        (7, "cursor", 2**53),
        (7, "cursor", "6"),
        (7, "sum", "0" * 63),
        (7, "sum", "0" * 62 + "  "),
        (7, "sum", "0 " * 32),
        (7, "held_count", -1),
        (7, "t", "put"),
        (0, "t", "end"),
    ],
)
def test_a_hostile_value_is_refused(line: int, member: str, value: object) -> None:
    objects = lines(WHOLE)
    assert read_page(joined(objects)) == WHOLE
    objects[line][member] = value
    with pytest.raises(PeerError):
        read_page(joined(objects))


def test_entry_types_and_members_of_a_later_version_are_ignored() -> None:
    objects = lines(WHOLE)
    for each in objects:
        each["later"] = {"x": [1]}
    objects.insert(2, {"t": "of-tomorrow", "seq": "not even a number"})
    assert read_page(joined(objects)) == WHOLE
    assert read_ack(b'{"cursor":1,"count":0,"sum":"' + b"0" * 64 + b'","later":1}') == Ack(1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        write_page(WHOLE)[:-1],  # no last line feed
        write_page(WHOLE).replace(b"\n", b"\r\n"),
        write_page(WHOLE) + b"\n",
        b"\xff" + write_page(WHOLE),
        b"\n".join(write_page(WHOLE).split(b"\n")[1:]),  # no head
        write_page(WHOLE).replace(b'"after":1', b'"after":1,"after":1'),
        write_page(WHOLE).replace(b'"after":1', b'"after":NaN'),
    ],
)
def test_a_page_whose_frame_is_broken_is_refused(data: bytes) -> None:
    try:
        page = read_page(data)
    except PeerError:
        return
    assert page == WHOLE, "white space around a line may pass, another meaning may not"


def test_a_page_has_at_most_so_many_lines() -> None:
    full = Page(0, tuple(Withdraw(1, "j") for _ in range(MAX_PAGE_ENTRIES)), 1, False, 0, NONE)
    assert len(read_page(write_page(full)).entries) == MAX_PAGE_ENTRIES
    over = Page(0, tuple(Withdraw(1, "j") for _ in range(2 * MAX_PAGE_ENTRIES + 1)), 1, False, 0, NONE)
    with pytest.raises(PeerError):
        read_page(write_page(over))


def test_a_page_and_an_acknowledgement_have_at_most_so_many_bytes() -> None:
    small = Page(0, (Withdraw(1, ""),), 1, False, 0, NONE)
    room = MAX_PAGE_BYTES - len(write_page(small))
    assert read_page(write_page(Page(0, (Withdraw(1, "j" * room),), 1, False, 0, NONE)))
    with pytest.raises(PeerError):
        read_page(write_page(Page(0, (Withdraw(1, "j" * (room + 1)),), 1, False, 0, NONE)))
    with pytest.raises(PeerError):
        read_ack(b" " * (MAX_ACK_BYTES + 1))


def test_a_list_has_at_most_so_many_members() -> None:
    assert len(read_ack(write_ack(Ack(None, newer=("t",) * MAX_LISTED))).newer) == MAX_LISTED
    with pytest.raises(PeerError):
        read_ack(write_ack(Ack(None, newer=("t",) * (MAX_LISTED + 1))))


@pytest.mark.parametrize("wanted", ["", "ab", "ab" * 31 + "  ", "AB" * 32, "ab" * 33, 7])
def test_an_id_that_no_copy_can_have_is_not_asked_for(wanted: object) -> None:
    with pytest.raises(PeerError):
        read_ack(json.dumps({"cursor": 1, "count": 0, "sum": "0" * 64, "want": [wanted]}).encode())
    with pytest.raises(PeerError):
        read_swap(json.dumps({"tokens": [], "histories": [], "want": [wanted]}).encode())


def test_a_silent_acknowledgement_says_nothing_and_any_word_breaks_the_silence() -> None:
    assert Ack(None).silent
    assert not any(a.silent for a in (Ack(1), Ack(None, receipts=("r",)), Ack(None, want=(NONE,))))


@pytest.mark.parametrize("data", [b"[]", b"1", b'"x"', b"{", b'{"a":1,"a":2}'])
def test_a_small_message_is_an_object(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_object(data)
