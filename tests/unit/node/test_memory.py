"""Many threads share a few heaps, so that what one has freed serves the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import re, threading
from node.memory import keep_little
KEEP
gate = threading.Barrier(17)
def work():
    blocks = [bytes(100_000) for _ in range(20)]
    gate.wait()
for _ in range(16): threading.Thread(target=work).start()
gate.wait()
heaps = [l for l in open("/proc/self/maps") if re.match(r"[0-9a-f]+-[0-9a-f]+ ---p 0+ 00:00 0 *$", l)]
print(len(heaps))
"""


def reserved(keep: str) -> int:
    """Address ranges that a process with many threads has reserved without using."""
    code = THREADS.replace("KEEP", keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="heaps for threads are glibc's")
def test_threads_share_heaps() -> None:
    assert reserved("keep_little()") < reserved("")
