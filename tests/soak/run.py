"""One soak from its start to its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from tests.e2e.nodes import Launch, Node, befriend, launch, nodes
from tests.soak.load import Load
from tests.soak.sampling import MIB, Sample, bad_lines, growth, look, oversize, refusals

SYNC_S: Final = 5  # a dozen sessions a minute for each pair, where people have one
SETTINGS: Final = f"[sync]\ninterval_s = {SYNC_S}\n"
SAMPLE_S: Final = 4.0  # 150 samples of a node in ten minutes; a leak of 100 KB a minute is then no noise
# Two sessions of the same nodes at once: a page of one was overtaken by a later version or a withdrawal in the other.
HONEST: Final = frozenset({"stale", "withdrawn"})
NAMES: Final = ("Mto", "Rio", "Nadi")


@dataclass(frozen=True)
class Soaked:
    """What was seen and which bounds were broken."""

    samples: list[Sample]
    done: dict[str, int]
    reasons: list[str]
    settled_s: float


def soak(
    folder: Path,
    seconds: float,
    rate: float,
    seed: int,
    *,
    start: Launch = launch,
    told: Callable[[str], None] = lambda _: None,
) -> Soaked:
    """Three nodes under load for so long; `rate` is acts a second at most, all nodes together."""
    samples: list[Sample] = []
    with nodes(folder, *NAMES, settings=SETTINGS, start=start) as three:
        for host, guest in combinations(three, 2):
            befriend(host, guest)
        load = Load(three, seed)
        began = time.monotonic()
        next_act, next_look = began, began
        while (now := time.monotonic()) < began + seconds:
            if now >= next_look:
                samples += [look(node, now - began, load.acts()) for node in three]
                told(line_of(samples[-3:]))
                next_look = now + SAMPLE_S
            load.act()
            next_act = max(next_act + 1 / rate, now)
            time.sleep(max(0.0, next_act - time.monotonic()))
        ended = time.monotonic()
        reasons = load.settle()
        settled_s = time.monotonic() - ended
        samples += [look(node, time.monotonic() - began, load.acts()) for node in three]
        reasons += verdict(three, samples)
    reasons += [f"{node.name}'s log: {line[:300]}" for node in three for line in bad_lines(node.log.read_text())]
    return Soaked(samples, dict(load.done), reasons, settled_s)


def verdict(three: list[Node], samples: list[Sample]) -> list[str]:
    """The bounds that were broken on the way or at the end."""
    reasons = []
    for node in three:
        own = [s for s in samples if s.node == node.name]
        reasons += growth(own)
        reasons += oversize(own[-1])
        reasons += [
            f"{node.name} set {n} entries aside as {code}" for code, n in refusals(node).items() if code not in HONEST
        ]
        if not node.running:
            reasons.append(f"{node.name} has ended")
    return reasons


_COLUMNS: Final = (
    ("RSS MB", 17), ("open files", 13), ("database MB (in use)", 23), ("index MB", 14), ("records", 14),
    ("withdrawn", 14),
)  # fmt: skip
HEAD: Final = "  ".join(["    s", *(name.center(width) for name, width in _COLUMNS)])


def line_of(three: list[Sample]) -> str:
    """A row of the table: each column has one figure for each node."""
    columns = (
        "/".join(f"{s.rss_mb:.0f}" for s in three).center(17),
        "/".join(str(s.fds) for s in three).center(13),
        "/".join(f"{s.file_bytes / MIB:.1f}" for s in three).rjust(14)
        + f" ({max(s.used_bytes for s in three) / MIB:.1f})".ljust(9),
        "/".join(f"{s.index_bytes / MIB:.1f}" for s in three).center(14),
        "/".join(str(s.records) for s in three).center(14),
        "/".join(str(s.traces) for s in three).center(14),
    )
    return f"{three[0].at_s:>5.0f}  " + "  ".join(columns)
