"""Attacks on the pages and downloads: other sites' forms, forged cookies, hostile names, echoes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from node.principal import LOCAL
from node.web.downloads import disposition
from node.web.options import WebOptions
from node.web.server import build_web
from tests.unit.web.fakes import ORIGIN, RID, Client, FakeApp, field, full_record, record

PASSWORD = "correct horse battery"
PAGES = [
    *("/", "/join", "/?q=x", "/status", "/login", "/logout", "/nowhere"),
    f"/records/{ORIGIN}/{RID}",
    "/records/x/nothing",
]
HTML = {"Accept": "text/html"}


@pytest.fixture
async def proxied(app: FakeApp) -> AsyncIterator[Client]:
    async with TestClient(
        TestServer(build_web(app, WebOptions(behind_proxy=True))), cookie_jar=DummyCookieJar()
    ) as found:
        yield found


async def open_login(client: Client, headers: dict[str, str] | None = None) -> tuple[str, str]:
    response = await client.get("/login", headers=headers)
    token = re.search(r'name="form_token" value="([0-9a-f]{64})"', await response.text())
    assert token is not None
    cookie = response.headers["Set-Cookie"].split(";")[0]
    return cookie, token[1]


async def sign_in(client: Client, app: FakeApp, role: str = "steward") -> str:
    await app.accounts.add(LOCAL, "amal", role, PASSWORD)
    cookie, token = await open_login(client)
    form = {"name": "amal", "password": PASSWORD, "form_token": token}
    response = await client.post("/login", data=form, headers={"Cookie": cookie}, allow_redirects=False)
    assert response.status == 303
    session = next(c for c in response.headers.getall("Set-Cookie") if c.startswith("cw_session="))
    return session.split(";")[0]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_the_headers_that_confine_it(client: Client, path: str) -> None:
    response = await client.get(path, headers=HTML)
    policy = response.headers["Content-Security-Policy"]
    assert response.content_type == "text/html"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Python" not in response.headers["Server"]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_a_script_an_inline_style_or_a_foreign_resource(
    client: Client, app: FakeApp, path: str
) -> None:
    app.library.records[RID] = full_record()
    text = await (await client.get(path, headers=HTML)).text()
    assert "<script" not in text
    assert "<style" not in text
    assert not re.search(r"\son\w+=", text)
    assert not re.search(r'\sstyle="', text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text)


async def test_a_login_without_the_forms_token_is_refused(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(client)
    for headers, given in (({"Cookie": cookie}, ""), ({"Cookie": cookie}, "0" * 64), ({"Cookie": "x=y"}, token)):
        form = {"name": "amal", "password": PASSWORD, "form_token": given}
        response = await client.post("/login", data=form, headers=headers, allow_redirects=False)
        assert response.status == 403
        assert "cw_session" not in response.headers.get("Set-Cookie", "")


async def test_another_sites_form_is_refused_even_with_the_token(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(client)
    form = {"name": "amal", "password": PASSWORD, "form_token": token}
    foreign = ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"})
    for headers in foreign:
        response = await client.post("/login", data=form, headers={"Cookie": cookie, **headers}, allow_redirects=False)
        assert response.status == 403


async def test_our_own_form_is_taken_with_the_null_origin_that_no_referrer_makes(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(client)
    form = {"name": "amal", "password": PASSWORD, "form_token": token}
    headers = {"Cookie": cookie, "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/login", data=form, headers=headers, allow_redirects=False)).status == 303


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(client)
    form = {"name": "amal", "password": PASSWORD, "form_token": token}
    response = await client.post("/login", data=form, headers={"Cookie": cookie}, allow_redirects=False)
    (line,) = [c for c in response.headers.getall("Set-Cookie") if c.startswith("cw_session=")]
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    assert "Secure" not in line  # plain http here: the browser would drop it


async def test_behind_a_proxy_with_https_cookies_are_secure_and_bound_to_the_host(
    proxied: Client, app: FakeApp
) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    https = {"X-Forwarded-Proto": "https"}
    cookie, token = await open_login(proxied, https)
    form = {"name": "amal", "password": PASSWORD, "form_token": token}
    headers = {"Cookie": cookie} | https
    response = await proxied.post("/login", data=form, headers=headers, allow_redirects=False)
    (line,) = [c for c in response.headers.getall("Set-Cookie") if "cw_session=" in c]
    assert line.startswith("__Host-cw_session=")
    assert "Secure" in line


async def test_without_a_proxy_a_caller_cannot_claim_https_or_an_address(client: Client) -> None:
    response = await client.get("/login", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" not in response.headers["Set-Cookie"]


async def test_a_caller_behind_the_proxy_cannot_choose_the_address_failures_count_for(
    proxied: Client, app: FakeApp
) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(proxied)
    for i in range(6):
        headers = {"Cookie": cookie, "X-Forwarded-For": f"10.0.0.{i}, 192.0.2.1"}
        form = {"name": "amal", "password": "wrong", "form_token": token}
        response = await proxied.post("/login", data=form, headers=headers, allow_redirects=False)
    assert response.status == 429
    assert "seconds" in await response.text()


async def test_wrong_name_and_wrong_password_give_the_same_page(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    cookie, token = await open_login(client)
    texts = []
    for name, password in (("amal", "wrong"), ("nobody", PASSWORD)):
        form = {"name": name, "password": password, "form_token": token}
        response = await client.post("/login", data=form, headers={"Cookie": cookie}, allow_redirects=False)
        texts.append((response.status, await response.text()))
    assert texts[0] == texts[1]
    assert texts[0][0] == 401


async def test_logging_out_needs_the_sessions_own_token_and_a_post(client: Client, app: FakeApp) -> None:
    session = await sign_in(client, app)
    asked = await (await client.get("/logout", headers={"Cookie": session})).text()
    assert (await client.post("/logout", data={}, headers={"Cookie": session}, allow_redirects=False)).status == 403
    assert "amal" in await (await client.get("/", headers={"Cookie": session})).text()
    found = re.search(r'value="([0-9a-f]{64})"', asked)
    assert found is not None
    form = {"form_token": found[1]}
    response = await client.post("/logout", data=form, headers={"Cookie": session}, allow_redirects=False)
    assert response.status == 303
    assert "amal" not in await (await client.get("/", headers={"Cookie": session})).text()


async def test_pages_with_a_secret_are_neither_stored_nor_compressed(client: Client) -> None:
    response = await client.get("/login", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Encoding" not in response.headers
    assert "Content-Encoding" in (await client.get("/", headers={"Accept-Encoding": "gzip"})).headers


async def test_a_large_form_is_refused_before_it_is_read(client: Client) -> None:
    response = await client.post("/login", data={"name": "x" * 20_000})
    assert response.status == 413


@pytest.mark.parametrize(
    "query", ['"><script>alert(1)</script>', "'onfocus='alert(1)", "{{7*7}}", "</title><b>", "\u202e<i>", "&lt;b&gt;"]
)
async def test_no_page_echoes_a_query_as_html(client: Client, app: FakeApp, query: str) -> None:
    app.find.hits, app.find.did_you_mean = [], query
    response = await client.get("/", params={"q": query, "kind": query, "sort": query, "after": query}, headers=HTML)
    text = await response.text()
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "49" not in text
    assert not re.search(r"\sonfocus=", text.replace("&#39;onfocus=", ""))


async def test_titles_names_and_reasons_of_strangers_are_words(client: Client, app: FakeApp) -> None:
    bad = "<img src=x onerror=alert(1)>\"'><script>"
    app.ops.name = bad
    app.library.records[RID] = record(
        title=bad,
        lang='en" onload="x',
        origin_name=bad,
        kind=bad,
        kind_label=bad,
        received_from=bad,
        fields=[
            field("title", bad, bad),
            field(bad, bad, bad),
            field("items", bad, [{"text": bad, "role": bad, "when": bad, "required": bad}]),
            field("components", bad, [{"title": bad, "notes": bad, "record": {"rid": bad, "origin": bad}}]),
            field("steps", bad, [{"title": bad, "minutes": bad}]),
            field("placeholders", bad, [{"name": bad, "example": bad}]),
            field("quote:a", bad, {"text": bad, "by": bad}),
            field("person:a", bad, {"name": bad, "role": bad, "note": bad}),
            field("attachment:a", bad, {"name": bad, "media_type": bad, "size": bad, "alt": bad}),
            field("topics", bad, [bad]),
            field("period", bad, {"from": bad}),
            field("regions", bad, bad),
        ],
    )
    text = await (await client.get(f"/records/{ORIGIN}/{RID}", headers=HTML)).text()
    assert "<img" not in text
    assert "<script" not in text
    assert 'onload="' not in text


@pytest.mark.parametrize("name", ["regions", "topics", "items", "steps", "components", "period", "quote:a", "place:b"])
@pytest.mark.parametrize("value", [None, 5, True, "x", [], [None], [[1]], {}, {"a": {"b": []}}, [{"title": None}]])
async def test_a_field_of_the_wrong_form_never_breaks_the_page(
    client: Client, app: FakeApp, name: str, value: object
) -> None:
    app.library.records[RID] = record(fields=[field("title", "Title", "x"), field(name, name, value)])
    assert (await client.get(f"/records/{ORIGIN}/{RID}", headers=HTML)).status == 200


@pytest.mark.parametrize(
    "name",
    [
        'a"; filename="b.exe',
        "a\r\nSet-Cookie: x=y",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "C:\\x",
        "\u202egnp.exe",
        "",
        "...",
        "x" * 500 + ".pdf",
        "ملف.pdf",
        "a\x00b",
        "%2e%2e%2f",
        "\ud800",
    ],
)
def test_a_hostile_file_name_becomes_a_harmless_one(name: str) -> None:
    header = disposition(name)
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\/\r\n]{1,120})\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)", header
    )
    assert match is not None
    assert header.isascii()
    assert not match[1].startswith(".")
    assert "%2F" not in match[2]


async def test_a_hostile_file_name_and_type_cannot_add_headers_or_run(client: Client, app: FakeApp) -> None:
    app.attachments.name, app.attachments.media_type = "a\r\nX-Evil: 1", "image/svg+xml"
    response = await client.get(f"/records/{ORIGIN}/{RID}/files/attachment:plan")
    assert response.status == 200
    assert "X-Evil" not in response.headers
    assert response.content_type == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static/%2fetc/passwd",
        "/static/",
        "/static/..\\server.py",
        "/records/..%2f..%2fetc/passwd",
        "/records/%00/%00",
        f"/records/{ORIGIN}/{RID}/files/..%2f..%2fblob",
    ],
)
async def test_path_tricks_find_nothing(client: Client, path: str) -> None:
    response = await client.get(URL(path, encoded=True), headers=HTML)
    assert response.status in (400, 403, 404)
    assert "import" not in await response.text()


async def test_a_cross_origin_page_cannot_read_the_api(client: Client) -> None:
    response = await client.get("/api/v1/search", headers={"Origin": "https://evil.example"})
    assert not [h for h in response.headers if h.lower().startswith("access-control")]
    options = await client.options("/api/v1/records", headers={"Origin": "https://evil.example"})
    assert options.status == 405


async def test_the_log_has_no_query_id_address_or_name(
    client: Client, app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "commonweave.web")
    session = await sign_in(client, app)
    await client.get("/?q=secretword", headers={"Cookie": session})
    await client.get(f"/records/{ORIGIN}/{RID}")
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name == "commonweave.web")
    assert "/records/{origin}/{rid}" in ours
    for told in ("secretword", RID, ORIGIN, "127.0.0.1", "amal"):
        assert told not in ours


async def test_signed_answers_of_the_federation_leave_as_their_routes_made_them(app: FakeApp) -> None:
    async def feed(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 5_000, headers={"Content-Digest": "sha-256=:x:"})

    def mount(site: web.Application) -> None:
        site.router.add_get("/federation/v1/feed", feed)

    async with TestClient(TestServer(build_web(app, mount=mount)), cookie_jar=DummyCookieJar()) as client:
        headers = {"Accept-Encoding": "gzip", "Authorization": "Signature x"}
        response = await client.get("/federation/v1/feed", headers=headers)
    assert response.status == 200
    assert "Content-Encoding" not in response.headers
    assert "ETag" not in response.headers
