"""The worker behind the audit log: each entry gets its leaf, in the order of `id`, and then the log a signed head.

It follows what was committed and is in no writer's way: after a crash at any moment it goes on where the rows say it
is. Entries from before there was a tree join it the same way.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from federation.checkpoint import LOG_SIGNATURE, Head, key_id, origin_of, read_note, sign_head
from federation.transcript import SALT_BYTES, entry_leaf, text_digest
from node.audit.tree import BLOCK, TreeBroken, grow, read_frontier, recheck
from node.core import Core
from node.store.governing import Audit, Checkpoint
from node.store.port import Reader, Writer

log = logging.getLogger("commonweave.audit")

BATCH: Final = 512  # entries a transaction: it holds up whoever writes for some hundredths of a second at most
KEEP: Final = 16  # heads that peers may still be cosigning; older ones stay if they have a witness of their own
RECHECK_BLOCKS: Final = 32  # a portion reads 8,192 leaves; a log of a million entries is read again in two hours
RECHECK_S: Final = 60


class Log:
    """Follows the audit log of a node."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._next_block = 0
        self._recheck_at = 0
        self.problems: tuple[str, ...] = ()  # what the last look at the leaves found

    async def follow(self) -> None:
        """Bring tree and checkpoint up to date, and look at a portion of the leaves again where it is time."""
        while await self.append():
            pass
        await self._recheck()

    async def append(self) -> int:
        """Give a batch of new entries their leaves, and sign the head they make; how many there were."""
        async with self._core.store.read() as tx:
            if not await self._behind(tx):
                return 0
        async with self._core.store.write() as tx:
            return await self.append_in(tx)

    async def append_in(self, tx: Writer) -> int:
        """The same inside a transaction."""
        if not await self._behind(tx):
            return 0
        rows = await tx.find(Audit, {"n": None}, order="id", limit=BATCH)
        frontier = await read_frontier(tx)
        salts = self._core.entropy.draw(SALT_BYTES * len(rows)) if rows else b""
        made = [
            _placed(row, frontier.size + at, salts[at * SALT_BYTES : (at + 1) * SALT_BYTES])
            for at, row in enumerate(rows)
        ]
        await tx.put_many(made)
        try:
            frontier = await grow(tx, frontier, [row.leaf for row in made if row.leaf is not None])
        except TreeBroken as error:  # an older leaf of this block is gone: the log goes on, its proofs will not hold
            log.error("%s", error)
            frontier = frontier.extend(row.leaf for row in made if row.leaf is not None)
        await self._sign(tx, Head(self._core.node_id, frontier.size, frontier.root()))
        return len(rows)

    async def _behind(self, tx: Reader) -> bool:
        if await tx.find(Audit, {"n": None}, limit=1):
            return True
        newest = await newest_checkpoint(tx)
        return newest is not None and not self._signed_by_us(newest)

    def _signed_by_us(self, row: Checkpoint) -> bool:
        """False after a change of the log key: the head is signed again."""
        due = key_id(origin_of(self._core.node_id), LOG_SIGNATURE, self._core.keys.log.public)
        return any(s.key_id == due for s in read_note(row.note).bare().signatures)

    async def _sign(self, tx: Writer, head: Head) -> None:
        note = sign_head(head, self._core.keys.log)
        await tx.put(Checkpoint(head.size, head.root, note.text(), self._core.now()))
        await _prune(tx)

    async def _recheck(self) -> None:
        """Read a portion of the leaves again; blocks follow the leaves, so that proofs tell the truth."""
        now = self._core.now()
        if now < self._recheck_at:
            return
        self._recheck_at = now + RECHECK_S
        async with self._core.store.read() as tx:
            size = (await read_frontier(tx)).size
            changed, wrong = await recheck(tx, self._next_block, RECHECK_BLOCKS)
        following = self._next_block + RECHECK_BLOCKS
        self._next_block = 0 if following * BLOCK >= size else following
        if changed:
            async with self._core.store.write() as tx:
                await tx.put_many(changed)
        for problem in wrong:
            log.error("%s", problem)
        if wrong:
            self.problems = tuple(dict.fromkeys((*self.problems, *wrong)))


def _placed(row: Audit, n: int, salt: bytes) -> Audit:
    digest = text_digest(salt, row.actor, row.subject, row.detail)
    return replace(row, n=n, salt=salt, leaf=entry_leaf(row.action, row.at, digest))


async def newest_checkpoint(tx: Reader) -> Checkpoint | None:
    """The newest signed head."""
    rows = await tx.find(Checkpoint, order="size", descending=True, limit=1)
    return rows[0] if rows else None


async def _prune(tx: Writer) -> None:
    """Keep the newest heads, and of each witness the newest head that it cosigned."""
    rows = await tx.find(Checkpoint, order="size", descending=True)
    seen: set[str] = set()
    for at, row in enumerate(rows):
        names = {s.name for s in read_note(row.note).signatures[1:]}
        if at >= KEEP and names <= seen:
            await tx.delete(Checkpoint, {"size": row.size})
        seen |= names
