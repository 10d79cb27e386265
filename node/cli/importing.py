"""`commonweave import`: read a source where it lies, stream it to the node, say what could not be taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from governance.terms import is_circle_id
from node.cli.client import Api
from node.cli.connect import connect
from node.cli.operating import progress
from node.cli.options import Until
from node.cli.output import console, emit
from node.cli.session import Failure, command
from node.cli.wording import until as read_until
from node.errors import BadInput
from node.imports import Outcome, ReadOptions, SourceError, open_source, source_name
from node.views import ImportLine, ImportView

MAX_SHOWN: Final = 50  # problems on a screen; --json lists them all


def add(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "import")(import_source)


def import_source(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="JSON Lines (also .gz), CSV, or a folder of Markdown.")],
    source: Annotated[str | None, typer.Option(help="Name of the source. Otherwise that of the file.")] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Audience where it names none. Repeat. [network]")
    ] = None,
    purpose: Annotated[
        list[str] | None, typer.Option("--purpose", help="Purpose where it names none. Repeat. [learning]")
    ] = None,
    until: Until = None,
    kind: Annotated[str | None, typer.Option(help="Kind where the source names none.")] = None,
    language: Annotated[str | None, typer.Option(help="Language where the source names none.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence where the source names none (SPDX).")] = None,
    circle: Annotated[list[str] | None, typer.Option(help="NAME=ID: which circle a short name means. Repeat.")] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="Only write them down, publish nothing.")] = False,
) -> None:
    """Bring in a library. The same source again changes only what changed; a bad line never stops the others."""
    terms: dict[str, Any] = {"aud": to or ["network"], "pur": purpose or ["learning"]}
    if until:
        terms["until"] = read_until(until)
    options = ReadOptions(terms, kind, language, licence, _circles(circle or []))
    outcomes = open_source(path, options)
    problems: list[ImportLine] = []
    last: ImportView | None = None
    name = source or source_name(path)
    with connect() as node, progress(counted=False) as bar:
        task = bar.add_task(f"Importing {name}")
        for view in stream(node, outcomes, name, publish=not drafts):
            problems += view.problems
            last = view
            bar.update(task, description=f"Importing {name}: {_counts(view)}")
    if last is None or not last.read:
        raise Failure(f"{path} holds nothing to import", BadInput.exit_code)
    emit(last.model_copy(update={"problems": problems}), lambda v: _report(name, v))
    if last.refused and not (last.added or last.changed or last.unchanged):
        raise typer.Exit(BadInput.exit_code)


def stream(node: Api, outcomes: Iterable[Outcome], source: str, *, publish: bool = True) -> Iterator[ImportView]:
    """Send what a reader yields to the node; its progress comes back while it goes.

    A source that cannot be read on is told after what was read of it has been taken.
    """
    broken: list[SourceError | OSError] = []

    def sent() -> Iterator[bytes]:
        try:
            for outcome in outcomes:
                yield outcome.model_dump_json().encode() + b"\n"
        except (SourceError, OSError) as error:
            broken.append(error)

    yield from node.lines(ImportView, "/import", sent(), source=source, publish=publish)
    if broken:
        raise broken[0]


def _circles(given: list[str]) -> dict[str, str]:
    out = {}
    for pair in given:
        name, equals, cid = pair.partition("=")
        if not equals or not is_circle_id(cid.removeprefix("circle:")):
            raise BadInput(f"--circle {pair!r}: write NAME=ID with the id that `commonweave circle list` shows")
        out[name] = cid.removeprefix("circle:")
    return out


def _counts(view: ImportView) -> str:
    return f"{view.added} added, {view.changed} changed, {view.unchanged} unchanged, {view.refused} refused"


def _report(name: str, view: ImportView) -> str:
    lines = [f"{name}: {view.read} read, {_counts(view)}."]
    lines += [f"  line {p.line} {p.source_id}: {p.problem}" for p in view.problems[:MAX_SHOWN]]
    if len(view.problems) > MAX_SHOWN:
        lines.append(f"  and {len(view.problems) - MAX_SHOWN} more; --json lists them all")
    console().print("\n".join(lines), markup=False)
    return ""
