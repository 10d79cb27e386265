"""`commonweave search` and `commonweave explain`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import After, Origin, Ref
from node.cli.output import emit, panel, short, table
from node.cli.session import Failure, command
from node.explaining.views import ExplainedView, PastView, SeesView
from node.views import HitView, SearchView

Many = list[str] | None


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "search")(search)
    command(app, "explain")(explain)


def search(
    query: Annotated[list[str] | None, typer.Argument(help='Words, "a phrase", a beginning*, -not this.')] = None,
    kind: Annotated[Many, typer.Option(help="Only this kind. Repeat for several.")] = None,
    topic: Annotated[Many, typer.Option(help="Only this topic. Repeat for several.")] = None,
    region: Annotated[Many, typer.Option(help="Only this region, such as KE. Repeat for several.")] = None,
    language: Annotated[Many, typer.Option(help="Only this language, such as sw. Repeat for several.")] = None,
    origin: Annotated[Many, typer.Option(help="Only from this node id. Repeat for several.")] = None,
    licence: Annotated[Many, typer.Option(help="Only under this licence. Repeat for several.")] = None,
    purpose: Annotated[Many, typer.Option(help="Only what may be used for this. Repeat for several.")] = None,
    year_from: Annotated[int | None, typer.Option(help="Not before this year.")] = None,
    year_to: Annotated[int | None, typer.Option(help="Not after this year.")] = None,
    sort: Annotated[str, typer.Option(help="relevance or newest.")] = "relevance",
    after: After = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most hits to show.")] = 10,
) -> None:
    """Find own and received records."""
    with connect() as node:
        view = node.get(
            SearchView,
            "/search",
            q=" ".join(query or []),
            kind=kind,
            topic=topic,
            region=region,
            language=language,
            origin=origin,
            licence=licence,
            purpose=purpose,
            year_from=year_from,
            year_to=year_to,
            sort=sort,
            after=after,
            limit=limit,
        )
    emit(view, _hits)


def _hits(view: SearchView) -> Any:
    lines = [Text(f"{view.total} records in {view.took_ms:.0f} ms", style="dim"), *(_hit(h) for h in view.hits)]
    if view.did_you_mean:
        lines.append(Text(f"Did you mean: {view.did_you_mean}?"))
    if view.next:
        lines.append(Text(f"There are more: --after {view.next}", style="dim"))
    return Group(*lines)


def _hit(hit: HitView) -> Text:
    out = Text("\n") + marked(hit.title, "bold") + Text("\n")
    source = "here" if hit.own else hit.origin_name
    facts = [short(hit.rid), hit.kind_label, hit.lang, f"from {source}", *([str(hit.year)] if hit.year else [])]
    facts += [f"{hit.withheld} fields withheld"] if hit.withheld else []
    return out + Text(" · ".join(facts), style="dim") + Text("\n") + marked(hit.snippet, "")


def marked(pieces: list[tuple[str, bool]], style: str) -> Text:
    """Text with its matches in colour."""
    out = Text(style=style)
    for piece, match in pieces:
        out.append(piece, style="bold yellow" if match else None)
    return out


def explain(
    rid: Ref,
    to: Annotated[str | None, typer.Option(help="A peer (id or name), member, editor, steward or public.")] = None,
    field: Annotated[str | None, typer.Option(help="Only this field of it, such as body or quote:q1.")] = None,
    on: Annotated[str | None, typer.Option(help="A day that has passed, such as 2026-03-03 (UTC): why then?")] = None,
    who: Annotated[bool, typer.Option("--who", help="Everybody who can see it now, and by which agreement.")] = False,
    origin: Origin = None,
) -> None:
    """Why somebody gets what of a record: permissions, agreement and rules, in words; now, or on a day of the past."""
    if who == (to is not None):
        raise Failure("say for whom: --to PEER (or member, editor, steward, public), or --who for everybody", 2)
    path = f"/records/{segment(rid)}/explain"
    with connect() as node:
        if to is None:
            found = node.get(list[SeesView], f"{path}/who", origin=origin, field=field)
            emit(found, _sees)
        elif on is not None:
            past = node.get(PastView, f"{path}/past", to=to, on=on, origin=origin, field=field)
            emit(past, lambda v: panel(f"{short(v.rid)} to {v.to}, on {on}", v.words))
        else:
            view = node.get(ExplainedView, path, to=to, origin=origin, field=field)
            emit(view, _explained)


def _sees(found: list[SeesView]) -> Any:
    return table(
        ("who", "fields", "agreement", "why"),
        ((s.to, len(s.fields) or "", s.agreement, s.words) for s in found),
        empty="Nobody can see it now.",
    )


def _explained(view: ExplainedView) -> Any:
    outcome = {"share": "is shared", "withhold": "is withheld", "hold": "waits for a steward"}[view.outcome]
    lines = [f"The record {outcome}.", *view.words] if view.field is None else list(view.words)
    lines += [f"Goes: {', '.join(view.fields)}"] if view.fields else []
    if view.outcome != "share" and view.field is None:  # otherwise the words name each field that stays
        lines += [f"Stays: {w.field}, {w.reason}" for w in view.withheld]
    lines += [f"Rule {r.id} ({r.effect}): {r.words}" for r in view.rules]
    lines += [f"Agreement {view.agreement}: {' '.join(view.agreement_words)}"] if view.agreement else []
    lines += [f"Permission: {c}" for c in view.consent]
    lines += [f"Last told to this peer: {view.last_sent}"] if view.last_sent else []
    lines += [f"Policy: {view.policy} ({view.policy_version[:12]})"]
    return panel(f"{short(view.rid)} to {view.to}", lines)
