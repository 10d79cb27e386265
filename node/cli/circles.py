"""`commonweave circle`: named groups of nodes that may pass records to one another."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.output import emit, short_node, table, words
from node.cli.session import command
from node.peer_views import CircleView

group = typer.Typer(help="Named groups of nodes.", no_args_is_help=True)
Circle = Annotated[str, typer.Argument(metavar="CIRCLE", help="The circle's id, as `circle list` shows it.")]
Members = Annotated[list[str], typer.Argument(metavar="PEER...", help="Peers by id or name.")]


@command(group, "create")
def create(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
    member: Annotated[list[str] | None, typer.Option(help="A first member, by id or name. Repeat for several.")] = None,
) -> None:
    """Make a circle that this node owns and belongs to."""
    with connect() as node:
        view = node.post(CircleView, "/circles", {"slug": name, "members": member or []})
    emit(view, lambda v: f"Made. As an audience: {v.audience}")


@command(group, "add")
def add(circle: Circle, peer: Members) -> None:
    """Let peers into a circle of ours."""
    _change(circle, {"add": list(peer)})


@command(group, "remove")
def remove(circle: Circle, peer: Members) -> None:
    """Take peers out of a circle of ours; what only the circle could have is retracted from them."""
    _change(circle, {"remove": list(peer)})


def _change(circle: str, change: dict[str, list[str]]) -> None:
    with connect() as node:
        view = node.post(CircleView, f"/circles/{segment(circle)}/members", change)
    emit(view, lambda v: _size(len(v.members)))


def _size(members: int) -> str:
    if not members:
        return "The circle has no members now: what is for it goes to nobody outside."
    return f"The circle has {members} {'member' if members == 1 else 'members'} now."


@command(group, "list")
def list_circles() -> None:
    """The circles that this node owns or belongs to."""
    with connect() as node:
        circles = node.get(list[CircleView], "/circles")
    emit(circles, _table)


def _table(circles: list[CircleView]) -> Any:
    return table(
        ("circle", "ours", "roster", "members"),
        ((c.cid, "yes" if c.own else "no", c.seq, words(short_node(m) for m in c.members)) for c in circles),
        empty="No circles.",
    )
