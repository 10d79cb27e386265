"""Pages of one's own account: taking up an invitation, password, second factor, where one is signed in. No script.

Each form has a token of its own, bound to the session (or, before there is one, to the form cookie).
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import segno
from aiohttp import web
from markupsafe import Markup

from node.accounts import DEVICE_S, LoginFailed, TooManyAttempts
from node.errors import BadInput, NotNow
from node.principal import Principal, Scope
from node.web import auth
from node.web.keys import APP, NO_ETAG, WHO
from node.web.pages import form_of, page

# What a person can do about: said above the form, not on a page of its own.
_TOLD: Final = (LoginFailed, TooManyAttempts, BadInput, NotNow)
FORMS: Final = ("password", "factor", "confirm", "remove", "renew", "sessions", "told", "token", "untoken")
QR_SCALE: Final = 5
NOTICE_WORDS: Final = {
    "reset": "{by} locked this account and made a link to a new password, on {when}.",
    "factor-removed": "{by} removed the second factor of this account, on {when}.",
}


async def invitation(request: web.Request) -> web.Response:
    """`GET /join/{secret}`: choose a password; looking at the page does not use the link up."""
    return await _invitation(request, "", 200)


async def join(request: web.Request) -> web.StreamResponse:
    """`POST /join/{secret}`"""
    form = await form_of(request)
    cookie = request.cookies.get(auth.cookie_name(request, auth.FORM_COOKIE), "")
    auth.check_form(request, "join", cookie, form.get(auth.FORM_FIELD))
    accounts, secret = request.app[APP].accounts, request.match_info["secret"]
    password = form.get("password", "")
    try:
        if password != form.get("again", ""):
            raise BadInput("The two passwords are not the same.")
        joined = await accounts.join(secret, password, form.get("name", ""), auth.devices_of(request))
    except _TOLD as error:
        return await _invitation(request, str(error), error.status)
    done = _to("/login?kept=1")
    auth.set_cookie(request, done, auth.DEVICE_COOKIE, joined.devices, DEVICE_S)
    return done


async def _invitation(request: web.Request, problem: str, status: int) -> web.Response:
    invited = await request.app[APP].accounts.invited(request.match_info["secret"])
    secret, token = auth.stranger_form(request, "join")
    shown = await _page(request, "welcome.html", status, invited=invited, problem=problem, token=token)
    auth.set_cookie(request, shown, auth.FORM_COOKIE, secret, auth.FORM_S)
    return shown


async def own(request: web.Request) -> web.StreamResponse:
    """`GET /account`"""
    return await _own(request, *await _person(request), "", 200)


async def _own(request: web.Request, who: Principal, secret: str, problem: str, status: int) -> web.Response:
    accounts = request.app[APP].accounts
    view = await accounts.account(who, who.account)
    sessions = await accounts.sessions(who, who.account, secret)
    programs = await accounts.own_tokens(who, who.account)
    tokens = {form: auth.form_token(secret, form) for form in FORMS}
    return await _page(
        request, "account.html", status, view=view, sessions=sessions, programs=programs, problem=problem,
        tokens=tokens, notice_words=NOTICE_WORDS,
    )  # fmt: skip


async def change_password(request: web.Request) -> web.StreamResponse:
    """`POST /account/password`"""
    who, secret, form = await _posted(request, "password")
    try:
        if form.get("new", "") != form.get("again", ""):
            raise BadInput("The two new passwords are not the same.")
        given = form.get("password", ""), form.get("new", "")
        await request.app[APP].accounts.change_password(who, who.account, *given, keep=secret)
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    return _to("/account")


async def start_factor(request: web.Request) -> web.StreamResponse:
    """`POST /account/second-factor`: the QR code and the secret, shown once."""
    who, secret, form = await _posted(request, "factor")
    try:
        made = await request.app[APP].accounts.start_factor(who, who.account, form.get("password", ""))
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    code = segno.make(made.uri, error="m", micro=False)
    drawn = Markup(code.svg_inline(scale=QR_SCALE, light="#fff", dark="#000"))  # noqa: S704 - our own drawing
    token = auth.form_token(secret, "confirm")
    return await _page(request, "factor.html", 200, factor=made, qr=drawn, token=token)


async def confirm_factor(request: web.Request) -> web.StreamResponse:
    """`POST /account/second-factor/confirm`: the recovery codes, shown once."""
    who, secret, form = await _posted(request, "confirm")
    try:
        made = await request.app[APP].accounts.confirm_factor(who, who.account, form.get("code", ""))
    except LoginFailed as error:  # the app has the secret already: only the code is asked for again
        token = auth.form_token(secret, "confirm")
        return await _page(request, "factor.html", error.status, factor=None, qr="", token=token, problem=str(error))
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    return await _page(request, "recovery.html", 200, codes=made.codes)


async def remove_factor(request: web.Request) -> web.StreamResponse:
    """`POST /account/second-factor/remove`"""
    who, secret, form = await _posted(request, "remove")
    try:
        given = form.get("password", ""), form.get("code", "")
        await request.app[APP].accounts.remove_factor(who, who.account, *given)
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    return _to("/account")


async def renew_recovery(request: web.Request) -> web.StreamResponse:
    """`POST /account/recovery-codes`"""
    who, secret, form = await _posted(request, "renew")
    try:
        given = form.get("password", ""), form.get("code", "")
        made = await request.app[APP].accounts.renew_recovery(who, who.account, *given)
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    return await _page(request, "recovery.html", 200, codes=made.codes)


async def end_sessions(request: web.Request) -> web.StreamResponse:
    """`POST /account/sessions/end`: one, or all but this one."""
    who, secret, form = await _posted(request, "sessions")
    await request.app[APP].accounts.end_session(who, who.account, form.get("session") or None, keep=secret)
    return _to("/account")


async def make_token(request: web.Request) -> web.StreamResponse:
    """`POST /account/tokens`: a token for a program, shown once; it may read, or all that its person may."""
    who, secret, form = await _posted(request, "token")
    scopes = sorted(who.scopes - {Scope.SELF, Scope.ADMIN}) if form.get("may") == "all" else [Scope.READ]
    try:
        days = int(form["days"]) if form.get("days", "").isdecimal() else 0
        given = form.get("label", ""), scopes, days, form.get("password", "")
        made = await request.app[APP].accounts.own_token(who, who.account, *given)
    except _TOLD as error:
        return await _own(request, who, secret, str(error), error.status)
    return await _page(request, "token.html", 200, made=made)


async def end_token(request: web.Request) -> web.StreamResponse:
    """`POST /account/tokens/end`"""
    who, _secret, form = await _posted(request, "untoken")
    await request.app[APP].accounts.revoke_own(who, who.account, form.get("label", ""))
    return _to("/account")


async def told(request: web.Request) -> web.StreamResponse:
    """`POST /account/told`: what others did to the account has been read."""
    who, _secret, _form = await _posted(request, "told")
    await request.app[APP].accounts.told(who, who.account)
    return _to("/account")


async def _person(request: web.Request) -> tuple[Principal, str]:
    """Who is signed in, and the session's secret; others are sent to sign in."""
    who = await auth.session_of(request)
    if who is None:
        _sign_in()
    request[WHO] = who
    return who, auth.session_secret(request)


