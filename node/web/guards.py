"""What wraps every request: who asks, errors as answers, security headers, caching, and a log without people in it."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node.principal import ANYBODY, LOCAL, Principal
from node.web.auth import principal_of
from node.web.keys import APP, NO_ETAG, REQUEST_ID, WHO
from node.web.metrics import METRICS
from node.web.problems import LOG, problem_of
from node.web.texts import accepted

ErrorPage = Callable[[web.Request, Any], Awaitable[web.Response]]

# Nothing is loaded from elsewhere, nothing runs: pages have no script, and styles come from one file of ours.
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FILE_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
REQUEST_ID_BYTES: Final = 5  # 8 letters, enough to find one line in a log


def log_and_count(now_s: Callable[[], float]) -> Middleware:
    """Method, route, status and time. Never the path's values, the query, the address or the account."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = now_s()
        drawn = request.app[APP].entropy.draw(REQUEST_ID_BYTES)
        request[REQUEST_ID] = b32encode(drawn).decode().lower()
        route, status = route_of(request), 499
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            took_s = now_s() - started
            request.app[METRICS].answered(request.method, route, status, took_s)
            LOG.info("%s %s %d %.1f ms %s", request.method, route, status, took_s * 1000, request[REQUEST_ID])

    return middleware


def route_of(request: web.Request) -> str:
    """The route's template, so that no id of a record or account gets into logs and metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def is_federation(request: web.Request) -> bool:
    """True for what nodes say to one another."""
    return request.path.startswith("/federation/")


def errors(page: ErrorPage | None) -> Middleware:
    """Every exception becomes a problem; for a reader's browser a page."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            if isinstance(error, web.HTTPException) and error.status < 400:
                raise
            problem = problem_of(error, request.get(WHO), request[REQUEST_ID])
            if problem.status >= 500:
                LOG.error("%s failed, %s", route_of(request), request[REQUEST_ID], exc_info=error)
            if page is not None and wants_page(request):
                return await page(request, problem)
            return problem.response(f"urn:commonweave:request:{request[REQUEST_ID]}")

    return middleware


def wants_page(request: web.Request) -> bool:
    """True for a browser outside the API."""
    machine = request.path.startswith(("/api/", "/federation/", "/nodeinfo/", "/.well-known/"))
    return not machine and "text/html" in request.headers.get("Accept", "")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Runs just before an answer goes out, streamed ones and errors too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    html = response.content_type == "text/html"
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY if html else FILE_POLICY)
    if "Cache-Control" not in response.headers:
        public = not request.get(WHO, ANYBODY).known and response.status < 400
        # What the public may see can be withdrawn in a moment: it may be kept, never used unasked.
        response.headers["Cache-Control"] = "no-cache" if public else "no-store"
    response.headers.setdefault("Vary", "Accept-Language, Authorization, Cookie")
    response.headers["Server"] = "commonweave"


def identify(fixed: Principal | None) -> Middleware:
    """Put the one who asks on the request. `fixed` is for the unix socket: whoever can open it owns the node.

    A token on the socket narrows that to its account: so a steward votes as themselves.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_federation(request):  # nodes prove themselves by signature, in their own routes
            return await handler(request)
        own = fixed is LOCAL and "Authorization" not in request.headers
        who = LOCAL if own else await principal_of(request)
        langs = accepted(request.headers.get("Accept-Language", ""))
        request[WHO] = replace(who, langs=langs) if langs else who
        return await handler(request)

    return middleware


@web.middleware
async def etag(request: web.Request, handler: Handler) -> web.StreamResponse:
    """304 for a whole answer that the caller has already: on a thin line that is the page."""
    response = await handler(request)
    if is_federation(request):  # signed with a digest over the bytes as sent: they stay as they are
        return response
    whole = isinstance(response, web.Response) and isinstance(response.body, bytes) and not response.prepared
    if request.method not in ("GET", "HEAD") or response.status != 200 or not whole or request.get(NO_ETAG):
        return response
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    tag = hashlib.sha256(response.body).hexdigest()[:32]
    response.headers["ETag"] = f'W/"{tag}"'
    if any(seen.value in (tag, "*") for seen in request.if_none_match or ()):
        return web.Response(status=304, headers={"ETag": f'W/"{tag}"'})
    response.enable_compression()
    return response
