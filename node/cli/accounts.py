"""`commonweave account` and `commonweave token`: people and programs that use this node."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import Yes
from node.cli.output import emit, pairs, say, table, when, words
from node.cli.session import command, confirm
from node.views import AccountView, TokenView

account = typer.Typer(help="People who sign in here.", no_args_is_help=True)
token = typer.Typer(help="Tokens for programs that call the API.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Label = Annotated[str, typer.Argument(metavar="LABEL", help="What the token is for.")]


@command(account, "add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="member (reads), editor (writes) or steward (decides).")] = "member",
    ask_password: Annotated[bool, typer.Option("--ask-password", help="Ask for a password, make none up.")] = False,
) -> None:
    """Add a person. A password is made up and shown once, unless one is asked for."""
    word = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else None
    with connect() as node:
        view = node.post(AccountView, "/accounts", {"name": name, "role": role, "password": word})
    emit(view, lambda v: pairs("Account", (("name", v.name), ("role", v.role), ("password", v.password or "as given"))))


@command(account, "list")
def list_accounts() -> None:
    """The people with an account."""
    with connect() as node:
        found = node.get(list[AccountView], "/accounts")
    emit(
        found,
        lambda accounts: table(
            ("name", "role", "since", "state"),
            ((a.name, a.role, when(a.created_at), "disabled" if a.disabled else "active") for a in accounts),
            empty="No accounts: `commonweave account add NAME` makes one.",
        ),
    )


@command(account, "disable")
def disable(name: Name, yes: Yes = False) -> None:
    """Shut an account, its sessions and its tokens."""
    confirm(f"Shut the account {name}?", yes)
    with connect() as node:
        view = node.post(AccountView, f"/accounts/{segment(name)}/disable")
    emit(view, lambda v: f"{v.name} can not sign in any more.")


@command(token, "create")
def create(
    label: Label,
    account_name: Annotated[str, typer.Option("--account", help="On whose behalf it acts.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, steward or admin. Repeat. Otherwise read.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days it is good for.")] = 90,
) -> None:
    """Make a token for the API; its secret is shown once."""
    body = {"label": label, "account": account_name, "scopes": scope or ["read"], "days": days}
    with connect() as node:
        view = node.post(TokenView, "/tokens", body)
    emit(
        view,
        lambda v: pairs(
            "Token", (("label", v.label), ("good until", when(v.expires_at)), ("secret, shown once", v.secret))
        ),
    )


@command(token, "list")
def list_tokens() -> None:
    """The tokens, without their secrets."""
    with connect() as node:
        found = node.get(list[TokenView], "/tokens")
    emit(
        found,
        lambda tokens: table(
            ("label", "account", "scopes", "made", "good until"),
            ((t.label, t.account, words(t.scopes), when(t.created_at), when(t.expires_at)) for t in tokens),
            empty="No tokens.",
        ),
    )


@command(token, "revoke")
def revoke(label: Label) -> None:
    """End a token at once."""
    with connect() as node:
        node.delete(f"/tokens/{segment(label)}")
    emit({"revoked": label}, lambda _: None)
    say(f"The token {label} is good for nothing now.")
