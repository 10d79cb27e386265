"""A real first sync between two processes over loopback, beside a bare loop on the very same records.

The bare loop parses, verifies, inserts and indexes what the sync transfers, with the same store, verifier and engine;
so the ratio says what the exchange itself costs: decisions, custody, HTTP, signatures, receipts.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from config.load import load
from federation.envelope import VerifiedEnvelope, verify
from federation.messages import Page, Put, read_page, write_page
from governance.record import Draft
from governance.terms import Terms
from node.app import App, open_app
from node.copies import row_of
from node.library import NewRecord
from node.peerbook import read_history
from node.principal import LOCAL
from node.setup import init
from node.store.rows import Copy, OriginRow, PeerRow, State
from node.store.sql import open_store
from search.open import open_engine

WORDS = [
    "river",
    "flood",
    "brigade",
    "meeting",
    "facilitator",
    "water",
    "trust",
    "map",
    "phone",
    "radio",
    "school",
    "clinic",
    "harvest",
    "savings",
    "council",
    "review",
    "lesson",
    "partner",
    "route",
    "shelter",
    "market",
    "bridge",
    "listen",
    "plan",
    "exercise",
    "volunteer",
    "neighbour",
    "signal",
    "season",
    "story",
]
RECORD_CHARS = 4_000
FIELDS = ("context", "challenge", "actions", "outcome", "lessons")


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """What one run measured; rates per second of wall time."""

    records: int
    record_kb: float
    bare_per_s: float
    sync_per_s: float
    sync_indexed_per_s: float
    of_bare_percent: float
    noop_ms: float
    noop_bytes: int
    noop_requests: int
    changes_ms: float
    changes_bytes: int
    resident_mb: float


def drafts(count: int, seed: int = 7) -> list[Draft]:
    """Case studies of about 4 KB with ten fields and three distinct terms; the same in every run."""
    rng = random.Random(seed)
    vocabulary = [a + b for a in WORDS for b in ("", "s", "ing", *WORDS[:6])]
    network = Terms.from_json({"aud": ["network"], "pur": ["learning", "research"]}).to_json()
    here = Terms.from_json({"aud": ["node"], "pur": ["learning"]}).to_json()
    dated = network | {"until": 1_950_000_000}
    out = []
    for number in range(count):
        fields: dict[str, Any] = {name: _text(rng, vocabulary, RECORD_CHARS // len(FIELDS)) for name in FIELDS}
        fields |= {
            "title": f"{_text(rng, vocabulary, 40)} {number}",
            "summary": _text(rng, vocabulary, 200),
            "topics": rng.sample(WORDS, 3),
            "regions": [rng.choice(["KE", "BR", "IN", "CO", "JO"])],
            "licence": "CC-BY-4.0",
            "person:p1": {"name": f"Person {number}", "role": "facilitator"},
        }
        terms = {"person:p1": here, "lessons": dated}
        out.append(Draft(kind="case_study", lang="en", fields=fields, terms=network, field_terms=terms))
    return out


def _text(rng: random.Random, words: list[str], chars: int) -> str:
    out, size = [], 0
    while size < chars:
        word = rng.choice(words)
        out.append(word)
        size += len(word) + 1
    return " ".join(out)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _make(folder: Path, name: str) -> int:
    port = _free_port()
    await init(folder, name=name, regions=["KE"], port=port, urls=[f"http://127.0.0.1:{port}"])
    return port


async def _fill(app: App, count: int, seed: int = 7) -> None:
    items = drafts(count, seed)
    for at in range(0, count, 500):
        await app.library.create_many(LOCAL, [NewRecord(d) for d in items[at : at + 500]])


@asynccontextmanager
async def _serving(folder: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: ASYNC220 - the bench waits for its start anyway
        [sys.executable, "-m", "node.cli", "serve", "--data", str(folder)], stdout=subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as http:
            for _ in range(300):
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


async def _meet(folder: Path, receiver: App) -> None:
    """Invite, accept, approve on both sides."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "run.sock"))) as local:
        base = "http://node/api/v1"
        async with local.post(f"{base}/peers/invite", json={"terms": {"purposes": ["learning"]}}) as answer:
            invite = await answer.json()
        peer = await receiver.peers.accept(LOCAL, invite["text"])
        await receiver.peers.approve(LOCAL, peer.node_id)
        async with local.post(f"{base}/peers/{receiver.core.node_id}/approve", json={}) as answer:
            assert answer.status == 200, await answer.text()


