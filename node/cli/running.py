"""`commonweave init` and `commonweave serve`: the two commands that work on the data folder itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.load import FILE_NAME, load
from node.cli.connect import need_data
from node.cli.output import emit, pairs, when, words
from node.cli.serving import serve_until_stopped
from node.cli.session import Failure, command, session
from node.errors import StartError
from node.memory import keep_little

if TYPE_CHECKING:
    from node.setup import MadeView


def add(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "init")(init)
    command(app, "serve")(serve)


def init(
    name: Annotated[str, typer.Option(help="What people call the organisation.")],
    region: Annotated[
        list[str] | None, typer.Option(help="Where it works: KE, BR-BA, 419. Repeat for several.")
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="Its languages, first the usual one. Repeat. [en]")] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="Address by which peers reach it: https://node.example.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8080,
    policy: Annotated[str, typer.Option(help="trusted-partners, careful, or a file.")] = "trusted-partners",
    steward: Annotated[
        str, typer.Option(help="Name of the first account, a steward's; otherwise its person chooses.")
    ] = "",
) -> None:
    """Make a node in the data folder: keys, settings, database."""
    now = session()
    if (now.data / FILE_NAME).exists():
        raise Failure(f"there is a node in {now.data} already: take another folder with --data", StartError.exit_code)
    from node.setup import init as make  # noqa: PLC0415 - the database and its migrations, which only this needs

    view = asyncio.run(
        make(
            now.data,
            name=name,
            regions=tuple(region or ()),
            languages=tuple(language or ("en",)),
            urls=tuple(url or ()),
            host=host,
            port=port,
            policy=policy,
            steward=steward,
        )
    )
    emit(view, lambda v: _made(v, now.data))


def _made(view: MadeView, data: Path) -> object:
    first = view.first_account
    return pairs(
        f"{view.name} is ready",
        (
            ("node", view.node_id),
            ("languages", words(view.languages)),
            ("data", data),
            ("next", f"commonweave serve --data {data}"),
            ("first account", first and f"{first.link} (once, until {when(first.expires_at)} UTC, while it serves)"),
            ("then", "commonweave import PATH, commonweave peer invite, commonweave account invite NAME"),
            ("keep safe", f"a copy of {data}: whoever has it is this node"),
        ),
    )


def serve(
    host: Annotated[str | None, typer.Option(help="Listen here instead of where the settings say.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Listen on this port instead.")] = None,
) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    keep_little()
    now = session()
    need_data(now.data)
    overrides = {k: v for k, v in (("server.host", host), ("server.port", port)) if v is not None}
    asyncio.run(serve_until_stopped(load(now.data, overrides)))
