"""Stewards of a node in a test: accounts as rows, and what they say in proposals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from governance.gate import Member, Role
from node.principal import ROLE_SCOPES, Principal
from node.proposal_views import ProposalView
from node.proposals.acts import Act
from node.proposals.proposals import Proposals
from node.store.governing import Account, Audit
from tests.world import WorldNode


async def accounts(node: WorldNode, *names: str, role: Role = Role.STEWARD) -> list[Principal]:
    """People with this role, as if they had taken up their invitations."""
    async with node.core.store.write() as tx:
        await tx.put(*[Account(name, role, "a password's hash", node.clock.now()) for name in names])
    return [Principal(name, Member(role, name), ROLE_SCOPES[role], name) for name in names]


async def change_account(node: WorldNode, name: str, **changes: Any) -> None:
    """As if it were changed some other way."""
    async with node.core.store.write() as tx:
        row = await tx.get(Account, name)
        assert row is not None
        await tx.put(replace(row, **changes))


async def agreed(proposals: Proposals, act: Act, *who: Principal) -> ProposalView:
    """Proposed by the first, and all of them said yes to what they saw."""
    view = await proposals.propose(who[0], act)
    for one in who:
        view = await proposals.vote(one, view.pid, "yes", view.hash)
    return view


async def noted(node: WorldNode, action: str) -> list[Audit]:
    """What the log has of one sort of action."""
    async with node.core.store.read() as tx:
        return await tx.find(Audit, {"action": action}, order="id")
