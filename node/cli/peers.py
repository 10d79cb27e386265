"""`commonweave peer` and `commonweave agreement`: meeting other nodes, and on what terms."""

from __future__ import annotations

from typing import Annotated, Any, Final

import segno
import typer
from rich.console import Group

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import Peer, Yes
from node.cli.output import console, emit, pairs, panel, short_node, table, when, words
from node.cli.session import command, confirm, session
from node.cli.wording import moment
from node.peer_views import AgreementView, FlowView, InviteView, PeerView

group = typer.Typer(help="Meet other nodes, agree with them, part from them.", no_args_is_help=True)
agreement = typer.Typer(help="What was agreed with a peer.", no_args_is_help=True)

MAX_EXAMPLES: Final = 5  # of titles in a preview
Purposes = Annotated[
    list[str] | None, typer.Option("--purpose", help="A purpose agreed on. Repeat. Otherwise learning.")
]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind of record. Repeat. Otherwise all.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Only this topic. Repeat. Otherwise all.")]
PassingOn = Annotated[bool, typer.Option("--passing-on/--no-passing-on", help="May each pass on what it received?")]
Files = Annotated[bool, typer.Option("--attachments/--no-attachments", help="Do files travel too?")]
ResponseHours = Annotated[int, typer.Option("--response-hours", min=1, help="Hours to confirm a withdrawal.")]
AtEnd = Annotated[str, typer.Option("--at-end", help="erase or keep what was received, when the agreement ends.")]
Days = Annotated[int | None, typer.Option("--days", min=1, help="Days the agreement lasts. Otherwise no end.")]
Starts = Annotated[
    str | None, typer.Option("--starts", help="First day (2027-01-15, UTC). Otherwise once both signed.")
]
Review = Annotated[str | None, typer.Option("--review", help="Day to look at the agreement again (2027-06-01).")]
Conflict = Annotated[str, typer.Option("--conflict", help="Who is asked first if you disagree, and who then.")]
SuspendOverdue = Annotated[
    bool, typer.Option("--suspend-overdue", help="A withdrawal that is not confirmed in time suspends by itself.")
]
Lang = Annotated[
    str | None, typer.Option("--lang", help="Language of the words that both sign: en, es, fr, pt, ar or sw.")
]
Note = Annotated[str, typer.Option("--note", help="A word to the other side.")]


def _terms(
    purpose: list[str] | None,
    kind: list[str] | None,
    topic: list[str] | None,
    passing_on: bool,
    attachments: bool,
    response_hours: int,
    at_end: str,
    days: int | None,
    starts: str | None,
    review: str | None,
    conflict: str,
    suspend_overdue: bool,
    lang: str | None,
) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "kinds": kind or [],
        "topics": topic or [],
        "passing_on": passing_on,
        "attachments": attachments,
        "response_h": response_hours,
        "at_end": at_end,
        "days": days,
        "starts": moment(starts, "--starts"),
        "review": moment(review, "--review"),
        "conflict": conflict,
        "suspend_overdue": suspend_overdue,
        "lang": lang,
    }
    return terms | ({"purposes": purpose} if purpose else {})


@command(group, "invite")
def invite(
    note: Note = "",
    valid_hours: Annotated[int, typer.Option("--valid-hours", min=1, help="Hours the invitation is good for.")] = 72,
    purpose: Purposes = None,
    kind: Kinds = None,
    topic: Topics = None,
    passing_on: PassingOn = True,
    attachments: Files = True,
    response_hours: ResponseHours = 72,
    at_end: AtEnd = "erase",
    days: Days = None,
    starts: Starts = None,
    review: Review = None,
    conflict: Conflict = "",
    suspend_overdue: SuspendOverdue = False,
    lang: Lang = None,
) -> None:
    """Make a one-time invitation with the agreement you propose; hand it over in person or by a safe channel."""
    terms = _terms(
        purpose, kind, topic, passing_on, attachments, response_hours, at_end, days, starts,
        review, conflict, suspend_overdue, lang,
    )  # fmt: skip
    with connect() as node:
        view = node.post(InviteView, "/peers/invite", {"note": note, "terms": terms, "valid_h": valid_hours})
    emit(view, _invite)


def _invite(view: InviteView) -> Any:
    out = console()
    out.print(pairs("Invitation", (("good until", when(view.expires_at)), ("used", "once"))))
    if out.is_terminal:
        segno.make(view.link, error="l", micro=False).terminal(compact=True)
    out.print("Link:", style="bold")
    out.out(view.link, highlight=False)
    if view.text != view.link:
        out.print("Or as text:", style="bold")
        out.out(view.text, highlight=False)
    return "The other side runs `commonweave peer accept LINK`; then compare the six words aloud."


@command(group, "accept")
def accept(
    text: Annotated[str, typer.Argument(metavar="INVITATION", help="Its link or text; - reads it from stdin.")],
) -> None:
    """Open an invitation: both sides see six words and what would flow; nothing flows before both approve."""
    given = typer.get_text_stream("stdin").read() if text == "-" else text
    with connect() as node:
        view = node.post(PeerView, "/peers/accept", {"text": given.strip()})
    emit(view, _peer)


@command(group, "list")
def list_peers() -> None:
    """The nodes that this one has met."""
    with connect() as node:
        peers = node.get(list[PeerView], "/peers")
    emit(peers, _table)


def _table(peers: list[PeerView]) -> Any:
    return table(
        ("name", "node", "state", "sent", "received", "last sync", "trouble"),
        (
            (
                p.name,
                short_node(p.node_id),
                p.phase,
                p.sent,
                p.received,
                when(p.last_sync_at),
                " ".join((p.last_error, *p.reminders)).strip(),
            )
            for p in peers
        ),
        empty="No peers: `commonweave peer invite` makes an invitation.",
    )


