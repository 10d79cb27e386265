"""API operations on records, their files and consents. Each is one call of a use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from pydantic import ValidationError

from governance.record import Draft
from node.explaining.views import ExplainedView
from node.imports.item import ImportItem, Outcome, Unreadable, check_item, first_problem
from node.principal import Principal, Scope
from node.views import (
    AttachmentView,
    ConsentEffect,
    CustodyView,
    GrantView,
    HitView,
    ImportLine,
    ImportView,
    NarrowView,
    Page,
    ReceiptView,
    RecordInfo,
    RecordView,
    SearchView,
    VerifyView,
    VersionView,
    WithdrawalView,
)
from node.web.cursors import unwrap, wrap
from node.web.downloads import FileAnswer
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import (
    AttachQuery,
    ConsentBody,
    ConsentQuery,
    CreateBody,
    ExplainQuery,
    ImportQuery,
    ListQuery,
    NarrowBody,
    OriginQuery,
    SearchQuery,
    SuggestQuery,
    WithdrawBody,
)
from node.web.searching import check_kinds, check_purposes, run_search

RECORDS: Final = "records"


async def list_records(app: AppPort, who: Principal, query: ListQuery) -> Page[RecordInfo]:
    """Records that you may see, newest change first."""
    page = await app.readings.browse(
        who, own=query.own, kind=query.kind, lang=query.lang, after=unwrap(RECORDS, query.after), limit=query.limit
    )
    if query.kind is not None and not query.after:
        check_kinds((query.kind,), {item.kind for item in page.items})
    return page.model_copy(update={"next": wrap(RECORDS, page.next)})


async def create_record(app: AppPort, who: Principal, body: CreateBody) -> RecordInfo:
    """Write a record, and publish it unless told otherwise."""
    return await app.library.create(who, body.draft(), publish=body.publish)


async def show_record(app: AppPort, who: Principal, ref: str, query: OriginQuery) -> RecordView:
    """A record as you may see it, with its provenance and what is withheld and why."""
    return await app.readings.show(who, ref, query.origin)


async def show_draft(app: AppPort, who: Principal, ref: str) -> Draft:
    """What the editor wrote, for an own record."""
    return await app.library.draft(who, ref)


async def edit_draft(app: AppPort, who: Principal, ref: str, body: Draft) -> RecordInfo:
    """Replace what was written; a published record gets a new version."""
    return await app.library.edit(who, ref, body)


async def list_versions(app: AppPort, who: Principal, ref: str) -> list[VersionView]:
    """The sealed versions of an own record."""
    return list(await app.readings.history(who, ref))


async def export_record(app: AppPort, who: Principal, ref: str, query: OriginQuery) -> str:
    """The signed record, with the fields that you may have, as a compact SD-JWT."""
    return await app.readings.export(who, ref, query.origin)


async def more_like_record(app: AppPort, who: Principal, ref: str, query: OriginQuery) -> list[HitView]:
    """Records like this one."""
    return list(await app.find.more_like(who, ref, query.origin))


async def narrow_record(app: AppPort, who: Principal, ref: str, body: NarrowBody) -> NarrowView:
    """Narrow a record's terms, or those of some fields; what was sent under wider ones is retracted."""
    return await app.library.narrow(who, ref, body.terms.terms(), body.fields)


async def withdraw_record(app: AppPort, who: Principal, ref: str, body: WithdrawBody) -> WithdrawalView:
    """Take a record back everywhere, for ever."""
    return await app.library.withdraw(who, ref, body.reason)


async def explain_record(app: AppPort, who: Principal, ref: str, query: ExplainQuery) -> ExplainedView:
    """Why somebody gets what of a record: grants, agreement and rules in words."""
    return await app.explain.explain(who, ref, query.to, query.origin, query.field)


async def list_custody(app: AppPort, who: Principal, ref: str) -> list[CustodyView]:
    """Who has what of a record, and who has confirmed."""
    return list(await app.custody.custody(who, ref))


async def list_receipts(app: AppPort, who: Principal, ref: str) -> list[ReceiptView]:
    """The holders' signed statements about a record."""
    return list(await app.custody.receipts(who, ref))


async def list_withdrawals(app: AppPort, who: Principal) -> list[WithdrawalView]:
    """Withdrawals and how far they have come."""
    return list(await app.custody.withdrawals(who))


async def attach_file(
    app: AppPort, who: Principal, ref: str, query: AttachQuery, chunks: AsyncIterator[bytes]
) -> AttachmentView:
    """Add a file to an own record; the body is its bytes."""
    return await app.attachments.attach(who, ref, query.name, query.media_type, chunks, query.alt)


async def list_attachments(app: AppPort, who: Principal, ref: str, query: OriginQuery) -> list[AttachmentView]:
    """The files beside a record."""
    return list(await app.attachments.list(who, ref, query.origin))


