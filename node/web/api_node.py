"""API operations on peers, circles and the node itself. Each is one call of a use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from node.agreements import ProposedAgreement
from node.errors import BadInput, NotAllowed
from node.peer_views import CircleView, FlowView, InviteView, PeerView, SyncView
from node.principal import Principal, Scope
from node.views import CheckView, Page, StatusView, View
from node.web.cursors import unwrap, wrap
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import (
    AcceptBody,
    CircleBody,
    InviteBody,
    MembersBody,
    NoteBody,
    PageQuery,
    PolicyBody,
    SyncBody,
)

AUDIT: Final = "audit"


class Progress(View):
    """How far a long work has come."""

    done: int
    total: int


class PolicyProblems(View):
    """What stands against a policy text, by line; empty when it could be put in force."""

    problems: list[str]


class PolicyState(View):
    """The policy in force; with a problem nothing is shared."""

    name: str
    version: str
    problem: str


class AuditEntry(View):
    """One thing that was done; `n` is its number in the log, null for the second until it has one."""

    id: int
    n: int | None = None
    at: int
    actor: str
    action: str
    subject: str
    detail: str


async def show_status(app: AppPort, who: Principal) -> StatusView:
    """The node at a glance, for its members."""
    if not who.known:
        raise NotAllowed("the figures of this node are for its members")
    return await app.ops.status(who)


async def run_doctor(app: AppPort, who: Principal) -> list[CheckView]:
    """Check keys, database, index, policy and peers, with a remedy for each finding."""
    return list(await app.ops.doctor(who))


async def list_audit(app: AppPort, who: Principal, query: PageQuery) -> Page[AuditEntry]:
    """What was done here, by whom, newest first."""
    page = await app.ops.audit(who, query.subject, unwrap(AUDIT, query.after), query.limit)
    entries = [AuditEntry.model_validate(item, from_attributes=True) for item in page.items]
    return Page[AuditEntry](items=entries, next=wrap(AUDIT, page.next))


async def show_policy(app: AppPort, who: Principal) -> PolicyState:
    """The policy in force."""
    status = await app.ops.status(who)
    return PolicyState(name=status.policy, version=status.policy_version, problem=status.policy_problem)


async def check_policy(app: AppPort, body: PolicyBody) -> PolicyProblems:
    """Read a policy text and say what stands against it; nothing changes."""
    return PolicyProblems(problems=list(await app.ops.policy_check(body.text)))


async def reindex(app: AppPort, who: Principal) -> AsyncIterator[Progress]:
    """Build the search index anew from the database; progress a line."""
    async for done, total in app.ops.reindex(who):
        yield Progress(done=done, total=total)


async def sync_now(app: AppPort, who: Principal, body: SyncBody) -> list[SyncView]:
    """Talk to one peer, or to all, now."""
    return list(await app.syncing.sync(who, body.peer))


async def list_peers(app: AppPort, who: Principal) -> list[PeerView]:
    """The nodes we have met and where we are with each."""
    return list(await app.peers.list(who))


async def invite_peer(app: AppPort, who: Principal, body: InviteBody) -> InviteView:
    """Make a one-time invitation with a proposed agreement."""
    return await app.peers.invite(who, note=body.note, terms=body.terms, valid_h=body.valid_h)


async def accept_invite(app: AppPort, who: Principal, body: AcceptBody) -> PeerView:
    """Open an invitation; nothing flows before both sides approve."""
    return await app.peers.accept(who, body.text)


async def show_peer(app: AppPort, who: Principal, ref: str) -> PeerView:
    """One peer, by id, unique beginning of it, or name."""
    return await app.peers.get(who, ref)


async def preview_peer(app: AppPort, who: Principal, ref: str) -> FlowView:
    """What would flow to a peer under the agreement: counts and examples by the real gate."""
    return await app.peers.preview(who, ref)


async def approve_peer(app: AppPort, who: Principal, ref: str) -> PeerView:
    """Sign the agreement; it is active when both sides have."""
    return await app.peers.approve(who, ref)


async def suspend_peer(app: AppPort, who: Principal, ref: str, body: NoteBody) -> PeerView:
    """Stop sharing with a peer for now; withdrawals still reach it."""
    return await app.peers.suspend(who, ref, body.note)


async def resume_peer(app: AppPort, who: Principal, ref: str, body: NoteBody) -> PeerView:
    """Go on after a suspension."""
    return await app.peers.resume(who, ref, body.note)


async def end_peer(app: AppPort, who: Principal, ref: str, body: NoteBody) -> PeerView:
    """End the agreement; copies are treated as it says."""
    return await app.peers.end(who, ref, body.note)


async def block_peer(app: AppPort, who: Principal, ref: str, body: NoteBody) -> PeerView:
    """Have no more to do with a peer than withdrawals."""
    return await app.peers.block(who, ref, body.note)


async def unblock_peer(app: AppPort, who: Principal, ref: str, body: NoteBody) -> PeerView:
    """Lift a block; a new agreement is needed to share again."""
    return await app.peers.unblock(who, ref, body.note)


async def propose_to_peer(app: AppPort, who: Principal, ref: str, body: ProposedAgreement) -> PeerView:
    """Propose a new agreement: to come back, or to change the present one."""
    return await app.peers.propose(who, ref, body)


async def list_circles(app: AppPort, who: Principal) -> list[CircleView]:
    """Circles we own or belong to."""
    return list(await app.circles.list(who))


async def create_circle(app: AppPort, who: Principal, body: CircleBody) -> CircleView:
    """Make a circle of nodes."""
    return await app.circles.create(who, body.slug, await _node_ids(app, who, body.members))


async def change_members(app: AppPort, who: Principal, cid: str, body: MembersBody) -> CircleView:
    """Add nodes to a circle of ours, or remove them; who is removed must give copies back."""
    if not body.add and not body.remove:
        raise BadInput("name at least one member to add or to remove")
    add, remove = await _node_ids(app, who, body.add), await _node_ids(app, who, body.remove)
    return await app.circles.change(who, cid, add=add, remove=remove)


async def _node_ids(app: AppPort, who: Principal, refs: list[str]) -> list[str]:
    """Node ids as they are; anything else is a peer's name or the beginning of its id."""
    return [ref if ref.startswith("did:key:z") else (await app.peers.get(who, ref)).node_id for ref in refs]


