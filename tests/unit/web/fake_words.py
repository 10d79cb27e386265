"""What is read back, from one sentence and one reminder in memory: enough to drive every route."""

from __future__ import annotations

from collections.abc import Sequence

from node.principal import Principal
from node.word_views import ReminderView, SentencesView


class FakeReciting:
    """A policy of one sentence."""

    async def policy(self, who: Principal, text: str | None = None, lang: str | None = None) -> SentencesView:
        return SentencesView(lang=lang or "en", sentences=[text or "Shared with the public: every record."])


class FakeReminding:
    """One agreement that ends."""

    def __init__(self, node_id: str, now: int) -> None:
        self._one = ReminderView(kind="ends", node_id=node_id, name="Coast", at=now, words="It ends soon.")

    async def reminders(self, who: Principal) -> Sequence[ReminderView]:
        return [self._one]
