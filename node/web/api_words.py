"""API operations that read back: the policy as sentences, what is due with peers; and the renewal of an agreement."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from governance.policy_text import MAX_POLICY_BYTES
from node.peer_views import PeerView
from node.principal import Principal, Scope
from node.web.operations import Operation
from node.web.ports import AppPort
from node.web.requests import Given
from node.word_views import ReminderView, SentencesView

MAX_DAYS: Final = 36_500  # a hundred years, as in a first agreement


class LangQuery(Given):
    """The language to read in; otherwise the one that the request accepts."""

    lang: str | None = Field(default=None, max_length=64)


class ReadPolicyBody(Given):
    """A policy's text, TOML, and the language to read it in."""

    text: str = Field(max_length=MAX_POLICY_BYTES)
    lang: str | None = Field(default=None, max_length=64)


class RenewBody(Given):
    """How many days after its present end the agreement shall end."""

    days: int = Field(default=365, ge=1, le=MAX_DAYS)


async def policy_sentences(app: AppPort, who: Principal, query: LangQuery) -> SentencesView:
    """The policy in force as sentences."""
    return await app.reciting.policy(who, None, query.lang)


async def read_policy(app: AppPort, who: Principal, body: ReadPolicyBody) -> SentencesView:
    """A policy text as sentences; nothing changes."""
    return await app.reciting.policy(who, body.text, body.lang)


async def list_reminders(app: AppPort, who: Principal) -> list[ReminderView]:
    """Agreements that end or are to be looked at, confirmations of withdrawals that are late, on both sides."""
    return list(await app.reminding.reminders(who))


async def renew_agreement(app: AppPort, who: Principal, ref: str, body: RenewBody) -> PeerView:
    """Propose the present agreement again with a new end."""
    return await app.peers.renew_agreement(who, ref, body.days)


OPERATIONS: Final = (
    Operation("GET", "/policy/sentences", Scope.STEWARD, policy_sentences),
    Operation("POST", "/policy/sentences", Scope.STEWARD, read_policy),
    Operation("GET", "/reminders", Scope.STEWARD, list_reminders),
    Operation("POST", "/peers/{ref}/renew", Scope.STEWARD, renew_agreement),
)
