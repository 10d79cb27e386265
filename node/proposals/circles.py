"""Proposals around circles of ours."""

from __future__ import annotations

import json
from collections.abc import Collection

from federation.errors import PeerError
from federation.keys import identity_key_of
from governance.speech import Say
from node.circles import Circles
from node.errors import BadInput
from node.previews.previews import WhatIf
from node.proposals.acts import CircleChange, CircleCreate
from node.proposals.doing import Carried
from node.stewards import By
from node.store.port import Reader, Writer
from node.store.rows import PeerRow


class NewCircles:
    """Making one."""

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    async def settle(self, tx: Reader, act: CircleCreate) -> CircleCreate:
        """Members by their node ids."""
        await self._circles.check_new(tx, act.slug)
        return act.model_copy(update={"members": await node_ids(tx, act.members)})

    async def what_if(self, tx: Reader, act: CircleCreate) -> WhatIf | None:
        """With the new roster."""
        cid = await self._circles.check_new(tx, act.slug)
        return WhatIf(rosters={cid: frozenset(act.members)})

    async def words(self, tx: Reader, act: CircleCreate, say: Say) -> list[str]:
        """Its name and members."""
        members = await names(tx, act.members)
        return [say("A new circle “{name}” with {members}.", name=act.slug, members=say.both(members) or say("nobody"))]

    async def carry(self, tx: Writer, act: CircleCreate, by: By) -> Carried:
        """Sign its first roster."""
        return Carried((await self._circles.create_in(tx, act.slug, act.members, by)).cid)


class CircleChanges:
    """Letting in and taking out."""

    def __init__(self, circles: Circles) -> None:
        self._circles = circles

    async def settle(self, tx: Reader, act: CircleChange) -> CircleChange:
        """The circle by its id, nodes by theirs."""
        row = await self._circles.own(tx, act.circle)
        if not act.add and not act.remove:
            raise BadInput("name at least one node to let in or to take out")
        both = {"add": await node_ids(tx, act.add), "remove": await node_ids(tx, act.remove)}
        return act.model_copy(update={"circle": row.cid, **both})

    async def what_if(self, tx: Reader, act: CircleChange) -> WhatIf | None:
        """With the roster that follows."""
        row = await self._circles.own(tx, act.circle)
        members = (set(json.loads(row.members)) | set(act.add)) - set(act.remove)
        return WhatIf(rosters={row.cid: frozenset(members)})

    async def words(self, tx: Reader, act: CircleChange, say: Say) -> list[str]:
        """Who comes and who goes."""
        name = act.circle.rpartition(".")[2]
        out = []
        if act.add:
            who = say.both(await names(tx, act.add))
            out.append(say("{who} joins the circle “{name}”.", who=who, name=name))
        if act.remove:
            who = say.both(await names(tx, act.remove))
            out.append(say("{who} leaves the circle “{name}” and loses what came through it.", who=who, name=name))
        return out

    async def carry(self, tx: Writer, act: CircleChange, by: By) -> Carried:
        """Sign the next roster."""
        return Carried((await self._circles.change_in(tx, act.circle, act.add, act.remove, by)).cid)


async def node_ids(tx: Reader, refs: Collection[str]) -> tuple[str, ...]:
    """Node ids as they are, and peers by their names; `BadInput` for what is neither."""
    by_name = {row.name: row.node_id for row in await tx.find(PeerRow)}
    out = []
    for ref in refs:
        node_id = by_name.get(ref, ref)
        try:
            identity_key_of(node_id)
        except PeerError:
            raise BadInput(f"{ref!r} is neither the name of a peer nor a node id; `peer list` shows them") from None
        out.append(node_id)
    return tuple(dict.fromkeys(out))


async def names(tx: Reader, ids: Collection[str]) -> list[str]:
    """Peers by their names, others by their ids."""
    known = {row.node_id: row.name for row in await tx.get_many(PeerRow, [(i,) for i in ids], by=("node_id",))}
    return [known.get(i, i) for i in ids]
