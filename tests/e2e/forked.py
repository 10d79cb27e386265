"""Nodes that start in a fraction of a second: a server that has imported everything forks a process on request.

What runs is `commonweave serve` itself; only the reading of its modules (1.3 s of a start) is spared.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from typing import IO, Final

from tests.e2e.nodes import Process, die_with_parent

_PRELOAD: Final = ["node.cli", "node.app", "node.web.server", "tests.e2e.nodes"]


def fork(arguments: Sequence[str], log: IO[bytes]) -> Process:
    """Our command in a process forked from one that has it all imported (see `tests.e2e.nodes.launch`)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    process = context.Process(target=_run, args=(list(arguments), log.name), daemon=True)
    process.start()
    return _Forked(process)


class _Forked:
    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("serve", timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _run(arguments: list[str], log: str) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(out, stream)
    from node.cli import app

    app(arguments)
