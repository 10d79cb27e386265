"""What the web side needs of the use cases, written as the calls it makes. `node.app.App` is checked against it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from governance.record import Attachment, Draft
from governance.terms import Terms
from node.agreements import ProposedAgreement
from node.clock import Clock, Entropy
from node.finding import SearchRequest
from node.principal import Principal
from node.store.port import Store
from node.views import (
    AccountView,
    AttachmentView,
    CheckView,
    CircleView,
    ConsentEffect,
    CustodyView,
    ExplainView,
    FlowView,
    GrantView,
    HitView,
    ImportView,
    InviteView,
    NarrowView,
    Page,
    PeerView,
    ReceiptView,
    RecordInfo,
    RecordView,
    SearchView,
    StatusView,
    SyncView,
    TokenView,
    VerifyView,
    VersionView,
    WithdrawalView,
)


class Library(Protocol):
    """Writing own records."""

    async def create(
        self, who: Principal, draft: Draft, *, publish: bool = True, source: str = "", source_id: str = ""
    ) -> RecordInfo: ...
    async def edit(self, who: Principal, ref: str, draft: Draft) -> RecordInfo: ...
    async def draft(self, who: Principal, ref: str) -> Draft: ...
    async def narrow(
        self, who: Principal, ref: str, terms: Terms, fields: Sequence[str] | None = None
    ) -> NarrowView: ...
    async def withdraw(self, who: Principal, ref: str, reason: str) -> WithdrawalView: ...


class Readings(Protocol):
    """Own and received records, as somebody may see them."""

    async def browse(
        self,
        who: Principal,
        *,
        own: bool | None = None,
        kind: str | None = None,
        lang: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[RecordInfo]: ...
    async def show(self, who: Principal, ref: str, origin: str | None = None) -> RecordView: ...
    async def history(self, who: Principal, ref: str) -> Sequence[VersionView]: ...
    async def export(self, who: Principal, ref: str, origin: str | None = None) -> str: ...
    async def verify(self, text: str) -> VerifyView: ...


class Importer(Protocol):
    """Bringing in a library, item by item."""

    def run(
        self, who: Principal, items: AsyncIterable[Any], *, source: str, publish: bool = True
    ) -> AsyncIterator[ImportView]: ...


class Consents(Protocol):
    """Contributors' permissions."""

    async def grant(
        self,
        who: Principal,
        *,
        subject: str,
        terms: Terms,
        how: str,
        ref: str | None = None,
        fields: Sequence[str] | None = None,
        given_at: int | None = None,
    ) -> ConsentEffect: ...
    async def withdraw(self, who: Principal, gid: str) -> ConsentEffect: ...
    async def list(
        self, who: Principal, *, subject: str | None = None, ref: str | None = None
    ) -> Sequence[GrantView]: ...


class Peers(Protocol):
    """Meeting, agreeing and parting."""

    async def invite(
        self, who: Principal, *, note: str = "", terms: ProposedAgreement, valid_h: int = 72
    ) -> InviteView: ...
    async def accept(self, who: Principal, text: str) -> PeerView: ...
    async def list(self, who: Principal) -> Sequence[PeerView]: ...
    async def get(self, who: Principal, ref: str) -> PeerView: ...
    async def preview(self, who: Principal, ref: str) -> FlowView: ...
    async def approve(self, who: Principal, ref: str) -> PeerView: ...
    async def suspend(self, who: Principal, ref: str, note: str = "") -> PeerView: ...
    async def resume(self, who: Principal, ref: str, note: str = "") -> PeerView: ...
    async def end(self, who: Principal, ref: str, note: str = "") -> PeerView: ...
    async def block(self, who: Principal, ref: str, note: str = "") -> PeerView: ...
    async def unblock(self, who: Principal, ref: str, note: str = "") -> PeerView: ...
    async def propose(self, who: Principal, ref: str, terms: ProposedAgreement) -> PeerView: ...


