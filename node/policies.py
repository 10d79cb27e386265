"""The policy file: what it says is in force at once where one steward is enough, and else becomes a proposal.

The policy in force is the database's; only a change of the file is a wish for another one. A file that cannot be read
never takes anything back by mistake: the last good policy goes on deciding what must go, and where the file alone
decides, nothing new is shared until it is mended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from governance.errors import GovernanceError, PolicyError
from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import MAX_POLICY_BYTES, parse_policy
from node.accounts.desk import stewards
from node.core import Core
from node.errors import NodeError
from node.inforce import POLICY_FILE, POLICY_TEXT, POLICY_VERSION, file_mark, kept_policy, put_in_force
from node.proposals.acts import PolicyChange
from node.stewards import ONE_STEWARD
from node.store.governing import PolicyRow
from node.store.rows import Meta

log = logging.getLogger("commonweave.policy")

BY_FILE: Final = "policy file"
ProposeFile = Callable[[str, PolicyChange], Awaitable[str]]


class Policies:
    """Follows the policy file; `propose` makes a proposal of what stewards have to decide together."""

    def __init__(self, core: Core, path: Path, propose: ProposeFile | None = None) -> None:
        self._core = core
        self._path = path
        self._propose = propose
        self._seen: bytes | None = None
        self._reported = ""

    async def refresh(self) -> bool:
        """Look at the file; True if another policy is in force now. Cheap when nothing changed."""
        taken_up = await self._take_up() if self._seen is None else False
        try:
            data = await asyncio.to_thread(_read, self._path)
        except OSError as error:
            return await self._broken(f"the policy file {self._path} cannot be read: {error.strerror or error}")
        if data == self._seen:
            return taken_up
        self._seen = data
        try:
            policy = parse_policy(data)
        except PolicyError as error:
            return await self._broken(f"the policy file {self._path} is not a policy: {error}")
        self._core.policy_problem = ""
        return await self._wished(policy, data) or taken_up

    async def _take_up(self) -> bool:
        """After a start: what the stewards decided last, whatever the file says by now."""
        async with self._core.store.write() as tx:
            kept = await kept_policy(tx)
            if kept is None:
                return False
            if await tx.get(Meta, POLICY_VERSION) is None:  # of a version that did not know of proposals
                text = await tx.get(Meta, POLICY_TEXT)
                assert text is not None
                await tx.put(Meta(POLICY_VERSION, kept.version), Meta(POLICY_FILE, file_mark(text.value.encode())))
                if isinstance(kept, Policy):
                    await tx.put(PolicyRow(kept.version, self._core.now(), kept.name, text.value))
        changed = kept.version != self._core.policy.version
        self._core.policy = kept
        return changed

    async def _wished(self, policy: Policy, data: bytes) -> bool:
        """The file says this: put it in force, or before the stewards, unless it was looked at already."""
        mark = Meta(POLICY_FILE, file_mark(data))
        async with self._core.store.write() as tx:
            if await tx.get(Meta, POLICY_FILE) == mark:
                return False
            known = await tx.get(Meta, POLICY_TEXT) is not None
            same = known and policy.version == (await self._core.policy_in(tx)).version
            deciding = await stewards(tx)
            at_once = not known or len(deciding) < 2
            if at_once and not same:
                await put_in_force(tx, data.decode(), self._core.now())
                await self._core.audit(tx, "node", "policy.in-force", policy.version, ONE_STEWARD if deciding else "")
            if at_once or same:
                await tx.put(mark)
        if same:
            return False
        if not at_once:
            return await self._ask(data, mark)
        changed = policy.version != self._core.policy.version
        self._core.policy = policy
        self._core.bell.ring()
        return changed

    async def _ask(self, data: bytes, mark: Meta) -> bool:
        """Open a proposal of what the file says; nothing changes by it yet."""
        if self._propose is None:
            log.warning("the policy file %s has changed; it counts once the stewards have decided", self._path)
            return False
        try:
            pid = await self._propose(BY_FILE, PolicyChange(text=data.decode(), source="file"))
        except (NodeError, GovernanceError):
            log.exception("no proposal could be made of the policy file %s", self._path)
        else:
            log.info("the policy file %s has changed: proposal %s asks the stewards", self._path, pid)
        async with self._core.store.write() as tx:
            await tx.put(mark)
        return False

    async def _broken(self, problem: str) -> bool:
        async with self._core.store.read() as tx:
            together = len(await stewards(tx)) > 1
        if problem != self._reported:
            then = "what the stewards decided goes on" if together else "nothing new is shared until it is mended"
            log.error("%s; %s", problem, then)
        self._reported = problem
        self._core.policy_problem = "" if together else problem
        if not isinstance(self._core.policy, NoPolicy):
            return False
        async with self._core.store.read() as tx:
            self._core.policy = await kept_policy(tx) or NoPolicy(problem)
        return True


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_POLICY_BYTES + 1)
    if len(data) > MAX_POLICY_BYTES:
        raise OSError(None, f"it has more than {MAX_POLICY_BYTES} bytes; join rules that differ in one word")
    return data
