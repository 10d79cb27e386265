"""One part of a Tantivy index: a small index in a folder of its own, with a ledger of the keys deleted from it.

Parts are small so that erasing a record writes few neighbours again. The ledger names every key whose bytes may still
lie in a segment after a delete: Tantivy marks deleted documents and keeps them until a merge nobody can ask for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import tantivy

from search.document import FACETS, Entry, Viewer
from search.errors import IndexCorrupt, IndexUnwritable, SearchError
from search.finding import Gist
from search.indexing import index_fields

SCHEMA_VERSION: Final = 2  # of the fields below and of the analysis; a folder of another version is fed again
WRITER_HEAP_BYTES: Final = 128_000_000  # at most: with less a part is written in pieces that each cost a search
GATE: Final = "gate"
ANY: Final = "any"  # in every document's gate field: how many documents a part holds, dead ones too
UNTIL: Final = "until"
UPDATED: Final = "updated"
YEAR: Final = "year_number"
_LANGUAGES: Final = 1_000  # more than a part can hold in good faith
_LEDGER: Final = "deleted.keys"
_WORDS: Final = "whitespace"
_RAW: Final = "raw"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Tantivy's errors as ours: what the file system refuses is unwritable, all else means the files are not whole."""
    try:
        yield
    except SearchError:
        raise
    except OSError as error:
        raise IndexUnwritable(f"{doing}: {error}") from error
    except ValueError as error:
        text = str(error)
        refused = ("LockBusy", "LockFailure", "No space left", "Permission denied", "Read-only", "StorageFull")
        if any(word in text for word in refused):
            raise IndexUnwritable(f"{doing}: {text}") from error
        raise IndexCorrupt(f"{doing}: {text}") from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # Rust met bytes that no index has
            raise IndexCorrupt(f"{doing}: {error}") from error
        raise


@cache
def schema() -> tantivy.Schema:
    """Nothing is stored but the key and the gist; a snippet is cut from the database's text."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name=_RAW, index_option="basic")
    builder.add_text_field(GATE, tokenizer_name=_RAW, index_option="basic")
    builder.add_integer_field(UNTIL, indexed=True, fast=True)
    builder.add_integer_field(UPDATED, fast=True)
    builder.add_integer_field(YEAR, indexed=True, fast=True)
    builder.add_text_field("title", tokenizer_name=_WORDS, index_option="freq")
    builder.add_text_field("body", tokenizer_name=_WORDS, index_option="position")
    builder.add_text_field("side", tokenizer_name=_WORDS, index_option="freq")
    builder.add_text_field("words", tokenizer_name=_WORDS, index_option="basic")
    for facet in FACETS:
        builder.add_text_field(facet, fast=True, tokenizer_name=_RAW, index_option="basic")
    builder.add_bytes_field("gist", stored=True)
    return builder.build()


def as_document(entry: Entry) -> tantivy.Document:
    """The entry as Tantivy takes it. The schema goes along: a bare integer would kill the writer."""
    fields = index_fields(entry)
    values: dict[str, Any] = {
        "key": entry.key,
        GATE: [ANY, *sorted(entry.viewers)],
        UNTIL: entry.ends_at,
        UPDATED: entry.updated,
        "title": fields.title,
        "body": fields.all.body,
        "side": fields.all.side,
        "words": fields.all.words,
        "gist": json.dumps([fields.gist.terms, fields.gist.topics]).encode(),
    }
    if entry.year is not None:
        values[YEAR] = entry.year
    for facet in FACETS:
        if found := entry.facet_values(facet):
            values[facet] = list(found)
    return tantivy.Document.from_dict(values, schema())


def read_gist(stored: bytes) -> Gist:
    """The stored gist as a value."""
    terms, topics = json.loads(stored)
    return Gist(tuple(terms), tuple(topics))


class OpenPart:
    """A part's committed state, pinned, with what was read from it: it never changes, so it is read once."""

    def __init__(self, tier: Viewer, searcher: tantivy.Searcher) -> None:
        self.tier = tier
        self.searcher = searcher
        self.alive = searcher.num_docs
        self.size = searcher.doc_freq(GATE, ANY)
        self._languages: dict[Viewer, frozenset[str]] = {}

    def languages(self, viewer: Viewer) -> frozenset[str]:
        """The primary languages of the entries that name the viewer, ended ones too."""
        found = self._languages.get(viewer)
        if found is None:
            named = tantivy.Query.term_query(schema(), GATE, str(viewer))
            answer = self.searcher.aggregate(named, {"language": {"terms": {"field": "language", "size": _LANGUAGES}}})
            found = frozenset(bucket["key"] for bucket in answer["language"]["buckets"])
            self._languages[viewer] = found
        return found