@command(group, "show")
def show(peer: Peer) -> None:
    """One peer: its six words, its agreement, its last contact."""
    with connect() as node:
        view = node.get(PeerView, f"/peers/{segment(peer)}")
    emit(view, _peer)


def _peer(view: PeerView) -> Any:
    facts = pairs(
        view.name,
        (
            ("node", view.node_id),
            ("state", view.phase),
            ("six words", view.six_words),
            ("regions", words(view.regions)),
            ("languages", words(view.languages)),
            ("addresses", words(view.urls)),
            ("copies sent / received", f"{view.sent} / {view.received}"),
            ("last sync", when(view.last_sync_at)),
            ("trouble", view.last_error),
            *(("remember", reminder) for reminder in view.reminders),
            ("misconduct", str(view.misconduct) if view.misconduct else ""),
            *((("audit log", view.log_alarm),) if view.log_alarm else ()),
        ),
    )
    shown = [(title, a) for title, a in (("Agreement", view.agreement), ("Proposal", view.proposal)) if a]
    return Group(facts, *(_agreement(title, a) for title, a in shown))


def _agreement(title: str, view: AgreementView) -> Any:
    yes = {True: "signed", False: "not signed yet"}
    end = f"until {when(view.until)}" if view.until else "without an end date"
    signatures = f"Here: {yes[view.signed_by_us]}. Over there: {yes[view.signed_by_them]}. It runs {end}."
    lines = [*view.words, "", signatures]
    if view.signed_words:
        lines += ["", "What both sign reads:", *view.signed_words]
    return panel(title, [*lines, "", view.words_warning] if view.words_warning else lines)


@command(group, "preview")
def preview(peer: Peer) -> None:
    """What would flow to a peer under the agreement: counts and examples from the gate itself."""
    with connect() as node:
        view = node.get(FlowView, f"/peers/{segment(peer)}/preview")
    emit(view, _flow)


def _flow(view: FlowView) -> Any:
    lines = [f"{view.records} records with {view.fields} fields would go; {view.withheld} stay here."]
    lines += [f"  {count} {kind.replace('_', ' ')}" for kind, count in sorted(view.by_kind.items())]
    lines += [f"  for example: {title}" for title in view.examples[:MAX_EXAMPLES]]
    lines += [f"  withheld {count} times: {reason}" for reason, count in view.reasons.items()]
    return panel("What would flow", lines)


@command(group, "approve")
def approve(peer: Peer) -> None:
    """Sign the agreement that is proposed; it is active when both sides have signed."""
    _step(peer, "approve")


@command(group, "suspend")
def suspend(peer: Peer, note: Note = "") -> None:
    """Stop sharing for now; withdrawals still go both ways."""
    _step(peer, "suspend", {"note": note})


@command(group, "resume")
def resume(peer: Peer) -> None:
    """Go on after a suspension."""
    _step(peer, "resume")


@command(group, "end")
def end(peer: Peer, yes: Yes = False) -> None:
    """End the agreement; what each holds of the other is erased or kept, as it says."""
    confirm(f"End the agreement with {peer}?", yes)
    _step(peer, "end")


@command(group, "block")
def block(peer: Peer, yes: Yes = False) -> None:
    """Have no more to do with a peer than withdrawals and receipts."""
    confirm(f"Block {peer}?", yes)
    _step(peer, "block")


@command(group, "unblock")
def unblock(peer: Peer) -> None:
    """Lift a block; sharing again needs a new agreement."""
    _step(peer, "unblock")


@command(group, "propose")
def propose(
    peer: Peer,
    purpose: Purposes = None,
    kind: Kinds = None,
    topic: Topics = None,
    passing_on: PassingOn = True,
    attachments: Files = True,
    response_hours: ResponseHours = 72,
    at_end: AtEnd = "erase",
    days: Days = None,
    starts: Starts = None,
    review: Review = None,
    conflict: Conflict = "",
    suspend_overdue: SuspendOverdue = False,
    lang: Lang = None,
) -> None:
    """Propose a new agreement: to come back after an end, or to change the present one."""
    terms = _terms(
        purpose, kind, topic, passing_on, attachments, response_hours, at_end, days, starts,
        review, conflict, suspend_overdue, lang,
    )  # fmt: skip
    _step(peer, "propose", terms)


@command(group, "renew")
def renew(
    peer: Peer,
    days: Annotated[int, typer.Option("--days", min=1, help="Days after the present end.")] = 365,
) -> None:
    """Propose the present agreement again, with a new end."""
    _step(peer, "renew", {"days": days})


def _step(peer: str, step: str, body: dict[str, Any] | None = None) -> None:
    with connect() as node:
        view = node.post(PeerView, f"/peers/{segment(peer)}/{step}", body)
    emit(view, _peer)


@command(agreement, "show")
def show_agreement(peer: Peer) -> None:
    """The agreement with a peer, and the one that is proposed, in words."""
    with connect() as node:
        view: PeerView = node.get(PeerView, f"/peers/{segment(peer)}")
    if session().as_json:
        emit({"agreement": _plain(view.agreement), "proposal": _plain(view.proposal)}, lambda _: None)
        return
    shown = [(title, a) for title, a in (("Agreement", view.agreement), ("Proposal", view.proposal)) if a]
    for title, found in shown:
        console().print(_agreement(f"{title} with {view.name}", found))
    if not shown:
        console().print(f"There is no agreement with {view.name}.", markup=False)


def _plain(view: AgreementView | None) -> Any:
    return None if view is None else view.model_dump(mode="json")
