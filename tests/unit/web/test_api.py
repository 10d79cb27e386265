"""The API is what its document says: every route, every answer, every refusal."""

from __future__ import annotations

import errno
import json
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from governance.errors import TermsError
from governance.record import Draft
from node.contributors.contributing import LINK_SCOPE
from node.errors import NotNow
from node.principal import LOCAL, Scope
from node.store.port import StoreFull
from node.web.openapi import document
from node.web.operations import NDJSON, PREFIX, Operation
from node.web.server import OPENAPI_PATH, OPERATIONS, paths
from tests.unit.web.fake_accounts import FIRST_CODE, PASSWORD, RECOVERY, person, with_factor
from tests.unit.web.fake_proposals import HASH, PID
from tests.unit.web.fakes import PARTNER, RID, SECRET_RID, Client, FakeApp, record

DRAFT = {
    "kind": "guide",
    "lang": "sw",
    "fields": {"title": "Mwongozo", "body": "Maji"},
    "terms": {"aud": ["network"], "pur": ["learning"]},
}
TERMS = {"audiences": ["network"], "purposes": ["learning"]}
ITEM = json.dumps({"line": 1, "source_id": "a", "draft": DRAFT})
QUERIES = {
    "explain_record": {"to": "public"},
    "explain_past": {"to": "none", "on": "2026-03-03"},
    "attach_file": {"name": "a.pdf", "media_type": "application/pdf"},
    "import_items": {"source": "test"},
    "suggest_words": {"q": "fl"},
}
BODIES: dict[str, Any] = {
    "create_record": DRAFT,
    "edit_draft": DRAFT,
    "narrow_record": {"terms": TERMS},
    "withdraw_record": {"reason": "consent"},
    "grant_consent": {"subject": "s", "terms": TERMS, "how": "a form"},
    "check_policy": {"text": "x"},
    "preview_change": {"lift": "none"},
    "accept_invite": {"text": "x"},
    "read_policy": {"text": "x"},
    "create_circle": {"slug": "north"},
    "change_members": {"add": [PARTNER]},
    "report_record": {"what": "danger", "text": "A name can be guessed."},
    "put_on_hold": {"scope": "all", "note": "a name can be guessed"},
    "make_proposal": {"act": {"kind": "steward.add", "account": "amal"}},
    "edit_proposal": {"act": {"kind": "steward.add", "account": "bao"}},
    "comment_on_proposal": {"text": "Good."},
    "vote_on_proposal": {"choice": "yes", "hash": HASH},
    "answer_report": {"done": "read", "text": "We look into it."},
    "add_account": {"name": "new", "role": "member"},
    "invite_person": {"name": "guest"},
    "change_account": {"role": "editor"},
    "change_password": {"password": PASSWORD, "new": "another long one"},
    "make_own_token": {"password": PASSWORD, "label": "own", "scopes": ["read"]},
    "start_factor": {"password": PASSWORD},
    "confirm_factor": {"code": FIRST_CODE},
    "remove_factor": {"password": PASSWORD, "code": RECOVERY},
    "renew_recovery_codes": {"password": PASSWORD, "code": RECOVERY},
    "make_link": {"subject": "rosa"},
    "change_own": {"rid": RID, "purposes": ["learning"]},
    "make_token": {"label": "new", "account": "steward-admin", "scopes": ["read"]},
}
RAW = {"verify_text": "x~", "attach_file": "bytes", "import_items": ITEM + "\n"}
IN_PATH = {
    "ref": RID,
    "gid": "g1",
    "cid": "c1",
    "report_id": "report-1",
    "hold_id": "hold-1",
    "pid": PID,
    "link_id": "link-1",
    "field": "attachment:plan",
    "name": "member-read",
    "label": "member-read",
    "entry": "0",
}
MEMBERS_ONLY = ("show_status", "list_reports", "report_record")  # the scope of reading, and only for people known
OWN = [o for o in OPERATIONS if o.scope == LINK_SCOPE]  # for the secret of a private link, and nothing else
ALL = pytest.mark.parametrize("operation", [o for o in OPERATIONS if o not in OWN], ids=lambda o: o.name)


def url(operation: Operation) -> str:
    return PREFIX + operation.path.format(**IN_PATH)


