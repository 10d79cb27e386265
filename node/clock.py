"""The one place that reads the clock and draws randomness; everything else is handed the values."""

from __future__ import annotations

import secrets
import time
from typing import Protocol

_UUID_VERSION_7 = 0x7 << 76
_UUID_VARIANT = 0b10 << 62


class Clock(Protocol):
    """Wall time in unix seconds, and a steady time for measuring."""

    def now(self) -> int: ...

    def now_ms(self) -> int: ...

    def steady(self) -> float: ...


class Entropy(Protocol):
    """Unpredictable bytes."""

    def draw(self, size: int) -> bytes: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time())

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def steady(self) -> float:
        """Seconds that never jump."""
        return time.perf_counter()


class SystemEntropy:
    """The machine's random source."""

    def draw(self, size: int) -> bytes:
        """`size` bytes."""
        return secrets.token_bytes(size)


def uuid7(now_ms: int, random: bytes) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) from a time in milliseconds and 10 random bytes."""
    bits = int.from_bytes(random[:10], "big")
    value = (now_ms & ((1 << 48) - 1)) << 80 | _UUID_VERSION_7 | (bits >> 68 & 0xFFF) << 64 | _UUID_VARIANT
    value |= bits & ((1 << 62) - 1)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
