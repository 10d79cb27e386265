"""Governance at scale: previews, explanations, and a narrowing policy that takes effect, over real rows in SQLite.

Records differ as those of an organisation do: kinds, topics, regions, labels, sensitivities, languages, contributors
with their own permissions and ends. Times are processor times: other work on the machine does not count.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.load import load
from federation.documents import Agreement, AtEnd, Clauses, sign_agreement
from federation.encoding import b64url_decode
from federation.keys import SEED_BYTES, SigningKey, key_commitment, node_id_of
from federation.messages import Page, Put
from governance.agreement import Phase
from governance.policy_text import parse_policy
from governance.record import ContributorLink, Draft
from governance.terms import ALL_PURPOSES, NETWORK, NODE, Purpose, Terms
from node.agreements import write_proposal
from node.app import App, open_app
from node.inforce import put_in_force
from node.keyring import Keyring, Profile, first_document
from node.library import NewRecord
from node.peerbook import write_history
from node.previews.previews import Previews, WhatIf
from node.principal import LOCAL
from node.store.rows import Copy, Custody, PeerRow, State
from tests.bench.nodes import WORDS, make, peak_mb

PEERS: Final = 20
SUBJECTS: Final = 400
FILL: Final = 500
EXPLAINED: Final = 200
ASKED_EVERY_S: Final = 0.05  # a page while a policy takes effect
RECORD_CHARS: Final = 3_000
POLICY: Final = """
name = "before"
[[rule]]
id = "share"
effect = "share"
to = ["peer", "member", "public"]
reason = "We share what people permitted."
[[rule]]
id = "red-stays"
effect = "withhold"
to = ["peer", "public"]
when.labels = ["tlp:red"]
reason = "It is marked red."
example = [{ to = "peer", labels = ["tlp:red"] }]
[[rule]]
id = "people-stay"
effect = "redact"
to = "peer"
fields = "person:*"
unless.topics = ["water", "school"]
reason = "Names of people stay with us."
example = [{ to = "peer" }]
"""
NARROWER: Final = (
    POLICY.replace('"before"', '"after"')
    + """
