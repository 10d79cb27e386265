"""`commonweave status`, `doctor`, `sync`, `reindex`, `policy`: running the node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from node.cli.connect import connect
from node.cli.options import FileArgument
from node.cli.output import console, emit, pairs, table, when, words
from node.cli.session import command, session
from node.errors import BadInput, NodeError, PeerTrouble
from node.peer_views import PeerView, SyncView
from node.views import CheckView, StatusView
from node.web.api_node import PolicyProblems, PolicyState
from node.web.api_node import Progress as Done
from node.word_views import SentencesView

policy = typer.Typer(help="The organisation's rules for sharing.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the commands."""
    for name, function in (("sync", sync), ("status", status), ("doctor", doctor), ("reindex", reindex)):
        command(app, name)(function)


def progress(*, counted: bool = True) -> Progress:
    """A progress display on a terminal; nothing into pipes and with `--json`."""
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *([BarColumn(), MofNCompleteColumn()] if counted else []),
    ]
    quiet = session().as_json or not console().is_terminal
    return Progress(*columns, TimeElapsedColumn(), console=console(), transient=True, disable=quiet)


def sync(
    peer: Annotated[str | None, typer.Argument(help="A peer by id or name. Otherwise all active ones.")] = None,
) -> None:
    """Exchange changes with peers now."""
    results: list[SyncView] = []
    with connect() as node, progress() as bar:
        names = [peer] if peer else [p.node_id for p in node.get(list[PeerView], "/peers") if p.phase != "invited"]
        task = bar.add_task("Syncing", total=len(names))
        for name in names:
            results += node.post(list[SyncView], "/sync", {"peer": name})
            bar.advance(task)
    emit(results, _synced)
    if any(not r.ok for r in results):
        raise typer.Exit(PeerTrouble.exit_code)


def _synced(results: list[SyncView]) -> Any:
    return table(
        ("peer", "result", "received", "sent", "dropped here / there", "withdrawn here / there", "refused", "ms"),
        (
            (
                r.peer,
                _result(r),
                r.received,
                r.sent,
                f"{r.retracted} / {r.sent_retracted}",
                f"{r.withdrawn} / {r.sent_withdrawn}",
                r.refused,
                f"{r.took_ms:.0f}",
            )
            for r in results
        ),
        empty="No peers to sync with.",
    )


def _result(view: SyncView) -> str:
    return "waits for them to call" if view.waits else "ok" if view.ok else view.error


def status() -> None:
    """The node at a glance."""
    with connect() as node:
        view = node.get(StatusView, "/status")
    emit(view, _status)


def _status(view: StatusView) -> Any:
    rules = f"{view.policy} ({view.policy_version[:12]})"
    return pairs(
        view.name,
        (
            ("node", view.node_id),
            ("regions", words(view.regions)),
            ("languages", words(view.languages)),
            ("version", view.version),
            (
                "records",
                f"{view.own_records} own, {view.received_records} received, {view.withdrawn_records} withdrawn",
            ),
            ("permissions", view.grants),
            ("peers", f"{view.active_peers} active of {view.peers}"),
            ("refused entries", view.quarantined),
            ("erasures under way", view.pending_erasures),
            ("search index", f"{view.index_engine}, {view.index_behind} changes behind"),
            ("policy", f"{rules}: {view.policy_problem}" if view.policy_problem else rules),
            ("database", view.database),
            ("running since", when(view.started_at)),
            *(("note", notice) for notice in view.notices),
        ),
    )


def doctor() -> None:
    """Check keys, database, index, policy and peers, with a remedy for each finding."""
    with connect() as node:
        checks = node.get(list[CheckView], "/doctor")
    emit(
        checks,
        lambda cs: table(
            ("check", "", "finding", "remedy"),
            ((c.name, "ok" if c.ok else "MEND", c.detail, c.remedy) for c in cs),
        ),
    )
    if any(not c.ok for c in checks):
        raise typer.Exit(NodeError.exit_code)


def reindex() -> None:
    """Build the search index anew from the database."""
    last = Done(done=0, total=0)
    with connect() as node, progress() as bar:
        task = bar.add_task("Indexing", total=None)
        for last in node.lines(Done, "/reindex"):
            bar.update(task, completed=last.done, total=last.total)
    emit(last, lambda d: f"{d.done} records are in the index.")


@command(policy, "check")
def check(file: FileArgument) -> None:
    """Read a policy file and say, line by line, what stands against it; nothing changes."""
    text = file.read_text("utf-8-sig")
    with connect() as node:
        found = node.post(PolicyProblems, "/policy/check", {"text": text})
    emit(found, lambda f: "\n".join(f.problems) if f.problems else "The policy can be put in force.")
    if found.problems:
        raise typer.Exit(BadInput.exit_code)


@command(policy, "read")
def read(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A policy file. Otherwise the policy in force.")
    ] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="en, es, fr, pt, ar or sw.")] = None,
) -> None:
    """Read a policy back as sentences, to check that it says what was meant."""
    with connect() as node:
        if file is None:
            view = node.get(SentencesView, "/policy/sentences", lang=lang)
        else:
            text = file.read_text("utf-8-sig")
            view = node.post(SentencesView, "/policy/sentences", {"text": text, "lang": lang})
    emit(view, lambda v: "\n\n".join(v.sentences))


@command(policy, "show")
def show() -> None:
    """The policy in force."""
    with connect() as node:
        view = node.get(PolicyState, "/policy")
    emit(
        view,
        lambda v: pairs("Policy", (("name", v.name), ("version", v.version), ("problem", v.problem or "none"))),
    )
