"""What happens, in order. Each step does the thing through the nodes' own API and prints what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from node.accounts.views import AccountView
from node.cli.client import Api
from node.cli.connect import connect
from node.cli.finding import marked
from node.cli.importing import stream
from node.cli.output import short
from node.demo.cast import CAST, CIRCLE, Organisation
from node.demo.processes import DemoStopped, Nodes
from node.explaining.views import ExplainedView
from node.imports import ReadOptions, open_source
from node.peer_views import CircleView, FlowView, InviteView, PeerView, SyncView
from node.views import CustodyView, ImportView, Page, ReceiptView, RecordInfo, RecordView, SearchView, StatusView

T = TypeVar("T")
MAX_SYNC_ROUNDS: Final = 6  # a roster has to arrive before what rests on it can go; more would be a loop
MAX_REASONS: Final = 4  # of a preview; the page shows all
NARROWED: Final = "La brigada barrial que se adelantó a la inundación"
NARROWED_FIELDS: Final = ("summary", "outcome")
WITHDRAWN: Final = "Merenda escolar: lista semanal do comitê de famílias"


class Story:
    """The demonstration over running nodes."""

    def __init__(self, nodes: Nodes, out: Console) -> None:
        self._nodes = nodes
        self._out = out
        self._status: dict[int, StatusView] = {}

    # --- saying ----------------------------------------------------------------------------------------------------

    def chapter(self, title: str, words: str = "") -> None:
        """A heading, and what it is about."""
        self._out.print()
        self._out.print(Rule(f"[bold]{escape(title)}[/bold]", align="left"))
        if words:
            self._out.print(escape(words), style="dim")

    def line(self, text: str) -> None:
        """A line."""
        self._out.print(escape(text))

    def rows(self, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """A table."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self._out.print(table)

    def _bar(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._out,
        )

    def _api(self, org: Organisation) -> Api:
        return self._nodes.api[org.number]

    def _id(self, org: Organisation) -> str:
        return self._status[org.number].node_id

    # --- 1. nodes and libraries ------------------------------------------------------------------------------------

    def start_nodes(self) -> None:
        """Three nodes, each with keys, settings and a database of its own."""
        self.chapter(
            "1. Three organisations, three nodes",
            "Each runs its own node and keeps its own knowledge: own keys, own database, own rules.",
        )
        with self._bar() as bar:
            task = bar.add_task("Making and starting nodes", total=len(CAST))
            with ThreadPoolExecutor(len(CAST)) as pool:
                list(pool.map(self._nodes.init, CAST))
            for org in CAST:
                self._nodes.start(org)
            for org in CAST:
                self._nodes.wait(org)
                self._status[org.number] = self._api(org).get(StatusView, "/status")
                bar.advance(task)
        self.rows(
            ("organisation", "regions", "languages", "rules", "address"),
            ((o.name, ", ".join(o.regions), ", ".join(o.languages), o.policy, o.url) for o in CAST),
        )

    def bring_libraries(self, parts: dict[int, list[Path]]) -> None:
        """Each imports its part; all at the same time."""
        self.chapter(
            "2. Each brings in its library",
            "Who wrote it says who may have it; whoever is in it may narrow that, field by field, with an end date.",
        )
        results: dict[int, ImportView] = {}
        with self._bar() as bar:
            tasks = {o.number: bar.add_task(o.name, total=sum(_count(p) for p in parts[o.number])) for o in CAST}

            def bring(org: Organisation) -> None:
                results[org.number] = self._import(
                    org, parts[org.number], lambda read: bar.update(tasks[org.number], completed=read)
                )

            _all_at_once(bring)
        self.rows(
            ("organisation", "published", "references to records elsewhere", "could not be taken"),
            (
                (
                    o.name,
                    f"{results[o.number].added} records",
                    len(results[o.number].problems),
                    results[o.number].refused,
                )
                for o in CAST
            ),
        )

    def _import(self, org: Organisation, paths: list[Path], tell: Callable[[int], None]) -> ImportView:
        # The circle is named after its owner, so its id is known before it is made.
        circles = {CIRCLE: f"{self._id(CAST[0]).removeprefix('did:key:')}.{CIRCLE}"}
        total = ImportView(read=0, added=0, changed=0, unchanged=0, refused=0)
        with connect(self._nodes.data(org)) as api:  # a client of its own: this runs in a thread
            for path in paths:
                before = total
                for view in stream(api, open_source(path, ReadOptions(circles=circles)), path.stem):
                    total = before.model_copy(
                        update={
                            "read": before.read + view.read,
                            "added": before.added + view.added,
                            "refused": before.refused + view.refused,
                            "problems": total.problems + view.problems,
                        }
                    )
                    tell(total.read)
        return total

    # --- 2. meeting ------------------------------------------------------------------------------------------------

    def meet(self) -> None:
        """Every pair meets by an invitation; six words prove that nobody stands between them."""
        self.chapter(
            "3. They meet",
            "One hands over an invitation, the other opens it. Both then see the same six words and read them aloud.",
        )
        rows = []
        for one, two in combinations(CAST, 2):
            terms = {"purposes": ["learning", "research"], "days": 365}
            invite = self._api(one).post(InviteView, "/peers/invite", {"note": f"for {two.name}", "terms": terms})
            there = self._api(two).post(PeerView, "/peers/accept", {"text": invite.link})
            here = self._api(one).get(PeerView, f"/peers/{self._id(two)}")
            if here.six_words != there.six_words:
                raise DemoStopped(f"{one.name} and {two.name} see different words")
            rows += [(one.name, "sees", here.six_words), (two.name, "sees", there.six_words)]
        self.rows(("organisation", "", "six words"), rows)
        self._api(CAST[0]).post(CircleView, "/circles", {"slug": CIRCLE, "members": [self._id(CAST[1])]})
        owner, member, other = (org.name for org in CAST)
        self.line(f"\n{owner} makes the circle “{CIRCLE}” and lets {member} in. {other} is not in it.")

    def preview_and_approve(self) -> None:
        """Before anything flows, both sides see what would; then they sign."""
        self.chapter(
            "4. First what would flow, then the signatures",
            "Nothing has been sent yet. These counts come from the same gate that will decide for real.",
        )
        for one, two in combinations(CAST, 2):
            for giver, taker in ((one, two), (two, one)):
                self._show_flow(giver, taker)
        for one, two in combinations(CAST, 2):
            for giver, taker in ((one, two), (two, one)):
                view = self._api(giver).post(PeerView, f"/peers/{self._id(taker)}/approve")
        agreement = view.agreement or view.proposal
        if agreement:
            self._out.print(Panel(escape("\n".join(agreement.words)), title="The agreement, in words", expand=False))

    def _show_flow(self, giver: Organisation, taker: Organisation) -> None:
        flow = self._api(giver).get(FlowView, f"/peers/{self._id(taker)}/preview")
        self._out.print(
            f"[bold]{escape(giver.name)} → {escape(taker.name)}[/bold]: {flow.records} records "
            f"({flow.fields} fields) would go, {flow.withheld} stay"
        )
        for reason, count in sorted(flow.reasons.items(), key=lambda item: -item[1])[:MAX_REASONS]:
            self._out.print(f"   {count:>5} × {escape(reason)}", style="dim")

    # --- 3. sharing ------------------------------------------------------------------------------------------------

    def share(self) -> None:
        """The first sync, and what arrived."""
        self.chapter("5. They share", "Every record is signed by its origin and checked again by whoever receives it.")
        started = time.monotonic()
        self._sync_until_quiet(MAX_SYNC_ROUNDS)
        took = time.monotonic() - started
        total = 0
        rows = []
        for org in CAST:
            status = self._api(org).get(StatusView, "/status")
            total += status.received_records
            sent = ", ".join(f"{p.sent} to {p.name}" for p in self._api(org).get(list[PeerView], "/peers"))
            rows.append((org.name, status.own_records, status.received_records, sent))
        self.rows(("organisation", "published", "holds from the others", "copies handed out"), rows)
        self.line(f"{total} records arrived and were verified in {took:.1f} s.")
        self._show_withheld()
        self._show_redaction()

    def _show_withheld(self) -> None:
        """How many of the records that arrived came with fields missing."""
        rows = []
        for org in CAST:
            received = list(self._records(org, own=False))
            redacted = [info.withheld for info in received if info.withheld]
            rows.append((org.name, f"{len(redacted)} of {len(received)}", sum(redacted)))
        self.line("\nWhat arrived with fields withheld (whoever reads it sees that, and why):")
        self.rows(("organisation", "records with fields withheld", "fields withheld"), rows)

    def _sync_until_quiet(self, rounds: int) -> None:
        with self._bar() as bar:
            for number in range(1, rounds + 1):
                task = bar.add_task(f"Sync, round {number}", total=len(CAST))
                moved = 0
                for org in CAST:
                    for result in self._api(org).post(list[SyncView], "/sync", {"peer": None}):
                        if not result.ok:
                            self.line(f"{org.name} could not sync with {result.peer}: {result.error}")
                        moved += _moved(result)
                    bar.advance(task)
                if not moved:
                    break

    def _show_redaction(self) -> None:
        """One record as its origin has it and as a partner does."""
        giver, taker = CAST[0], CAST[1]
        info = self._find(giver, NARROWED)
        there = self._api(taker).get(RecordView, f"/records/{info.rid}")
        self.line(f"\nOne of them, “{there.title}”, as {taker.name} has it:")
        self.line(f"   there: {', '.join(f.name for f in there.fields)}")
        for withheld in there.withheld:
            self._out.print(f"   withheld: {escape(withheld.field)} – {escape(withheld.reason)}", style="dim")
        why = self._api(giver).get(ExplainedView, f"/records/{info.rid}/explain", to=self._id(taker))
        self.line(f"   {giver.name} can say why, at any time (commonweave explain {short(info.rid)} --to …):")
        for word in why.words[:MAX_REASONS]:
            self._out.print(f"      {escape(word)}", style="dim")

    def _find(self, org: Organisation, title: str) -> RecordInfo:
        for info in self._records(org, own=True):
            if info.title.startswith(title):
                return info
        raise DemoStopped(f"{org.name} has no record “{title}”")

    def _records(self, org: Organisation, *, own: bool) -> Iterator[RecordInfo]:
        after: str | None = None
        while True:
            page = self._api(org).get(Page[RecordInfo], "/records", own=own, limit=200, after=after)
            yield from page.items
            after = page.next
            if after is None:
                return

    # --- 4. finding ------------------------------------------------------------------------------------------------

    def search(self) -> None:
        """Three searches in three languages, each at another node."""
        self.chapter("6. Practitioners find what others learned", "Own and received records, each in its own language.")
        for org in CAST:
            language, query = org.query
            view = self._api(org).get(SearchView, "/search", q=query, limit=3)
            self._out.print(
                f"[bold]{escape(query)}[/bold] ({language}) at {escape(org.name)}: "
                f"{view.total} records in {view.took_ms:.0f} ms"
            )
            for hit in view.hits:
                self._out.print("   ", marked(hit.title, ""), f" [dim]{escape(hit.origin_name)}[/dim]", sep="")

    # --- 5. taking back --------------------------------------------------------------------------------------------

    def narrow(self) -> None:
        """Terms become narrower after the fact; what was sent is retracted."""
        giver, taker = CAST[0], CAST[1]
        info = self._find(giver, NARROWED)
        self.chapter(
            "7. Somebody changes their mind: narrowing",
            f"{giver.name} narrows {' and '.join(NARROWED_FIELDS)} of “{info.title}” to its own members.",
        )
        before = self._fields_there(taker, info.rid)
        terms = {"audiences": ["node"], "purposes": ["learning"]}
        self._api(giver).post(
            RecordInfo, f"/records/{info.rid}/narrow", {"terms": terms, "fields": list(NARROWED_FIELDS)}
        )
        self._sync_until_quiet(MAX_SYNC_ROUNDS)
        after = self._fields_there(taker, info.rid)
        self.line(
            f"{taker.name} had {len(before)} fields, now {len(after)}. Gone: {', '.join(sorted(before - after))}."
        )
        self._custody(giver, info.rid)

    def _fields_there(self, org: Organisation, rid: str) -> set[str]:
        return {f.name for f in self._api(org).get(RecordView, f"/records/{rid}").fields}

    def withdraw(self) -> None:
        """A record is taken back everywhere; every holder signs that it has erased it."""
        giver = CAST[0]
        info = self._find(giver, WITHDRAWN)
        self.chapter(
            "8. Somebody takes a record back: withdrawal",
            f"{giver.name} withdraws “{info.title}”. Every holder must erase it and sign that it did.",
        )
        phrase = self._phrase(giver, info.rid)
        had = {o.number: self._on_disk(o, phrase) for o in CAST}
        self._api(giver).post(Any, f"/records/{info.rid}/withdraw", {"reason": "consent"})
        receipts = self._wait_for_receipts(giver, info.rid)
        self._custody(giver, info.rid)
        self.line("\nThe receipts at the origin, each signed by the holder:")
        self.rows(("holder", "states", "signature"), ((r.holder_name, r.state, f"…{r.jws[-32:]}") for r in receipts))
        rows = [(o.name, had[o.number], self._on_disk(o, phrase)) for o in CAST]
        self.line("\nA sentence of it, looked for byte by byte in every file of each data folder:")
        self.rows(("organisation", "files with it before", "after"), rows)

    def _phrase(self, org: Organisation, rid: str) -> bytes:
        view = self._api(org).get(RecordView, f"/records/{rid}")
        summary = next((f.value for f in view.fields if f.name == "summary"), view.title)
        return str(summary)[:60].encode()

    def _on_disk(self, org: Organisation, phrase: bytes) -> int:
        files = [p for p in self._nodes.data(org).rglob("*") if p.is_file()]
        return sum(_holds(path, phrase) for path in files)

    def _wait_for_receipts(self, giver: Organisation, rid: str) -> list[ReceiptView]:
        receipts: list[ReceiptView] = []
        for _ in range(MAX_SYNC_ROUNDS):
            self._sync_until_quiet(2)
            custody = self._api(giver).get(list[CustodyView], f"/records/{rid}/custody")
            receipts = self._api(giver).get(list[ReceiptView], f"/records/{rid}/receipts")
            if all(c.confirmed == "erased" for c in custody if c.entry == "withdraw" and c.delivered):
                break
            time.sleep(0.5)  # the holders clear their disks before they sign
        return receipts

    def _custody(self, org: Organisation, rid: str) -> None:
        entries = self._api(org).get(list[CustodyView], f"/records/{rid}/custody")
        self.line(f"What {org.name} knows of its copies:")
        self.rows(
            ("holder", "was told", "version", "fields", "delivered", "confirmed"),
            (
                (c.name, c.entry, c.ver, len(c.fields), "yes" if c.delivered else "not yet", c.confirmed or "–")
                for c in entries
            ),
        )

    # --- 6. yours --------------------------------------------------------------------------------------------------

    def hand_over(self) -> None:
        """Accounts and addresses for the visitor."""
        self.chapter("9. Your turn", "Sign in at each node and look at the same record from three sides.")
        rows = []
        for org in CAST:
            account = self._api(org).post(AccountView, "/accounts", {"name": org.member, "role": "member"})
            rows.append((org.name, org.url, account.name, account.password))
        self.rows(("organisation", "address", "name", "password"), rows)
        self.line(f"\nThe command line works on the same nodes: commonweave status --data {self._nodes.data(CAST[0])}")


def _all_at_once(work: Callable[[Organisation], None]) -> None:
    """The same for all three, at the same time; the first error counts."""
    with ThreadPoolExecutor(len(CAST)) as pool:
        list(pool.map(work, CAST))


def _moved(result: SyncView) -> int:
    told = result.changed + result.retracted + result.withdrawn + result.repaired + result.attachments
    return told + result.sent + result.sent_retracted + result.sent_withdrawn


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _holds(path: Path, phrase: bytes) -> bool:
    try:
        return phrase in path.read_bytes()
    except OSError:
        return False  # a file that the engine has just replaced
