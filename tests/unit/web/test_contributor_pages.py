"""A contributor's pages on a real node: what they show and do, and what no other site, guess or log gets of them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from config.load import load
from governance.record import ContributorLink
from governance.terms import ALL_PURPOSES, NETWORK, Terms
from node.app import App, open_app
from node.principal import LOCAL
from node.setup import init
from node.store.rows import ALL_ROWS
from tests.unit.web.fakes import Client
from tests.world import draft

QUOTE = {"quote:q": {"text": "so it was <b>for me</b>"}, "quote:o": {"text": "what omar said"}}


@dataclass
class Site:
    """A node with one record of Rosa and Omar, and Rosa's link."""

    app: App
    client: Client
    rid: str
    secret: str
    link_id: str

    @property
    def path(self) -> str:
        return f"/c/{self.secret}"

    async def text(self, rest: str = "", status: int = 200) -> str:
        answer = await self.client.get(self.path + rest)
        assert answer.status == status
        return await answer.text()

    async def form(self, rest: str) -> dict[str, str]:
        """The hidden members of a form."""
        return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', await self.text(rest)))

    async def post(self, members: dict[str, Any], **headers: str) -> Any:
        return await self.client.post(self.path, data=members, headers=headers, allow_redirects=False)

    async def rows(self) -> str:
        async with self.app.store.read() as tx:
            return repr([await tx.find(kind) for kind in ALL_ROWS if kind.TABLE != "private_links"])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    await init(tmp_path / "data", name="River House", urls=("http://127.0.0.1:8080",))
    app = await open_app(load(tmp_path / "data", {}))
    links = [ContributorLink(subject=s, fields=(f,)) for s, f in (("rosa", "quote:q"), ("omar", "quote:o"))]
    rid = (await app.library.create(LOCAL, draft("The flood", fields=QUOTE, contributors=links))).rid
    allowed = Terms(frozenset({NETWORK}), ALL_PURPOSES)
    await app.consents.grant(LOCAL, subject="rosa", terms=allowed, how="signed form", given_at=1_700_000_000)
    made = await app.contributing.make_link(LOCAL, subject="rosa", days=30)
    async with TestClient(TestServer(app.public_site()), cookie_jar=DummyCookieJar()) as client:
        yield Site(app, client, rid, made.secret or "", made.id)
    await app.close()


async def test_the_page_shows_their_own_words_escaped_and_nobody_elses(site: Site) -> None:
    text = await site.text()
    assert "so it was &lt;b&gt;for me&lt;/b&gt;" in text
    assert "The flood" in text
    assert "what omar said" not in text
    assert "<script" not in text


async def test_every_page_is_kept_by_nobody_and_leaks_no_address(site: Site) -> None:
    gid = (await site.app.consents.list(LOCAL, subject="rosa"))[0].gid
    rests = [
        "",
        f"/change/{site.rid}",
        f"/withdraw/{site.rid}",
        "/withdraw/all",
        f"/receipt/{gid}",
        f"/receipt/{gid}.json",
    ]
    for rest in rests:
        answer = await site.client.get(site.path + rest)
        assert answer.status == 200, rest
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert "ETag" not in answer.headers
        assert not re.search(r'(?:href|src|action)="https?:', await answer.text())


async def test_narrowing_through_the_form_holds_at_once_and_is_shown(site: Site) -> None:
    members = await site.form(f"/change/{site.rid}")
    chosen = {"field": "quote:q", "audience": "node", "purpose": "learning", "days": ""}
    answer = await site.post(members | chosen)
    assert (answer.status, answer.headers["Location"]) == (303, f"{site.path}?done=1#done")
    text = await site.text("?done=1")
    assert "You took" not in text
    assert "you permitted less" in text
    assert "only people inside" in text


async def test_taking_back_asks_first_and_then_says_what_became_of_it(site: Site) -> None:
    asked = await site.text(f"/withdraw/{site.rid}")
    assert "What we cannot promise" in asked
    assert "Copies that people made outside" in asked
    before = await site.rows()
    members = await site.form(f"/withdraw/{site.rid}")
    assert await site.rows() == before
    assert (await site.post(members | {"how": "remove"})).status == 303
    text = await site.text()
    assert "taken out of the record" in text
    assert "for me" not in await site.rows()
    receipt = re.search(r'href="([^"]+/receipt/[^"]+)"', text)
    assert receipt is not None
    kept = await (await site.client.get(receipt[1] + ".json")).json()
    states = kept["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"]
    assert [s["@type"] for s in states] == ["dpv:ConsentWithdrawn"]
    assert kept["jws"].count(".") == 2


