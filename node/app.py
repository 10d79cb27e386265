"""The wiring: settings and a data folder become a running node. The only place that knows all the parts."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import aiohttp
from aiohttp import web
from yarl import URL

from config.settings import Settings
from federation.client import Signer
from federation.identity import KeyHistory
from federation.routes import federation_routes
from governance.admission import Admission
from governance.gate import NoPolicy
from node.accounts import Accounts, Vault
from node.acks import Acks
from node.attaching import Attachments
from node.audit.auditing import Auditing
from node.circles import Circles
from node.clock import Clock, Entropy, SystemClock, SystemEntropy
from node.consents import Consents
from node.contributors.contributing import Contributing
from node.core import Core
from node.erasure import Eraser
from node.errors import StartError
from node.finding import Finding
from node.holds.holding import Holds
from node.hosting import Hosting
from node.importer import Importer
from node.indexing import Indexing
from node.intake import Intake
from node.keyring import Keyring, Profile, account_key, first_document, load_keys, updated
from node.library import Library
from node.lines import Lines
from node.locking import lock
from node.operating import About, Operating
from node.overdue import Overdue
from node.peerbook import KnownPeer, Situation, read_history, write_history
from node.peers import Peers
from node.policies import Policies
from node.previews.foreseeing import Foreseeing
from node.proposals.wiring import open_proposals
from node.reading import Readings
from node.reciting import Reciting
from node.reminding import Reminding
from node.reports.reports import Reports
from node.rotating import settle_rotation
from node.sharing import Sharing
from node.shelf import Shelf
from node.side import Sides
from node.store.port import Store, StoreError, Writer
from node.store.rows import Meta, OriginRow
from node.store.sql import open_store
from node.syncing import Pace, Syncing
from node.tracing import Tracing
from node.upkeep import Upkeep
from node.web.options import WebOptions
from node.web.server import build_web
from search.errors import EngineUnavailable, IndexCorrupt
from search.open import OpenedEngine, open_engine

MIB: Final = 1024 * 1024
NODE_ID: Final = "node.id"


class App:
    """A node's use cases, wired together."""

    def __init__(self, settings: Settings, core: Core, engine: OpenedEngine, http: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.core = core
        self.store, self.clock, self.entropy = core.store, core.clock, core.entropy
        self._wire_records(settings, core, engine)
        self._wire_exchange(settings, core, http)
        self._wire_upkeep(settings, core, engine)
        self.stack = AsyncExitStack()

    def _wire_records(self, settings: Settings, core: Core, engine: OpenedEngine) -> None:
        self.readings = Readings(core)
        self.sharing = Sharing(core, settings.sync.page_records, settings.sync.page_bytes)
        self.library = Library(core, self.readings, self._withdrawals)
        self.importer = Importer(core, self.library)
        self.consents = Consents(core, self.readings)
        own_urls = settings.server.own_urls
        self.contributing = Contributing(core, self.readings, own_urls[0] if own_urls else "")
        self.circles = Circles(core)
        self.find = Finding(core, self.readings, engine.engine)
        self.indexing = Indexing(core, self.readings, engine.engine)
        self.reports = Reports(core, self.readings)
        self.accounts = _accounts(settings, core)
        files, limit = settings.data / "attachments", settings.attachments.max_mib * MIB
        self.attachments = Attachments(core, self.readings, self.library, self.sharing, files, limit)

    async def _withdrawals(self, who: Any, *, rid: str | None = None) -> Any:
        return await self.tracing.withdrawals(who, rid=rid)

    def _wire_exchange(self, settings: Settings, core: Core, http: aiohttp.ClientSession) -> None:
        signer = Signer(core.node_id, core.keys.request_kid, core.keys.request, core.now, core.entropy.draw)

        def renewed(keys: Keyring) -> None:
            signer.keyid, signer.key = keys.request_kid, keys.request

        admission = _admission(settings)
        lines = Lines(http, signer)
        intake = Intake(core, admission)
        sides = Sides(core, self.sharing, intake, Acks(core, self.sharing))
        self.peers = Peers(core, lines)
        self.reciting = Reciting(core)
        self.reminding = Reminding(core)
        self.tracing = Tracing(core, self.readings, self.sharing, self.peers)
        keys = settings.data / "keys"
        rules = settings.governance.rules()
        self.proposals = open_proposals(core, self.peers, self.circles, keys, renewed, *rules)
        self.holds = Holds(core, self.readings, self.peers, self.indexing)
        self.explain = self.custody = self.tracing
        self.foreseeing = Foreseeing(core, self.readings, self.peers, self.circles)
        sync = settings.sync
        pace = Pace(sync.interval_s, sync.jitter, sync.backoff_max_s, settings.limits.concurrent_syncs)
        self.syncing = Syncing(core, sides, self.sharing, lines, self.peers, self.attachments, pace)
        self.host = Hosting(core, signer, authorities(settings), sides, self.peers, self.attachments)
        self._admission = admission

    def _wire_upkeep(self, settings: Settings, core: Core, engine: OpenedEngine) -> None:
        eraser = Eraser(core, settings.data / "attachments", [self.indexing.erase])
        self.policies = Policies(core, settings.policy.path, self.proposals.from_node)
        also = (Overdue(core, self.peers).settle, self.proposals.tend)
        self.upkeep = Upkeep(core, self.policies, eraser, self.indexing, self.syncing, self._shelf, also)
        self.syncing.before = eraser.run
        about = About(
            version("commonweave"),
            core.now(),
            engine.name,
            settings.database.url.partition(":")[0].partition("+")[0],
            settings.data,
            settings.node.regions,
            settings.node.languages,
            (engine.limits,),
        )
        self.audit = Auditing(core, self.upkeep.audit_log, self.peers)
        self.ops = Operating(core, self.indexing, about, (self.audit.health, self.holds.health, self.reminding.health))

    async def _shelf(self, tx: Writer, peer: KnownPeer, situation: Situation) -> Shelf:
        return await Shelf.open(self.core, tx, peer, situation, self._admission, [])

    def public_site(self) -> web.Application:
        """What listens to the network: API, pages, and the federation's routes."""
        server = self.settings.server
        options = WebOptions(
            public_url=server.own_urls[0] if server.own_urls else "",
            behind_proxy=server.behind_proxy,
            max_upload_bytes=self.settings.attachments.max_mib * MIB,
        )
        return build_web(self, options, self._mount)

    def _mount(self, site: web.Application) -> None:
        site.router.add_routes(federation_routes(self.host))

    def start_background(self) -> None:
        """Begin to follow changes, ends and peers."""
        self.upkeep.start()

    async def close(self) -> None:
        """Stop the background, then close what was opened; `open_app` sets `stack`."""
        await self.upkeep.stop()
        await self.stack.aclose()


async def open_app(settings: Settings, *, clock: Clock | None = None, entropy: Entropy | None = None) -> App:
    """Open the node of a data folder: lock, keys, database, index, policy. Nothing listens yet."""
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    async with AsyncExitStack() as stack:
        stack.callback(lock(settings.data).close)
        store = await _store(settings)
        stack.push_async_callback(store.close)
        settle_rotation(settings.data / "keys", await _own_history(store))
        keys = load_keys(settings.data / "keys", await _node_id(store))
        core = Core(store, clock, entropy, keys, settings.node.name, NoPolicy())
        await _introduce(core, settings, keys)
        engine = _engine(settings)
        stack.callback(engine.engine.close)
        patience_s = settings.sync.timeout_s
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience_s, sock_read=patience_s)
        session = aiohttp.ClientSession(
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"accept-encoding": "identity"},
        )
        http = await stack.enter_async_context(session)
        app = App(settings, core, engine, http)
        await app.policies.refresh()
        if isinstance(core.policy, NoPolicy):
            raise StartError(core.policy_problem or "no policy is in force: set policy.path")
        await app.upkeep.catch_up()
        app.stack = stack.pop_all()
        return app
    raise AssertionError("the stack above never swallows an exception")


