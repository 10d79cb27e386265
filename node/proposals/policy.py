"""Proposals of another policy."""

from __future__ import annotations

from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import parse_policy
from governance.sentences import rule_sentence
from governance.speech import Say
from node.core import Core
from node.errors import BadInput
from node.inforce import put_in_force
from node.previews.previews import WhatIf
from node.proposals.acts import PolicyChange
from node.proposals.doing import Carried
from node.stewards import By
from node.store.port import Reader, Writer
from node.store.rows import PeerRow


class PolicyChanges:
    """Puts another policy in force."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def settle(self, tx: Reader, act: PolicyChange) -> PolicyChange:
        """The text as it is, if it can be put in force and says something new."""
        policy = parse_policy(act.text.encode())
        if policy.version == (await self._core.policy_in(tx)).version:
            raise BadInput("this is the policy that is in force already: change its text first")
        return act

    async def what_if(self, tx: Reader, act: PolicyChange) -> WhatIf | None:
        """All records under the other rules."""
        return WhatIf(policy=parse_policy(act.text.encode()))

    async def words(self, tx: Reader, act: PolicyChange, say: Say) -> list[str]:
        """What each rule that is new, changed or gone says of itself."""
        new, old = parse_policy(act.text.encode()), await self._core.policy_in(tx)
        before = {} if isinstance(old, NoPolicy) else {r.id: r for r in old.rule}
        after = {r.id: r for r in new.rule}
        names = {row.node_id: row.name for row in await tx.find(PeerRow)}
        out = [say("The policy “{name}” takes the place of “{old}”.", name=new.name, old=_name(old))]
        for ident, rule in sorted(after.items()):
            said = rule_sentence(rule, say, (say.lang,), names)
            if ident not in before:
                out.append(say("New rule {id}: {rule}", id=ident, rule=said))
            elif before[ident] != rule:
                out.append(say("Changed rule {id}: {rule}", id=ident, rule=said))
        for ident in sorted(before.keys() - after.keys()):
            said = rule_sentence(before[ident], say, (say.lang,), names)
            out.append(say("Rule {id} is no longer there: {rule}", id=ident, rule=said))
        return out

    async def carry(self, tx: Writer, act: PolicyChange, by: By) -> Carried:
        """In force from the commit on."""
        policy = await put_in_force(tx, act.text, self._core.now(), by.pid)
        await self._core.audit(tx, by.actor, "policy.in-force", policy.version, by.detail)

        async def after() -> None:
            self._core.policy, self._core.policy_problem = policy, ""

        return Carried(policy.version, after)


def _name(policy: Policy | NoPolicy) -> str:
    return policy.name if isinstance(policy, Policy) else "none"
