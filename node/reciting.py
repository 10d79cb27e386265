"""Reading a policy back: the one in force, or a text that somebody thinks of (DESIGN 9)."""

from __future__ import annotations

from governance.errors import PolicyError
from governance.gate import NoPolicy
from governance.policy import Policy
from governance.policy_text import parse_policy
from governance.sentences import policy_sentences
from node.core import Core
from node.errors import BadInput, NotNow
from node.principal import Principal
from node.speech import languages, speech
from node.store.rows import PeerRow
from node.word_views import SentencesView


class Reciting:
    """What stewards read before they vote, and whenever they wonder."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def policy(self, who: Principal, text: str | None = None, lang: str | None = None) -> SentencesView:
        """A policy as sentences; without a text, the one in force."""
        who.need("steward")
        if lang is not None and lang.partition("-")[0].lower() not in languages():
            raise BadInput(f"policies are not read back in {lang!r}: use one of {', '.join(languages())}")
        policy = self._in_force() if text is None else _read(text)
        langs = (lang, *who.langs) if lang else who.langs
        say = speech(langs)
        async with self._core.store.read() as tx:
            names = {row.node_id: row.name for row in await tx.find(PeerRow)}
        names[self._core.node_id] = self._core.name
        return SentencesView(lang=say.lang, sentences=policy_sentences(policy, say, langs, names))

    def _in_force(self) -> Policy:
        policy = self._core.policy
        if isinstance(policy, NoPolicy):
            raise NotNow(f"no policy is in force here, so nothing is shared: {policy.problem or 'there is none'}")
        return policy


def _read(text: str) -> Policy:
    try:
        return parse_policy(text)
    except PolicyError as error:
        raise BadInput(f"the policy cannot be read: {error}") from error
