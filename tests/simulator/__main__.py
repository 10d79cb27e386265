"""Run schedules by hand: `python -m tests.simulator SEED [COUNT [STEPS]]`; with one seed it tells its story."""

from __future__ import annotations

import asyncio
import sys
import traceback

from tests.simulator.schedule import STEPS, replay


def main() -> int:
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else STEPS
    failed = []
    for seed in range(first, first + count):
        try:
            log = asyncio.run(replay(seed, steps))
        except AssertionError:
            failed.append(seed)
            if count == 1:
                traceback.print_exc()
            else:
                text = traceback.format_exc().split("fails: ")[-1]
                print(seed, text.partition("\n")[0])
            continue
        if count == 1:
            print("\n".join(log))
    print(f"{count - len(failed)} of {count} hold; failed: {failed}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
