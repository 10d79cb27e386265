"""`commonweave hold`: stop a record, a peer, a circle or everything at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.output import emit, short, table, when
from node.cli.session import command
from node.holds.views import HoldView

group = typer.Typer(help="Emergency holds: stop a record, a peer, a circle or everything.", no_args_is_help=True)
Note = Annotated[str, typer.Option("--note", help="Why, for the other stewards.")]


@command(group, "record")
def hold_record(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or the first characters of it.")],
    note: Note = "",
    origin: Annotated[str | None, typer.Option(help="Node id of its origin, where one id is known from two.")] = None,
) -> None:
    """Stop a record: nobody new gets it, and copies of ours that are out are asked to hide."""
    _hold({"scope": "record", "target": record, "note": note, "origin": origin})


@command(group, "peer")
def hold_peer(peer: Annotated[str, typer.Argument(metavar="PEER", help="Its id or name.")], note: Note = "") -> None:
    """Stop a peer: it gets nothing new, and is asked to hide all it has from us."""
    _hold({"scope": "peer", "target": peer, "note": note})


@command(group, "circle")
def hold_circle(
    circle: Annotated[str, typer.Argument(metavar="CIRCLE", help="The circle's id or name.")], note: Note = ""
) -> None:
    """Stop every record that has something for a circle."""
    _hold({"scope": "circle", "target": circle, "note": note})


@command(group, "everything")
def hold_everything(note: Note = "") -> None:
    """Stop everything: nothing new goes out at all, and all our copies are asked to hide."""
    _hold({"scope": "all", "note": note})


def _hold(body: dict[str, Any]) -> None:
    with connect() as node:
        view = node.post(HoldView, "/holds", body)
    emit(view, lambda v: f"On hold: {v.name} (hold {v.hid}). {v.told} peers are asked to hide what they have.")


@command(group, "list")
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
) -> None:
    """What is on hold here, and what its origins ask to hide."""
    with connect() as node:
        holds = node.get(list[HoldView], "/holds", every="true" if every else None)
    emit(holds, _table)


def _table(holds: list[HoldView]) -> Any:
    return table(
        ("hold", "what", "name", "by", "since", "peers hiding", "lifted", "note"),
        (
            (
                h.hid or "asked by its origin",
                h.scope,
                h.name,
                short(h.by),
                when(h.at),
                "" if h.asked else f"{h.reached} of {h.told}",
                when(h.lifted_at) if h.lifted_at else "",
                h.note,
            )
            for h in holds
        ),
        empty="Nothing is on hold.",
    )


@command(group, "lift")
def lift(
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id, as `hold list` shows it.")],
) -> None:
    """Let a hold go; where several stewards decide, this opens a proposal."""
    with connect() as node:
        view = node.post(HoldView, f"/holds/{segment(hold)}/lift", {})
    emit(view, lambda v: f"Lifted: {v.name} flows again.")
