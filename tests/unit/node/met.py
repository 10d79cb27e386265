"""Two nodes whose notices and agreements travel, by calling one another's use cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import ClientSession

from federation.client import Line, Signer
from federation.encoding import b64url_decode, dumps
from federation.identity import KeyHistory
from federation.messages import read_object
from node.errors import PeerTrouble
from node.lines import Lines
from node.peers import Peers
from tests.world import World, WorldNode


@dataclass
class Direct:
    """Lines that call the other node's use cases; `open` says whether anything passes."""

    caller: WorldNode
    peers: dict[str, Peers]
    open: bool = True
    lose_answers: bool = False
    said: list[int] = field(default_factory=list)

    def to(self, peer: KeyHistory, urls: Sequence[str]) -> Line:
        del urls
        return Line(cast(ClientSession, None), "", cast(Signer, None), peer)

    async def ask(self, line: Line, method: str, path: str, body: bytes) -> bytes:
        assert method == "POST"
        if not self.open:
            raise PeerTrouble("nobody there")
        answer = await self._answer(self.peers[line.peer.node_id], path, read_object(body))
        if self.lose_answers:
            raise PeerTrouble("the answer was lost")
        return answer

    async def _answer(self, there: Peers, path: str, body: dict[str, Any]) -> bytes:
        if path == "/agreement":
            return dumps(dict(await there.agreed(self.caller.id, body)))
        assert path == "/notice"
        self.said.append(json.loads(b64url_decode(body["notice"].split(".")[1]))["seq"])
        return dumps({"before": await there.noticed(self.caller.id, body["notice"])})


@dataclass
class Two:
    """Two nodes with an agreement, whose notices travel."""

    world: World
    lines: dict[str, Direct]
    peers: dict[str, Peers]

    async def phase(self, here: WorldNode, there: WorldNode) -> str:
        return (await here.peer(there)).phase


def met(world: World) -> Two:
    """The nodes of a world with lines between them."""
    peers: dict[str, Peers] = {}
    lines = {n.name: Direct(n, peers) for n in world.nodes}
    peers.update({n.id: Peers(n.core, cast(Lines, lines[n.name])) for n in world.nodes})
    return Two(world, lines, peers)
