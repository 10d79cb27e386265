"""Nodes to measure: made, filled with records that are the same in every run, served as processes, and met."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from governance.record import Draft
from governance.terms import Terms
from node.app import App
from node.library import NewRecord
from node.principal import LOCAL
from node.setup import init

WORDS: Final = [
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
RECORD_CHARS: Final = 4_000
FIELDS: Final = ("context", "challenge", "actions", "outcome", "lessons")
FILL_BATCH: Final = 500
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


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


async def make(folder: Path, name: str) -> int:
    """A new node on a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    await init(folder, name=name, regions=["KE"], port=port, urls=[f"http://127.0.0.1:{port}"])
    return port


async def fill(app: App, count: int, seed: int = 7, told: Callable[[int], None] = lambda _: None) -> None:
    """Publish records; `told` hears how many there are."""
    for at in range(0, count, FILL_BATCH):
        some = drafts(min(FILL_BATCH, count - at), seed * 1_000_003 + at)
        await app.library.create_many(LOCAL, [NewRecord(d) for d in some])
        told(at + len(some))


@asynccontextmanager
async def serving(folder: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The node as a process of its own, until the block ends."""
    process = subprocess.Popen(  # noqa: ASYNC220 - the bench waits for its start anyway
        [sys.executable, "-m", "node.cli", "serve", "--data", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as http:
            for _ in range(600):
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
            else:
                raise RuntimeError(f"the node in {folder} did not become ready in a minute")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


async def meet(folder: Path, receiver: App) -> None:
    """Invite, accept, approve on both sides; `folder` is that of a node that serves."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(folder / "run.sock"))) as local:
        base = "http://node/api/v1"
        async with local.post(f"{base}/peers/invite", json={"terms": {"purposes": ["learning"]}}) as answer:
            invite = await answer.json()
        peer = await receiver.peers.accept(LOCAL, invite["text"])
        await receiver.peers.approve(LOCAL, peer.node_id)
        async with local.post(f"{base}/peers/{receiver.core.node_id}/approve", json={}) as answer:
            assert answer.status == 200, await answer.text()


def resident_mb(pid: int) -> float:
    """What the process holds in memory now."""
    return _status_kb(pid, "VmRSS") / 1024


def peak_mb(pid: int) -> float:
    """The most it has held so far."""
    return _status_kb(pid, "VmHWM") / 1024


def cpu_s(pid: int) -> float:
    """Processor time of all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
