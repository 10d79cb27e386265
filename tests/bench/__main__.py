"""`make bench`: one run on one machine, a table for people and JSON for programs.

Absolute figures depend on the machine; the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from governance.agreement import Clauses, Phase
from governance.gate import Peer, RecordView, decide
from governance.policy import Facts
from governance.policy_text import parse_policy
from governance.terms import ALL_PURPOSES, Terms
from node.memory import keep_little
from tests.bench.governing_bench import measure as measure_governing
from tests.bench.search_bench import run as run_search
from tests.bench.sync_bench import measure as measure_sync

DECISIONS: Final = 20_000
NOW: Final = 1_800_000_000


def measure_decisions() -> float:
    """Decisions per second: 15 fields, three distinct terms, the packaged policy, a peer."""
    from config.load import packaged_policies

    policy = parse_policy(packaged_policies()["trusted-partners"].read_bytes())
    kinds = [
        Terms(frozenset({"network"}), ALL_PURPOSES),
        Terms(frozenset({"node"}), ALL_PURPOSES),
        Terms(frozenset({"public"}), ALL_PURPOSES, NOW + 1_000),
    ]
    sealed = {"title": kinds[0]} | {f"f{n}": kinds[n % 3] for n in range(14)}
    none: frozenset[str] = frozenset()
    facts = Facts("guide", "en", "did:key:a", NOW - 1, True, none, none, none, "", "", frozenset({"learning"}))
    record = RecordView("did:key:a", "r", 1, facts, sealed)
    peer = Peer("did:key:b", Phase.ACTIVE, Clauses("x"))
    started = time.perf_counter()
    for _ in range(DECISIONS):
        decide(record, peer, policy, NOW)
    return DECISIONS / (time.perf_counter() - started)


def table(title: str, figures: dict[str, Any]) -> Table:
    """Figures as rows."""
    out = Table(title=title, title_justify="left", show_header=False)
    for name, value in figures.items():
        out.add_row(name.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
    return out


def measure(chosen: argparse.Namespace, told: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """All figures by part."""
    told("decisions")
    out: dict[str, dict[str, Any]] = {"decisions": {"per_s": round(measure_decisions())}}
    sync = measure_sync(chosen.records, told)
    out[f"sync of {chosen.records:,}"] = asdict(sync)
    if chosen.scale > chosen.records:
        large = measure_sync(chosen.scale, told)
        out[f"sync of {chosen.scale:,}"] = asdict(large)
        out["growth"] = {"changes_ratio": round(large.changes_ms / sync.changes_ms, 2)}
    out[f"governance of {chosen.governed:,}"] = asdict(measure_governing(chosen.governed, told))
    told(f"search over {chosen.documents:,} documents")
    out["search"] = asdict(run_search(chosen.documents))
    return out


def main() -> None:
    """Measure decisions, sync and search."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="records of the first sync")
    parser.add_argument("--scale", type=int, default=100_000, help="records of the second one, which shows growth")
    parser.add_argument("--documents", type=int, default=100_000, help="documents in the index")
    parser.add_argument("--governed", type=int, default=100_000, help="records of the preview for 20 peers")
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.records, chosen.scale, chosen.documents, chosen.governed = (
            n // 20 for n in (chosen.records, chosen.scale, chosen.documents, chosen.governed)
        )
    keep_little()
    console = Console(stderr=True)
    with console.status("Measuring…") as status:
        results = measure(chosen, lambda what: status.update(f"Measuring: {what}…"))
    if not chosen.json:
        for name, figures in results.items():
            Console().print(table(name, figures))
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
