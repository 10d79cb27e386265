"""What two nodes' databases say of one another, read as they lie on disk: alive, stopped, or just killed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from federation.envelope import verify
from node.peerbook import read_history
from node.store.rows import State
from tests.e2e.nodes import Node

MODULUS: Final = 2**256
DATABASE: Final = "commonweave.sqlite3"


class Ledger:
    """One snapshot of a node's database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.row_factory = sqlite3.Row

    def ask(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """The rows of a question."""
        return self._database.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        """The one value of a question."""
        return self.ask(statement, *values)[0][0]

    def peer(self, node_id: str) -> sqlite3.Row:
        """How the node stands with another."""
        return self.ask("SELECT * FROM peers WHERE node_id = ?", node_id)[0]

    def held(self) -> dict[str, bytes]:
        """Copy ids of the received records that are here, by record."""
        rows = self.ask("SELECT rid, copy_id FROM copies WHERE NOT own AND state = ?", State.LIVE)
        return {r["rid"]: r["copy_id"] for r in rows}

    def acked(self, node_id: str) -> dict[str, bytes]:
        """Copy ids that custody says this peer has confirmed, by record."""
        peer = self.peer(node_id)
        rows = self.ask(
            "SELECT copies.rid, custody.copy_id FROM custody JOIN copies ON copies.id = custody.copy"
            " WHERE custody.peer = ? AND entry = 'put' AND refused IS NULL AND custody.seq <= ?",
            peer["id"], peer["acked"],
        )  # fmt: skip
        return {r["rid"]: r["copy_id"] for r in rows}

    def receipts(self, node_id: str, state: str) -> set[str]:
        """Records for which the last signed receipt of a holder says this."""
        return {r[0] for r in self.ask("SELECT rid FROM receipts WHERE holder = ? AND state = ?", node_id, state)}

    def withdrawn(self) -> set[str]:
        """Records that their origin has taken back."""
        return {r[0] for r in self.ask("SELECT rid FROM copies WHERE state = ?", State.WITHDRAWN)}

    def faults(self) -> list[str]:
        """Everything in it that is half written: an empty list where each part agrees with the others."""
        found = [str(r[0]) for r in self.ask("PRAGMA integrity_check")]
        found = [] if found == ["ok"] else found
        for what, statement in _HALVES.items():
            number = self.one(statement)
            if number:
                found.append(f"{number} {what}")
        for peer in self.ask("SELECT * FROM peers"):
            found += self._sums(peer)
        return found

    def _sums(self, peer: sqlite3.Row) -> Iterator[str]:
        offers = self.ask("SELECT copy_id, size FROM offers WHERE peer = ?", peer["id"])
        puts = self.ask("SELECT copy_id FROM custody WHERE peer = ? AND entry = 'put' AND refused IS NULL", peer["id"])
        if (peer["offer_count"], peer["offer_sum"]) != _fingerprint(offers):
            yield f"offers of {peer['name']} do not add up to their fingerprint"
        if peer["offer_bytes"] != sum(o["size"] for o in offers):
            yield f"offers of {peer['name']} do not add up to {peer['offer_bytes']} bytes"
        if (peer["put_count"], peer["put_sum"]) != _fingerprint(puts):
            yield f"custody of {peer['name']} does not add up to its fingerprint"
        if peer["acked"] > peer["issued"]:
            yield f"{peer['name']} has confirmed {peer['acked']}, and {peer['issued']} was the last that went out"

    def verify_all(self, origin: str) -> int:
        """Verify every received copy of an origin again; how many."""
        history = read_history(self.peer(origin)["history"])
        rows = self.ask("SELECT jws, disclosed, copy_id FROM copies WHERE origin = ? AND state = ?", origin, State.LIVE)
        for row in rows:
            envelope = verify(row["jws"], list(json.loads(row["disclosed"]).values()), {origin: history}.get)
            assert envelope.copy_id == row["copy_id"].hex()
        return len(rows)


_HALVES: Final = {
    "live copies without their content": f"SELECT count(*) FROM copies WHERE state = {State.LIVE} AND"
    " (jws IS NULL OR disclosed IS NULL OR copy_id IS NULL OR vid IS NULL)",
    "marks with content": f"SELECT count(*) FROM copies WHERE state <> {State.LIVE} AND"
    " (jws IS NOT NULL OR disclosed IS NOT NULL)",
    "received copies that nobody offers": f"SELECT count(*) FROM copies WHERE NOT own AND state = {State.LIVE}"
    " AND id NOT IN (SELECT copy FROM offers)",
    "offers of copies that are not here": "SELECT count(*) FROM offers LEFT JOIN copies ON copies.id = offers.copy"
    f" WHERE copies.id IS NULL OR copies.state <> {State.LIVE} OR copies.ver <> offers.ver",
    "custody lines of no record": "SELECT count(*) FROM custody WHERE entry <> 'roster'"
    " AND copy NOT IN (SELECT id FROM copies)",
    "references to files from no copy": "SELECT count(*) FROM attachment_refs LEFT JOIN copies"
    f" ON copies.id = attachment_refs.copy WHERE copies.id IS NULL OR copies.state <> {State.LIVE}",
    "files that nothing refers to": "SELECT count(*) FROM attachments"
    " WHERE sha256 NOT IN (SELECT sha256 FROM attachment_refs)",
    "receipts without their document": "SELECT count(*) FROM receipts WHERE doc NOT IN (SELECT id FROM receipt_docs)",
    "documents of no receipt": "SELECT count(*) FROM receipt_docs WHERE id NOT IN (SELECT doc FROM receipts)",
}


def _fingerprint(rows: list[sqlite3.Row]) -> tuple[int, bytes]:
    total = sum(int.from_bytes(r["copy_id"], "big") for r in rows) % MODULUS
    return len(rows), total.to_bytes(32, "big")


@contextmanager
def ledger(node: Node, room: Path) -> Iterator[Ledger]:
    """A node's ledger: of a running one as a reader beside it, of a dead one from a copy, so that it finds its own."""
    if node.running:
        with closing(sqlite3.connect(f"file:{node.data / DATABASE}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            yield Ledger(database)
        return
    room.mkdir(parents=True, exist_ok=True)
    for part in ("", "-wal"):
        if (node.data / (DATABASE + part)).exists():
            shutil.copyfile(node.data / (DATABASE + part), room / (DATABASE + part))
    try:
        with closing(sqlite3.connect(room / DATABASE)) as database:
            yield Ledger(database)
    finally:
        shutil.rmtree(room)