async def call(client: Client, operation: Operation, headers: dict[str, str]) -> Any:
    name = operation.name
    sent: dict[str, Any] = {"params": QUERIES.get(name, {}), "headers": headers}
    if name in RAW:
        sent["data"] = RAW[name]
    elif operation.body is not None:
        sent["json"] = BODIES.get(name, {})
    return await client.request(operation.method, url(operation), **sent)


async def prepare(app: FakeApp) -> dict[str, str]:
    await app.token_for("member", "read")
    app.library.drafts[RID] = Draft.model_validate(DRAFT)
    return await app.token_for("steward", "read", "write", "steward", "admin", "self")


@ALL
async def test_every_operation_answers_as_its_model_says(client: Client, app: FakeApp, operation: Operation) -> None:
    headers = await prepare(app)
    if "factor" in operation.name or "recovery" in operation.name:
        await with_factor(app.store, "member-read", operation.name)
    await person(app.accounts, app.store, "steward-admin", "steward", admin=True)
    response = await call(client, operation, headers)
    text = await response.text()
    assert response.status == operation.status, text
    described = document(OPERATIONS, "1")
    answer = described["paths"][PREFIX + operation.path][operation.method.lower()]["responses"][str(operation.status)]
    if "content" not in answer:
        assert text == ""
        return
    (media, content), *_ = answer["content"].items()
    if media == "application/json":
        schema = content["schema"] | {"components": described["components"]}
        jsonschema.validate(json.loads(text), schema)
    elif media == NDJSON:
        assert response.content_type == NDJSON
        for line in text.splitlines():
            jsonschema.validate(json.loads(line), content["schema"] | {"components": described["components"]})
    assert text


@pytest.mark.parametrize("operation", OWN, ids=lambda o: o.name)
async def test_a_private_link_opens_its_own_operations_and_no_account_does(
    client: Client, local: Client, app: FakeApp, operation: Operation
) -> None:
    secret = {"Authorization": f"Bearer {app.contributing.secret}"}
    assert (await call(client, operation, secret)).status == 200
    assert (await call(client, operation, {"Authorization": "Bearer cwl_guess"})).status == 401
    assert (await call(client, operation, {})).status == 401
    assert (await call(client, operation, await app.token_for("steward", "read", "write", "steward"))).status == 403
    assert (await call(local, operation, {})).status == 403


async def test_a_private_link_opens_nothing_else(client: Client, app: FakeApp) -> None:
    secret = {"Authorization": f"Bearer {app.contributing.secret}"}
    opened = [o.name for o in OPERATIONS if o not in OWN and (await call(client, o, secret)).status not in (401, 403)]
    assert opened == []


def test_the_document_is_valid_openapi() -> None:
    described = document(OPERATIONS, "1")
    validate(described)
    assert described["openapi"].startswith("3.1")


async def test_every_api_route_is_in_the_document(client: Client) -> None:
    served = await (await client.get(OPENAPI_PATH)).json()
    described = {(m.upper(), p) for p, methods in served["paths"].items() for m in methods}
    routes = {(m, p) for m, p in paths(client.app) if p.startswith(PREFIX) and m != "HEAD" and p != OPENAPI_PATH}
    assert routes == described
    assert len({o.name for o in OPERATIONS}) == len(OPERATIONS)


@ALL
def test_every_operation_has_a_summary(operation: Operation) -> None:
    assert operation.summary.endswith((".", "line"))


@ALL
async def test_without_credentials_only_reading_is_open_and_the_rest_is_401(
    client: Client, app: FakeApp, operation: Operation
) -> None:
    await prepare(app)
    response = await call(client, operation, {})
    if operation.scope == Scope.READ and operation.name not in MEMBERS_ONLY:
        assert response.status == operation.status
    else:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.content_type == "application/problem+json"


@ALL
async def test_a_token_without_the_scope_is_403(client: Client, app: FakeApp, operation: Operation) -> None:
    if operation.scope == Scope.READ:
        headers = await app.token_for("editor", "write")
    else:
        headers = await app.token_for("steward", "read")
    assert (await call(client, operation, headers)).status == 403


async def test_a_wrong_token_is_401_even_where_the_public_may_read(client: Client) -> None:
    for given in ("Bearer cwt_nope", "Basic eDp5", "Bearer", ""):
        response = await client.get(PREFIX + "/search", headers={"Authorization": given})
        assert response.status == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_a_session_cookie_reads_and_never_writes(client: Client, app: FakeApp) -> None:
    await app.accounts.add(LOCAL, "amal", "steward", "correct horse battery")
    signed_in = await app.accounts.login("amal", "correct horse battery", "x")
    cookie = {"Cookie": f"cw_session={signed_in.secret}"}
    assert (await client.get(PREFIX + "/peers", headers=cookie)).status == 200
    assert (await client.post(PREFIX + "/records", json=DRAFT, headers=cookie)).status == 401


