"""A real first sync between two processes over loopback, beside a bare loop on the very same records.

The bare loop parses, verifies, inserts and indexes what the sync transfers, with the same store, verifier and engine;
so the ratio says what the exchange itself costs: decisions, custody, HTTP, signatures, receipts.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from config.load import load
from federation.envelope import verify
from federation.identity import KeyHistory
from federation.messages import Page, Put, read_page, write_page
from node.app import App, open_app
from node.copies import row_of
from node.peerbook import read_history
from node.principal import LOCAL
from node.store.rows import Copy, OriginRow, PeerRow, State
from node.store.sql import open_store
from search.open import open_engine
from tests.bench.nodes import cpu_s, drafts, fill, make, meet, peak_mb, resident_mb, serving

NEW, EDITED, WITHDRAWN = 100, 50, 50
NOOPS: Final = 20


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """What one run measured; rates per second of wall time, processor times of whole processes."""

    records: int
    record_kb: float
    published_per_s: float
    bare_per_s: float
    sync_per_s: float
    sync_indexed_per_s: float
    of_bare_percent: float
    sender_cpu_us_per_record: float
    receiver_cpu_us_per_record: float
    noop_ms: float
    noop_bytes: int
    noop_requests: int
    changes_ms: float
    changes_bytes: int
    sender_resident_mb: float
    sender_peak_mb: float
    receiver_peak_mb: float


def measure(records: int, told: Callable[[str], None] = lambda _: None) -> SyncFigures:
    """One whole measurement in temporary folders; `told` hears what is being done."""
    return asyncio.run(_run(records, told))


async def _run(records: int, told: Callable[[str], None]) -> SyncFigures:
    with tempfile.TemporaryDirectory(prefix="commonweave-bench-") as name:
        root = Path(name)
        port = await make(root / "sender", "Sender")
        await make(root / "receiver", "Receiver")
        sender = await open_app(load(root / "sender"))
        started = time.perf_counter()
        await fill(sender, records, told=lambda n: told(f"publishing {n:,} of {records:,} records"))
        published = time.perf_counter() - started
        await sender.close()
        me = os.getpid()
        async with serving(root / "sender", port) as process:
            receiver = await open_app(load(root / "receiver"))
            await _indexed(root / "sender")
            await meet(root / "sender", receiver)
            told(f"first sync of {records:,} records")
            cpu = cpu_s(process.pid), cpu_s(me)
            started = time.perf_counter()
            following = asyncio.create_task(_follow(receiver))
            (first,) = await receiver.syncing.sync(LOCAL)
            synced = time.perf_counter() - started
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await receiver.indexing.follow()
            indexed = time.perf_counter() - started
            spent = cpu_s(process.pid) - cpu[0], cpu_s(me) - cpu[1]
            assert first.ok, first.error
            assert first.received == records, first
            noop_ms, noop = await _noops(receiver)
            memory = resident_mb(process.pid), peak_mb(process.pid), peak_mb(me)
            told("the bare loop")
            bare = await _bare(root, receiver)
            await receiver.close()
        told("the changes")
        changes = await _changes(root, port)
    size = sum(len(str(d.fields)) for d in drafts(20)) / 20 / 1000
    return SyncFigures(
        records, round(size, 1), round(records / published), round(records / bare), round(records / synced),
        round(records / indexed), round(100 * bare / indexed), round(spent[0] / records * 1e6),
        round(spent[1] / records * 1e6), round(noop_ms, 1), *noop, round(changes[0] * 1000, 1), changes[1],
        *(round(m) for m in memory),
    )  # fmt: skip


async def _indexed(folder: Path) -> None:
    """Wait until the serving node has indexed its own records, so that it does nothing else while it is measured."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "run.sock"))) as local:
        for _ in range(6_000):
            async with local.get("http://node/metrics") as answer:
                text = await answer.text()
            behind = [line for line in text.splitlines() if line.startswith("commonweave_index_behind")]
            if behind and float(behind[0].split()[-1]) == 0:
                return
            await asyncio.sleep(0.1)
    raise RuntimeError("the sender did not finish its index in ten minutes")


