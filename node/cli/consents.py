"""`commonweave consent`: what contributors permit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import Fields, Purpose, To, Until
from node.cli.output import emit, short, table, terms_words, when, words
from node.cli.session import command
from node.cli.wording import moment, terms_body
from node.views import ConsentEffect, GrantView

group = typer.Typer(help="What contributors permit, per field, purpose and audience.", no_args_is_help=True)
RecordOption = Annotated[
    str | None, typer.Option("--record", help="Only for this record. Otherwise for all of theirs.")
]


@command(group, "grant")
def grant(
    subject: Annotated[str, typer.Argument(help="The contributor's pseudonym, as in the records.")],
    to: To,
    how: Annotated[str, typer.Option(help="How it was given: signed form, in a meeting, a voice message…")],
    purpose: Purpose = None,
    until: Until = None,
    record: RecordOption = None,
    field: Fields = None,
    given: Annotated[str | None, typer.Option(help="Day it was given (2026-05-11). Otherwise now.")] = None,
) -> None:
    """Note a contributor's permission; it takes effect at once, and replaces an earlier one."""
    body = {
        "subject": subject,
        "terms": terms_body(to, purpose or [], until),
        "how": how,
        "rid": record,
        "fields": field or None,
        "given_at": moment(given, "--given"),
    }
    with connect() as node:
        effect = node.post(ConsentEffect, "/consents", body)
    emit(effect, lambda e: f"Noted as {e.grant.gid}. Records sealed anew: {e.records_changed}.")


@command(group, "withdraw")
def withdraw(grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="Id of the permission.")]) -> None:
    """Take a permission back; what rested on it is retracted from every holder."""
    with connect() as node:
        effect = node.post(ConsentEffect, f"/consents/{segment(grant_id)}/withdraw")
    emit(effect, lambda e: f"Taken back. Records sealed anew: {e.records_changed}. Holders are told at the next sync.")


@command(group, "list")
def list_grants(
    subject: Annotated[str | None, typer.Option(help="Only this contributor's.")] = None, record: RecordOption = None
) -> None:
    """The permissions, also those that ended."""
    with connect() as node:
        grants = node.get(list[GrantView], "/consents", subject=subject, rid=record)
    emit(grants, _grant_table)


def _grant_table(grants: list[GrantView]) -> Any:
    return table(
        ("id", "contributor", "record", "fields", "terms", "how", "given", "state"),
        (
            (
                g.gid,
                g.subject,
                short(g.rid) if g.rid else "all",
                "all" if g.fields is None else words(g.fields),
                terms_words(g.terms),
                g.how,
                when(g.given_at),
                "active" if g.active else f"withdrawn {when(g.withdrawn_at)}" if g.withdrawn_at else "ended",
            )
            for g in grants
        ),
        empty="No permissions.",
    )
