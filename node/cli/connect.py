"""One way to do a thing: commands call the API of the node that runs on the data folder, over its socket.

If none runs, the node is opened inside the command, serves itself on a socket of its own, and is closed again after.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from config.load import FILE_NAME, load
from node.cli.client import BASE, MAX_LINE_BYTES, Api
from node.cli.session import Failure, acting_token, session
from node.errors import StartError
from node.locking import is_locked

SOCKET_NAME: Final = "run.sock"
MAX_SOCKET_PATH_BYTES: Final = 100  # 108 on Linux, 104 elsewhere, a zero at the end
START_S: Final = 15.0  # a slow machine with a big database needs some seconds to open it
START_POLL_S: Final = 0.1
CALL_TIMEOUT_S: Final = 3600  # a first sync or an import of a big library; the node has its own, shorter limits


def connect(data: Path | None = None) -> Api:
    """The API of the node in a folder, otherwise of this session; close it by leaving its `with`."""
    folder = data or session().data
    need_data(folder)
    runner = asyncio.Runner()
    try:
        return runner.run(_open(folder, runner))
    except BaseException:
        runner.close()
        raise


def need_data(data: Path) -> None:
    """Stop where there is no node in the folder, with the way to make one."""
    if not (data / FILE_NAME).exists():
        raise Failure(
            f"there is no node in {data}: make one with `commonweave init`, or name its folder with --data",
            StartError.exit_code,
        )


async def _open(data: Path, runner: asyncio.Runner) -> Api:
    async with AsyncExitStack() as stack:
        path = stack.enter_context(socket_path(data))
        if not await _answers_soon(data, path):
            path = await stack.enter_async_context(_opened_here(data))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                BASE,
                connector=aiohttp.UnixConnector(path=str(path)),
                timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S, sock_connect=10),
                headers={"Authorization": f"Bearer {token}"} if (token := acting_token()) else None,
                read_bufsize=MAX_LINE_BYTES,
            )
        )
        return Api(runner, http, stack.pop_all())
    raise AssertionError("the stack above never swallows an exception")


@contextmanager
def socket_path(data: Path) -> Iterator[Path]:
    """The node's socket by a path the system takes: a long one goes through the folder's descriptor."""
    path = data / SOCKET_NAME
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES or not data.exists():
        yield path
        return
    folder = os.open(data, os.O_RDONLY)
    try:
        through = Path(f"/proc/self/fd/{folder}")
        if not through.exists():
            raise Failure(f"the path {data} is too long for a socket: move the data folder", StartError.exit_code)
        yield through / SOCKET_NAME
    finally:
        os.close(folder)


def is_answered(path: Path) -> bool:
    """True if a process listens there; a socket that a crash left behind does not answer."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except PermissionError as error:
            raise Failure(
                f"the node at {path} runs as somebody else: use that account, or give it your rights",
                StartError.exit_code,
            ) from error
    return True


async def _answers_soon(data: Path, path: Path) -> bool:
    """True if a node answers there, or is just starting and does so within `START_S`."""
    for _ in range(int(START_S / START_POLL_S)):
        if is_answered(path):
            return True
        if not is_locked(data):
            return False
        await asyncio.sleep(START_POLL_S)
    return is_answered(path)


@asynccontextmanager
async def _opened_here(data: Path) -> AsyncIterator[Path]:
    """A node for this command only: it does not listen to the network and syncs only when told."""
    from node.app import open_app  # noqa: PLC0415 - half a second that a running node saves
    from node.web.server import build_local  # noqa: PLC0415 - as above

    async with AsyncExitStack() as stack:
        app = await open_app(load(data))
        stack.push_async_callback(app.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cw-")))
        runner = web.AppRunner(build_local(app), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(folder / SOCKET_NAME)).start()
        yield folder / SOCKET_NAME
