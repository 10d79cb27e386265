"""The incoming edge: a request's signature is verified, its body read, its nonce stored; then the machine answers.

Unknown key, bad signature, replayed nonce: all get the same 401. The host is whoever runs the node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from federation.client import (
    BINARY,
    CHALLENGE_HEADER,
    JSON,
    NDJSON,
    ROOT,
    SIGNATURE_LIFE_S,
    Signer,
    read_paced,
    read_swap,
    write_swap,
)
from federation.effects import Behind, CursorUnknown, MarksDiffer, Which
from federation.encoding import dumps
from federation.errors import Code, PeerError
from federation.exchange import (
    Answer,
    answer_ack,
    answer_collect,
    answer_fetch,
    answer_push,
    answer_reconcile,
    answer_swap,
)
from federation.httpsig import (
    Request,
    Response,
    Stamp,
    check_content_digest,
    parse_signature_input,
    sign_response,
    stated_digest,
    verify_request,
)
from federation.identity import KeyHistory, verify_history
from federation.keys import split_kid
from federation.messages import (
    MAX_ACK_BYTES,
    MAX_PAGE_BYTES,
    Ack,
    Mail,
    Marks,
    Page,
    read_ack,
    read_object,
    read_page,
    words_of,
    write_ack,
    write_mail,
    write_page,
)
from federation.negentropy import MAX_MESSAGE_BYTES
from federation.witness import MAX_SHOWN_BYTES, Shown, read_shown, write_shown

PROBLEM: Final = "application/problem+json"
MAX_SMALL_BYTES: Final = 1024 * 1024
Responder = Callable[["Caller", web.Request, bytes], Awaitable[tuple[int, bytes, str | None]]]


class Declined(PeerError):
    """What was sent holds, and is not taken now; nobody is to blame."""


class Host(Protocol):
    """What the routes ask of the node."""

    @property
    def signer(self) -> Signer: ...

    @property
    def authorities(self) -> Collection[str]: ...

    async def own_history(self) -> KeyHistory: ...

    async def history(self, node_id: str) -> KeyHistory | None:
        """The history of a peer; None for anybody else."""

    async def use_nonce(self, node_id: str, nonce: str, expires: int) -> bool:
        """Store a nonce; False if it was used before."""

    def new_challenge(self) -> str: ...

    def is_challenge(self, nonce: str) -> bool: ...

    async def misbehaved(self, node_id: str, code: Code) -> None:
        """A peer has signed something that does not hold."""

    async def answer(self, node_id: str, machine: Answer) -> Any:
        """Drive the machine for this peer."""

    async def meet(self, history: KeyHistory, invite: str) -> Mapping[str, Any]:
        """A stranger accepts an invite."""

    async def agree(self, node_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]: ...

    async def notice(self, node_id: str, token: str) -> int:
        """Take a notice; the highest number taken before it."""

    async def log_shown(self, history: KeyHistory, shown: Shown) -> Shown:
        """A peer shows its audit log and is shown ours."""

    async def attachment(self, node_id: str, sha256: str) -> Path | None:
        """A file that this peer may have, else None."""


@dataclass(frozen=True)
class Caller:
    """Whoever signed the request."""

    node_id: str
    history: KeyHistory
    host: Host


def federation_routes(host: Host) -> list[web.RouteDef]:
    """Everything under `/federation/v1`."""

    def signed(responder: Responder, limit: int, *, stranger: bool = False) -> Callable[..., Any]:
        return _Endpoint(host, responder, limit, stranger).handle

    return [
        web.get(ROOT + "/node", lambda r: _node(host, r)),
        web.get(ROOT + "/feed", signed(_feed, 0)),
        web.post(ROOT + "/feed", signed(_push, MAX_PAGE_BYTES)),
        web.post(ROOT + "/ack", signed(_ack, MAX_ACK_BYTES)),
        web.get(ROOT + "/mail", signed(_mail, 0)),
        web.post(ROOT + "/reconcile/{which}", signed(_reconcile, MAX_MESSAGE_BYTES)),
        web.post(ROOT + "/marks", signed(_marks, MAX_PAGE_BYTES)),
        web.post(ROOT + "/meet", signed(_meet, MAX_SMALL_BYTES, stranger=True)),
        web.post(ROOT + "/agreement", signed(_agreement, MAX_SMALL_BYTES)),
        web.post(ROOT + "/notice", signed(_notice, MAX_SMALL_BYTES)),
        web.post(ROOT + "/checkpoint", signed(_checkpoint, MAX_SHOWN_BYTES)),
        web.get(ROOT + "/attachments/{sha256}", _Files(host).handle),
    ]


async def _node(host: Host, _request: web.Request) -> web.Response:
    history = await host.own_history()
    body = dumps({"history": [e.decode("ascii") for e in history.entries]})
    return web.Response(body=body, content_type=JSON)


class _Unauthorised(Exception):
    pass


@dataclass(frozen=True)
class _Endpoint:
    """A signed operation: verify, remember the nonce, answer, sign the answer."""

    host: Host
    responder: Responder
    limit: int
    stranger: bool = False

    async def handle(self, request: web.Request) -> web.Response:
        if "content-encoding" in request.headers:
            return _plain(415, "bodies come as they are, not compressed")
        try:
            # A stranger's history is in the body; of anybody else nothing is read before the signature holds.
            early = None if self.stranger else await self._verify(request)
            body = await read_paced(request.content.iter_any(), self.limit)
            if body is None:
                return _plain(413, f"a body of at most {self.limit} bytes belongs here")
            caller, signed, nonce_until = early or await self._verify(request, body)
            check_content_digest(signed.headers, hashlib.sha256(body).digest())
            await self._use_nonce(caller, signed, nonce_until)
        except TimeoutError:
            return _plain(408, "the body comes too slowly")
        except (_Unauthorised, PeerError):
            return unauthorised(self.host)
        try:
            status, answer, content_type = await self.responder(caller, request, body)
        except PeerError as error:
            status, answer, content_type = 422, problem(422, error.code, str(error)), PROBLEM
            if not isinstance(error, Declined):
                await self.host.misbehaved(caller.node_id, error.code)
        return self._signed(status, answer, content_type, signed, caller.node_id)

    async def _verify(self, request: web.Request, body: bytes | None = None) -> tuple[Caller, Request, int]:
        """Who signed it, the request as it was signed, and how long its nonce must be remembered."""
        signed = _as_signed(request)
        keyid = str(parse_signature_input(signed.headers.get("signature-input", "")).params.get("keyid", ""))
        history = await self.host.history(split_kid(keyid)[0])
        if history is None and body is not None:
            history = verify_history([e.encode("ascii", "replace") for e in words_of(read_object(body), "history")])
        if history is None:
            raise _Unauthorised
        verified = verify_request(
            signed,
            stated_digest(signed.headers),
            own_authorities=self.host.authorities,
            own_node_id=self.host.signer.node_id,
            history_of=lambda n: history if n == history.node_id else None,
            now=self.host.signer.now(),
            is_challenge=self.host.is_challenge,
        )
        # A challenge lets any clock through, so the nonce must outlive the challenge, not the request.
        keep_until = max(verified.expires, self.host.signer.now()) + SIGNATURE_LIFE_S * 3
        return Caller(verified.node_id, history, self.host), signed, keep_until

    async def _use_nonce(self, caller: Caller, signed: Request, keep_until: int) -> None:
        nonce = str(parse_signature_input(signed.headers["signature-input"]).params["nonce"])
        if not await self.host.use_nonce(caller.node_id, nonce, keep_until):
            raise _Unauthorised

    def _signed(self, status: int, body: bytes, content_type: str | None, request: Request, to: str) -> web.Response:
        signer = self.host.signer
        now = signer.now()
        stamp = Stamp(signer.keyid, to, now, now + SIGNATURE_LIFE_S)
        digest = hashlib.sha256(body).digest()
        headers = sign_response(Response(status), digest, request, stamp, signer.key, content_type)
        return web.Response(status=status, body=body, headers=headers)


@dataclass(frozen=True)
class _Files:
    """Attachments: signed requests; the answer is a file, whose bytes the receiver checks by its own hashes."""

    host: Host

    async def handle(self, request: web.Request) -> web.StreamResponse:
        endpoint = _Endpoint(self.host, _ack, 0)
        try:
            caller, signed, nonce_until = await endpoint._verify(request)
            check_content_digest(signed.headers, hashlib.sha256(b"").digest())
            await endpoint._use_nonce(caller, signed, nonce_until)
        except (_Unauthorised, PeerError):
            return unauthorised(self.host)
        path = await self.host.attachment(caller.node_id, request.match_info["sha256"])
        if path is None:
            return _plain(404, "no such file for this peer")
        return web.FileResponse(path, headers={"content-type": BINARY})


def unauthorised(host: Host) -> web.Response:
    """The one 401: it never says what was wrong, and offers a challenge to a node whose clock is off."""
    answer = _plain(401, "the request is not signed by a peer of this node")
    answer.headers[CHALLENGE_HEADER] = host.new_challenge()
    return answer


def _as_signed(request: web.Request) -> Request:
    headers = {k.lower(): v for k, v in request.headers.items()}
    path, _, query = request.raw_path.partition("?")
    return Request(request.method, request.host, path, query, headers)


def _plain(status: int, detail: str) -> web.Response:
    return web.Response(status=status, body=problem(status, "refused", detail), content_type=PROBLEM)


def problem(status: int, kind: str, detail: str, **more: Any) -> bytes:
    """A problem document (RFC 9457)."""
    return dumps({"type": f"urn:commonweave:problem/{kind}", "status": status, "detail": detail, **more})


def _result(value: object) -> tuple[int, bytes, str | None]:
    match value:
        case Page():
            return 200, write_page(value), NDJSON
        case Ack():
            return 200, write_ack(value), JSON
        case Mail():
            return 200, write_mail(value), JSON
        case MarksDiffer():
            return 409, problem(409, "marks-differ", "exchange withdrawals first"), PROBLEM
        case CursorUnknown():
            return 409, problem(409, "cursor-unknown", "begin this feed again from 0"), PROBLEM
        case Behind():
            return 409, problem(409, "behind", "continue from this cursor", cursor=value.cursor), PROBLEM
        case bytes():
            return 200, value, BINARY if value else None
        case _:
            return 200, b"{}", JSON


def _marks_of(request: web.Request) -> Marks:
    return Marks.parse(request.query.get("marks", ""))


async def _feed(caller: Caller, request: web.Request, _body: bytes) -> tuple[int, bytes, str | None]:
    machine = answer_fetch(_after(request), _marks_of(request), begin=request.query.get("begin") == "1")
    return _result(await caller.host.answer(caller.node_id, machine))


async def _mail(caller: Caller, request: web.Request, _body: bytes) -> tuple[int, bytes, str | None]:
    return _result(await caller.host.answer(caller.node_id, answer_collect(_after(request))))


def _after(request: web.Request) -> int:
    after = request.query.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        raise PeerError(Code.SEQUENCE, "after is a number")
    return int(after)


async def _push(caller: Caller, request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    machine = answer_push(read_page(body), _marks_of(request), reset=request.query.get("reset") == "1")
    return _result(await caller.host.answer(caller.node_id, machine))


async def _ack(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    return _result(await caller.host.answer(caller.node_id, answer_ack(read_ack(body))))


async def _reconcile(caller: Caller, request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    name = request.match_info["which"]
    if name not in tuple(Which):
        raise PeerError(Code.RECONCILE, f"there is no set {name[:20]!r}")
    return _result(await caller.host.answer(caller.node_id, answer_reconcile(Which(name), body)))


async def _marks(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    swap = await caller.host.answer(caller.node_id, answer_swap(read_swap(body)))
    return 200, write_swap(swap), JSON


async def _meet(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    invite = str(read_object(body).get("invite", ""))
    return 200, dumps(dict(await caller.host.meet(caller.history, invite))), JSON


async def _agreement(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    return 200, dumps(dict(await caller.host.agree(caller.node_id, read_object(body)))), JSON


async def _notice(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    before = await caller.host.notice(caller.node_id, str(read_object(body).get("notice", "")))
    return 200, dumps({"before": before}), JSON


async def _checkpoint(caller: Caller, _request: web.Request, body: bytes) -> tuple[int, bytes, str | None]:
    return 200, write_shown(await caller.host.log_shown(caller.history, read_shown(body))), JSON
