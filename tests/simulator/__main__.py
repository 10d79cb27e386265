"""Run schedules: `python -m tests.simulator SEED` tells one story; `FIRST COUNT` runs many, until one fails.

Words are hashed with a fixed seed, so that sets are walked in the same order and a seed replays exactly.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count as counted
from multiprocessing import active_children

HASH_SEED = "0"
REPORT_EVERY = 100


def outcome(seed: int) -> str:
    """Empty if the laws hold, else the story of how they broke."""
    from tests.simulator.schedule import replay

    gc.disable()  # a schedule is short; what it leaves behind goes at once when it is over
    try:
        replay(seed)
    except AssertionError as error:
        return str(error)
    finally:
        gc.collect()
    return ""


def outcomes(first: int, count: int) -> Iterator[str]:
    """Of seed after seed, in their order."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(outcome, range(first, first + count), chunksize=5)


def many(first: int, count: int) -> int:
    began = time.monotonic()
    for done, problem in zip(counted(1), outcomes(first, count), strict=False):
        if problem:
            print(problem, flush=True)
            for process in active_children():  # they have nothing left to say, and would wait for work for ever
                process.terminate()
            os._exit(1)
        if done % REPORT_EVERY == 0 or done == count:
            print(f"{done} of {count} schedules hold after {time.monotonic() - began:.0f} s", flush=True)
    return 0


def main(arguments: list[str]) -> int:
    from tests.simulator.schedule import replay

    first, count = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    if count:
        return many(first, count)
    try:
        print("\n".join(replay(first)))
    except AssertionError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    if sys.flags.hash_randomization:
        again = [sys.executable, "-m", "tests.simulator", *sys.argv[1:]]
        os.execvp("env", ["env", f"PYTHONHASHSEED={HASH_SEED}", *again])
    sys.exit(main(sys.argv[1:] or ["1"]))
