"""A node of a later version, and one that leaves out what it may: all keep working, and nothing unknown is lost.

A is of a later version: a test speaks with its keys. B and C are as they are, and B passes on to C what A wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from federation import jws
from federation.encoding import dumps
from federation.envelope import disclosure_digest, disclosure_text, verify
from federation.identity import KeyHistory
from federation.jws import Typ
from node.clock import uuid7
from node.keyring import Keyring
from node.peerbook import read_history
from tests.e2e.forked import fork
from tests.e2e.ledgers import ledger
from tests.e2e.nodes import Node, befriend, nodes, wait_for
from tests.e2e.voices import FEED, NDJSON, NO_MARKS, Answer, keys_of, page, record, stage, voice

pytestmark = pytest.mark.e2e
LATER: Final[dict[str, Any]] = {"later": {"deep": [1, "Ж", None, True]}}
UNKNOWN: Final = {"shape": "of a later version", "points": [[1, 2], [3, 4]]}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A, B and C in a row; what B gets from A it may pass on."""
    with nodes(tmp_path_factory.mktemp("crossing"), "Avenir", "Bastan", "Cadena", start=fork) as (a, b, c):
        befriend(a, b, passing_on=True)
        befriend(b, c, passing_on=True)
        a.stop()
        yield [a, b, c]