class Part:
    """An open part. `opened` is its last committed state."""

    def __init__(self, tier: Viewer, folder: Path) -> None:
        self.tier = tier
        self.folder = folder
        self._writer: tantivy.IndexWriter | None = None
        self._forget_staged()
        with translated(f"opening {folder.name}"):
            self._index = tantivy.Index(schema(), str(folder))
            self._index.config_reader("manual")
            self._reload()
        ledger = folder / _LEDGER
        self._deleted = set(ledger.read_text("utf-8").split("\n")) if ledger.exists() else set()

    @classmethod
    def create(cls, tier: Viewer, folder: Path) -> Part:
        """A new, empty part."""
        with translated(f"creating {folder.name}"):
            folder.mkdir(parents=True)
        return cls(tier, folder)

    @property
    def size(self) -> int:
        """Documents in its files, dead ones too, and those that wait for the commit."""
        return self.opened.size + self._staged

    @property
    def alive(self) -> int:
        """Documents that a search can meet."""
        return self.opened.alive

    @property
    def is_dirty(self) -> bool:
        """True if something waits for the commit."""
        return self._writer is not None

    def may_hold(self, key: str) -> bool:
        """True if bytes of the key's entries, alive or dead, may be in the part's files."""
        return self._has(key) or key in self._deleted

    def _has(self, key: str) -> bool:
        return key in self._staged_keys or self.opened.searcher.doc_freq("key", key) > 0

    def stage(self, puts: Iterable[Entry], deletes: Iterable[str]) -> None:
        """Hand over deletes, by the raw text key, then puts; Tantivy's thread writes them while more is analysed."""
        gone = [key for key in deletes if self._has(key)]
        self._note(gone)
        with translated(f"writing {self.folder.name}"):
            if self._writer is None:
                self._writer = self._index.writer(WRITER_HEAP_BYTES, 1)
            for key in gone:
                self._writer.delete_documents_by_term("key", key)
            for entry in puts:
                self._writer.add_document(as_document(entry))
                self._staged += 1
                self._staged_keys.add(entry.key)

    def commit(self) -> None:
        """Make durable what was staged. It is seen by who takes `opened` from now on."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with translated(f"writing {self.folder.name}"):
            try:
                writer.commit()
            except BaseException:
                writer.rollback()
                raise
            finally:
                writer.wait_merging_threads()
                self._forget_staged()
            self._reload()

    def abandon(self) -> None:
        """Forget what was staged and not committed."""
        writer, self._writer = self._writer, None
        self._forget_staged()
        if writer is not None:
            with translated(f"writing {self.folder.name}"):
                try:
                    writer.rollback()
                finally:
                    writer.wait_merging_threads()

    def _forget_staged(self) -> None:
        self._staged = 0
        self._staged_keys: set[str] = set()

    def _reload(self) -> None:
        self._index.reload()
        self.opened = OpenPart(self.tier, self._index.searcher())

    def _note(self, keys: list[str]) -> None:
        fresh = [key for key in keys if key not in self._deleted]
        if not fresh:
            return
        with translated(f"writing {self.folder.name}"), (self.folder / _LEDGER).open("a", encoding="utf-8") as ledger:
            ledger.write("".join(f"{key}\n" for key in fresh))
            ledger.flush()
            os.fsync(ledger.fileno())
        self._deleted.update(fresh)

    def live_keys(self) -> list[str]:
        """The keys of all live documents."""
        with translated(f"reading {self.folder.name}"):
            if not self.alive:
                return []
            hits = self.opened.searcher.search(tantivy.Query.all_query(), limit=self.alive, count=False).hits
            return [self.opened.searcher.doc(address)["key"][0] for _, address in hits]
