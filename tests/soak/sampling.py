"""What a node takes, seen from outside, and the bounds on it; pure but for `look`, which reads /proc and the folder."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.nodes import resident_mb
from tests.e2e.nodes import Node

MIB: Final = 1024 * 1024
DATABASE: Final = "commonweave.sqlite3"
MIN_SAMPLES: Final = 30  # two minutes: before that a node still fills its caches
MAX_RSS_SHARE: Final = 0.15  # by which the last third may be above the second: allocators fill their arenas slowly
MAX_RSS_MB: Final = 40.0  # and never more than this, however large the node is
MAX_FDS_MORE: Final = 8  # connections that happen to be open when we look; a leak of one a minute shows in ten
MAX_SPARE_PAGES: Final = 0.6  # of a database file: withdrawn records leave pages that the next records fill
DATABASE_BYTES: Final = 1 * MIB  # schema, keys, index pages of an empty node
BYTES_A_RECORD: Final = (
    12 * 1024
)  # of 2 KB: the copy, the draft, ledger lines and offers of two peers, keys of all these
BYTES_A_TRACE: Final = 3 * 1024  # what a withdrawal leaves for ever: the marker, the signed order, the receipts
BYTES_AN_ACT: Final = (
    3 * 1024
)  # version, audit entry and receipts of an edit or narrowing, nonces of its session: about 2
INDEX_BYTES: Final = 1 * MIB  # manifests and small parts that wait to be joined
INDEX_BYTES_A_RECORD: Final = 10 * 1024  # about 1 KB, in up to three tiers, and once more while parts are joined
MAX_WAL_BYTES: Final = 64 * MIB  # sixteen times what SQLite itself aims at
_BAD_LINE: Final = re.compile(r"\b(?:ERROR|CRITICAL)\b|^Traceback ")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one node; `used_bytes` are database pages that hold something, `file_bytes` all of them."""

    node: str
    at_s: float
    rss_mb: float
    fds: int
    file_bytes: int
    used_bytes: int
    wal_bytes: int
    index_bytes: int
    records: int
    traces: int
    acts: int


def look(node: Node, at_s: float, acts: int) -> Sample:
    """Read everything from outside; the database as it will be once its log is folded in."""
    assert node.process is not None
    database = node.data / DATABASE
    with reading(node) as connection:
        page, pages, free = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count")
        )
    status = node.get("/status")
    return Sample(
        node.name, at_s, resident_mb(node.process.pid), len(os.listdir(f"/proc/{node.process.pid}/fd")), page * pages,
        page * (pages - free), _size(database.with_name(database.name + "-wal")), folder_bytes(node.data / "index"),
        status["own_records"] + status["received_records"], status["withdrawn_records"], acts,
    )  # fmt: skip


@contextmanager
def reading(node: Node) -> Iterator[sqlite3.Connection]:
    """The database of a node that runs, to read; what is in its log counts too."""
    connection = sqlite3.connect(f"file:{node.data / DATABASE}?mode=ro", uri=True, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def refusals(node: Node) -> dict[str, int]:
    """How many entries of its peers a node set aside, by code."""
    with reading(node) as connection:
        return dict(connection.execute("SELECT code, count(*) FROM quarantine GROUP BY code").fetchall())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def folder_bytes(folder: Path) -> int:
    """The sizes of all files below; files that go meanwhile count nothing."""
    return sum(_size(path) for path in folder.rglob("*") if path.is_file())


def bad_lines(log: str) -> list[str]:
    """The lines of a log that say that something went wrong."""
    return [line for line in log.splitlines() if _BAD_LINE.search(line)]


def thirds(samples: Sequence[Sample], of: Callable[[Sample], float]) -> tuple[float, float]:
    """The medians of the second and of the last third of the time."""
    cut = len(samples) // 3
    return median(map(of, samples[cut : 2 * cut])), median(map(of, samples[2 * cut :]))


def growth(samples: Sequence[Sample]) -> list[str]:
    """Reasons why a node's memory or open files grow; samples of one node in the order of time, none in a short run."""
    found: list[str] = []
    if len(samples) < MIN_SAMPLES:
        return found
    before, after = thirds(samples, lambda s: s.rss_mb)
    if after - before > min(MAX_RSS_MB, MAX_RSS_SHARE * before):
        found.append(f"{samples[0].node}: memory grew from {before:.0f} to {after:.0f} MB")
    before, after = thirds(samples, lambda s: float(s.fds))
    if after - before > MAX_FDS_MORE:
        found.append(f"{samples[0].node}: open files grew from {before:.0f} to {after:.0f}")
    return found


def oversize(sample: Sample) -> list[str]:
    """Reasons why a node's disk holds more than its records explain."""
    found = []
    due = DATABASE_BYTES + BYTES_A_RECORD * sample.records + BYTES_A_TRACE * sample.traces + BYTES_AN_ACT * sample.acts
    if sample.used_bytes > due:
        found.append(
            f"{sample.node}: {sample.used_bytes:,} bytes in the database for {sample.records} records, {due:,} are due"
        )
    if sample.file_bytes > DATABASE_BYTES + sample.used_bytes / (1 - MAX_SPARE_PAGES):
        found.append(f"{sample.node}: {sample.file_bytes:,} bytes of database file, {sample.used_bytes:,} in use")
    if sample.wal_bytes > MAX_WAL_BYTES:
        found.append(f"{sample.node}: the write-ahead log has {sample.wal_bytes:,} bytes")
    if sample.index_bytes > INDEX_BYTES + INDEX_BYTES_A_RECORD * sample.records:
        found.append(f"{sample.node}: {sample.index_bytes:,} bytes of index for {sample.records} records")
    return found
