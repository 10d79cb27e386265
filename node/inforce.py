"""The policy in force: kept in the database, put there in the transaction of whatever decided it.

So a decision asks the policy of its own transaction, and no request after a commit is answered the old way.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from governance.errors import PolicyError
from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import parse_policy
from node.store.governing import PolicyRow
from node.store.port import Reader, Writer
from node.store.rows import Meta

POLICY_TEXT: Final = "policy.text"
POLICY_VERSION: Final = "policy.version"
POLICY_FILE: Final = "policy.file"  # the hash of the file that was looked at last: only a change of it is a wish
_REMEMBERED: Final = 8  # the one in force, the one before, and those that proposals ask about


async def policy_in_force(reader: Reader, known: Policy | NoPolicy) -> Policy | NoPolicy:
    """The policy of this transaction; `known` is the one read last, which it nearly always is."""
    version = await reader.get(Meta, POLICY_VERSION)
    if version is None or version.value == known.version:
        return known
    return await kept_policy(reader) or known


async def kept_policy(reader: Reader) -> Policy | NoPolicy | None:
    """The policy that the database has; None if there never was one."""
    text = await reader.get(Meta, POLICY_TEXT)
    return None if text is None else _parsed(text.value)


async def put_in_force(tx: Writer, text: str, now: int, pid: str = "") -> Policy:
    """Make this text the policy, from the commit on; `PolicyError` if it is none."""
    policy = parse_policy(text.encode())
    await tx.put(Meta(POLICY_TEXT, text), Meta(POLICY_VERSION, policy.version))
    await tx.put(PolicyRow(policy.version, now, policy.name, text, pid))
    return policy


def file_mark(data: bytes) -> str:
    """What says that a policy file is the one already looked at."""
    return hashlib.sha256(data).hexdigest()


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> Policy | NoPolicy:
    try:
        return parse_policy(text.encode())
    except PolicyError as error:  # written by another version of this program
        return NoPolicy(f"the policy in force cannot be read by this version: {error}")
