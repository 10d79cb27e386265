"""Every command against the real API over a unix socket: for people, and as JSON that a program can read."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from config.load import packaged_policies
from governance.kinds import KINDS
from governance.record import Draft
from node.cli import app as commands
from node.cli.connect import socket_path
from node.cli.reference import commands as all_commands
from node.errors import NotNow
from node.imports import ImportItem
from node.views import ImportLine
from node.web.server import build_local
from tests.unit.federation.vector_files import VECTORS
from tests.unit.imports.reading import corpus_document, write
from tests.unit.web.fake_proposals import PID
from tests.unit.web.fakes import RID, FakeApp

READS_AND_WRITES = """
status | doctor | reindex | sync | sync Coast | policy show
search flood | search flood --kind guide --language en --sort newest
explain RID --to public | custody RID | receipts RID | withdrawals
record list --own --limit 5 | record show RID | record history RID
record narrow RID --to node --field summary --until 90d
record withdraw RID --reason harm --yes
consent list | consent list --subject w-1 | consent grant w-1 --to network --how form --given 2026-01-01
consent withdraw g-1
contributor link rosa --lang sw --days 30 | contributor links --subject rosa | contributor revoke link-1
peer list | peer show Coast | peer preview Coast | peer approve Coast | peer suspend Coast --note later
peer resume Coast | peer end Coast --yes | peer block Coast --yes | peer unblock Coast
peer propose Coast --purpose learning --days 30 | peer renew Coast --days 90 | policy read --lang sw
peer invite --note hello --kind guide --review 2027-06-01 --conflict Elders --suspend-overdue --lang es
peer accept some-link
circle list | circle create river --member Coast | circle add CID Coast | circle remove CID Coast | agreement show Coast
audit list --limit 5 | audit checkpoint | audit verify | audit prove 0 | audit erase 0 --yes | audit peers
audit accept Coast --reason restored --yes
report list | report list --state open | report corrections | report send RID --what danger --text names --hide
report answer report-1 --done read --text thanks
hold list | hold record RID --note why | hold peer Coast | hold circle river | hold everything | hold lift HOLD
proposal list | proposal show PROPOSAL | proposal comment PROPOSAL why | proposal vote PROPOSAL yes --yes
proposal make steward.add account=bela | proposal open PROPOSAL | proposal edit PROPOSAL account=chen
proposal edit PROPOSAL --title Other
proposal withdraw PROPOSAL --yes | proposal release RID --to Coast | proposal rotate-keys --fresh request
proposal add-steward bela | proposal remove-steward chen --role editor
preview agreement Coast --purpose learning | preview agreement Coast --step suspend | preview circle river --add Coast
preview consent w-1 --to node | preview release RID --to Coast | preview lift HOLD
"""
LINES = [line.strip() for line in READS_AND_WRITES.replace("\n", "|").split("|") if line.strip()]
OF_THEIR_OWN = {
    "import",
    "attach",
    "verify",
    "policy check",
    "record export",
    "record edit",
    "audit export",
    "policy propose",
    "preview policy",
}  # have a test below


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose socket answers as a node's does."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "commonweave.toml").write_text("", "utf-8")
    loop = asyncio.new_event_loop()
    fake = _FAKES[folder] = FakeApp(tmp_path)
    runner = web.AppRunner(build_local(fake))
    with socket_path(folder) as path:
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.UnixSite(runner, str(path)).start())
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield folder
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


_FAKES: dict[Path, FakeApp] = {}


def fake_of(data: Path) -> FakeApp:
    """The use cases behind the socket of a folder."""
    return _FAKES[data]


def run(data: Path, line: str, *more: str) -> Any:
    arguments = [STANDS_FOR.get(word, word) for word in line.split()]
    return CliRunner().invoke(commands, [*arguments, *more, "--data", str(data)], env={"COLUMNS": "160"})


CID = "z6Mk" + "1" * 44 + ".river"
STANDS_FOR = {"RID": RID, "CID": CID, "HOLD": "hold-1", "PROPOSAL": PID}


@pytest.mark.parametrize("line", LINES)
def test_a_command_answers_people_and_programs(data: Path, line: str) -> None:
    shown = run(data, line)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.strip()
    as_json = run(data, line, "--json")
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout) is not None


def test_every_command_is_tried_here() -> None:
    names = {name.removeprefix("commonweave ") for name, _ in all_commands()} - OF_THEIR_OWN - {"init", "serve"}
    names = {name for name in names if not name.startswith(("account", "token"))}
    assert all(any(line == n or line.startswith(f"{n} ") for line in LINES) for n in names), names


def test_people_and_programs_come_and_go(data: Path) -> None:
    added = json.loads(run(data, "account add amina --role editor --json").stdout)
    assert added["password"]
    assert "amina" in run(data, "account list").stdout
    made = json.loads(run(data, "token create robot --account amina --scope read --json").stdout)
    assert made["secret"]
    listed = run(data, "token list --json").stdout
    assert "robot" in listed
    assert made["secret"] not in listed
    assert run(data, "token revoke robot").exit_code == 0
    assert run(data, "account disable amina --yes").exit_code == 0
    assert json.loads(run(data, "account list --json").stdout)[0]["disabled"]


def test_people_are_invited_changed_locked_and_signed_out(data: Path) -> None:
    made = json.loads(run(data, "account invite chen --role editor --admin --hours 2 --json").stdout)
    assert made["link"].startswith("https://river.example/join/")
    assert "invited" in run(data, "account list").stdout
    shown = run(data, "account invite eve").stdout
    assert "whoever opens it first chooses the password" in shown
    assert "https://river.example/join/" in shown
    assert json.loads(run(data, "account change chen --role member --no-admin --json").stdout)["admin"] is False
    assert "chen is member now" in run(data, "account change chen").stdout
    again = json.loads(run(data, "account reset chen --yes --json").stdout)
    assert again["link"] != made["link"]
    assert run(data, "account reset chen").exit_code == 4
    assert "Signed in nowhere" in run(data, "account sessions chen --end").stdout
    refused = run(data, "account forget-factor chen --yes")
    assert (refused.exit_code, "has no second factor" in refused.stderr) == (5, True)


def test_a_second_factor_is_added_at_the_terminal(data: Path) -> None:
    word = json.loads(run(data, "account add dina --json").stdout)["password"]
    typed = ("account", "factor", "dina", "--data", str(data))
    assert CliRunner().invoke(commands, [*typed], input="wrong\n").exit_code == 4
    result = CliRunner().invoke(commands, [*typed], input=f"{word}\n000000\n", env={"COLUMNS": "300"})
    assert "otpauth://totp/River%20House%3Adina?secret=" in result.stdout
    assert result.exit_code == 4
    assert "clock" in result.stderr


def test_a_policy_file_is_previewed_and_proposed(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(packaged_policies()["careful"].read_text())
    assert json.loads(run(data, "policy propose", str(file), "--title", "Careful", "--json").stdout)["pid"] == PID
    assert run(data, "preview policy", str(file)).exit_code == 0
    missing = run(data, "policy propose", str(tmp_path / "none.toml"))
    assert missing.exit_code != 0
    assert "none.toml" in missing.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("proposal make circle.grow circle=x", ["'circle.grow'", "circle.change", "key.rotate"]),
        ("proposal make agreement.renew", ["needs peer", "agreement.renew peer=… [days=…]"]),
        ("proposal make steward.add account=bela role=editor", ["no 'role'", "steward.add account=…"]),
        ("proposal make steward.add bela", ["'bela'", "name=value"]),
    ],
)
def test_what_cannot_be_proposed_is_told_with_what_can(data: Path, line: str, said: list[str]) -> None:
    result = run(data, line)
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert [word for word in said if word not in told] == []


def test_an_import_sends_items_and_problems_in_their_order(data: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", corpus_document(), "{", corpus_document(id="b"))
    result = run(data, "import", str(source), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["done"]
    assert [type(one) for one in fake_of(data).importer.seen] == [ImportItem, ImportLine, ImportItem]


def test_an_import_of_nothing_says_so(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    result = run(data, "import", str(tmp_path / "empty.jsonl"))
    assert result.exit_code in (0, 2)
    assert result.stdout + result.stderr


def test_an_attachment_is_sent_with_its_name_and_type(data: Path, tmp_path: Path) -> None:
    picture = tmp_path / "gauge.png"
    picture.write_bytes(b"\x89PNG")
    result = run(data, "attach RID", str(picture), "--alt", "A pole", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rid"] == RID


def test_a_record_is_exported_to_a_file_once_and_verified_from_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "record.txt"
    assert run(data, "record export RID", "--out", str(out)).exit_code == 0
    again = run(data, "record export RID", "--out", str(out))
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert run(data, "verify", str(out)).exit_code in (0, 2)


def test_a_policy_is_checked(data: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('name = "mine"', "utf-8")
    result = run(data, "policy check", str(tmp_path / "policy.toml"), "--json")
    assert "problems" in json.loads(result.stdout)


def test_a_policy_file_is_read_back(data: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('name = "mine"', "utf-8")
    result = run(data, "policy read", str(tmp_path / "policy.toml"), "--lang", "fr", "--json")
    assert json.loads(result.stdout) == {"lang": "fr", "sentences": ['name = "mine"']}


def test_a_record_is_edited_from_its_own_form(data: Path, tmp_path: Path) -> None:
    terms = {"aud": ["node"], "pur": ["learning"]}
    fake_of(data).library.drafts[RID] = Draft(kind="guide", lang="en", fields={"title": "Old"}, terms=terms)
    form = tmp_path / "form.md"
    form.write_text(run(data, "record edit RID --print").stdout, "utf-8")
    assert "Nothing was changed" in run(data, "record edit RID", "--file", str(form)).stdout
    form.write_text(form.read_text("utf-8").replace("Old", "New"), "utf-8")
    assert json.loads(run(data, "record edit RID --json", "--file", str(form)).stdout)["title"] == "New"


def test_narrowing_says_whether_anything_was_narrower(data: Path) -> None:
    first, again = (run(data, "record narrow RID --to node") for _ in range(2))
    assert first.stdout.startswith("Narrowed: version 3")
    assert again.stdout.startswith("Nothing narrower")
    assert "No version was made" in again.stdout
    assert not json.loads(run(data, "record narrow RID --to node --json").stdout)["narrowed"]


@pytest.mark.parametrize("line", ["record list --kind casestudy", "search flood --kind guide --kind casestudy"])
def test_a_kind_that_is_none_is_named_with_those_there_are(data: Path, line: str) -> None:
    result = run(data, line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'casestudy'" in result.stderr
    assert all(kind in result.stderr.replace("\n", "") for kind in KINDS)


def test_what_is_not_there_is_exit_code_3(data: Path) -> None:
    result = run(data, "record show ffffffff-ffff")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("commonweave: ")


def test_the_log_is_written_to_a_file_of_ones_own_once(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    assert json.loads(run(data, f"audit export {file} --json").stdout) == {"file": str(file), "entries": 1}
    assert [json.loads(line)["t"] for line in file.read_text("utf-8").splitlines()] == ["log", "entry", "end"]
    assert file.stat().st_mode & 0o077 == 0
    again = run(data, f"audit export {file}")
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_a_log_that_breaks_off_leaves_no_file(data: Path, tmp_path: Path) -> None:
    fake_of(data).audit.fails = NotNow("the log has no signed head yet")
    failed = run(data, f"audit export {tmp_path}/log.jsonl")
    assert failed.exit_code == NotNow.exit_code
    assert "no signed head" in failed.stderr
    assert not (tmp_path / "log.jsonl").exists()


@pytest.mark.parametrize(("name", "code"), [("whole", 0), ("proof", 0), ("changed-word", 1), ("changed-time", 1)])
def test_a_log_is_checked_from_its_file_alone(tmp_path: Path, name: str, code: int) -> None:
    vector = json.loads((VECTORS / "export" / f"{name}.json").read_text("utf-8"))
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in vector["lines"]), "utf-8")
    found = run(tmp_path / "no-node", f"audit verify {file}", "--json")
    view = json.loads(found.stdout)
    assert (found.exit_code, view["ok"]) == (code, code == 0)
    assert [p.split()[1] for p in view["problems"] if p.startswith("entry")] == [str(n) for n in vector["wrong"]]


@pytest.mark.parametrize("text", ["", "x", "{}", '{\n "t": 1\n}', "\xff"])
def test_a_file_that_is_no_log_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(text.encode("latin-1"))
    found = run(tmp_path / "no-node", f"audit verify {file}")
    assert found.exit_code == 2
    assert "no export or proof" in found.stderr
