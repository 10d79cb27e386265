"""Every limit of what nodes say to one another holds to the last item: at it yes, one beyond no (DESIGN 6, 8)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from federation import client, exchange, httpsig, identity, jws, messages, negentropy, routes, witness
from federation.client import Signer, allowed_s, fetch_history, read_paced
from federation.effects import (
    Collect,
    Expect,
    Fetch,
    Intake,
    Items,
    MarksDiffer,
    MarksOf,
    MarkSwap,
    Outbox,
    Prepare,
    Ready,
    Reconcile,
    SendAck,
    SwapMarks,
    TakeMarks,
)
from federation.encoding import dumps, loads
from federation.errors import Code, PeerError
from federation.exchange import Answer, Session, initiate
from federation.httpsig import Request, Stamp, sign_request
from federation.identity import KeyHistory, verify_history
from federation.messages import Ack, Mail, Marks, Page, Withdraw, read_ack, read_page, write_ack, write_page
from federation.negentropy import ItemSet, respond
from federation.witness import Shown
from tests.simulator.loop import run
from tests.vectors.nodes import LIMA, NAIROBI, T0

NONE = bytes(32)
SAME = Marks(0, NONE)
READY = Ready(5, 7, 9, 0, NONE, 0, NONE, SAME, SAME, unsent=False)


def code_of(action: Callable[[], object]) -> Code:
    with pytest.raises(PeerError) as refused:
        action()
    return refused.value.code


# --- messages -------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_has_at_most_its_bytes() -> None:
    said = write_ack(Ack(7))
    full = said + b" " * (messages.MAX_ACK_BYTES - len(said))
    assert read_ack(full) == Ack(7)
    assert code_of(lambda: read_ack(full + b" ")) is Code.TOO_LARGE


def test_a_page_of_entries_and_their_origins_has_at_most_its_lines() -> None:
    entries = tuple(Withdraw(1, "j") for _ in range(messages.MAX_PAGE_ENTRIES))
    full = Page(0, entries, 1, False, 0, NONE, (("h",),) * messages.MAX_PAGE_ENTRIES)
    assert len(read_page(write_page(full)).entries) == messages.MAX_PAGE_ENTRIES
    over = replace(full, origins=(*full.origins, ("h",)))
    assert code_of(lambda: read_page(write_page(over))) is Code.TOO_LARGE


@pytest.mark.parametrize("name", ["receipts", "histories", "refused", "want", "reports"])
def test_no_list_of_an_acknowledgement_is_longer_than_its_limit(name: str) -> None:
    one: Any = {
        "receipts": "r", "histories": ["h"], "want": "0" * 64, "reports": "r",
        "refused": {"origin": "o", "rid": "r", "ver": 1, "code": "c"},
    }[name]  # fmt: skip

    def said(count: int) -> bytes:
        whole: Any = loads(write_ack(Ack(7)))
        return dumps({**whole, name: [one] * count})

    read_ack(said(messages.MAX_LISTED))
    assert code_of(lambda: read_ack(said(messages.MAX_LISTED + 1))) is Code.DOCUMENT


# --- signatures -----------------------------------------------------------------------------------------------------


def test_a_signature_header_has_at_most_its_characters() -> None:
    def header(chars: int) -> str:
        start = 'cw=("@method");nonce="'
        return start + "n" * (chars - len(start) - 1) + '"'

    assert len(header(httpsig.MAX_HEADER_CHARS)) == httpsig.MAX_HEADER_CHARS
    assert httpsig.parse_signature_input(header(httpsig.MAX_HEADER_CHARS)).label == "cw"
    too_long = header(httpsig.MAX_HEADER_CHARS + 1)
    assert code_of(lambda: httpsig.parse_signature_input(too_long)) is Code.SIGNATURE_HEADER


# --- histories ------------------------------------------------------------------------------------------------------


def _entry(size: int) -> bytes:
    """A first entry of exactly this length: a member of a later version fills it."""

    def made(fill: int) -> bytes:
        body = NAIROBI.genesis().model_dump(mode="json") | {"later": "x" * fill}
        return jws.sign(jws.Typ.NODE, NAIROBI.identity.kid(NAIROBI.node_id), body, NAIROBI.identity)

    fill = (size - len(made(0))) * 3 // 4
    return next(entry for more in range(-3, 4) if len(entry := made(fill + more)) == size)


def test_an_entry_of_a_history_has_at_most_its_bytes() -> None:
    assert verify_history([_entry(identity.MAX_ENTRY_BYTES)]).node_id == NAIROBI.node_id
    # One more does not exist in base64: lengths of 1 modulo 4 stand for no bytes.
    assert code_of(lambda: verify_history([_entry(identity.MAX_ENTRY_BYTES) + b"A"])) is Code.TOO_LARGE


def test_a_history_has_at_most_its_entries_and_then_fits_into_an_answer() -> None:
    entry = NAIROBI.history()[0]
    assert code_of(lambda: verify_history([entry] * (identity.MAX_HISTORY_ENTRIES + 1))) is Code.TOO_LARGE
    assert code_of(lambda: verify_history([entry] * identity.MAX_HISTORY_ENTRIES)) is Code.SEQUENCE
    body = dumps({"history": ["x" * identity.MAX_ENTRY_BYTES] * identity.MAX_HISTORY_ENTRIES})
    assert len(body) <= client.MAX_NODE_BYTES
    assert identity.MAX_HISTORY_ENTRIES <= messages.MAX_LISTED


@asynccontextmanager
async def _serving(*more: web.RouteDef) -> AsyncIterator[URL]:
    site = web.Application()
    site.router.add_routes(more)
    async with TestServer(site) as server:
        yield server.make_url("")


async def test_a_history_that_is_fetched_has_at_most_its_bytes() -> None:
    said = dumps({"history": [e.decode() for e in NAIROBI.history()]})
    full = said + b" " * (client.MAX_NODE_BYTES - len(said))
    bodies = [full, full + b" "]

    async def node(_request: web.Request) -> web.Response:
        return web.Response(body=bodies.pop(0), content_type="application/json")

    async with _serving(web.get(client.ROOT + "/node", node)) as url, aiohttp.ClientSession() as http:
        assert (await fetch_history(http, str(url))).node_id == NAIROBI.node_id
        with pytest.raises(PeerError) as refused:
            await fetch_history(http, str(url))
    assert refused.value.code is Code.TOO_LARGE


# --- bodies of requests ---------------------------------------------------------------------------------------------


class QuietHost:
    """A host that knows one peer and takes nothing: what is refused for its length never gets to it."""

    def __init__(self) -> None:
        self.signer = Signer(LIMA.node_id, LIMA.req.kid(LIMA.node_id), LIMA.req, lambda: T0, bytes)
        self.authorities: Collection[str] = ()
        self._peer = verify_history(NAIROBI.history())

    async def own_history(self) -> KeyHistory:
        return verify_history(LIMA.history())

    async def history(self, node_id: str) -> KeyHistory | None:
        return self._peer if node_id == NAIROBI.node_id else None

    async def use_nonce(self, node_id: str, nonce: str, expires: int) -> bool:
        return bool(node_id and nonce and expires)

    def new_challenge(self) -> str:
        return "c" * 24

    def is_challenge(self, nonce: str) -> bool:
        return nonce == "c" * 24

    async def misbehaved(self, node_id: str, code: Code) -> None:
        assert node_id == NAIROBI.node_id
        assert code is not Code.TOO_LARGE, "the route's limit comes first"

    async def answer(self, node_id: str, machine: Answer) -> Any:
        raise PeerError(Code.DOCUMENT, "not here")

    async def meet(self, history: KeyHistory, invite: str) -> Mapping[str, Any]:
        raise PeerError(Code.DOCUMENT, "not here")

    async def agree(self, node_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise PeerError(Code.DOCUMENT, "not here")

    async def notice(self, node_id: str, token: str) -> int:
        raise PeerError(Code.DOCUMENT, "not here")

    async def log_shown(self, history: KeyHistory, shown: Shown) -> Shown:
        raise PeerError(Code.DOCUMENT, "not here")

    async def attachment(self, node_id: str, sha256: str) -> Path | None:
        return None


BODIES = [
    ("/feed", messages.MAX_PAGE_BYTES),
    ("/marks", messages.MAX_PAGE_BYTES),
    ("/ack", messages.MAX_ACK_BYTES),
    ("/reconcile/given", negentropy.MAX_MESSAGE_BYTES),
    ("/meet", routes.MAX_SMALL_BYTES),
    ("/agreement", routes.MAX_SMALL_BYTES),
    ("/notice", routes.MAX_SMALL_BYTES),
    ("/checkpoint", witness.MAX_SHOWN_BYTES),
]


@pytest.mark.parametrize(("path", "limit"), BODIES, ids=[path for path, _ in BODIES])
async def test_a_request_is_read_up_to_the_limit_of_its_route_and_no_further(path: str, limit: int) -> None:
    host = QuietHost()
    async with _serving(*routes.federation_routes(host)) as url, aiohttp.ClientSession() as http:
        host.authorities = (f"{url.host}:{url.port}",)
        statuses = []
        for size in (limit, limit + 1):
            body = b" " * size
            stamp = Stamp(NAIROBI.req.kid(NAIROBI.node_id), LIMA.node_id, T0, T0 + 60, f"{size:022d}")
            request = Request("POST", f"{url.host}:{url.port}", client.ROOT + path)
            signed = sign_request(request, hashlib.sha256(body).digest(), stamp, NAIROBI.req, "application/json")
            async with http.post(url.with_path(client.ROOT + path), data=body, headers=signed) as answer:
                statuses.append(answer.status)
    assert statuses == [422, 413]


def test_the_table_above_names_every_route_that_takes_a_body() -> None:
    taking = {r.path for r in routes.federation_routes(QuietHost()) if r.method == "POST"}
    assert taking == {client.ROOT + path.replace("/given", "/{which}") for path, _ in BODIES}


@pytest.mark.parametrize(("late_s", "comes"), [(-0.5, True), (0.5, False)])
def test_a_body_may_come_as_slowly_as_the_slowest_line_and_no_slower(late_s: float, comes: bool) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield b"x" * client.MIN_BYTES_PER_S
        await asyncio.sleep(client.MAX_GRACE_S + 1 + late_s)
        yield b"x"

    async def read() -> bool:
        try:
            return await read_paced(drip(), 4096) is not None
        except TimeoutError:
            return False

    assert allowed_s(client.MIN_BYTES_PER_S) == client.MAX_GRACE_S + 1
    assert run(read()) is comes


@pytest.mark.parametrize(("late_s", "comes"), [(-0.5, True), (0.5, False)])
def test_an_answer_may_begin_after_so_many_seconds_and_no_later(late_s: float, comes: bool) -> None:
    class Body:
        async def __aenter__(self) -> Body:
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

    async def busy() -> Body:
        await asyncio.sleep(client.MAX_HEAD_S + late_s)
        return Body()

    async def ask() -> bool:
        try:
            async with client._opened(busy()):
                return True
        except TimeoutError:
            return False

    assert run(ask()) is comes


# --- reconciliation -------------------------------------------------------------------------------------------------


def test_a_reconciliation_message_has_at_most_its_bytes() -> None:
    empty, ids = (
        b"\x01\x00\x00" * 19,
        32_766,
    )  # ranges with nothing in them, and one list of ids, make exactly this length
    full = b"\x61" + empty + b"\x00\x00\x02" + negentropy._varint(ids) + bytes(ids * negentropy.ID_BYTES)
    assert len(full) == negentropy.MAX_MESSAGE_BYTES
    assert respond(ItemSet([]), full)[0] == 0x61
    assert code_of(lambda: respond(ItemSet([]), full + b"\x00")) is Code.TOO_LARGE


def test_an_order_key_on_the_wire_is_below_two_to_the_31() -> None:
    def skip_to(key: int) -> bytes:
        return b"\x61" + negentropy._varint(key + 1) + b"\x00\x00"

    assert negentropy.MAX_ORDER_KEY == 2**31 - 1
    assert respond(ItemSet([]), skip_to(negentropy.MAX_ORDER_KEY)) == b"\x61"
    assert code_of(lambda: respond(ItemSet([]), skip_to(negentropy.MAX_ORDER_KEY + 1))) is Code.RECONCILE


# --- sessions -------------------------------------------------------------------------------------------------------


def _session(answer: Callable[[Any], Any]) -> None:
    """Drive a session to its end; `answer` says what each effect gives."""
    machine: Session = initiate()
    value: Any = None
    try:
        while True:
            value = answer(machine.send(value))
    except StopIteration:
        return


def _pages(count: int) -> Callable[[Any], Any]:
    """A peer whose feed has so many pages; nothing else happens."""
    cursor = 0

    def answer(effect: Any) -> Any:
        nonlocal cursor
        match effect:
            case Prepare():
                return replace(READY, cursor=cursor)
            case Fetch():
                return Page(cursor, (), cursor + 1, cursor + 1 < count, 0, NONE)
            case Intake():
                cursor += 1
                return Ack(cursor)
            case Outbox():
                return Ack(None)
            case SendAck() | Expect():
                return None
            case _:
                raise AssertionError(f"{effect} is not due")

    return answer


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> int:
    """The limit of pages, lower: a hundred thousand would show the same and take ten seconds."""
    monkeypatch.setattr(exchange, "MAX_PAGES", 50)
    return 50


def test_a_feed_has_at_most_its_pages_in_one_session(most: int) -> None:
    _session(_pages(most))
    assert code_of(lambda: _session(_pages(most + 1))) is Code.SEQUENCE


def _mails(count: int) -> Callable[[Any], Any]:
    """A peer with so many letters, one an answer."""

    def answer(effect: Any) -> Any:
        match effect:
            case Prepare():
                return READY
            case Fetch():
                return Page(5, (), 5, False, 0, NONE, mail=True)
            case Outbox():
                return Ack(None)
            case Collect():
                return Mail(min(effect.after + 1, count), Ack(None))
            case _:
                return None

    return answer


def test_mail_has_at_most_its_answers_in_one_session(most: int) -> None:
    _session(_mails(most - 1))  # and one more answer, which says that it was all
    assert code_of(lambda: _session(_mails(most))) is Code.SEQUENCE


def _differing(times: int) -> Callable[[Any], Any]:
    """A peer that knows other withdrawals so many times, and then the same."""
    left = times

    def answer(effect: Any) -> Any:
        nonlocal left
        match effect:
            case Prepare():
                return READY
            case Fetch():
                left -= 1
                return MarksDiffer() if left >= 0 else Page(5, (), 5, False, 0, NONE)
            case Items():
                return []
            case Reconcile():
                return respond(ItemSet([]), effect.message)
            case MarksOf() | SwapMarks():
                return MarkSwap()
            case TakeMarks():
                return None
            case Outbox():
                return Ack(None)
            case _:
                raise AssertionError(f"{effect} is not due")

    return answer


def test_withdrawals_are_exchanged_so_often_in_one_session_and_no_more() -> None:
    _session(_differing(exchange.MAX_REPAIRS))
    assert code_of(lambda: _session(_differing(exchange.MAX_REPAIRS + 1))) is Code.RECONCILE
