"""`make fuzz`: bends inputs for a while. `python -m tests.fuzz TARGET --repeat FILE` runs one input of a finding again.

Hashes of words are fixed, so that a seed walks sets in the same order; memory is limited, so that a reader that
asks for too much is a finding and not the end of this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

HASH_SEED: Final = "0"
MAX_MEMORY_BYTES: Final = 4 * 1024**3
SLICE_S: Final = 10.0  # of processor time; a target takes several turns, so that an early end has tried them all


def turn(name: str, seed: int, cpu_s: float) -> tuple[str, int, int, float, list[str]]:
    """One target for so much processor time: its name, inputs, accepted, the slowest, and what was found."""
    from tests.fuzz.harness import campaign
    from tests.fuzz.targets import TARGETS

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    end = time.process_time() + cpu_s
    tally = campaign(TARGETS[name], seed, lambda _: time.process_time() < end)
    return name, tally.inputs, tally.accepted, tally.slowest_s, [f.told() for f in tally.findings.values()]


def many(names: list[str], seconds: float, seed: int) -> int:
    """All targets in turns on all cores; 1 if a law was broken."""
    cores = os.cpu_count() or 1
    share = seconds * cores / len(names)
    turns = max(1, round(share / SLICE_S))
    jobs = [(name, seed + at) for at in range(turns) for name in names]
    totals = dict.fromkeys(names, (0, 0, 0.0))
    found: dict[str, None] = {}
    with ProcessPoolExecutor(cores) as pool:
        runs = [pool.submit(turn, name, one, share / turns) for name, one in jobs]
        for run in runs:
            name, inputs, accepted, slowest_s, told = run.result()
            before = totals[name]
            totals[name] = before[0] + inputs, before[1] + accepted, max(before[2], slowest_s)
            for text in told:
                if text not in found:
                    print(text, flush=True)
                    found[text] = None
    print(f"{'target':<18}{'inputs':>10}{'accepted':>10}{'slowest':>10}")
    for name, (inputs, accepted, slowest_s) in totals.items():
        print(f"{name:<18}{inputs:>10,}{accepted:>10,}{slowest_s:>8.2f} s")
    print(f"seed {seed}: {f'{len(found)} findings' if found else 'every law holds'}")
    return 1 if found else 0


def repeat(name: str, file: Path) -> int:
    """One input again, with the whole trace of what it raises."""
    from tests.fuzz.harness import judge, load
    from tests.fuzz.targets import TARGETS

    outcome, finding = judge(TARGETS[name], load(file))
    print(f"{name}: {finding.what if finding else outcome}")
    if finding is not None and finding.place != "slow":
        TARGETS[name].run(finding.data)
    return 1 if finding else 0


def main() -> int:
    """Read the command line."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*TARGETS], help="only this reader")
    parser.add_argument("--seconds", type=float, default=120, help="how long, on all cores")
    parser.add_argument("--seed", type=int, default=1, help="other inputs")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="run the input of a finding again")
    chosen = parser.parse_args()
    if chosen.repeat:
        return repeat(chosen.target or chosen.repeat.name.rpartition("-")[0], chosen.repeat)
    return many([chosen.target] if chosen.target else [*TARGETS], chosen.seconds, chosen.seed)


if __name__ == "__main__":
    if sys.flags.hash_randomization:
        again = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:]]
        os.execvp("env", ["env", f"PYTHONHASHSEED={HASH_SEED}", *again])
    sys.exit(main())
