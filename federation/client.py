"""The outgoing edge: signed requests to one peer over HTTP, and the effects of a session that happen there."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from yarl import URL

from federation.effects import (
    Behind,
    Collect,
    CursorUnknown,
    Effect,
    Fetch,
    MarksDiffer,
    MarkSwap,
    Push,
    Reconcile,
    SendAck,
    SwapMarks,
)
from federation.encoding import b64url_encode, dumps
from federation.errors import Code, FederationError, PeerError
from federation.httpsig import Request, Response, Stamp, sign_request, verify_response
from federation.identity import KeyHistory, verify_history
from federation.keys import SigningKey
from federation.messages import (
    MAX_ACK_BYTES,
    MAX_PAGE_BYTES,
    Ack,
    Page,
    hashes_of,
    read_ack,
    read_mail,
    read_object,
    read_page,
    words_of,
    write_ack,
    write_page,
)
from federation.negentropy import MAX_MESSAGE_BYTES
from federation.witness import MAX_SHOWN_BYTES, Shown, read_shown, write_shown

NDJSON: Final = "application/x-ndjson"
JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"
CHALLENGE_HEADER: Final = "commonweave-challenge"
ROOT: Final = "/federation/v1"
SIGNATURE_LIFE_S: Final = 120
NONCE_BYTES: Final = 18
MAX_HEAD_S: Final = 300  # for an answer to begin: a busy node clears its disk first; later than that it is lost
MAX_GRACE_S: Final = 20  # a line that is being set up again
MIN_BYTES_PER_S: Final = 1024  # the slowest line on which people work has 50 kbit/s, six times as much
MAX_NODE_BYTES: Final = 32 * 1024 * 1024  # a history at its own limits


class TransportError(FederationError):
    """The peer was not reached, or the line broke; nothing is known of whether it acted."""


class Rejected(FederationError):
    """The peer answered with a problem; `status` and `problem` are its words."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}")[:500])
        self.status = status
        self.problem = problem


@dataclass
class Signer:
    """Who we are on the line; `now` and `draw` are the clock and the random source. A rotation changes the key."""

    node_id: str
    keyid: str
    key: SigningKey
    now: Callable[[], int]
    draw: Callable[[int], bytes]


