"""Proposals to lift an emergency hold: one steward is enough to set it, not to lift it."""

from __future__ import annotations

from governance.speech import Say
from node.core import Core
from node.holds.holding import in_force, lift
from node.previews.previews import WhatIf
from node.proposals.acts import HoldLift
from node.proposals.doing import Carried
from node.stewards import By
from node.store.governing import HoldRow
from node.store.port import Reader, Writer


class Lifts:
    """Lifting."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def settle(self, tx: Reader, act: HoldLift) -> HoldLift:
        """A hold that is in force."""
        return act.model_copy(update={"hold": (await in_force(tx, act.hold)).hid})

    async def what_if(self, tx: Reader, act: HoldLift) -> WhatIf | None:
        """Without it."""
        return WhatIf(lifted=frozenset({act.hold}))

    async def words(self, tx: Reader, act: HoldLift, say: Say) -> list[str]:
        """What is let go."""
        row = await tx.get(HoldRow, act.hold)
        if row is None:
            return []
        if row.scope == "all":
            return [say("The emergency hold on everything is lifted.")]
        return [say("The emergency hold on {scope} {target} is lifted.", scope=say(row.scope), target=row.target)]

    async def carry(self, tx: Writer, act: HoldLift, by: By) -> Carried:
        """Lift it."""
        row = await lift(self._core, tx, act.hold, by.actor, by.detail)
        return Carried(row.hid)
