"""API operations on private links, and what their holders do with the link's secret as bearer token."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from governance.terms import Purpose
from node.contributors.acts import MAX_DAYS
from node.contributors.contributing import LINK_SCOPE, MAX_LINK_DAYS, LinkHolder
from node.contributors.views import ActView, ConsentReceiptView, ContributorView, PrivateLinkView
from node.errors import NotAllowed
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given


class LinkBody(Given):
    """Whom a private link is for, in which language, for how long."""

    subject: str = Field(min_length=1, max_length=200)
    lang: str = Field(default="en", max_length=35)
    days: int = Field(default=90, ge=1, le=MAX_LINK_DAYS)


class LinksQuery(Given):
    """Only one contributor's links."""

    subject: str | None = None


class ChangeBody(Given):
    """What a contributor permits for their parts of one record; left out is: as far as permitted before."""

    rid: str
    fields: list[str] | None = None
    audience: str | None = Field(default=None, description="the widest audience; null: as far as permitted before")
    purposes: list[Purpose]
    days: int | None = Field(default=None, ge=0, le=MAX_DAYS, description="null keeps the end, 0 asks for none")


class TakeBackBody(Given):
    """What a contributor takes back: their parts of one record, or without `rid` everything."""

    rid: str | None = None
    fields: list[str] | None = None
    remove: bool = Field(default=False, description="have them taken out of the record, too")


def _holder(who: Principal) -> LinkHolder:
    if not isinstance(who, LinkHolder):
        raise NotAllowed("this needs the secret of a private link as bearer token")
    return who


async def make_link(app: AppPort, who: Principal, body: LinkBody) -> PrivateLinkView:
    """Make a private link for a contributor; its secret is told in this answer only."""
    return await app.contributing.make_link(who, subject=body.subject, lang=body.lang, days=body.days)


async def list_links(app: AppPort, who: Principal, query: LinksQuery) -> list[PrivateLinkView]:
    """The private links, newest first."""
    return list(await app.contributing.links(who, subject=query.subject))


async def revoke_link(app: AppPort, who: Principal, link_id: str) -> PrivateLinkView:
    """End a private link at once."""
    return await app.contributing.revoke_link(who, link_id)


async def see_own(app: AppPort, who: Principal) -> ContributorView:
    """What is held about the one who has the link, who has it now, and how far what they did has come."""
    return await app.contributing.see(_holder(who))


async def change_own(app: AppPort, who: Principal, body: ChangeBody) -> list[ActView]:
    """Permit less, again, or until another day."""
    return list(
        await app.contributing.change(
            _holder(who),
            body.rid,
            fields=body.fields,
            audience=body.audience,
            purposes=body.purposes,
            days=body.days,
        )
    )


async def take_back_own(app: AppPort, who: Principal, body: TakeBackBody) -> list[ActView]:
    """Take a permission back, for one record or for everything."""
    return list(await app.contributing.withdraw(_holder(who), body.rid, fields=body.fields, remove=body.remove))


async def show_own_receipt(app: AppPort, who: Principal, gid: str) -> ConsentReceiptView:
    """A consent receipt as JSON-LD, and signed."""
    return await app.contributing.receipt(_holder(who), gid)


OPERATIONS: Final = (
    Operation("GET", "/contributors/links", Scope.WRITE, list_links),
    Operation("POST", "/contributors/links", Scope.WRITE, make_link, 201),
    Operation("POST", "/contributors/links/{link_id}/revoke", Scope.WRITE, revoke_link),
    Operation("GET", "/contributor", LINK_SCOPE, see_own),
    Operation("POST", "/contributor/change", LINK_SCOPE, change_own),
    Operation("POST", "/contributor/withdraw", LINK_SCOPE, take_back_own),
    Operation("GET", "/contributor/receipts/{gid}", LINK_SCOPE, show_own_receipt),
)
