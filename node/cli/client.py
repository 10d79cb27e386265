"""A synchronous client of the HTTP API over a unix socket: what every command talks through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError

from node.cli.session import Failure
from node.errors import BadInput, NodeError, NotAllowed, NotFound, NotNow, PeerTrouble, StartError
from node.proposal_views import ProposalView
from node.stewards import Pending

T = TypeVar("T")

BASE: Final = "http://commonweave"  # a name for the Host header; the socket decides where it goes
MAX_LINE_BYTES: Final = 64 * 1024 * 1024  # a line of progress may list many problems
_OUR_ERRORS: Final = (NotFound, BadInput, NotAllowed, NotNow, PeerTrouble, StartError, NodeError)
_BY_STATUS: Final[Mapping[int, int]] = {e.status: e.exit_code for e in _OUR_ERRORS} | {
    400: BadInput.exit_code,
    401: NotAllowed.exit_code,
    413: BadInput.exit_code,
    415: BadInput.exit_code,
    429: NotNow.exit_code,
    507: StartError.exit_code,
}
Params = Mapping[str, Any]


class Api:
    """Calls of one command. Holds the event loop, so that a node opened for this command runs while it waits."""

    def __init__(self, runner: asyncio.Runner, http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self._runner = runner
        self._http = http
        self._stack = stack

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def get(self, model: Any, path: str, **params: Any) -> Any:
        """The answer as `model`, any type that Pydantic reads."""
        return self._typed(model, "GET", path, params, None)

    def post(self, model: Any, path: str, body: Any = None, **params: Any) -> Any:
        """Start something; the answer as `model`."""
        return self._typed(model, "POST", path, params, {} if body is None else body)

    def put(self, model: Any, path: str, body: Any) -> Any:
        """Replace something; the answer as `model`."""
        return self._typed(model, "PUT", path, {}, body)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._runner.run(self._call("DELETE", path, {}))

    def text(self, path: str, **params: Any) -> str:
        """A plain text."""
        return self._runner.run(self._call("GET", path, params)).decode()

    def post_text(self, model: Any, path: str, text: str) -> Any:
        """Send a plain text; the answer as `model`."""
        raw = self._runner.run(self._call("POST", path, {}, data=text.encode(), media_type="text/plain"))
        return _read(model, raw)

    def upload(self, model: Any, path: str, chunks: Iterable[bytes], **params: Any) -> Any:
        """Send bytes as they come; the answer as `model`."""
        raw = self._runner.run(
            self._call("POST", path, params, data=_feed(chunks), media_type="application/octet-stream")
        )
        return _read(model, raw)

    def told(self, model: Any, path: str, body: Any) -> Iterator[Any]:
        """Start something long with a JSON body; its progress line by line."""
        data = json.dumps(body).encode()
        for raw in self._each(self._lines(path, {}, [data], "application/json")):
            yield _read(model, raw)

    def lines(self, model: Any, path: str, lines: Iterable[bytes] | None = None, **params: Any) -> Iterator[Any]:
        """Start something long; its progress line by line. `lines` are sent while answers come back."""
        for raw in self.raw_lines(path, lines, **params):
            yield _read(model, raw)

    def raw_lines(self, path: str, lines: Iterable[bytes] | None = None, **params: Any) -> Iterator[bytes]:
        """The same as the lines come, for what is kept and not read."""
        return self._each(self._lines(path, params, lines))

    def _each(self, stream: AsyncIterator[bytes]) -> Iterator[bytes]:
        while True:
            try:
                yield self._runner.run(_next(stream))
            except StopAsyncIteration:
                return

    def _typed(self, model: Any, method: str, path: str, params: Params, body: Any) -> Any:
        return _read(model, self._runner.run(self._call(method, path, params, body)))

    async def _call(
        self, method: str, path: str, params: Params, body: Any = None, data: Any = None, media_type: str = ""
    ) -> bytes:
        headers = {"Content-Type": media_type} if media_type else {}
        try:
            async with self._http.request(
                method, f"/api/v1{path}", params=_query(params), json=body, data=data, headers=headers
            ) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _gone(error) from error
        if answer.status >= 400:
            raise _failure(answer.status, raw)
        if answer.status == Pending.status:
            raise Pending(TypeAdapter(ProposalView).validate_json(raw))
        return raw

    async def _lines(
        self, path: str, params: Params, lines: Iterable[bytes] | None, media_type: str = "application/x-ndjson"
    ) -> AsyncIterator[bytes]:
        data = None if lines is None else _feed(lines)
        headers = {} if lines is None else {"Content-Type": media_type}
        try:
            async with self._http.post(f"/api/v1{path}", params=_query(params), data=data, headers=headers) as answer:
                if answer.status >= 400:
                    raise _failure(answer.status, await answer.read())
                while line := await answer.content.readline():
                    if line.startswith(b'{"problem"'):
                        problem = json.loads(line)["problem"]
                        raise _failure(int(problem["status"]), json.dumps(problem).encode())
                    yield line
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _gone(error) from error


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    return await anext(stream)


async def _feed(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)  # reading the source is not asynchronous; let the answers in between


def segment(reference: str) -> str:
    """A name or id inside a path; names may hold slashes, question marks and spaces."""
    if reference.strip() in ("", ".", ".."):
        raise BadInput(f"{reference!r} names nothing: give a name or an id")
    return quote(reference, safe="")


def _query(params: Params) -> list[tuple[str, str]]:
    """What was given; lists are repeated, truth is written as JSON writes it."""
    out: list[tuple[str, str]] = []
    for name, value in params.items():
        given = value if isinstance(value, list | tuple) else [value]
        out += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in given if one is not None]
    return out


def _read(model: Any, raw: bytes) -> Any:
    try:
        return TypeAdapter(model).validate_json(raw)
    except ValidationError as error:
        message = "the node answered in a form this command does not know: is it of another version?"
        raise Failure(message, NodeError.exit_code) from error


def _failure(status: int, raw: bytes) -> Failure:
    try:
        problem = json.loads(raw)
        detail, kind = _for_people(str(problem["detail"])), str(problem.get("type", ""))
    except (ValueError, KeyError, TypeError):
        detail, kind = f"the node answered {status}", ""
    return Failure(detail, _BY_STATUS.get(status, NodeError.exit_code), kind)


def _for_people(detail: str) -> str:
    """An answer of the API without what only concerns programs."""
    return detail.removeprefix("the body: ").removesuffix("; see /api/v1/openapi.json")


def _gone(error: Exception) -> Failure:
    return Failure(
        f"the node stopped answering ({type(error).__name__}): look at its log, then try again", StartError.exit_code
    )
