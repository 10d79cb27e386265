"""Every target by its name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import governing, messages, signed, written
from tests.fuzz.harness import Target

TARGETS: Final[dict[str, Target]] = {
    t.name: t for t in (*signed.TARGETS, *messages.TARGETS, *written.TARGETS, *governing.TARGETS)
}
