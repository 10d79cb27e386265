"""Use cases that answer from a few records in memory: enough to drive every route."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from governance.record import Attachment, Draft
from governance.terms import Terms
from node.agreements import ProposedAgreement
from node.errors import NotFound
from node.finding import SearchRequest
from node.peer_views import AgreementView, CircleView, FlowView, InviteView, PeerView, SyncView
from node.principal import LOCAL, Principal
from node.store.memory import MemoryStore
from node.views import (
    AttachmentView,
    CheckView,
    ConsentEffect,
    CustodyView,
    FacetValue,
    FieldView,
    GrantView,
    HitView,
    ImportView,
    LinkView,
    NarrowView,
    Page,
    ReceiptView,
    RecordInfo,
    RecordView,
    SearchView,
    StatusView,
    TermsView,
    VerifyView,
    VersionView,
    WithdrawalView,
    WithheldView,
)
from tests.unit.web.fake_accounts import accounts_on, person
from tests.unit.web.fake_audit import FakeAuditing
from tests.unit.web.fake_contributors import FakeContributing
from tests.unit.web.fake_holds import FakeHolds
from tests.unit.web.fake_preview import FakeExplain, FakeForeseeing
from tests.unit.web.fake_proposals import FakeProposals
from tests.unit.web.fake_reports import FakeReports
from tests.unit.web.fake_words import FakeReciting, FakeReminding

NOW = 1_790_000_000
ORIGIN = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
PARTNER = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
RID = "0199a000-0000-7000-8000-000000000001"
ARABIC = "0199a000-0000-7000-8000-000000000002"
HINDI = "0199a000-0000-7000-8000-000000000003"
SECRET_RID = "0199a000-0000-7000-8000-00000000dead"
Client = TestClient[web.Request, web.Application]
TERMS = TermsView(
    audiences=["public"], purposes=["learning", "research"], until=None, words="For everyone; for learning, research"
)
NARROW = TermsView(
    audiences=["network"],
    purposes=["learning"],
    until=NOW + 90 * 86_400,
    words="For organisations with an active agreement; for learning",
)


class FakeClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        return self.at

    def now_ms(self) -> int:
        return self.at * 1000

    def steady(self) -> float:
        return float(self.at)


class FakeEntropy:
    """Different bytes at every draw, the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def draw(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(b"%d" % self.count).digest(size)


def field(name: str, label: str, value: Any, terms: TermsView = TERMS) -> FieldView:
    return FieldView(name=name, label=label, value=value, terms=terms)


def record(rid: str = RID, lang: str = "en", title: str = "Flood brigade", **more: Any) -> RecordView:
    values: dict[str, Any] = {
        "rid": rid,
        "origin": ORIGIN,
        "origin_name": "River House",
        "own": False,
        "kind": "case_study",
        "kind_label": "Case study",
        "lang": lang,
        "title": title,
        "ver": 3,
        "vid": "ab" * 32,
        "copy_id": "cd" * 32,
        "signed_at": NOW - 86_400,
        "signed_by": ORIGIN + "#record",
        "verified": True,
        "received_at": NOW - 3_600,
        "received_from": "Coast School",
        "conflict": False,
        "fields": [field("title", "Title", title)],
        "withheld": [
            WithheldView(field="person:p1", reason="It is for members of the organisation it comes from only.")
        ],
        "links": [],
        "linked_from": [],
    }
    return RecordView.model_validate(values | more)


def info(view: RecordView) -> RecordInfo:
    return RecordInfo(
        rid=view.rid,
        origin=view.origin,
        origin_name=view.origin_name,
        own=view.own,
        kind=view.kind,
        lang=view.lang,
        title=view.title,
        ver=view.ver,
        updated=view.signed_at,
        fields=len(view.fields),
        withheld=len(view.withheld),
    )


def hit(view: RecordView, snippet: list[tuple[str, bool]] | None = None) -> HitView:
    return HitView(
        rid=view.rid,
        origin=view.origin,
        origin_name=view.origin_name,
        own=view.own,
        kind=view.kind,
        kind_label=view.kind_label,
        lang=view.lang,
        title=[(view.title, False)],
        snippet=snippet or [("They had a ", False), ("plan", True), (" & a <list>", False)],
        topics=["early-warning"],
        regions=["CO"],
        licence="CC-BY-4.0",
        year=2024,
        updated=view.signed_at,
        received_at=view.received_at,
        withheld=len(view.withheld),
    )


def agreement() -> AgreementView:
    return AgreementView(
        id="a1",
        ours=ORIGIN,
        theirs=PARTNER,
        purposes=["learning"],
        kinds=[],
        topics=[],
        passing_on=True,
        attachments=True,
        response_h=72,
        at_end="erase",
        starts=NOW,
        until=None,
        signed_by_us=True,
        signed_by_them=True,
        words=["Both may pass records on."],
    )


def peer(name: str = "Coast School", phase: str = "active") -> PeerView:
    return PeerView(
        node_id=PARTNER,
        name=name,
        phase=phase,
        six_words="river lamp stone bread wind door",
        urls=["https://coast.example"],
        regions=["MX"],
        languages=["es"],
        agreement=agreement(),
        proposal=None,
        sent=12,
        received=30,
        last_sync_at=NOW - 60,
        last_contact_at=NOW - 60,
        next_sync_at=NOW + 60,
        last_error="",
        failures=0,
        misconduct=0,
    )


GRANT = GrantView(
    gid="g1",
    subject="contributor-1",
    rid=RID,
    fields=None,
    terms=TERMS,
    how="a form",
    given_at=NOW,
    withdrawn_at=None,
    active=True,
)
WITHDRAWAL = WithdrawalView(rid=RID, origin=ORIGIN, reason="consent", at=NOW, confirmed=1, waiting=1, overdue=0)


class FakeLibrary:
    """Records by id; `SECRET_RID` is there and nobody may know of it."""

    def __init__(self) -> None:
        self.records = {RID: record()}
        self.drafts: dict[str, Draft] = {}
        self.narrowed: list[tuple[Terms, Sequence[str] | None]] = []

    async def create(
        self, who: Principal, draft: Draft, *, publish: bool = True, source: str = "", source_id: str = ""
    ) -> RecordInfo:
        draft.checked()
        self.drafts[RID] = draft
        return info(record(title=draft.fields["title"], lang=draft.lang))

    async def edit(self, who: Principal, ref: str, draft: Draft) -> RecordInfo:
        return await self.create(who, draft)

    async def draft(self, who: Principal, ref: str) -> Draft:
        if ref not in self.drafts:
            raise NotFound(f"no record {ref}")
        return self.drafts[ref]

    async def narrow(self, who: Principal, ref: str, terms: Terms, fields: Sequence[str] | None = None) -> NarrowView:
        self.narrowed.append((terms, fields))
        return NarrowView(**info(await self.show(who, ref)).model_dump(), narrowed=len(self.narrowed) == 1)

    async def withdraw(self, who: Principal, ref: str, reason: str) -> WithdrawalView:
        return WITHDRAWAL.model_copy(update={"reason": reason})

    async def browse(
        self,
        who: Principal,
        *,
        own: bool | None = None,
        kind: str | None = None,
        lang: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[RecordInfo]:
        shown = [info(r) for r in self.records.values()]
        start = int(after or 0)
        end = start + limit
        return Page[RecordInfo](items=shown[start:end], next=str(end) if end < len(shown) else None)

    async def show(self, who: Principal, ref: str, origin: str | None = None) -> RecordView:
        if ref not in self.records:
            raise NotFound(f"no record {ref}")
        return self.records[ref]

    async def history(self, who: Principal, ref: str) -> Sequence[VersionView]:
        return [VersionView(ver=1, vid="ab", sealed_at=NOW, cause="published", fields=["title"], changed=["title"])]

    async def export(self, who: Principal, ref: str, origin: str | None = None) -> str:
        return "eyJ.eyJ.sig~disclosure~"

    async def verify(self, text: str) -> VerifyView:
        return VerifyView(ok=False, problem=f"{len(text)} characters are no record", code="compact-form")


class FakeImporter:
    """Counts what it is given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def run(
        self, who: Principal, items: AsyncIterable[Any], *, source: str, publish: bool = True
    ) -> AsyncIterator[ImportView]:
        read = 0
        async for item in items:
            self.seen.append(item)
            read += 1
            yield ImportView(read=read, added=read, changed=0, unchanged=0, refused=0)
        yield ImportView(read=read, added=read, changed=0, unchanged=0, refused=0, done=True)


class FakeConsents:
    async def grant(self, who: Principal, **given: Any) -> ConsentEffect:
        return ConsentEffect(grant=GRANT.model_copy(update={"subject": given["subject"]}), records_changed=1)

    async def withdraw(self, who: Principal, gid: str) -> ConsentEffect:
        return ConsentEffect(grant=GRANT, records_changed=1)

    async def list(self, who: Principal, *, subject: str | None = None, ref: str | None = None) -> list[GrantView]:
        return [GRANT]


class FakePeers:
    def __init__(self) -> None:
        self.proposed: Any = None

    async def invite(
        self, who: Principal, *, note: str = "", terms: ProposedAgreement, valid_h: int = 72
    ) -> InviteView:
        self.proposed = terms
        return InviteView(id="i1", link="https://river.example/join#x", text="x", expires_at=NOW + valid_h * 3600)

    async def accept(self, who: Principal, text: str) -> PeerView:
        return peer(phase="proposed")

    async def list(self, who: Principal) -> list[PeerView]:
        return [peer(), peer("مدرسة الساحل", "proposed")]

    async def get(self, who: Principal, ref: str) -> PeerView:
        return peer(ref)

    async def preview(self, who: Principal, ref: str) -> FlowView:
        return FlowView(records=1, fields=4, by_kind={"guide": 1}, examples=["A guide"], withheld=2, reasons={"No.": 2})

    async def approve(self, who: Principal, ref: str) -> PeerView:
        return peer(ref)

    async def suspend(self, who: Principal, ref: str, note: str = "") -> PeerView:
        return peer(ref, "suspended")

    async def resume(self, who: Principal, ref: str, note: str = "") -> PeerView:
        return peer(ref)

    async def end(self, who: Principal, ref: str, note: str = "") -> PeerView:
        return peer(ref, "ended")

    async def block(self, who: Principal, ref: str, note: str = "") -> PeerView:
        return peer(ref, "blocked")

    async def unblock(self, who: Principal, ref: str, note: str = "") -> PeerView:
        return peer(ref, "ended")

    async def propose(self, who: Principal, ref: str, terms: ProposedAgreement) -> PeerView:
        return peer(ref, "proposed")

    async def renew_agreement(self, who: Principal, ref: str, days: int = 365) -> PeerView:
        return peer(ref)


class FakeCircles:
    async def create(self, who: Principal, slug: str, members: Collection[str]) -> CircleView:
        return CircleView(cid=f"z6Mk.{slug}", audience=f"circle:z6Mk.{slug}", own=True, seq=1, members=list(members))

    async def change(
        self, who: Principal, ref: str, *, add: Collection[str] = (), remove: Collection[str] = ()
    ) -> CircleView:
        return CircleView(cid=ref, audience="circle:" + ref, own=True, seq=2, members=sorted(set(add) - set(remove)))

    async def list(self, who: Principal) -> list[CircleView]:
        return [await self.create(who, "north", [PARTNER])]


class FakeSyncing:
    async def sync(self, who: Principal, ref: str | None) -> list[SyncView]:
        return [SyncView(peer="Coast School", node_id=PARTNER, ok=True, error="")]


class FakeFind:
    """Finds whatever `hits` holds and remembers what was asked."""

    def __init__(self) -> None:
        self.hits = [hit(record())]
        self.asked: list[Any] = []
        self.did_you_mean: str | None = None
        self.broken = False

    async def search(self, who: Principal, request: SearchRequest) -> SearchView:
        self.asked.append(request)
        shown = self.hits[request.offset : request.offset + request.limit]
        facets = {
            "kind": [
                FacetValue(value="case_study", label="Case study", count=2),
                FacetValue(value="guide", label="Guide", count=1),
            ],
            "language": [
                FacetValue(value="ar", label="Arabic", count=1),
                FacetValue(value="hi", label="Hindi", count=1),
            ],
            "year": [FacetValue(value="2024", label="2024", count=2), FacetValue(value="2023", label="2023", count=1)],
        }
        return SearchView(
            total=len(self.hits),
            hits=shown,
            facets=facets if self.hits else {},
            did_you_mean=self.did_you_mean,
            took_ms=1.5,
            next=None,
        )

    async def suggest(self, who: Principal, prefix: str) -> list[str]:
        if self.broken:
            raise OSError("the index is gone from /var/lib/secret-place")
        return [prefix + "ood"]

    async def more_like(self, who: Principal, ref: str, origin: str | None = None) -> list[HitView]:
        return list(self.hits)


class FakeCustody:
    async def custody(self, who: Principal, ref: str) -> list[CustodyView]:
        return [
            CustodyView(
                node_id=PARTNER, name="Coast", entry="put", ver=1, fields=["title"], decided_at=NOW, delivered=True,
                confirmed="held", confirmed_at=NOW, overdue=False, direct=True, refused=None,
            )
        ]  # fmt: skip

    async def receipts(self, who: Principal, ref: str) -> list[ReceiptView]:
        return [ReceiptView(holder=PARTNER, holder_name="Coast", rid=ref, ver=1, state="erased", at=NOW, jws="e.e.s")]

    async def withdrawals(self, who: Principal) -> list[WithdrawalView]:
        return [WITHDRAWAL]


class FakeAttachments:
    """One file on disk under a name that the test chooses."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "blob"
        self.path.write_bytes(b"0123456789")
        self.name = "plan.pdf"
        self.media_type = "application/pdf"
        self.taken = b""

    async def attach(
        self,
        who: Principal,
        ref: str,
        name: str,
        media_type: str,
        chunks: AsyncIterable[bytes],
        alt: str = "",
        terms: Terms | None = None,
    ) -> AttachmentView:
        self.taken = b"".join([c async for c in chunks])
        return self._view(ref)

    async def open(
        self, who: Principal, ref: str, field: str, origin: str | None = None
    ) -> tuple[Attachment, Path, int]:
        if field != "attachment:plan":
            raise NotFound(f"no file {field}")
        found = Attachment(name=self.name, media_type=self.media_type, size=10, sha256="ab" * 32, chunks=("ab" * 32,))
        return found, self.path, 10

    async def list(self, who: Principal, ref: str, origin: str | None = None) -> list[AttachmentView]:
        return [self._view(ref)]

    def _view(self, rid: str) -> AttachmentView:
        return AttachmentView(
            rid=rid,
            field="attachment:plan",
            name=self.name,
            media_type=self.media_type,
            size=10,
            sha256="ab" * 32,
            complete=True,
        )


class FakeOps:
    def __init__(self) -> None:
        self.name = "River House"
        self.fails: Exception | None = None

    async def status(self, who: Principal) -> StatusView:
        return StatusView(
            name=self.name, node_id=ORIGIN, regions=["CO", "EC"], languages=["es", "en"], version="0.1.0",
            own_records=1234, received_records=987, withdrawn_records=3, grants=5, peers=2, active_peers=1,
            quarantined=1,
            index_engine="tantivy", index_behind=0, policy="careful", policy_version="ab" * 16, policy_problem="",
            pending_erasures=0, database="sqlite", started_at=NOW, notices=[],
        )  # fmt: skip

    async def doctor(self, who: Principal) -> list[CheckView]:
        if self.fails is not None:
            raise self.fails
        return [CheckView(name="keys", ok=True, detail="fine")]

    async def reindex(self, who: Principal) -> AsyncIterator[tuple[int, int]]:
        if self.fails is not None:
            raise self.fails
        yield 1, 2
        yield 2, 2

    async def policy_check(self, text: str) -> list[str]:
        return [] if text else ["line 1: empty"]

    async def audit(
        self, who: Principal, subject: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Any]:
        entry = {"id": 1, "at": NOW, "actor": "amal", "action": "narrow", "subject": RID, "detail": ""}
        return Page[Any](items=[entry], next="7")


class FakeApp:
    """All of them together, over a real memory store and real accounts."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.entropy = FakeEntropy()
        self.library = self.readings = FakeLibrary()
        self.importer = FakeImporter()
        self.consents = FakeConsents()
        self.peers = FakePeers()
        self.circles = FakeCircles()
        self.syncing = FakeSyncing()
        self.find = FakeFind()
        self.explain, self.foreseeing = FakeExplain(NOW), FakeForeseeing(NOW)
        self.custody = FakeCustody()
        self.attachments = FakeAttachments(folder)
        self.reciting, self.reminding = FakeReciting(), FakeReminding(PARTNER, NOW)
        self.ops = FakeOps()
        self.proposals = FakeProposals(NOW)
        self.reports = FakeReports(RID, ORIGIN, NOW)
        self.audit = FakeAuditing(ORIGIN, PARTNER, NOW)
        self.contributing = FakeContributing(ORIGIN, NOW)
        self.holds = FakeHolds(NOW)
        self.accounts = accounts_on(self.store, self.clock, self.entropy)

    async def token_for(self, role: str, *scopes: str) -> dict[str, str]:
        """An account of the role and the header of a token with the scopes."""
        name = f"{role}-{'-'.join(scopes)}"
        await person(self.accounts, self.store, name, role, admin="admin" in scopes)
        made = await self.accounts.token(LOCAL, name, name, scopes, 30)
        return {"Authorization": f"Bearer {made.secret}"}


def full_record() -> RecordView:
    """A record with every sort of part."""
    return record(
        fields=[
            field("title", "Title", "Flood brigade"),
            field("summary", "Summary", "How a **street** got out in time."),
            field("context", "Context", "Three hundred families.\n\n- a river\n- a road\n\n## Before\n\nNobody left."),
            field(
                "items", "Items", [{"text": "Call eight homes", "role": "Caller", "when": "at once", "required": True}]
            ),
            field("steps", "Steps", [{"title": "Walk", "text": "the *street*", "minutes": 20}, {"title": "Talk"}]),
            field(
                "components",
                "Components",
                [{"title": "A card", "notes": "n", "record": {"rid": ARABIC}}, {"title": "Loose"}],
            ),
            field("placeholders", "Placeholders", [{"name": "DATE", "description": "When", "example": "May"}]),
            field("objectives", "Objectives", ["Know the way", "Know who calls"]),
            field("duration_minutes", "Duration in minutes", 90),
            field("quote:q1", "Quote", {"text": "We *went*.", "by": "R."}, NARROW),
            field("person:p2", "Person", {"name": "Rosa", "role": "caller", "note": "leads"}),
            field("place:l1", "Place", {"name": "The bridge", "note": ""}),
            field("attachment:plan", "File", {"name": "plan.pdf", "media_type": "application/pdf", "size": 2048}),
            field("topics", "Topics", ["early-warning"]),
            field("regions", "Regions", ["CO"]),
            field("period", "Period", {"from": "2023-09", "to": "2024-05"}),
            field("licence", "Licence", "CC-BY-4.0"),
            field("from_a_later_version", "From a later version", {"shape": ["unknown", {"deep": "words"}]}),
        ],
        links=[LinkView(rel="adapted_from", rid=ARABIC, origin=ORIGIN, ver=1, title="دليل الأمان")],
        linked_from=[LinkView(rel="part_of", rid=HINDI, origin=None, ver=None, title=None)],
    )
