"""A peer whose signatures hold and whose conduct does not: nothing of it is stored, it is noted, others go on.

B is a real peer of A that is stopped; the tests speak with its keys, as a caller and as a server. C is honest.
"""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from federation.client import MAX_GRACE_S
from federation.documents import Withdrawal, sign_document
from federation.encoding import dumps_text
from governance.terms import DIRECT
from node.peerbook import read_history
from tests.e2e.forked import fork
from tests.e2e.ledgers import Ledger, ledger
from tests.e2e.nodes import Node, befriend, nodes, wait_for
from tests.e2e.voices import (
    FEED,
    NDJSON,
    NO_MARKS,
    Answer,
    Voice,
    keys_of,
    manifest,
    page,
    put,
    record,
    send,
    stage,
    voice,
)

pytestmark = pytest.mark.e2e
MIB: Final = 1024 * 1024
SOON_S: Final = 5.0  # a node that is being held up by one peer answers the others within this
DRIP_S: Final = 0.5
ROUNDS: Final = 2


@dataclass
class Meeting:
    """A, the peer B whose keys the tests have, and C; `rid` is C's record, which A holds."""

    a: Node
    b: Node
    c: Node
    rid: str
    room: Path
    said: int = 0

    @property
    def voice(self) -> Voice:
        """B's."""
        return voice(self.b, self.a)

    def look(self, question: Callable[[Ledger], Any]) -> Any:
        """What A's database says."""
        with ledger(self.a, self.room) as read:
            return question(read)

    def standing(self) -> int:
        """How B stands with A."""
        return int(self.look(lambda read: read.peer(self.b.node_id)["standing"]))

    def cursor(self) -> int:
        """How far A is in B's feed."""
        return int(self.look(lambda read: read.peer(self.b.node_id)["cursor"]))

    def held(self) -> dict[str, bytes]:
        """What A has received, from anybody."""
        held: dict[str, bytes] = self.look(lambda read: read.held())
        return held

    def reasons(self) -> list[str]:
        """Why A has set entries of B aside."""
        number = self.look(lambda read: read.peer(self.b.node_id)["id"])
        return [r[0] for r in self.look(lambda read: read.ask("SELECT code FROM quarantine WHERE peer = ?", number))]

    def others_go_on(self) -> None:
        """C brings something new, at once."""
        self.said += 1
        rid = self.c.publish(f"News {self.said} of C")
        started = time.monotonic()
        self.c.sync(self.a)
        assert rid in self.held()
        assert time.monotonic() - started < SOON_S


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    """A with its peers; A holds a record of each."""
    folder = tmp_path_factory.mktemp("misconduct")
    with nodes(folder, "Atalaya", "Bribon", "Cabal", start=fork) as (a, b, c):
        befriend(a, b)
        befriend(a, c)
        rid = c.publish("What C wrote")
        a.sync(c)
        b.stop()
        yield Meeting(a, b, c, rid, folder / "room")


# --- pages that B hands over ----------------------------------------------------------------------------------------

Lines = list[dict[str, Any]]


