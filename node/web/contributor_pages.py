"""A contributor's own pages behind their private link: no account, no script, nothing kept by the browser.

The link's secret is the only key: forms carry a token bound to it, and no address, log or referrer names it. Links that
are unknown, ended or revoked get one and the same answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from governance.speech import N_, Say
from governance.terms import Purpose
from node.contributors.acts import MAX_DAYS
from node.contributors.contributing import LinkHolder
from node.contributors.views import OwnRecordView
from node.contributors.words import isolated
from node.errors import BadInput, NotFound
from node.speech import speech
from node.web import auth
from node.web.keys import APP, NO_ETAG
from node.web.options import MAX_FORM_BYTES
from node.web.problems import Problem
from node.web.texts import accepted, direction

FORM: Final = "contributor"
ALL: Final = "all"
MAX_MEMBERS: Final = 300  # of a form: every field of a record (256 at most), and what stands around them
RECEIPT: Final = "{gid:[0-9A-Za-z-]{1,64}}"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(direction=direction)
    env.filters["isolated"] = isolated
    return env


_ENV: Final = _environment()


def _page(request: web.Request, template: str, say: Say, status: int = 200, **values: Any) -> web.Response:
    """A page; never compressed (it holds a secret beside text that others may have written) and never kept."""
    request[NO_ETAG] = True
    text = _ENV.get_template(template).render(say=say, **values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


async def _opened(request: web.Request) -> tuple[LinkHolder, Say]:
    holder = await request.app[APP].contributing.open(request.match_info["secret"], auth.address_of(request))
    return holder, speech((holder.lang,))


def _gone(request: web.Request, error: NotFound) -> web.Response:
    say = speech(accepted(request.headers.get("Accept-Language", "")))
    return _page(request, "contributor_gone.html", say, 404, problem=say(str(error)))


async def overview(request: web.Request) -> web.Response:
    """`GET /c/{secret}`: what is held, who has it, what was done."""
    try:
        holder, say = await _opened(request)
        view = await request.app[APP].contributing.see(holder)
    except NotFound as error:
        return _gone(request, error)
    base, done = _base(request), "done" in request.query
    return _page(request, "contributor.html", say, view=view, base=base, done=done)


async def change_form(request: web.Request) -> web.Response:
    """`GET /c/{secret}/change/{rid}`: what can be chosen."""
    try:
        holder, say = await _opened(request)
        record = await _record(request, holder)
    except NotFound as error:
        return _gone(request, error)
    return _change_page(request, say, record, "")


async def withdraw_form(request: web.Request) -> web.Response:
    """`GET /c/{secret}/withdraw/{rid}`: what will happen, and what cannot be promised, before anything happens."""
    try:
        holder, say = await _opened(request)
        view = await request.app[APP].contributing.see(holder)
        rid = request.match_info["rid"]
        records = [r for r in view.records if rid in (ALL, r.rid)]
        if not records:
            raise NotFound(N_("there is no record of yours with this number"))
    except NotFound as error:
        return _gone(request, error)
    return _page(
        request, "contributor_withdraw.html", say, view=view, records=records, rid=rid, **_form_values(request)
    )


async def act(request: web.Request) -> web.StreamResponse:
    """`POST /c/{secret}`: change or take back, then back to the overview, which shows the progress."""
    try:
        holder, say = await _opened(request)
        form = await _form(request)
        auth.check_form(request, FORM, request.match_info["secret"], form.get(auth.FORM_FIELD, [""])[0])
        try:
            await _carry_out(request, holder, form)
        except BadInput as error:
            record = await _record(request, holder, form.get("record", [""])[0])
            return _change_page(request, say, record, say(str(error)), status=422)
    except NotFound as error:
        return _gone(request, error)
    return web.Response(status=303, headers={"Location": f"{_base(request)}?done=1#done", **HEADERS})


async def _carry_out(request: web.Request, holder: LinkHolder, form: dict[str, list[str]]) -> None:
    use, one = request.app[APP].contributing, {name: values[0] for name, values in form.items()}
    rid = one.get("record", "")
    match one.get("act"):
        case "change":
            await use.change(
                holder,
                rid,
                fields=form.get("field", []),
                audience=one.get("audience") or None,
                purposes=[p for p in Purpose if p in form.get("purpose", [])],
                days=_days(one.get("days", "")),
            )
        case "withdraw":
            await use.withdraw(holder, None if rid == ALL else rid, remove=one.get("how") == "remove")
        case _:
            raise Problem(422, "bad-input", "Send the form as it stands on the page.")


def _days(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_DAYS)):
        raise BadInput("choose until when from the list")
    return int(text)


async def receipt_page(request: web.Request) -> web.Response:
    """`GET /c/{secret}/receipt/{gid}`: to print or keep."""
    try:
        holder, say = await _opened(request)
        found = await request.app[APP].contributing.receipt(holder, request.match_info["gid"])
    except NotFound as error:
        return _gone(request, error)
    gid = request.match_info["gid"]
    return _page(
        request,
        "contributor_receipt.html",
        say,
        receipt=found.receipt,
        record=found.receipt["dpv:hasRecordOfActivity"],
        jws=found.jws,
        base=_base(request),
        gid=gid,
    )


async def receipt_json(request: web.Request) -> web.Response:
    """`GET /c/{secret}/receipt/{gid}.json`: the same for programs, with the signature."""
    try:
        holder, _ = await _opened(request)
        found = await request.app[APP].contributing.receipt(holder, request.match_info["gid"])
    except NotFound as error:
        return _gone(request, error)
    request[NO_ETAG] = True
    name = f"consent-receipt-{request.match_info['gid']}.json"
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(
        text=found.model_dump_json(indent=2), content_type="application/json", charset="utf-8", headers=headers
    )


async def _record(request: web.Request, holder: LinkHolder, rid: str = "") -> OwnRecordView:
    view = await request.app[APP].contributing.see(holder)
    wanted = rid or request.match_info.get("rid", "")
    for record in view.records:
        if record.rid == wanted:
            return record
    raise NotFound(N_("there is no record of yours with this number"))


def _change_page(
    request: web.Request, say: Say, record: OwnRecordView, problem: str, status: int = 200
) -> web.Response:
    values = _form_values(request)
    return _page(request, "contributor_change.html", say, status, record=record, problem=problem, **values)


def _form_values(request: web.Request) -> dict[str, Any]:
    token = auth.form_token(request.match_info["secret"], FORM)
    return {"base": _base(request), "token": token, "token_name": auth.FORM_FIELD}


def _base(request: web.Request) -> str:
    return f"/c/{request.match_info['secret']}"


async def _form(request: web.Request) -> dict[str, list[str]]:
    """The form's text members, each with all its values."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "media-type", "Send the form as it stands on the page.")
    if request.content_length is None or request.content_length > MAX_FORM_BYTES:
        raise Problem(413, "too-large", f"A form has at most {MAX_FORM_BYTES} bytes.")
    posted = await request.post()
    if len(posted) > MAX_MEMBERS:
        raise Problem(422, "bad-input", "This form has more members than the page.")
    form: dict[str, list[str]] = {}
    for name, value in posted.items():
        if isinstance(value, str) and "\0" not in value:
            form.setdefault(name, []).append(value)
    return form


def mount(site: web.Application) -> None:
    """Add the pages behind private links."""
    own = "/c/{secret}"
    site.router.add_get(own, overview)
    site.router.add_post(own, act)
    site.router.add_get(own + "/change/{rid}", change_form)
    site.router.add_get(own + "/withdraw/{rid}", withdraw_form)
    site.router.add_get(f"{own}/receipt/{RECEIPT}.json", receipt_json)
    site.router.add_get(f"{own}/receipt/{RECEIPT}", receipt_page)
