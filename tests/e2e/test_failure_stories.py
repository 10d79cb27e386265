"""Ten ways in which systems that share have hurt people, each played on real nodes, where it must not happen."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nodes import (
    ALL,
    NETWORK,
    NODE_ONLY,
    RIVERS_STAY,
    Answered,
    Node,
    befriend,
    keep_copy,
    nodes,
    own_policy,
    put_back,
    wait_for,
)
from tests.e2e.voices import FEED, NO_MARKS, voice

pytestmark = pytest.mark.e2e
LOAD_S = 3.0  # of requests before the policy changes, and as long again after
CALLERS = 2  # for each of two peers: as many as the machine of a small organisation serves at once


def _everybody_meets(*every: Node) -> None:
    for at, host in enumerate(every):
        for guest in every[at + 1 :]:
            befriend(host, guest)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Three organisations that all share with one another and pass things on."""
    with nodes(tmp_path_factory.mktemp("stories"), "Amparo", "Bahari", "Chandra", prepare=own_policy) as every:
        _everybody_meets(*every)
        yield every


def _everywhere(three: list[Node], rid: str, fields: set[str]) -> None:
    a, b, c = three
    b.sync(a)
    c.sync(a)
    c.sync(b)
    assert b.fields(rid) == c.fields(rid) == fields


def test_a_circle_member_removed_still_pulls_through_another_member(three: list[Node]) -> None:
    a, b, c = three
    circle = a.post("/circles", {"slug": "shelter", "members": [b.node_id, c.node_id]})
    b.sync(a)
    c.sync(a)
    rid = a.publish("For the shelter circle", {"aud": [circle["audience"]], "pur": ["learning"]})
    _everywhere(three, rid, ALL)
    with a.stopped():  # the other member holds it, and the origin is not there to say no
        assert b.fields(rid) == ALL

    a.post(f"/circles/{circle['cid']}/members", {"add": [], "remove": [c.node_id]})

    wait_for(lambda: c.show(rid) is None, "the removed member gives it back")
    for _ in range(2):
        c.sync(b)
        b.sync(c)
    assert c.show(rid) is None
    assert b.fields(rid) == ALL
    later = a.publish("Later, for the circle", {"aud": [circle["audience"]], "pur": ["learning"]})
    b.sync(a)
    c.sync(b)
    assert (b.fields(later), c.show(later)) == (ALL, None)
    wait_for(lambda: b"For the shelter circle" not in c.bytes_on_disk(), "no byte is left at the removed member")


def test_deleted_at_the_origin_but_kept_at_the_partner(three: list[Node]) -> None:
    a, b, c = three
    rid = a.publish("Deleted by its author")
    _everywhere(three, rid, ALL)

    a.post(f"/records/{rid}/withdraw", {"reason": "consent"})

    for holder in (b, c):
        wait_for(lambda n=holder: n.show(rid) is None, f"{holder.name} erases")  # type: ignore[misc]
        wait_for(lambda n=holder: a.line(rid, n)["confirmed"] == "erased", "the receipt is here")  # type: ignore[misc]
        assert b"Outcome of Deleted by its author" not in holder.bytes_on_disk()
        assert holder.get("/search", q="deleted author")["total"] == 0


def test_the_filter_was_narrowed_but_the_copy_stays(three: list[Node]) -> None:
    a, b, c = three
    rid = a.publish("Map of the crossings", fields={"topics": ["rivers"]})
    _everywhere(three, rid, {*ALL, "topics"})
    policy = a.data / "policy.toml"
    before = policy.read_text()

    policy.write_text(before + RIVERS_STAY)

    for holder in (b, c):
        wait_for(lambda n=holder: n.show(rid) is None, f"{holder.name} erases")  # type: ignore[misc]
        wait_for(lambda n=holder: b"Map of the crossings" not in n.bytes_on_disk(), "no byte is left")  # type: ignore[misc]
        wait_for(lambda n=holder: a.line(rid, n)["confirmed"] == "erased", "the receipt is here")  # type: ignore[misc]
    policy.write_text(before)
    wait_for(lambda: a.get(f"/records/{rid}/explain", to=b.node_id)["outcome"] == "share", "the old policy is back")


def _photograph(node: Node, rid: str) -> tuple[str, bytes]:
    content = hashlib.shake_256(rid.encode()).digest(300_000)
    answer = json.loads(
        node.raw("POST", f"/records/{rid}/attachments", content, name="face.jpg", media_type="image/jpeg")
    )
    return str(answer["sha256"]), content


def _has_file(node: Node, sha256: str) -> bool:
    return (node.data / "attachments" / sha256[:2] / sha256).exists()


