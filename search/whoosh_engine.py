"""The second engine: Whoosh 2.7.4, pure Python, for machines without a Tantivy build; good to about 10,000 records.

Whoosh keeps the postings, one index a tier; plans are executed over them here, so that hits equal the other engines'.
Newer forks keep serving deleted records after a refresh: stay on 2.7.4.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from whoosh import index as whoosh_index
from whoosh.analysis import RegexTokenizer
from whoosh.fields import ID, STORED, TEXT, Schema
from whoosh.formats import Existence, Frequency

from search import finding
from search.document import FACETS, Entry, Viewer
from search.engine import Refetch, Results
from search.errors import IndexCorrupt, IndexUnwritable, SearchError
from search.indexing import index_fields
from search.query import Query
from search.whoosh_plan import TierReader, WhooshSnapshot

SCHEMA_VERSION: Final = 2  # of the fields and the analysis; a folder of another version is fed again
WRITER_MEGABYTES: Final = 64  # postings in memory before Whoosh sorts them on disk
_STATE: Final = "state.json"


def _schema() -> Schema:
    words = RegexTokenizer(r"\S+")

    def field(spelling: Any) -> TEXT:
        text = TEXT(analyzer=words, phrase=False)
        text.format = spelling
        return text

    return Schema(
        key=ID(unique=True),
        row=STORED(),
        title=field(Frequency()),
        body=TEXT(analyzer=words, phrase=True),
        side=field(Frequency()),
        words=field(Existence()),
    )


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Errors as ours. Whoosh meets damaged files with whatever error parsing them gives, so any is a corrupt index."""
    try:
        yield
    except SearchError:
        raise
    except (OSError, whoosh_index.LockError) as error:
        if isinstance(error, FileNotFoundError):
            raise IndexCorrupt(f"{doing}: {error}") from error
        raise IndexUnwritable(f"{doing}: {error}") from error
    except Exception as error:
        raise IndexCorrupt(f"{doing}: {error!r}") from error


def _row(entry: Entry, gist: finding.Gist) -> str:
    return json.dumps(
        {
            "key": entry.key,
            "viewers": sorted(entry.viewers),
            "until": entry.ends_at,
            "updated": entry.updated,
            "year": entry.year,
            "facets": {facet: entry.facet_values(facet) for facet in FACETS},
            "gist": [gist.terms, gist.topics],
        }
    )


class WhooshEngine:
    """See `search.engine.SearchEngine`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()  # Whoosh's readers share one file position: one search at a time
        self._position = 0
        state = folder / _STATE
        with _translated("opening the index"):
            folder.mkdir(parents=True, exist_ok=True)
            if state.exists():
                read = json.loads(state.read_text("utf-8"))
                if read["version"] != SCHEMA_VERSION:
                    raise IndexCorrupt(
                        f"the index is of version {read['version']}, this program writes {SCHEMA_VERSION}"
                    )
                self._position = int(read["position"])
                self._indexes = {viewer: whoosh_index.open_dir(str(folder / viewer)) for viewer in Viewer}
            elif any((folder / viewer).exists() for viewer in Viewer):
                raise IndexCorrupt("the index folder has tiers and no state")
            else:
                self._create()
            self._publish()

    def _create(self) -> None:
        self._indexes = {}
        for viewer in Viewer:
            (self._folder / viewer).mkdir()
            self._indexes[viewer] = whoosh_index.create_in(str(self._folder / viewer), _schema())
        self._write_state()

    def _write_state(self) -> None:
        fresh = self._folder / f"{_STATE}.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"version": SCHEMA_VERSION, "position": self._position}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / _STATE)

    def _publish(self) -> None:
        self._snapshot = WhooshSnapshot({tier: TierReader(ix.reader()) for tier, ix in self._indexes.items()})

    def _write(self, puts: Sequence[Entry], gone: Sequence[str], rewrite: bool) -> None:
        for tier in Viewer:
            own = [entry for entry in puts if entry.tier is tier]
            index = self._indexes[tier]
            known = [key for key in gone if self._snapshot.tiers[tier].holds(key)]
            if not own and not known and not rewrite:
                continue
            writer = index.writer(limitmb=WRITER_MEGABYTES)
            try:
                for key in known:
                    writer.delete_by_term("key", key)
                for entry in own:
                    fields = index_fields(entry)
                    terms = fields.all
                    writer.add_document(
                        key=entry.key,
                        row=_row(entry, fields.gist),
                        title=fields.title,
                        body=terms.body,
                        side=terms.side,
                        words=terms.words,
                    )
            except BaseException:
                writer.cancel()
                raise
            writer.commit(optimize=rewrite)

    def apply(self, puts: Sequence[Entry], deletes: Sequence[str], position: int, *, more: bool = False) -> None:  # noqa: ARG002
        """See the port."""
        with self._lock, _translated("writing"):
            self._write(puts, list(dict.fromkeys([*deletes, *(entry.key for entry in puts)])), rewrite=False)
            self._position = position
            self._write_state()
            self._publish()

    def position(self) -> int:
        """See the port."""
        return self._position

    def search(self, query: Query, viewer: Viewer, now: int) -> Results:
        """See the port."""
        with self._lock, _translated("searching"):
            return finding.search(self._snapshot, query, viewer, now)

    def suggest(self, prefix: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        with self._lock, _translated("searching"):
            return finding.suggest(self._snapshot, prefix, viewer, now)

    def more_like(self, key: str, viewer: Viewer, now: int) -> tuple[str, ...]:
        """See the port."""
        with self._lock, _translated("searching"):
            return finding.more_like(self._snapshot, key, viewer, now)

    def count(self, viewer: Viewer, now: int) -> int:
        """See the port."""
        with self._lock, _translated("counting"):
            return len(self._snapshot.visible(viewer, now))

    def erase(self, keys: Sequence[str], refetch: Refetch) -> None:
        """See the port. Whoosh can write its own segments again: neighbours need no refetching here."""
        with self._lock, _translated("erasing"):
            self._write(list(refetch(keys)), keys, rewrite=True)
            self._publish()
            for index in self._indexes.values():
                # A second pass: the first one ran while the old state was still open.
                whoosh_index_clean(index)

    def tidy(self, refetch: Refetch) -> int:
        """See the port: Whoosh merges by itself, only tiers with dead entries are written again."""
        with self._lock, _translated("tidying"):
            dead = sum(index.doc_count_all() - index.doc_count() for index in self._indexes.values())
            if not dead:
                return 0
            self.erase((), refetch)
            return sum(index.doc_count() for index in self._indexes.values())

    def clear(self) -> None:
        """See the port."""
        with self._lock, _translated("clearing"):
            self._snapshot.close()
            (self._folder / _STATE).unlink(missing_ok=True)
            for viewer in Viewer:
                shutil.rmtree(self._folder / viewer, ignore_errors=True)
            self._position = 0
            self._create()
            self._publish()

    def close(self) -> None:
        """See the port."""
        with self._lock:
            self._snapshot.close()
            for index in self._indexes.values():
                index.close()


def whoosh_index_clean(index: Any) -> None:
    """Remove segment files that the newest table of contents does not name."""
    info = index._read_toc()  # Whoosh has no public name for it
    whoosh_index.clean_files(index.storage, index.indexname, info.generation, info.segments)
