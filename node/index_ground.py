"""What the index was made under beside the records themselves, and what of it is made anew when that changes.

Each change of a record is followed by its number. Policy, day, circles and agreements change decisions without one:
another policy means another index, the rest only those entries on which it has a say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from typing import Final

from governance.policy import DAY_S, Policy
from node.core import Core
from node.indexing import BATCH, Indexing
from node.peerbook import Situation, passing_peers
from node.store.port import Reader
from node.store.rows import Copy, Meta, State

INDEXED_UNDER: Final = "index.under"
MOST_DAYS: Final = 60  # a node that slept longer looks at everything once, which costs less than each day by itself


@dataclass(frozen=True)
class Ground:
    """The policy, and what may change under it: the day where rules ask for age, our circles, who lets us pass on.

    `stops` are the holds on more than single records.
    """

    policy: str = ""
    day: int = 0
    circles: tuple[str, ...] = ()
    passing: tuple[int, ...] = ()
    stops: str = ""

    @staticmethod
    async def now(core: Core, tx: Reader) -> Ground:
        """What decisions stand on at this moment."""
        situation = await core.situation(tx)
        return Ground(
            situation.policy.version,
            _day(situation),
            tuple(sorted(situation.circles)),
            tuple(sorted(passing_peers(await core.peers(tx, situation)))),
            repr(situation.stops.broad()),
        )

    @staticmethod
    def read(text: str) -> Ground:
        """From its stored form."""
        kept = json.loads(text)
        return Ground(
            kept["policy"], kept["day"], tuple(kept["circles"]), tuple(kept["passing"]), kept.get("stops", "")
        )

    def write(self) -> str:
        """The stored form."""
        return json.dumps(asdict(self))


def _day(situation: Situation) -> int:
    policy = situation.policy
    return situation.now // DAY_S if isinstance(policy, Policy) and policy.age_steps else 0


async def index_as_decided(core: Core, indexing: Indexing) -> None:
    """Bring the index up to what the gate says now.

    What it stands on is read before and written after: if it changes meanwhile, or the process ends, it is done again.
    """
    position = await asyncio.to_thread(indexing.engine.position)
    async with core.store.read() as tx:
        kept = await tx.get(Meta, INDEXED_UNDER)
        now = await Ground.now(core, tx)
        newest = await tx.pick(Copy, ("change_seq",), order="change_seq", descending=True, limit=1)
    before = Ground.read(kept.value) if kept is not None else None
    if newest and position > newest[0][0]:
        before = None  # the database was restored without its index, which knows of changes that never were
    if before == now:
        await indexing.follow()
        return
    if (
        before is None
        or (before.policy, before.stops) != (now.policy, now.stops)
        or abs(now.day - before.day) > MOST_DAYS
    ):
        async for _ in indexing.rebuild():
            pass
    else:
        await indexing.follow()
        async for ids in _concerned(core, before, now):
            await indexing.renew(ids)
    async with core.store.write() as tx:
        await tx.put(Meta(INDEXED_UNDER, now.write()))


async def _concerned(core: Core, before: Ground, now: Ground) -> AsyncIterator[list[int]]:
    """The numbers of the live copies of which the gate may say another thing than before."""
    async with core.store.read() as tx:
        ids: dict[int, None] = {}
        if (before.circles, before.passing) != (now.circles, now.passing):
            ids |= dict.fromkeys(n for (n,) in await tx.pick(Copy, ("id",), {"state": State.LIVE, "own": False}))
        for first, last in _written_between(core, before.day, now.day):
            found = await tx.pick(Copy, ("id",), {"state": State.LIVE}, above=("iat", first - 1), upto=("iat", last))
            ids |= dict.fromkeys(n for (n,) in found)
    numbers = list(ids)
    for at in range(0, len(numbers), BATCH):
        yield numbers[at : at + BATCH]


def _written_between(core: Core, one: int, other: int) -> Iterable[tuple[int, int]]:
    """From and to which second what was sealed comes to another age that rules ask for, from one day to the other."""
    policy = core.policy
    steps = policy.age_steps if isinstance(policy, Policy) else ()
    lower, upper = sorted((one, other))
    for step in sorted(steps) if lower < upper else ():
        yield (lower + 1 - step) * DAY_S, (upper + 1 - step) * DAY_S - 1
