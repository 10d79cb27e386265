"""Over the network: whoever is not a peer, or is one and lies, gets the one answer, and nothing is stored."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from config.load import load
from node.app import open_app
from node.clock import SystemClock, SystemEntropy
from node.keyring import create_keys, load_keys
from node.principal import LOCAL
from tests.e2e.nodes import Node, befriend, nodes
from tests.e2e.voices import FEED, NO_MARKS, Voice, keys_of, page, send, voice

pytestmark = pytest.mark.e2e
ASK: Final = f"after=0&{NO_MARKS}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A runs; B is its peer and is stopped, so that the tests can speak with B's keys."""
    with nodes(tmp_path_factory.mktemp("hostile"), "Atenta", "Burla") as (a, b):
        befriend(a, b)
        a.publish("What they are after")
        b.stop()
        yield [a, b]


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
    status, body = voice(b, a).ask("GET", FEED, ASK)
    assert status == 200
    assert b"What they are after" in body


def test_unsigned_unknown_and_badly_signed_requests_get_the_same_answer(pair: list[Node], stranger: Voice) -> None:
    a, b = pair
    peer = voice(b, a)
    headers = peer.headers("GET", FEED, ASK)
    signature = headers["signature"]
    middle = len(signature) // 2
    forged = {
        **headers,
        "signature": signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :],
    }
    answers = [
        send(a, "GET", FEED, ASK, b"", {}),
        stranger.ask("GET", FEED, ASK),
        send(a, "GET", FEED, ASK, b"", forged),
        send(a, "GET", FEED, ASK + "&x=1", b"", peer.headers("GET", FEED, ASK)),
        peer.ask("GET", FEED, ASK, recipient=b.node_id),
        peer.ask("GET", FEED, ASK, created=int(time.time()) - 9000, expires=int(time.time()) - 8800),
    ]
    assert {status for status, _ in answers} == {401}
    assert len({body for _, body in answers}) == 1


def test_a_request_heard_on_the_line_cannot_be_said_again(pair: list[Node]) -> None:
    a, b = pair
    headers = voice(b, a).headers("GET", FEED, ASK)
    assert send(a, "GET", FEED, ASK, b"", headers)[0] == 200
    assert send(a, "GET", FEED, ASK, b"", headers)[0] == 401


def test_a_body_that_was_changed_on_the_way_is_refused(pair: list[Node]) -> None:
    a, b = pair
    body = page(keys_of(b), a.node_id, [])
    headers = voice(b, a).headers("POST", FEED, NO_MARKS, body)
    before = _counts(a)
    assert send(a, "POST", FEED, NO_MARKS, body.replace(b'"more":false', b'"more":true '), headers)[0] == 401
    assert _counts(a) == before


def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(pair: list[Node]) -> None:
    a, b = pair
    huge = b" " * (1024 * 1024 + 1)
    assert voice(b, a).ask("POST", "/federation/v1/notice", "", huge)[0] == 413
    assert voice(b, a).ask("GET", FEED, ASK, b"x")[0] == 413
    assert a.public("GET", "/readyz")[0] == 200


def test_a_forged_record_is_quarantined_and_does_not_stop_the_page(pair: list[Node]) -> None:
    a, b = pair
    before = _counts(a)
    forged = [{"t": "put", "seq": n, "jws": token, "d": []} for n, token in enumerate(("e30.e30.AAAA", "no token"), 1)]
    status, body = voice(b, a).push(forged)
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
    query = NO_MARKS if path == FEED else ""
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
