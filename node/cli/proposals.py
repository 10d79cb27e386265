"""`commonweave proposal`: what stewards decide together; and `policy propose`.

Whoever owns the data folder may propose and look. A steward votes as themselves, with `--token-file`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.markup import escape

from node.cli.client import Api, segment
from node.cli.connect import connect
from node.cli.operating import policy
from node.cli.options import Yes
from node.cli.output import console, emit, panel, short, table, when
from node.cli.session import command, confirm, session
from node.errors import BadInput
from node.proposal_views import ProposalLine, ProposalView
from node.proposals.acts import KINDS, members_of

group = typer.Typer(help="What stewards decide together: see what would change, talk, vote.", no_args_is_help=True)

MAX_EXAMPLES: Final = 3  # of titles a peer
Proposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id, or the first characters of it.")]
Title = Annotated[str, typer.Option("--title", help="What it is about, in a few words.")]
Draft = Annotated[bool, typer.Option("--draft", help="Only write it down; `proposal open` puts it to the vote.")]
Steward = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name of the account.")]


@command(group, "list")
def list_proposals(
    state: Annotated[str | None, typer.Option("--state", help="Only those: open, approved, in-force, …")] = None,
) -> None:
    """Proposals, newest first."""
    with connect() as node:
        found = node.get(list[ProposalLine], "/proposals", state=state)
    emit(
        found,
        lambda lines: table(
            ("proposal", "state", "what", "by", "open until"),
            ((short(p.pid), p.state, p.title, p.by, when(p.closes_at)) for p in lines),
            empty="No proposals.",
        ),
    )


@command(group, "show")
def show(proposal: Proposal) -> None:
    """A proposal in words, what it would change, who has voted, and what happens next."""
    with connect() as node:
        view = _get(node, proposal)
    emit(view, _proposal)


@command(group, "make")
def make(
    kind: Annotated[str, typer.Argument(help="Such as agreement.end, record.release, steward.add, key.rotate.")],
    value: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="What belongs to it; JSON for lists.")
    ] = None,
    title: Title = "",
    draft: Draft = False,
) -> None:
    """Propose anything: `proposal make circle.change circle=coast remove='["Hill School"]'`."""
    members = _members(value or [])
    _check(kind, members)
    _make({"kind": kind} | members, title, draft)


def _check(kind: str, members: dict[str, Any]) -> None:
    """Say here what an act of this kind is made of: the node could only name the place in a document."""
    if kind not in KINDS:
        raise BadInput(f"{kind!r} is nothing that can be proposed: use one of {', '.join(KINDS)}")
    needs, may_have = members_of(kind)
    form = " ".join([*(f"{n}=…" for n in needs), *(f"[{n}=…]" for n in may_have)])
    for name in members:
        if name not in (*needs, *may_have):
            raise BadInput(f"{kind} has no {name!r}; write: proposal make {kind} {form}")
    for name in needs:
        if name not in members:
            raise BadInput(f"{kind} needs {name}; write: proposal make {kind} {form}")


@command(group, "open")
def open_draft(proposal: Proposal) -> None:
    """Put a draft to the vote."""
    _post(proposal, "open")


@command(group, "edit")
def edit(
    proposal: Proposal,
    value: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="What is different; JSON for lists.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--policy", help="File with the new text of a policy.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Another title.")] = None,
) -> None:
    """Change your own proposal; everybody votes again."""
    with connect() as node:
        act = _get(node, proposal).act | _members(value or [])
        if file is not None:
            act["text"] = file.read_text(encoding="utf-8")
        view = node.post(ProposalView, f"/proposals/{segment(proposal)}/edit", {"act": act, "title": title})
    emit(view, _proposal)


@command(group, "comment")
def comment(proposal: Proposal, text: Annotated[str, typer.Argument(help="What you say.")]) -> None:
    """Say something about a proposal."""
    _post(proposal, "comment", {"text": text})


@command(group, "vote")
def vote(
    proposal: Proposal,
    choice: Annotated[str, typer.Argument(metavar="yes|no", help="Your vote.")],
    seen: Annotated[str | None, typer.Option("--seen", help="The code that `proposal show` ended with.")] = None,
    yes: Yes = False,
) -> None:
    """Vote. Without --seen the proposal is shown first and you are asked."""
    with connect() as node:
        view = _get(node, proposal)
        if seen is None:
            if not session().as_json:
                console().print(_proposal(view))
            confirm(f"Vote {choice} on just this?", yes)
        body = {"choice": choice, "hash": seen or view.hash}
        view = node.post(ProposalView, f"/proposals/{segment(view.pid)}/vote", body)
    emit(view, lambda v: f"Your vote counts. The proposal: {v.next}")


@command(group, "withdraw")
def withdraw(proposal: Proposal, yes: Yes = False) -> None:
    """Take back your own proposal."""
    confirm(f"Take back the proposal {proposal}?", yes)
    _post(proposal, "withdraw")


@command(group, "release")
def release(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or the first characters of it.")],
    to: Annotated[str, typer.Option("--to", help="Only this peer. Otherwise everybody the rules allow.")] = "",
    title: Title = "",
) -> None:
    """Propose to let go of a record that a rule holds for stewards."""
    _make({"kind": "record.release", "record": record, "to": to}, title, draft=False)


@command(group, "add-steward")
def add_steward(account: Steward, title: Title = "") -> None:
    """Propose to make an account a steward."""
    _make({"kind": "steward.add", "account": account}, title, draft=False)


@command(group, "remove-steward")
def remove_steward(
    account: Steward,
    role: Annotated[str, typer.Option("--role", help="As what they go on: member or editor.")] = "member",
    title: Title = "",
) -> None:
    """Propose that a steward goes on as a member or an editor."""
    _make({"kind": "steward.remove", "account": account, "role": role}, title, draft=False)


@command(group, "rotate-keys")
def rotate_keys(
    fresh: Annotated[
        list[str] | None, typer.Option("--fresh", help="Draw this key anew too: request, record or log. Repeat.")
    ] = None,
    title: Title = "",
) -> None:
    """Propose to put the next identity key to use."""
    _make({"kind": "key.rotate", "fresh": fresh or []}, title, draft=False)


@command(policy, "propose")
def propose_policy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy file.")],
    title: Title = "",
    draft: Draft = False,
) -> None:
    """Propose the policy in a file: see what it would change, and vote on it with the others."""
    _make({"kind": "policy.change", "text": file.read_text(encoding="utf-8")}, title, draft)


def _make(act: dict[str, Any], title: str, draft: bool) -> None:
    with connect() as node:
        view = node.post(ProposalView, "/proposals", {"act": act, "title": title, "draft": draft})
    emit(view, _proposal)


def _post(proposal: str, step: str, body: dict[str, Any] | None = None) -> None:
    with connect() as node:
        view = node.post(ProposalView, f"/proposals/{segment(proposal)}/{step}", body)
    emit(view, _proposal)


def _get(node: Api, proposal: str) -> ProposalView:
    view: ProposalView = node.get(ProposalView, f"/proposals/{segment(proposal)}")
    return view


def _members(given: list[str]) -> dict[str, Any]:
    """`name=value` as members of an act; what reads as a list, an object or a number is one."""
    out: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadInput(f"{text!r}: write it as name=value")
        out[name] = _value(value)
    return out


def _value(text: str) -> Any:
    if text[:1] in "[{" or text.isdecimal():
        try:
            return json.loads(text)
        except ValueError:
            raise BadInput(f"{text!r} is no list: write it in quotes, as in remove='[\"Hill School\"]'") from None
    return text


# --- for people ------------------------------------------------------------------------------------------------------


def _proposal(view: ProposalView) -> Any:
    text = panel(f"{view.title} ({view.state})", _text(view))
    votes = table(
        ("who", "vote", "when", ""),
        ((v.account, v.choice, when(v.at), "" if v.counts else "does not count") for v in view.votes),
        title=f"Votes: {view.yes} of {view.needed} yes, {view.no} no",
        empty=f"Nobody has voted yet; {view.needed} of {len(view.stewards)} have to say yes.",
    )
    said = [escape(f"{c.account}, {when(c.at)}: {c.text}") for c in view.comments]
    code = escape(f"Next: {view.next}\nCode of what you see here: {view.hash[:16]}")
    return Group(text, _impact(view.impact), votes, *said, code)


def _text(view: ProposalView) -> Iterator[str]:
    yield f"proposal {view.pid}"
    yield f"{view.kind}, by {view.by}"
    yield ""
    yield from view.words
    if view.note:
        yield ""
        yield f"Note: {view.note}"


def _impact(impact: Mapping[str, Any] | None) -> Any:
    if impact is None:
        return escape("Nothing that is shared changes by it.")
    rows = (
        (p["name"], what, p[key]["records"], p[key]["fields_beginning"], p[key]["fields_ending"], _examples(p[key]))
        for p in impact["peers"]
        for key, what in (("starts", "begins"), ("stops", "stops"), ("changes", "changes"))
        if p[key]["records"]
    )
    people = f"; {impact['contributors']} contributors are concerned" if impact["contributors"] else ""
    return table(
        ("peer", "sharing", "records", "fields more", "fields less", "for example"),
        rows,
        title=f"What would change, of {impact['records']} records{people}",
        empty="Nothing that is shared changes by it now.",
    )


def _examples(tally: Mapping[str, Any]) -> str:
    return "; ".join(tally["examples"][:MAX_EXAMPLES])