async def _noops(receiver: App) -> tuple[float, tuple[int, int]]:
    """The median time of a sync with nothing to do; its bytes and requests."""
    times = []
    for _ in range(NOOPS):
        started = time.perf_counter()
        (view,) = await receiver.syncing.sync(LOCAL)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)[NOOPS // 2], (view.bytes_in + view.bytes_out, view.requests)


async def _follow(app: App) -> None:
    """The index follows beside the sync, as in a node that serves."""
    event = asyncio.Event()
    while True:
        await app.indexing.follow()
        await app.core.bell.wait(event, 0.2)


async def _bare(folder: Path, receiver: App) -> float:
    """Seconds to parse, verify, insert and index what the receiver holds, page by page, with nothing around it."""
    histories = await _histories(receiver)
    store = await open_store(f"sqlite+aiosqlite:///{folder}/bare.sqlite3")
    engine = open_engine("auto", folder / "bare-index").engine
    took, position, number = 0.0, 0, 0
    async with receiver.store.read() as tx:
        situation = await receiver.core.situation(tx)
    while True:
        async with receiver.store.read() as tx:
            rows = await tx.find(
                Copy, {"state": State.LIVE}, above=("change_seq", position), order="change_seq", limit=500
            )
        if not rows:
            break
        position = rows[-1].change_seq
        data = _page_of(rows)
        started = time.perf_counter()
        copies = []
        for entry in read_page(data).entries:
            assert isinstance(entry, Put)
            envelope = verify(entry.jws, entry.texts, histories.get)
            number += 1
            base = Copy(number, envelope.iss, envelope.rid, False, State.ERASED, 0, number)
            copies.append(row_of(envelope, base, change_seq=number, now=1))
        async with store.write() as writer:
            await writer.put_many(copies)
        engine.apply(receiver.indexing._entries(copies, situation, ()), [], number)
        took += time.perf_counter() - started
    engine.close()
    await store.close()
    return took


def _page_of(rows: list[Copy]) -> bytes:
    texts = [tuple(json.loads(r.disclosed or "{}").values()) for r in rows]
    entries = tuple(Put(n, r.jws or "", t) for n, (r, t) in enumerate(zip(rows, texts, strict=True)))
    return write_page(Page(0, entries, len(rows), False, 0, bytes(32)))


async def _histories(app: App) -> dict[str, KeyHistory]:
    async with app.store.read() as tx:
        known: list[OriginRow | PeerRow] = [*await tx.find(OriginRow), *await tx.find(PeerRow)]
    return {row.node_id: read_history(row.history) for row in known}


async def _changes(root: Path, port: int) -> tuple[float, int]:
    """100 new, 50 edited, 50 withdrawn: seconds and bytes of the sync that brings them over."""
    sender = await open_app(load(root / "sender"))
    await fill(sender, NEW, seed=11)
    async with sender.store.read() as tx:
        own = await tx.find(Copy, {"state": State.LIVE, "own": True}, order="id", limit=EDITED + WITHDRAWN)
    for row in own[:EDITED]:
        draft = await sender.library.draft(LOCAL, row.rid)
        changed = draft.model_copy(update={"fields": draft.fields | {"summary": "new"}})
        await sender.library.edit(LOCAL, row.rid, changed)
    for row in own[EDITED:]:
        await sender.library.withdraw(LOCAL, row.rid, "other")
    await sender.upkeep.settle()
    await sender.close()
    async with serving(root / "sender", port):
        await _indexed(root / "sender")
        receiver = await open_app(load(root / "receiver"))
        started = time.perf_counter()
        (view,) = await receiver.syncing.sync(LOCAL)
        took = time.perf_counter() - started
        assert view.ok, view.error
        assert view.withdrawn == WITHDRAWN, view
        await receiver.close()
    return took, view.bytes_in + view.bytes_out
