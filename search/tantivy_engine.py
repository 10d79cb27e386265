"""The default engine: Tantivy, as three tiers of many small parts under one manifest.

The manifest is replaced as a whole, so a crash leaves the old state or the new one. New entries go to the newest part
of their tier until it is full; erasing writes the parts that hold a key again into new folders and removes the old.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from search import finding
from search.document import Entry, Viewer
from search.engine import Refetch, Results
from search.errors import IndexCorrupt, SearchError
from search.query import Query
from search.tantivy_part import SCHEMA_VERSION, Part, translated
from search.tantivy_plan import TantivySnapshot

PART_ENTRIES: Final = 16_000  # erasing a record writes as many again; 8,000 made p95 1.4 times that of 20,000
# The libraries of most organisations fit into small parts, where erasing a record writes few others again.
SMALL_PART_ENTRIES: Final = 1_000
SMALL_TIER_ENTRIES: Final = 8_000  # a tier with more goes on in large parts, so that a search opens few
REFETCH_KEYS: Final = 500  # asked of the database at once
MAX_OPEN_WRITERS: Final = 8  # each has threads and, once it is given entries, a heap
_MANIFEST: Final = "manifest.json"
_PARTS: Final = "parts"


class TantivyEngine:
    """See `search.engine.SearchEngine`."""

    def __init__(self, folder: Path, part_entries: int = PART_ENTRIES) -> None:
        self._folder = folder
        self._part_entries = part_entries
        self._writing = threading.Lock()
        self._position = 0
        self._serial = 0
        self._staged_position: int | None = None  # of what was applied and waits for the commit
        self._parts: list[Part] = []
        with translated("opening the index"):
            (folder / _PARTS).mkdir(parents=True, exist_ok=True)
        if (folder / _MANIFEST).exists():
            self._read_manifest()
        elif any((folder / _PARTS).iterdir()):
            raise IndexCorrupt("the index folder has parts and no manifest")
        else:
            self._write_manifest()
        self._drop_orphans()
        self._publish()

    def _read_manifest(self) -> None:
        try:
            manifest = json.loads((self._folder / _MANIFEST).read_text("utf-8"))
            version, parts = manifest["version"], manifest["parts"]
            self._position, self._serial = int(manifest["position"]), int(manifest["serial"])
            named = [(str(name), Viewer(tier)) for name, tier in parts]
        except (ValueError, KeyError, TypeError) as error:
            raise IndexCorrupt(f"the manifest cannot be read: {error}") from error
        if version != SCHEMA_VERSION:
            raise IndexCorrupt(f"the index is of version {version}, this program writes {SCHEMA_VERSION}")
        missing = [name for name, _ in named if not (self._folder / _PARTS / name / "meta.json").is_file()]
        if missing:
            raise IndexCorrupt(f"parts are missing: {', '.join(missing)}")
        self._parts = [Part(tier, self._folder / _PARTS / name) for name, tier in named]

    def _write_manifest(self) -> None:
        manifest = {
            "version": SCHEMA_VERSION,
            "position": self._position,
            "serial": self._serial,
            "parts": [[part.folder.name, part.tier] for part in self._parts],
        }
        fresh = self._folder / f"{_MANIFEST}.new"
        with translated("writing the manifest"):
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(manifest, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._folder / _MANIFEST)

    def _drop_orphans(self) -> None:
        """Remove folders that a crash left outside the manifest, and those that a rewrite has replaced."""
        known = {part.folder.name for part in self._parts}
        with translated("removing old parts"):
            for folder in (self._folder / _PARTS).iterdir():
                if folder.name not in known:
                    shutil.rmtree(folder)

    def _publish(self) -> None:
        self._snapshot = TantivySnapshot([part.opened for part in self._parts])

    def _new_part(self, tier: Viewer) -> Part:
        self._serial += 1
        return Part.create(tier, self._folder / _PARTS / f"{tier}-{self._serial}")

    def _open_part(self, tier: Viewer) -> Part:
        """The tier's newest part with room, or a new one."""
        last = next((part for part in reversed(self._parts) if part.tier is tier), None)
        if last is None or last.size >= self._room(tier):
            if last is not None:
                self._commit()
            last = self._new_part(tier)
            self._parts.append(last)
        return last

    def _room(self, tier: Viewer) -> int:
        """How many entries the part of a tier that is being filled may hold."""
        written = sum(part.size for part in self._parts if part.tier is tier)
        return self._part_entries if written > SMALL_TIER_ENTRIES else min(SMALL_PART_ENTRIES, self._part_entries)

    def apply(self, puts: Sequence[Entry], deletes: Sequence[str], position: int, *, more: bool = False) -> None:
        """See the port. The wider tier is written first: a narrowed record leaves it before it is anywhere else."""
        gone = list(dict.fromkeys([*deletes, *(entry.key for entry in puts)]))
        # Entries of one language side by side share their terms: what both analysis and postings look up stays near.
        ordered = sorted(puts, key=lambda entry: entry.lang)
        with self._writing:
            try:
                for tier in Viewer:
                    self._apply_tier(tier, [entry for entry in ordered if entry.tier is tier], gone)
                self._staged_position = position
                if not more:
                    self._settle()
            except BaseException:
                self._abandon()
                raise

    def _apply_tier(self, tier: Viewer, puts: Sequence[Entry], gone: Sequence[str]) -> None:
        for part in [part for part in self._parts if part.tier is tier]:
            if any(part.may_hold(key) for key in gone):
                part.stage((), gone)
        if sum(part.is_dirty for part in self._parts) > MAX_OPEN_WRITERS:
            self._commit()
        self._fill(tier, iter(puts), self._open_part)

    def _fill(self, tier: Viewer, puts: Iterator[Entry], open_part: Callable[[Viewer], Part]) -> int:
        """Write entries into parts, each until it is full; how many were written."""
        written = 0
        for first in puts:
            part = open_part(tier)
            batch = [first, *islice(puts, max(0, self._room(tier) - part.size - 1))]
            part.stage(batch, ())
            written += len(batch)
        return written

    def _commit(self) -> None:
        """Make all that is staged durable, the wider tier first."""
        for tier in Viewer:
            for part in self._parts:
                if part.tier is tier:
                    part.commit()

    def _settle(self) -> None:
        """Make all that is staged durable and visible."""
        if self._staged_position is None:
            return
        self._commit()
        self._position, self._staged_position = self._staged_position, None
        self._write_manifest()
        self._publish()

    def _abandon(self) -> None:
        """Forget all that is staged: the position says that it is to be fed again."""
        self._staged_position = None
        for part in self._parts:
            with suppress(SearchError):  # the error that led here is being raised, and every lock must be released
                part.abandon()

    def position(self) -> int:
        """See the port."""
        return self._position

    def search(self, query: Query, viewer: Viewer, now: int) -> Results:
        """See the port."""
        return finding.search(self._snapshot, query, viewer, now)

    def suggest(self, prefix: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        return finding.suggest(self._snapshot, prefix, viewer, now)

    def more_like(self, key: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        return finding.more_like(self._snapshot, key, viewer, now)

    def count(self, viewer: Viewer, now: int) -> int:
        """See the port."""
        return self._snapshot.count(viewer, now)

    def erase(self, keys: Sequence[str], refetch: Refetch) -> None:
        """See the port. Every part that may hold bytes of a key goes, whole; many keys cost one rewrite."""
        with self._writing:
            self._settle()
            self._rewrite([part for part in self._parts if any(part.may_hold(key) for key in keys)], keys, refetch)

    def tidy(self, refetch: Refetch) -> int:
        """See the port: parts of which most is dead."""
        with self._writing:
            self._settle()
            return self._rewrite([part for part in self._parts if part.alive * 2 < part.size], (), refetch)

    def _rewrite(self, old: Sequence[Part], erased: Sequence[str], refetch: Refetch) -> int:
        """Write the parts' live entries again into new folders, replace the manifest, remove the old folders."""
        if not old:
            return 0
        fresh: list[Part] = []

        def open_part(tier: Viewer) -> Part:
            if not fresh or fresh[-1].tier is not tier or fresh[-1].size >= self._room(tier):
                if fresh:
                    fresh[-1].commit()
                fresh.append(self._new_part(tier))
            return fresh[-1]

        written = 0
        try:
            for tier in Viewer:
                neighbours = {key for part in old if part.tier is tier for key in part.live_keys()}
                wanted = list(dict.fromkeys([*sorted(neighbours), *erased]))
                written += self._fill(tier, _fetched(wanted, tier, refetch), open_part)
            if fresh:
                fresh[-1].commit()
        finally:
            for part in fresh:
                part.abandon()
        self._parts = [part for part in self._parts if part not in old] + fresh
        self._write_manifest()
        self._publish()
        self._drop_orphans()
        return written

    def clear(self) -> None:
        """See the port."""
        with self._writing:
            self._abandon()
            self._parts, self._position = [], 0
            self._write_manifest()
            self._publish()
            self._drop_orphans()

    def close(self) -> None:
        """See the port."""
        with self._writing:
            self._abandon()
            self._parts = []
            self._publish()


def _fetched(keys: Sequence[str], tier: Viewer, refetch: Refetch) -> Iterator[Entry]:
    """The entries of one tier that the database holds for the keys now."""
    for i in range(0, len(keys), REFETCH_KEYS):
        yield from (entry for entry in refetch(keys[i : i + REFETCH_KEYS]) if entry.tier is tier)
