"""Files follow the field that names them: fetched only with it, resumed where they broke off, gone with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nodes import NODE_ONLY, Answered, Node, befriend, nodes, wait_for

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A and B with an agreement."""
    with nodes(tmp_path_factory.mktemp("files"), "Archivo", "Biblio") as (a, b):
        befriend(a, b)
        yield [a, b]


def _content(seed: str, size: int = 3 * MIB) -> bytes:
    """Bytes that no compression shortens and no two tests share."""
    return hashlib.shake_256(seed.encode()).digest(size)


def _attach(node: Node, rid: str, content: bytes) -> dict[str, Any]:
    answer = node.raw(
        "POST", f"/records/{rid}/attachments", content, name="plan.bin", media_type="application/octet-stream"
    )
    return dict(json.loads(answer))


def _file(node: Node, sha256: str) -> Path:
    return node.data / "attachments" / sha256[:2] / sha256


def test_a_file_arrives_whole_with_its_record(pair: list[Node]) -> None:
    a, b = pair
    rid, content = a.publish("With a plan"), _content("whole")
    view = _attach(a, rid, content)
    assert view["sha256"] == hashlib.sha256(content).hexdigest()
    b.sync(a)
    listed = b.get(f"/records/{rid}/attachments")
    assert [(f["sha256"], f["complete"]) for f in listed] == [(view["sha256"], True)]
    assert b.raw("GET", f"/records/{rid}/attachments/{view['field']}") == content


def test_a_file_stays_where_its_field_does(pair: list[Node]) -> None:
    a, b = pair
    rid, content = a.publish("With a secret plan"), _content("secret", 2 * MIB)
    view = _attach(a, rid, content)
    a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": [view["field"]]})
    b.sync(a)
    assert b.fields(rid) == {"title", "summary", "outcome"}
    assert not _file(b, view["sha256"]).exists()
    with pytest.raises(Answered, match="404"):
        b.raw("GET", f"/records/{rid}/attachments/{view['field']}")


def test_a_transfer_that_broke_off_goes_on_and_a_spoilt_piece_is_fetched_again(pair: list[Node]) -> None:
    a, b = pair
    rid, content = a.publish("With a plan on a bad line"), _content("resumed")
    view = _attach(a, rid, content)
    whole = _file(b, view["sha256"])
    with b.stopped():
        whole.parent.mkdir(parents=True, exist_ok=True)
        part = whole.with_name(whole.name + ".part")
        part.write_bytes(content[: MIB + 12_345])
    first = b.sync(a)[0]
    assert first["attachments"] == 1
    assert first["bytes_in"] < 2.2 * MIB, "the piece that was there is not fetched again"
    assert whole.read_bytes() == content
    assert not part.exists()
    other = _content("spoilt")
    spoilt = _attach(a, a.publish("With a spoilt part"), other)
    target = _file(b, spoilt["sha256"])
    with b.stopped():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(target.name + ".part").write_bytes(b"x" * MIB)
    wait_for(lambda: b.sync(a) and target.exists(), "a spoilt part does not stop the file for ever")
    assert target.read_bytes() == other


def test_a_retracted_field_takes_its_file_from_the_disk_of_the_holder(pair: list[Node]) -> None:
    a, b = pair
    rid, content = a.publish("With a plan that is taken back"), _content("retracted")
    view = _attach(a, rid, content)
    b.sync(a)
    assert _file(b, view["sha256"]).exists()
    a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": [view["field"]]})
    wait_for(lambda: not _file(b, view["sha256"]).exists(), "the file is gone at B")
    assert content[:64] not in b.bytes_on_disk()
    assert _file(a, view["sha256"]).exists(), "the origin keeps its own"
    a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
    wait_for(lambda: not _file(a, view["sha256"]).exists(), "a withdrawal takes it from the origin too")


def test_a_file_that_two_records_name_stays_until_the_last_of_them_goes(pair: list[Node]) -> None:
    a, b = pair
    content = _content("shared", MIB + 7)
    one, two = a.publish("First with the plan"), a.publish("Second with the plan")
    sha256 = _attach(a, one, content)["sha256"]
    assert _attach(a, two, content)["sha256"] == sha256
    b.sync(a)
    a.post(f"/records/{one}/withdraw", {"reason": "error"})
    wait_for(lambda: a.line(one, b)["confirmed"] == "erased", "the first is gone")
    assert _file(b, sha256).exists()
    a.post(f"/records/{two}/withdraw", {"reason": "error"})
    wait_for(lambda: not _file(b, sha256).exists(), "the file went with the second")


def test_an_agreement_without_attachments_sends_none(tmp_path: Path) -> None:
    with nodes(tmp_path, "Abierta", "Bosques") as (a, b):
        befriend(a, b, attachments=False)
        rid = a.publish("With a plan that stays")
        view = _attach(a, rid, _content("stays", 1000))
        b.sync(a)
        assert b.fields(rid) == {"title", "summary", "outcome"}
        assert not _file(b, view["sha256"]).exists()