async def _bare(folder: Path, receiver: App) -> float:
    """Seconds to parse, verify, insert and index what the receiver holds, page by page, with nothing around it."""
    async with receiver.store.read() as tx:
        rows = await tx.find(Copy, {"state": State.LIVE}, order="change_seq")
        origins = {o.node_id: read_history(o.history) for o in await tx.find(OriginRow)}
        origins |= {p.node_id: read_history(p.history) for p in await tx.find(PeerRow)}

    pages = []
    for at in range(0, len(rows), 500):
        part = rows[at : at + 500]
        entries = tuple(
            Put(n, r.jws or "", tuple(json.loads(r.disclosed or "{}").values())) for n, r in enumerate(part)
        )

        pages.append(write_page(Page(0, entries, len(part), False, 0, bytes(32))))
    store = await open_store(f"sqlite+aiosqlite:///{folder}/bare.sqlite3")
    engine = open_engine("auto", folder / "bare-index").engine
    situation_app = receiver
    started = time.perf_counter()
    number = 0
    for data in pages:
        page = read_page(data)
        envelopes: list[VerifiedEnvelope] = [
            verify(e.jws, e.texts, origins.get) for e in page.entries if isinstance(e, Put)
        ]
        copies = []
        for envelope in envelopes:
            number += 1
            base = Copy(number, envelope.iss, envelope.rid, False, State.ERASED, 0, number)
            copies.append(row_of(envelope, base, change_seq=number, now=1))
        async with store.write() as tx:
            await tx.put_many(copies)
        async with situation_app.store.read() as tx:
            situation = await situation_app.core.situation(tx)
        entries = situation_app.indexing._entries(copies, situation, ())  # type: ignore[assignment]
        engine.apply(entries, [], number)  # type: ignore[arg-type]
    took = time.perf_counter() - started
    engine.close()
    await store.close()
    return took


async def run(records: int) -> SyncFigures:
    """One whole measurement in temporary folders."""
    with tempfile.TemporaryDirectory(prefix="commonweave-bench-") as name:
        root = Path(name)
        sender_port = await _make(root / "sender", "Sender")
        await _make(root / "receiver", "Receiver")
        sender = await open_app(load(root / "sender"))
        await _fill(sender, records)
        await sender.close()
        async with AsyncExitStack() as stack:
            process = await stack.enter_async_context(_serving(root / "sender", sender_port))
            receiver = await open_app(load(root / "receiver"))
            stack.push_async_callback(receiver.close)
            await _meet(root / "sender", receiver)
            started = time.perf_counter()
            following = asyncio.create_task(_follow(receiver))
            (first,) = await receiver.syncing.sync(LOCAL)
            synced = time.perf_counter() - started
            following.cancel()
            await receiver.indexing.follow()
            indexed = time.perf_counter() - started
            assert first.ok, first.error
            assert first.received == records, first
            started = time.perf_counter()
            (noop,) = await receiver.syncing.sync(LOCAL)
            noop_ms = (time.perf_counter() - started) * 1000
            bare = await _bare(root, receiver)
            resident = _resident_mb(process.pid)
        changes = await _changes(root, sender_port)
    size = sum(len(str(d.fields)) for d in drafts(20)) / 20 / 1000
    return SyncFigures(
        records, round(size, 1), round(records / bare), round(records / synced), round(records / indexed),
        round(100 * bare / indexed), round(noop_ms, 1), noop.bytes_in + noop.bytes_out, noop.requests,
        round(changes[0] * 1000, 1), changes[1], resident,
    )  # fmt: skip


async def _follow(app: App) -> None:
    """The index follows beside the sync, as in a node that serves."""
    event = asyncio.Event()
    while True:
        await app.indexing.follow()
        await app.core.bell.wait(event, 0.2)


async def _changes(root: Path, port: int) -> tuple[float, int]:
    """100 new, 50 edited, 50 withdrawn: seconds and bytes of the sync that brings them over."""
    sender = await open_app(load(root / "sender"))
    await _fill(sender, 100, seed=11)
    async with sender.store.read() as tx:
        own = await tx.find(Copy, {"state": State.LIVE, "own": True}, order="id", limit=100)
    for row in own[:50]:
        draft = await sender.library.draft(LOCAL, row.rid)
        await sender.library.edit(
            LOCAL, row.rid, draft.model_copy(update={"fields": draft.fields | {"summary": "new"}})
        )
    for row in own[50:]:
        await sender.library.withdraw(LOCAL, row.rid, "other")
    await sender.upkeep.settle()
    await sender.close()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_serving(root / "sender", port))
        receiver = await open_app(load(root / "receiver"))
        stack.push_async_callback(receiver.close)
        started = time.perf_counter()
        (view,) = await receiver.syncing.sync(LOCAL)
        took = time.perf_counter() - started
        assert view.ok, view.error
    return took, view.bytes_in + view.bytes_out


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def measure(records: int) -> dict[str, Any]:
    """The figures as plain data."""
    return asdict(asyncio.run(run(records)))