@pytest.mark.parametrize("taken_back", ["the photograph alone", "the whole record"])
def test_a_photograph_outlives_its_text(three: list[Node], taken_back: str) -> None:
    a, b, c = three
    rid = a.publish(f"With a face, {taken_back}")
    sha256, content = _photograph(a, rid)
    b.sync(a)
    c.sync(b)
    c.sync(a)
    assert _has_file(b, sha256)
    assert _has_file(c, sha256)

    if taken_back == "the whole record":
        a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
    else:
        name = next(n for n in a.fields(rid) if n.startswith("attachment:"))
        a.post(f"/records/{rid}/narrow", {"terms": NODE_ONLY, "fields": [name]})

    for holder in (b, c):
        wait_for(lambda n=holder: not _has_file(n, sha256), f"the file is gone at {holder.name}")  # type: ignore[misc]
        wait_for(lambda n=holder: content[:5000] not in n.bytes_on_disk(), "no byte is left")  # type: ignore[misc]
        with pytest.raises(Answered, match="404"):
            holder.raw("GET", f"/records/{rid}/attachments/attachment:face")
    assert _has_file(a, sha256) == (taken_back == "the photograph alone")


def test_a_prohibition_that_never_fires(three: list[Node]) -> None:
    a, b, _ = three
    policy = a.data / "policy.toml"
    before = policy.read_text()
    never = {
        "a word that is none": ('when.topic = ["rivers"]', "did you mean topics"),
        "an empty list": ("when.topics = []", "never match"),
        "an exception that covers it": ('when.topics = ["rivers"]\nunless.topics = ["rivers"]', "exception"),
        "an example that it does not block": ('when.topics = ["lakes"]', "does not block"),
    }
    for name, (condition, said) in never.items():
        text = before + RIVERS_STAY.replace('when.topics = ["rivers"]', condition)
        problems = a.post("/policy/check", {"text": text})["problems"]
        assert said in " ".join(problems), (name, problems)

    policy.write_text(before + RIVERS_STAY.replace('when.topics = ["rivers"]', 'when.topics = ["lakes"]'))
    wait_for(lambda: a.get("/status")["policy_problem"], "the node says that its policy cannot be used")
    rid = a.publish("Written under a policy that does not hold", fields={"topics": ["rivers"]})
    b.sync(a)
    assert b.show(rid) is None, "nothing new is shared until it is mended"
    policy.write_text(before + RIVERS_STAY)
    wait_for(lambda: not a.get("/status")["policy_problem"], "the policy is mended")
    b.sync(a)
    assert b.show(rid) is None
    assert "Rivers stay here." in a.get(f"/records/{rid}/explain", to=b.node_id)["words"]
    policy.write_text(before)
    wait_for(lambda: a.get(f"/records/{rid}/explain", to=b.node_id)["outcome"] == "share", "the old policy is back")


def test_an_empty_circle_shares_with_everybody(three: list[Node]) -> None:
    a, b, c = three
    circle = a.post("/circles", {"slug": "nobody-yet", "members": []})
    rid = a.publish("For a circle without members", {"aud": [circle["audience"]], "pur": ["learning"]})
    unknown = circle["audience"].replace("nobody-yet", "never-made")
    other = a.publish("For a circle that was never made", {"aud": [unknown], "pur": ["learning"]})

    for holder in (b, c):
        holder.sync(a)
        assert holder.show(rid) is None
        assert holder.show(other) is None
    assert a.get(f"/records/{rid}/explain", to=b.node_id)["outcome"] == "withhold"
    assert a.fields(rid) == ALL, "at home it is read as before"


def test_blocking_a_partner_keeps_the_withdrawal_from_reaching_it(tmp_path: Path) -> None:
    with nodes(tmp_path, "Aroha", "Bela", "Chipo") as (a, b, c):
        _everybody_meets(a, b, c)
        # An agreement that lets copies stay makes it hard: nothing else would take them back from the blocked.
        a.step(b, "propose", {"at_end": "keep", "days": 30})
        b.step(a, "approve")
        a.step(b, "approve")
        wait_for(lambda: b.peer(a)["agreement"]["at_end"] == "keep", "the agreement lets keep")
        rid = a.publish("Shared before the quarrel")
        b.sync(a)
        assert b.fields(rid) == ALL
        a.step(b, "block")
        b.step(a, "block")

        a.post(f"/records/{rid}/withdraw", {"reason": "harm"})

        wait_for(lambda: b.show(rid) is None, "the withdrawal reaches the blocked")
        wait_for(lambda: a.line(rid, b)["confirmed"] == "erased", "and comes back with a receipt")
        assert b"Shared before the quarrel" not in b.bytes_on_disk()


