"""API operations on people: accounts, invitations, one's own account, and tokens. Each is one call of a use case.

Passwords and codes come in bodies only, never in an address that a log could keep.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from node.accounts.views import (
    AccountInviteView,
    AccountView,
    EndedView,
    FactorView,
    OwnAccountView,
    RecoveryView,
    SessionView,
    TokenView,
)
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given

MAX_PASSWORD_CHARS: Final = 1_024
MAX_CODE_CHARS: Final = 40  # a recovery code with the spaces people put in
RoleName = Literal["member", "editor", "steward"]
Password = Annotated[str, Field(max_length=MAX_PASSWORD_CHARS)]
Code = Annotated[str, Field(max_length=MAX_CODE_CHARS)]


class AccountBody(Given):
    """A new account; without a password one is made up."""

    name: str
    role: RoleName
    password: str | None = None
    admin: bool = False


class AccountInviteBody(Given):
    """For whom a link is made, what the account may do, and for how many hours the link is good."""

    name: str
    role: RoleName = "member"
    admin: bool = False
    hours: int = Field(default=72, ge=1, le=720)


class ResetBody(Given):
    """For how many hours the link to a new password is good."""

    hours: int = Field(default=72, ge=1, le=720)


class AccountChangeBody(Given):
    """What changes; null stays."""

    role: Literal["member", "editor"] | None = None
    admin: bool | None = None


class NewPasswordBody(Given):
    """The password of now and the one to come."""

    password: Password
    new: Password


class PasswordBody(Given):
    """The password, once more."""

    password: Password


class ProofBody(PasswordBody):
    """The password and a code, of the app or a recovery one."""

    code: Code


class CodeBody(Given):
    """The first code of an authenticator app."""

    code: Code


class EndSessionsBody(Given):
    """Which session ends; null means all of them."""

    session: str | None = None


async def list_accounts(app: AppPort, who: Principal) -> list[AccountView]:
    """People with an account here."""
    return list(await app.accounts.list(who))


async def add_account(app: AppPort, who: Principal, body: AccountBody) -> AccountView:
    """Add a person; a password that was made up is in this answer only."""
    return await app.accounts.add(who, body.name, body.role, body.password, admin=body.admin)


async def invite_person(app: AppPort, who: Principal, body: AccountInviteBody) -> AccountInviteView:
    """Add a person who chooses a password by a one-time link, which is in this answer only."""
    return await app.accounts.invite(who, body.name, body.role, admin=body.admin, hours=body.hours)


async def change_account(app: AppPort, who: Principal, name: str, body: AccountChangeBody) -> AccountView:
    """Make a member an editor, or somebody an administrator; stewards change by proposal only."""
    return await app.accounts.change(who, name, body.role, body.admin)


async def reset_account(app: AppPort, who: Principal, name: str, body: ResetBody) -> AccountInviteView:
    """Lock an account at once and make a link to a new password; the person is told."""
    return await app.accounts.reset(who, name, body.hours)


async def forget_factor(app: AppPort, who: Principal, name: str) -> AccountView:
    """Remove a second factor that its person has lost; the person is told."""
    return await app.accounts.forget_factor(who, name)


async def disable_account(app: AppPort, who: Principal, name: str) -> AccountView:
    """Shut an account, its sessions, its tokens and its invitations."""
    return await app.accounts.disable(who, name)


async def show_account(app: AppPort, who: Principal, name: str) -> OwnAccountView:
    """One's own account."""
    return await app.accounts.account(who, name)


async def change_password(app: AppPort, who: Principal, name: str, body: NewPasswordBody) -> None:
    """Change one's own password; all sessions end."""
    await app.accounts.change_password(who, name, body.password, body.new)


async def start_factor(app: AppPort, who: Principal, name: str, body: PasswordBody) -> FactorView:
    """Draw a secret for an authenticator app; it counts once a first code has confirmed it."""
    return await app.accounts.start_factor(who, name, body.password)


async def confirm_factor(app: AppPort, who: Principal, name: str, body: CodeBody) -> RecoveryView:
    """Put the second factor in force; the recovery codes are in this answer only."""
    return await app.accounts.confirm_factor(who, name, body.code)


async def remove_factor(app: AppPort, who: Principal, name: str, body: ProofBody) -> None:
    """Do without one's second factor."""
    await app.accounts.remove_factor(who, name, body.password, body.code)