def _bent(line: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return line | changed


def _forged(met: Meeting) -> Lines:
    line = put(record(keys_of(met.b), "Forged"))
    head, _, signature = line["jws"].rpartition(".")
    return [_bent(line, jws=f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")]


def _other_text(met: Meeting) -> Lines:
    line = put(record(keys_of(met.b), "As it was signed"))
    return [_bent(line, d=[line["d"][0].replace("was signed", "was not signed")])]


def _by_a_stranger(met: Meeting) -> Lines:
    keys = keys_of(met.b)
    return [put(record(replace(keys, node_id=f"did:key:{keys.log.multibase}"), "Of nobody"))]


def _of_another(met: Meeting) -> Lines:
    """Signed by B under C's name."""
    return [put(record(replace(keys_of(met.b), node_id=met.c.node_id), "Under C's name"))]


def _history_of_c(met: Meeting) -> dict[str, Any]:
    text = met.look(lambda read: read.peer(met.c.node_id)["history"])
    return {"t": "origin", "history": [e.decode() for e in read_history(text).entries]}


def _no_right(met: Meeting) -> Lines:
    """C's own, for A alone, and not through B."""
    return [_history_of_c(met), put(record(keys_of(met.c), "From C to some", DIRECT))]


def _for_the_house(met: Meeting) -> Lines:
    return [put(record(keys_of(met.b), "For B's members only", "node"))]


def _false_withdrawal(met: Meeting) -> Lines:
    document = Withdrawal(iss=met.c.node_id, iat=int(time.time()), rid=met.rid, ver=1, reason="error")
    token = sign_document(document, keys_of(met.b).record).decode()
    return [_history_of_c(met), {"t": "withdraw", "seq": 1, "jws": token}]


def _retracts_for_another(met: Meeting) -> Lines:
    return [{"t": "retract", "seq": 1, "origin": met.c.node_id, "rid": met.rid, "ver": 9}]


def _drops_anothers(met: Meeting) -> Lines:
    return [{"t": "drop", "seq": 1, "copy": met.held()[met.rid].hex()}]


def _huge_envelope(met: Meeting) -> Lines:
    return [{"t": "put", "seq": 1, "jws": "e30." + "A" * (300 * 1024) + ".AAAA", "d": []}]


def _huge_field(met: Meeting) -> Lines:
    line = put(record(keys_of(met.b), "Small"))
    return [_bent(line, d=[*line["d"], dumps_text(["A" * 22, "v", "x" * (MIB + 1)])])]


def _far_away(met: Meeting) -> Lines:
    return [put(record(keys_of(met.b), "Over many lines"), hops=[9])]


@pytest.mark.parametrize(
    ("make", "code", "hostile"),
    [
        (_forged, "bad-signature", True),
        (_other_text, "disclosure-unreferenced", True),
        (_by_a_stranger, "unknown-issuer", True),
        (_of_another, "key-not-owned", True),
        (_no_right, "passing-on", True),
        (_for_the_house, "not-for-us", True),
        (_false_withdrawal, "key-not-owned", True),
        (_huge_envelope, "too-large", True),
        (_huge_field, "too-large", True),
        (_far_away, "hops", False),
        (_retracts_for_another, None, False),
        (_drops_anothers, None, False),
    ],
)
def test_a_bad_entry_is_set_aside_and_noted_and_the_good_one_behind_it_is_taken(
    met: Meeting, make: Callable[[Meeting], Lines], code: str | None, hostile: bool
) -> None:
    before, standing, reasons, at = met.held(), met.standing(), met.reasons(), met.cursor()
    good = record(keys_of(met.b), "And a good one")
    lines = [_bent(line, seq=at + line["seq"]) if "seq" in line else line for line in make(met)]
    status, body = met.voice.push([*lines, put(good, at + 2)], after=at)
    assert status == 200, body
    assert met.held().items() ^ before.items() == {(good.rid, bytes.fromhex(good.copy_id))}
    assert met.reasons() == reasons + ([code] if code else [])
    assert met.standing() == standing - hostile
    met.others_go_on()


def test_an_origin_that_signs_two_versions_with_one_number_is_found_out_and_the_first_stays(met: Meeting) -> None:
    keys, at, standing = keys_of(met.b), met.cursor(), met.standing()
    first = record(keys, "One text")
    other = record(keys, "Another text", rid=first.rid)
    assert met.voice.push([put(first, at + 1)], after=at)[0] == 200
    assert met.voice.push([put(other, at + 2)], after=at + 1)[0] == 200
    assert met.held()[first.rid].hex() == first.copy_id
    assert met.reasons()[-1] == "conflict"
    assert met.standing() == standing - 1
    assert (met.a.show(first.rid) or {})["conflict"]


def test_an_origin_learns_who_passed_on_what_it_had_not_allowed(met: Meeting) -> None:
    at = met.cursor()
    lines = [_bent(line, seq=at + 1) if "seq" in line else line for line in _no_right(met)]
    assert met.voice.push(lines, after=at)[0] == 200

    def told() -> bool:
        with ledger(met.c, met.room) as read:
            return bool(read.ask("SELECT 1 FROM audit WHERE action = 'report' AND detail LIKE ?", f"%{met.b.node_id}%"))

    wait_for(told, "C's audit log names B")


def _manifest_of(met: Meeting, *, keys: Any = None, to: str = "", vid: str = "", fields: tuple[str, ...] = ()) -> bytes:
    """A page with one good copy and a manifest that says something else."""
    envelope, at = record(keys_of(met.b), "Handed over"), met.cursor()
    items = [(vid or envelope.vid, fields or ("title",))]
    false = manifest(keys or keys_of(met.b), to or met.a.node_id, items)
    return page(keys_of(met.b), met.a.node_id, [put(envelope, at + 1)], after=at, manifest=false)


def _page_of(met: Meeting, *lines: dict[str, Any], **end: Any) -> bytes:
    return page(keys_of(met.b), met.a.node_id, list(lines), after=met.cursor(), **end)


def _deep(met: Meeting) -> bytes:
    lines = _page_of(met).split(b"\n")
    return b"\n".join([lines[0], b'{"t":"later","x":' + b"[" * 40 + b"]" * 40 + b"}", *lines[1:]])


def _many(met: Meeting) -> bytes:
    lines = _page_of(met).split(b"\n")
    return b"\n".join([lines[0], *[b'{"t":"later"}'] * 2100, *lines[1:]])


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda met: _manifest_of(met, vid="ab" * 32), 422),
        (lambda met: _manifest_of(met, fields=("title", "summary")), 422),
        (lambda met: _manifest_of(met, to=met.c.node_id), 422),
        (lambda met: _manifest_of(met, keys=keys_of(met.c)), 422),
        (lambda met: _page_of(met, put(record(keys_of(met.b), "x"), met.cursor() + 1), manifest=""), 422),
        (lambda met: _page_of(met, put(record(keys_of(met.b), "x"), met.cursor() + 9), cursor=met.cursor() + 8), 422),
        (lambda met: _page_of(met, cursor=-1), 422),
        (lambda met: _page_of(met, sum="zz"), 422),
        (_deep, 422),
        (_many, 422),
        (lambda met: _page_of(met)[:-1], 422),
        (lambda met: b"\xff" * 100, 422),
    ],
    ids=[
        "manifest of another version", "manifest of more fields", "manifest to another", "manifest by another",
        "no manifest", "number beyond the cursor", "negative cursor", "no hash", "nested deeply", "too many lines",
        "cut short", "not UTF-8",
    ],
)  # fmt: skip
def test_a_page_whose_frame_does_not_hold_is_refused_whole_and_noted(
    met: Meeting, make: Callable[[Meeting], bytes], status: int
) -> None:
    before, standing, reasons, at = met.held(), met.standing(), met.reasons(), met.cursor()
    assert met.voice.ask("POST", FEED, NO_MARKS, make(met))[0] == status
    assert (met.held(), met.reasons(), met.cursor()) == (before, reasons, at)
    assert met.standing() == standing - 1
    met.others_go_on()


