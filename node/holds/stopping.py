"""What is stopped at this node in this moment: the emergency holds in force, and what origins ask to hide."""

from __future__ import annotations

from collections.abc import Collection

from governance.holds import NO_STOPS, Scope, Stops
from node.store.governing import HideRow, HoldRow
from node.store.port import Reader


async def stops_in_force(reader: Reader, node_id: str, without: Collection[str] = ()) -> Stops:
    """All that stops records here, but for some holds; our own hides only repeat our holds."""
    holds = [h for h in await reader.find(HoldRow, {"lifted_at": None}) if h.hid not in without]
    hides = [h for h in await reader.find(HideRow, {"on": True}) if h.origin != node_id]
    if not holds and not hides:
        return NO_STOPS
    return Stops(
        everything=any(h.scope == Scope.ALL for h in holds),
        records=frozenset((h.origin, h.target) for h in holds if h.scope == Scope.RECORD),
        circles=frozenset(h.target for h in holds if h.scope == Scope.CIRCLE),
        peers=frozenset(h.target for h in holds if h.scope == Scope.PEER),
        hidden_origins=frozenset(h.origin for h in hides if h.scope in (Scope.ALL, Scope.PEER)),
        hidden_records=frozenset((h.origin, h.target) for h in hides if h.scope == Scope.RECORD),
        hidden_circles=frozenset((h.origin, h.target) for h in hides if h.scope == Scope.CIRCLE),
    )
