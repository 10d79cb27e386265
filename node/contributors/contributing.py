"""Contributors' own view: private links made by editors, and what their holders may see, change, take back and keep.

A link's secret is kept as its SHA-256 only and is told once. Unknown, ended and revoked links look the same. Each act
is one transaction with its audit entry, in which the link is looked at again.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from federation.encoding import b64url_decode
from federation.proofs import ConsentProof
from governance.consent import Grant
from governance.consent_receipt import JSON, Covered, Party, Permission, consent_receipt
from governance.gate import Public
from governance.policy import DAY_S
from governance.record import is_language
from governance.speech import N_, Say
from governance.terms import Purpose, check_audience
from node.accounts import TooManyAttempts
from node.contributors.acts import (
    Done,
    OwnRecord,
    Wish,
    change,
    chosen_record,
    end_all,
    holders_of,
    own_copy,
    own_records,
    stored_act,
    take_back,
)
from node.contributors.own_view import acts_view, consent_notes, controller_of, record_view
from node.contributors.views import ActView, ConsentReceiptView, ContributorView, PrivateLinkView
from node.contributors.words import own_label
from node.core import Core
from node.errors import BadInput, NotFound
from node.peerbook import read_history
from node.principal import Principal
from node.reading import Readings
from node.sealing import grant_of, grants_for
from node.speech import speech
from node.store.governing import ContributorAct, PrivateLink
from node.store.port import Reader, Writer
from node.store.rows import ContributorRow, GrantRow, OriginRow, State

LINK_PREFIX: Final = "cwl_"  # lets people and scanners see what a leaked string is
SECRET_BYTES: Final = 32
LINK_SCOPE: Final = "private-link"  # no account and no token has it
MAX_LINK_DAYS: Final = 366  # who needs it longer asks for a new one, and is met again
MAX_SECRET_CHARS: Final = 100
HOUR_S: Final = 3600
WRONG_A_MINUTE: Final = 20  # from one address; a good link is never counted, so nobody can be shut out by this
MINUTE_S: Final = 60
MAX_ADDRESSES: Final = 10_000
GONE: Final = N_(
    "This private link does not work: it may have ended, or was mistyped. Ask the organisation that gave it to you for"
    " a new one."
)


Acting = list[tuple[Done, OwnRecord, Mapping[str, int]]]  # what was done, to what, and who may have had it
TAKES_BACK: Final = frozenset({"withdraw", "remove", "close"})


@dataclass(frozen=True, slots=True)
class LinkHolder(Principal):
    """Whoever opened a private link: a contributor, known by their pseudonym alone."""

    link: bytes = b""
    link_id: str = ""
    subject: str = ""
    lang: str = "en"
    expires_at: int = 0


class Guesses:
    """Links that were none, per address: slows down who tries many, and keeps nothing but counts in memory."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, int]] = {}

    def wrong(self, address: str, now: int) -> None:
        """Count one; `TooManyAttempts` beyond what mistyping explains."""
        since, count = self._wrong.pop(address, (now, 0))
        since, count = (since, count + 1) if 0 <= now - since < MINUTE_S else (now, 1)
        self._wrong[address] = (since, count)
        while len(self._wrong) > MAX_ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        if count > WRONG_A_MINUTE:
            raise TooManyAttempts("Too many links that do not work; try again in a minute.", MINUTE_S)


