"""The web applications: one for everybody on the network, one for the owner of the data folder on a unix socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from node.principal import LOCAL, Principal
from node.web import (
    account_pages,
    api_accounts,
    api_audit,
    api_contributors,
    api_holds,
    api_node,
    api_preview,
    api_proposals,
    api_records,
    api_reports,
    api_words,
    contributor_pages,
    nodeinfo,
    operations,
    pages,
)
from node.web.guards import ErrorPage, add_headers, errors, etag, identify, log_and_count
from node.web.keys import APP, OPTIONS
from node.web.metrics import METRICS, Metrics, metrics
from node.web.openapi import document
from node.web.options import MAX_JSON_BYTES, WebOptions
from node.web.ports import AppPort

OPERATIONS: Final = (
    *api_records.OPERATIONS,
    *api_contributors.OPERATIONS,
    *api_node.OPERATIONS,
    *api_preview.OPERATIONS,
    *api_words.OPERATIONS,
    *api_accounts.OPERATIONS,
    *api_proposals.OPERATIONS,
    *api_reports.OPERATIONS,
    *api_holds.OPERATIONS,
    *api_audit.OPERATIONS,
)
OPENAPI_PATH: Final = operations.PREFIX + "/openapi.json"
Mount = Callable[[web.Application], None]


def build_web(app: AppPort, options: WebOptions | None = None, mount: Mount | None = None) -> web.Application:
    """The public listener: API, pages, probes, and what `mount` adds (the federation's routes)."""
    site = _base(app, options or WebOptions(), None, pages.error_page)
    pages.mount(site)
    contributor_pages.mount(site)
    account_pages.mount(site)
    site.router.add_get("/.well-known/nodeinfo", nodeinfo.well_known)
    site.router.add_get("/nodeinfo/2.1", nodeinfo.nodeinfo)
    if mount is not None:
        mount(site)
    return site


def build_local(app: AppPort, options: WebOptions | None = None) -> web.Application:
    """The unix socket: the API and the probes, as the local administrator. The socket's folder guards it."""
    return _base(app, options or WebOptions(), LOCAL, None)


def _base(app: AppPort, options: WebOptions, fixed: Principal | None, page: ErrorPage | None) -> web.Application:
    site = web.Application(
        middlewares=[log_and_count(app.clock.steady), errors(page), identify(fixed), etag],
        client_max_size=MAX_JSON_BYTES,
    )
    site[APP], site[OPTIONS], site[METRICS] = app, options, Metrics()
    site.on_response_prepare.append(add_headers)
    site.router.add_get("/healthz", nodeinfo.healthz)
    site.router.add_get("/readyz", nodeinfo.readyz)
    site.router.add_get("/metrics", metrics)
    site.router.add_get(OPENAPI_PATH, _openapi)
    operations.mount(site.router, OPERATIONS)
    return site


async def _openapi(request: web.Request) -> web.Response:
    """The API's description; the same for everyone."""
    status = await request.app[APP].ops.status(LOCAL)
    return web.json_response(document(OPERATIONS, status.version))


def paths(site: web.Application) -> list[tuple[str, str]]:
    """Every route as method and path template, for the tests of completeness."""
    found: list[tuple[str, str]] = []
    for route in site.router.routes():
        info: Any = route.resource.get_info() if route.resource else {}
        found.append((route.method, info.get("formatter") or info.get("path") or str(info.get("prefix", ""))))
    return found