@dataclass
class Meter:
    """What a session cost."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass
class Line:
    """A signed line to one peer at one of its addresses."""

    http: aiohttp.ClientSession
    base_url: str
    signer: Signer
    peer: KeyHistory
    meter: Meter = field(default_factory=Meter)
    clock_shift_s: int = 0

    async def perform(self, effect: Effect) -> Any:
        """Do an effect that happens at the peer."""
        match effect:
            case Fetch():
                return await self._fetch(effect)
            case Push():
                return await self._push(effect)
            case SendAck():
                await self.call("POST", "/ack", write_ack(effect.ack), JSON)
                return None
            case Collect():
                return read_mail(await self.call("GET", "/mail", query=f"after={effect.after}"))
            case Reconcile():
                path = f"/reconcile/{effect.which}"
                return await self.call("POST", path, effect.message, BINARY, limit=MAX_MESSAGE_BYTES)
            case SwapMarks():
                body = await self.call("POST", "/marks", write_swap(effect.swap), JSON, limit=MAX_PAGE_BYTES)
                return read_swap(body)
            case _:
                raise TypeError(f"{type(effect).__name__} does not happen at the peer")

    async def show_log(self, shown: Shown) -> Shown | None:
        """Exchange checkpoints of the audit logs; None if the peer is of a version without them."""
        try:
            body = await self.call("POST", "/checkpoint", write_shown(shown), JSON, limit=MAX_SHOWN_BYTES)
        except Rejected as error:
            if error.status in (404, 405):
                return None
            raise
        except PeerError as error:
            if error.code is Code.SIGNATURE_HEADER:  # a path that it does not have is answered without a signature
                return None
            raise
        return read_shown(body)

    async def _fetch(self, effect: Fetch) -> Page | MarksDiffer | CursorUnknown:
        query = f"after={effect.after}&marks={effect.marks.text()}" + ("&begin=1" if effect.begin else "")
        try:
            body = await self.call("GET", "/feed", query=query, limit=MAX_PAGE_BYTES)
        except Rejected as error:
            if _says(error, "marks-differ"):
                return MarksDiffer()
            if _says(error, "cursor-unknown"):
                return CursorUnknown()
            raise
        page = read_page(body)
        if page.after != effect.after:
            raise PeerError(Code.SEQUENCE, "the page continues another cursor than the one asked for")
        return page

    async def _push(self, effect: Push) -> Ack | MarksDiffer | Behind:
        query = f"marks={effect.marks.text()}" + ("&reset=1" if effect.reset else "")
        try:
            body = await self.call("POST", "/feed", write_page(effect.page), NDJSON, query=query)
        except Rejected as error:
            cursor = error.problem.get("cursor")
            if _says(error, "marks-differ"):
                return MarksDiffer()
            if _says(error, "behind") and type(cursor) is int and cursor >= 0:
                return Behind(cursor)
            raise
        return read_ack(body)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str | None = None,
        *,
        query: str = "",
        limit: int = MAX_ACK_BYTES,
    ) -> bytes:
        """A signed request and its verified answer; `Rejected` for a problem, `TransportError` for a broken line."""
        nonce = b64url_encode(self.signer.draw(NONCE_BYTES))
        try:
            return await self._once(method, path, body, content_type, query, limit, nonce)
        except _ClockChallenge as challenge:
            # The peer doubts our clock: its own nonce proves that this request is fresh, whatever our clock says.
            self.clock_shift_s = challenge.shift_s
            return await self._once(method, path, body, content_type, query, limit, challenge.nonce, last=True)

    async def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str | None,
        query: str,
        limit: int,
        nonce: str,
        *,
        last: bool = False,
    ) -> bytes:
        request = self._signed(method, path, query, body, content_type, nonce)
        url = self._url(path, query)
        try:
            asked = self.http.request(method, url, data=body or None, headers=request.headers, allow_redirects=False)
            async with _opened(asked) as answer:
                data = await _read(answer, limit)
                self.meter.requests += 1
                self.meter.bytes_out += len(body)
                self.meter.bytes_in += len(data)
                return self._checked(answer, data, request, last=last)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{self.base_url} was not reached: {error or type(error).__name__}") from error

    def _url(self, path: str, query: str) -> URL:
        text = self.base_url.rstrip("/") + ROOT + path + (f"?{query}" if query else "")
        return URL(text, encoded=True)

    def _signed(self, method: str, path: str, query: str, body: bytes, content_type: str | None, nonce: str) -> Request:
        url = self._url(path, query)
        created = self.signer.now() + self.clock_shift_s
        stamp = Stamp(self.signer.keyid, self.peer.node_id, created, created + SIGNATURE_LIFE_S, nonce)
        request = Request(method, _authority(url), url.raw_path, query)
        digest = hashlib.sha256(body).digest()
        return Request(
            method,
            request.authority,
            request.path,
            query,
            sign_request(request, digest, stamp, self.signer.key, content_type if body else None),
        )

    def _checked(self, answer: aiohttp.ClientResponse, data: bytes, request: Request, *, last: bool) -> bytes:
        headers = {k.lower(): v for k, v in answer.headers.items()}
        if answer.status == 401:
            nonce, date = headers.get(CHALLENGE_HEADER), headers.get("date")
            if nonce and date and not last:  # clocks that agree to the second give a shift of 0
                raise _ClockChallenge(nonce, int(parsedate_to_datetime(date).timestamp()) - self.signer.now())
            raise Rejected(401, {"detail": "the peer does not accept our signature: does it still know us?"})
        verify_response(
            Response(answer.status, headers),
            hashlib.sha256(data).digest(),
            request,
            own_node_id=self.signer.node_id,
            peer_node_id=self.peer.node_id,
            history_of=lambda n: self.peer if n == self.peer.node_id else None,
            now=self.signer.now(),
        )
        if answer.status >= 400:
            raise Rejected(answer.status, _problem(data))
        return data

    @asynccontextmanager
    async def download(self, path: str, start: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Bytes of a file from an offset. The body is checked by its own hashes, so only its head is signed."""
        nonce = b64url_encode(self.signer.draw(NONCE_BYTES))
        request = self._signed("GET", path, "", b"", None, nonce)
        headers = {**request.headers, **({"range": f"bytes={start}-"} if start else {})}
        try:
            asked = self.http.get(self._url(path, ""), headers=headers, allow_redirects=False)
            async with _opened(asked) as answer:
                self.meter.requests += 1
                if answer.status not in (200, 206) or (start and answer.status != 206):
                    raise Rejected(answer.status, _problem(await _read(answer, MAX_ACK_BYTES)))
                yield self._metered(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{self.base_url} broke off: {error or type(error).__name__}") from error

    async def _metered(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        start, received = loop.time(), 0
        async for chunk in answer.content.iter_any():
            received += len(chunk)
            self.meter.bytes_in += len(chunk)
            if loop.time() > start + allowed_s(received):
                raise TimeoutError("the file comes too slowly")
            yield chunk


class _ClockChallenge(Exception):
    def __init__(self, nonce: str, shift_s: int) -> None:
        super().__init__("clock challenge")
        self.nonce = nonce
        self.shift_s = shift_s


def _authority(url: URL) -> str:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.host_subcomponent or "" if url.port == default else f"{url.host_subcomponent}:{url.port}"


@asynccontextmanager
async def _opened(asked: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer once it begins; leaving closes it, whatever of it is still to come."""
    async with asyncio.timeout(MAX_HEAD_S):
        answer: aiohttp.ClientResponse = await asked
    async with answer:
        yield answer


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    try:
        data = await read_paced(answer.content.iter_any(), limit)
    except TimeoutError:
        raise TimeoutError("the answer comes too slowly") from None
    if data is None:
        raise PeerError(Code.TOO_LARGE, f"an answer of more than {limit} bytes")
    return data


async def read_paced(chunks: AsyncIterable[bytes], limit: int) -> bytes | None:
    """A body that comes from the network, None if it is longer than the limit; `TimeoutError` if it dawdles."""
    start, data = asyncio.get_running_loop().time(), bytearray()
    async with asyncio.timeout_at(start + allowed_s(0)) as patience:
        async for chunk in chunks:
            data += chunk
            if len(data) > limit:
                return None
            patience.reschedule(start + allowed_s(len(data)))
    return bytes(data)


def allowed_s(received: int) -> float:
    """How long a body may have taken of which so many bytes are here: nobody is held up by a drip."""
    return MAX_GRACE_S + received / MIN_BYTES_PER_S


def _problem(data: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(data)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _says(error: Rejected, kind: str) -> bool:
    return error.status == 409 and str(error.problem.get("type", "")).rpartition("/")[2] == kind


def write_swap(swap: MarkSwap) -> bytes:
    """The JSON of a swap of withdrawals."""
    return dumps(
        {
            "tokens": list(swap.tokens),
            "histories": [list(h) for h in swap.histories],
            "want": [w.hex() for w in swap.want],
        }
    )


def read_swap(data: bytes) -> MarkSwap:
    """A swap from its JSON; `PeerError` if it is anything else."""
    body = read_object(data, MAX_PAGE_BYTES)
    histories = body.get("histories", [])
    if not isinstance(histories, list):
        raise PeerError(Code.DOCUMENT, "histories is a list")
    chains = tuple(words_of({"h": h}, "h") for h in histories)
    return MarkSwap(words_of(body, "tokens"), chains, hashes_of(body, "want"))


async def fetch_history(http: aiohttp.ClientSession, base_url: str) -> KeyHistory:
    """The identity history a node serves to everybody; it proves itself by its own chain."""
    try:
        async with _opened(http.get(base_url.rstrip("/") + ROOT + "/node", allow_redirects=False)) as answer:
            if answer.status != 200:
                raise Rejected(answer.status, {"detail": f"{base_url} does not answer as a Commonweave node"})
            data = await _read(answer, MAX_NODE_BYTES)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransportError(f"{base_url} was not reached: {error or type(error).__name__}") from error
    body = read_object(data, MAX_NODE_BYTES)
    return verify_history([e.encode("ascii", "replace") for e in words_of(body, "history")])
