"""An own PostgreSQL for the tests: a cluster in a temporary folder on a free loopback port, gone when they end.

Each xdist worker starts its own. Without server binaries the tests skip, except where `CI=true` promises them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLACES = "usr/lib/postgresql/*/bin/initdb"  # Debian keeps the server's programs out of PATH
_START_TIMEOUT_S = 60
_UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root
# The erasure settings of docs/storage.md; no fsync, since no test cuts the power.
_SETTINGS = {
    "wal_recycle": "off",
    "wal_init_zero": "on",
    "min_wal_size": "32MB",
    "fsync": "off",
    "max_connections": 100,
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server: its data folder and how to reach it."""

    data: Path
    port: int
    binaries: Path

    def url(self, database: str = "postgres") -> str:
        """The URL of a database."""
        return f"postgresql://commonweave@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for this statement, unaligned."""
        done = subprocess.run(
            [self.binaries / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def database(self, name: str) -> str:
        """A new empty database in a locale whose order is not that of code points; its URL."""
        self.sql(f'CREATE DATABASE "{name}"')
        return self.url(name)


def find_binaries() -> Path | None:
    """The folder with initdb and postgres, the newest version first."""
    found = sorted(Path("/").glob(_PLACES), key=lambda p: float(p.parts[-3]), reverse=True)
    if found:
        return found[0].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster for the session."""
    binaries = find_binaries()
    if binaries is None:
        reason = "no PostgreSQL server programs (initdb) on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and CI must have them")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="cw-pg-"))
    try:
        with _running(folder, binaries) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(folder: Path, binaries: Path) -> Iterator[Cluster]:
    user = _server_user()
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    _run(user, folder, [binaries / "initdb", "-D", data, "-U", "commonweave", "-A", "trust", "-E", "UTF8", "-N"])
    port = _free_port()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    options += "".join(f" -c {name}={value}" for name, value in _SETTINGS.items())
    start: list[str | Path] = [
        binaries / "pg_ctl",
        "start",
        "-w",
        "-t",
        str(_START_TIMEOUT_S),
        "-D",
        data,
        "-o",
        options,
    ]
    start += ["-l", folder / "log"]
    _run(user, folder, start)
    try:
        yield Cluster(data, port, binaries)
    finally:
        _run(user, folder, [binaries / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data])


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)


def _run(user: str | None, folder: Path, command: list[str | Path]) -> None:
    done = subprocess.run(
        command, check=False, user=user, group=_group(user), extra_groups=[] if user else None, cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": _locale()}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        log = folder / "log"
        told = log.read_text() if log.exists() else ""
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}{told}")


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _locale() -> str:
    """A locale that sorts by language where there is one, so that a forgotten collation shows."""
    listed = subprocess.run(["locale", "-a"], check=False, capture_output=True, text=True).stdout.split()
    return next((name for name in listed if name.lower() in ("en_us.utf8", "en_gb.utf8", "de_de.utf8")), "C.UTF-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
