"""Proposals to rotate the node's keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from governance.speech import Say
from node.core import Core
from node.keyring import Keyring
from node.peerbook import read_history, write_history
from node.previews.previews import WhatIf
from node.proposals.acts import KeyRotate
from node.proposals.doing import Carried
from node.rotating import check_next, put_in_place, rotated, stage
from node.stewards import By
from node.store.port import Reader, Writer
from node.store.rows import OriginRow


class Rotations:
    """The committed next key takes over; `folder` holds the key files, `renewed` hears of keys in use."""

    def __init__(self, core: Core, folder: Path, renewed: Callable[[Keyring], None]) -> None:
        self._core = core
        self._folder = folder
        self._renewed = renewed

    async def settle(self, tx: Reader, act: KeyRotate) -> KeyRotate:
        """The next key is here."""
        check_next(self._folder, read_history((await self._own(tx)).history))
        return act.model_copy(update={"fresh": tuple(sorted(set(act.fresh)))})

    async def what_if(self, tx: Reader, act: KeyRotate) -> WhatIf | None:
        """Nothing travels by it."""
        return None

    async def words(self, tx: Reader, act: KeyRotate, say: Say) -> list[str]:
        """Which keys."""
        out = [
            say("The next identity key, which this node has committed to, takes over; a fresh next one is made."),
            say("Partners follow by themselves, and records of before stay valid."),
        ]
        if act.fresh:
            out.append(say("Also drawn anew: the keys for {keys}.", keys=say.both(list(act.fresh))))
        return out

    async def carry(self, tx: Writer, act: KeyRotate, by: By) -> Carried:
        """Write the keys beside the old ones, and the rotation into the history; after the commit they are moved."""
        core, own = self._core, await self._own(tx)
        before, history = core.keys, read_history(own.history)
        keys = stage(self._folder, before, history, act.fresh, core.entropy)
        new = rotated(history, keys, act.fresh, core.now())
        await tx.put(OriginRow(own.node_id, write_history(new), own.name))
        await core.audit(tx, by.actor, "key.rotate", core.node_id, by.detail)
        earliest = core.earliest
        # Nobody else writes now, so nothing is sealed with a key that has ended; undone if the commit fails.
        core.keys, core.earliest = keys, new.current.iat

        def undo() -> None:
            core.keys, core.earliest = before, earliest

        async def after() -> None:
            self._renewed(keys)
            put_in_place(self._folder)

        return Carried(core.node_id, after, undo)

    async def _own(self, tx: Reader) -> OriginRow:
        own = await tx.get(OriginRow, self._core.node_id)
        assert own is not None, "open_app writes our own history before anything else runs"
        return own