[[rule]]
id = "high-stays"
effect = "withhold"
to = "peer"
when.sensitivity = ["high"]
when.topics = ["flood", "clinic", "route"]
reason = "This could endanger people."
example = [{ to = "peer", sensitivity = "high", topics = ["flood"] }]
[[rule]]
id = "old-waits"
effect = "withhold"
to = "peer"
when.kind = "story"
when.peer_regions = ["BR"]
reason = "Stories are not for this region yet."
example = [{ to = "peer", kind = "story", peer_regions = ["BR"] }]
"""
)


@dataclass(frozen=True, slots=True)
class GoverningFigures:
    """Seconds and milliseconds of processor time, but for those named wall."""

    records: int
    peers: int
    preview_s: float
    preview_wall_s: float
    preview_again_s: float
    preview_peak_mb: float
    changed_records: int
    explain_ms: float
    who_ms: float
    narrowing_s: float
    narrowing_wall_s: float
    asked_meanwhile: int
    served_the_old_way: int


def drafts(count: int, seed: int) -> list[Draft]:
    """Records that differ in all that rules ask about."""
    rng = random.Random(seed)
    network = Terms(frozenset({NETWORK}), frozenset({Purpose.LEARNING, Purpose.RESEARCH})).to_json()
    here = Terms(frozenset({NODE}), ALL_PURPOSES).to_json()
    words = [a + b for a in WORDS for b in ("", "s", "ing", *WORDS[:6])]
    out = []
    for number in range(count):
        body = " ".join(rng.choice(words) for _ in range(RECORD_CHARS // 9))
        fields: dict[str, Any] = {
            "title": f"{rng.choice(words)} {rng.choice(words)} {number}",
            "summary": " ".join(rng.choice(words) for _ in range(20)),
            "body": body,
            "topics": rng.sample(WORDS, 3),
            "regions": [rng.choice(["KE", "BR", "IN", "CO", "JO"])],
            "licence": rng.choice(["CC-BY-4.0", "CC0-1.0"]),
            "sensitivity": rng.choice(["low", "low", "medium", "high"]),
        }
        fields |= {"labels": [rng.choice(["tlp:red", "tlp:green", "draft"])]} if rng.random() < 0.3 else {}
        people = {f"person:p{n}": {"name": f"Person {n}"} for n in range(rng.randrange(3))}
        quotes = {f"quote:q{n}": {"text": rng.choice(words)} for n in range(rng.randrange(3))}
        fields |= people | quotes
        links = [ContributorLink(subject=f"c{rng.randrange(SUBJECTS)}", fields=tuple(quotes) or None)]
        out.append(
            Draft(
                kind=rng.choice(["case_study", "guide", "story", "checklist"]),
                lang=rng.choice(["en", "es", "sw"]),
                fields=fields,
                terms=network,
                field_terms=dict.fromkeys(people, here if rng.random() < 0.5 else network),
                contributors=tuple(links) if rng.random() < 0.4 else (),
            )
        )
    return out


async def fill(app: App, count: int, told: Callable[[str], None]) -> None:
    """Permissions of contributors, half of them with an end of their own, then the records."""
    rng = random.Random(5)
    now = app.core.now()
    for number in range(SUBJECTS):
        until = now + rng.randrange(40, 4_000) * 86_400 if number % 2 else None
        terms = Terms(frozenset({NETWORK}), frozenset({Purpose.LEARNING}), until)
        await app.consents.grant(LOCAL, subject=f"c{number}", terms=terms, how="signed form")
    for at in range(0, count, FILL):
        told(f"publishing {at:,} of {count:,} records")
        await app.library.create_many(LOCAL, [NewRecord(d) for d in drafts(min(FILL, count - at), 1_000 + at)])


async def befriend(app: App, count: int) -> list[int]:
    """Peers under signed agreements of three sorts; their numbers."""
    numbers = []
    for number in range(count):
        keys = _keyring(number)
        history = first_document(keys, Profile(f"Peer {number}", ("KE",), ("en",), "", ()), app.core.now())
        clauses = Clauses(
            purposes=ALL_PURPOSES if number % 3 else frozenset({Purpose.LEARNING}),
            kinds=() if number % 4 else ("guide", "story"),
            attachments=bool(number % 2),
            at_end=AtEnd.ERASE,
            starts=app.core.now(),
        )
        document = Agreement(
            id=f"agreement-{number:04}", n=1, iat=app.core.now(), a=app.core.node_id, b=keys.node_id, nonce="n" * 24,
            clauses=clauses,
        )  # fmt: skip
        pairs = ((app.core.node_id, app.core.keys.record), (keys.node_id, keys.record))
        tokens = tuple(sign_agreement(document, node_id, key).decode() for node_id, key in pairs)
        region = json.dumps([("KE", "BR", "IN")[number % 3]])
        async with app.store.write() as tx:
            row = PeerRow(
                await tx.next_seq(), keys.node_id, Phase.ACTIVE, f"Peer {number}", write_history(history), "[]", region,
                app.core.now(), agreement=json.dumps(list(tokens)), agreement_source=write_proposal(document, tokens),
            )  # fmt: skip
            await tx.put(row)
        numbers.append(row.id)
    return numbers


def _keyring(number: int) -> Keyring:
    rng = random.Random(number)
    identity, request, record, log, following = (SigningKey.from_seed(rng.randbytes(SEED_BYTES)) for _ in range(5))
    node_id = node_id_of(identity.public)
    return Keyring(node_id, identity, request, record, log, rng.randbytes(32), key_commitment(following.public))


def measure(records: int, told: Callable[[str], None] = lambda _: None) -> GoverningFigures:
    """One whole measurement in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="commonweave-bench-") as name:
        return asyncio.run(measure_in(Path(name), records, told))


async def measure_in(folder: Path, records: int, told: Callable[[str], None]) -> GoverningFigures:
    """Fill a node in this folder, then measure; a folder that was filled before is taken as it is."""
    fresh = not (folder / "node").exists()
    if fresh:
        await make(folder / "node", "Governing")
    app = await open_app(load(folder / "node"))
    try:
        await _in_force(app, POLICY)
        if fresh:
            await fill(app, records, told)
            await befriend(app, PEERS)
        return await _measured(app, told)
    finally:
        await app.close()


async def _in_force(app: App, text: str) -> None:
    async with app.store.write() as tx:
        app.core.policy = await put_in_force(tx, text, app.core.now())


