"""What people do with three nodes, at a bounded rate, and what has to be true of all copies once it is quiet again."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.nodes import WORDS
from tests.e2e.nodes import NETWORK, Node, wait_for

RECORDS_A_NODE: Final = 60  # beyond it something is withdrawn for everything that is published: sizes must stand still
TEXT_WORDS: Final = 250  # about 2 KB
QUIET_S: Final = 90.0  # for three nodes on shared cores to pass on, erase and confirm what is still under way
NODE_ONLY: Final = {"audiences": ["node"], "purposes": ["learning"]}
REASONS: Final = ("consent", "harm", "error", "rights", "other")


@dataclass
class Own:
    """A record of ours: whether partners may have it, and with an outcome."""

    home: int
    shared: bool = True
    outcome: bool = True


class Load:
    """Acts on nodes that share everything with each other; the seed decides what."""

    def __init__(self, nodes: Sequence[Node], seed: int) -> None:
        self._nodes = nodes
        self._random = random.Random(seed)
        self.live: dict[str, Own] = {}
        self.gone: dict[str, int] = {}
        self.done: Counter[str] = Counter()

    def act(self) -> None:
        """One thing that somebody does."""
        acts: list[tuple[Callable[[int], None], int]] = [
            (self.publish, 22), (self.edit, 18), (self.narrow, 8), (self.search, 40), (self.sync, 4), (self.read, 8),
        ]  # fmt: skip
        home = self._random.randrange(len(self._nodes))
        chosen = self._random.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
        chosen(home)
        self.done[chosen.__name__] += 1

    def acts(self) -> int:
        """How often something was written."""
        return sum(self.done[name] for name in ("publish", "edit", "narrow", "withdraw"))

    def publish(self, home: int) -> None:
        """A new record; an old one goes where there are enough."""
        ours = [rid for rid, own in self.live.items() if own.home == home]
        if len(ours) >= RECORDS_A_NODE:
            self.withdraw(home, self._random.choice(ours))
        fields = {"summary": self._text(30), "outcome": self._text(20), "lessons": self._text(TEXT_WORDS)}
        rid = self._nodes[home].publish(self._text(6), NETWORK, fields=fields)
        self.live[rid] = Own(home)

    def withdraw(self, home: int, rid: str) -> None:
        """Take a record back everywhere."""
        self._nodes[home].post(f"/records/{rid}/withdraw", {"reason": self._random.choice(REASONS)})
        self.gone[rid] = self.live.pop(rid).home
        self.done["withdraw"] += 1

    def edit(self, home: int) -> None:
        """Write one section anew."""
        if rid := self._one(home):
            draft = self._nodes[home].get(f"/records/{rid}/draft")
            draft["fields"]["lessons"] = self._text(TEXT_WORDS)
            self._nodes[home].edit(rid, draft)

    def narrow(self, home: int) -> None:
        """Keep a whole record, or its outcome, to our own members."""
        if rid := self._one(home):
            whole = self._random.random() < 0.3
            body: dict[str, Any] = {"terms": NODE_ONLY, "fields": None if whole else ["outcome"]}
            self._nodes[home].post(f"/records/{rid}/narrow", body)
            self.live[rid].outcome = False
            self.live[rid].shared = self.live[rid].shared and not whole

    def search(self, home: int) -> None:
        """Look for two words."""
        self._nodes[home].get("/search", q=self._text(2))

    def read(self, home: int) -> None:
        """Open a record of anyone, here or not."""
        if self.live:
            self._nodes[home].show(self._random.choice([*self.live]))

    def sync(self, home: int) -> None:
        """Talk to everybody now; a session that meets another one of the same two may fail."""
        self._nodes[home].post("/sync", {"peer": None})

    def _one(self, home: int) -> str:
        ours = [rid for rid, own in self.live.items() if own.home == home]
        return self._random.choice(ours) if ours else ""

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(WORDS, k=words))

    # --- when it is quiet --------------------------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """Wait until every copy is where it may be and confirmed, and nowhere else; what is wrong after a while."""
        wrong: list[str] = []

        def quiet() -> bool:
            for node in self._nodes:
                node.post("/sync", {"peer": None})
            wrong[:] = self.wrong()
            return not wrong

        try:
            wait_for(quiet, "everything settles", QUIET_S)
        except AssertionError:
            return [f"not settled after {QUIET_S:.0f} s: {line}" for line in wrong[:10]]
        return []

    def wrong(self) -> list[str]:
        """Copies that are missing or too many, and what is not confirmed."""
        found: list[str] = []
        for home, node in enumerate(self._nodes):
            for at, other in enumerate(self._nodes):
                if at != home:
                    found += self._copies(home, node, other)
            found += [
                f"{node.name}: the withdrawal of {line['rid']} waits for {line['waiting']}"
                for line in _all(node, "/withdrawals")
                if line["waiting"]
            ]
            status = node.get("/status")
            if status["pending_erasures"]:
                found.append(f"{node.name}: {status['pending_erasures']} erasures wait")
        return found

    def _copies(self, home: int, node: Node, other: Node) -> list[str]:
        due = {rid for rid, own in self.live.items() if own.home == home and own.shared}
        held = {
            item["rid"] for item in _all(other, "/records", own="false", limit=200) if item["origin"] == node.node_id
        }
        found = [f"{other.name} lacks {rid} of {node.name}" for rid in due - held]
        found += [f"{other.name} still holds {rid} of {node.name}" for rid in held - due]
        for rid in due & held:
            line = node.line(rid, other)
            if line["entry"] != "put" or line["confirmed"] != "held":
                found.append(f"{node.name}: {other.name} has not confirmed {rid}: {json.dumps(line)[:200]}")
            elif ("outcome" in other.fields(rid)) != self.live[rid].outcome:
                found.append(
                    f"{other.name}: the outcome of {rid} should be {'there' if self.live[rid].outcome else 'gone'}"
                )
        return found


def _all(node: Node, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every item of a list, page after page."""
    answer = node.get(path, **query)
    if isinstance(answer, list):
        return answer
    items = list(answer["items"])
    while answer["next"]:
        answer = node.get(path, **query, after=answer["next"])
        items += answer["items"]
    return items
