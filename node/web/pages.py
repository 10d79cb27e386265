"""The pages people read: search, a record, status, signing in and out. Made on the server, no script, one style file.

They call the same use cases as the API and add nothing to what those answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError

from governance.kinds import kind_label
from node.accounts import LoginFailed, TooManyAttempts
from node.principal import ANYBODY
from node.views import SearchView
from node.web import auth
from node.web.downloads import FileAnswer, file_response
from node.web.keys import APP, NO_ETAG, WHO
from node.web.options import MAX_FORM_BYTES
from node.web.ports import AppPort
from node.web.present import is_long, sheet
from node.web.problems import Problem
from node.web.requests import SearchQuery
from node.web.searching import FILTERS, run_search
from node.web.texts import Reader, accepted, browser_name, direction

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
FACETS_SHOWN: Final = 8  # values of one facet; the search narrows the rest into view
# The facets in the order people narrow by, and what they are called.
FACET_LABELS: Final = {
    "kind": "Kind",
    "language": "Language",
    "topic": "Topic",
    "region": "Region",
    "origin": "From",
    "year": "Year",
    "licence": "Licence",
    "purpose": "May be used for",
}
FORM_FIELDS: Final = 10


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(direction=direction, kind_label=kind_label)
    return env


_ENV: Final = _environment()


def reader_of(request: web.Request) -> Reader:
    """Whom the page is for."""
    return Reader(accepted(request.headers.get("Accept-Language", "")))


async def page(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """A page from a template."""
    reader = reader_of(request)
    who = request.get(WHO, ANYBODY)
    site = await request.app[SITE_NAME].get(request.app[APP])
    shown = values | {"r": reader, "t": reader.t, "who": who, "site": site}
    text = _ENV.get_template(template).render(shown)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


class SiteName:
    """The node's name for the head of every page, asked for once: the status behind it counts records."""

    def __init__(self) -> None:
        self._known = ""

    async def get(self, app: AppPort) -> str:
        """The name; settings are read once, so it holds until the process ends."""
        if not self._known:
            self._known = (await app.ops.status(ANYBODY)).name
        return self._known


SITE_NAME: Final = web.AppKey("commonweave_site_name", SiteName)


async def error_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem for people."""
    try:
        response = await page(request, "error.html", problem.status, problem=problem)
    except Exception:  # the node's name cannot be had either: say it without
        return problem.response("about:blank")
    response.headers.update(problem.headers)
    request[NO_ETAG] = True
    return response


async def search(request: web.Request) -> web.Response:
    """`GET /`"""
    given = {name: [v for v in request.query.getall(name) if v] for name in request.query}
    known = {name: values for name, values in given.items() if name in SearchQuery.model_fields and values}
    reader = reader_of(request)
    query = _lenient(known, reader)
    found = await run_search(request.app[APP], request[WHO], query)
    asked = bool(query.q or any(getattr(query, f) for f in FILTERS) or query.year_from or query.year_to)
    links = Links(query)
    return await page(
        request, "search.html", query=query, found=found, asked=asked, links=links, facets=_facets(query, found, links)
    )


def _lenient(known: dict[str, list[str]], reader: Reader) -> SearchQuery:
    """A reader's address line with a mistake still finds something: what is not of the form is left out."""
    languages = list(reader.languages)
    values: dict[str, Any] = {n: v if n in FILTERS else v[0] for n, v in known.items() if n != "languages"}
    if "q" in values:
        values["q"] = values["q"][:512]
    try:
        return SearchQuery.model_validate(values | {"languages": languages})
    except ValidationError as error:
        wrong = {str(e["loc"][0]) for e in error.errors()}
        return SearchQuery.model_validate({n: v for n, v in values.items() if n not in wrong})