async def download_attachment(app: AppPort, who: Principal, ref: str, field: str, query: OriginQuery) -> FileAnswer:
    """A file's bytes; ranges are served."""
    found, path, _total = await app.attachments.open(who, ref, field, query.origin)
    return FileAnswer(path, found.name, found.media_type)


async def import_items(
    app: AppPort, who: Principal, query: ImportQuery, lines: AsyncIterator[bytes]
) -> AsyncIterator[ImportView]:
    """Bring in a library: one item a line, progress a line; a bad line is reported and the next one taken."""
    async for view in app.importer.run(who, _items(lines), source=query.source, publish=query.publish):
        yield view


async def _items(lines: AsyncIterator[bytes]) -> AsyncIterator[Outcome]:
    number = 0
    async for line in lines:
        number += 1
        if line.strip():
            yield _item(number, line)


def _item(number: int, line: bytes) -> Outcome:
    try:
        if b'"problem"' in line[:2_000] and b'"draft"' not in line:
            return ImportLine.model_validate_json(line)  # what the client could not read, for the one report
        return check_item(ImportItem.model_validate_json(line))
    except ValidationError as error:
        return ImportLine(line=number, source_id="", problem=first_problem(error))
    except Unreadable as error:
        return ImportLine(line=number, source_id="", problem=str(error))


async def list_consents(app: AppPort, who: Principal, query: ConsentQuery) -> list[GrantView]:
    """Contributors' permissions."""
    return list(await app.consents.list(who, subject=query.subject, ref=query.rid))


async def grant_consent(app: AppPort, who: Principal, body: ConsentBody) -> ConsentEffect:
    """Note a contributor's permission; it takes effect at once."""
    return await app.consents.grant(
        who,
        subject=body.subject,
        terms=body.terms.terms(),
        how=body.how,
        ref=body.rid,
        fields=body.fields,
        given_at=body.given_at,
    )


async def withdraw_consent(app: AppPort, who: Principal, gid: str) -> ConsentEffect:
    """Note that a permission is taken back; what rested on it alone is retracted."""
    return await app.consents.withdraw(who, gid)


async def search_records(app: AppPort, who: Principal, query: SearchQuery) -> SearchView:
    """Find records: words, "phrases", prefix*, -not; filters and counts."""
    check_purposes(query.purpose)
    found = await run_search(app, who, query)
    check_kinds(query.kind, {counted.value for counted in found.facets.get("kind", ())})
    return found


async def suggest_words(app: AppPort, who: Principal, query: SuggestQuery) -> list[str]:
    """Words that begin like this, from records that you may see."""
    return list(await app.find.suggest(who, query.q))


async def verify_text(app: AppPort, text: str) -> VerifyView:
    """What an exported record proves."""
    return await app.readings.verify(text)


OPERATIONS: Final = (
    Operation("GET", "/records", Scope.READ, list_records),
    Operation("POST", "/records", Scope.WRITE, create_record, 201),
    Operation("GET", "/records/{ref}", Scope.READ, show_record),
    Operation("GET", "/records/{ref}/draft", Scope.WRITE, show_draft),
    Operation("PUT", "/records/{ref}/draft", Scope.WRITE, edit_draft),
    Operation("GET", "/records/{ref}/history", Scope.WRITE, list_versions),
    Operation("GET", "/records/{ref}/export", Scope.READ, export_record),
    Operation("GET", "/records/{ref}/more", Scope.READ, more_like_record),
    Operation("POST", "/records/{ref}/narrow", Scope.WRITE, narrow_record),
    Operation("POST", "/records/{ref}/withdraw", Scope.WRITE, withdraw_record),
    Operation("GET", "/records/{ref}/explain", Scope.WRITE, explain_record),
    Operation("GET", "/records/{ref}/custody", Scope.WRITE, list_custody),
    Operation("GET", "/records/{ref}/receipts", Scope.WRITE, list_receipts),
    Operation("GET", "/records/{ref}/attachments", Scope.READ, list_attachments),
    Operation("POST", "/records/{ref}/attachments", Scope.WRITE, attach_file, 201),
    Operation("GET", "/records/{ref}/attachments/{field}", Scope.READ, download_attachment),
    Operation("GET", "/withdrawals", Scope.WRITE, list_withdrawals),
    Operation("POST", "/import", Scope.WRITE, import_items),
    Operation("GET", "/consents", Scope.WRITE, list_consents),
    Operation("POST", "/consents", Scope.WRITE, grant_consent, 201),
    Operation("POST", "/consents/{gid}/withdraw", Scope.WRITE, withdraw_consent),
    Operation("GET", "/search", Scope.READ, search_records),
    Operation("GET", "/suggest", Scope.READ, suggest_words),
    Operation("POST", "/verify", Scope.READ, verify_text),
)
