"""`commonweave audit`: the log of what was done, its proofs for others, and what peers make of it.

`audit verify FILE` needs nothing but the file: no node, no database, no network.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from federation.errors import PeerError
from federation.transcript import verify_export
from node.audit.views import CheckpointView, ErasedView, LogCheckView, WitnessedView, check_view
from node.cli.client import segment
from node.cli.connect import connect
from node.cli.output import emit, pairs, print_json, short_node, table, when, words
from node.cli.session import Failure, command, confirm
from node.errors import BadInput, NodeError
from node.views import Page
from node.web.api_node import AuditEntry

group = typer.Typer(help="The log of what was done, and its proofs.", no_args_is_help=True)
EntryArgument = Annotated[int, typer.Argument(min=0, metavar="ENTRY", help="The entry's number, from `audit list`.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence that names nobody: it stays in the log.")]
MAX_PROOF_CHARS: Final = 64 * 1024 * 1024  # a proof with histories at their limit; an export is read line by line
PRIVATE_MODE: Final = 0o600  # an export holds what was done by whom


@command(group, "list")
def list_entries(
    about: Annotated[str | None, typer.Option(help="Only entries about this record, peer, account or circle.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 50,
) -> None:
    """What was done here, by whom, newest first."""
    with connect() as node:
        page = node.get(Page[AuditEntry], "/audit", subject=about, limit=limit)
    emit(page.items, lambda entries: _entries(entries, about))


def _entries(entries: list[AuditEntry], about: str | None) -> Any:
    return table(
        ("entry", "when", "who", "did", "about", "more"),
        ((_number(e), when(e.at), e.actor, e.action, e.subject, e.detail) for e in entries),
        empty=f"Nothing in the log is about {about!r}; give a whole id or name." if about else "Nothing was done yet.",
    )


def _number(entry: AuditEntry) -> str:
    return "soon" if entry.n is None else str(entry.n)


@command(group, "checkpoint")
def checkpoint() -> None:
    """The newest signed head of the log, to be kept by others, and the peers that have cosigned it."""
    with connect() as node:
        view = node.get(CheckpointView, "/audit/checkpoint")
    emit(view, _checkpoint)


def _checkpoint(view: CheckpointView) -> Any:
    seen = words(f"{w.name} ({when(w.at)})" for w in view.witnesses)
    return pairs(
        "Audit log",
        (("entries", view.size), ("signed", when(view.at)), ("cosigned by", seen or "nobody yet"), ("note", view.note)),
    )


@command(group, "export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to write it. A file that exists is not overwritten.")],
) -> None:
    """Write the whole log to a file that anybody can check: `commonweave audit verify FILE`."""
    count = 0
    with connect() as node:
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        except FileExistsError:
            raise Failure(f"{file} exists: name another file, or move it away", BadInput.exit_code) from None
        with os.fdopen(handle, "wb") as out:
            try:
                for raw in node.raw_lines("/audit/export"):
                    count += 1
                    out.write(raw)
            except BaseException:
                file.unlink(missing_ok=True)  # half an export would only be taken for a log that was cut
                raise
    entries = max(count - 2, 0)  # but for the first and the last line
    emit({"file": str(file), "entries": entries}, lambda _: f"{entries} entries are in {file}.")


@command(group, "verify")
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export or a proof, checked by itself. Otherwise this node's own log.")
    ] = None,
) -> None:
    """Check a log: every entry, its place, the signed head, and who has cosigned it."""
    view = _from_file(file) if file is not None else _own()
    emit(view, _checked)
    if not view.ok:
        raise typer.Exit(NodeError.exit_code)


def _from_file(file: Path) -> LogCheckView:
    try:
        with file.open(encoding="utf-8") as lines:
            first = next(lines, "")
            if first.strip() == "{":  # a proof, one object over many lines
                return check_view(verify_export([first.strip() + lines.read(MAX_PROOF_CHARS).replace("\n", "")]))
            return check_view(verify_export(itertools.chain([first], lines)))
    except FileNotFoundError:
        raise Failure(f"there is no file {file}", BadInput.exit_code) from None
    except (PeerError, UnicodeDecodeError) as error:
        raise Failure(f"{file} is no export or proof that can be checked: {error}", BadInput.exit_code) from None


def _own() -> LogCheckView:
    with connect() as node:
        view: LogCheckView = node.get(LogCheckView, "/audit/verify")
    return view


def _checked(view: LogCheckView) -> Any:
    seen = words(f"{w.name} {short_node(w.node_id)} ({when(w.at)})" for w in view.witnesses)
    what = f"{view.entries} of {view.size} entries" if view.entries != view.size else f"{view.size} entries"
    found = "everything holds" if view.ok else "\n".join(view.problems)
    return pairs(
        view.name,
        (
            ("node", view.node_id),
            ("checked", what),
            ("texts erased", view.erased),
            ("cosigned by", seen or "nobody: this node alone vouches for it"),
            ("result" if view.ok else "DOES NOT HOLD", found),
        ),
    )


@command(group, "prove")
def prove(entry: EntryArgument) -> None:
    """The proof that one entry is in the log, as JSON; `audit verify` takes it from a file."""
    with connect() as node:
        print_json(node.get(dict[str, Any], f"/audit/entries/{entry}/proof"))


@command(group, "erase")
def erase(
    entry: EntryArgument,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the text out of an entry, for ever: who and about what. What was done, and when, stays provable."""
    confirm(f"Erase who and what from entry {entry}? It cannot be brought back.", yes)
    with connect() as node:
        view = node.post(ErasedView, f"/audit/entries/{entry}/erase", {"reason": reason})
    emit(view, lambda v: f"The text of entry {v.n} is gone; the log verifies as before.")


@command(group, "peers")
def peers() -> None:
    """The logs of peers as this node has witnessed them, and what they have seen of ours."""
    with connect() as node:
        views = node.get(list[WitnessedView], "/audit/witnessed")
    emit(views, _witnessed)


def _witnessed(views: list[WitnessedView]) -> Any:
    return table(
        ("peer", "entries witnessed", "when", "alarm", "has seen of ours", "says"),
        ((v.name, v.size, when(v.at), v.alarm, v.ours_seen, v.ours_refused) for v in views),
        empty="No logs witnessed yet.",
    )


@command(group, "accept")
def accept(
    peer: Annotated[str, typer.Argument(help="A peer by id or name.")],
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go on from a peer's log as it is now, though it contradicts what was witnessed: a restored backup, say."""
    confirm(f"Accept the log of {peer} as it is now? What it held before can then not be claimed any more.", yes)
    with connect() as node:
        view = node.post(WitnessedView, f"/peers/{segment(peer)}/accept-log", {"reason": reason})
    emit(view, lambda v: f"Witnessing goes on from {v.size} entries of {v.name}.")
