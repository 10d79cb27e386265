"""Meeting: an invitation works for whoever takes it up, however new its node is, and only once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.nodes import Answered, agree, befriend, keep_copy, nodes, put_back, wait_for

pytestmark = pytest.mark.e2e


def test_a_node_made_after_the_invitation_can_sign_what_it_offers(tmp_path: Path) -> None:
    with nodes(tmp_path, "Host") as (host,):
        invite = host.post("/peers/invite", {"terms": {"days": 30}})
        written = time.time()
        wait_for(lambda: time.time() > written + 2, "the clock moves past the second of the invitation")
        with nodes(tmp_path, "Guest") as (guest,):
            guest.post("/peers/accept", {"text": invite["link"]})
            agree(host, guest)
            rid = host.publish("For the newcomer")
            guest.sync()
            assert guest.fields(rid) == {"title", "summary", "outcome"}


def test_an_invitation_is_taken_up_once_and_both_sides_see_the_same_words(tmp_path: Path) -> None:
    with nodes(tmp_path, "Host", "First", "Second") as (host, first, second):
        invite = host.post("/peers/invite", {"terms": {"days": 30}})
        first.post("/peers/accept", {"text": invite["link"]})
        again = first.post("/peers/accept", {"text": invite["link"]})  # as if the answer had been lost
        assert again["six_words"] == host.peer(first)["six_words"]
        assert len(again["six_words"].split()) == 6
        with pytest.raises(Answered, match="used, has expired"):
            second.post("/peers/accept", {"text": invite["link"]})
        assert [p["name"] for p in host.get("/peers")] == ["First"]


def test_a_peer_without_an_address_waits_and_is_no_error(tmp_path: Path) -> None:
    with nodes(tmp_path, "Host", "Guest", hidden=("Guest",)) as (host, guest):
        befriend(host, guest)
        (view,) = host.post("/sync", {"peer": None})
        assert (view["ok"], view["waits"], view["error"]) == (True, True, "")
        done = host.cli("sync")
        assert (done.returncode, "waits for them to call" in done.stdout) == (0, True)
        assert (host.peer(guest)["failures"], host.peer(guest)["last_error"]) == (0, "")


def test_a_node_put_back_to_a_backup_is_heard_when_it_ends_an_agreement(tmp_path: Path) -> None:
    with nodes(tmp_path, "Host", "Guest") as (host, guest):
        befriend(host, guest)
        with host.stopped():
            backup = keep_copy(host, tmp_path)
        host.step(guest, "suspend")
        host.step(guest, "resume")
        host.stop()
        put_back(host, backup)
        host.start()
        host.step(guest, "end")
        wait_for(lambda: guest.peer(host)["phase"] == "ended", "the end is heard")
