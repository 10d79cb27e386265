"""Puts the families of acts together; the only place of this room that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from governance.proposal import Rules
from node.circles import Circles
from node.core import Core
from node.keyring import Keyring
from node.peers import Peers
from node.previews.previews import Previews
from node.proposals.agreements import Offers, Renewals, Signatures, Steps
from node.proposals.circles import CircleChanges, NewCircles
from node.proposals.doing import Doing
from node.proposals.lifting import Lifts
from node.proposals.people import FormerStewards, NewStewards
from node.proposals.policy import PolicyChanges
from node.proposals.proposals import Proposals
from node.proposals.releases import RecordReleases
from node.proposals.rotation import Rotations

STEPS: Final = ("agreement.suspend", "agreement.resume", "agreement.end", "agreement.block", "agreement.unblock")


def open_proposals(
    core: Core,
    peers: Peers,
    circles: Circles,
    keys: Path,
    renewed: Callable[[Keyring], None],
    default: Rules,
    by_kind: Mapping[str, Rules],
) -> Proposals:
    """The use cases, with every act; from now on what one steward cannot do alone becomes a proposal.

    `keys` is the folder of the key files, `renewed` hears of other keys once they are in use.
    """
    doings: dict[str, Doing[Any]] = {
        "policy.change": PolicyChanges(core),
        "agreement.propose": Offers(core, peers),
        "agreement.renew": Renewals(core, peers),
        "agreement.countersign": Signatures(core, peers),
        **dict.fromkeys(STEPS, Steps(core, peers)),
        "circle.create": NewCircles(circles),
        "circle.change": CircleChanges(circles),
        "record.release": RecordReleases(core, peers),
        "steward.add": NewStewards(core),
        "steward.remove": FormerStewards(core),
        "hold.lift": Lifts(core),
        "key.rotate": Rotations(core, keys, renewed),
    }
    proposals = Proposals(core, Previews(core), doings, default, by_kind)
    core.propose = proposals.propose
    return proposals
