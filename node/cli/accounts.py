"""`commonweave account` and `commonweave token`: people and programs that use this node."""

from __future__ import annotations

from typing import Annotated, Any

import segno
import typer

from node.accounts.views import (
    AccountInviteView,
    AccountView,
    EndedView,
    FactorView,
    RecoveryView,
    SessionView,
    TokenView,
)
from node.cli.client import segment
from node.cli.connect import connect
from node.cli.options import Yes
from node.cli.output import console, emit, pairs, panel, say, table, when, words
from node.cli.session import command, confirm

account = typer.Typer(help="People who sign in here.", no_args_is_help=True)
token = typer.Typer(help="Tokens for programs that call the API.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Admin = Annotated[bool, typer.Option("--admin", help="May run the node: accounts and tokens. Decides nothing.")]
Hours = Annotated[int, typer.Option(min=1, max=720, help="How long the link is good.")]
Label = Annotated[str, typer.Argument(metavar="LABEL", help="What the token is for.")]


@command(account, "add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="member (reads), editor (writes) or steward (decides).")] = "member",
    ask_password: Annotated[bool, typer.Option("--ask-password", help="Ask for a password, make none up.")] = False,
    admin: Admin = False,
) -> None:
    """Add a person. A password is made up and shown once, unless one is asked for."""
    word = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else None
    with connect() as node:
        view = node.post(AccountView, "/accounts", {"name": name, "role": role, "password": word, "admin": admin})
    emit(
        view, lambda v: pairs("Account", (("name", v.name), ("role", _role(v)), ("password", v.password or "as given")))
    )


@command(account, "invite")
def invite(
    name: Name,
    role: Annotated[str, typer.Option(help="member (reads), editor (writes) or steward (decides).")] = "member",
    admin: Admin = False,
    hours: Hours = 72,
) -> None:
    """Add a person by a one-time link, on which they choose a password that nobody else knows."""
    with connect() as node:
        view = node.post(
            AccountInviteView, "/accounts/invite", {"name": name, "role": role, "admin": admin, "hours": hours}
        )
    emit(view, _link)


@command(account, "reset")
def reset(name: Name, hours: Hours = 72, yes: Yes = False) -> None:
    """Lock an account at once, and make a one-time link to a new password. The person is told at the next login."""
    confirm(f"End the password, the sessions and the tokens of {name}?", yes)
    with connect() as node:
        view = node.post(AccountInviteView, f"/accounts/{segment(name)}/reset", {"hours": hours})
    emit(view, _link)


@command(account, "change")
def change(
    name: Name,
    role: Annotated[str | None, typer.Option(help="member or editor; stewards change by proposal.")] = None,
    admin: Annotated[bool | None, typer.Option("--admin/--no-admin", help="May run the node, or not.")] = None,
) -> None:
    """Make a member an editor, or somebody an administrator, or the other way round."""
    with connect() as node:
        view = node.post(AccountView, f"/accounts/{segment(name)}/change", {"role": role, "admin": admin})
    emit(view, lambda v: f"{v.name} is {_role(v)} now.")


@command(account, "forget-factor")
def forget_factor(name: Name, yes: Yes = False) -> None:
    """Remove a second factor that its person has lost. The person is told at the next login."""
    confirm(f"Remove the second factor of {name}?", yes)
    with connect() as node:
        view = node.post(AccountView, f"/accounts/{segment(name)}/forget-second-factor")
    emit(view, lambda v: f"{v.name} signs in with the password alone now.")


@command(account, "factor")
def factor(name: Name) -> None:
    """Add a second factor to your account, at this machine: password, QR code, first code, recovery codes."""
    path = f"/accounts/{segment(name)}/second-factor"
    word = typer.prompt("Password", hide_input=True)
    with connect() as node:
        made = node.post(FactorView, path, {"password": word})
        out = console()
        if out.is_terminal:
            segno.make(made.uri, error="m", micro=False).terminal(compact=True)
        say(f"In your authenticator app: scan this, or add {made.uri}")
        code = typer.prompt("The code that the app shows now")
        codes = node.post(RecoveryView, f"{path}/confirm", {"code": code})
    emit(codes, _codes)


@command(account, "sessions")
def sessions(
    name: Name, end: Annotated[bool, typer.Option("--end", help="Sign the person out everywhere.")] = False
) -> None:
    """Where a person is signed in."""
    path = f"/accounts/{segment(name)}/sessions"
    with connect() as node:
        if end:
            node.post(EndedView, f"{path}/end")
        found = node.get(list[SessionView], path)
    emit(
        found,
        lambda rows: table(
            ("browser", "since", "until"),
            ((s.label, when(s.created_at), when(s.expires_at)) for s in rows),
            empty="Signed in nowhere.",
        ),
    )


def _link(view: AccountInviteView) -> Any:
    out = console()
    facts = (("name", view.name), ("role", _role(view)), ("good until", when(view.expires_at)), ("used", "once"))
    out.print(pairs("Invitation", facts))
    if out.is_terminal:
        segno.make(view.link, error="l", micro=False).terminal(compact=True)
    out.out(view.link, highlight=False)
    return "Give it to this person alone: whoever opens it first chooses the password."


def _codes(view: RecoveryView) -> Any:
    return panel("Recovery codes: each is good once; shown only now", view.codes)


def _role(view: AccountView | AccountInviteView) -> str:
    return f"{view.role}, administrator" if view.admin else view.role


def _state(view: AccountView) -> str:
    return "disabled" if view.disabled else "invited" if view.invited else "active"


@command(account, "list")
def list_accounts() -> None:
    """The people with an account."""
    with connect() as node:
        found = node.get(list[AccountView], "/accounts")
    emit(
        found,
        lambda accounts: table(
            ("name", "role", "since", "state", "second factor"),
            ((a.name, _role(a), when(a.created_at), _state(a), "yes" if a.second_factor else "no") for a in accounts),
            empty="No accounts: `commonweave account invite NAME` makes one.",
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
        list[str] | None, typer.Option(help="read, write, steward, admin or self. Repeat. Otherwise read.")
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
