"""Two stewards of a real node decide over HTTP and on the command line; nothing is shared or stopped before both have.

The story is told in order: each test goes on where the one before it ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.load import packaged_policies
from tests.e2e.nodes import RIVERS_STAY, Node, befriend, nodes, wait_for

pytestmark = pytest.mark.e2e
POLICY = packaged_policies()["trusted-partners"].read_text()
SCOPES = ["read", "write", "steward"]


@dataclass
class Story:
    """Anuk with its stewards amal and bela, and its partner Bora."""

    a: Node
    b: Node
    folder: Path
    secrets: dict[str, str]
    rid: str = ""

    def call(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request over the network with a steward's token."""
        sent = None if body is None else json.dumps(body).encode()
        status, raw = self.a.public(
            method, f"/api/v1{path}", sent, Authorization=f"Bearer {self.secrets[who]}", Content_Type="application/json"
        )
        return status, json.loads(raw)

    def token_file(self, who: str) -> str:
        """Where a steward keeps the token for the command line."""
        path = self.folder / f"{who}.token"
        path.write_text(self.secrets[who] + "\n")
        return str(path)


def _token(node: Node, name: str) -> str:
    made = node.post("/tokens", {"label": name, "account": name, "scopes": SCOPES})
    return str(made["secret"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("proposals")
    with nodes(folder, "Anuk", "Bora") as (a, b):
        befriend(a, b)
        a.post("/accounts", {"name": "amal", "role": "steward"})
        a.post("/accounts", {"name": "bela", "role": "member"})
        yield Story(a, b, folder, {"amal": _token(a, "amal")})


def test_a_second_steward_is_made_by_a_proposal_of_the_first(story: Story) -> None:
    status, view = story.call("amal", "POST", "/proposals", {"act": {"kind": "steward.add", "account": "bela"}})
    assert status == 201
    assert view["stewards"] == ["amal"]
    body = {"choice": "yes", "hash": view["hash"]}
    status, view = story.call("amal", "POST", f"/proposals/{view['pid']}/vote", body)
    assert (status, view["state"]) == (200, "in-force")
    story.secrets["bela"] = _token(story.a, "bela")


def test_a_policy_is_previewed_voted_and_in_force_and_the_partner_gives_its_copy_back(story: Story) -> None:
    a, b = story.a, story.b
    story.rid = a.publish("River crossings", fields={"summary": "By boat", "topics": ["rivers"]})
    b.sync(a)
    wait_for(lambda: story.rid in b.rids(), "the record arrives")
    file = story.folder / "narrow.toml"
    file.write_text(POLICY + RIVERS_STAY)

    proposed = a.cli(
        "policy", "propose", str(file), "--title", "Rivers stay", "--json", "--token-file", story.token_file("amal")
    )
    assert proposed.returncode == 0, proposed.stderr
    view = json.loads(proposed.stdout)
    (peer,) = view["impact"]["peers"]
    assert (peer["node_id"], peer["stops"]["records"], peer["starts"]["records"]) == (b.node_id, 1, 0)
    assert peer["stops"]["examples"] == ["River crossings"]

    shown = a.cli("proposal", "show", view["pid"])
    assert "Rivers stay (open)" in shown.stdout
    assert "2 more votes are needed" in shown.stdout
    code = shown.stdout.split("Code of what you see here: ")[1].split()[0]

    first = a.cli("proposal", "vote", view["pid"], "yes", "--seen", code, "--token-file", story.token_file("amal"))
    assert first.returncode == 0, first.stderr
    assert story.rid in b.rids()
    body = {"choice": "yes", "hash": view["hash"]}
    status, done = story.call("bela", "POST", f"/proposals/{view['pid']}/vote", body)
    assert (status, done["state"]) == (200, "in-force")
    wait_for(lambda: story.rid not in b.rids(), "the partner gives its copy back")
    (entry,) = [e for e in a.get("/audit")["items"] if e["action"] == "policy.in-force" and view["pid"] in e["detail"]]
    assert entry["actor"] == "amal"


def test_an_existing_call_is_answered_202_and_the_command_says_what_is_missing(story: Story) -> None:
    status, view = story.call("bela", "POST", f"/peers/{story.b.node_id}/suspend", {"note": "for a while"})
    assert status == 202
    assert view["state"] == "open"
    assert story.a.peer(story.b)["phase"] == "active"
    told = story.a.cli("peer", "end", "Bora", "--yes")
    assert told.returncode == 0
    assert "more votes are needed" in told.stdout
    assert story.a.peer(story.b)["phase"] == "active"
    for who in ("amal", "bela"):
        body = {"choice": "yes", "hash": view["hash"]}
        story.call(who, "POST", f"/proposals/{view['pid']}/vote", body)
    assert story.a.peer(story.b)["phase"] == "suspended"


def test_the_local_administrator_sees_and_proposes_but_does_not_vote(story: Story) -> None:
    (line,) = [p for p in story.a.get("/proposals", state="open") if p["kind"] == "agreement.end"]
    refused = story.a.cli("proposal", "vote", line["pid"], "yes", "--yes")
    assert refused.returncode == 4
    assert "only stewards vote" in refused.stderr


def test_after_a_restart_what_was_decided_is_still_in_force(story: Story) -> None:
    before = story.a.get("/policy")["version"]
    with story.a.stopped():
        pass
    assert story.a.get("/policy")["version"] == before
    assert {p["state"] for p in story.a.get("/proposals")} >= {"in-force", "open"}
