"""The tree of commands."""

from __future__ import annotations

import typer

from node.cli import (
    accounts,
    audit,
    circles,
    consents,
    contributors,
    custody,
    finding,
    holds,
    importing,
    operating,
    peers,
    previewing,
    proposals,
    records,
    reports,
    running,
)
from node.cli.session import EXIT_WORDS, shared_before

app = typer.Typer(
    name="commonweave",
    help="Share what your organisation learns with the partners it trusts: signed, consent-filtered, erasable.",
    epilog=EXIT_WORDS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for group in (
    app, records.group, consents.group, contributors.group, peers.group, circles.group, peers.agreement,
    operating.policy, accounts.account, accounts.token, reports.group, proposals.group,
    previewing.group, audit.group, holds.group,
):  # fmt: skip
    shared_before(group)

running.add(app)
importing.add(app)
app.add_typer(records.group, name="record")
app.add_typer(consents.group, name="consent")
app.add_typer(contributors.group, name="contributor")
app.add_typer(reports.group, name="report")
app.add_typer(proposals.group, name="proposal")
app.add_typer(holds.group, name="hold")
app.add_typer(previewing.group, name="preview")
finding.add(app)
app.add_typer(peers.group, name="peer")
app.add_typer(circles.group, name="circle")
app.add_typer(peers.agreement, name="agreement")
custody.add(app)
operating.add(app)
app.add_typer(audit.group, name="audit")
app.add_typer(operating.policy, name="policy")
app.add_typer(accounts.account, name="account")
app.add_typer(accounts.token, name="token")


def main() -> None:
    """The entry point `commonweave`."""
    app()
