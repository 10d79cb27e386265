"""Answers about one's own account: invitations, sessions, second factor."""

from __future__ import annotations

from node.views import View


class TokenView(View):
    """An API token; `secret` is shown once."""

    label: str
    account: str
    scopes: list[str]
    created_at: int
    expires_at: int
    secret: str | None = None


class AccountView(View):
    """A person's account; `password` only in the answer that made it up, `invited` until a password was chosen."""

    name: str
    role: str
    created_at: int
    disabled: bool
    password: str | None = None
    admin: bool = False
    second_factor: bool = False
    invited: bool = False


class AccountInviteView(View):
    """A one-time link with which a person chooses a password; the link is shown once."""

    name: str
    role: str
    admin: bool
    link: str
    expires_at: int


class NoticeView(View):
    """Something that was done to an account by somebody else: `what` is invited, reset or factor-removed."""

    what: str
    by: str
    at: int


class OwnAccountView(AccountView):
    """An account with what only its owner and administrators see."""

    recovery_left: int
    notices: list[NoticeView]


class SessionView(View):
    """A browser that is signed in; `id` is no secret."""

    id: str
    label: str
    created_at: int
    expires_at: int
    current: bool


class FactorView(View):
    """A second factor to be confirmed with its first code; shown once. `uri` is what the QR code holds."""

    account: str
    secret: str
    uri: str


class RecoveryView(View):
    """Ten codes, each good once in place of the second factor; shown once."""

    codes: list[str]


class EndedView(View):
    """How many sessions ended."""

    ended: int
