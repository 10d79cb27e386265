"""API operations on the audit log: its head, proofs, the whole of it, and how peers stand to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from pydantic import Field

from node.audit.views import CheckpointView, ErasedView, ExportLine, LogCheckView, ProofDocument, WitnessedView
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given

MAX_REASON_CHARS: Final = 300  # a sentence; it stays in the log


class ReasonBody(Given):
    """Why, in a sentence that names nobody: it stays in the log."""

    reason: str = Field(default="", max_length=MAX_REASON_CHARS)


async def show_checkpoint(app: AppPort, who: Principal) -> CheckpointView:
    """The newest signed head of the audit log, with the peers that have cosigned it."""
    return await app.audit.checkpoint(who)


async def export_audit(app: AppPort, who: Principal) -> AsyncIterator[ExportLine]:
    """The whole audit log with all that is needed to check it elsewhere, a line an entry."""
    async for line in app.audit.export(who):
        yield line


async def verify_audit(app: AppPort, who: Principal) -> LogCheckView:
    """Check every entry, the tree and the signed head in this node's own database."""
    return await app.audit.verify(who)


async def prove_entry(app: AppPort, who: Principal, entry: str) -> ProofDocument:
    """The proof that an entry, by its number, is in the audit log."""
    return await app.audit.prove(who, entry)


async def erase_entry(app: AppPort, who: Principal, entry: str, body: ReasonBody) -> ErasedView:
    """Take the text out of an entry, for ever and from disk; what was done and when stay, and all proofs hold."""
    return await app.audit.erase(who, entry, body.reason)


async def list_witnessed(app: AppPort, who: Principal) -> list[WitnessedView]:
    """The audit logs of peers as this node has witnessed them, with alarms."""
    return list(await app.audit.witnessed(who))


async def accept_log(app: AppPort, who: Principal, ref: str, body: ReasonBody) -> WitnessedView:
    """Go on from a peer's log as it showed it last, though it contradicts what was witnessed."""
    return await app.audit.accept(who, ref, body.reason)


OPERATIONS: Final = (
    Operation("GET", "/audit/checkpoint", Scope.STEWARD, show_checkpoint),
    Operation("POST", "/audit/export", Scope.STEWARD, export_audit),
    Operation("GET", "/audit/verify", Scope.STEWARD, verify_audit),
    Operation("GET", "/audit/entries/{entry}/proof", Scope.STEWARD, prove_entry),
    Operation("POST", "/audit/entries/{entry}/erase", Scope.STEWARD, erase_entry),
    Operation("GET", "/audit/witnessed", Scope.STEWARD, list_witnessed),
    Operation("POST", "/peers/{ref}/accept-log", Scope.STEWARD, accept_log),
)
