"""Targets of what two nodes say to each other in a session, without signatures: pages, answers, mail, swaps, ids."""

from __future__ import annotations

import json
import random
from functools import cache
from hashlib import sha256
from typing import Final

from federation.client import read_swap, write_swap
from federation.effects import MarkSwap
from federation.encoding import dumps, loads
from federation.errors import PeerError
from federation.exchange import FRAME_BYTES
from federation.messages import (
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
    read_page,
    write_ack,
    write_mail,
    write_page,
)
from federation.negentropy import MAX_MESSAGE_BYTES, Initiator, ItemSet, respond
from tests.fuzz.harness import Broken, Target, again, raw, text
from tests.fuzz.mutation import mutate_bytes, mutate_json_text, mutate_text
from tests.vectors.nodes import LIMA, NAIROBI, RID, example

WORDS: Final = (
    "t", "put", "retract", "withdraw", "roster", "drop", "origin", "head", "end", "seq", "jws", "d", "hops", "ver",
    "copy", "history",
    "cursor", "more", "count", "sum", "manifest", "mail", "last", "ack", "receipts", "refused", "newer", "want",
    "reports", "tokens",
    "ab" * 32, "ab" * 31 + "  ", "ab" * 31 + " a", "AB" * 32, "ab" * 33, "",
)  # fmt: skip
ITEMS: Final = 300  # two levels of splitting


def _hash(label: str) -> bytes:
    return sha256(label.encode()).digest()


def _page(*entries: Put | Retract | Withdraw | Circle | Drop, mail: bool = False) -> bytes:
    histories = (tuple(e.decode() for e in NAIROBI.history_with_new_record_key()),)
    page = Page(3, entries, 99, True, 2, _hash("sum"), histories, "manifest", "ab" * 32, 1, _hash("held"), mail)
    return write_page(page)


def page_seeds() -> list[bytes]:
    """Pages of every sort of entry."""
    copy = example()
    put = Put(5, copy.jws.decode(), copy.disclosures, (1,) * len(copy.disclosures))
    return [
        _page(),
        _page(put, Retract(6, NAIROBI.node_id, RID, 2), Withdraw(7, "a.b.c"), Circle(8, "a.b.c"), Drop(9, _hash("x"))),
        _page(Put(4, copy.jws.decode(), ()), mail=True),
    ]


def run_page(data: bytes) -> None:
    """An accepted page is the same page when it is written and read again."""
    page = read_page(data)
    again(lambda: read_page(write_page(page)), page, "the page")


ACK: Final = Ack(
    7, 2, _hash("sum"), ("a.b.c",), (("a.b.c", "d.e.f"),), (Refused(LIMA.node_id, RID, 1, "too-large"),), ("a.b.c",),
    (_hash("w"),), ("a.b.c",),
)  # fmt: skip


def run_ack(data: bytes) -> None:
    """An accepted acknowledgement is the same when it is written and read again."""
    ack = read_ack(data)
    again(lambda: read_ack(write_ack(ack)), ack, "the acknowledgement")


def run_mail(data: bytes) -> None:
    """Accepted mail is the same when it is written and read again."""
    mail = read_mail(data)
    again(lambda: read_mail(write_mail(mail)), mail, "the mail")


def run_swap(data: bytes) -> None:
    """An accepted swap is the same when it is written and read again, and asks for ids that can exist."""
    swap = read_swap(data)
    again(lambda: read_swap(write_swap(swap)), swap, "the swap")
    if any(len(w) != 32 for w in swap.want):
        raise Broken("an id that is wanted has 32 bytes")


def run_marks(data: bytes) -> None:
    """Accepted marks are the same when they are written and read again."""
    marks = Marks.parse(text(data))
    again(lambda: Marks.parse(marks.text()), marks, "the marks")


def run_json(data: bytes) -> None:
    """Accepted JSON is the same value when it is written and read again."""
    value = loads(data)
    again(lambda: loads(dumps(value)), value, "the value")