def _later_record(keys: Keyring, kind: str, seq: int) -> dict[str, Any]:
    """The line of a record with members, a purpose and a field that this version does not know, and white space."""
    values: dict[str, Any] = {"title": f"From the future, {kind}", "summary": "Readable today", "hologram:h1": UNKNOWN}
    texts = {n: disclosure_text(os.urandom(16), v).replace('","v",', '" , "v",  ') for n, v in values.items()}
    terms = {"aud": ["public"], "pur": ["learning", "divination"], "until": 4_000_000_000, **LATER}
    fields = {n: {"t": 0, "_sd": [disclosure_digest(t)], **LATER} for n, t in texts.items()}
    payload = {
        **LATER, "iss": keys.node_id, "rid": uuid7(time.time_ns() // 1_000_000, os.urandom(10)), "ver": 1, "prev": None,
        "iat": int(time.time()), "kind": kind, "lang": "en", "terms": [terms], "f": fields,
    }  # fmt: skip
    token = jws.sign_bytes(Typ.RECORD, keys.record.kid(keys.node_id), dumps(payload), keys.record)
    return {"t": "put", "seq": seq, "jws": token.decode(), "d": list(texts.values())}


def _stored(node: Node, title: str, room: Path) -> tuple[str, dict[str, str]]:
    """The signed part and the disclosure texts that a node keeps of a record."""
    with ledger(node, room) as read:
        ((token, disclosed),) = read.ask("SELECT jws, disclosed FROM copies WHERE disclosed LIKE ?", f"%{title}%")
    return token, json.loads(disclosed)


@pytest.mark.parametrize("kind", ["case_study", "prophecy"])
def test_members_fields_kinds_and_lines_of_a_later_version_pass_through_two_nodes_unharmed(
    three: list[Node], tmp_path: Path, kind: str
) -> None:
    a, b, c = three
    with ledger(b, tmp_path) as read:
        at = read.peer(a.node_id)["cursor"]
    line = _later_record(keys_of(a), kind, at + 1)
    status, answer = voice(a, b).ask("POST", FEED, NO_MARKS, _later_page(keys_of(a), b, line, at))
    assert status == 200, answer
    c.sync(b)
    for node in (b, c):
        token, texts = _stored(node, f"future, {kind}", tmp_path)
        assert token == line["jws"]
        assert set(texts.values()) == set(line["d"])
        envelope = verify(token, list(texts.values()), {a.node_id: _history(b, a, tmp_path)}.get)
        assert envelope.extra == LATER
        assert envelope.disclosed["hologram:h1"] == UNKNOWN
        assert node.fields(envelope.rid) == {"title", "summary", "hologram:h1"}
        wait_for(lambda n=node: n.get("/search", q=f"future {kind}")["total"], "it is found")  # type: ignore[misc]
        for path in (f"/records/{a.node_id}/{envelope.rid}", f"/api/v1/records/{envelope.rid}", "/?q=future"):
            assert node.public("GET", path)[0] == 200, path


def _later_page(keys: Keyring, to: Node, line: dict[str, Any], at: int) -> bytes:
    """A page with members and lines that this version does not know, before, behind and within."""
    head, *middle, end, _ = page(keys, to.node_id, [line | LATER], after=at, **LATER).split(b"\n")
    more = b"," + dumps(LATER)[1:]
    lines = [head[:-1] + more, dumps({"t": "banner"}), *middle, dumps({"t": "banner", "seq": "no number"}), end]
    return b"\n".join([*lines, b""])


def _history(node: Node, of: Node, room: Path) -> KeyHistory:
    with ledger(node, room) as read:
        return read_history(read.peer(of.node_id)["history"])


def test_messages_with_members_of_a_later_version_are_answered_as_if_they_were_not_there(three: list[Node]) -> None:
    a, b, _ = three
    peer = voice(a, b)
    ack: dict[str, Any] = {"cursor": None, "count": 0, "sum": "00" * 32, "refused": [], **LATER}
    assert peer.ask("POST", "/federation/v1/ack", "", dumps(ack))[0] == 200
    assert peer.ask("POST", "/federation/v1/marks", "", dumps({"tokens": [], "want": [], **LATER}))[0] == 200
    assert peer.ask("GET", FEED, f"after=0&{NO_MARKS}&later=1")[0] == 200
    assert peer.ask("GET", "/federation/v1/mail", "after=0&later=1")[0] == 200


def test_what_may_be_left_out_may_be_left_out(three: list[Node], tmp_path: Path) -> None:
    a, b, _ = three
    peer = voice(a, b)
    with ledger(b, tmp_path) as read:
        at = read.peer(a.node_id)["cursor"]
    lines = page(keys_of(a), b.node_id, [], after=at).split(b"\n")
    bare = b"\n".join([dumps({"t": "head", "after": at}), *lines[1:]]).replace(b'"more":false,', b"")
    assert peer.ask("POST", FEED, NO_MARKS, bare)[0] == 200
    assert peer.ask("POST", "/federation/v1/ack", "", dumps({"count": 0, "sum": "00" * 32}))[0] == 200
    assert peer.ask("POST", "/federation/v1/marks", "", b"{}")[0] == 200
    assert peer.ask("GET", "/federation/v1/feed", NO_MARKS)[0] == 200


def test_a_node_document_of_a_later_version_is_taken_and_kept_as_it_is(three: list[Node], tmp_path: Path) -> None:
    a, b, _ = three
    known = _history(b, a, tmp_path)
    last = known.current
    document = last.model_dump(mode="json") | {
        "seq": last.seq + 1, "iat": max(last.iat, int(time.time())), "prev": known.head,
        "protocols": ["commonweave/1", "commonweave/2"], **LATER,
    }  # fmt: skip
    keys = keys_of(a)
    entry = jws.sign(Typ.NODE, keys.identity.kid(a.node_id), document, keys.identity)
    history = [*(e.decode() for e in known.entries), entry.decode()]
    with ledger(b, tmp_path) as read:
        at = read.peer(a.node_id)["cursor"]
    head = hashlib.sha256(entry).hexdigest()
    new = record(keys, "Signed after the new document")
    lines = [{"t": "put", "seq": at + 1, "jws": new.jws.decode(), "d": list(new.texts.values())}]

    def script(method: str, path: str, _body: bytes) -> Answer:
        if path.endswith("/node"):
            return Answer(body=dumps({"history": history, **LATER}), signed=False)
        if method == "GET" and path == FEED:
            body = page(keys, b.node_id, lines, after=at, head=head)
            lines.clear()
            return Answer(body=body, media=NDJSON)
        return Answer(body=dumps({"cursor": None, "count": 0, "sum": "00" * 32, **LATER}))

    with stage(a, b, script):
        b.post("/sync", {"peer": a.node_id})
    renewed = _history(b, a, tmp_path)
    assert [e.decode() for e in renewed.entries] == history
    assert b.show(new.rid)