OPERATIONS: Final = (
    Operation("GET", "/status", Scope.READ, show_status),
    Operation("GET", "/doctor", Scope.STEWARD, run_doctor),
    Operation("GET", "/audit", Scope.STEWARD, list_audit),
    Operation("GET", "/policy", Scope.STEWARD, show_policy),
    Operation("POST", "/policy/check", Scope.STEWARD, check_policy),
    Operation("POST", "/reindex", Scope.ADMIN, reindex),
    Operation("POST", "/sync", Scope.WRITE, sync_now),
    Operation("GET", "/peers", Scope.STEWARD, list_peers),
    Operation("POST", "/peers/invite", Scope.STEWARD, invite_peer, 201),
    Operation("POST", "/peers/accept", Scope.STEWARD, accept_invite, 201),
    Operation("GET", "/peers/{ref}", Scope.STEWARD, show_peer),
    Operation("GET", "/peers/{ref}/preview", Scope.STEWARD, preview_peer),
    Operation("POST", "/peers/{ref}/approve", Scope.STEWARD, approve_peer),
    Operation("POST", "/peers/{ref}/suspend", Scope.STEWARD, suspend_peer),
    Operation("POST", "/peers/{ref}/resume", Scope.STEWARD, resume_peer),
    Operation("POST", "/peers/{ref}/end", Scope.STEWARD, end_peer),
    Operation("POST", "/peers/{ref}/block", Scope.STEWARD, block_peer),
    Operation("POST", "/peers/{ref}/unblock", Scope.STEWARD, unblock_peer),
    Operation("POST", "/peers/{ref}/propose", Scope.STEWARD, propose_to_peer),
    Operation("GET", "/circles", Scope.WRITE, list_circles),
    Operation("POST", "/circles", Scope.STEWARD, create_circle, 201),
    Operation("POST", "/circles/{cid}/members", Scope.STEWARD, change_members),
)
