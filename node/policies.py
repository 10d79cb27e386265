"""The policy in force: read from the steward's file, kept in the database, replaced whole when the file changes.

A file that cannot be read never takes anything back by mistake: the last good policy goes on deciding what must go,
and nothing new is shared until it is mended.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from governance.errors import PolicyError
from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import MAX_POLICY_BYTES, parse_policy
from node.core import Core
from node.store.rows import Meta

log = logging.getLogger("commonweave.policy")

POLICY_TEXT: Final = "policy.text"


class Policies:
    """Follows the policy file."""

    def __init__(self, core: Core, path: Path) -> None:
        self._core = core
        self._path = path
        self._seen: bytes | None = None

    async def refresh(self) -> bool:
        """Look at the file; True if another policy is in force now. Cheap when nothing changed."""
        try:
            data = await asyncio.to_thread(_read, self._path)
        except OSError as error:
            return await self._broken(f"the policy file {self._path} cannot be read: {error.strerror or error}")
        if data == self._seen:
            return False
        self._seen = data
        try:
            policy = parse_policy(data)
        except PolicyError as error:
            return await self._broken(f"the policy file {self._path} is not a policy: {error}")
        changed = policy.version != self._core.policy.version
        self._core.policy, self._core.policy_problem = policy, ""
        if changed:
            async with self._core.store.write() as tx:
                await tx.put(Meta(POLICY_TEXT, data.decode()))
                await self._core.audit(tx, "node", "policy.in-force", policy.version)
            self._core.bell.ring()
        return changed

    async def _broken(self, problem: str) -> bool:
        if problem != self._core.policy_problem:
            log.error("%s; nothing new is shared until it is mended", problem)
        self._core.policy_problem = problem
        if not isinstance(self._core.policy, NoPolicy):
            return False
        self._core.policy = await self._last_good(problem)
        return True

    async def _last_good(self, problem: str) -> Policy | NoPolicy:
        async with self._core.store.read() as tx:
            kept = await tx.get(Meta, POLICY_TEXT)
        return parse_policy(kept.value) if kept is not None else NoPolicy(problem)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_POLICY_BYTES + 1)
    if len(data) > MAX_POLICY_BYTES:
        raise OSError(None, f"it has more than {MAX_POLICY_BYTES} bytes; join rules that differ in one word")
    return data
