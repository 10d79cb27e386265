"""Who decides here: the stewards of this moment, and whether one of them is enough (DESIGN 9).

Stewards are accounts in use, with that role and a password. Where there is none, the local administrator is the one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.accounts.desk import stewards
from node.errors import NodeError, NotNow
from node.principal import LOCAL, Principal
from node.proposal_views import ProposalView
from node.store.port import Reader

if TYPE_CHECKING:
    from node.core import Core
    from node.proposals.acts import Act

ONE_STEWARD: Final = "one steward"


class Pending(NodeError):
    """Not refused and not done: it became a proposal, on which the other stewards vote."""

    status = 202
    exit_code = 0
    kind = "pending"

    def __init__(self, view: ProposalView) -> None:
        super().__init__(f"Proposal {view.pid} is open: {view.next}")
        self.view = view


@dataclass(frozen=True, slots=True)
class By:
    """Under whose name an act is carried out, what the log adds to it, and the proposal that it was, if it was one."""

    actor: str
    detail: str = ""
    pid: str = ""


async def electorate(reader: Reader) -> frozenset[str]:
    """Who votes: the stewards, or the local administrator where there is none."""
    return frozenset(await stewards(reader)) or frozenset({LOCAL.actor})


def voter(who: Principal) -> str:
    """The name under which somebody votes."""
    return who.account or who.actor


async def alone(core: Core, who: Principal, act: Act) -> By:
    """Leave for the one who asks, if they are enough; else the act becomes a proposal and `Pending` is raised."""
    async with core.store.read() as tx:
        deciding = await electorate(tx)
    if deciding == {voter(who)}:
        return By(who.actor, ONE_STEWARD if who.account else "")  # the administrator's own name says it already
    if core.propose is None:
        raise NotNow(f"{len(deciding)} steward(s) decide this here: make a proposal")
    raise Pending(await core.propose(who, act))
