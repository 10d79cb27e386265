"""Answers come in the reader's language, and say what they say in English too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from config.load import load
from node.app import open_app
from node.principal import LOCAL
from node.setup import init
from node.web.operations import PREFIX
from tests.unit.web.fakes import Client

POLICY = """
name = "mine"
[[rule]]
id = "share"
effect = "share"
when.kind = "guide"
reason = { en = "It helps.", sw = "Inasaidia." }
"""


class Site:
    """A real node's API, asked as a steward who reads certain languages."""

    def __init__(self, client: Client, token: str) -> None:
        self._client, self._token = client, token

    async def ask(self, method: str, path: str, langs: str = "", **sent: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Accept-Language": langs} if langs else {})
        answer = await self._client.request(method, PREFIX + path, headers=headers, **sent)
        return answer.status, await answer.json()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    await init(tmp_path / "data", name="River House", urls=("http://127.0.0.1:8080",))
    app = await open_app(load(tmp_path / "data", {}))
    async with TestClient(TestServer(app.public_site()), cookie_jar=DummyCookieJar()) as client:
        await app.accounts.add(LOCAL, "amal", "steward", "correct horse battery")
        made = await app.accounts.token(LOCAL, "t", "amal", ["read", "write", "steward"], 1)
        yield Site(client, made.secret or "")
    await app.close()


async def test_the_policy_in_force_is_read_in_the_language_that_is_asked_for_first(site: Site) -> None:
    for langs, query, lang in (("", "", "en"), ("de, es;q=0.5", "", "es"), ("es", "?lang=ar", "ar"), ("tlh", "", "en")):
        status, said = await site.ask("GET", f"/policy/sentences{query}", langs)
        assert (status, said["lang"]) == (200, lang)
        assert said["sentences"][0].strip()


async def test_a_policy_text_is_read_back_with_its_own_reason_in_the_readers_language(site: Site) -> None:
    status, said = await site.ask("POST", "/policy/sentences", "sw-KE", json={"text": POLICY})
    assert status == 200
    assert said["sentences"][1] == (
        "Inashirikishwa kwa mashirika washirika: rekodi zenye sharti hili: aina ni Mwongozo. Kwa sababu: Inasaidia."
    )


async def test_a_policy_text_that_cannot_be_read_is_refused_with_its_line(site: Site) -> None:
    status, problem = await site.ask("POST", "/policy/sentences", json={"text": POLICY.replace("guide", "giude")})
    assert status == 422
    assert "giude" in problem["detail"]
    assert "line" in problem["detail"]


async def test_why_something_is_withheld_is_said_in_the_readers_language(site: Site) -> None:
    draft = {
        "kind": "guide", "lang": "sw", "fields": {"title": "Mwongozo", "body": "Maji"},
        "terms": {"aud": ["node"], "pur": ["learning"]},
    }  # fmt: skip
    _, made = await site.ask("POST", "/records", json=draft)
    _, in_english = await site.ask("GET", f"/records/{made['rid']}/explain?to=public")
    _, in_french = await site.ask("GET", f"/records/{made['rid']}/explain?to=public", "fr-CA")
    assert (in_english["words"][0], in_french["words"][0]) == ("Not shared.", "Pas partagé.")


async def test_there_is_nothing_to_be_reminded_of_without_a_peer(site: Site) -> None:
    assert await site.ask("GET", "/reminders") == (200, [])
    status, problem = await site.ask("POST", "/peers/nobody/renew", json={"days": 10})
    assert (status, "nobody" in problem["detail"]) == (404, True)
    assert (await site.ask("POST", "/peers/nobody/renew", json={"days": 0}))[0] == 422