def test_a_device_back_from_a_year_offline_resurrects_a_record(tmp_path: Path) -> None:
    with nodes(tmp_path, "Alto", "Brisa", "Cerro") as (a, b, c):
        _everybody_meets(a, b, c)
        rid, kept = a.publish("Withdrawn while it was away"), a.publish("Still shared")
        ends = a.publish("Permitted for a while", {**NETWORK, "until": a.now() + 8})
        for holder in (b, c):
            holder.sync(a)
            assert holder.fields(rid) == holder.fields(kept) == holder.fields(ends) == ALL
        c.stop()
        asleep = keep_copy(c, tmp_path)
        a.post(f"/records/{rid}/withdraw", {"reason": "consent"})
        wait_for(lambda: b.show(rid) is None, "whoever is there erases")
        wait_for(lambda: b.show(ends) is None, "what has ended is gone")
        with a.stopped():  # the origin is away too: only another holder can tell
            put_back(c, asleep)
            c.start()
            assert c.show(ends) is None, "what has ended is not shown, whoever is there"
            c.sync(b)
            b.sync(c)
            assert b.show(rid) is None
            assert c.show(rid) is None
            assert c.fields(kept) == ALL
        c.sync(a)
        wait_for(lambda: a.line(rid, c)["confirmed"] == "erased", "the origin has its receipt")
        wait_for(lambda: b"Withdrawn while it was away" not in c.bytes_on_disk(), "no byte is left")


def test_an_agreement_nobody_could_end(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ayla", "Birgit", "Citlali") as (a, b, c):
        befriend(a, b, days=None)
        befriend(a, c, days=None)
        ours, theirs = a.publish("Given without an end"), b.publish("Theirs")
        b.sync(a)
        c.sync(a)
        assert (b.fields(ours), a.fields(theirs)) == (ALL, ALL)
        with b.stopped():  # nobody is asked, and nobody has to be reached
            a.step(b, "end", {"note": "we part"})
            assert a.peer(b)["phase"] == "ended"
            wait_for(lambda: a.show(theirs) is None, "we give back at once")
            later = a.publish("After the end")
        b.sync(a)
        wait_for(lambda: b.show(ours) is None, "they give back as soon as they hear of it")
        wait_for(lambda: a.line(ours, b)["confirmed"] == "erased", "with a receipt")
        assert b.peer(a)["phase"] == "ended"
        assert b.show(later) is None
        assert c.peer(a)["phase"] == "active", "the agreement with others stands"
        c.step(a, "end")  # and the other side can as well
        wait_for(lambda: c.show(ours) is None and a.peer(c)["phase"] == "ended", "from the other side too")


@dataclass
class _Caller:
    """Asks for a feed again and again, and notes when it asked and whether a text came."""

    ask: Any
    text: bytes
    seen: list[tuple[float, bool]] = field(default_factory=list)
    stop: bool = False
    failed: str = ""

    def run(self) -> None:
        while not self.stop:
            asked = time.monotonic()
            status, body = self.ask()
            if status != 200:
                self.failed = f"{status}: {body[:300]!r}"
                return
            self.seen.append((asked, self.text in body))


def test_a_policy_updated_while_the_old_one_is_still_served_under_load(tmp_path: Path) -> None:
    with nodes(tmp_path, "Aino", "Bodil", "Ceren", prepare=own_policy) as (a, b, c):
        _everybody_meets(a, b, c)
        for number in range(40):
            a.publish(f"Anything {number}")
        a.publish("Where the boats land", fields={"topics": ["rivers"]})
        b.stop()
        c.stop()  # their voices go on, without what a node would remember
        speakers = [voice(n, a) for n in (b, c) for _ in range(CALLERS)]
        callers = [_Caller(partial(v.ask, "GET", FEED, f"after=0&{NO_MARKS}"), b"Where the boats") for v in speakers]
        threads = [threading.Thread(target=caller.run) for caller in callers]
        before = a.get("/policy")["version"]
        try:
            for thread in threads:
                thread.start()
            time.sleep(LOAD_S)
            policy = a.data / "policy.toml"
            policy.write_text(policy.read_text() + RIVERS_STAY)
            wait_for(lambda: a.get("/policy")["version"] != before, "the new policy is in force")
            in_force = time.monotonic()
            time.sleep(LOAD_S)
        finally:
            for caller in callers:
                caller.stop = True
            for thread in threads:
                thread.join()
        assert not [c.failed for c in callers if c.failed]
        seen = [s for caller in callers for s in caller.seen]
        assert any(came for asked, came in seen if asked < in_force), "it was served under the old policy"
        after = [came for asked, came in seen if asked > in_force]
        assert len(after) >= CALLERS
        assert not any(after), "nothing that was asked for afterwards is served the old way"