async def _measured(app: App, told: Callable[[str], None]) -> GoverningFigures:
    told("the preview")
    previews, narrower = Previews(app.core), parse_policy(NARROWER.encode())
    first, wall = time.process_time(), time.perf_counter()
    impact = await previews.impact(WhatIf(policy=narrower))
    first, wall = time.process_time() - first, time.perf_counter() - wall
    again = time.process_time()
    await previews.impact(WhatIf(policy=narrower))
    again = time.process_time() - again
    peak = peak_mb(os.getpid())
    told("explanations")
    explain_ms, who_ms = await _explained(app)
    told("a narrowing policy")
    narrowing = await _narrowing(app, told)
    return GoverningFigures(
        impact.records, len(impact.peers), round(first, 2), round(wall, 2), round(again, 2), round(peak),
        sum(p.stops.records + p.changes.records for p in impact.peers), round(explain_ms, 2), round(who_ms, 2),
        *narrowing,
    )  # fmt: skip


async def _explained(app: App) -> tuple[float, float]:
    """Milliseconds of one explanation for a peer, and of the list of all who can see a record."""
    async with app.store.read() as tx:
        rids = [rid for (rid,) in await tx.pick(Copy, ("rid",), {"state": State.LIVE}, limit=EXPLAINED)]
        (peer, *_) = await tx.find(PeerRow, limit=1)
    started = time.process_time()
    for rid in rids:
        await app.explain.explain(LOCAL, rid, peer.node_id)
    explained = (time.process_time() - started) / len(rids) * 1000
    started = time.process_time()
    for rid in rids[: EXPLAINED // 10]:
        await app.explain.who_sees(LOCAL, rid)
    return explained, (time.process_time() - started) / (EXPLAINED // 10) * 1000


async def _narrowing(app: App, told: Callable[[str], None]) -> tuple[float, float, int, int]:
    """Seconds (processor, wall) until every peer's feed is right, requests answered meanwhile, and how many were wrong.

    Before, every peer has its feed of the first policy; while the ledgers are settled under the new one, peers go on to
    ask for pages, and each page is held against the new policy's gate.
    """
    async with app.store.read() as tx:
        numbers = [r.id for r in await tx.find(PeerRow)]
    for at, number in enumerate(numbers):
        told(f"the feed of peer {at + 1} of {len(numbers)} under the first policy")
        await app.sharing.ledger.settle(number)
    told("the feeds under the narrower policy")
    await _in_force(app, NARROWER)
    asking = _Asking(app, numbers)
    task = asyncio.create_task(asking.go_on())
    cpu, wall = time.process_time(), time.perf_counter()
    for number in numbers:
        await app.sharing.ledger.settle(number)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return round(cpu, 1), round(wall, 1), asking.pages, asking.wrong


class _Asking:
    """Peers that ask for pages from anywhere in their feed while the policy takes effect."""

    def __init__(self, app: App, numbers: list[int]) -> None:
        self._app = app
        self._numbers = numbers
        self._rng = random.Random(3)
        self.pages = 0
        self.wrong = 0

    async def go_on(self) -> None:
        """Until cancelled."""
        while True:
            number = self._rng.choice(self._numbers)
            async with self._app.store.read() as tx:
                lines = await tx.pick(Custody, ("seq",), {"peer": number}, order="seq", descending=True, limit=1)
                above = self._rng.randrange(lines[0][0]) if lines else 0
            page = await self._app.sharing.page(number, above)
            self.pages += 1
            self.wrong += await self._beyond(number, page)
            await asyncio.sleep(ASKED_EVERY_S)

    async def _beyond(self, number: int, page: Page) -> int:
        """Entries of a page that the policy in force does not allow."""
        sent = {_rid_of(e.jws): len(e.texts) for e in page.entries if isinstance(e, Put)}
        async with self._app.store.read() as tx:
            wrong = 0
            for rid, texts in sent.items():
                held = await self._app.readings.held(tx, self._app.core.node_id, rid)
                decision, _ = await self._app.sharing.ledger.decision_for(tx, held, number)
                wrong += texts > len(decision.fields)
            return wrong


def _rid_of(jws: str) -> str:
    return str(json.loads(b64url_decode(jws.split(".")[1]))["rid"])
