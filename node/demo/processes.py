"""The three nodes as processes: started by the command an administrator would type, ended by their own ids only."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from node.cli.client import Api
from node.cli.connect import connect, is_answered, socket_path
from node.demo.cast import CAST, Organisation

MARK: Final = ".commonweave-demo"  # only a folder that a demonstration made is ever wiped
START_S: Final = 60.0  # a cold start on a small machine, with the search engine to load
STOP_S: Final = 10.0
_POLL_S: Final = 0.1


class DemoStopped(Exception):
    """The demonstration cannot go on; the message says why and what to do."""


def fresh(folder: Path) -> Path:
    """An empty folder for the demonstration; the one of the last time is wiped, any other is left alone."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DemoStopped(f"{folder} holds something else: name another folder with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder.resolve()


def check_ports() -> None:
    """Stop before anything is made where one of the ports is taken."""
    for org in CAST:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", org.port))
            except OSError as error:
                message = f"port {org.port} is taken: end the program that has it (another demonstration?), then again"
                raise DemoStopped(message) from error


class Nodes:
    """The running nodes: one folder, one process and one API client each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients = ExitStack()
        self.api: dict[int, Api] = {}

    def data(self, org: Organisation) -> Path:
        """Where an organisation keeps its knowledge."""
        return self.folder / f"node-{org.number}"

    def log(self, org: Organisation) -> Path:
        """What its process writes."""
        return self.folder / f"node-{org.number}.log"

    def init(self, org: Organisation) -> None:
        """`commonweave init`."""
        arguments = ["init", "--data", str(self.data(org)), "--name", org.name, "--url", org.url]
        arguments += ["--port", str(org.port), "--policy", org.policy, "--json"]
        arguments += [a for region in org.regions for a in ("--region", region)]
        arguments += [a for language in org.languages for a in ("--language", language)]
        done = subprocess.run(_command(arguments), capture_output=True, check=False)  # noqa: S603 - our own program
        if done.returncode:
            raise DemoStopped(f"{org.name}: {done.stderr.decode().strip()}")

    def start(self, org: Organisation) -> None:
        """`commonweave serve`, in the background."""
        with self.log(org).open("ab") as log:
            self._processes.append(
                subprocess.Popen(  # noqa: S603 - our own program
                    _command(["serve", "--data", str(self.data(org))]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for us; we end them in order
                )
            )

    def wait(self, org: Organisation) -> None:
        """Until its API answers."""
        process = self._processes[org.number - 1]
        deadline = time.monotonic() + START_S
        with socket_path(self.data(org)) as path:
            while not is_answered(path):
                if process.poll() is not None or time.monotonic() > deadline:
                    last = self.log(org).read_text("utf-8", "replace").strip().splitlines()[-3:]
                    raise DemoStopped(f"{org.name} did not start: {' '.join(last) or 'no word why'} ({self.log(org)})")
                time.sleep(_POLL_S)
        self.api[org.number] = self._clients.enter_context(connect(self.data(org)))

    def ended(self) -> Organisation | None:
        """The first one whose process is gone, if any."""
        return next((o for o, p in zip(CAST, self._processes, strict=False) if p.poll() is not None), None)

    def stop(self) -> None:
        """End the processes that were started here, politely, then for certain."""
        self._clients.close()
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "node.cli", *arguments]
