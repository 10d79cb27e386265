"""An API operation is a typed function; its signature is the contract that routes and OpenAPI are both read from.

Parameters: `app`, `who`, one `str` for each name in the path, `query` and `body` as Pydantic models, `text`, `chunks`
or `lines` for other bodies. The return annotation is the answer; its first docstring line is the summary.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, get_args, get_origin, get_type_hints

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from node.principal import Principal
from node.stewards import Pending
from node.web.downloads import FileAnswer, file_response
from node.web.keys import APP, NO_ETAG, OPTIONS, REQUEST_ID, WHO
from node.web.options import BODY_TIMEOUT_S, MAX_JSON_BYTES
from node.web.problems import LOG, Problem, bad_members, problem_of, sign_in

NDJSON: Final = "application/x-ndjson"
PREFIX: Final = "/api/v1"
MAX_LINES_WITHOUT_PAUSE: Final = 64  # an import must let other requests in
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_NO_CONTENT: Final = 204


@dataclass(frozen=True)
class Operation:
    """One row of the API's table."""

    method: str
    path: str
    scope: str
    handler: Callable[..., Any]
    status: int = 200

    @property
    def name(self) -> str:
        """The operationId."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """One line for people."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]

    @property
    def in_path(self) -> list[str]:
        """Names in the path."""
        return _IN_PATH.findall(self.path)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """Types of the handler's parameters, and `return`."""
        return get_type_hints(self.handler)

    @property
    def query(self) -> type[BaseModel] | None:
        """The model of the query string."""
        return self.hints.get("query")

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of a JSON body."""
        return self.hints.get("body")

    @property
    def raw_body(self) -> str | None:
        """The media type of a body that is not JSON."""
        kinds = {"text": "text/plain", "chunks": "application/octet-stream", "lines": NDJSON}
        return next((media for name, media in kinds.items() if name in self.hints), None)

    @property
    def answer(self) -> Any:
        """The type of the answer, or of one line of it where it is streamed; None for no content."""
        answer = self.hints["return"]
        return get_args(answer)[0] if self.streams else (None if answer is type(None) else answer)

    @property
    def streams(self) -> bool:
        """True if the answer is NDJSON."""
        return get_origin(self.hints["return"]) is AsyncIterator

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Writes the answer as JSON."""
        return TypeAdapter(self.answer)

    @cached_property
    def body_adapter(self) -> TypeAdapter[Any]:
        """Describes the JSON body."""
        assert self.body is not None
        return TypeAdapter(self.body)


def mount(router: web.UrlDispatcher, operations: Sequence[Operation]) -> None:
    """Add a route for each operation."""
    for operation in operations:
        router.add_route(operation.method, PREFIX + operation.path, _endpoint(operation))
        if operation.method == "GET":
            router.add_route("HEAD", PREFIX + operation.path, _endpoint(operation))


