"""`commonweave report`: tell an origin that a record endangers somebody or is wrong; answer what was reported to us."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.output import emit, short, table, when
from node.cli.session import command
from node.reports.views import CorrectionView, ReportView

group = typer.Typer(help="Reports that a record endangers somebody or is wrong.", no_args_is_help=True)
Text = Annotated[str, typer.Option("--text", help="In a sentence or two, for the people who will read it.")]


@command(group, "send")
def send(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or the first characters of it.")],
    what: Annotated[str, typer.Option(help="danger (to a person), error, or other.")],
    text: Text,
    origin: Annotated[str | None, typer.Option(help="Node id of its origin, where one id is known from two.")] = None,
    hide: Annotated[bool, typer.Option("--hide", help="Hide it here at once from all but stewards.")] = False,
) -> None:
    """Report a record to the stewards of its origin; the words are sealed, only they can read them."""
    body = {"what": what, "text": text, "origin": origin, "hide": hide}
    with connect() as node:
        view = node.post(ReportView, f"/records/{segment(record)}/report", body)
    emit(view, lambda v: f"Reported as {v.id}. {_where(v)}")


def _where(view: ReportView) -> str:
    hidden = " It is hidden here until a steward has looked into it." if view.hidden else ""
    to = f"It goes to {view.origin_name} with the next sync." if view.mine else "The stewards here see it now."
    return to + hidden


@command(group, "list")
def list_reports(
    state: Annotated[str | None, typer.Option(help="Only: sent, open, read, corrected, withdrawn, declined.")] = None,
) -> None:
    """Reports that were made here, and those that came to us."""
    with connect() as node:
        reports = node.get(list[ReportView], "/reports", state=state)
    emit(reports, _table)


def _table(reports: list[ReportView]) -> Any:
    return table(
        ("report", "about", "record", "from", "on", "state", "words"),
        (_line(r) for r in reports),
        empty="No reports.",
    )


def _line(report: ReportView) -> tuple[str, ...]:
    title, said = report.title or short(report.rid), report.answer or report.text
    return report.id, report.what, title, report.holder_name, when(report.at), report.state, said


@command(group, "answer")
def answer(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="Its id, as `report list` shows it.")],
    done: Annotated[str, typer.Option(help="What was done: read, corrected, withdrawn or declined.")],
    text: Text,
) -> None:
    """Answer a report about a record of ours; whoever reported it reads the answer."""
    with connect() as node:
        view = node.post(ReportView, f"/reports/{segment(report)}/answer", {"done": done, "text": text})
    emit(view, lambda v: "Answered." if v.holder == v.origin else f"Answered; it goes to {v.holder_name}.")


@command(group, "corrections")
def corrections() -> None:
    """Records that correct something in their earlier versions, and which of ours build on them."""
    with connect() as node:
        found = node.get(list[CorrectionView], "/corrections")
    emit(found, _corrections)


def _corrections(found: list[CorrectionView]) -> Any:
    return table(
        ("record", "from", "version", "corrects", "what was wrong", "ours that build on it"),
        ((c.title, c.origin_name, c.ver, c.what, c.note, ", ".join(map(short, c.affects))) for c in found),
        empty="No corrections.",
    )