class Contributing:
    """Use cases around private links; `base_url` is where the node's pages are, empty if it has no address."""

    def __init__(self, core: Core, readings: Readings, base_url: str = "") -> None:
        self._core = core
        self._readings = readings
        self._base_url = base_url.rstrip("/")
        self._guesses = Guesses()

    # --- links, by editors ------------------------------------------------------------------------------------------

    async def make_link(self, who: Principal, *, subject: str, lang: str = "en", days: int = 90) -> PrivateLinkView:
        """A new private link for a contributor; its secret is in this answer and nowhere else."""
        who.need("write")
        if not is_language(lang):
            raise BadInput(f"language {lang!r} is not a BCP 47 tag such as sw or pt-BR")
        if not 0 < days <= MAX_LINK_DAYS:
            raise BadInput(f"days {days}: a private link is good for 1 to {MAX_LINK_DAYS} days")
        now = self._core.now()
        drawn = self._core.entropy.draw(SECRET_BYTES)
        secret = LINK_PREFIX + urlsafe_b64encode(drawn).decode().rstrip("=")
        row = PrivateLink(_hash(secret), self._core.new_id(), subject, lang, who.actor, now, now + days * DAY_S)
        async with self._core.store.write() as tx:
            linked = await tx.count(ContributorRow, {"subject": subject})
            if not linked and not await tx.count(GrantRow, {"subject": subject}):
                raise NotFound(f"no contributor {subject!r} in any record here; write the name as in the record")
            await tx.put(row)
            await self._core.audit(tx, who.actor, "contributor.link", row.id)
        return link_view(row, now).model_copy(update={"secret": secret, "link": f"{self._base_url}/c/{secret}"})

    async def links(self, who: Principal, *, subject: str | None = None) -> Sequence[PrivateLinkView]:
        """Private links, newest first; never their secrets."""
        who.need("write")
        async with self._core.store.read() as tx:
            rows = await tx.find(PrivateLink, {"subject": subject} if subject else {})
        now = self._core.now()
        return [link_view(row, now) for row in sorted(rows, key=lambda r: (-r.created_at, r.id))]

    async def revoke_link(self, who: Principal, link_id: str) -> PrivateLinkView:
        """End a private link at once; what was done with it stays done."""
        who.need("write")
        now = self._core.now()
        async with self._core.store.write() as tx:
            found = await tx.find(PrivateLink, {"id": link_id})
            if not found:
                raise NotFound(f"no private link {link_id!r}; `contributor links` shows the ones there are")
            row = found[0]
            if row.revoked_at is None:
                row = replace(row, revoked_at=now)
                await tx.put(row)
                await self._core.audit(tx, who.actor, "contributor.link-revoked", row.id)
        return link_view(row, now)

    # --- by the one who has the link --------------------------------------------------------------------------------

    async def open(self, secret: str, address: str) -> LinkHolder:
        """Whose link this is; `NotFound` for one that is none, ended or was revoked, all alike."""
        now = self._core.now()
        async with self._core.store.read() as tx:
            row = await tx.get(PrivateLink, _hash(secret[:MAX_SECRET_CHARS]))
        if row is None or not _good(row, now):
            self._guesses.wrong(address, now)
            raise NotFound(GONE)
        if row.used_at is None or now - row.used_at >= HOUR_S:
            async with self._core.store.write() as tx:
                fresh = await tx.get(PrivateLink, row.hash)
                if fresh is not None:
                    await tx.put(replace(fresh, used_at=now - now % HOUR_S))  # not to the minute: nobody's business
        actor = f"contributor with link {row.id}"
        return LinkHolder(
            actor, Public(), frozenset({LINK_SCOPE}), link=row.hash, link_id=row.id, subject=row.subject,
            lang=row.lang, expires_at=row.expires_at,
        )  # fmt: skip

    async def see(self, holder: LinkHolder) -> ContributorView:
        """What is held about them, who has it, what they did here and how far that has come."""
        say, now = speech((holder.lang,)), self._core.now()
        async with self._core.store.read() as tx:
            await self._still_good(tx, holder)
            grants = (await grants_for(tx, [holder.subject])).get(holder.subject, [])
            controller = await self._controller(tx)
            records = [
                await record_view(self._core, tx, self._readings, own, grants, now, say)
                for own in await own_records(tx, holder.subject)
            ]
            acts = await tx.find(ContributorAct, {"subject": holder.subject}, order="at", descending=True)
            done = await acts_view(self._core, tx, self._readings, acts, records, now, say)
        return ContributorView(
            node=controller.name,
            node_id=controller.node_id,
            contact=controller.contact,
            subject=holder.subject,
            lang=holder.lang,
            expires_at=holder.expires_at,
            records=records,
            acts=done,
            receipts=consent_notes(grants, acts, say),
        )

    async def change(
        self,
        holder: LinkHolder,
        rid: str,
        *,
        fields: Collection[str] | None = None,
        audience: str | None = None,
        purposes: Collection[Purpose],
        days: int | None = None,
    ) -> list[ActView]:
        """Permit less, up to what was permitted before, or until another day; for one record."""
        wish = Wish(None if audience is None else check_audience(audience), frozenset(purposes), days)

        async def act(tx: Writer) -> Acting:
            own = await chosen_record(tx, holder.subject, rid, fields)
            held = {name: await holders_of(self._core, tx, rid, [name]) for name in own.fields}
            before = await self._version(tx, rid)
            done = await change(self._core, tx, own, wish)
            if await self._version(tx, rid) == before:
                held = {}  # somebody else's limits are narrower still: nothing changes for anybody
            return [(one, own, {n: h for f in one.fields for n, h in held.get(f, {}).items()}) for one in done]

        return await self._act(holder, act)

    async def withdraw(
        self, holder: LinkHolder, rid: str | None, *, fields: Collection[str] | None = None, remove: bool = False
    ) -> list[ActView]:
        """Take the permission back for one record, or with `rid` None for everything; `remove` takes it out of it."""

        async def act(tx: Writer) -> Acting:
            if rid is not None:
                chosen = [await chosen_record(tx, holder.subject, rid, fields)]
            else:
                chosen = await own_records(tx, holder.subject)
            done: Acting = []
            for own in chosen:
                held = await holders_of(self._core, tx, own.row.rid, own.fields)
                before = await self._version(tx, own.row.rid)
                what = await take_back(self._core, tx, own, remove=remove)
                done.append((what, own, held if await self._version(tx, own.row.rid) != before else {}))
            if rid is None:
                await end_all(tx, holder.subject, self._core.now())
            return done

        return await self._act(holder, act)

    async def _act(self, holder: LinkHolder, act: Callable[[Writer], Awaitable[Acting]]) -> list[ActView]:
        """Do it, remember it with who held it, sign its receipt and note it: whole or not at all."""
        say, core = speech((holder.lang,)), self._core
        rows = []
        async with core.store.write() as tx:
            await self._still_good(tx, holder)
            controller = await self._controller(tx)
            for done, own, held in await act(tx):
                parties = await self._parties(tx, held)
                permission = Permission(
                    done.grant, [_covered(own, done.fields, say)], controller, parties, done.removed
                )
                _, jws = self._signed(permission, say)
                ver = await self._version(tx, own.row.rid)
                row = stored_act(done, link=holder.link_id, act_id=core.new_id(), ver=ver, holders=held, receipt=jws)
                await tx.put(row)
                await core.audit(tx, holder.actor, f"contributor.{done.what}", own.row.rid, f"{done.grant.gid}")
                rows.append(row)
        core.bell.ring()
        async with core.store.read() as tx:
            return await acts_view(core, tx, self._readings, rows, [], core.now(), say)

    async def _version(self, tx: Reader, rid: str) -> int:
        """The version that is out now; a withdrawal counts as one more."""
        copy = await own_copy(self._core, tx, rid)
        return 0 if copy is None else copy.ver + (copy.state == State.WITHDRAWN)

    async def receipt(self, holder: LinkHolder, gid: str) -> ConsentReceiptView:
        """The receipt of one of their permissions: as it was signed when they acted here, else as it stands now."""
        say = speech((holder.lang,))
        async with self._core.store.read() as tx:
            await self._still_good(tx, holder)
            acts = await tx.find(ContributorAct, {"subject": holder.subject, "gid": gid})
            row = await tx.get(GrantRow, gid)
            row = row if row is not None and row.subject == holder.subject else None
            taken_since = row is not None and row.withdrawn_at is not None
            if acts and (acts[0].what in TAKES_BACK or not taken_since):
                return ConsentReceiptView(receipt=_read(acts[0].receipt), jws=acts[0].receipt)
            if row is None:
                raise NotFound(N_("there is no receipt of yours with this number"))
            permission = await self._permission(tx, grant_of(row), say)
        receipt, jws = self._signed(permission, say)
        return ConsentReceiptView(receipt=receipt, jws=jws)

    async def _permission(self, tx: Reader, grant: Grant, say: Say) -> Permission:
        covered, holders = [], dict[str, int]()
        for own in await own_records(tx, grant.subject):
            names = [name for name in own.fields if grant.covers(own.row.rid, name)]
            if names:
                covered.append(_covered(own, names, say))
                holders |= await holders_of(self._core, tx, own.row.rid, names)
        return Permission(grant, covered, await self._controller(tx), await self._parties(tx, holders))

    def _signed(self, permission: Permission, say: Say) -> tuple[JSON, str]:
        now = self._core.now()
        receipt = consent_receipt(permission, self._core.new_id(), now, say)
        return receipt, self._core.sign(ConsentProof(iss=self._core.node_id, iat=now, receipt=receipt))

    async def _controller(self, tx: Reader) -> Party:
        row = await tx.get(OriginRow, self._core.node_id)
        assert row is not None, "open_app writes our own history before anything else runs"
        return controller_of(read_history(row.history).current)

    async def _parties(self, tx: Reader, holders: Mapping[str, int]) -> list[Party]:
        names = await self._readings.names(tx, list(holders))
        return [Party(node_id, names.get(node_id, node_id)) for node_id in holders]

    async def _still_good(self, tx: Reader, holder: LinkHolder) -> None:
        row = await tx.get(PrivateLink, holder.link)
        if row is None or not _good(row, self._core.now()):
            raise NotFound(GONE)


def link_view(row: PrivateLink, now: int) -> PrivateLinkView:
    """A link for editors, without what opens it."""
    return PrivateLinkView(
        id=row.id,
        subject=row.subject,
        lang=row.lang,
        by=row.by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
        active=_good(row, now),
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _good(row: PrivateLink, now: int) -> bool:
    return row.revoked_at is None and now < row.expires_at


def _read(jws: str) -> JSON:
    receipt: JSON = json.loads(b64url_decode(jws.split(".")[1]))["receipt"]
    return receipt


def _covered(own: OwnRecord, fields: Collection[str], say: Say) -> Covered:
    return Covered(own.row.rid, {name: own_label(own.draft.kind, name, say) for name in fields})
