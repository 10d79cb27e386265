"""`commonweave preview`: what a change would do, before anybody decides it; nothing is changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from rich.console import Group

from governance.policy_text import MAX_POLICY_BYTES
from node.cli.connect import connect
from node.cli.options import FileArgument
from node.cli.output import emit, panel, say, table
from node.cli.session import Failure, command
from node.errors import BadInput
from node.previews.views import ImpactTallyView, ImpactView, PreviewLine

group = typer.Typer(help="See what a change would do, peer by peer, before anybody decides it.", no_args_is_help=True)
Peer = Annotated[str, typer.Argument(metavar="PEER", help="By id or name.")]


@command(group, "policy")
def policy(file: FileArgument) -> None:
    """What a policy would do if it were in force instead of the present one."""
    if file.stat().st_size > MAX_POLICY_BYTES:
        raise Failure(f"{file} is larger than a policy can be", BadInput.exit_code)
    _show({"policy": file.read_bytes().decode("utf-8", "replace")})


@command(group, "agreement")
def agreement(
    peer: Peer,
    step: Annotated[str | None, typer.Option(help="suspend, resume, end or block, with the present agreement.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="Of a new agreement. Repeat for several.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="A kind it covers; none given: all. Repeat.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="A topic it covers; none given: all. Repeat.")] = None,
    passing_on: Annotated[bool, typer.Option(help="May it be passed on where its terms allow?")] = True,
    attachments: Annotated[bool, typer.Option(help="With attachments?")] = True,
) -> None:
    """What a new agreement with a peer would do, or a step with the present one."""
    if step is not None:
        _show({"agreement": {"peer": peer, "step": step}})
        return
    terms: dict[str, Any] = {"passing_on": passing_on, "attachments": attachments}
    terms |= {"purposes": purpose} if purpose else {}
    terms |= {"kinds": kind} if kind else {}
    terms |= {"topics": topic} if topic else {}
    _show({"agreement": {"peer": peer, "terms": terms}})


@command(group, "circle")
def circle(
    name: Annotated[str, typer.Argument(metavar="CIRCLE", help="One of ours, or the name of a new one.")],
    add: Annotated[list[str] | None, typer.Option(help="A member to add, by id or name. Repeat.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A member to remove. Repeat.")] = None,
) -> None:
    """What other members of a circle would do."""
    _show({"circle": {"circle": name, "add": add or [], "remove": remove or []}})


@command(group, "consent")
def consent(
    subject: Annotated[str, typer.Argument(metavar="CONTRIBUTOR", help="Their pseudonym; empty with --withdraw.")] = "",
    to: Annotated[list[str] | None, typer.Option(help="An audience, such as network or node. Repeat.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="A purpose. Repeat; none given: all.")] = None,
    record: Annotated[str | None, typer.Option(help="For one record only.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="For these fields only. Repeat.")] = None,
    withdraw: Annotated[str | None, typer.Option(help="The id of a permission that would be withdrawn.")] = None,
) -> None:
    """What a contributor's permission would do, or its withdrawal."""
    wish: dict[str, Any] = {"subject": subject, "record": record, "fields": field, "withdraw": withdraw}
    wish |= {"audiences": to} if to else {}
    wish |= {"purposes": purpose} if purpose else {}
    _show({"consent": wish})


@command(group, "release")
def release(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="A record that a rule holds.")],
    to: Annotated[str, typer.Option(help="For one peer only.")] = "",
) -> None:
    """What letting go of a held record would do."""
    _show({"release": {"record": record, "to": to}})


@command(group, "lift")
def lift(hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id, as `hold list` shows it.")]) -> None:
    """What lifting an emergency hold would do."""
    _show({"lift": hold})


def _show(wish: dict[str, Any]) -> None:
    impact: ImpactView | None = None
    with connect() as node:
        for line in node.told(PreviewLine, "/preview", wish):
            impact = line.impact
            if impact is None and line.total:
                say(f"{line.done:,} of {line.total:,} records …")
    assert impact is not None, "the last line has the impact, or the node says what is wrong"
    emit(impact, _impact)


def _impact(impact: ImpactView) -> Any:
    parts: list[Any] = [panel(f"{impact.records:,} records looked at", impact.words)] if impact.words else []
    if impact.peers:
        columns = ("peer", "would get", "would lose", "would change", "most sensitive")
        rows = (
            (p.name, p.starts.records, p.stops.records, p.changes.records, _sensitive(p.starts, p.stops, p.changes))
            for p in impact.peers
        )
        parts.append(table(columns, rows))
    parts += [panel(p.name, [*p.words, *_examples(p.starts, p.stops, p.changes)]) for p in impact.peers]
    return Group(*parts)


def _sensitive(*tallies: ImpactTallyView) -> str:
    """The gravest word among the records concerned, and how many have it."""
    words: tuple[Literal["high", "unknown", "medium", "low", "none"], ...] = (
        "high",
        "unknown",
        "medium",
        "low",
        "none",
    )
    for word in words:
        count = sum(t.by_sensitivity.get(word, 0) for t in tallies)
        if count:
            return f"{word}: {count}"
    return ""


def _examples(*tallies: ImpactTallyView) -> list[str]:
    return [f"  · {title}" for tally in tallies for title in tally.examples]
