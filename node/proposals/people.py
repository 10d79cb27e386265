"""Proposals on who is a steward. The last one cannot be removed: somebody has to be able to decide."""

from __future__ import annotations

from governance.gate import Role
from governance.speech import Say
from node.accounts.desk import account, set_role, stewards
from node.core import Core
from node.errors import NotNow
from node.previews.previews import WhatIf
from node.proposals.acts import StewardAdd, StewardRemove
from node.proposals.doing import Carried
from node.stewards import By
from node.store.port import Reader, Writer


class NewStewards:
    """Adding one."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def settle(self, tx: Reader, act: StewardAdd) -> StewardAdd:
        """An account in use, that has taken up its invitation and is no steward yet."""
        row = await account(tx, act.account)
        if row.role == Role.STEWARD:
            raise NotNow(f"{row.name!r} is a steward already")
        if not row.password:
            raise NotNow(f"{row.name!r} has not taken up the invitation yet: wait until they have a password")
        return act.model_copy(update={"account": row.name})

    async def what_if(self, tx: Reader, act: StewardAdd) -> WhatIf | None:
        """Nothing travels by it."""
        return None

    async def words(self, tx: Reader, act: StewardAdd, say: Say) -> list[str]:
        """Who."""
        return [say("{name} becomes a steward and decides with the others.", name=act.account)]

    async def carry(self, tx: Writer, act: StewardAdd, by: By) -> Carried:
        """From the commit on."""
        await self.settle(tx, act)
        await set_role(tx, act.account, Role.STEWARD)
        await self._core.audit(tx, by.actor, "steward.add", act.account, by.detail)
        return Carried(act.account)


class FormerStewards:
    """Removing one."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def settle(self, tx: Reader, act: StewardRemove) -> StewardRemove:
        """A steward, and not the last one."""
        row = await account(tx, act.account)
        if row.role != Role.STEWARD:
            raise NotNow(f"{row.name!r} is no steward")
        if not set(await stewards(tx)) - {row.name}:
            raise NotNow(f"{row.name!r} is the last steward: make somebody else a steward first")
        return act.model_copy(update={"account": row.name})

    async def what_if(self, tx: Reader, act: StewardRemove) -> WhatIf | None:
        """Nothing travels by it."""
        return None

    async def words(self, tx: Reader, act: StewardRemove, say: Say) -> list[str]:
        """Who, and as what they go on."""
        return [say("{name} is no longer a steward, and goes on as {role}.", name=act.account, role=act.role)]

    async def carry(self, tx: Writer, act: StewardRemove, by: By) -> Carried:
        """From the commit on; their votes on open proposals count no more."""
        await self.settle(tx, act)
        await set_role(tx, act.account, act.role)
        await self._core.audit(tx, by.actor, "steward.remove", act.account, by.detail)
        return Carried(act.account)
