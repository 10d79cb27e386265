"""How much memory the process keeps: set once, before the first thread."""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8  # mallopt(3)
ARENAS: Final = 2  # glibc makes eight for each core; threads that read pages in turn then keep freed ones eight times


def keep_little() -> None:
    """Let all threads share a few heaps; it costs no speed that we could measure. Elsewhere than on glibc: nothing."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):
        return
