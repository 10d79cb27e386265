"""An emergency hold over real processes: it acts before its call returns, hides at every holder, and loses nothing.

The nodes sync by themselves once an hour: within a test only what has to be told at once is told.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.nodes import Node, befriend, nodes, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A shares with B, who passes on to C."""
    with nodes(tmp_path_factory.mktemp("holds"), "Asha", "Bilal", "Chen") as (a, b, c):
        befriend(a, b, passing_on=True)
        befriend(b, c, passing_on=True)
        yield [a, b, c]


def _member(node: Node) -> str:
    """The token of somebody who may only read."""
    name = f"reader-{node.name.lower()}"
    if name not in {a["name"] for a in node.get("/accounts")}:
        node.post("/accounts", {"name": name, "role": "member", "password": "a long enough password"})
    return str(node.post("/tokens", {"label": f"{name}-{node.now()}", "account": name, "scopes": ["read"]})["secret"])


def _sees(node: Node, token: str, rid: str) -> bool:
    return node.public("GET", f"/api/v1/records/{rid}", Authorization=f"Bearer {token}")[0] == 200


def _finds(node: Node, token: str, words: str) -> bytes:
    return node.public("GET", f"/api/v1/search?q={words}", Authorization=f"Bearer {token}")[1]


def _everywhere(chain: list[Node], title: str) -> str:
    a, b, c = chain
    rid = a.publish(title)
    b.sync(a)
    c.sync(b)
    assert c.show(rid) is not None
    return rid


def test_a_hold_reaches_the_relays_relay_and_lifting_shows_all_again(chain: list[Node]) -> None:
    tokens = {n.name: _member(n) for n in chain}
    rid = _everywhere(chain, "Ferrymen")
    hold = chain[0].post("/holds", {"scope": "record", "target": rid, "note": "a name can be guessed"})

    assert not _sees(chain[0], tokens["Asha"], rid)
    assert b"Ferrymen" not in _finds(chain[0], tokens["Asha"], "ferrymen")
    for node in chain:
        wait_for(lambda node=node: not _sees(node, tokens[node.name], rid), f"{node.name} hides it")  # type: ignore[misc]
        assert b"Ferrymen" not in _finds(node, tokens[node.name], "ferrymen")
        shown = node.show(rid)
        assert shown is not None
        assert shown["on_hold"]
        assert {f["name"] for f in shown["fields"]} == {"title", "summary", "outcome"}
    assert any("ON HOLD" in n for n in chain[0].get("/status")["notices"])
    assert "on hold" in chain[0].cli("doctor").stdout
    assert "Ferrymen" in chain[0].cli("hold", "list").stdout

    chain[0].post(f"/holds/{hold['hid']}/lift")
    for node in chain:
        wait_for(lambda node=node: _sees(node, tokens[node.name], rid), f"{node.name} shows it again")  # type: ignore[misc]


def test_a_request_right_after_the_call_gets_nothing_of_what_is_on_hold(chain: list[Node]) -> None:
    a, b, _ = chain
    known = _everywhere(chain, "Handed out before")
    draft = a.get(f"/records/{known}/draft")
    late = a.publish("Written in between")
    a.edit(known, {**draft, "fields": {**draft["fields"], "summary": "Edited in an emergency"}})
    hold = a.post("/holds", {"scope": "all"})
    first, second = b.sync(a), b.sync(a)

    assert [view["received"] for view in (*first, *second)] == [0, 0]
    assert [view["repaired"] for view in second] == [0]
    assert b.show(late) is None
    assert b.show(known) is not None

    a.post(f"/holds/{hold['hid']}/lift")
    b.sync(a)
    assert b.show(late) is not None
    assert "Edited in an emergency" in str(b.show(known))


def test_a_withdrawal_during_a_hold_erases_at_every_holder(chain: list[Node]) -> None:
    a, b, c = chain
    rid = _everywhere(chain, "Withdrawn while it was on hold")
    hold = a.post("/holds", {"scope": "peer", "target": b.node_id})
    a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
    for node in (b, c):
        wait_for(lambda node=node: node.show(rid) is None, f"{node.name} erases it")  # type: ignore[misc]
        wait_for(lambda node=node: b"Summary of Withdrawn while" not in node.bytes_on_disk(), "no byte is left")  # type: ignore[misc]
    a.post(f"/holds/{hold['hid']}/lift")


def test_a_hold_by_command_is_in_force_after_a_restart(chain: list[Node]) -> None:
    a, b, _ = chain
    token = _member(b)
    rid = _everywhere(chain, "Held over a restart")
    done = a.cli("hold", "record", rid, "--note", "somebody was recognised")
    assert done.returncode == 0, done.stderr
    a.kill()
    a.start()
    wait_for(lambda: not _sees(b, token, rid), "it is hidden there")
    assert b.show(rid) is not None
    (hold,) = [h for h in a.get("/holds") if h["target"] == rid]
    lifted = a.cli("hold", "lift", hold["hid"])
    assert lifted.returncode == 0, lifted.stderr
    wait_for(lambda: _sees(b, token, rid), "it is shown again")
