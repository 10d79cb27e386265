"""API operations on emergency holds. Each is one call of a use case."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from node.holds.holding import MAX_NOTE_CHARS
from node.holds.views import HoldView
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given


class HoldBody(Given):
    """What to stop: `target` names a record, a peer or a circle; it is empty for all."""

    scope: Literal["record", "peer", "circle", "all"]
    target: str = Field(default="", max_length=300)
    note: str = Field(default="", max_length=MAX_NOTE_CHARS)
    origin: str | None = None


class HoldsQuery(Given):
    """Which holds: those in force, or every one there ever was."""

    every: bool = False


async def list_holds(app: AppPort, who: Principal, query: HoldsQuery) -> list[HoldView]:
    """What is on hold here, and what its origins ask to hide."""
    return list(await app.holds.list(who, every=query.every))


async def put_on_hold(app: AppPort, who: Principal, body: HoldBody) -> HoldView:
    """Stop a record, a peer, a circle or everything, before this request returns."""
    return await app.holds.hold(who, body.scope, body.target, body.note, body.origin)


async def lift_hold(app: AppPort, who: Principal, hold_id: str) -> HoldView:
    """Let a hold go, or propose to where more than one steward decides."""
    return await app.holds.lift(who, hold_id)


OPERATIONS: Final = (
    Operation("GET", "/holds", Scope.WRITE, list_holds),
    Operation("POST", "/holds", Scope.STEWARD, put_on_hold, 201),
    Operation("POST", "/holds/{hold_id}/lift", Scope.STEWARD, lift_hold),
)
