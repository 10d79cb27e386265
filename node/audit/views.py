"""What the API says of the audit log: its head, proofs, what checking found, and how peers stand to it."""

from __future__ import annotations

from typing import Any, TypeAlias

from federation.transcript import Verified
from node.views import View

ExportLine: TypeAlias = dict[str, Any]
ProofDocument: TypeAlias = dict[str, Any]


class WitnessView(View):
    """A node that has cosigned a head of the log."""

    node_id: str
    name: str
    at: int


class CheckpointView(View):
    """The newest signed head of this node's log: `note` for whoever verifies it, `key` the log key for their tools."""

    size: int
    root: str
    at: int
    note: str
    key: str
    witnesses: list[WitnessView]


class ErasedView(View):
    """An entry whose text is gone: what was done, and when, is still provable."""

    n: int
    at: int
    action: str


class LogCheckView(View):
    """What came of checking a log: `problems` names what does not hold, and is empty where all does."""

    node_id: str
    name: str
    size: int
    entries: int
    erased: int
    ok: bool
    problems: list[str]
    witnesses: list[WitnessView]


class WitnessedView(View):
    """How a peer and we stand to one another's logs. With an `alarm` its log contradicts what we had witnessed."""

    node_id: str
    name: str
    size: int
    at: int | None
    alarm: str
    shown_size: int | None
    ours_seen: int
    ours_refused: str


def check_view(found: Verified) -> LogCheckView:
    """The result of a check, for people and programs."""
    return LogCheckView(
        node_id=found.node_id,
        name=found.name,
        size=found.size,
        entries=found.entries,
        erased=found.erased,
        ok=not found.problems,
        problems=list(found.problems),
        witnesses=[WitnessView(node_id=w.node_id, name=w.name, at=w.at) for w in found.witnesses],
    )