def _accounts(settings: Settings, core: Core) -> Accounts:
    server = settings.server
    address = (*server.own_urls, f"http://{server.host}:{server.port}")[0].rstrip("/")
    vault = Vault(account_key(settings.data / "keys", core.entropy), core.entropy)
    return Accounts(core.store, core.clock, core.entropy, vault, core.audit, address=address, issuer=settings.node.name)


def authorities(settings: Settings) -> Collection[str]:
    """The host names under which requests to this node may be signed: its own addresses, and where it listens."""
    out = {f"{settings.server.host}:{settings.server.port}"}
    for text in settings.server.own_urls:
        url = URL(text)
        default = {"http": 80, "https": 443}.get(url.scheme)
        host = url.host_subcomponent or ""
        out.add(host if url.port == default else f"{host}:{url.port}")
    return frozenset(out)


async def _store(settings: Settings) -> Store:
    try:
        return await open_store(settings.database_url().get_secret_value())
    except StoreError as error:
        raise StartError(str(error)) from error


async def _node_id(store: Store) -> str | None:
    async with store.read() as tx:
        row = await tx.get(Meta, NODE_ID)
    return row.value if row else None


async def _own_history(store: Store) -> KeyHistory | None:
    node_id = await _node_id(store)
    async with store.read() as tx:
        row = await tx.get(OriginRow, node_id) if node_id else None
    return read_history(row.history) if row else None


async def _introduce(core: Core, settings: Settings, keys: Keyring) -> None:
    """Keep our own history in the database, and let it say what the settings say."""
    node = settings.node
    profile = Profile(node.name, node.regions, node.languages, node.contact, settings.server.own_urls)
    async with core.store.write() as tx:
        row = await tx.get(OriginRow, core.node_id)
        if row is None:
            history = first_document(keys, profile, core.now())
            await tx.put(Meta(NODE_ID, core.node_id))
        else:
            core.earliest = read_history(row.history).current.iat
            history = updated(read_history(row.history), keys, profile, core.now())
        core.earliest = history.current.iat
        text = write_history(history)
        if row is None or row.history != text or row.name != node.name:
            await tx.put(OriginRow(core.node_id, text, node.name))


def _engine(settings: Settings) -> OpenedEngine:
    """The search engine; a damaged index is thrown away, since it can be made again."""
    folder = settings.search.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return open_engine(settings.search.engine, folder)
    except IndexCorrupt:
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        opened = open_engine(settings.search.engine, folder)
        return replace(opened, limits=f"{opened.limits} The index was damaged and is made again from the database.")
    except EngineUnavailable as error:
        raise StartError(str(error)) from error


def _admission(settings: Settings) -> Admission:
    chosen = settings.admission
    return Admission(
        frozenset(chosen.kinds),
        frozenset(chosen.languages),
        frozenset(),
        chosen.max_copy_bytes,
        chosen.budget_mib * MIB,
    )
