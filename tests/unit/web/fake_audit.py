"""An audit log of one entry, as the web side sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from node.audit.views import CheckpointView, ErasedView, LogCheckView, WitnessedView, WitnessView
from node.errors import NotFound
from node.principal import Principal

ENTRY = "0"


class FakeAuditing:
    """Answers the calls of `node.web.ports.AuditPort`."""

    def __init__(self, node_id: str, peer: str, now: int) -> None:
        self.node_id = node_id
        self.peer = peer
        self.now = now
        self.fails: Exception | None = None

    @property
    def _witnesses(self) -> list[WitnessView]:
        return [WitnessView(node_id=self.peer, name="Partner", at=self.now)]

    async def checkpoint(self, who: Principal) -> CheckpointView:
        return CheckpointView(
            size=1, root="ab" * 32, at=self.now, note="a note\n", key="a key", witnesses=self._witnesses
        )

    async def prove(self, who: Principal, entry: str) -> dict[str, Any]:
        return {"t": "proof", "entry": {"n": self._known(entry)}, "path": []}

    async def export(self, who: Principal) -> AsyncIterator[dict[str, Any]]:
        if self.fails is not None:
            raise self.fails
        yield {"t": "log", "node": self.node_id}
        yield {"t": "entry", "n": 0, "actor": "Müller"}
        yield {"t": "end", "size": 1}

    async def verify(self, who: Principal) -> LogCheckView:
        return LogCheckView(
            node_id=self.node_id, name="River House", size=1, entries=1, erased=0, ok=True, problems=[],
            witnesses=self._witnesses,
        )  # fmt: skip

    async def erase(self, who: Principal, entry: str, reason: str) -> ErasedView:
        return ErasedView(n=self._known(entry), at=self.now, action="test.done")

    async def witnessed(self, who: Principal) -> list[WitnessedView]:
        return [self._view("rewritten: another log")]

    async def accept(self, who: Principal, ref: str, reason: str) -> WitnessedView:
        return self._view("")

    def _view(self, alarm: str) -> WitnessedView:
        return WitnessedView(
            node_id=self.peer, name="Partner", size=7, at=self.now, alarm=alarm, shown_size=None, ours_seen=1,
            ours_refused="",
        )  # fmt: skip

    def _known(self, entry: str) -> int:
        if entry != ENTRY:
            raise NotFound(f"the log has no entry {entry!r}")
        return int(entry)
