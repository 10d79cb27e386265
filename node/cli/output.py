"""What people see: tables and panels, or JSON with `--json`; times in words, ids short enough to copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from node.cli.session import session
from node.views import TermsView

T = TypeVar("T")
NONE: Final = "–"
SHORT_ID_CHARS: Final = 23  # of a UUIDv7: the time and 26 random bits, since an import makes many in one millisecond
PIPE_WIDTH: Final = 200  # columns where nobody's window sets them


def console() -> Console:
    """The terminal, or a pipe: colour by `NO_COLOR` and terminal, width by the window."""
    out = Console(emoji=False, highlight=False)
    return out if out.is_terminal or out.width != 80 else Console(emoji=False, highlight=False, width=PIPE_WIDTH)


def plain(value: Any) -> Any:
    """A view as JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def print_json(value: Any) -> None:
    """One JSON text on standard output."""
    console_out = Console(emoji=False, highlight=False, soft_wrap=True)
    console_out.out(json.dumps(plain(value), ensure_ascii=False, indent=2), highlight=False)


def emit(value: T, render: Callable[[T], Any]) -> None:
    """The value as JSON, or what `render` makes of it for people."""
    if session().as_json:
        print_json(value)
        return
    shown = render(value)
    if shown is not None:
        console().print(shown)


def say(text: str) -> None:
    """A line for people; nothing with `--json`."""
    if not session().as_json:
        console().print(text, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", empty: str = "Nothing.") -> Any:
    """Rows under column names; a sentence where there are none."""
    found = Table(title=escape(title) or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        found.add_column(column, overflow="fold")
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the count is read below
        found.add_row(*(escape(str(cell)) if cell not in (None, "") else NONE for cell in row))
    return found if count else escape(empty)


def panel(title: str, lines: Iterable[str]) -> Panel:
    """Lines in a frame."""
    return Panel(escape("\n".join(lines)), title=escape(title), title_align="left", expand=False)


def pairs(title: str, values: Iterable[tuple[str, object]]) -> Panel:
    """Names and values in a frame."""
    grid = Table.grid(padding=(0, 2))
    for name, value in values:
        grid.add_row(f"[bold]{escape(name)}[/bold]", escape(str(value)) if value not in (None, "") else NONE)
    return Panel(grid, title=escape(title), title_align="left", expand=False)


def when(seconds: int | None) -> str:
    """A time in UTC to the minute."""
    return NONE if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def words(values: Iterable[object]) -> str:
    """A list in one cell."""
    return ", ".join(str(v) for v in values)


def terms_words(terms: TermsView) -> str:
    """Terms in one line."""
    return terms.words


def short(rid: str) -> str:
    """An id that can still be typed into the next command."""
    return rid[:SHORT_ID_CHARS] if len(rid) == 36 else rid


def short_node(node_id: str) -> str:
    """A node id, its end left out: `did:key:z6MkabcdEFGH…`."""
    return node_id[:20] + "…" if len(node_id) > 21 else node_id