def test_what_is_too_large_or_compressed_is_refused_before_it_costs_anything(met: Meeting) -> None:
    before, standing = met.held(), met.standing()
    bomb = gzip.compress(b"\0" * (64 * MIB))
    headers = met.voice.headers("POST", FEED, NO_MARKS, bomb)
    for encoding in ("gzip", "deflate", "br", "identity"):
        assert send(met.a, "POST", FEED, NO_MARKS, bomb, headers | {"content-encoding": encoding})[0] in (400, 415)
    assert _stated_size(met, 33 * MIB) == 413
    assert (met.held(), met.standing()) == (before, standing)
    met.others_go_on()


def _stated_size(met: Meeting, size: int) -> int:
    return met.voice.ask("POST", FEED, NO_MARKS, b" " * size)[0]


def test_no_path_leads_to_a_file_that_is_not_an_attachment_for_the_peer(met: Meeting) -> None:
    secret = (met.a.data / "keys" / "record.key").read_bytes().strip()
    tricks = ["../keys/record.key", "..%2Fkeys%2Frecord.key", "%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"]
    tricks += [
        "..%5Ckeys",
        "0" * 63,
        "0" * 65,
        "A" * 64,
        "0" * 64,
        f"{'0' * 64}%00",
        "0" * 63 + "%0A",
        f"{'0' * 64}/..",
    ]
    for trick in tricks:
        path = f"/federation/v1/attachments/{trick}"
        status, body = met.voice.ask("GET", path)
        assert status in (400, 401, 404), trick
        assert secret not in body


@pytest.mark.parametrize(
    "false",
    [
        {"host": "elsewhere.example"},
        {"recipient": "did:key:z6MkwFKqtDC7vu3Qz2K4PbY8mNtg8RkbRUDGfcuGKuJWqcKb"},
        {"created": int(time.time()) + 3600, "expires": int(time.time()) + 3700},
        {"expires": int(time.time()) + 9000},
        {"nonce": "short"},
        {"keyid": "did:key:nobody#key"},
    ],
    ids=lambda false: next(iter(false)),
)
def test_a_request_made_for_another_host_node_or_time_is_refused_like_any_other(
    met: Meeting, false: dict[str, Any]
) -> None:
    assert met.voice.ask("GET", FEED, f"after=0&{NO_MARKS}", **false)[0] == 401


# --- answers that B gives -------------------------------------------------------------------------------------------


def _answers(met: Meeting, feed: Callable[[], Answer]) -> Callable[[str, str, bytes], Answer]:
    def script(method: str, path: str, _body: bytes) -> Answer:
        if method == "GET" and path == FEED:
            return feed()
        if path == FEED:
            return Answer(body=dumps_text({"cursor": 0, "count": 0, "sum": "00" * 32}).encode())
        return Answer()

    return script


def _feed(met: Meeting, *lines: dict[str, Any], **more: Any) -> Answer:
    return Answer(body=_page_of(met, *lines, **more), media=NDJSON)


