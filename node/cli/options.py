"""Options that several commands share, with one meaning everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

REFERENCE: Final = "Record id, or the beginning of one (8 letters or more)."
Ref = Annotated[str, typer.Argument(metavar="RID", help=REFERENCE, show_default=False)]
Peer = Annotated[str, typer.Argument(metavar="PEER", help="Node id, its beginning, or the peer's name.")]
Origin = Annotated[str | None, typer.Option("--origin", help="Node id of the origin, where two share a record id.")]
To = Annotated[
    list[str],
    typer.Option("--to", help="Audience: stewards, node, direct, network, public, circle:ID. Repeat: all must admit."),
]
Purpose = Annotated[
    list[str] | None,
    typer.Option("--purpose", help="learning, research, publication or archive. Repeat for several. Otherwise all."),
]
Until = Annotated[
    str | None, typer.Option("--until", help="Last day (2027-06-30, UTC), or a time from now: 36h, 90d, 12w, 6m, 1y.")
]
Fields = Annotated[
    list[str] | None, typer.Option("--field", help="A field, such as summary or person:p1. Repeat. Otherwise all.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="Most to show.")]
After = Annotated[str | None, typer.Option("--after", help="Go on after the cursor of the page before.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]