async def _posted(request: web.Request, form: str) -> tuple[Principal, str, dict[str, str]]:
    """As `_person`, with the fields of a form that came from our own page in this session."""
    given, secret = await form_of(request), auth.session_secret(request)
    auth.check_form(request, form, secret, given.get(auth.FORM_FIELD))
    who, secret = await _person(request)
    return who, secret, given


def _sign_in() -> NoReturn:
    raise web.HTTPSeeOther("/login", headers={"Cache-Control": "no-store"})


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})


async def _page(request: web.Request, template: str, status: int, **values: Any) -> web.Response:
    """A page that no cache keeps and that is not compressed: it holds secrets."""
    request[NO_ETAG] = True
    values.setdefault("problem", "")
    shown = await page(request, template, status, field=auth.FORM_FIELD, **values)
    shown.headers["Cache-Control"] = "no-store"
    return shown


def mount(site: web.Application) -> None:
    """Add the pages."""
    router = site.router
    router.add_get("/join/{secret}", invitation)
    router.add_post("/join/{secret}", join)
    router.add_get("/account", own)
    router.add_post("/account/password", change_password)
    router.add_post("/account/second-factor", start_factor)
    router.add_post("/account/second-factor/confirm", confirm_factor)
    router.add_post("/account/second-factor/remove", remove_factor)
    router.add_post("/account/recovery-codes", renew_recovery)
    router.add_post("/account/sessions/end", end_sessions)
    router.add_post("/account/told", told)
    router.add_post("/account/tokens", make_token)
    router.add_post("/account/tokens/end", end_token)
