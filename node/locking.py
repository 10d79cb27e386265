"""One process a data folder. The lock belongs to the process and goes with it, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Final

from node.errors import StartError

LOCK_NAME: Final = "lock"


def lock(data: Path) -> IO[str]:
    """Take the folder; close the handle to give it back. `StartError` if another process has it."""
    try:
        handle = (data / LOCK_NAME).open("a+")
    except OSError as error:
        raise StartError(f"the data folder {data} cannot be written ({error.strerror}): mend its rights") from error
    if not _taken(handle):
        handle.close()
        raise StartError(f"another process works on {data}: stop it first, or talk to it with the commands")
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def is_locked(data: Path) -> bool:
    """True if a process works on the folder now."""
    try:
        with (data / LOCK_NAME).open("r+") as handle:
            return not _taken(handle)
    except OSError:
        return False  # whoever takes the lock will say what is wrong


def _taken(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
