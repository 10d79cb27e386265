"""A node that listens: the public side on TCP, the local side on the data folder's socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiohttp import web

from config.settings import Settings
from node.accounts.views import AccountInviteView
from node.cli.connect import socket_path
from node.cli.output import console, print_json
from node.cli.session import session
from node.errors import StartError
from node.logs import configure
from node.principal import LOCAL

STOP_S: Final = 5.0  # to finish requests that are being answered; a sync that is cut off goes on later
_SOCKET_MODE: Final = 0o600


async def serve_until_stopped(settings: Settings) -> None:
    """Open the node, listen, and close it cleanly at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with listening(settings) as (address, first):
        _announce(settings, address, first)
        await stop.wait()
        _say("Stopping…")
    _say("Stopped.")


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[tuple[str, AccountInviteView | None]]:
    """A running node: the address that it answers at, and the link to its first account while it has none."""
    from node.app import open_app  # noqa: PLC0415 - `--help` need not wait for databases and search engines
    from node.web.server import build_local  # noqa: PLC0415 - as above

    async with AsyncExitStack() as stack:
        configure(settings.log.level, settings.log.format)
        # The port first: a node that cannot listen should not have touched its database.
        listener = _bind(settings.server.host, settings.server.port)
        stack.callback(listener.close)
        app = await open_app(settings)
        stack.push_async_callback(app.close)
        path = stack.enter_context(socket_path(settings.data))
        path.unlink(missing_ok=True)  # ours by the lock that open_app took; a crash may have left it
        await _site(stack, build_local(app), lambda runner: web.UnixSite(runner, str(path)))
        path.chmod(_SOCKET_MODE)
        stack.callback(path.unlink, missing_ok=True)
        await _site(stack, app.public_site(), lambda runner: web.SockSite(runner, listener))
        app.start_background()
        host, port = listener.getsockname()[:2]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}", await app.accounts.first(LOCAL)


async def _site(stack: AsyncExitStack, application: web.Application, site: Any) -> None:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await site(runner).start()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StartError(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop the program that has it, or give --port another"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this account: take one above 1023 with --port"
    return f"cannot listen on {host} port {port}: {error.strerror or error}; see [server] in the settings"


def _announce(settings: Settings, address: str, first: AccountInviteView | None) -> None:
    if session().as_json:
        link = {"first_account": first.link} if first else {}
        print_json({"address": address, "data": str(settings.data)} | link)
        return
    _say(f"{settings.node.name or 'The node'} answers at {address} (data in {settings.data}).")
    _say("Next, in another window: commonweave status, import PATH, peer invite, account invite NAME. Ctrl-C stops.")
    if first:
        _say(f"Nobody has an account yet. The first one is a steward's; this link makes it, once: {first.link}")


def _say(text: str) -> None:
    if not session().as_json:
        out = console()
        out.print(text, markup=False, soft_wrap=True)
        out.file.flush()
