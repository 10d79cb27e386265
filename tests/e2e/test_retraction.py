"""Whatever the cause, what may no longer be held is gone at the holder without anyone asking (invariants 4 to 6).

The nodes sync by themselves once an hour: within a test only what has to be told at once is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import ALL, NETWORK, NODE_ONLY, RIVERS_STAY, Node, agree, befriend, nodes, own_policy, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A and B with an agreement; each has its own policy file."""
    with nodes(tmp_path_factory.mktemp("retract"), "Anuk", "Bora", prepare=own_policy) as (a, b):
        befriend(a, b)
        yield [a, b]


@pytest.fixture(scope="module")
def leaving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Two nodes that will part and come back."""
    with nodes(tmp_path_factory.mktemp("leaving"), "Anda", "Beni") as (a, b):
        befriend(a, b)
        yield [a, b]


def _arrived(a: Node, b: Node, rid: str, fields: set[str]) -> None:
    b.sync(a)
    assert b.fields(rid) == fields


def _only(b: Node, rid: str, fields: set[str]) -> None:
    wait_for(lambda: b.fields(rid) == fields, f"{b.name} holds only {sorted(fields)}")


def test_a_narrowed_field_goes_and_the_rest_stays(pair: list[Node]) -> None:
    a, b = pair
    rid = a.publish("Narrowed in part")
    _arrived(a, b, rid, ALL)
    a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": ["outcome"]})
    _only(b, rid, {"title", "summary"})
    wait_for(lambda: set(a.line(rid, b)["fields"]) == {"title", "summary"}, "custody says so")
    wait_for(lambda: b"Outcome of Narrowed in part" not in b.bytes_on_disk(), "no byte is left on disk")


def test_a_record_narrowed_to_the_house_is_erased_and_confirmed(pair: list[Node]) -> None:
    a, b = pair
    rid = a.publish("Narrowed whole")
    _arrived(a, b, rid, ALL)
    a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": None})
    wait_for(lambda: b.show(rid) is None, "it is gone")
    wait_for(lambda: a.line(rid, b)["entry"] == "retract", "custody says retracted")
    wait_for(lambda: a.line(rid, b)["confirmed"] == "erased", "custody says confirmed")


def _quoted(a: Node, subject: str, until: int | None = None) -> tuple[str, str]:
    """A record with a person's words and that person's consent; record id and grant id."""
    rid = a.publish(
        f"With words of {subject}", fields={"quote:q": {"text": f"Words of {subject}"}},
        contributors=[{"subject": subject, "fields": ["quote:q"]}],
    )  # fmt: skip
    terms = {"audiences": ["network"], "purposes": ["learning"], "until": until}
    effect = a.post("/consents", {"subject": subject, "terms": terms, "how": "signed form", "rid": rid})
    return rid, effect["grant"]["gid"]


def test_words_go_when_their_person_withdraws_consent(pair: list[Node]) -> None:
    a, b = pair
    rid, gid = _quoted(a, "P-withdraws")
    _arrived(a, b, rid, {*ALL, "quote:q"})
    assert b"Words of P-withdraws" in b.bytes_on_disk()
    a.post(f"/consents/{gid}/withdraw")
    _only(b, rid, ALL)
    wait_for(lambda: "quote:q" not in a.line(rid, b)["fields"], "custody says so")
    wait_for(lambda: b"Words of P-withdraws" not in b.bytes_on_disk(), "no byte is left on disk")


def test_words_go_when_consent_ends_by_itself(pair: list[Node]) -> None:
    a, b = pair
    rid, _ = _quoted(a, "P-ends", a.now() + 4)
    _arrived(a, b, rid, {*ALL, "quote:q"})
    _only(b, rid, ALL)
    wait_for(lambda: "quote:q" not in a.line(rid, b)["fields"], "custody says so")


def test_a_field_goes_when_its_terms_are_edited(pair: list[Node]) -> None:
    a, b = pair
    rid = a.publish("Edited terms")
    _arrived(a, b, rid, ALL)
    draft = a.get(f"/records/{rid}/draft")
    draft["field_terms"] = {"summary": {"aud": ["stewards"], "pur": ["learning"]}}
    a.edit(rid, draft)
    _only(b, rid, {"title", "outcome"})


def test_a_field_that_was_deleted_goes(pair: list[Node]) -> None:
    a, b = pair
    rid = a.publish("Edited content")
    _arrived(a, b, rid, ALL)
    draft = a.get(f"/records/{rid}/draft")
    del draft["fields"]["summary"]
    a.edit(rid, draft)
    _only(b, rid, {"title", "outcome"})
    wait_for(lambda: b"Summary of Edited content" not in b.bytes_on_disk(), "no byte is left on disk")


def test_a_changed_policy_file_takes_back_and_gives_again(pair: list[Node]) -> None:
    a, b = pair
    rid = a.publish("About rivers", fields={"topics": ["rivers"]})
    _arrived(a, b, rid, {*ALL, "topics"})
    policy = a.data / "policy.toml"
    before = policy.read_text()
    policy.write_text(before + RIVERS_STAY)
    wait_for(lambda: b.show(rid) is None, "it is gone")
    wait_for(lambda: a.line(rid, b)["confirmed"] == "erased", "custody says confirmed")
    assert "Rivers stay here" in " ".join(a.get(f"/records/{rid}/explain", to=b.node_id)["words"])
    policy.write_text(before)
    wait_for(lambda: a.get(f"/records/{rid}/explain", to=b.node_id)["outcome"] == "share", "the old policy is back")
    _arrived(a, b, rid, {*ALL, "topics"})


def test_a_broken_policy_file_shares_nothing_new_and_takes_nothing_back(pair: list[Node]) -> None:
    a, b = pair
    old = a.publish("Before the mistake")
    _arrived(a, b, old, ALL)
    policy = a.data / "policy.toml"
    before = policy.read_text()
    policy.write_text(before + "\n[[rule]\n")
    wait_for(lambda: a.get("/status")["policy_problem"], "the node says that its policy is broken")
    new = a.publish("After the mistake")
    b.sync(a)
    assert b.fields(old) == ALL
    assert b.show(new) is None
    policy.write_text(before)
    wait_for(lambda: not a.get("/status")["policy_problem"], "the policy is mended")
    _arrived(a, b, new, ALL)


def test_a_former_member_of_a_circle_loses_what_it_held_through_it(pair: list[Node]) -> None:
    a, b = pair
    circle = a.post("/circles", {"slug": "river", "members": [b.node_id]})
    rid = a.publish("For the circle", {"aud": [circle["audience"]], "pur": ["learning"]})
    mixed = a.publish(
        "Outcome for the circle", field_terms={"outcome": {"aud": [circle["audience"]], "pur": ["learning"]}}
    )
    b.sync(a)
    _arrived(a, b, rid, ALL)
    assert b.fields(mixed) == ALL
    a.post(f"/circles/{circle['cid']}/members", {"add": [], "remove": [b.node_id]})
    wait_for(lambda: b.show(rid) is None, "it is gone")
    _only(b, mixed, {"title", "summary"})
    wait_for(lambda: a.line(rid, b)["confirmed"] == "erased", "custody says confirmed")


def test_a_field_ends_at_a_holder_that_cannot_reach_its_origin(pair: list[Node]) -> None:
    a, b = pair
    until = a.now() + 5
    ends = {**NETWORK, "until": until}
    part = a.publish("Parchment", field_terms={"outcome": ends})
    whole = a.publish("Velum scroll", ends)
    _arrived(a, b, part, ALL)
    assert b.fields(whole) == ALL
    with a.stopped():
        assert a.now() < until, "the machine is too slow for this test"
        _only(b, part, {"title", "summary"})
        wait_for(lambda: b.show(whole) is None, "it is gone")
        wait_for(lambda: b"Velum scroll" not in b.bytes_on_disk(), "no byte is left on disk")
        assert b.get("/search", q="velum")["total"] == 0
        assert b.get("/search", q="parchment")["total"] == 1
    b.sync(a)
    wait_for(lambda: a.line(whole, b)["confirmed"] == "erased", "the origin learns of it later")


def test_suspension_takes_back_on_both_sides_and_resuming_gives_again(leaving: list[Node]) -> None:
    a, b = leaving
    from_a, from_b = a.publish("A before the pause"), b.publish("B before the pause")
    _arrived(a, b, from_a, ALL)
    assert a.fields(from_b) == ALL
    a.step(b, "suspend", {"note": "until the audit is done"})
    assert b.peer(a)["phase"] == "suspended"
    wait_for(lambda: b.show(from_a) is None and a.show(from_b) is None, "both give back")
    wait_for(lambda: a.line(from_a, b)["confirmed"] == b.line(from_b, a)["confirmed"] == "erased", "both confirm")
    a.step(b, "resume")
    b.sync(a)
    assert b.fields(from_a) == ALL
    assert a.fields(from_b) == ALL


def test_two_suspensions_need_two_resumptions(leaving: list[Node]) -> None:
    a, b = leaving
    a.step(b, "suspend")
    b.step(a, "suspend")
    a.step(b, "resume")
    assert a.peer(b)["phase"] == b.peer(a)["phase"] == "suspended"
    b.step(a, "resume")
    assert a.peer(b)["phase"] == b.peer(a)["phase"] == "active"


def test_an_agreement_that_ends_with_erasure_leaves_nothing_and_a_new_one_brings_it_back(leaving: list[Node]) -> None:
    a, b = leaving
    rid, theirs = a.publish("Before the end"), b.publish("B before the end")
    _arrived(a, b, rid, ALL)
    b.step(a, "end")
    assert a.peer(b)["phase"] == "ended"
    wait_for(lambda: b.show(rid) is None and a.show(theirs) is None, "both give back")
    wait_for(lambda: a.line(rid, b)["confirmed"] == b.line(theirs, a)["confirmed"] == "erased", "both confirm")
    gone = a.publish("Taken back while they are apart")
    a.post(f"/records/{gone}/withdraw", {"reason": "error"})
    a.step(b, "propose", {"at_end": "keep", "days": 30})
    agree(a, b)
    b.sync(a)
    assert b.fields(rid) == ALL
    assert a.fields(theirs) == ALL
    assert b.show(gone) is None


def test_an_agreement_that_lets_keep_leaves_copies_but_withdrawals_still_reach_them(leaving: list[Node]) -> None:
    a, b = leaving  # since the last test the agreement lets both keep
    kept, narrowed, taken = (a.publish(f"{word} after the end") for word in ("Kept", "Narrowed", "Taken"))
    b.sync(a)
    a.step(b, "end")
    assert b.peer(a)["phase"] == "ended"
    new = a.publish("Written after the end")
    a.post(f"/records/{taken}/withdraw", {"reason": "consent"})
    a.post(f"/records/{narrowed}/narrow", {"terms": NODE_ONLY, "fields": ["outcome"]})
    wait_for(lambda: b.show(taken) is None, "the withdrawal reaches a former partner")
    _only(b, narrowed, {"title", "summary"})
    assert b.fields(kept) == ALL
    b.sync(a)
    assert b.show(new) is None
    wait_for(lambda: a.line(taken, b)["confirmed"] == "erased", "and is confirmed")


def test_a_blocked_peer_gets_withdrawals_only_and_comes_back_after_a_new_agreement(leaving: list[Node]) -> None:
    a, b = leaving
    a.step(b, "propose", {"at_end": "erase", "days": 30})
    agree(a, b)
    rid, taken = a.publish("Before the block"), a.publish("Taken back from the blocked")
    _arrived(a, b, rid, ALL)
    a.step(b, "block")
    assert b.peer(a)["phase"] == "ended"
    wait_for(lambda: b.show(rid) is None, "it is gone")
    a.post(f"/records/{taken}/withdraw", {"reason": "consent"})
    wait_for(lambda: a.line(taken, b)["confirmed"] == "erased", "the withdrawal is confirmed by the blocked")
    b.post(f"/peers/{a.node_id}/propose", {"days": 30})
    assert a.peer(b)["phase"] == "blocked"
    a.step(b, "unblock")
    a.step(b, "propose", {"days": 30})
    agree(a, b)
    _arrived(a, b, rid, ALL)


def test_a_hidden_node_learns_of_a_suspension_when_it_calls(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ayni", "Baraka", hidden=("Baraka",)) as (a, b):
        befriend(a, b)
        rid, theirs = a.publish("A before the pause"), b.publish("B before the pause")
        _arrived(a, b, rid, ALL)
        a.step(b, "suspend")
        wait_for(lambda: a.show(theirs) is None, "A gives back at once")
        b.sync(a)
        assert b.peer(a)["phase"] == "suspended"
        wait_for(lambda: b.show(rid) is None, "B gives back")
        wait_for(lambda: b.sync(a) and a.line(rid, b)["confirmed"] == "erased", "A has the receipt")
        wait_for(lambda: b.sync(a) and b.line(theirs, a)["confirmed"] == "erased", "B has the receipt")
        a.step(b, "resume")
        b.sync(a)
        b.sync(a)
        assert b.fields(rid) == a.fields(theirs) == ALL