class Links:
    """Addresses of this search with something added or taken away."""

    def __init__(self, query: SearchQuery) -> None:
        self._pairs = [("q", query.q)] if query.q else []
        self._pairs += [(name, value) for name in FILTERS for value in getattr(query, name)]
        self._pairs += [(n, str(getattr(query, n))) for n in ("year_from", "year_to") if getattr(query, n) is not None]
        if query.sort != "relevance":
            self._pairs.append(("sort", query.sort))

    def with_(self, name: str, value: str) -> str:
        """Also this filter."""
        return _address([*self._pairs, (name, value)])

    def without(self, name: str, value: str) -> str:
        """Not this filter."""
        return _address(p for p in self._pairs if p != (name, value))

    def set(self, name: str, value: str) -> str:
        """This value instead of any other."""
        return _address([*(p for p in self._pairs if p[0] != name), (name, value)])

    def year(self, value: str | None) -> str:
        """Only this year, or any."""
        rest = [p for p in self._pairs if p[0] not in ("year_from", "year_to")]
        return _address(rest if value is None else [*rest, ("year_from", value), ("year_to", value)])

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What the search form carries on when other words are typed."""
        return [p for p in self._pairs if p[0] != "q"]


def _address(pairs: Iterable[tuple[str, str]]) -> str:
    return "/?" + urlencode(list(pairs))


def _facets(query: SearchQuery, found: SearchView, links: Links) -> list[dict[str, Any]]:
    out = []
    for name, label in FACET_LABELS.items():
        values = found.facets.get(name, [])
        chosen = set(getattr(query, name, ()))
        if name == "year":
            chosen = (
                {str(query.year_from)} if query.year_from is not None and query.year_from == query.year_to else set()
            )
        shown = [v for i, v in enumerate(values) if i < FACETS_SHOWN or v.value in chosen]
        rows = [
            {"value": v, "chosen": v.value in chosen, "href": _facet_link(links, name, v.value, v.value in chosen)}
            for v in shown
        ]
        if rows and (len(rows) > 1 or chosen):
            out.append({"name": name, "label": label, "rows": rows, "open": bool(chosen)})
    return out


def _facet_link(links: Links, name: str, value: str, chosen: bool) -> str:
    if name == "year":
        return links.year(None if chosen else value)
    return links.without(name, value) if chosen else links.with_(name, value)


async def record(request: web.Request) -> web.Response:
    """`GET /records/{origin}/{rid}`"""
    app, who = request.app[APP], request[WHO]
    origin, rid = request.match_info["origin"], request.match_info["rid"]
    shown = await app.readings.show(who, rid, origin)
    laid_out = await asyncio.to_thread(sheet, shown) if is_long(shown) else sheet(shown)
    related = [
        hit for hit in await app.find.more_like(who, rid, origin) if (hit.origin, hit.rid) != (origin, shown.rid)
    ][:5]
    return await page(request, "record.html", record=shown, sheet=laid_out, related=related)


async def record_file(request: web.Request) -> web.StreamResponse:
    """`GET /records/{origin}/{rid}/files/{field}`: an attachment for a reader."""
    app, who = request.app[APP], request[WHO]
    origin, rid, field = (request.match_info[name] for name in ("origin", "rid", "field"))
    found, path, _total = await app.attachments.open(who, rid, field, origin)
    request[NO_ETAG] = True
    return file_response(FileAnswer(path, found.name, found.media_type))


async def status(request: web.Request) -> web.Response:
    """`GET /status`: a few words for anybody, the figures for members, the peers for stewards."""
    app, who = request.app[APP], request[WHO]
    view = await app.ops.status(who)
    peers = await app.peers.list(who) if who.may("steward") else []
    return await page(request, "status.html", view=view, peers=peers)


async def join(request: web.Request) -> web.Response:
    """`GET /join`: where an invitation's link leads a person; the invitation itself stays in the fragment."""
    return await page(request, "join.html")


async def login_page(request: web.Request) -> web.Response:
    """`GET /login`"""
    return await _login(request, "", 200)


async def login(request: web.Request) -> web.StreamResponse:
    """`POST /login`"""
    form = await form_of(request)
    cookie = request.cookies.get(auth.cookie_name(request, auth.FORM_COOKIE), "")
    auth.check_form(request, "login", cookie, form.get(auth.FORM_FIELD))
    accounts = request.app[APP].accounts
    try:
        made = await accounts.login(
            form.get("name", ""), form.get("password", ""), auth.address_of(request), code=form.get("code", ""),
            devices=auth.devices_of(request), label=browser_name(request.headers.get("User-Agent", "")),
        )  # fmt: skip
    except (LoginFailed, TooManyAttempts) as error:
        return await _login(request, str(error), error.status)
    if before := auth.session_secret(request):
        await accounts.logout(before)  # whoever it was: this browser is the new person's now
    done = web.Response(status=303, headers={"Location": "/account" if made.news else "/", "Cache-Control": "no-store"})
    auth.start_session(request, done, made.secret, made.devices)
    return done


async def _login(request: web.Request, problem: str, status: int) -> web.Response:
    secret, token = auth.stranger_form(request, "login")
    request[NO_ETAG] = True  # nor compressed: the page holds a secret
    kept = "kept" in request.query  # whoever has just chosen a password is told what comes next
    response = await page(request, "login.html", status, problem=problem, token=token, field=auth.FORM_FIELD, kept=kept)
    response.headers["Cache-Control"] = "no-store"
    auth.set_cookie(request, response, auth.FORM_COOKIE, secret, auth.FORM_S)
    return response


async def logout_page(request: web.Request) -> web.Response:
    """`GET /logout`: asks, since a link must not change anything."""
    token = auth.form_token(auth.session_secret(request), "logout")
    request[NO_ETAG] = True
    response = await page(request, "logout.html", token=token, field=auth.FORM_FIELD)
    response.headers["Cache-Control"] = "no-store"
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    """`POST /logout`"""
    form, secret = await form_of(request), auth.session_secret(request)
    auth.check_form(request, "logout", secret, form.get(auth.FORM_FIELD))
    await request.app[APP].accounts.logout(secret)
    done = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    auth.end_session(request, done)
    return done


async def form_of(request: web.Request) -> dict[str, str]:
    """A small form's text fields."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "media-type", "Send the form as it stands on the page.")
    if (request.content_length or 0) > MAX_FORM_BYTES:
        raise Problem(413, "too-large", f"A form has at most {MAX_FORM_BYTES} bytes.")
    form = await request.post()
    if len(form) > FORM_FIELDS:
        raise Problem(422, "bad-input", "This form has more fields than the page.")
    return {name: value for name, value in form.items() if isinstance(value, str)}


def mount(site: web.Application) -> None:
    """Add the pages and their style file."""
    site[SITE_NAME] = SiteName()
    router = site.router
    router.add_get("/", search)
    router.add_get("/records/{origin}/{rid}", record)
    router.add_get("/records/{origin}/{rid}/files/{field}", record_file)
    router.add_get("/status", status)
    router.add_get("/join", join)
    router.add_get("/login", login_page)
    router.add_post("/login", login)
    router.add_get("/logout", logout_page)
    router.add_post("/logout", logout)
    router.add_static("/static/", STATIC, follow_symlinks=False)
