"""The account pages work without script, and no other site, guess, replay or planted cookie gets past them."""

from __future__ import annotations

import re
from base64 import b32decode
from typing import Any

import pytest

from node.accounts import FREE_OF_STRANGERS
from node.accounts.totp import STEP_S, code_at
from node.principal import LOCAL
from node.store.governing import Audit
from node.web.auth import form_token
from tests.unit.web.fake_accounts import PASSWORD, RECOVERY, TOTP, with_factor
from tests.unit.web.fakes import Client, FakeApp

HTML = {"Accept": "text/html"}
NEW = "a river, a road and a bell"
FORMS = {
    "/account/password": "password", "/account/second-factor": "factor", "/account/second-factor/confirm": "confirm",
    "/account/second-factor/remove": "remove", "/account/recovery-codes": "renew", "/account/sessions/end": "sessions",
    "/account/told": "told", "/account/tokens": "token", "/account/tokens/end": "untoken",
}  # fmt: skip


class Browser:
    """Cookies, and forms sent back as they stand on the page."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.cookies: dict[str, str] = {}

    async def _send(self, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, str]:
        sent = HTML | {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())} | headers
        answer = await self.client.request(method, path, data=data, headers=sent, allow_redirects=False)
        for line in answer.headers.getall("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        self.headers = answer.headers
        return answer.status, await answer.text()

    async def get(self, path: str) -> tuple[int, str]:
        return await self._send("GET", path)

    async def post(self, path: str, page: str, *, action: str | None = None, **fields: str) -> tuple[int, str]:
        """Send the form of `page` that goes to `action` (otherwise to `path`), with its hidden fields."""
        status, text = await self.get(page)
        assert status == 200
        return await self.send(path, text, action=action, **fields)

    async def send(self, path: str, text: str, *, action: str | None = None, **fields: str) -> tuple[int, str]:
        wanted = action if action is not None else f'action="{path}"'
        forms = [f for f in re.findall(r"<form.*?</form>", text, re.DOTALL) if wanted in f]
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', forms[0])
        assert token is not None
        return await self._send("POST", path, {"form_token": token[1]} | fields)

    async def sign_in(self, name: str = "badr", password: str = PASSWORD, code: str = "") -> int:
        return (await self.post("/login", "/login", name=name, password=password, code=code))[0]


@pytest.fixture
async def badr(client: Client, app: FakeApp) -> Browser:
    await app.accounts.add(LOCAL, "badr", "member", PASSWORD)
    browser = Browser(client)
    assert await browser.sign_in() == 303
    return browser


def now_code(app: FakeApp, steps: int = 0) -> str:
    return code_at(TOTP, app.clock.now() // STEP_S + steps)


async def link_of(app: FakeApp, name: str = "chen") -> str:
    return "/join/" + (await app.accounts.invite(LOCAL, name, "member")).link.rpartition("/")[2]


# --- the invitation --------------------------------------------------------------------------------------------------


async def test_a_person_joins_and_signs_in_without_a_script(client: Client, app: FakeApp) -> None:
    browser, path = Browser(client), await link_of(app)
    status, text = await browser.get(path)
    assert status == 200
    assert 'value="chen" readonly' in text
    assert "<script" not in text
    status, _ = await browser.post(path, path, action='method="post"', password=NEW, again=NEW)
    assert (status, browser.headers["Location"]) == (303, "/login?kept=1")
    assert "Now sign in with it" in (await browser.get("/login?kept=1"))[1]
    assert await browser.sign_in("chen", NEW) == 303
    assert "(chen)" in (await browser.get("/"))[1]


async def test_the_first_person_chooses_the_name_too(client: Client, app: FakeApp) -> None:
    made = await app.accounts.first(LOCAL)
    assert made is not None
    browser, path = Browser(client), "/join/" + made.link.rpartition("/")[2]
    status, _ = await browser.post(path, path, action='method="post"', name="Amal", password=NEW, again=NEW)
    assert status == 303
    assert await browser.sign_in("amal", NEW) == 303


async def test_a_mistake_on_the_invitation_is_told_and_the_link_still_works(client: Client, app: FakeApp) -> None:
    browser, path = Browser(client), await link_of(app)
    for password, again, said in (("short", "short", "12 characters"), (NEW, NEW + "x", "not the same")):
        status, text = await browser.post(path, path, action='method="post"', password=password, again=again)
        assert (status, said in text) == (422, True)
        assert 'value="short"' not in text
    assert (await browser.post(path, path, action='method="post"', password=NEW, again=NEW))[0] == 303


async def test_unknown_used_and_expired_links_are_the_same_404(client: Client, app: FakeApp) -> None:
    browser, used, late = Browser(client), await link_of(app), await link_of(app, "eve")
    await browser.post(used, used, action='method="post"', password=NEW, again=NEW)
    app.clock.at += 72 * 3600
    found = {await Browser(client).get(path) for path in (used, late, "/join/" + "A" * 43, "/join/x", "/join/%00")}
    assert len(found) == 1
    assert next(iter(found))[0] == 404


async def test_the_page_of_a_link_is_kept_by_no_cache_and_tells_no_other_site(client: Client, app: FakeApp) -> None:
    browser = Browser(client)
    await browser.get(await link_of(app))
    assert browser.headers["Cache-Control"] == "no-store"
    assert browser.headers["Referrer-Policy"] == "no-referrer"


async def test_the_log_has_no_secret_of_a_link(client: Client, app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "commonweave.web")
    path = await link_of(app)
    await Browser(client).get(path)
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name == "commonweave.web")
    assert "/join/{secret}" in ours
    assert path not in ours


# --- other sites, forged and planted things --------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS)
async def test_no_form_is_taken_without_its_own_token_or_from_another_site(
    app: FakeApp, badr: Browser, path: str
) -> None:
    tokens = {form: form_token(badr.cookies["cw_session"], form) for form in FORMS.values()}
    right = tokens.pop(FORMS[path])
    fields = {"password": PASSWORD, "new": NEW, "again": NEW, "code": "000000"}
    for given in ("", "0" * 64, *tokens.values()):
        assert (await badr._send("POST", path, fields | {"form_token": given}))[0] == 403
    for header, value in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")):
        assert (await badr._send("POST", path, fields | {"form_token": right}, **{header: value}))[0] == 403
    async with app.store.read() as tx:
        assert [row.action for row in await tx.find(Audit)] == ["account.add"]
    assert (await badr._send("POST", path, fields | {"form_token": right}))[0] != 403


async def test_the_token_of_one_session_is_worth_nothing_in_another(
    client: Client, app: FakeApp, badr: Browser
) -> None:
    _, theirs = await badr.get("/account")
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    amal = Browser(client)
    await amal.sign_in("amal")
    status, _ = await amal.send("/account/password", theirs, password=PASSWORD, new=NEW, again=NEW)
    assert status == 403


@pytest.mark.parametrize("path", FORMS)
async def test_nobody_without_a_session_gets_a_form_through(client: Client, path: str) -> None:
    status, _ = await Browser(client)._send("POST", path, {"form_token": "0" * 64})
    assert status == 403
    status, _ = await Browser(client).get("/account")
    assert status == 303


async def test_the_invitations_form_needs_the_browser_that_opened_it(client: Client, app: FakeApp) -> None:
    path, victim = await link_of(app), Browser(client)
    _, text = await Browser(client).get(path)
    status, _ = await victim.send(path, text, action='method="post"', password=NEW, again=NEW)
    assert status == 403
    assert (await victim.get(path))[0] == 200


async def test_a_session_that_was_planted_before_the_login_is_not_the_one_after_it(
    client: Client, app: FakeApp, badr: Browser
) -> None:
    planted = badr.cookies["cw_session"]
    await app.accounts.add(LOCAL, "amal", "member", PASSWORD)
    victim = Browser(client)
    victim.cookies["cw_session"] = planted
    assert await victim.sign_in("amal") == 303
    assert victim.cookies["cw_session"] != planted
    assert await app.accounts.session(planted) is None


# --- the login -------------------------------------------------------------------------------------------------------


async def test_wrong_name_password_code_and_a_shut_account_give_the_same_page(client: Client, app: FakeApp) -> None:
    for name in ("badr", "shut"):
        await app.accounts.add(LOCAL, name, "member", PASSWORD)
    await app.accounts.disable(LOCAL, "shut")
    await with_factor(app.store, "badr")
    browser, pages = Browser(client), set()
    tries = (("badr", PASSWORD, "000000"), ("badr", PASSWORD, ""), ("badr", "wrong", now_code(app)),
             ("nobody", PASSWORD, ""), ("shut", PASSWORD, ""))  # fmt: skip
    for name, password, code in tries:
        pages.add(await browser.post("/login", "/login", name=name, password=password, code=code))
    assert len(pages) == 1
    assert next(iter(pages))[0] == 401


async def test_a_login_with_a_second_factor_takes_one_page(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "badr", "member", PASSWORD)
    await with_factor(app.store, "badr")
    assert await Browser(client).sign_in(code=now_code(app)) == 303
    assert await Browser(client).sign_in(code=now_code(app)) == 401
    assert await Browser(client).sign_in(code=RECOVERY) == 303


async def test_a_browser_that_has_signed_in_before_gets_in_during_an_attack(
    app: FakeApp, client: Client, badr: Browser
) -> None:
    for i in range(FREE_OF_STRANGERS + 5):
        with pytest.raises(Exception, match=r"together|Too many"):
            await app.accounts.login("badr", "wrong", f"192.0.2.{i}")
    assert await Browser(client).sign_in() == 429
    await badr.post("/logout", "/logout")
    assert await badr.sign_in() == 303


# --- one's own account -----------------------------------------------------------------------------------------------


async def test_a_second_factor_is_added_by_qr_code_and_first_code(client: Client, app: FakeApp, badr: Browser) -> None:
    status, text = await badr.post("/account/second-factor", "/account", password=PASSWORD)
    assert status == 200
    assert "<svg" in text
    assert badr.headers["Cache-Control"] == "no-store"
    assert "style=" not in text
    shown = re.search(r"otpauth://totp/[^\"]*secret=([A-Z2-7]+)", text)
    assert shown is not None
    confirm = "/account/second-factor/confirm"
    status, again = await badr.send(confirm, text, code="000000")
    assert status == 401
    assert shown[1] not in again
    status, codes = await badr.send(confirm, again, code=code_at(b32decode(shown[1]), app.clock.now() // STEP_S))
    assert status == 200
    recovery = re.findall(r"<code dir=\"ltr\">([a-z2-9-]{14})</code>", codes)
    assert len(recovery) == 10
    assert await Browser(client).sign_in() == 401
    assert await Browser(client).sign_in(code=recovery[0]) == 303
    assert "9" in (await badr.get("/account"))[1]


async def test_recovery_codes_are_renewed_and_the_second_factor_removed(app: FakeApp, badr: Browser) -> None:
    await with_factor(app.store, "badr")
    status, text = await badr.post("/account/recovery-codes", "/account", password=PASSWORD, code=RECOVERY)
    assert (status, text.count("<li>")) == (200, 10)
    remove = "/account/second-factor/remove"
    assert (await badr.post(remove, "/account", password=PASSWORD, code="000000"))[0] == 401
    assert (await badr.post(remove, "/account", password=PASSWORD, code=now_code(app)))[0] == 303
    assert "Add a second factor" in (await badr.get("/account"))[1]


async def test_a_new_password_signs_the_other_browsers_out(client: Client, badr: Browser) -> None:
    other = Browser(client)
    await other.sign_in()
    change = "/account/password"
    assert (await badr.post(change, "/account", password="wrong one here", new=NEW, again=NEW))[0] == 401
    assert (await badr.post(change, "/account", password=PASSWORD, new=NEW, again="other"))[0] == 422
    assert (await badr.post(change, "/account", password=PASSWORD, new=NEW, again=NEW))[0] == 303
    assert (await badr.get("/account"))[0] == 200
    assert (await other.get("/account"))[0] == 303


async def test_another_session_is_ended_from_the_page(client: Client, badr: Browser) -> None:
    other = Browser(client)
    await other.sign_in()
    _, text = await badr.get("/account")
    (found,) = re.findall(r'name="session" value="([0-9a-f]+)"', text)
    assert (await badr.send("/account/sessions/end", text, session=found))[0] == 303
    assert (await other.get("/account"))[0] == 303
    assert (await badr.get("/account"))[0] == 200


async def test_what_others_did_is_the_first_thing_a_person_sees_and_stays_until_read(
    client: Client, app: FakeApp, badr: Browser
) -> None:
    await with_factor(app.store, "badr")
    await app.accounts.forget_factor(LOCAL, "badr")
    browser = Browser(client)
    assert await browser.sign_in() == 303
    assert browser.headers["Location"] == "/account"
    for _ in range(2):
        assert "local administrator removed the second factor" in (await browser.get("/account"))[1]
    assert (await browser.post("/account/told", "/account"))[0] == 303
    assert "removed the second factor" not in (await browser.get("/account"))[1]


async def test_a_person_makes_and_ends_a_token_of_their_own(client: Client, app: FakeApp, badr: Browser) -> None:
    form = {"label": "laptop", "days": "30", "may": "all"}
    assert (await badr.post("/account/tokens", "/account", **form, password="wrong"))[0] == 401
    assert (await badr.post("/account/tokens", "/account", **form | {"days": "x"}, password=PASSWORD))[0] == 422
    status, text = await badr.post("/account/tokens", "/account", **form, password=PASSWORD)
    secret = re.search(r"cwt_[\w-]{43}", text)
    assert status == 200
    assert secret is not None
    who = await app.accounts.bearer(secret[0])
    assert who is not None
    assert who.scopes == {"read"}  # a member's, and neither the account's own nor administration
    assert secret[0] not in (await badr.get("/account"))[1]
    assert (await badr.post("/account/tokens/end", "/account", label="laptop"))[0] == 303
    assert await app.accounts.bearer(secret[0]) is None


async def test_account_pages_have_no_script_and_no_inline_style(app: FakeApp, badr: Browser) -> None:
    await with_factor(app.store, "badr")
    for path in ("/account", await link_of(app)):
        _, text = await badr.get(path)
        assert not re.search(r'<script|<style|\sstyle="|\son\w+=', text)
        assert "script-src" not in badr.headers["Content-Security-Policy"]


async def test_every_field_has_a_label_and_every_id_is_used_once(app: FakeApp, badr: Browser) -> None:
    await with_factor(app.store, "badr")
    for path in ("/account", "/login", await link_of(app)):
        _, text = await badr.get(path)
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert len(ids) == len(set(ids))
        inputs = re.findall(r'<input id="([^"]+)"', text)
        assert inputs
        assert set(inputs) <= set(re.findall(r'<label for="([^"]+)"', text))
