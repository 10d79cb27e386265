"""`commonweave contributor`: private links with which contributors see and decide for themselves."""

from __future__ import annotations

from typing import Annotated, Any

import segno
import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.output import console, emit, table, when
from node.cli.session import command
from node.contributors.views import PrivateLinkView

group = typer.Typer(help="Private links for contributors: no account, their own page.", no_args_is_help=True)
Subject = Annotated[str, typer.Argument(help="The contributor's pseudonym, as in the records.")]


@command(group, "link")
def link(
    subject: Subject,
    lang: Annotated[str, typer.Option(help="The language of their page (sw, ar, pt-BR…).")] = "en",
    days: Annotated[int, typer.Option(min=1, max=366, help="Days the link is good for.")] = 90,
) -> None:
    """Make a private link for a contributor; it is shown this once. Hand it over in person or by a safe channel."""
    with connect() as node:
        view = node.post(PrivateLinkView, "/contributors/links", {"subject": subject, "lang": lang, "days": days})
    emit(view, _link)


def _link(view: PrivateLinkView) -> Any:
    out = console()
    address = view.link or ""
    if out.is_terminal and "://" in address:
        segno.make(address, error="l", micro=False).terminal(compact=True)
    out.print("Private link:", style="bold")
    out.out(address, highlight=False)
    if "://" not in address:
        out.out("Put this node's address before it: `server.own_urls` is not set.")
    until = f"Good until {when(view.expires_at)}."
    return f"{until} Whoever has it decides for {view.subject}; `commonweave contributor revoke` ends it."


@command(group, "links")
def list_links(subject: Annotated[str | None, typer.Option(help="Only this contributor's.")] = None) -> None:
    """The private links that were made; what opens them is not kept."""
    with connect() as node:
        links = node.get(list[PrivateLinkView], "/contributors/links", subject=subject)
    emit(links, _table)


def _table(links: list[PrivateLinkView]) -> Any:
    return table(
        ("id", "contributor", "language", "made by", "made", "good until", "last opened", "state"),
        (
            (
                v.id,
                v.subject,
                v.lang,
                v.by,
                when(v.created_at),
                when(v.expires_at),
                when(v.used_at),
                "active" if v.active else "revoked" if v.revoked_at else "ended",
            )
            for v in links
        ),
        empty="No private links: `commonweave contributor link` makes one.",
    )


@command(group, "revoke")
def revoke(
    link_id: Annotated[str, typer.Argument(metavar="LINK", help="Id, as `contributor links` shows it.")],
) -> None:
    """End a private link at once, when it was lost or came into wrong hands; what was done with it stays done."""
    with connect() as node:
        view = node.post(PrivateLinkView, f"/contributors/links/{segment(link_id)}/revoke")
    emit(view, lambda v: f"Ended. {v.subject} needs a new link now.")
