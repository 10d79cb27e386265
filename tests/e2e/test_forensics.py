"""Erased means gone from disk (invariant 10): every byte of a holder's folder is searched the moment it has confirmed.

The holder runs on SQLite, and again on PostgreSQL with the rights and settings of docs/storage.md, whose whole data
folder is searched then, its log included.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from config.load import FILE_NAME
from tests.e2e.forked import fork
from tests.e2e.ledgers import DATABASE, ledger
from tests.e2e.nodes import NETWORK, NODE_ONLY, Node, befriend, nodes, wait_for
from tests.e2e.traces import forms_of_disclosure, forms_of_text, indexed, traces
from tests.postgres import Cluster, postgres

__all__ = ["postgres"]

pytestmark = pytest.mark.e2e
LONG_WORDS: Final = 4_000  # a field over many pages of the database
FILE_BYTES: Final = 1_300_000  # more than one piece
PIECE: Final = 48  # bytes of it that occur by no chance
LONG_TABLES: Final = ("copies", "offers", "outgoing", "receipt_docs")
RIGHTS: Final = (
    "CREATE ROLE keeper LOGIN",
    "GRANT pg_checkpoint, pg_read_all_stats TO keeper",
)


@dataclass
class Pair:
    """An origin and a holder, and where their bytes lie; `cluster` is the holder's database server, if it has one."""

    a: Node
    b: Node
    cluster: Cluster | None

    def places(self, node: Node) -> list[Path]:
        """Every folder and log file that a node, or its database server, writes."""
        server = [self.cluster.data, self.cluster.data.parent / "log"] if self.cluster and node is self.b else []
        return [node.data, node.log, *server]

    def disclosures(self, node: Node, rid: str, fields: Iterable[str] | None = None) -> set[str]:
        """The disclosure texts that the database of a node has of a record, old versions too."""
        found = set()
        for table in ("copies", "versions"):
            for (text,) in self._ask(node, f"SELECT disclosed FROM {table} WHERE rid = '{rid}'"):
                found |= {t for n, t in json.loads(text or "{}").items() if fields is None or n in fields}
        return found

    def _ask(self, node: Node, statement: str) -> list[tuple[Any, ...]]:
        if self.cluster is None or node is self.a:
            with ledger(node, node.data.parent / "look") as read:
                return [tuple(row) for row in read.ask(statement)]
        return [(line,) for line in self.cluster.sql(statement, node.name.lower()).splitlines()]

    def left(self, node: Node, forms: dict[str, bytes], words: Iterable[str]) -> set[str]:
        """What of all that is still somewhere in the places of a node."""
        return traces(self.places(node), forms) | indexed(node.data / "index", words)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A and B with an agreement, B on each kind of database."""
    cluster: Cluster | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    if cluster is not None:
        for right in RIGHTS:
            cluster.sql(right)

    def prepare(node: Node) -> None:
        if cluster is not None and node.name == "Bodega":
            _own_database(cluster, node)

    folder = tmp_path_factory.mktemp("forensics")
    with nodes(folder, "Ashram", "Bodega", prepare=prepare, start=fork) as (a, b):
        if cluster is not None:
            _keep_uncompressed(cluster, b)
        befriend(a, b)
        yield Pair(a, b, cluster)


def _own_database(cluster: Cluster, node: Node) -> None:
    name = node.name.lower()
    cluster.sql(f"CREATE DATABASE {name} OWNER keeper")
    cluster.sql("GRANT EXECUTE ON FUNCTION pg_switch_wal() TO keeper", name)
    with (node.data / FILE_NAME).open("a") as settings:
        settings.write(f'[database]\nurl = "postgresql+asyncpg://keeper@127.0.0.1:{cluster.port}/{name}"\n')


def _keep_uncompressed(cluster: Cluster, node: Node) -> None:
    """Let the server store long texts as they are: what it compresses could not be searched for, before or after."""
    columns = "SELECT attrelid::regclass || ' ' || attname FROM pg_attribute WHERE attstorage = 'x' AND attrelid IN "
    tables = ", ".join(f"'{t}'::regclass" for t in LONG_TABLES)
    for line in cluster.sql(f"{columns} ({tables})", node.name.lower()).splitlines():
        table, column = line.split()
        cluster.sql(f'ALTER TABLE {table} ALTER COLUMN "{column}" SET STORAGE EXTERNAL', node.name.lower())


def _word(label: str) -> str:
    """A word in no language, that no stemmer shortens."""
    letters = (
        hashlib.sha256(label.encode()).hexdigest().translate(str.maketrans("0123456789abcdef", "bcdfghjklmnpqrtv"))
    )
    return f"{letters[:11]}k"


def _text(label: str) -> str:
    """A text that JSON has to escape, and that begins and ends with a word of its own."""
    return f'{_word(label)} "Ñandú"\n\\ Ж {_word(label + " end")}'


def _record(pair: Pair, label: str) -> tuple[str, dict[str, str], bytes]:
    """A record of three versions with a person, a long body and a file at A and B; its texts by field, and the file."""
    a, b = pair.a, pair.b
    texts = {n: _text(f"{label} {n}") for n in ("summary", "outcome", "quote:q", "person:p", "lessons")}
    long = " ".join(_word(f"{label} {n}") for n in range(LONG_WORDS))
    rid = a.publish(
        f"{label} title",
        fields={
            "summary": texts["summary"], "outcome": texts["outcome"], "body": long,
            "quote:q": {"text": texts["quote:q"], "by": "p"},
            "person:p": {"name": texts["person:p"], "role": "guide", "note": ""},
        },
        field_terms=dict.fromkeys(("quote:q", "person:p"), NETWORK),
    )  # fmt: skip
    b.sync(a)
    draft = a.get(f"/records/{rid}/draft")
    draft["fields"]["lessons"] = texts["lessons"]
    a.edit(rid, draft)
    content = (texts["summary"].encode() + hashlib.shake_256(label.encode()).digest(1000)) * (FILE_BYTES // 1050)
    a.raw("POST", f"/records/{rid}/attachments", content, name="plan.bin", media_type="application/octet-stream")
    b.sync(a)
    wait_for(lambda: b.get("/search", q=_word(f"{label} outcome"))["total"] == 1, "it is in B's index")
    return rid, texts | {"body": long}, content


def _forms(texts: Iterable[str], disclosures: Iterable[str]) -> dict[str, bytes]:
    forms: dict[str, bytes] = {}
    for text in texts:
        forms |= forms_of_text(text)
    for text in disclosures:
        forms |= forms_of_disclosure(text)
    return forms


def _words(texts: Iterable[str]) -> list[str]:
    """The words of their own with which the texts begin and end."""
    return [w for t in texts for w in (t.split()[0], t.split()[-1])]


def test_after_a_withdrawal_and_its_receipt_no_byte_is_left_at_the_holder_and_soon_none_at_the_origin(
    pair: Pair,
) -> None:
    a, b = pair.a, pair.b
    rid, texts, content = _record(pair, "Withdrawn")
    salts = pair.disclosures(b, rid) | pair.disclosures(a, rid)
    forms = _forms(texts.values(), salts) | {"title": b"Withdrawn title", "file": content[:PIECE]}
    for node in (a, b):
        before = pair.left(node, forms, _words(texts.values()))
        for form in ("title", "file", *forms_of_disclosure(min(pair.disclosures(node, rid)))):
            if not form.startswith(("raw", "hex", "base64")):
                assert any(form in trace for trace in before), f"{form}: the search can find what is there"
        assert set(_words(texts.values())) <= before, "the index has them"
    a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
    wait_for(lambda: a.line(rid, b)["confirmed"] == "erased", "the holder has confirmed")
    assert pair.left(b, forms, _words(texts.values())) == set()
    wait_for(lambda: not pair.left(a, forms, _words(texts.values())), "nothing is left at the origin")


def _smaller_confirmed(a: Node, b: Node, rid: str) -> bool:
    line, shown = a.line(rid, b), a.show(rid)
    return shown is not None and line["ver"] == shown["ver"] and line["confirmed"] == "held"


def test_after_a_narrowing_is_confirmed_no_byte_of_the_field_is_left_at_the_holder(pair: Pair) -> None:
    a, b = pair.a, pair.b
    rid, texts, content = _record(pair, "Narrowed")
    file = next(f for f in b.fields(rid) if f.startswith("attachment:"))
    gone = ["outcome", "quote:q", "body", file]
    lost = [t for n, t in texts.items() if n in gone]
    salts = pair.disclosures(b, rid, gone)
    forms = _forms(lost, salts) | {"file": content[:PIECE]}
    kept = forms_of_text(texts["lessons"])
    assert len(pair.left(b, forms, _words(lost))) > len(gone)
    a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": gone})
    wait_for(lambda: _smaller_confirmed(a, b, rid), "the holder has confirmed the smaller copy")
    assert pair.left(b, forms, _words(lost)) == set()
    assert traces(pair.places(b), kept), "and the search still finds what stays"
    assert b.get("/search", q=_word("Narrowed outcome"))["total"] == 0
    assert b.get("/search", q=_word("Narrowed lessons"))["total"] == 1


def test_with_the_next_erasure_no_byte_of_the_words_that_an_edit_replaced_is_left_at_the_holder(pair: Pair) -> None:
    a, b = pair.a, pair.b
    rid, texts, _ = _record(pair, "Edited")
    company = a.publish("Company")
    b.sync(a)
    lost = [texts["outcome"], texts["quote:q"]]
    forms = _forms(lost, pair.disclosures(b, rid))
    assert len(pair.left(b, forms, _words(lost))) > len(lost)
    draft = a.get(f"/records/{rid}/draft")
    draft["fields"]["outcome"] = _text("Edited, another outcome")
    draft["fields"]["quote:q"]["text"] = _text("Edited, another quote")
    a.edit(rid, draft)
    b.sync(a)
    a.post(f"/records/{company}/withdraw", {"reason": "consent"})
    wait_for(lambda: a.line(company, b)["confirmed"] == "erased", "the holder has cleared what waited")
    assert pair.left(b, forms, _words(lost)) == set()
    assert b.get("/search", q=_word("Edited, another outcome"))["total"] == 1


def test_a_narrowing_is_not_confirmed_while_its_bytes_are_still_in_the_log(pair: Pair) -> None:
    if pair.cluster is not None:
        pytest.skip("a snapshot of another program is waited for likewise: tests/contract/store/test_scrub.py")
    a, b = pair.a, pair.b
    rid = a.publish("Slow to go", fields={"outcome": _text("slow")})
    b.sync(a)
    reader = sqlite3.connect(b.data / DATABASE, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM copies").fetchone()
    try:
        a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": ["outcome"]})
        wait_for(lambda: b.fields(rid) == {"title", "summary"}, "B shows it no more")
        b.sync(a)
        assert traces([b.data], forms_of_text(_text("slow"))), "a reader keeps the log, and the log keeps the text"
        assert a.line(rid, b)["delivered"]
        assert not _smaller_confirmed(a, b, rid)
    finally:
        reader.close()
    wait_for(lambda: _smaller_confirmed(a, b, rid), "and now it is")
    assert not traces([b.data], forms_of_text(_text("slow")))
