"""Probes, figures and NodeInfo: enough for machines, nothing about people."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from node.store.rows import Custody, PeerRow
from node.web.options import WebOptions
from node.web.server import build_web
from tests.unit.web.fakes import ORIGIN, PARTNER, RID, Client, FakeApp

SCHEMA = Path(__file__).parents[4] / "shared" / "vectors" / "nodeinfo" / "schemas" / "2.1" / "schema.json"

# The required form of NodeInfo 2.1, in our words, for machines without the published schema.
NODEINFO: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "software", "protocols", "services", "openRegistrations", "usage", "metadata"],
    "properties": {
        "version": {"const": "2.1"},
        "software": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "version"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                "version": {"type": "string"},
                "repository": {"type": "string"},
                "homepage": {"type": "string"},
            },
        },
        "protocols": {
            "type": "array",
            "minItems": 1,
            "items": {
                "enum": [
                    "activitypub",
                    "buddycloud",
                    "dfrn",
                    "diaspora",
                    "libertree",
                    "ostatus",
                    "pumpio",
                    "tent",
                    "xmpp",
                    "zot",
                ]
            },
        },
        "services": {
            "type": "object",
            "additionalProperties": False,
            "required": ["inbound", "outbound"],
            "properties": {"inbound": {"type": "array"}, "outbound": {"type": "array"}},
        },
        "openRegistrations": {"type": "boolean"},
        "usage": {"type": "object", "required": ["users"], "properties": {"users": {"type": "object"}}},
        "metadata": {"type": "object"},
    },
}


@pytest.fixture
async def far(app: FakeApp) -> AsyncIterator[Client]:
    """Behind a proxy, so that a test can come from elsewhere."""
    options = WebOptions(behind_proxy=True, public_url="https://river.example")
    async with TestClient(TestServer(build_web(app, options)), cookie_jar=DummyCookieJar()) as found:
        yield found


async def nodeinfo(client: Client) -> Any:
    links = (await (await client.get("/.well-known/nodeinfo")).json())["links"]
    assert links[0]["rel"] == "http://nodeinfo.diaspora.software/ns/schema/2.1"
    return await (await client.get("/" + links[0]["href"].split("/", 3)[3])).json(content_type=None)


async def test_nodeinfo_has_the_required_form_and_links_the_node_document(far: Client) -> None:
    document = await nodeinfo(far)
    jsonschema.validate(document, NODEINFO)
    assert document["metadata"]["nodeDocument"] == "https://river.example/federation/v1/node"
    assert document["metadata"]["nodeId"] == ORIGIN


@pytest.mark.skipif(not SCHEMA.exists(), reason="the published schemas are not beside this clone")
async def test_nodeinfo_validates_against_the_published_schema(client: Client) -> None:
    jsonschema.validate(await nodeinfo(client), json.loads(SCHEMA.read_text()))


async def test_nodeinfo_counts_nobody(client: Client) -> None:
    assert (await nodeinfo(client))["usage"] == {"users": {}}


async def test_health_and_readiness(client: Client) -> None:
    assert (await client.get("/healthz")).status == 200
    response = await client.get("/readyz")
    assert (response.status, await response.json()) == (200, {"store": "ok", "index": "ok"})


async def test_an_index_that_fails_is_not_ready_and_the_reason_stays_in_the_log(
    client: Client, app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app.find.broken = True
    response = await client.get("/readyz")
    assert response.status == 503
    assert "secret-place" not in await response.text()
    assert "secret-place" in caplog.text
    assert (await client.get("/healthz")).status == 200


async def test_figures_count_records_peers_backlog_and_requests_by_route(client: Client, app: FakeApp) -> None:
    async with app.store.write() as tx:
        await tx.put(PeerRow(1, PARTNER, "active", "Coast School", "[]", "[]", "[]", 0, acked=5))
        await tx.put(*(Custody(1, copy, copy, "put", 1, 0) for copy in range(1, 9)))
    await client.get(f"/records/{ORIGIN}/{RID}")
    text = await (await client.get("/metrics")).text()
    for line in (
        'commonweave_records{state="own"} 1234.0',
        'commonweave_records{state="received"} 987.0',
        'commonweave_records{state="withdrawn"} 3.0',
        'commonweave_peers{phase="active"} 1.0',
        'commonweave_peers{phase="blocked"} 0.0',
        "commonweave_custody_backlog 3.0",
        "commonweave_quarantined 1.0",
        "commonweave_index_behind 0.0",
        "commonweave_erasures_pending 0.0",
        'commonweave_requests_total{method="GET",route="/records/{origin}/{rid}",status="200"} 1.0',
    ):
        assert line in text
    assert 'commonweave_request_seconds_bucket{le="0.001",route="/records/{origin}/{rid}"}' in text


async def test_figures_have_no_id_name_or_path(client: Client, app: FakeApp) -> None:
    async with app.store.write() as tx:
        await tx.put(PeerRow(1, PARTNER, "active", "Coast School", "[]", "[]", "[]", 0))
    await client.get("/wp-admin/secretword")
    await client.request("PROPFIND", "/")
    text = await (await client.get("/metrics")).text()
    for told in (PARTNER, "Coast", "secretword", "PROPFIND", "127.0.0.1"):
        assert told not in text


async def test_figures_are_for_this_machine_and_administrators(far: Client, app: FakeApp) -> None:
    away = {"X-Forwarded-For": "192.0.2.7"}
    assert (await far.get("/metrics", headers=away)).status == 404
    assert (await far.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.7"})).status == 404
    assert (await far.get("/metrics")).status == 404
    steward = await app.token_for("steward", "read", "steward")
    assert (await far.get("/metrics", headers=away | steward)).status == 404
    admin = await app.token_for("steward", "admin")
    assert (await far.get("/metrics", headers=away | admin)).status == 200


async def test_a_forwarded_request_is_not_this_machine_when_no_proxy_was_named(client: Client) -> None:
    assert (await client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})).status == 404


async def test_figures_can_be_opened_by_the_settings(app: FakeApp) -> None:
    site = build_web(app, WebOptions(behind_proxy=True, open_metrics=True))
    async with TestClient(TestServer(site)) as client:
        assert (await client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})).status == 200