async def test_the_unix_socket_is_the_administrator_and_has_no_pages(local: Client, app: FakeApp) -> None:
    assert (await local.get(PREFIX + "/accounts")).status == 200
    assert (await local.get("/")).status == 404
    assert (await local.get("/login")).status == 404
    assert (await local.get("/healthz")).status == 200


async def test_unknown_and_not_to_be_known_look_the_same(client: Client) -> None:
    answers = []
    for ref in (SECRET_RID, SECRET_RID.replace("dead", "beef")):
        response = await client.get(f"{PREFIX}/records/{ref}")
        body = await response.json()
        answers.append((response.status, body["type"], body["title"], body["detail"].replace(ref, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_a_problem_has_the_members_of_rfc_9457(client: Client) -> None:
    response = await client.get(f"{PREFIX}/records/nothing")
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert body["status"] == 404
    assert body["type"] == "urn:commonweave:problem:not-found"


@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("/records", DRAFT | {"colour": "red"}, "colour"),
        ("/records", {"kind": "guide"}, "lang"),
        (f"/records/{RID}/withdraw", {"reason": "boredom"}, "reason"),
        (f"/records/{RID}/narrow", {"terms": {"audiences": [], "purposes": []}}, "terms.audiences"),
        ("/tokens", {"label": "x", "account": "a", "scopes": ["root"]}, "scopes.0"),
    ],
)
async def test_a_bad_body_names_the_member_and_a_remedy(local: Client, path: str, body: Any, member: str) -> None:
    response = await local.post(PREFIX + path, json=body)
    problem = await response.json()
    assert response.status == 422
    assert member in [e["member"] for e in problem["errors"]]
    assert all(e["remedy"] for e in problem["errors"])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000", "limit=x", "lmit=5", "limit=1&limit=2", "after=zzz", "after=%00"]
)
async def test_a_bad_query_is_422_and_names_the_member(client: Client, query: str) -> None:
    response = await client.get(f"{PREFIX}/records?{query}")
    assert response.status == 422
    assert query.split("=", maxsplit=1)[0] in (await response.json())["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b"null", b'"x"', b"NaN"])
async def test_a_body_that_is_no_json_object_is_422(local: Client, body: bytes) -> None:
    response = await local.post(PREFIX + "/records", data=body, headers={"Content-Type": "application/json"})
    assert response.status == 422


async def test_a_form_of_another_site_is_no_body(local: Client) -> None:
    response = await local.post(PREFIX + "/records", data={"kind": "guide"})
    assert response.status == 415


async def test_cursors_lead_through_a_list_and_say_nothing(client: Client, app: FakeApp) -> None:
    app.library.records = {f"r{i}": record(rid=f"r{i}") for i in range(5)}
    seen, after = [], None
    while True:
        params = {"limit": "2"} | ({"after": after} if after else {})
        body = await (await client.get(PREFIX + "/records", params=params)).json()
        seen += [item["rid"] for item in body["items"]]
        after = body["next"]
        if after is None:
            break
    assert seen == ["r0", "r1", "r2", "r3", "r4"]


async def test_a_cursor_of_another_list_is_refused(local: Client) -> None:
    cursor = (await (await local.get(PREFIX + "/audit")).json())["next"]
    assert cursor != "7"
    assert (await local.get(PREFIX + "/records", params={"after": cursor})).status == 422


async def test_search_pages_by_cursor_to_the_end(client: Client, app: FakeApp) -> None:
    app.find.hits = app.find.hits * 5
    got, after = 0, None
    for _ in range(3):
        params = {"q": "flood", "limit": "2"} | ({"after": after} if after else {})
        body = await (await client.get(PREFIX + "/search", params=params)).json()
        got, after = got + len(body["hits"]), body["next"]
    assert (got, after) == (5, None)


async def test_what_nobody_foresaw_is_a_500_without_a_trace_and_with_an_id_in_the_log(
    local: Client, app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app.ops.fails = RuntimeError("password=hunter2 at /secret/path")
    response = await local.get(PREFIX + "/doctor")
    text = await response.text()
    assert response.status == 500
    assert "hunter2" not in text
    assert "Traceback" not in text
    request_id = json.loads(text)["instance"].rpartition(":")[2]
    assert request_id in caplog.text
    assert request_id in json.loads(text)["detail"]


@pytest.mark.parametrize(
    ("error", "status"), [(NotNow("first that"), 409), (TermsError("no such"), 422), (StoreFull("no room"), 507)]
)
async def test_errors_have_the_status_of_whose_fault_they_are(
    local: Client, app: FakeApp, error: Exception, status: int
) -> None:
    app.ops.fails = error
    response = await local.get(PREFIX + "/doctor")
    assert response.status == status
    assert str(error) in (await response.json())["detail"]


async def test_a_full_disk_under_a_file_that_comes_in_is_told_as_such(local: Client, app: FakeApp) -> None:
    app.ops.fails = OSError(errno.ENOSPC, "No space left on device")
    response = await local.get(PREFIX + "/doctor")
    assert response.status == 507
    assert "free disk space" in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"reason": "because"}, "reason: 'because' is not one of the words known here; use 'consent', 'harm'"),
        ({}, "reason: Field required; add it"),
        ({"reason": "harm", "x": 1}, "x: Extra inputs are not permitted; leave it out"),
    ],
)
async def test_a_wrong_member_is_named_with_what_it_has_to_be(local: Client, body: dict[str, str], said: str) -> None:
    response = await local.post(f"{PREFIX}/records/{RID}/withdraw", json=body)
    assert response.status == 422
    assert said in (await response.json())["detail"]