@pytest.mark.parametrize(
    ("change", "headers", "status"),
    [
        ({"form_token": ""}, {}, 403),
        ({"form_token": "0" * 64}, {}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Origin": "https://elsewhere.example"}, 403),
        ({"act": "other"}, {}, 422),
        ({"field": "quote:o"}, {}, 422),
        ({"purpose": ""}, {}, 422),
        ({"days": "-1"}, {}, 422),
        ({"days": "99999"}, {}, 422),
        ({"record": "0199a000-0000-7000-8000-00000000dead"}, {}, 404),
    ],
)
async def test_a_form_that_is_not_ours_or_not_theirs_changes_nothing(
    site: Site, change: dict[str, str], headers: dict[str, str], status: int
) -> None:
    members = await site.form(f"/change/{site.rid}")
    before = await site.rows()
    good = {"field": "quote:q", "audience": "stewards", "purpose": "learning", "days": ""}
    answer = await site.post(members | good | change, **headers)
    assert answer.status == status
    assert await site.rows() == before


async def test_the_token_of_one_link_opens_no_form_of_another(site: Site) -> None:
    other = await site.app.contributing.make_link(LOCAL, subject="omar")
    members = await site.form(f"/withdraw/{site.rid}")
    answer = await site.client.post(f"/c/{other.secret}", data=members | {"how": "remove"}, allow_redirects=False)
    assert answer.status == 403


async def test_unknown_ended_and_revoked_links_get_the_same_page(site: Site) -> None:
    revoked = await site.app.contributing.make_link(LOCAL, subject="rosa")
    await site.app.contributing.revoke_link(LOCAL, revoked.id)
    told = set()
    for secret in (revoked.secret, "cwl_" + "A" * 43, "x", site.secret + "x"):
        for rest in ("", f"/change/{site.rid}", "/withdraw/all", "/receipt/none", "/receipt/none.json"):
            answer = await site.client.get(f"/c/{secret}{rest}")
            told.add((answer.status, await answer.text(), answer.headers["Cache-Control"]))
            site.app.contributing._guesses._wrong.clear()
    assert {status for status, *_ in told} == {404}
    assert len(told) == 1


async def test_the_secret_is_in_no_log_line_and_no_metric(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await site.text()
    await site.post({"form_token": "bad"})
    await site.client.get("/c/cwl_wrong-one")
    metrics = await (await site.client.get("/metrics")).text()
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("commonweave")]  # the server of tests logs too
    assert any("/c/{secret}" in line for line in ours)
    for kept in (site.secret, "cwl_wrong-one"):
        assert not any(kept in line for line in ours)
        assert kept not in metrics


@pytest.mark.parametrize(("lang", "direction"), [("ar", "rtl"), ("sw", "ltr"), ("xx", "ltr")])
async def test_the_page_is_in_the_language_of_the_link_and_in_its_direction(
    site: Site, lang: str, direction: str
) -> None:
    made = await site.app.contributing.make_link(LOCAL, subject="rosa", lang=lang)
    text = await (await site.client.get(f"/c/{made.secret}")).text()
    spoken = "en" if f'lang="{lang}"' not in text else lang
    assert f'dir="{direction if spoken == lang else "ltr"}"' in text
    assert "so it was" in text


async def test_the_api_answers_the_holder_of_the_secret_as_the_page_does(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.secret}"}
    seen = await (await site.client.get("/api/v1/contributor", headers=headers)).json()
    assert [f["name"] for f in seen["records"][0]["fields"]] == ["quote:q"]
    body = {"rid": site.rid, "audience": "node", "purposes": ["learning"]}
    done = await site.client.post("/api/v1/contributor/change", json=body, headers=headers)
    assert [a["what"] for a in await done.json()] == ["narrow"]
    gone = await site.client.post("/api/v1/contributor/withdraw", json={"remove": True}, headers=headers)
    assert [a["what"] for a in await gone.json()] == ["remove"]
    receipt = await site.client.get(f"/api/v1/contributor/receipts/{(await gone.json())[0]['gid']}", headers=headers)
    assert "so it was" not in json.dumps(await receipt.json())
    wrong = await site.client.post("/api/v1/contributor/change", json=body | {"audience": "all"}, headers=headers)
    assert wrong.status == 422
