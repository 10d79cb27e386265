"""`kill -9` again and again while two nodes sync: nothing acknowledged is lost, nothing half written (invariant 8)."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.forked import fork
from tests.e2e.ledgers import DATABASE, ledger
from tests.e2e.nodes import NODE_ONLY, Answered, Node, befriend, nodes, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SEED: Final = 9
KILLS: Final = 50
WAITING: Final = 30  # records that have not travelled yet when a session begins: ten pages, so that it is cut off
LONGEST_S: Final = 0.5  # from asking for a session to the kill; ten pages take longer
SMALL_PAGES: Final = "[sync]\ninterval_s = 3600\npage_records = 3\n"
FILE_BYTES: Final = 300_000
SPARE: Final = 1.10  # how much larger than after an undisturbed sync a database may be


class Author:
    """Writes records of a few kilobytes at a node, each unlike the others."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.rids: list[str] = []

    def write(self, count: int) -> None:
        """So many more."""
        for _ in range(count):
            number = len(self.rids)
            text = hashlib.shake_256(b"%d" % number).hexdigest(1500)
            self.rids.append(self._node.publish(f"Record {number}", fields={"body": text}))

    def attach(self) -> None:
        """A file at the last record."""
        content = hashlib.shake_256(self.rids[-1].encode()).digest(FILE_BYTES)
        target = f"/records/{self.rids[-1]}/attachments"
        self._node.raw("POST", target, content, name="plan.bin", media_type="application/octet-stream")


class Session(threading.Thread):
    """A session that one node was asked for; `cut` is true if the answer never came."""

    def __init__(self, opens: Node, other: Node) -> None:
        super().__init__()
        self._opens = opens
        self._other = other
        self.cut = False

    def run(self) -> None:
        """Ask, and wait for the answer or for the end of the process."""
        try:
            self.cut = not self._opens.post("/sync", {"peer": self._other.node_id})[0]["ok"]
        except (OSError, Answered, ValueError):
            self.cut = True


def _kill_during(session: Session, victim: Node, after_s: float) -> bool:
    session.start()
    time.sleep(after_s)
    victim.kill()
    session.join()
    return session.cut


def _check(a: Node, b: Node, room: Path, what: str) -> None:
    """What A knows of B, against what B has."""
    with ledger(a, room / "a") as ours, ledger(b, room / "b") as theirs:
        assert ours.faults() == [], what
        assert theirs.faults() == [], what
        held, confirmed = theirs.held(), ours.acked(b.node_id)
        assert {r: held.get(r) for r in confirmed} == confirmed, f"{what}: acknowledged, and not there"
        signed = ours.receipts(b.node_id, "held") - ours.withdrawn()
        assert signed <= held.keys(), f"{what}: held by its receipt, and not there"
        assert not ours.receipts(b.node_id, "erased") & held.keys(), f"{what}: erased by its receipt, and there"
        assert theirs.peer(a.node_id)["cursor"] <= ours.peer(b.node_id)["issued"], what


def _waiting(a: Node, b: Node, room: Path) -> int:
    """How many records have not arrived."""
    with ledger(a, room / "a") as ours, ledger(b, room / "b") as theirs:
        return int(ours.one("SELECT count(*) FROM copies WHERE own AND state = 0")) - len(theirs.held())


def _attachments(node: Node) -> dict[str, str]:
    """Every file beside the records, parts of files too, and the hash of what it holds."""
    paths = [p for p in (node.data / "attachments").rglob("*") if p.is_file()]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def _size(node: Node) -> int:
    """Bytes of the database of a node that has been stopped, so that no log is left."""
    assert not (node.data / f"{DATABASE}-wal").exists()
    return (node.data / DATABASE).stat().st_size


def test_fifty_kills_in_the_middle_of_syncs_lose_nothing_and_leave_nothing_half_written(tmp_path: Path) -> None:
    choose, room = random.Random(SEED), tmp_path / "room"
    with nodes(tmp_path, "Alba", "Brasa", "Calma", settings=SMALL_PAGES, start=fork) as (a, b, c):
        befriend(a, b)
        author, taken, cuts = Author(a), set[str](), 0
        for kill in range(KILLS):
            author.write(max(0, WAITING - _waiting(a, b, room)))
            if kill % 10 == 3:
                author.attach()
            if kill % 10 == 5:
                rid = choose.choice([r for r in author.rids[:-WAITING] if r not in taken])
                a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": ["outcome"]})
            if kill % 10 == 7:
                rid = choose.choice([r for r in author.rids[:-WAITING] if r not in taken])
                a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
                taken.add(rid)
            opens, other = choose.choice([(a, b), (b, a)])
            victim = choose.choice([a, b])
            cuts += _kill_during(Session(opens, other), victim, choose.uniform(0, LONGEST_S))
            _check(a, b, room, f"kill {kill}, of {victim.name}")
            victim.start()
            _check(a, b, room, f"start {kill}, of {victim.name}")
        assert cuts > KILLS / 2, "most kills fell into a session"
        _is_whole(a, b, author.rids, taken, room)
        befriend(a, c)
        c.sync(a)
        c.sync(a)
        _is_whole(a, c, author.rids, taken, room)
        assert _attachments(b) == _attachments(c) == {n: n for n in _attachments(c)}
        for node in (a, b, c):
            node.stop()
        assert _size(b) <= SPARE * _size(c), "as small as after an undisturbed sync of the same records"
        with ledger(a, room) as ours:
            assert ours.one("PRAGMA freelist_count") <= (SPARE - 1) * ours.one("PRAGMA page_count")


def _is_whole(a: Node, holder: Node, rids: list[str], taken: set[str], room: Path) -> None:
    """After quiet the holder has exactly what it may have, all of it verifies, and the origin knows it."""
    holder.sync(a)
    wait_for(lambda: holder.sync(a)[0]["received"] == 0, "everything has arrived")
    wait_for(lambda: _owed(a, holder, room) == 0, "everything is confirmed")
    with ledger(a, room / "a") as ours, ledger(holder, room / "b") as theirs:
        assert theirs.held().keys() == set(rids) - taken
        assert theirs.held() == ours.acked(holder.node_id)
        assert theirs.verify_all(a.node_id) == len(rids) - len(taken)
        assert theirs.one("SELECT count(*) FROM quarantine") == theirs.one("SELECT count(*) FROM erasures") == 0
        assert ours.receipts(holder.node_id, "held") == theirs.held().keys()
        us, them = ours.peer(holder.node_id), theirs.peer(a.node_id)
        assert (us["put_count"], us["put_sum"]) == (them["offer_count"], them["offer_sum"])
    assert holder.get("/search", q="record")["total"] == len(rids) - len(taken)


def _owed(a: Node, holder: Node, room: Path) -> int:
    """Lines that the holder has not acknowledged, and erasures it has not confirmed."""
    with ledger(a, room / "a") as ours, ledger(holder, room / "b") as theirs:
        peer = ours.peer(holder.node_id)
        lines = ours.one("SELECT count(*) FROM custody WHERE peer = ? AND seq > ?", peer["id"], peer["acked"])
        return int(lines + theirs.one("SELECT count(*) FROM outgoing") + theirs.one("SELECT count(*) FROM erasures"))
