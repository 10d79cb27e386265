"""Search through a real node against its bare engine, and the time from publishing to being found.

The very same queries go to the engine in this process and, with a token, over loopback HTTP to the node as a process of
its own; there they are authorised, every hit is checked again in the database and by the gate, snippets are cut.
Run by `python -m tests.bench.find_bench`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from config.load import load
from node.app import App, open_app
from node.principal import LOCAL
from search.document import Viewer
from search.query import make_query
from tests.bench.nodes import WORDS, fill, make, serving

LIMIT: Final = 10
PUBLISHED: Final = 15  # records published one after the other, each waited for
POLL_S: Final = 0.002
GIVEN_UP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FindFigures:
    """Milliseconds but for the rate; the API with all its facets and ten snippets, the engine with all its facets."""

    records: int
    rebuild_records_per_s: float  # read, decided for three classes of viewer, analysed, written
    engine_p50_ms: float
    engine_p95_ms: float
    engine_p99_ms: float
    api_p50_ms: float
    api_p95_ms: float
    api_p99_ms: float
    overhead_p50_ms: float  # of each query, the API over the engine
    overhead_p95_ms: float
    found_after_publish_p50_ms: float


def measure(records: int = 2_000, queries: int = 200, told: Callable[[str], None] = lambda _: None) -> FindFigures:
    """One whole measurement in a temporary folder; `told` hears what is being done."""
    return asyncio.run(_run(records, queries, told))


def _texts(count: int) -> list[str]:
    rng = random.Random(5)
    vocabulary = [a + b for a in WORDS for b in ("", "s", "ing", *WORDS[:6])]
    return [" ".join(rng.sample(vocabulary, rng.randint(1, 3))) for _ in range(count)]


async def _run(records: int, queries: int, told: Callable[[str], None]) -> FindFigures:
    with tempfile.TemporaryDirectory(prefix="commonweave-bench-") as name:
        folder = Path(name) / "node"
        port = await make(folder, "Library")
        app = await open_app(load(folder))
        await fill(app, records, told=lambda n: told(f"publishing {n:,} of {records:,} records to search"))
        told("rebuilding the index")
        rate = records / await _rebuild(app)
        texts = _texts(queries)
        engine = _engine_ms(app, texts)
        secret = await _token(app)
        await app.close()
        told("searching by HTTP")
        headers = {"Authorization": f"Bearer {secret}"}
        async with serving(folder, port), aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as http:
            await _api_ms(http, texts[:20])
            api = await _api_ms(http, texts)
            found = sorted([await _found_ms(http, number) for number in range(PUBLISHED)])
    over = sorted(a - e for a, e in zip(api, engine, strict=True))
    return FindFigures(
        records, round(rate), _at(engine, 0.5), _at(engine, 0.95), _at(engine, 0.99), _at(api, 0.5), _at(api, 0.95),
        _at(api, 0.99), _at(over, 0.5), _at(over, 0.95), _at(found, 0.5),
    )  # fmt: skip


def _at(times_ms: list[float], share: float) -> float:
    return round(sorted(times_ms)[min(len(times_ms) - 1, int(len(times_ms) * share))], 2)


async def _rebuild(app: App) -> float:
    started = time.perf_counter()
    async for _ in app.indexing.rebuild():
        pass
    return time.perf_counter() - started


async def _token(app: App) -> str:
    await app.accounts.add(LOCAL, "reader", "steward", "a long bench password")
    made = await app.accounts.token(LOCAL, "bench", "reader", ["read", "write"], 1)
    assert made.secret is not None
    return made.secret


def _engine_ms(app: App, texts: list[str]) -> list[float]:
    engine, now = app.indexing.engine, app.core.now()
    times = []
    for warm in (True, False):
        for text in texts[:20] if warm else texts:
            started = time.perf_counter()
            engine.search(make_query(text, limit=LIMIT), Viewer.STEWARDS, now)
            if not warm:
                times.append((time.perf_counter() - started) * 1000)
    return times


async def _api_ms(http: aiohttp.ClientSession, texts: list[str]) -> list[float]:
    times = []
    for text in texts:
        started = time.perf_counter()
        found = await _search(http, text)
        times.append((time.perf_counter() - started) * 1000)
        assert "total" in found, found
    return times


async def _search(http: aiohttp.ClientSession, text: str) -> dict[str, Any]:
    async with http.get("/api/v1/search", params={"q": text, "limit": str(LIMIT)}) as answer:
        read: dict[str, Any] = await answer.json()
        return read


async def _found_ms(http: aiohttp.ClientSession, number: int) -> float:
    """From the answer that a record is published to the first search that finds it."""
    word = "zeb" + "".join("abcdefghij"[int(digit)] * 2 for digit in f"{number:02}") + "ul"
    terms = {"aud": ["public"], "pur": ["learning"]}
    body = {"kind": "guide", "lang": "en", "fields": {"title": word, "body": f"About {word}."}, "terms": terms}
    async with http.post("/api/v1/records", json=body) as answer:
        assert answer.status == 201, await answer.text()
    started = time.perf_counter()
    while not any(hit["title"][0][0] == word for hit in (await _search(http, word))["hits"]):
        if time.perf_counter() - started > GIVEN_UP_S:
            raise RuntimeError(f"{word} was not found in {GIVEN_UP_S} seconds")
        await asyncio.sleep(POLL_S)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--records", type=int, default=2_000)
    parser.add_argument("--queries", type=int, default=200)
    chosen = parser.parse_args()
    print(json.dumps(asdict(measure(chosen.records, chosen.queries)), indent=2))


if __name__ == "__main__":
    main()
