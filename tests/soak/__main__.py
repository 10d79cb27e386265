"""`make soak`: three nodes under a mixed load for MINUTES; a table of what they take, and which bounds broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.soak.run import HEAD, SAMPLE_S, line_of, soak
from tests.soak.sampling import Sample, thirds

RATE: Final = 8.0  # acts a second: hundreds of times what three organisations do
ROWS: Final = 20  # of the table, whatever the time


def main() -> int:
    """Read the command line, soak, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=RATE, help="acts a second at most")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    seconds = chosen.minutes * 60
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="cw-soak-") as folder:
        told = every(max(1, round(seconds / SAMPLE_S / ROWS)))
        result = soak(Path(folder), seconds, chosen.rate, chosen.seed, told=told)
    print(line_of(result.samples[-3:]))
    print(
        ", ".join(f"{name} {count}" for name, count in sorted(result.done.items())),
        f"; settled after {result.settled_s:.0f} s",
    )
    for name in dict.fromkeys(s.node for s in result.samples):
        print(f"{name}: {medians([s for s in result.samples if s.node == name])}")
    for reason in result.reasons:
        print(f"BROKEN {reason}")
    print("every bound holds" if not result.reasons else f"{len(result.reasons)} bounds broken")
    return 1 if result.reasons else 0


def every(nth: int) -> Callable[[str], None]:
    """Prints each nth line that it is told."""
    count = 0

    def told(line: str) -> None:
        nonlocal count
        if count % nth == 0:
            print(line, flush=True)
        count += 1

    return told


def medians(samples: list[Sample]) -> str:
    """A node's second and last third side by side, and what a record takes at the end."""
    rss, fds = thirds(samples, lambda s: s.rss_mb), thirds(samples, lambda s: float(s.fds))
    last = samples[-1]
    return (
        f"memory {rss[0]:.0f} then {rss[1]:.0f} MB, open files {fds[0]:.0f} then {fds[1]:.0f}, "
        f"database {last.used_bytes / max(1, last.records):,.0f} bytes a record in use, "
        f"index {last.index_bytes / max(1, last.records):,.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
