"""A reader two nodes away reports a record; its stewards read the words, the node between cannot, and answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.nodes import befriend, nodes, wait_for

pytestmark = pytest.mark.e2e
TEXT = "The third quote says which house she lives in"


def test_a_report_of_danger_crosses_a_holder_unread_hides_the_record_at_once_and_is_answered(tmp_path: Path) -> None:
    with nodes(tmp_path, "Alba", "Bahari", "Chinar") as (a, b, c):
        befriend(a, b)
        befriend(b, c)
        rid = a.publish("With too much in it")
        b.sync(a)
        c.sync(b)

        sent = c.cli("report", "send", rid[:13], "--what", "danger", "--text", TEXT, "--hide", "--json")
        assert sent.returncode == 0, sent.stderr
        assert c.get("/reports")[0]["hidden"]
        c.sync(b)
        b.sync(a)

        (come,) = wait_for(lambda: a.get("/reports"), "the report is at its origin")
        assert (come["what"], come["text"], come["holder"], come["state"]) == ("danger", TEXT, c.node_id, "open")
        assert TEXT.encode() not in b.bytes_on_disk()
        a.edit(rid, a.get(f"/records/{rid}/draft") | {"fields": {
            "title": "With less in it", "correction": {"what": "harm", "note": "A house could be told."},
        }})  # fmt: skip
        answered = a.cli("report", "answer", come["id"], "--done", "corrected", "--text", "Thank you. It is out.")
        assert answered.returncode == 0, answered.stderr
        b.sync(a)
        c.sync(b)

        (told,) = wait_for(lambda: c.get("/reports", state="corrected"), "the answer is back")
        assert told["answer"] == "Thank you. It is out."
        assert c.get("/corrections")[0]["what"] == "harm"
        listed = c.cli("report", "list").stdout
        assert "corrected" in listed
        assert {e["action"] for e in a.get("/audit", subject=rid)["items"]} >= {"report.received", "report.answered"}
        assert {e["action"] for e in c.get("/audit", subject=rid)["items"]} >= {"report.sent", "report.answer"}


def test_a_report_that_cannot_be_sent_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with nodes(tmp_path, "Alba") as (a,):
        rid = a.publish("Here")
        for arguments, said in (
            (("send", rid, "--what", "fire", "--text", "x"), "danger"),
            (("send", "0198c0de-0000-7000-8000-000000000000", "--what", "error", "--text", "x"), "no record"),
            (("answer", "none", "--done", "read", "--text", "x"), "no report"),
        ):
            result = a.cli("report", *arguments)
            assert result.returncode != 0
            assert said in result.stderr, result.stderr
        assert a.get("/reports") == []
