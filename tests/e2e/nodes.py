"""Real nodes for end-to-end tests: processes on loopback, each with a folder of its own, ended by their own ids.

Talks to a node through its socket with the standard library only, so that a fault in our client hides nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import http.client
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from config.load import FILE_NAME, packaged_policies
from node.setup import init

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 30.0  # two shared cores, three processes a test
POLL_S: Final = 0.05
PR_SET_PDEATHSIG: Final = 1  # prctl(2)
NETWORK: Final = {"aud": ["network"], "pur": ["learning"]}
NODE_ONLY: Final[dict[str, Any]] = {"audiences": ["node"], "purposes": ["learning"]}
ALL: Final = {"title", "summary", "outcome"}  # the fields of what `Node.publish` makes
RIVERS_STAY: Final = """
[[rule]]
id = "rivers-stay"
effect = "withhold"
to = "peer"
when.topics = ["rivers"]
[rule.reason]
en = "Rivers stay here."
[[rule.example]]
to = "peer"
topics = ["rivers"]
"""
SLOW_SYNC: Final = "[sync]\ninterval_s = 3600\n"  # whatever arrives within a test was sent because it had to be
EXTRA: Final = SLOW_SYNC


class Answered(Exception):
    """The API answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


class Process(Protocol):
    """What a node's process can be asked, however it was started."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


Launch = Callable[[Sequence[str], IO[bytes]], Process]


def launch(arguments: Sequence[str], log: IO[bytes]) -> Process:
    """Our command in a process of its own."""
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread runs when a node is started
    )  # fmt: skip


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("commonweave", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first true value of `condition`; fails the test with `what` where none comes."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {patience_s:.0f} s"
        time.sleep(POLL_S)


class Node:
    """One organisation's node: its folder, and its process while it runs."""

    def __init__(
        self, folder: Path, name: str, *, reachable: bool = True, settings: str = EXTRA, start: Launch = launch
    ) -> None:
        self.name = name
        self._launch = start
        self.data = folder / name.lower()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name.lower()}.log"
        self.process: Process | None = None
        made = asyncio.run(init(self.data, name=name, port=self.port, urls=(self.url,) if reachable else ()))
        self.node_id = made.node_id
        with (self.data / FILE_NAME).open("a") as file:
            file.write(settings)

    # --- the process -----------------------------------------------------------------------------------------------

    def start(self) -> Node:
        """`commonweave serve`, until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = self._launch(("serve", "--data", str(self.data)), log)
        wait_for(self._ready, f"{self.name} starts")
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        return self.public("GET", "/readyz")[0] == 200

    def stop(self) -> None:
        """SIGTERM; it must end by itself."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            finally:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, as a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self.process is not None and self.process.poll() is None

    @contextmanager
    def stopped(self) -> Iterator[Node]:
        """The node at rest for a while, to look at or to change its folder."""
        self.stop()
        yield self
        self.start()

    # --- talking to it ---------------------------------------------------------------------------------------------

    def public(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """A request by the network; status 0 where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionRefusedError:
            return 0, b""
        finally:
            connection.close()

    def raw(self, method: str, path: str, body: bytes | None = None, **query: Any) -> bytes:
        """A request by the socket, as the local administrator; `Answered` for a problem."""
        given = {k: v for k, v in query.items() if v is not None}
        target = f"/api/v1{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        connection = _SocketConnection(self.data / "run.sock")
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Answered(answer.status, data.decode()[:500])
        return data

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET."""
        return json.loads(self.raw("GET", path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON of a POST."""
        return json.loads(self.raw("POST", path, json.dumps({} if body is None else body).encode()))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on this node's folder."""
        return run_cli(*arguments, "--data", str(self.data))

    # --- what tests do again and again -----------------------------------------------------------------------------

    def publish(self, title: str, terms: dict[str, Any] | None = None, **more: Any) -> str:
        """A case study with a summary and an outcome; its id. `fields` are added, the rest belongs to the draft."""
        fields = {"title": title, "summary": f"Summary of {title}", "outcome": f"Outcome of {title}"}
        draft = {
            "kind": "case_study", "lang": "en", "terms": terms or NETWORK, **more,
            "fields": {**fields, **more.get("fields", {})},
        }  # fmt: skip
        return str(self.post("/records", draft)["rid"])

    def edit(self, rid: str, draft: dict[str, Any]) -> None:
        """Replace what was written."""
        self.raw("PUT", f"/records/{rid}/draft", json.dumps(draft).encode())

    def show(self, rid: str) -> dict[str, Any] | None:
        """A record, None where this node does not show one."""
        try:
            return dict(self.get(f"/records/{rid}"))
        except Answered as answered:
            if answered.status == 404:
                return None
            raise

    def fields(self, rid: str) -> set[str]:
        """Names of the fields that are here; empty for a record that is not."""
        shown = self.show(rid)
        return {f["name"] for f in shown["fields"]} if shown else set()

    def sync(self, peer: Node | None = None) -> list[dict[str, Any]]:
        """Sessions now; each must succeed."""
        views = self.post("/sync", {"peer": peer.node_id if peer else None})
        for view in views:
            assert view["ok"], f"{self.name} with {view['peer']}: {view['error']}"
        return list(views)

    def peer(self, other: Node) -> dict[str, Any]:
        """How we stand with another node."""
        return dict(self.get(f"/peers/{other.node_id}"))

    def step(self, other: Node, step: str, body: Any = None) -> dict[str, Any]:
        """`approve`, `suspend`, `end` and so on."""
        return dict(self.post(f"/peers/{other.node_id}/{step}", body))

    def line(self, rid: str, holder: Node) -> dict[str, Any]:
        """What our custody map says of a record and a holder; empty and not confirmed where it says nothing."""
        lines = self.get(f"/records/{rid}/custody")
        return next((dict(c) for c in lines if c["node_id"] == holder.node_id), {"confirmed": None, "entry": None})

    def rids(self) -> set[str]:
        """Every received record that is here."""
        return {item["rid"] for item in self.get("/records", own="false", limit=200)["items"]}

    def now(self) -> int:
        """The time that nodes and tests share."""
        return int(time.time())

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Work on the database file behind the back of a node that is stopped."""
        assert not self.running
        with sqlite3.connect(self.data / "commonweave.sqlite3") as database:
            rows = database.execute(statement, values).fetchall()
        database.close()
        return rows

    def bytes_on_disk(self) -> bytes:
        """Everything in the data folder, one after the other; read again where a file goes meanwhile."""
        while True:
            try:
                return b"\n".join(p.read_bytes() for p in sorted(self.data.rglob("*")) if p.is_file())
            except FileNotFoundError:
                assert self.running


def die_with_parent() -> None:
    """A node does not outlive the tests, even if they are killed (Linux; elsewhere it is ended by its id only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def command(*arguments: str) -> list[str]:
    """The command line of our program."""
    return [sys.executable, "-m", "node.cli", *arguments]


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def nodes(
    folder: Path,
    *names: str,
    hidden: tuple[str, ...] = (),
    settings: str = EXTRA,
    prepare: Callable[[Node], object] = lambda _: None,
    start: Launch = launch,
) -> Iterator[list[Node]]:
    """Started nodes; those in `hidden` have no address. All are ended whatever happens."""
    made: list[Node] = []
    try:
        made.extend(Node(folder, name, reachable=name not in hidden, settings=settings, start=start) for name in names)
        for node in made:
            prepare(node)
            node.start()
        yield made
    finally:
        for node in made:
            node.kill()


def befriend(host: Node, guest: Node, **terms: Any) -> None:
    """Invitation, acceptance, both signatures: an active agreement on both sides."""
    invite = host.post("/peers/invite", {"terms": {"days": 30, **terms}})
    guest.post("/peers/accept", {"text": invite["link"]})
    agree(host, guest)


def agree(host: Node, guest: Node) -> None:
    """Both sign the proposal that lies between them; the guest must be able to reach the host."""
    host.step(guest, "approve")
    guest.step(host, "approve")
    wait_for(lambda: host.peer(guest)["phase"] == guest.peer(host)["phase"] == "active", "the agreement is active")


def own_policy(node: Node) -> Path:
    """Let a node follow a policy file of its own, which a test may change; its path."""
    policy = node.data / "policy.toml"
    policy.write_text(packaged_policies()["trusted-partners"].read_text())
    settings = node.data / FILE_NAME
    settings.write_text(settings.read_text().replace('"trusted-partners"', f'"{policy}"'))
    return policy


def keep_copy(node: Node, to: Path) -> Path:
    """A backup of the data folder of a node that is stopped."""
    assert not node.running
    return Path(shutil.copytree(node.data, to / f"backup-{node.name}-{time.monotonic_ns()}"))


def put_back(node: Node, backup: Path) -> None:
    """The backup in place of the folder."""
    assert not node.running
    shutil.rmtree(node.data)
    shutil.copytree(backup, node.data)