def bend_lines(rng: random.Random, data: bytes) -> bytes:
    """NDJSON with a defect in one line, in the order of lines, or, seldom, in its bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    lines = text(data).split("\n")
    at = rng.randrange(len(lines))
    if rng.random() < 0.1:
        lines.insert(at, rng.choice(lines))
    else:
        lines[at] = mutate_json_text(rng, lines[at], WORDS)
    return raw("\n".join(lines))


def bend_json(rng: random.Random, data: bytes) -> bytes:
    """JSON with a defect in its tree, its text or its bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    return raw(mutate_json_text(rng, text(data), WORDS))


# --- reconciliation -------------------------------------------------------------------------------------------------


@cache
def items(which: str) -> ItemSet:
    """A side's ids: two thirds of them are common to both sides."""
    numbers = range(ITEMS) if which == "ours" else range(ITEMS // 3, ITEMS + ITEMS // 3)
    return ItemSet((1_000 + n // 4, _hash(f"item {n}")) for n in numbers)


def question_seeds() -> list[bytes]:
    """The messages of a reconciliation from its beginning to its end."""
    asking = Initiator(items("theirs"), FRAME_BYTES)
    found = [asking.start()]
    while True:
        message = asking.receive(respond(items("ours"), found[-1], FRAME_BYTES)).message
        if message is None:
            return found
        found.append(message)


def answer_seeds() -> list[bytes]:
    """The answers of the other side to the same."""
    return [respond(items("ours"), question, FRAME_BYTES) for question in question_seeds()]


def run_question(data: bytes) -> None:
    """What we answer is short enough to be taken, and our own reader takes it."""
    answer = respond(items("ours"), data, FRAME_BYTES)
    if len(answer) > MAX_MESSAGE_BYTES:
        raise Broken(f"an answer of {len(answer)} bytes would be refused")
    asking = Initiator(items("theirs"), FRAME_BYTES)
    asking.start()
    try:
        asking.receive(answer)
    except PeerError as error:
        raise Broken(f"our own answer is refused: {error}") from error


def run_answer(data: bytes) -> None:
    """What we ask next is short enough to be taken, and our own responder takes it."""
    asking = Initiator(items("theirs"), FRAME_BYTES)
    asking.start()
    message = asking.receive(data).message
    if message is None:
        return
    try:
        respond(items("ours"), message, FRAME_BYTES)
    except PeerError as error:
        raise Broken(f"our own question is refused: {error}") from error


def mail_seed() -> bytes:
    """Mail with something of everything."""
    return write_mail(Mail(9, Ack(None, 0, bytes(32), ACK.receipts, ACK.histories, ACK.refused)))


def swap_seed() -> bytes:
    """A swap with something of everything."""
    return write_swap(MarkSwap(("a.b.c",), (("d.e.f",),), (_hash("w"), _hash("v"))))


REFUSED: Final = (PeerError,)
TARGETS: Final = (
    Target("page", page_seeds, bend_lines, run_page, REFUSED),
    Target("ack", lambda: [write_ack(ACK), write_ack(Ack(None))], bend_json, run_ack, REFUSED),
    Target("mail", lambda: [mail_seed()], bend_json, run_mail, REFUSED),
    Target("swap", lambda: [swap_seed()], bend_json, run_swap, REFUSED),
    Target(
        "marks", lambda: [Marks(12, _hash("m")).text().encode()],
        lambda rng, data: raw(mutate_text(rng, text(data), WORDS)), run_marks, REFUSED,
    ),
    Target("json", lambda: [json.dumps(example().disclosed["actions"]).encode(), mail_seed()], bend_json, run_json,
    REFUSED),
    Target("question", question_seeds, mutate_bytes, run_question, REFUSED),
    Target("answer", answer_seeds, mutate_bytes, run_answer, REFUSED),
)  # fmt: skip
