"""NodeInfo 2.1 and the probes of process managers: is it up, can it serve.

https://nodeinfo.diaspora.software/protocol
"""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from node.errors import NodeError
from node.principal import ANYBODY, LOCAL
from node.store.port import StoreError
from node.store.rows import Meta
from node.web.auth import base_url
from node.web.keys import APP
from node.web.problems import LOG

SCHEMA: Final = "http://nodeinfo.diaspora.software/ns/schema/2.1"
MEDIA_TYPE: Final = f'application/json; profile="{SCHEMA}#"'
# The schema wants one of ten names and ours is not among them. This one is of a network that is no more, so that no
# crawler comes to speak it; the true name stands in `metadata.protocols`.
SCHEMA_PROTOCOL: Final = "tent"
NODE_DOCUMENT: Final = "/federation/v1/node"


async def well_known(request: web.Request) -> web.Response:
    """Where the NodeInfo document is."""
    href = f"{base_url(request)}/nodeinfo/2.1"
    return web.json_response({"links": [{"rel": SCHEMA, "href": href}]})


async def nodeinfo(request: web.Request) -> web.Response:
    """What this server is. Numbers of people and records are nobody's business: the counts stay empty."""
    status = await request.app[APP].ops.status(ANYBODY)
    document: dict[str, Any] = {
        "version": "2.1",
        "software": {"name": "commonweave", "version": status.version},
        "protocols": [SCHEMA_PROTOCOL],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": {}},
        "metadata": {
            "nodeName": status.name,
            "nodeId": status.node_id,
            "protocols": ["commonweave/1"],
            "nodeDocument": base_url(request) + NODE_DOCUMENT,
        },
    }
    return web.Response(text=json.dumps(document, ensure_ascii=False), headers={"Content-Type": MEDIA_TYPE})


async def healthz(_request: web.Request) -> web.Response:
    """The process is up."""
    return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})


async def readyz(request: web.Request) -> web.Response:
    """The store answers and the index is open; what is wrong stands in the log, not in the answer."""
    app = request.app[APP]
    state = {"store": "ok", "index": "ok"}
    try:
        async with app.store.read() as tx:
            await tx.get(Meta, "ready")
    except (StoreError, OSError) as error:
        LOG.warning("not ready: store: %s", error)
        state["store"] = "failing"
    try:
        await app.find.suggest(LOCAL, "a")
    except (NodeError, StoreError, OSError, ValueError, RuntimeError) as error:
        LOG.warning("not ready: index: %s", error)
        state["index"] = "failing"
    status = 200 if set(state.values()) == {"ok"} else 503
    return web.json_response(state, status=status, headers={"Cache-Control": "no-store"})
