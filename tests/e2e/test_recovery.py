"""Lost rows, old backups, and power cuts heal at the next contact; nothing withdrawn comes back (invariants 4, 8)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import ALL, Answered, Node, befriend, keep_copy, nodes, put_back, wait_for

pytestmark = pytest.mark.e2e
MANY = 400


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A and B with an agreement."""
    with nodes(tmp_path_factory.mktemp("recover"), "Asili", "Bahri") as (a, b):
        befriend(a, b)
        yield [a, b]


def test_a_lost_copy_comes_back(pair: list[Node]) -> None:
    a, b = pair
    lost, kept = a.publish("Lost by a bad disk"), a.publish("Kept")
    b.sync(a)
    with b.stopped():
        number = b.sql("SELECT id FROM copies WHERE rid = ?", lost)[0][0]
        offer = b.sql("SELECT copy_id FROM offers WHERE copy = ?", number)[0][0]
        b.sql("DELETE FROM offers WHERE copy = ?", number)
        b.sql("DELETE FROM copies WHERE id = ?", number)
        count, total = b.sql("SELECT offer_count, offer_sum FROM peers")[0]
        rest = (int.from_bytes(total, "big") - int.from_bytes(offer, "big")) % 2**256
        b.sql("UPDATE peers SET offer_count = ?, offer_sum = ?", count - 1, rest.to_bytes(32, "big"))
    assert b.show(lost) is None
    assert b.sync(a)[0]["repaired"] >= 1
    assert b.fields(lost) == b.fields(kept) == ALL


def test_a_holder_restored_from_a_backup_has_the_same_set_again(pair: list[Node], tmp_path: Path) -> None:
    a, b = pair
    stays, goes, changes = (a.publish(f"{word} since the backup") for word in ("Stays", "Goes", "Changes"))
    b.sync(a)
    with b.stopped():
        backup = keep_copy(b, tmp_path)
    a.post(f"/records/{goes}/withdraw", {"reason": "consent"})
    terms = {"audiences": ["node"], "purposes": ["learning"]}
    a.post(f"/records/{changes}/narrow", {"terms": terms, "fields": ["outcome"]})
    fresh = a.publish("Written since the backup")
    b.sync(a)
    wait_for(lambda: a.line(goes, b)["confirmed"] == "erased", "the withdrawal is confirmed")
    b.stop()
    put_back(b, backup)
    b.start()
    b.sync(a)
    b.sync(a)
    assert b.show(goes) is None
    assert b.fields(changes) == {"title", "summary"}
    assert b.fields(stays) == b.fields(fresh) == ALL
    held = {i["rid"] for i in a.get("/records", own="true", limit=200)["items"]}
    assert b.rids() == held


def test_a_restored_holder_serves_nothing_to_others_that_was_withdrawn_meanwhile(tmp_path: Path) -> None:
    with nodes(tmp_path, "Agua", "Bosque", "Cerro") as (a, b, c):
        befriend(a, b)
        befriend(b, c)
        rid = a.publish("Withdrawn while the backup slept")
        b.sync(a)
        with b.stopped():
            backup = keep_copy(b, tmp_path)
        a.post(f"/records/{rid}/withdraw", {"reason": "harm"})
        b.sync(a)
        c.sync(b)
        b.stop()
        put_back(b, backup)
        b.start()
        c.sync(b)  # C knows of the withdrawal; B, which has forgotten, hears it from C before it may serve
        assert c.show(rid) is None
        wait_for(lambda: b.show(rid) is None, "B has heard it from C")


def test_an_origin_restored_from_a_backup_hears_of_its_own_withdrawal_before_it_serves(
    pair: list[Node], tmp_path: Path
) -> None:
    a, b = pair
    taken, edited = a.publish("Taken back after the backup"), a.publish("Edited after the backup")
    b.sync(a)
    with a.stopped():
        backup = keep_copy(a, tmp_path)
    a.post(f"/records/{taken}/withdraw", {"reason": "consent"})
    for number in (1, 2):
        draft = a.get(f"/records/{edited}/draft")
        draft["fields"]["summary"] = f"Edit {number}"
        a.edit(edited, draft)
    b.sync(a)
    assert b.show(taken) is None
    assert (b.show(edited) or {})["ver"] == 3
    a.stop()
    put_back(a, backup)
    a.start()
    assert a.show(taken), "the backup has it, and nobody has told A yet"
    b.sync(a)
    assert b.show(taken) is None
    wait_for(lambda: a.show(taken) is None, "A has heard it from B")
    assert taken in {w["rid"] for w in a.get("/withdrawals")}
    draft = a.get(f"/records/{edited}/draft")
    draft["fields"]["summary"] = "Edited after the restore"
    a.edit(edited, draft)
    wait_for(lambda: b.sync(a) and _summary(b, edited) == "Edited after the restore", "A goes on above")
    assert (b.show(edited) or {})["ver"] > 3
    assert (b.show(edited) or {})["ver"] == (a.show(edited) or {})["ver"]
    assert not (b.show(edited) or {})["conflict"]


def _summary(node: Node, rid: str) -> str:
    shown = node.show(rid) or {"fields": []}
    return next((f["value"] for f in shown["fields"] if f["name"] == "summary"), "")


def test_a_power_cut_in_the_middle_of_a_sync_loses_and_doubles_nothing(tmp_path: Path) -> None:
    small = "[sync]\ninterval_s = 3600\npage_records = 10\n"
    with nodes(tmp_path, "Acopio", "Brecha", settings=small) as (a, b):
        befriend(a, b)
        lines = tmp_path / "many.jsonl"
        lines.write_text("\n".join(_library_line(n) for n in range(MANY)))
        done = a.cli("import", str(lines), "--json")
        assert done.returncode == 0, done.stderr
        session = threading.Thread(target=_sync_until_cut, args=(b, a))
        session.start()
        wait_for(lambda: b.get("/status")["received_records"] >= 20, "some pages have arrived")
        b.kill()
        session.join()
        b.start()
        before = b.get("/status")["received_records"]
        assert 20 <= before < MANY
        b.sync(a)
        assert b.get("/status")["received_records"] == MANY
        assert a.peer(b)["sent"] == b.peer(a)["received"] == MANY
        assert b.sync(a)[0]["received"] == 0
        with b.stopped():
            assert b.sql("SELECT count(*), count(DISTINCT rid) FROM copies")[0] == (MANY, MANY)
            assert b.sql("PRAGMA integrity_check")[0][0] == "ok"


def _library_line(number: int) -> str:
    record = {"source_id": f"r{number}", "kind": "story", "language": "en", "title": f"Record {number}"}
    return json.dumps(record | {"summary": f"Summary {number}", "licence": "CC0-1.0", "sections": {}})


def _sync_until_cut(b: Node, a: Node) -> None:
    try:
        b.post("/sync", {"peer": a.node_id})
    except (OSError, Answered, ValueError):
        return  # the process went away under it, as it should
