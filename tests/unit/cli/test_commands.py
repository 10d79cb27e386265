"""The command tree: what every command has, how it fails, and that its document is current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.cli.reference import SHARED, commands, written_into

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"
COMMANDS = dict(commands())
ASKED_FOR = (
    *("init", "serve", "import", "search", "explain"),
    *("attach", "custody", "receipts", "verify", "sync"),
    *("reindex", "doctor", "status", "record_list", "record_show"),
    *("record_edit", "record_narrow", "record_withdraw", "record_history", "record_export"),
    *("consent_grant", "consent_withdraw", "consent_list", "peer_invite", "peer_accept"),
    *("peer_list", "peer_show", "peer_preview", "peer_approve", "peer_suspend"),
    *("peer_resume", "peer_end", "peer_block", "peer_unblock", "peer_propose"),
    *("circle_create", "circle_add", "circle_remove", "circle_list", "agreement_show"),
    *("policy_read", "peer_renew"),
    *("policy_check", "policy_show", "account_add", "account_list", "account_disable"),
    *("account_invite", "account_reset", "account_change", "account_factor", "account_forget-factor"),
    "account_sessions",
    *("token_create", "token_list", "token_revoke"),
)


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(app, list(arguments), **options)


def made(folder: Path) -> Path:
    """A folder that looks like a node's from outside."""
    (folder / "commonweave.toml").write_text("", "utf-8")
    return folder


def test_every_command_that_was_asked_for_exists() -> None:
    assert {f"commonweave {name.replace('_', ' ')}" for name in ASKED_FOR} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_has_the_shared_options(name: str) -> None:
    result = run(*name.split()[1:], "--help", env={"COLUMNS": "200"})
    assert result.exit_code == 0
    options = {o for p in COMMANDS[name].params for o in p.opts}
    assert set(SHARED) - {"--help"} <= options
    assert all(p.help for p in COMMANDS[name].params if p.param_type_name == "option")


def test_the_document_lists_every_command_and_option() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert written_into(text) == text, "run: python -m node.cli.reference"


def test_help_names_the_exit_codes() -> None:
    assert "Exit codes: 0 done" in " ".join(run("--help", env={"COLUMNS": "200"}).output.split())


@pytest.mark.parametrize("arguments", [("record", "list"), ("status", "--json"), ("serve",), ("doctor",)])
def test_a_folder_without_a_node_is_named_with_the_way_out(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--data", str(tmp_path / "none"))
    assert result.exit_code == 7
    assert "commonweave init" in result.stderr
    assert result.stdout == ""


def test_the_data_folder_may_come_from_the_environment(tmp_path: Path) -> None:
    result = run("status", env={"COMMONWEAVE_DATA": str(tmp_path / "there")})
    assert str(tmp_path / "there") in result.stderr


def test_init_does_not_touch_a_node_that_is_there(tmp_path: Path) -> None:
    result = run("init", "--name", "A", "--data", str(made(tmp_path)))
    assert result.exit_code == 7
    assert "already" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["commonweave.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("record", "withdraw", "0198c0de-f00d", "--reason", "consent"),
        ("peer", "end", "x"),
        ("peer", "block", "x"),
        ("account", "disable", "x"),
    ],
)
def test_what_cannot_be_undone_is_refused_without_a_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--data", str(made(tmp_path)))
    assert result.exit_code == 4
    assert "--yes" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("record", "narrow", "x", "--to", "everybody"), "unknown audience"),
        (("record", "narrow", "x", "--to", "node", "--until", "soon"), "90d"),
        (("record", "narrow", "x", "--to", "node", "--purpose", "profit"), "--purpose"),
        (("import", "none.jsonl"), "does not exist"),
        (("import", ".", "--circle", "river"), "NAME=ID"),
    ],
)
def test_a_wrong_value_is_named_and_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments, "--data", str(made(tmp_path)))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    result = run("import", "none.jsonl", "--debug", "--data", str(made(tmp_path)))
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("arguments", [("record", "lst"), ("record", "show"), ("serve", "--port", "99999")])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
