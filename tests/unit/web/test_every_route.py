"""Every route of the API on a real node: who may, what is not there, what cannot be used; reading changes nothing."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from config.load import load
from governance.kinds import KINDS
from node.app import App, open_app
from node.contributors.contributing import LINK_SCOPE
from node.principal import LOCAL, Scope
from node.setup import init
from node.store.rows import ALL_ROWS
from node.web.operations import PREFIX, Operation
from node.web.problems import PROBLEM_JSON
from node.web.server import OPERATIONS as EVERY
from tests.unit.web.fakes import Client
from tests.unit.web.test_api import BODIES, MEMBERS_ONLY, QUERIES, RAW

OPERATIONS = tuple(o for o in EVERY if o.scope != LINK_SCOPE)  # those have a key and tests of their own
UNKNOWN = {
    "ref": "0198c0de-0000-7000-8000-000000000000", "gid": "none", "cid": "none", "pid": "none",
    "field": "attachment:none", "name": "none", "label": "none", "report_id": "none", "hold_id": "none",
    "link_id": "none", "entry": "none",
}  # fmt: skip
DRAFT: dict[str, Any] = {
    "kind": "guide", "lang": "sw", "fields": {"title": "Mwongozo", "body": "Maji"},
    "terms": {"aud": ["network"], "pur": ["learning"]},
}  # fmt: skip
TERMS = {"audiences": ["node"], "purposes": ["learning"]}
PERMISSION = {"subject": "s", "terms": TERMS, "how": "a form"}


@dataclass(frozen=True)
class Real:
    """A node on a database of its own, with a record of each state, and its public side."""

    app: App
    client: Client
    known: Mapping[str, str]  # what stands for the names in a path
    tokens: Mapping[str, str]  # by the one scope that each has, `all` for all of them

    async def ask(self, operation: Operation, names: Mapping[str, str], token: str = "all") -> tuple[int, str, Any]:
        """Status, content type and problem of an operation that is asked for properly."""
        sent: dict[str, Any] = {"params": QUERIES.get(operation.name, {}), "headers": self.headers(token)}
        if operation.name in RAW:
            sent["data"] = RAW[operation.name]
        elif operation.body is not None:
            sent["json"] = BODIES.get(operation.name, {})
        answer = await self.client.request(operation.method, PREFIX + operation.path.format(**names), **sent)
        return answer.status, answer.content_type, await answer.read()

    def headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}

    async def rows(self) -> dict[str, list[Any]]:
        """Everything in the database."""
        async with self.app.store.read() as tx:
            return {kind.TABLE: sorted(map(repr, await tx.find(kind))) for kind in ALL_ROWS}


async def _bytes() -> AsyncIterator[bytes]:
    yield b"%PDF"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Real]:
    await init(tmp_path / "data", name="River House", urls=("http://127.0.0.1:8080",))
    app = await open_app(load(tmp_path / "data", {}))
    async with TestClient(TestServer(app.public_site()), cookie_jar=DummyCookieJar()) as client:
        await app.accounts.add(LOCAL, "amal", "steward", "correct horse battery", admin=True)
        scopes = {scope.value: [scope.value] for scope in Scope} | {"all": [s.value for s in Scope]}
        tokens = {n: (await app.accounts.token(LOCAL, n, "amal", s, 1)).secret or "" for n, s in scopes.items()}
        found = Real(app, client, {}, tokens)
        rid = (await _post(found, "/records", DRAFT | {"terms": {"aud": ["public"], "pur": ["learning"]}}))["rid"]
        file = await app.attachments.attach(LOCAL, rid, "a.pdf", "application/pdf", _bytes())
        gid = (await _post(found, "/consents", PERMISSION))["grant"]["gid"]
        cid = (await _post(found, "/circles", {"slug": "coast"}))["cid"]
        gone = (await _post(found, "/records", DRAFT))["rid"]
        await app.library.withdraw(LOCAL, gone, "error")
        await app.upkeep.catch_up()
        known = {"ref": rid, "gid": gid, "cid": cid, "field": file.field, "name": "amal", "label": "read"}
        known["pid"] = (await _post(found, "/proposals", {"act": {"kind": "circle.create", "slug": "north"}}))["pid"]
        known["report_id"] = (await app.reports.report(LOCAL, rid, what="error", text="Seven, not two.")).id
        known["hold_id"] = (await app.holds.hold(LOCAL, "record", gone)).hid
        known["link_id"] = (await app.contributing.make_link(LOCAL, subject="s")).id
        await app.upkeep.catch_up()
        yield Real(app, client, known | {"entry": "0"}, tokens)
    await app.close()


async def _post(real: Real, path: str, body: Any) -> Any:
    answer = await real.client.post(PREFIX + path, json=body, headers=real.headers("all"))
    assert answer.status == 201, await answer.text()
    return await answer.json()


def _is_problem(status: int, content_type: str, body: bytes) -> bool:
    problem = json.loads(body) if content_type == PROBLEM_JSON else {}
    return problem.get("status") == status and bool(problem.get("detail"))


async def test_no_route_is_open_without_a_token_but_what_the_public_may_read(real: Real) -> None:
    wrong = {}
    for operation in OPERATIONS:
        answer = await real.ask(operation, UNKNOWN, token="")
        public = operation.scope == Scope.READ and operation.name not in MEMBERS_ONLY
        due = (404,) if public and "{ref}" in operation.path else (200,) if public else (401,)
        if answer[0] not in due or (answer[0] >= 400 and not _is_problem(*answer)):
            wrong[operation.name] = answer
    assert not wrong


async def test_every_route_refuses_a_token_of_every_other_scope_and_changes_nothing(real: Real) -> None:
    before, wrong = await real.rows(), {}
    for operation in OPERATIONS:
        for scope in Scope:
            answer = await real.ask(operation, real.known, scope.value) if scope != operation.scope else (403, "", b"")
            if answer[0] != 403 or (answer[1] and not _is_problem(*answer)):
                wrong[operation.name, scope] = answer
    assert not wrong
    assert await real.rows() == before


async def test_what_is_not_there_is_404_on_every_route_that_names_something(real: Real) -> None:
    wrong = {}
    for operation in OPERATIONS:
        if operation.in_path:
            answer = await real.ask(operation, UNKNOWN)
            if answer[0] != 404 or not _is_problem(*answer):
                wrong[operation.name] = answer
    assert not wrong


async def test_reading_changes_nothing(real: Real) -> None:
    before, wrong = await real.rows(), {}
    seen = set()
    for operation in OPERATIONS:
        if operation.method == "GET":
            for names in (real.known, UNKNOWN):
                status, *_ = await real.ask(operation, names)
                seen.add(status)
            after = await real.rows()
            if after != before:
                wrong[operation.name] = [table for table in before if before[table] != after[table]]
    assert not wrong
    assert seen == {200, 404}


def _cursor(listing: str, inner: Any) -> str:
    return urlsafe_b64encode(json.dumps([listing, inner]).encode()).decode().rstrip("=")


LISTS = {"/records": "records", "/search": "search", "/audit": "audit"}
CURSORS = ["zzz", "%00", "9" * 600, "W10", "bnVsbA", *(f"own:{n}" for n in ("9" * 30, "-1", "x", "", "٣", "1e3", " 1"))]


async def test_a_cursor_that_no_list_gave_is_422_whatever_is_in_it(real: Real) -> None:
    wrong = {}
    for path, listing in LISTS.items():
        for given in CURSORS:
            after = _cursor(listing, given[4:]) if given.startswith("own:") else given
            answer = await real.client.get(f"{PREFIX}{path}?after={after}", headers=real.headers("all"))
            if answer.status != 422 or "after" not in (await answer.json())["detail"]:
                wrong[path, given] = answer.status
    assert not wrong


WRONG = [
    ("GET", "/records?kind=casestudy", None, ["'casestudy'", *KINDS]),
    ("GET", "/records?kind=", None, ["''", *KINDS]),
    ("GET", "/search?kind=guide&kind=poem", None, ["'poem'", *KINDS]),
    ("GET", "/search?purpose=profit", None, ["'profit'", "learning, research"]),
    ("GET", "/search?sort=best", None, ["sort", "'relevance' or 'newest'"]),
    ("GET", "/search?q=a%00b", None, ["q", "NUL"]),
    ("GET", "/search?year_from=10000", None, ["year_from", "9999 is the most"]),
    ("GET", "/records/0198", None, ["'0198'", "8 characters"]),
    ("GET", "/consents?rid=zzz", None, ["'zzz'"]),
    ("POST", "/consents", PERMISSION | {"terms": TERMS | {"until": 86_400}}, ["until", "1970-01-02", "to come"]),
    ("POST", "/consents", PERMISSION | {"subject": "s\0"}, ["subject", "NUL"]),
    ("POST", "/consents", PERMISSION | {"terms": TERMS | {"purposes": ["profit"]}}, ["terms.purposes.0", "'learning'"]),
    ("POST", "/records", DRAFT | {"kind": "poem"}, ["'poem'", *KINDS]),
    ("POST", "/records", DRAFT | {"lang": "no tag"}, ["'no tag'", "BCP 47"]),
    ("POST", "/records", DRAFT | {"fields": {"title": "a\0b"}}, ["fields.title", "NUL"]),
    ("POST", "/records", DRAFT | {"terms": {"aud": ["all"], "pur": []}}, ["'all'", "network"]),
    ("POST", "/peers/invite", {"terms": {"kinds": ["poem"]}}, ["'poem'", *KINDS]),
    ("POST", "/peers/invite", {"valid_h": 721}, ["valid_h", "720 is the most"]),
    ("GET", "/policy/sentences?lang=xx", None, ["'xx'", "en, ar, es, fr, pt, sw"]),
    ("POST", "/peers/accept", {"text": "hello"}, ["no invitation"]),
    ("POST", "/circles", {"slug": "North Side"}, ["'North Side'", "lower-case"]),
    ("POST", "/proposals", {"act": {"kind": "party.hold"}}, ["act", "policy.change"]),
    ("POST", "/proposals", {"act": {"kind": "policy.change", "text": "x"}}, ["not TOML"]),
    ("POST", "/proposals", {"act": {"kind": "circle.create", "slug": "North"}}, ["'North'", "lower-case"]),
    ("POST", "/accounts", {"name": "x", "role": "boss"}, ["role", "'member'"]),
    ("POST", "/accounts", {"name": "x", "role": "member", "password": "short"}, ["12 characters"]),
    ("POST", "/tokens", {"label": "x", "account": "amal", "scopes": ["root"]}, ["scopes.0", "'read'"]),
]  # fmt: skip


async def test_a_value_that_cannot_be_used_is_named_with_the_way_out_and_nothing_is_written(real: Real) -> None:
    before, wrong = await real.rows(), {}
    for method, path, body, said in WRONG:
        sent: dict[str, Any] = {} if body is None else {"json": body}
        answer = await real.client.request(method, PREFIX + path, headers=real.headers("all"), **sent)
        text = await answer.read()
        missing = [word for word in said if word not in json.loads(text).get("detail", "")]
        if answer.status != 422 or missing or not _is_problem(answer.status, answer.content_type, text):
            wrong[method, path, str(body)] = (answer.status, text, missing)
    assert not wrong
    assert await real.rows() == before


async def test_a_text_that_only_looks_like_a_nul_is_kept(real: Real) -> None:
    title = "the letter \\u0000 and \\0"
    rid = (await _post(real, "/records", DRAFT | {"fields": {"title": title}}))["rid"]
    assert (await real.app.library.draft(LOCAL, rid)).fields["title"] == title


async def test_a_draft_that_is_not_published_is_answered_and_narrowed_without_being_sealed(real: Real) -> None:
    made = await _post(real, "/records", DRAFT | {"publish": False})
    assert (made["ver"], made["title"], made["fields"]) == (0, DRAFT["fields"]["title"], 2)
    body = {"terms": {"audiences": ["node"], "purposes": ["learning"]}}
    answer = await real.client.post(f"{PREFIX}/records/{made['rid']}/narrow", json=body, headers=real.headers("all"))
    view = await answer.json()
    assert (answer.status, view["ver"], view["narrowed"]) == (200, 0, True)
    assert (await real.client.get(f"{PREFIX}/records/{made['rid']}", headers=real.headers("all"))).status == 404


async def test_narrowing_by_terms_that_are_no_narrower_says_so_and_makes_no_version(real: Real) -> None:
    before = await real.rows()
    body = {"terms": {"audiences": ["public"], "purposes": ["learning", "research"]}}
    answer = await real.client.post(
        f"{PREFIX}/records/{real.known['ref']}/narrow", json=body, headers=real.headers("all")
    )
    view = await answer.json()
    assert (view["narrowed"], await real.rows()) == (False, before)


async def test_a_bad_character_in_one_line_does_not_stop_an_import(real: Real) -> None:
    item = {"line": 1, "source_id": "a", "draft": DRAFT}
    bad = {"line": 2, "source_id": "b", "draft": DRAFT | {"fields": {"title": "a\0b"}}}
    last = {"line": 3, "source_id": "c", "draft": DRAFT}
    lines = "\n".join(map(json.dumps, (item, bad, last)))
    answer = await real.client.post(PREFIX + "/import?source=test", data=lines, headers=real.headers("all"))
    view = json.loads((await answer.text()).splitlines()[-1])
    assert (view["done"], view["read"], view["added"] + view["refused"]) == (True, 3, 3)
    assert view["added"] >= 2
