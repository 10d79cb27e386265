"""Prometheus figures of one process, in a registry of their own. Counts only: no name, id, address or text.

Figures of the node are read when they are asked for; requests are counted as they are answered.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from governance.agreement import Phase
from node.principal import LOCAL, Scope
from node.store.rows import Custody, PeerRow
from node.web.auth import is_loopback
from node.web.keys import APP, OPTIONS, WHO
from node.web.problems import Problem

# Ends at what DESIGN 13 allows a search page, and well past it for imports and bundles.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
BACKLOG_COUNTED: Final = 1_000  # per peer; an operator needs to know that it is long, not how long


class Metrics:
    """The process's figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("commonweave_requests", "Answers given.", labels, registry=self.registry)
        self._latency = Histogram(
            "commonweave_request_seconds", "Time to answer.", ["route"], buckets=BUCKETS_S, registry=self.registry
        )
        self._records = self._gauge("records", "Records here, by where they come from.", ["state"])
        self._peers = self._gauge("peers", "Peers, by phase.", ["phase"])
        self._backlog = self._gauge("custody_backlog", f"Entries peers have yet to take, {BACKLOG_COUNTED} a peer.")
        self._behind = self._gauge("index_behind", "Changes the search index has yet to take.")
        self._erasures = self._gauge("erasures_pending", "Records whose bytes are still to be cleared from disk.")
        self._quarantined = self._gauge("quarantined", "Entries of peers that were refused.")

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count an answer."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._latency.labels(route).observe(took_s)

    def _gauge(self, name: str, words: str, labels: list[str] | None = None) -> Gauge:
        return Gauge(f"commonweave_{name}", words, labels or [], registry=self.registry)

    async def text(self, request: web.Request) -> bytes:
        """All figures in the exposition format."""
        app = request.app[APP]
        status = await app.ops.status(LOCAL)
        for state in ("own", "received", "withdrawn"):
            self._records.labels(state).set(getattr(status, f"{state}_records"))
        self._behind.set(status.index_behind)
        self._erasures.set(status.pending_erasures)
        self._quarantined.set(status.quarantined)
        async with app.store.read() as tx:
            peers = await tx.find(PeerRow)
            waiting = [
                len(await tx.find(Custody, {"peer": p.id}, above=("seq", p.acked), order="seq", limit=BACKLOG_COUNTED))
                for p in peers
            ]
        tally = Tally(p.phase for p in peers)
        for phase in Phase:
            self._peers.labels(phase).set(tally[phase])
        self._backlog.set(sum(waiting))
        return generate_latest(self.registry)


METRICS: Final = web.AppKey("commonweave_metrics", Metrics)


async def metrics(request: web.Request) -> web.Response:
    """`GET /metrics`: for this machine, for a token with the scope admin, or for all if the settings say so."""
    allowed = request.app[OPTIONS].open_metrics or is_loopback(request) or request[WHO].may(Scope.ADMIN)
    if not allowed:
        raise Problem(404, "not-found", "There is nothing here, or nothing that you may see.")
    body = await request.app[METRICS].text(request)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})
