"""A seeded network in memory: real signed requests meet the real routes, over lines that are slow, lose and repeat.

It stands where aiohttp's client and server stand; everything above, challenges for wrong clocks and nonces included,
is the node's own code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web
from yarl import URL

from tests.simulator.loop import aside, owned

PATIENCE_S: Final = 30.0  # how long a client waits for an answer
Endpoint = Callable[[Any], Any]


class Station(Protocol):
    """What the network asks of a node."""

    @property
    def name(self) -> str: ...

    @property
    def up(self) -> bool: ...

    @property
    def now(self) -> int: ...

    @property
    def restored(self) -> int: ...

    def endpoint(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]: ...


@dataclass
class Weather:
    """How bad the lines are: shares of messages, and seconds."""

    loss: float = 0.0
    twice: float = 0.0
    slowest_s: float = 0.01


@dataclass(frozen=True)
class Message:
    """A request under way; strikes and tests choose by it."""

    sender: str
    receiver: str
    method: str
    path: str


@dataclass
class Network:
    """Lines between all stations. `strike`, if set, may say what happens to one message: see `Network.fate`."""

    dice: Random
    stations: dict[str, Station] = field(default_factory=dict)  # by host name
    weather: Weather = field(default_factory=Weather)
    cut: set[frozenset[str]] = field(default_factory=set)
    strike: Callable[[Message], str] | None = None
    passed: list[Message] = field(default_factory=list)
    refused: int = 0

    def fate(self, message: Message) -> str:
        """`request` or `reply` are lost, `twice` comes a second time later; empty: nothing happens."""
        if self.strike is not None:
            return self.strike(message)
        if frozenset((message.sender, message.receiver)) in self.cut:
            return "request"
        drawn = self.dice.random()
        if drawn < self.weather.loss:
            return "request" if self.dice.random() < 0.5 else "reply"
        return "twice" if drawn < self.weather.loss + self.weather.twice else ""

    async def travel(self) -> None:
        await asyncio.sleep(self.dice.random() * self.weather.slowest_s)

    async def exchange(self, sender: Station, arrival: Arrival) -> web.Response:
        """Carry a request there and its answer back."""
        receiver = self.stations.get(arrival.host)
        if receiver is None:
            raise aiohttp.ClientConnectionError(f"no host {arrival.host}")
        message = Message(sender.name, receiver.name, arrival.method, arrival.path)
        fate = self.fate(message)
        await self.travel()
        if fate == "request":
            await self._silence()
        if fate == "twice":
            aside(lambda: self._again(receiver, arrival))
        answer = await self._served(receiver, arrival)
        self.passed.append(message)
        await self.travel()
        if fate == "reply" or frozenset((sender.name, receiver.name)) in self.cut:
            await self._silence()
        return answer

    async def _silence(self) -> None:
        await asyncio.sleep(PATIENCE_S)
        raise TimeoutError("nothing came back")

    async def _again(self, receiver: Station, arrival: Arrival) -> None:
        """The same bytes once more, sometimes much later: what the nonce is there for."""
        await asyncio.sleep(self.dice.random() * self.dice.choice((self.weather.slowest_s, 20.0, 100.0)))
        try:
            answer = await self._served(receiver, arrival)
        except aiohttp.ClientError:
            return
        self.refused += answer.status == 401

    async def _served(self, receiver: Station, arrival: Arrival) -> web.Response:
        if not receiver.up:
            raise aiohttp.ClientConnectionError(f"{receiver.name} is down")
        handler, found = receiver.endpoint(arrival.method, arrival.path)
        request = arrival.copy(found)
        task = owned(receiver.name, lambda: handler(request))
        await asyncio.wait([task])
        if task.cancelled():
            raise aiohttp.ClientConnectionError(f"{receiver.name} was killed")
        answer: web.Response = task.result()
        if answer.status != 401:
            assert receiver.restored not in arrival.acted, f"{receiver.name} acted twice on one {arrival.path}"
            arrival.acted.append(receiver.restored)  # a store from a backup has forgotten its nonces
        answer.headers["date"] = formatdate(receiver.now, usegmt=True)
        return answer


class _Body:
    """Bytes as a stream of one piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def iter_any(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data


@dataclass
class Arrival:
    """A request as a route sees it."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes
    match_info: Mapping[str, str] = field(default_factory=dict)
    acted: list[int] = field(default_factory=list)

    @property
    def host(self) -> str:
        return str(self.url.host)

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def raw_path(self) -> str:
        return self.url.raw_path_qs

    @property
    def query(self) -> Mapping[str, str]:
        return self.url.query

    @property
    def content(self) -> _Body:
        return _Body(self.body)

    def copy(self, found: Mapping[str, str]) -> Arrival:
        return Arrival(self.method, self.url, self.headers, self.body, found, self.acted)


@dataclass(frozen=True)
class Reply:
    """The part of `aiohttp.ClientResponse` that our client uses."""

    status: int
    headers: Mapping[str, str]
    content: _Body

    async def __aenter__(self) -> Reply:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class Wire:
    """A node's way into the network: the part of `aiohttp.ClientSession` that our client uses."""

    def __init__(self, network: Network, station: Station) -> None:
        self._network = network
        self._station = station

    async def request(
        self, method: str, url: URL | str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None,
        allow_redirects: bool = False,
    ) -> Reply:  # fmt: skip
        assert not allow_redirects
        lower = {k.lower(): v for k, v in (headers or {}).items()}
        arrival = Arrival(method, URL(url) if isinstance(url, str) else url, lower, data or b"")
        answer = await self._network.exchange(self._station, arrival)
        body = answer.body or b""
        assert isinstance(body, bytes)
        return Reply(answer.status, answer.headers, _Body(body))

    async def get(self, url: URL | str, **more: Any) -> Reply:
        return await self.request("GET", url, **more)
