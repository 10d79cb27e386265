"""Running a node: its state at a glance, its health with remedies, its audit log, rebuilding the index."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.envelope import verify
from federation.errors import PeerError
from governance.agreement import Phase
from governance.policy_text import problems
from node.copies import Held
from node.core import Core
from node.erasure import pending
from node.holds.holding import notices
from node.indexing import Indexing
from node.peerbook import known_origins
from node.principal import Principal
from node.reminding import Reminding
from node.store.governing import Audit
from node.store.port import StoreError
from node.store.rows import AttachmentRef, Copy, GrantRow, PeerRow, Quarantined, State
from node.views import CheckView, Page, StatusView

FREE_BYTES: Final = 200 * 1024 * 1024  # below this a first sync or a vacuum may not fit
SAMPLE: Final = 200  # newest records whose signatures doctor checks again
STALE_S: Final = 7 * 86_400


@dataclass(frozen=True)
class About:
    """What the wiring knows and the database does not."""

    version: str
    started_at: int
    engine: str
    database: str
    data: Path
    regions: tuple[str, ...]
    languages: tuple[str, ...]
    notices: tuple[str, ...]


Check = Callable[[], Awaitable[list[CheckView]]]  # what another part of the node adds to `doctor`


class Operating:
    """Use cases of the administrator."""

    def __init__(self, core: Core, indexing: Indexing, about: About, checks: Sequence[Check] = ()) -> None:
        self._core = core
        self._indexing = indexing
        self._about = about
        self._checks = checks

    async def status(self, who: Principal) -> StatusView:
        """The node at a glance. Counts only; for the public the caller shows less."""
        who.need("read")
        core, about = self._core, self._about
        async with core.store.read() as tx:
            own = await tx.count(Copy, {"state": State.LIVE, "own": True})
            received = await tx.count(Copy, {"state": State.LIVE, "own": False})
            withdrawn = await tx.count(Copy, {"state": State.WITHDRAWN})
            grants = await tx.count(GrantRow)
            peers = await tx.find(PeerRow)
            quarantined = await tx.count(Quarantined)
            waiting = await pending(tx)
            on_hold = await notices(tx)
        due = [r.words for r in await Reminding(core).due(who.say)] if who.may("steward") else []
        return StatusView(
            name=core.name,
            node_id=core.node_id,
            regions=list(about.regions),
            languages=list(about.languages),
            version=about.version,
            own_records=own,
            received_records=received,
            withdrawn_records=withdrawn,
            grants=grants,
            peers=len(peers),
            active_peers=sum(p.phase == Phase.ACTIVE for p in peers),
            quarantined=quarantined,
            index_engine=about.engine,
            index_behind=await self._indexing.behind(),
            policy=getattr(core.policy, "name", "none"),
            policy_version=core.policy.version,
            policy_problem=core.policy_problem,
            pending_erasures=waiting,
            database=about.database,
            started_at=about.started_at,
            notices=[*on_hold, *about.notices, *due],
        )

    async def doctor(self, who: Principal) -> list[CheckView]:
        """Everything that can be checked without changing anything, each with what to do about it."""
        who.need("admin")
        return [
            await self._check_database(),
            self._check_disk(),
            self._check_keys(),
            await self._check_signatures(),
            await self._check_index(),
            self._check_policy(),
            await self._check_files(),
            *await self._check_peers(),
            *[found for check in self._checks for found in await check()],
        ]

    async def _check_database(self) -> CheckView:
        try:
            found = await self._core.store.check()
        except StoreError as error:
            found = [str(error)]
        return CheckView(
            name="database",
            ok=not found,
            detail="; ".join(found) or f"sound ({self._about.database})",
            remedy="" if not found else "stop the node and restore the data folder from your last backup",
        )

    def _check_disk(self) -> CheckView:
        free = shutil.disk_usage(self._about.data).free
        return CheckView(
            name="disk",
            ok=free >= FREE_BYTES,
            detail=f"{free // 1024**2} MiB free",
            remedy="" if free >= FREE_BYTES else "make room: a sync or an erasure may not fit",
        )

    def _check_keys(self) -> CheckView:
        folder = self._about.data / "keys"
        open_ones = [p.name for p in sorted(folder.glob("*.key")) if p.stat().st_mode & 0o077]
        detail = "readable by this account only"
        remedy = ""
        if open_ones:
            detail, remedy = f"others can read {', '.join(open_ones)}", f"run: chmod 600 {folder}/*.key"
        elif (folder / "next.key").exists():
            detail += (
                "; next.key lies here too: keep a copy of it somewhere else, it brings the node back after a theft"
            )
        return CheckView(name="keys", ok=not open_ones, detail=detail, remedy=remedy)

    async def _check_signatures(self) -> CheckView:
        async with self._core.store.read() as tx:
            rows = await tx.find(Copy, {"state": State.LIVE}, order="change_seq", descending=True, limit=SAMPLE)
            histories = await known_origins(tx, {r.origin for r in rows})
        bad = []
        for row in rows:
            try:
                verify(row.jws or "", list(Held.read(row).texts.values()), histories.get)
            except (PeerError, ValueError, KeyError) as error:
                bad.append(f"{row.rid}: {error}")
        return CheckView(
            name="signatures",
            ok=not bad,
            detail="; ".join(bad[:5]) or f"the newest {len(rows)} records verify",
            remedy="" if not bad else "the database was changed from outside: restore it from your last backup",
        )

    async def _check_index(self) -> CheckView:
        behind = await self._indexing.behind()
        return CheckView(
            name="search index",
            ok=behind == 0,
            detail="up to date" if not behind else f"{behind} changes behind",
            remedy=""
            if not behind
            else "it follows by itself while the node runs; `commonweave reindex` makes it anew",
        )

    def _check_policy(self) -> CheckView:
        problem = self._core.policy_problem
        name = getattr(self._core.policy, "name", "none")
        return CheckView(
            name="policy",
            ok=not problem,
            detail=problem or f"{name} ({self._core.policy.version[:12]})",
            remedy="" if not problem else "mend the file; `commonweave policy check FILE` names every mistake",
        )

    async def _check_files(self) -> CheckView:
        folder = self._about.data / "attachments"
        async with self._core.store.read() as tx:
            refs = {r.sha256 for r in await tx.find(AttachmentRef)}
        missing = [s for s in refs if not (folder / s[:2] / s).exists()]
        return CheckView(
            name="attachments",
            ok=not missing,
            detail=f"{len(refs) - len(missing)} of {len(refs)} files are here",
            remedy="" if not missing else "the next sync fetches what peers still offer",
        )

    async def _check_peers(self) -> list[CheckView]:
        now = self._core.now()
        async with self._core.store.read() as tx:
            rows = await tx.find(PeerRow, {"phase": Phase.ACTIVE})
        out = []
        for row in rows:
            silent = row.last_contact_at is None or now - row.last_contact_at > STALE_S
            fine = not row.last_error and not silent
            out.append(
                CheckView(
                    name=f"peer {row.name}",
                    ok=fine,
                    detail=row.last_error or ("no contact for a week or more" if silent else "in contact"),
                    remedy=""
                    if not (row.last_error or silent)
                    else "ask their administrator, or try `commonweave sync`",
                )
            )
        return out

    async def reindex(self, who: Principal) -> AsyncIterator[tuple[int, int]]:
        """Make the index anew; yields (done, total)."""
        who.need("admin")
        async for step in self._indexing.rebuild():
            yield step

    async def policy_check(self, text: str) -> list[str]:
        """Every problem of a policy text, a sentence each; none if it can be put in force."""
        return [str(p) for p in problems(text)]

    async def audit(
        self, who: Principal, subject: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Audit]:
        """What was done here, newest first."""
        who.need("steward")
        upto = ("id", int(after)) if after and after.isdecimal() else None
        where = {"subject": subject} if subject else {}
        async with self._core.store.read() as tx:
            rows = await tx.find(Audit, where, upto=upto, order="id", descending=True, limit=limit + 1)
        more = str(rows[limit].id) if len(rows) > limit else None
        return Page[Audit](items=rows[:limit], next=more)
