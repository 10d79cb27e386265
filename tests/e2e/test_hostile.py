"""Over the network: whoever is not a peer, or is one and lies, gets the one answer, and nothing is stored."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from config.load import load
from federation.httpsig import Request, Stamp, sign_request
from node.app import open_app
from node.clock import SystemClock, SystemEntropy
from node.keyring import Keyring, create_keys, load_keys
from node.principal import LOCAL
from tests.e2e.nodes import Node, befriend, nodes

pytestmark = pytest.mark.e2e
FEED = "/federation/v1/feed"
NO_MARKS = f"after=0&marks=0:{'00' * 32}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A runs; B is its peer and is stopped, so that the tests can speak with B's keys."""
    with nodes(tmp_path_factory.mktemp("hostile"), "Atenta", "Burla") as (a, b):
        befriend(a, b)
        a.publish("What they are after")
        b.stop()
        yield [a, b]


class Voice:
    """Signs requests to a node with some keys; every part of the stamp can be falsified."""

    def __init__(self, keys: Keyring, to: Node) -> None:
        self.keys = keys
        self.to = to
        self._drawn = 0

    def headers(self, method: str, path: str, query: str = "", body: bytes = b"", **false: Any) -> dict[str, str]:
        """Signed headers for a request."""
        now = int(time.time())
        self._drawn += 1
        nonce = hashlib.sha256(f"{id(self)}{time.time_ns()}{self._drawn}".encode()).hexdigest()[:24]
        stamp = replace(Stamp(self.keys.request_kid, self.to.node_id, now, now + 60, nonce), **false)
        request = Request(method, urlsplit(self.to.url).netloc, path, query)
        media = "application/x-ndjson" if body else None
        return sign_request(request, hashlib.sha256(body).digest(), stamp, self.keys.request, media)

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", **false: Any) -> tuple[int, bytes]:
        """Status and body of a signed request."""
        headers = self.headers(method, path, query, body, **false)
        return send(self.to, method, path, query, body, headers)