async def test_what_fails_before_the_first_line_of_a_stream_is_a_plain_problem(local: Client, app: FakeApp) -> None:
    app.ops.fails = NotNow("another rebuild is running")
    response = await local.post(PREFIX + "/reindex")
    assert response.status == 409


async def test_an_import_passes_good_items_and_reports_bad_lines_by_number(local: Client, app: FakeApp) -> None:
    lines = [ITEM, "{broken", "", ITEM.replace('"sw"', '"not a language"')]
    response = await local.post(PREFIX + "/import?source=x", data="\n".join(lines))
    views = [json.loads(line) for line in (await response.text()).splitlines()]
    assert views[-1]["done"] is True
    good, broken, unfit = app.importer.seen
    assert good.source_id == "a"
    assert broken.line == 2
    assert unfit.line == 4
    assert "language" in unfit.problem


async def test_an_upload_beyond_the_limit_is_413_with_the_limit(client: Client, app: FakeApp) -> None:
    headers = await app.token_for("editor", "write")
    target = f"{PREFIX}/records/{RID}/attachments?name=a&media_type=a/b"
    assert (await client.post(target, data=b"x" * 100_000, headers=headers)).status == 201
    response = await client.post(target, data=b"x" * 100_001, headers=headers)
    assert response.status == 413
    assert "100000" in (await response.json())["detail"]


async def test_a_json_body_beyond_the_limit_is_413(local: Client) -> None:
    body = b'{"kind":"' + b"x" * (8 * 1024 * 1024) + b'"}'
    response = await local.post(PREFIX + "/records", data=body, headers={"Content-Type": "application/json"})
    assert response.status == 413


async def test_an_attachment_is_served_in_ranges_and_only_as_a_download(client: Client) -> None:
    target = f"{PREFIX}/records/{RID}/attachments/attachment:plan"
    response = await client.get(target, headers={"Range": "bytes=2-4"})
    assert response.status == 206
    assert await response.read() == b"234"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_the_same_answer_again_is_304(client: Client) -> None:
    first = await client.get(OPENAPI_PATH)
    again = await client.get(OPENAPI_PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""


async def test_answers_to_the_known_are_not_stored_and_public_ones_are_asked_for_again(
    client: Client, app: FakeApp
) -> None:
    headers = await app.token_for("member", "read")
    public = await client.get(PREFIX + "/records")
    own = await client.get(PREFIX + "/records", headers=headers)
    assert public.headers["Cache-Control"] == "no-cache"
    assert own.headers["Cache-Control"] == "no-store"


async def test_an_unknown_method_is_405_and_says_which_are_known(client: Client) -> None:
    response = await client.delete(PREFIX + "/records")
    assert response.status == 405
    assert "GET" in response.headers["Allow"]