class Circles(Protocol):
    """Named groups of nodes."""

    async def create(self, who: Principal, slug: str, members: Collection[str]) -> CircleView: ...
    async def change(
        self, who: Principal, ref: str, *, add: Collection[str] = (), remove: Collection[str] = ()
    ) -> CircleView: ...
    async def list(self, who: Principal) -> Sequence[CircleView]: ...


class Syncing(Protocol):
    """Talking to peers now."""

    async def sync(self, who: Principal, ref: str | None) -> Sequence[SyncView]: ...


class Find(Protocol):
    """Search."""

    async def search(self, who: Principal, request: SearchRequest) -> SearchView: ...
    async def suggest(self, who: Principal, prefix: str) -> Sequence[str]: ...
    async def more_like(self, who: Principal, ref: str, origin: str | None = None) -> Sequence[HitView]: ...


class Explaining(Protocol):
    """Why a recipient gets what."""

    async def explain(self, who: Principal, ref: str, to: str, origin: str | None = None) -> ExplainView: ...


class CustodyPort(Protocol):
    """Where copies are."""

    async def custody(self, who: Principal, ref: str) -> Sequence[CustodyView]: ...
    async def receipts(self, who: Principal, ref: str) -> Sequence[ReceiptView]: ...
    async def withdrawals(self, who: Principal) -> Sequence[WithdrawalView]: ...


class Attachments(Protocol):
    """Files beside records."""

    async def attach(
        self,
        who: Principal,
        ref: str,
        name: str,
        media_type: str,
        chunks: AsyncIterable[bytes],
        alt: str = "",
        terms: Terms | None = None,
    ) -> AttachmentView: ...
    async def open(
        self, who: Principal, ref: str, field: str, origin: str | None = None
    ) -> tuple[Attachment, Path, int]: ...
    async def list(self, who: Principal, ref: str, origin: str | None = None) -> Sequence[AttachmentView]: ...


class Ops(Protocol):
    """Running the node."""

    async def status(self, who: Principal) -> StatusView: ...
    async def doctor(self, who: Principal) -> Sequence[CheckView]: ...
    def reindex(self, who: Principal) -> AsyncIterator[tuple[int, int]]: ...
    async def policy_check(self, text: str) -> Sequence[str]: ...
    async def audit(
        self, who: Principal, subject: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Any]: ...


class AccountsPort(Protocol):
    """People, sessions and tokens."""

    async def add(self, who: Principal, name: str, role: str, password: str | None = None) -> AccountView: ...
    async def list(self, who: Principal) -> Sequence[AccountView]: ...
    async def disable(self, who: Principal, name: str) -> AccountView: ...
    async def login(self, name: str, password: str, address: str) -> tuple[str, Principal]: ...
    async def session(self, secret: str) -> Principal | None: ...
    async def bearer(self, secret: str) -> Principal | None: ...
    async def logout(self, secret: str) -> None: ...
    async def token(self, who: Principal, label: str, account: str, scopes: Sequence[str], days: int) -> TokenView: ...
    async def tokens(self, who: Principal) -> Sequence[TokenView]: ...
    async def revoke(self, who: Principal, label: str) -> None: ...


class AppPort(Protocol):
    """The use cases together. Properties, so that an implementation may offer narrower types."""

    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def entropy(self) -> Entropy: ...
    @property
    def library(self) -> Library: ...
    @property
    def readings(self) -> Readings: ...
    @property
    def importer(self) -> Importer: ...
    @property
    def consents(self) -> Consents: ...
    @property
    def peers(self) -> Peers: ...
    @property
    def circles(self) -> Circles: ...
    @property
    def syncing(self) -> Syncing: ...
    @property
    def find(self) -> Find: ...
    @property
    def explain(self) -> Explaining: ...
    @property
    def custody(self) -> CustodyPort: ...
    @property
    def attachments(self) -> Attachments: ...
    @property
    def ops(self) -> Ops: ...
    @property
    def accounts(self) -> AccountsPort: ...