def send(node: Node, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body, the headers as they are."""
    target = path + (f"?{query}" if query else "")
    return node.public(method, target, body or None, **headers)


def voice(node: Node, to: Node) -> Voice:
    """The voice of a node that is stopped."""
    return Voice(load_keys(node.data / "keys", node.node_id), to)


@pytest.fixture(scope="module")
def stranger(pair: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Voice:
    """Good keys of a node that nobody has met."""
    folder = tmp_path_factory.mktemp("stranger") / "keys"
    create_keys(folder, SystemEntropy())
    return Voice(load_keys(folder, None), pair[0])


def _counts(node: Node) -> tuple[int, int]:
    status = node.get("/status")
    return status["received_records"], status["quarantined"]


def test_the_real_peer_is_answered(pair: list[Node]) -> None:
    a, b = pair
    status, body = voice(b, a).ask("GET", FEED, NO_MARKS)
    assert status == 200
    assert b"What they are after" in body


def test_unsigned_unknown_and_badly_signed_requests_get_the_same_answer(pair: list[Node], stranger: Voice) -> None:
    a, b = pair
    peer = voice(b, a)
    headers = peer.headers("GET", FEED, NO_MARKS)
    signature = headers["signature"]
    middle = len(signature) // 2
    forged = {
        **headers,
        "signature": signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :],
    }
    answers = [
        send(a, "GET", FEED, NO_MARKS, b"", {}),
        stranger.ask("GET", FEED, NO_MARKS),
        send(a, "GET", FEED, NO_MARKS, b"", forged),
        send(a, "GET", FEED, NO_MARKS + "&x=1", b"", peer.headers("GET", FEED, NO_MARKS)),
        peer.ask("GET", FEED, NO_MARKS, recipient=b.node_id),
        peer.ask("GET", FEED, NO_MARKS, created=int(time.time()) - 9000, expires=int(time.time()) - 8800),
    ]
    assert {status for status, _ in answers} == {401}
    assert len({body for _, body in answers}) == 1


def test_a_request_heard_on_the_line_cannot_be_said_again(pair: list[Node]) -> None:
    a, b = pair
    headers = voice(b, a).headers("GET", FEED, NO_MARKS)
    assert send(a, "GET", FEED, NO_MARKS, b"", headers)[0] == 200
    assert send(a, "GET", FEED, NO_MARKS, b"", headers)[0] == 401


def test_a_body_that_was_changed_on_the_way_is_refused(pair: list[Node]) -> None:
    a, b = pair
    page = _page()
    query = f"marks=0:{'00' * 32}"
    headers = voice(b, a).headers("POST", FEED, query, page)
    before = _counts(a)
    assert send(a, "POST", FEED, query, page.replace(b'"more":false', b'"more":true '), headers)[0] == 401
    assert _counts(a) == before


def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(pair: list[Node]) -> None:
    a, b = pair
    huge = b" " * (1024 * 1024 + 1)
    assert voice(b, a).ask("POST", "/federation/v1/notice", "", huge)[0] == 413
    assert voice(b, a).ask("GET", FEED, NO_MARKS, b"x")[0] == 413
    assert a.public("GET", "/readyz")[0] == 200


def test_a_forged_record_is_quarantined_and_does_not_stop_the_page(pair: list[Node]) -> None:
    a, b = pair
    before = _counts(a)
    status, body = voice(b, a).ask("POST", FEED, f"marks=0:{'00' * 32}", _page("e30.e30.AAAA", "not a token"))
    assert status == 200, body
    assert json.loads(body)["cursor"] == 2
    assert _counts(a) == (before[0], before[1] + 2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (FEED, b"no page"),
        (FEED, b'{"t":"head","after":0}\n{"t":"end","cursor":-1}\n'),
        ("/federation/v1/ack", b'{"cursor":0,"count":0,"sum":"zz"}'),
        ("/federation/v1/marks", b'{"tokens":["e30.e30.AAAA"],"histories":[],"want":[]}'),
        ("/federation/v1/marks", b'{"want":["xyz"]}'),
        ("/federation/v1/reconcile/given", b"\x61\xff\xff\xff\xff"),
        ("/federation/v1/reconcile/everything", b"\x61"),
        ("/federation/v1/agreement", b'{"proposal":{},"tokens":[]}'),
        ("/federation/v1/notice", b'{"notice":"e30.e30.AAAA"}'),
        ("/federation/v1/meet", b'{"invite":"e30.e30.AAAA","history":[]}'),
        ("/federation/v1/ack", b"[" * 5000),
    ],
)
def test_nonsense_from_a_peer_is_its_own_error(pair: list[Node], path: str, body: bytes) -> None:
    a, b = pair
    query = f"marks=0:{'00' * 32}" if path == FEED else ""
    status, answer = voice(b, a).ask("POST", path, query, body)
    assert status == 422, answer


def test_a_stranger_learns_no_file_and_no_record(pair: list[Node], stranger: Voice) -> None:
    a, _ = pair
    assert stranger.ask("GET", f"/federation/v1/attachments/{'0' * 64}")[0] == 401
    assert a.public("GET", "/api/v1/records")[1].count(b"rid") == 0
    assert a.public("POST", "/api/v1/sync", b"{}", Content_Type="application/json")[0] in (401, 403)
    assert b"What they are after" not in a.public("GET", "/")[1]


class Skewed(SystemClock):
    """A clock that somebody set wrong by a day."""

    def now(self) -> int:
        """A day ahead."""
        return super().now() + 86_400


def test_a_node_with_a_wrong_clock_still_syncs_by_the_challenge(pair: list[Node]) -> None:
    a, b = pair

    async def session() -> Any:
        app = await open_app(load(b.data), clock=Skewed())
        try:
            return (await app.syncing.sync(LOCAL, a.node_id))[0], await app.ops.status(LOCAL)
        finally:
            await app.close()

    view, status = asyncio.run(session())
    assert view.ok, view.error
    assert status.received_records >= 1


def _page(*tokens: str) -> bytes:
    lines = [{"t": "head", "after": 0, "node": ""}]
    lines += [{"t": "put", "seq": n, "jws": t, "d": []} for n, t in enumerate(tokens, 1)]
    end = {"t": "end", "cursor": len(tokens), "more": False, "count": 0, "sum": "00" * 32}
    lines.append(end | {"held_count": 0, "held_sum": "00" * 32})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
