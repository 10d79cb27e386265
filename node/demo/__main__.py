"""`python -m node.demo`: the whole story, then the nodes stay until Ctrl-C."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from node.cli.session import Failure
from node.demo.cast import CAST, split_corpus, split_library
from node.demo.processes import DemoStopped, Nodes, check_ports, fresh
from node.demo.story import Story
from node.imports import SourceError


def demo(
    corpus: Annotated[
        Path | None, typer.Option(envvar="CORPUS", help="JSON Lines with more documents.", exists=True)
    ] = None,
    leave: Annotated[bool, typer.Option("--exit", envvar="EXIT", help="End at the end instead of waiting.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the three nodes live; wiped at start.")] = Path("demo-data"),
) -> None:
    """Three organisations meet, share, find, and take back."""
    out = Console(emoji=False, highlight=False)
    signal.signal(signal.SIGTERM, _interrupt)
    nodes: Nodes | None = None
    try:
        check_ports()
        nodes = Nodes(fresh(folder))
        _tell(nodes, out, corpus, leave)
    except (DemoStopped, Failure, SourceError) as error:
        Console(emoji=False, stderr=True).print(
            f"The demonstration stopped: {error}", style="red", markup=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        out.print("\nEnding the three nodes…")
    finally:
        if nodes is not None:
            nodes.stop()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell(nodes: Nodes, out: Console, corpus: Path | None, leave: bool) -> None:
    started = time.monotonic()
    parts = {org.number: [part] for org, part in zip(CAST, split_library(nodes.folder), strict=True)}
    if corpus is not None:
        for org, part in zip(CAST, split_corpus(corpus, nodes.folder), strict=True):
            parts[org.number].append(part)
    story = Story(nodes, out)
    story.start_nodes()
    story.bring_libraries(parts)
    story.meet()
    story.preview_and_approve()
    story.share()
    story.search()
    story.narrow()
    story.withdraw()
    story.hand_over()
    out.print(f"\nAll of this took {time.monotonic() - started:.0f} seconds.")
    if leave:
        return
    out.print("The nodes keep running. Ctrl-C ends them.")
    while True:
        gone = nodes.ended()
        if gone is not None:
            raise DemoStopped(f"{gone.name} has ended by itself: see {nodes.log(gone)}")
        time.sleep(1)


if __name__ == "__main__":
    typer.run(demo)