async def renew_recovery_codes(app: AppPort, who: Principal, name: str, body: ProofBody) -> RecoveryView:
    """Ten new recovery codes; the old ones are void."""
    return await app.accounts.renew_recovery(who, name, body.password, body.code)


async def list_sessions(app: AppPort, who: Principal, name: str) -> list[SessionView]:
    """Where one is signed in."""
    return list(await app.accounts.sessions(who, name))


async def end_sessions(app: AppPort, who: Principal, name: str, body: EndSessionsBody) -> EndedView:
    """End one of one's sessions, or all."""
    return EndedView(ended=await app.accounts.end_session(who, name, body.session))


class TokenBody(Given):
    """A new API token."""

    label: str = Field(min_length=1, max_length=100)
    account: str
    scopes: list[Literal["read", "write", "steward", "admin", "self"]] = Field(min_length=1)
    days: int = Field(default=90, ge=1, le=366)


class OwnTokenBody(PasswordBody):
    """A new API token for one's own account; the password, since it outlives the session."""

    label: str = Field(min_length=1, max_length=100)
    scopes: list[Literal["read", "write", "steward", "admin", "self"]] = Field(min_length=1)
    days: int = Field(default=90, ge=1, le=366)


async def list_own_tokens(app: AppPort, who: Principal, name: str) -> list[TokenView]:
    """The API tokens of one's own account."""
    return list(await app.accounts.own_tokens(who, name))


async def make_own_token(app: AppPort, who: Principal, name: str, body: OwnTokenBody) -> TokenView:
    """Make an API token for one's own account; its secret is in this answer only."""
    return await app.accounts.own_token(who, name, body.label, body.scopes, body.days, body.password)


async def revoke_own_token(app: AppPort, who: Principal, name: str, label: str) -> None:
    """End an API token of one's own account at once."""
    await app.accounts.revoke_own(who, name, label)


async def list_tokens(app: AppPort, who: Principal) -> list[TokenView]:
    """API tokens, without their secrets."""
    return list(await app.accounts.tokens(who))


async def make_token(app: AppPort, who: Principal, body: TokenBody) -> TokenView:
    """Make an API token; its secret is in this answer only."""
    return await app.accounts.token(who, body.label, body.account, body.scopes, body.days)


async def revoke_token(app: AppPort, who: Principal, label: str) -> None:
    """End an API token at once."""
    await app.accounts.revoke(who, label)


OPERATIONS: Final = (
    Operation("GET", "/accounts", Scope.ADMIN, list_accounts),
    Operation("POST", "/accounts", Scope.ADMIN, add_account, 201),
    Operation("POST", "/accounts/invite", Scope.ADMIN, invite_person, 201),
    Operation("POST", "/accounts/{name}/change", Scope.ADMIN, change_account),
    Operation("POST", "/accounts/{name}/reset", Scope.ADMIN, reset_account, 201),
    Operation("POST", "/accounts/{name}/forget-second-factor", Scope.ADMIN, forget_factor),
    Operation("POST", "/accounts/{name}/disable", Scope.ADMIN, disable_account),
    Operation("GET", "/accounts/{name}", Scope.SELF, show_account),
    Operation("POST", "/accounts/{name}/password", Scope.SELF, change_password, 204),
    Operation("POST", "/accounts/{name}/second-factor", Scope.SELF, start_factor, 201),
    Operation("POST", "/accounts/{name}/second-factor/confirm", Scope.SELF, confirm_factor),
    Operation("POST", "/accounts/{name}/second-factor/remove", Scope.SELF, remove_factor, 204),
    Operation("POST", "/accounts/{name}/recovery-codes", Scope.SELF, renew_recovery_codes, 201),
    Operation("GET", "/accounts/{name}/sessions", Scope.SELF, list_sessions),
    Operation("POST", "/accounts/{name}/sessions/end", Scope.SELF, end_sessions),
    Operation("GET", "/accounts/{name}/tokens", Scope.SELF, list_own_tokens),
    Operation("POST", "/accounts/{name}/tokens", Scope.SELF, make_own_token, 201),
    Operation("DELETE", "/accounts/{name}/tokens/{label}", Scope.SELF, revoke_own_token, 204),
    Operation("GET", "/tokens", Scope.ADMIN, list_tokens),
    Operation("POST", "/tokens", Scope.ADMIN, make_token, 201),
    Operation("DELETE", "/tokens/{label}", Scope.ADMIN, revoke_token, 204),
)
