"""`commonweave custody`, `receipts`, `withdrawals`, `attach`, `verify`: where copies are, and what proves it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import FileArgument, Ref
from node.cli.output import emit, pairs, short, table, when, words
from node.cli.session import Failure, command
from node.errors import BadInput
from node.views import AttachmentView, CustodyView, ReceiptView, VerifyView, WithdrawalView

MAX_RECORD_FILE_BYTES: Final = 8 * 1024 * 1024  # a copy has at most 4 MiB (DESIGN 5), a third more as base64url
_CHUNK_BYTES: Final = 1024 * 1024


def add(app: typer.Typer) -> None:
    """Register the commands."""
    for name, function in (
        ("attach", attach),
        ("custody", custody),
        ("receipts", receipts),
        ("withdrawals", withdrawals),
        ("verify", verify),
    ):
        command(app, name)(function)


def attach(
    rid: Ref,
    file: FileArgument,
    media_type: Annotated[str | None, typer.Option(help="Such as image/png. Otherwise told by the name.")] = None,
    alt: Annotated[str, typer.Option(help="What can be seen or heard, in words.")] = "",
) -> None:
    """Add a file to an own record; it travels with the field, under the record's terms."""
    kind = media_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    with connect() as node:
        view = node.upload(
            AttachmentView,
            f"/records/{segment(rid)}/attachments",
            _chunks(file),
            name=file.name,
            media_type=kind,
            alt=alt,
        )
    emit(view, lambda v: f"Added as {v.field}: {v.size:,} bytes, sha256 {v.sha256[:16]}…")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def custody(rid: Ref) -> None:
    """Who has what of a record, and who has confirmed it."""
    with connect() as node:
        found = node.get(list[CustodyView], f"/records/{segment(rid)}/custody")
    emit(found, _custody)


def _custody(found: list[CustodyView]) -> Any:
    told = {"put": "sent", "retract": "asked to drop it", "withdraw": "told of the withdrawal"}
    return table(
        ("node", "last told", "version", "fields", "decided", "delivered", "confirmed"),
        (
            (
                c.name if c.direct else f"{c.name} (through others)",
                told[c.entry],
                c.ver,
                len(c.fields),
                when(c.decided_at),
                "yes" if c.delivered else "not yet",
                _confirmed(c),
            )
            for c in found
        ),
        empty="Nobody else was told of this record.",
    )


def _confirmed(entry: CustodyView) -> str:
    if entry.refused:
        return f"refused: {entry.refused}"
    if entry.confirmed:
        return f"{entry.confirmed} {when(entry.confirmed_at)}"
    return "OVERDUE" if entry.overdue else "not yet"


def receipts(rid: Ref) -> None:
    """The holders' signed statements about a record."""
    with connect() as node:
        found = node.get(list[ReceiptView], f"/records/{segment(rid)}/receipts")
    emit(
        found,
        lambda rs: table(
            ("holder", "states", "version", "at", "signature"),
            ((r.holder_name, r.state, r.ver, when(r.at), f"…{r.jws[-24:]}") for r in rs),
            empty="No receipts yet.",
        ),
    )


def withdrawals() -> None:
    """The records taken back, and how far each withdrawal has come."""
    with connect() as node:
        found = node.get(list[WithdrawalView], "/withdrawals")
    emit(
        found,
        lambda ws: table(
            ("record", "reason", "at", "erased", "waiting", "overdue"),
            ((short(w.rid), w.reason, when(w.at), w.confirmed, w.waiting, w.overdue) for w in ws),
            empty="Nothing was withdrawn.",
        ),
    )


def verify(file: FileArgument) -> None:
    """What an exported record proves: who signed it, when, and which fields are in it."""
    if file.stat().st_size > MAX_RECORD_FILE_BYTES:
        raise Failure(f"{file} is larger than a record can be", BadInput.exit_code)
    text = file.read_bytes().decode("utf-8", "replace").strip()
    with connect() as node:
        view = node.post_text(VerifyView, "/verify", text)
    emit(view, _verified)
    if not view.ok:
        raise typer.Exit(BadInput.exit_code)


def _verified(view: VerifyView) -> Any:
    if not view.ok:
        return f"Not proven: {view.problem}"
    return pairs(
        "Proven",
        (
            ("record", f"{view.rid}, version {view.ver}"),
            ("kind", f"{view.kind}, {view.lang}"),
            ("signed by", view.origin),
            ("signed", when(view.signed_at)),
            ("origin known here", "yes" if view.known_origin else "no"),
            ("fields in it", words(view.disclosed)),
            ("withheld from it", words(view.withheld)),
        ),
    )