def _new(met: Meeting) -> dict[str, Any]:
    return put(record(keys_of(met.b), "Never to be seen"), met.cursor() + 1)


ANSWERS: Final[dict[str, tuple[Callable[[Meeting], Answer], bool]]] = {
    "unsigned": (lambda met: replace(_feed(met, _new(met)), signed=False), True),
    "signed by another": (lambda met: replace(_feed(met, _new(met)), keys=keys_of(met.c)), True),
    "signed for another": (lambda met: replace(_feed(met, _new(met)), to=met.c.node_id), True),
    "compressed": (
        lambda met: Answer(body=gzip.compress(b"\0" * (64 * MIB)), media=NDJSON, headers={"content-encoding": "gzip"}),
        True,
    ),
    "larger than a page": (lambda met: Answer(body=b" " * (33 * MIB), media=NDJSON), True),
    "nested deeply": (lambda met: Answer(body=_deep(met), media=NDJSON), True),
    "no page": (lambda met: Answer(body=b"hello", media=NDJSON), True),
    "after another cursor": (lambda met: Answer(body=page(keys_of(met.b), met.a.node_id, [], after=777)), True),
    "manifest of something else": (lambda met: Answer(body=_manifest_of(met, vid="ab" * 32), media=NDJSON), True),
    "sends elsewhere": (lambda met: Answer(302, headers={"location": met.c.url + FEED}), True),
    "fails": (lambda met: Answer(500, b"oops", "text/plain", signed=False), True),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_does_not_hold_ends_the_session_with_a_word_and_stores_nothing(met: Meeting, name: str) -> None:
    make, hostile = ANSWERS[name]
    standing, at = met.standing(), met.cursor()
    with stage(met.b, met.a, _answers(met, lambda: make(met))) as asked:
        (view,) = met.a.post("/sync", {"peer": met.b.node_id})
        assert f"GET {FEED}" in asked
        assert (view["ok"], bool(view["error"])) == (False, True)
        met.others_go_on()
    assert not met.look(lambda read: read.ask("SELECT 1 FROM copies WHERE disclosed LIKE '%Never to be seen%'"))
    assert met.cursor() == at
    assert met.standing() == standing - hostile


def test_a_forged_copy_in_an_answer_is_set_aside_like_one_that_is_handed_over(met: Meeting) -> None:
    before, standing = met.held(), met.standing()
    lines = [_bent(line, seq=met.cursor() + 1) for line in _forged(met)]
    answers = iter([_feed(met, *lines), *[_feed(met, cursor=met.cursor() + 1) for _ in range(9)]])
    with stage(met.b, met.a, _answers(met, lambda: next(answers))):
        met.a.post("/sync", {"peer": met.b.node_id})
    assert met.held() == before
    assert met.reasons()[-1] == "bad-signature"
    assert met.standing() < standing


# --- slowly ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_drip_holds_up_nobody_else_and_is_cut_off_in_either_direction(met: Meeting) -> None:
    statuses: list[int] = []
    slow = [threading.Thread(target=lambda: statuses.append(_drip(met))) for _ in range(3)]
    views: list[dict[str, Any]] = []
    drop = Answer(body=b"\n" * 400, media=NDJSON, drip_s=DRIP_S)
    started = time.monotonic()
    with stage(met.b, met.a, _answers(met, lambda: drop)):
        session = threading.Thread(target=lambda: views.extend(met.a.post("/sync", {"peer": met.b.node_id})))
        for thread in (*slow, session):
            thread.start()
        assert _unsigned_drip(met) == 401, "of a body without a signature nothing is read"
        for _ in range(ROUNDS):
            met.others_go_on()
        for thread in (*slow, session):
            thread.join()
    assert time.monotonic() - started < MAX_GRACE_S + 3 * SOON_S
    assert statuses == [408] * 3
    assert "slowly" in views[0]["error"]


def _drip(met: Meeting) -> int:
    body = b" " * 400
    return _trickle(met.a, met.voice.headers("POST", FEED, NO_MARKS, body), len(body))


def _unsigned_drip(met: Meeting) -> int:
    return _trickle(met.a, {"content-type": NDJSON}, 400)


def _trickle(node: Node, headers: dict[str, str], size: int) -> int:
    """The status of a request whose body comes a byte at a time, as soon as there is one."""
    lines = [f"POST {FEED}?{NO_MARKS} HTTP/1.1", f"host: 127.0.0.1:{node.port}", f"content-length: {size}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", node.port)) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        line.settimeout(DRIP_S)
        for _ in range(size):
            try:
                answer = line.recv(4096)
            except TimeoutError:
                line.sendall(b" ")
                continue
            return int(answer.split()[1])
    raise http.client.IncompleteRead(b"")
