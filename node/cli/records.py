"""`commonweave record`: own and received records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.record import Draft
from node.cli.client import segment
from node.cli.connect import connect
from node.cli.editing import edited, from_text, to_text
from node.cli.options import After, Fields, Limit, Origin, Purpose, Ref, To, Until, Yes
from node.cli.output import console, emit, pairs, panel, say, short, table, terms_words, when, words
from node.cli.session import Failure, command, confirm, session
from node.cli.wording import terms_body
from node.errors import BadInput
from node.views import NarrowView, Page, RecordInfo, RecordView, VersionView, WithdrawalView

group = typer.Typer(help="Own and received records.", no_args_is_help=True)


@command(group, "list")
def list_records(
    own: Annotated[bool | None, typer.Option("--own/--received", help="Only own, or only received ones.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as case_study.")] = None,
    language: Annotated[str | None, typer.Option(help="Only this language, such as sw.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> None:
    """Records here, newest change first."""
    with connect() as node:
        page = node.get(Page[RecordInfo], "/records", own=own, kind=kind, lang=language, after=after, limit=limit)
    emit(page, _list_table)


def _list_table(page: Page[RecordInfo]) -> Any:
    shown = table(
        ("id", "kind", "language", "title", "from", "version", "fields", "withheld"),
        (
            (short(r.rid), r.kind, r.lang, r.title, "here" if r.own else r.origin_name, r.ver, r.fields, r.withheld)
            for r in page.items
        ),
        empty="No records.",
    )
    if page.next:
        console().print(shown)
        return f"There are more: --after {page.next}"
    return shown


@command(group, "show")
def show(rid: Ref, origin: Origin = None) -> None:
    """A record with its provenance, its terms, and what is withheld and why."""
    with connect() as node:
        view = node.get(RecordView, f"/records/{segment(rid)}", origin=origin)
    emit(view, _record)


def _record(view: RecordView) -> None:
    out = console()
    out.print(
        pairs(
            view.title,
            (
                ("record", view.rid),
                ("kind", f"{view.kind_label}, {view.lang}"),
                ("origin", f"{view.origin_name} ({view.origin})"),
                ("version", f"{view.ver}, signed {when(view.signed_at)}"),
                ("signature", "verified" if view.verified else "NOT VERIFIED"),
                ("received", "own record" if view.own else f"{when(view.received_at)} from {view.received_from}"),
            ),
        )
    )
    if view.conflict:
        out.print("The origin signed two versions with one number: ask them.", style="bold red")
    for field in view.fields:
        shown = field.value if isinstance(field.value, str) else json.dumps(field.value, ensure_ascii=False, indent=1)
        out.print(panel(f"{field.label} · {terms_words(field.terms)}", [shown]))
    if view.withheld:
        out.print(table(("withheld field", "why"), ((w.field, w.reason) for w in view.withheld)))
    if view.links or view.linked_from:
        rows = [(f"{link.rel} →", short(link.rid), link.title) for link in view.links]
        rows += [(f"← {link.rel}", short(link.rid), link.title) for link in view.linked_from]
        out.print(table(("relation", "record", "title"), rows))


@command(group, "edit")
def edit(
    rid: Ref,
    file: Annotated[
        Path | None, typer.Option("--file", help="Take this file instead of opening $EDITOR.", exists=True)
    ] = None,
    editor: Annotated[
        str, typer.Option(help="Program to edit with.", envvar=["VISUAL", "EDITOR"], show_default=True)
    ] = "vi",
    show_form: Annotated[bool, typer.Option("--print", help="Print the form to edit, change nothing.")] = False,
) -> None:
    """Change an own record: opens $EDITOR on a readable form; saving makes a new version."""
    with connect() as node:
        draft = node.get(Draft, f"/records/{segment(rid)}/draft")
        if show_form:
            emit(draft, lambda d: console().out(to_text(d), highlight=False))
            return
        new = from_text(file.read_text("utf-8-sig")) if file else edited(draft, editor)
        if new == draft:
            say("Nothing was changed.")
            return
        info = node.put(RecordInfo, f"/records/{segment(rid)}/draft", new.model_dump(mode="json"))
    emit(info, lambda i: f"Saved as version {i.ver} of {short(i.rid)}.")


@command(group, "narrow")
def narrow(rid: Ref, to: To, purpose: Purpose = None, until: Until = None, field: Fields = None) -> None:
    """Narrow the terms of a record or of some fields; what was sent under wider ones is retracted."""
    body = {"terms": terms_body(to, purpose or [], until), "fields": field or None}
    with connect() as node:
        view = node.post(NarrowView, f"/records/{segment(rid)}/narrow", body)
    emit(view, _narrowed)


def _narrowed(view: NarrowView) -> str:
    if not view.narrowed:
        return f"Nothing narrower: {short(view.rid)} has these terms or narrower ones already. No version was made."
    if not view.ver:
        return f"Narrowed: {short(view.rid)}, which is not published yet."
    return f"Narrowed: version {view.ver} of {short(view.rid)}. Peers are told at the next sync."


@command(group, "withdraw")
def withdraw(
    rid: Ref,
    reason: Annotated[str, typer.Option(help="consent, harm, error, rights or other; every holder is told.")],
    yes: Yes = False,
) -> None:
    """Take a record back: erased here, erased at every holder, for ever."""
    confirm(f"Withdraw {rid} everywhere? It can not be brought back.", yes)
    with connect() as node:
        view = node.post(WithdrawalView, f"/records/{segment(rid)}/withdraw", {"reason": reason})
    emit(view, lambda v: f"Withdrawn: {v.rid}. `commonweave receipts {short(v.rid)}` shows who has erased it.")


@command(group, "history")
def history(rid: Ref) -> None:
    """The sealed versions of a record, newest first."""
    with connect() as node:
        versions = node.get(list[VersionView], f"/records/{segment(rid)}/history")
    emit(
        versions,
        lambda vs: table(
            ("version", "sealed", "because", "fields", "changed"),
            ((v.ver, when(v.sealed_at), v.cause, len(v.fields), words(v.changed)) for v in vs),
        ),
    )


@command(group, "export")
def export(
    rid: Ref,
    origin: Origin = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it into this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """The signed record as one text (a compact SD-JWT) that `commonweave verify` can check anywhere."""
    if out is not None and out.exists() and not force:
        raise Failure(f"{out} exists: give another name, or --force", BadInput.exit_code)
    with connect() as node:
        text = node.text(f"/records/{segment(rid)}/export", origin=origin)
    if out is None:
        emit({"record": text}, lambda _: console().out(text, highlight=False)) if session().as_json else print(text)
        return
    out.write_text(text, "utf-8")
    emit({"file": str(out), "bytes": len(text)}, lambda _: f"Written to {out}.")
