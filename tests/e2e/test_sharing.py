"""Records reach exactly those who may have them: pulled, pushed by a node without an address, and relayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.nodes import Node, befriend, nodes, wait_for

pytestmark = pytest.mark.e2e
NODE_ONLY = {"aud": ["node"], "pur": ["learning"]}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A knows B, B knows C; A and C have never met."""
    with nodes(tmp_path_factory.mktemp("chain"), "Alba", "Bahari", "Chinar") as (a, b, c):
        befriend(a, b)
        befriend(b, c)
        yield [a, b, c]


@pytest.fixture(scope="module")
def behind_nat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A is reachable, B is not."""
    with nodes(tmp_path_factory.mktemp("nat"), "Aberta", "Barrada", hidden=("Barrada",)) as (a, b):
        befriend(a, b)
        yield [a, b]


def test_a_peer_receives_exactly_the_fields_that_explain_names(chain: list[Node]) -> None:
    a, b, _ = chain
    mixed = {
        a.publish("Everything for the network"): {"title", "summary", "outcome"},
        a.publish("Outcome stays", field_terms={"outcome": NODE_ONLY}): {"title", "summary"},
        a.publish("A place that is sensitive", fields={"sensitivity": "medium", "place:x": {"name": "Quarry"}}): {
            "title", "summary", "outcome", "sensitivity",
        },
        a.publish("Words of a person without consent", fields={"quote:q": {"text": "I was there"}},
                  contributors=[{"subject": "P1", "fields": ["quote:q"]}]): {"title", "summary", "outcome"},
        a.publish("For the house", NODE_ONLY): set(),
        a.publish("Marked red", fields={"labels": ["tlp:red"]}): set(),
        a.publish("Waits for a steward", fields={"sensitivity": "high"}): set(),
    }  # fmt: skip
    b.sync(a)
    for rid, expected in mixed.items():
        why = a.get(f"/records/{rid}/explain", to=b.node_id)
        assert set(why["fields"]) == expected
        assert b.fields(rid) == expected
        shown = b.show(rid)
        if shown:
            signed = {f["name"] for f in a.get(f"/records/{rid}")["fields"]}
            assert {w["field"] for w in shown["withheld"]} == signed - expected
            assert shown["verified"]
            assert shown["origin"] == a.node_id
            assert shown["received_from"] == a.name


def test_what_arrived_is_found_in_its_own_language(chain: list[Node]) -> None:
    a, b, _ = chain
    told = {
        "es": ("La brigada que se adelantó a las inundaciones", "inundación"),
        "sw": ("Kikosi cha kijiji kilichotangulia mafuriko", "mafuriko"),
        "ar": ("فريق الحي الذي سبق الفيضانات", "الفيضانات"),
    }
    rids = {lang: a.publish(title, lang=lang) for lang, (title, _) in told.items()}
    b.sync(a)
    for lang, (_, query) in told.items():
        hits = wait_for(lambda q=query: b.get("/search", q=q)["hits"], f"{query} is found")  # type: ignore[misc]
        assert rids[lang] in {h["rid"] for h in hits}
        assert all(h["origin"] == a.node_id for h in hits if h["rid"] == rids[lang])


def test_an_exported_copy_proves_its_origin_and_hides_what_was_withheld(chain: list[Node]) -> None:
    a, b, _ = chain
    rid = a.publish("Exported", field_terms={"outcome": NODE_ONLY})
    b.sync(a)
    text = b.raw("GET", f"/records/{rid}/export").decode()
    view = json.loads(a.raw("POST", "/verify", text.encode()))
    assert view["ok"]
    assert view["origin"] == a.node_id
    assert view["withheld"] == ["outcome"]


def test_a_second_session_with_nothing_new_is_one_small_round_trip(chain: list[Node]) -> None:
    a, b, _ = chain
    b.sync(a)
    b.sync(a)
    view = b.sync(a)[0]
    assert view["requests"] == 1
    assert view["bytes_in"] + view["bytes_out"] < 2048
    assert view["received"] == view["sent"] == 0


def test_a_node_without_an_address_opens_the_session_and_both_directions_work(behind_nat: list[Node]) -> None:
    a, b = behind_nat
    from_a, from_b = a.publish("From the reachable one"), b.publish("From behind the router")
    b.sync(a)
    assert b.fields(from_a) == {"title", "summary", "outcome"}
    assert a.fields(from_b) == {"title", "summary", "outcome"}
    assert a.line(from_a, b)["confirmed"] == "held"
    assert b.line(from_b, a)["confirmed"] == "held"


def test_withdrawals_cross_in_the_session_that_the_hidden_node_opens(behind_nat: list[Node]) -> None:
    a, b = behind_nat
    from_a, from_b = a.publish("Taken back by A"), b.publish("Taken back by B")
    b.sync(a)
    assert b.show(from_a)
    assert a.show(from_b)
    a.post(f"/records/{from_a}/withdraw", {"reason": "consent"})
    b.post(f"/records/{from_b}/withdraw", {"reason": "harm"})
    b.sync(a)
    assert b.show(from_a) is None
    assert a.show(from_b) is None
    b.sync(a)
    _wait_erased(a, from_a, b)
    b.sync(a)  # the receipt of A waits there until B opens a session
    _wait_erased(b, from_b, a, also=lambda: b.sync(a))


def test_a_network_record_travels_on_and_the_origin_sees_every_holder(chain: list[Node]) -> None:
    a, b, c = chain
    rid = a.publish("Told from one to the next")
    b.sync(a)
    c.sync(b)
    shown = c.show(rid)
    assert shown
    assert shown["origin"] == a.node_id
    assert shown["verified"]
    assert shown["received_from"] == b.name
    b.sync(a)  # the receipt of C goes on to A
    through = wait_for(lambda: a.line(rid, c)["entry"] and a.line(rid, c), "A learns of C", 5)
    assert through["direct"] is False
    assert through["confirmed"] == "held"
    receipt = next(r for r in a.get(f"/records/{rid}/receipts") if r["holder"] == c.node_id)
    assert receipt["state"] == "held"
    assert receipt["jws"].count(".") == 2


def test_records_for_chosen_recipients_do_not_travel_on(chain: list[Node]) -> None:
    a, b, c = chain
    circle = a.post("/circles", {"slug": "two", "members": [b.node_id]})
    direct = a.publish("For B alone", {"aud": ["direct"], "pur": ["learning"]}, direct=[b.node_id])
    circled = a.publish("For the circle", {"aud": [circle["audience"]], "pur": ["learning"]})
    b.sync(a)
    b.sync(a)
    assert b.show(direct)
    assert b.show(circled)
    c.sync(b)
    assert c.show(direct) is None
    assert c.show(circled) is None
    assert b.get(f"/records/{direct}/explain", to=c.node_id)["outcome"] == "withhold"
    assert b.get(f"/records/{circled}/explain", to=c.node_id)["outcome"] == "withhold"


def test_a_withdrawal_erases_at_every_holder_and_all_receipts_come_back(chain: list[Node]) -> None:
    a, b, c = chain
    rid = a.publish("Soon gone everywhere")
    b.sync(a)
    c.sync(b)
    b.sync(a)
    assert c.show(rid)
    a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
    wait_for(lambda: b.show(rid) is None, "B erases without being asked")
    wait_for(lambda: c.show(rid) is None, "C erases without being asked")
    _wait_erased(a, rid, b)
    _wait_erased(a, rid, c)
    view = next(w for w in a.get("/withdrawals") if w["rid"] == rid)
    assert (view["confirmed"], view["waiting"], view["overdue"]) == (2, 0, 0)
    for holder in (b, c):
        assert b"Soon gone everywhere" not in holder.bytes_on_disk()


def _wait_erased(origin: Node, rid: str, holder: Node, also: Any = lambda: None) -> None:
    def erased() -> bool:
        also()
        return bool(origin.line(rid, holder)["confirmed"] == "erased")

    wait_for(erased, f"{origin.name} has the receipt of {holder.name}")