def _endpoint(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        allow(request[WHO], operation.scope)
        arguments = await _arguments(operation, request)
        result = operation.handler(**arguments)
        if operation.streams:
            return await _stream(operation, request, result)
        try:
            return _answer(operation, request, await result)
        except Pending as pending:  # not done and not refused: the other stewards have to say yes
            text = pending.view.model_dump_json()
            return web.Response(text=text, status=pending.status, content_type="application/json")

    return endpoint


def allow(who: Principal, scope: str) -> None:
    """401 for somebody we do not know, 403 for one we do, unless the scope is there."""
    if who.may(scope):
        return
    if not who.known:
        raise sign_in("This needs an account of this node; send a token, or sign in.")
    raise Problem(
        403, "not-allowed", f"Your token or role lacks the scope {str(scope)!r}; ask a steward for one that has it."
    )


async def _arguments(operation: Operation, request: web.Request) -> dict[str, Any]:
    out: dict[str, Any] = {"app": request.app[APP], "who": request[WHO]}
    out |= {name: request.match_info[name] for name in operation.in_path}
    if operation.query is not None:
        out["query"] = read_query(operation.query, request)
    if operation.body is not None:
        out["body"] = read_model(operation.body, await _whole(request, operation), "the body")
    if "text" in operation.hints:
        out["text"] = (await _whole(request, operation)).decode("utf-8", "replace")
    if "chunks" in operation.hints:
        out["chunks"] = _chunks(request, request.app[OPTIONS].max_upload_bytes)
    if "lines" in operation.hints:
        out["lines"] = _lines(request)
    return {name: out[name] for name in out if name in inspect.signature(operation.handler).parameters}


def read_query(model: type[BaseModel], request: web.Request) -> BaseModel:
    """The query string as its model; a member that is a list may be repeated."""
    many = {n for n, f in model.model_fields.items() if get_origin(f.annotation) in (list, tuple)}
    values: dict[str, Any] = {}
    for name in request.query:
        given = request.query.getall(name)
        if name not in many and len(given) > 1:
            raise Problem(422, "bad-input", f"The query: {name}: given {len(given)} times; give it once.")
        if any("\0" in value for value in given):
            raise Problem(422, "bad-input", f"The query: {name}: it holds a NUL character; leave it out.")
        values[name] = given if name in many else given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise bad_members(error, "the query") from None


def read_model(model: type[BaseModel], body: bytes, where: str) -> BaseModel:
    """A JSON text as its model, or 422 that names the member."""
    try:
        read = model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise bad_members(error, where) from None
    # An escaped backslash before it looks the same; only then is it worth a walk.
    if b"\\u0000" in body and (member := _with_nul(json.loads(body))) is not None:
        raise Problem(422, "bad-input", f"{where}: {member or 'a text'}: it holds a NUL character; leave it out.")
    return read


def _with_nul(value: Any, at: str = "") -> str | None:
    """Where a text with the one character stands that no database keeps; None where there is none."""
    if isinstance(value, str):
        return at if "\0" in value else None
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in named:
        found = str(name) if "\0" in str(name) else _with_nul(inner, f"{at}.{name}" if at else str(name))
        if found is not None:
            return found.replace("\0", "")
    return None


async def _whole(request: web.Request, operation: Operation) -> bytes:
    if operation.body is not None and request.can_read_body and request.content_type not in _JSON_TYPES:
        raise Problem(415, "media-type", f"The body is {request.content_type}; send application/json.")
    async with asyncio.timeout(BODY_TIMEOUT_S):
        return await request.read()


# aiohttp says octet-stream where no type was sent; a form of another site can send neither of these.
_JSON_TYPES: Final = frozenset({"application/json", "application/octet-stream"})


async def _chunks(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    got = 0
    async for chunk in request.content.iter_chunked(1 << 16):
        got += len(chunk)
        if got > limit:
            raise Problem(413, "too-large", f"A file here has at most {limit} bytes; make it smaller or split it.")
        yield chunk


async def _lines(request: web.Request) -> AsyncIterator[bytes]:
    kept = bytearray()
    count = 0
    async for chunk in request.content.iter_any():
        kept += chunk
        *whole, rest = kept.split(b"\n")
        kept = bytearray(rest)
        if len(kept) > MAX_JSON_BYTES:
            raise Problem(413, "too-large", f"A line has at most {MAX_JSON_BYTES} bytes; split it.")
        for line in whole:
            count += 1
            if count % MAX_LINES_WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)
            yield bytes(line)
    if kept.strip():
        yield bytes(kept)


def _answer(operation: Operation, request: web.Request, result: Any) -> web.StreamResponse:
    if isinstance(result, FileAnswer):
        request[NO_ETAG] = True
        return file_response(result)
    if operation.answer is None:
        return web.Response(status=_NO_CONTENT)
    if operation.answer is str:
        return web.Response(text=result, status=operation.status)
    body = operation.adapter.dump_json(result)
    return web.Response(body=body, status=operation.status, content_type="application/json", charset="utf-8")


async def _stream(operation: Operation, request: web.Request, items: AsyncIterator[Any]) -> web.StreamResponse:
    """NDJSON; what fails before the first line is a plain problem, later it is the last line, as `problem`."""
    first = await anext(items, None)
    request[NO_ETAG] = True
    response = web.StreamResponse(status=operation.status, headers={"Content-Type": NDJSON})
    await response.prepare(request)
    try:
        if first is not None:
            await response.write(operation.adapter.dump_json(first) + b"\n")
        async for item in items:
            await response.write(operation.adapter.dump_json(item) + b"\n")
    except ConnectionError:
        raise
    except Exception as error:
        await response.write(_last_line(operation, error, request))
    await response.write_eof()
    return response


def _last_line(operation: Operation, error: Exception, request: web.Request) -> bytes:
    request_id = request[REQUEST_ID]
    problem = problem_of(error, request[WHO], request_id)
    if problem.status >= 500:
        LOG.error("%s broke off, %s", operation.name, request_id, exc_info=error)
    return json.dumps({"problem": problem.document(f"urn:commonweave:request:{request_id}")}).encode() + b"\n"
