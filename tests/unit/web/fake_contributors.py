"""Private links that answer from one contributor in memory: enough to drive every route."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from governance.gate import Public
from governance.terms import Purpose
from node.contributors.contributing import GONE, LINK_SCOPE, LinkHolder
from node.contributors.views import ActView, ConsentReceiptView, ContributorView, PrivateLinkView
from node.errors import NotFound
from node.principal import Principal


class FakeContributing:
    """One private link of one contributor, who has nothing here."""

    secret = "cwl_" + "s" * 43

    def __init__(self, origin: str, now: int) -> None:
        self._link = PrivateLinkView(
            id="link-1", subject="rosa", lang="sw", by="amal", created_at=now, expires_at=now + 86_400,
            revoked_at=None, used_at=None, active=True,
        )  # fmt: skip
        self._view = ContributorView(
            node="River House", node_id=origin, contact="", subject="rosa", lang="sw", expires_at=now + 86_400,
            records=[], acts=[], receipts=[],
        )  # fmt: skip

    async def make_link(self, who: Principal, *, subject: str, lang: str = "en", days: int = 90) -> PrivateLinkView:
        del days
        who.need("write")
        told = {"subject": subject, "lang": lang, "secret": self.secret, "link": f"/c/{self.secret}"}
        return self._link.model_copy(update=told)

    async def links(self, who: Principal, *, subject: str | None = None) -> Sequence[PrivateLinkView]:
        who.need("write")
        return [self._link] if subject in (None, self._link.subject) else []

    async def revoke_link(self, who: Principal, link_id: str) -> PrivateLinkView:
        who.need("write")
        if link_id != self._link.id:
            raise NotFound(f"no private link {link_id!r}")
        return self._link.model_copy(update={"revoked_at": self._link.created_at, "active": False})

    async def open(self, secret: str, address: str) -> LinkHolder:
        del address
        if secret != self.secret:
            raise NotFound(GONE)
        return LinkHolder("contributor", Public(), frozenset({LINK_SCOPE}), subject="rosa", lang="sw")

    async def see(self, holder: LinkHolder) -> ContributorView:
        assert holder.subject == self._view.subject
        return self._view

    async def change(
        self,
        holder: LinkHolder,
        rid: str,
        *,
        fields: Collection[str] | None = None,
        audience: str | None = None,
        purposes: Collection[Purpose],
        days: int | None = None,
    ) -> Sequence[ActView]:
        del holder, rid, fields, audience, purposes, days
        return []

    async def withdraw(
        self, holder: LinkHolder, rid: str | None, *, fields: Collection[str] | None = None, remove: bool = False
    ) -> Sequence[ActView]:
        del holder, rid, fields, remove
        return []

    async def receipt(self, holder: LinkHolder, gid: str) -> ConsentReceiptView:
        del holder
        if gid != "g1":
            raise NotFound("there is no receipt of yours with this number")
        return ConsentReceiptView(receipt={"dct:identifier": "r1"}, jws="a.b.c")
