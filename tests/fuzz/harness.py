"""Runs one target on one input under the law, and many inputs under a budget.

The law: no exception but the target's own refusals, no more processor time than the bound, and what was accepted can
be written and read again (the target itself raises `Broken` where it cannot).
"""

from __future__ import annotations

import base64
import hashlib
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FINDINGS: Final = ROOT / "build" / "fuzz"
MAX_CPU_S: Final = 2.0  # for at most 1 MiB: a node serves others meanwhile, and a peer may send the next one at once
MAX_CORPUS: Final = 400  # inputs kept because they led somewhere new; more would bury the valid ones
FRESH_CHANCE: Final = 0.5  # of beginning at a valid input rather than at one that led somewhere new
SHRINK_S: Final = 3.0  # processor time for making a finding shorter


class Broken(Exception):
    """What was accepted cannot be written and read again, or says something that it must not."""


class TooSlow(BaseException):
    """The bound on processor time was reached; no target can catch it by accident."""


@dataclass(frozen=True)
class Target:
    """A reader of what strangers send: valid inputs, how to bend them, and the exceptions that are its own words."""

    name: str
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[random.Random, bytes], bytes]
    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Finding:
    """A broken law: `place` tells two findings of one target apart."""

    target: str
    place: str
    what: str
    data: bytes

    @property
    def file(self) -> Path:
        """Where its input is kept, in base64."""
        return FINDINGS / f"{self.target}-{hashlib.sha256(self.place.encode()).hexdigest()[:10]}.b64"

    def told(self) -> str:
        """For the one who mends it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(base64.encodebytes(self.data))
        where = self.file.relative_to(ROOT)
        repeat = f"python -m tests.fuzz {self.target} --repeat {where}"
        return f"{self.target}: {self.what}\n  input: {where} ({len(self.data):,} bytes)\n  again: {repeat}"


@dataclass
class Tally:
    """What became of a target's inputs."""

    inputs: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)


@contextmanager
def bounded(cpu_s: float) -> Iterator[None]:
    """Raises `TooSlow` inside the block once it took so much processor time; only the main thread can be stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(target: Target, data: bytes, max_cpu_s: float = MAX_CPU_S) -> tuple[str, Finding | None]:
    """How an input ended (`accepted`, or the refusal in short), and what law it broke."""
    started = time.thread_time()
    try:
        with bounded(max_cpu_s):
            target.run(data)
    except target.refusals as refusal:
        outcome = f"{type(refusal).__name__} {_shape(refusal)}"
    except TooSlow as error:
        return "slow", Finding(target.name, "slow", f"more than {max_cpu_s} s of processor time{_last(error)}", data)
    except Exception as error:
        place = _last(error)
        kind = type(error).__name__
        return kind, Finding(target.name, f"{kind}{place}", f"{kind}: {str(error)[:300]}{place}", data)
    else:
        outcome = "accepted"
    took = time.thread_time() - started
    if took > max_cpu_s:
        return "slow", Finding(target.name, "slow", f"{took:.1f} s of processor time", data)
    return outcome, None


def _shape(refusal: Exception) -> str:
    """A refusal without its particulars: two of the same shape came from the same rule."""
    code = getattr(refusal, "code", None)
    return str(code) if code is not None else "".join(c for c in str(refusal)[:60] if c.isalpha() or c == " ")


def _last(error: BaseException) -> str:
    """The innermost line of our own code that an exception passed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(ROOT)]
    ours = [f for f in frames if "site-packages" not in f.filename and "/tests/fuzz/" not in f.filename] or frames
    return f" at {Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else ""


def campaign(target: Target, seed: int, go_on: Callable[[Tally], bool]) -> Tally:
    """Input after input while `go_on`; what ends in a new way is bent further, as a valid input is."""
    rng = random.Random(f"{seed} {target.name}")
    valid = target.seeds()
    tally = Tally()
    reached: dict[str, None] = {}
    for data in valid:
        outcome, finding = judge(target, data)
        reached[outcome] = None
        _note(target, tally, outcome, finding)
    led: list[bytes] = []
    while go_on(tally):
        start = rng.choice(led) if led and rng.random() > FRESH_CHANCE else rng.choice(valid)
        data = target.mutate(rng, start)
        before = time.thread_time()
        outcome, finding = judge(target, data)
        tally.slowest_s = max(tally.slowest_s, time.thread_time() - before)
        _note(target, tally, outcome, finding)
        if finding is None and outcome not in reached and len(led) < MAX_CORPUS:
            reached[outcome] = None
            led.append(data)
    return tally


def _note(target: Target, tally: Tally, outcome: str, finding: Finding | None) -> None:
    tally.inputs += 1
    tally.accepted += outcome == "accepted"
    if finding is not None and finding.place not in tally.findings:
        tally.findings[finding.place] = finding if finding.place == "slow" else shortened(target, finding)


def shortened(target: Target, finding: Finding) -> Finding:
    """The same finding from less input, as far as a little time allows."""
    data, best = finding.data, finding
    deadline = time.thread_time() + SHRINK_S
    piece = max(1, len(data) // 2)
    while piece and time.thread_time() < deadline:
        at = 0
        while at < len(data) and time.thread_time() < deadline:
            shorter = data[:at] + data[at + piece :]
            found = judge(target, shorter)[1]
            if found is not None and found.place == finding.place:
                data, best = shorter, found
            else:
                at += piece
        piece //= 2
    return best


def load(path: Path) -> bytes:
    """The input of a finding."""
    return base64.b64decode(path.read_bytes())


def text(data: bytes) -> str:
    """Any bytes as text; halves of surrogate pairs come through, since readers of text must bear them too."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def raw(text: str) -> bytes:
    """The reverse, for any text at all."""
    return text.encode("utf-8", "surrogatepass")


def again(read: Callable[[], Any], before: Any, what: str) -> None:
    """`Broken` unless what was written is read without a refusal and is what it was before."""
    try:
        after = read()
    except Exception as error:
        raise Broken(f"{what} is refused when it is read again: {error}") from error
    same(before, after, what)


def same(before: Any, after: Any, what: str) -> None:
    """`Broken` unless the two are equal."""
    if before != after:
        raise Broken(f"{what}: {before!r:.120} became {after!r:.120}")
