"""What is read back to people: a policy as sentences, and what waits for a word or a deed of ours."""

from __future__ import annotations

from typing import Literal

from node.views import View


class SentencesView(View):
    """A policy in words; `lang` is the language it is said in, which is English where the asked one is not spoken."""

    lang: str
    sentences: list[str]


class ReminderView(View):
    """What is due with a peer: `at` is the end, the day to look again, or since when a confirmation is missing.

    `owe` are confirmations that we owe the peer, `owed` those it owes us.
    """

    kind: Literal["ends", "review", "owe", "owed"]
    node_id: str
    name: str
    at: int
    count: int = 0
    words: str
