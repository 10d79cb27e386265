"""The client over a real unix socket: errors by whose fault, progress that breaks off, long paths, dead sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from node.cli.connect import connect, is_answered, socket_path
from node.cli.session import Failure
from node.views import ImportView


async def _problem(request: web.Request) -> web.Response:
    status = int(request.match_info["status"])
    body = {"type": "urn:x", "status": status, "detail": f"said {status}"}
    return web.json_response(body, status=status, content_type="application/problem+json")


async def _import(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    read = 0
    async for line in request.content:
        read += 1
        view = ImportView(read=read, added=read, changed=0, unchanged=0, refused=0, done=False)
        await response.write(view.model_dump_json().encode() + b"\n")
        if line == b"break\n":
            await response.write(b'{"problem": {"status": 507, "detail": "the disk is full"}}\n')
    return response


async def _echo(request: web.Request) -> web.Response:
    return web.json_response([list(pair) for pair in request.query.items()])


@contextmanager
def answering(data: Path) -> Iterator[Path]:
    """A node's socket with a few routes behind it, in a thread with a loop of its own."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "commonweave.toml").write_text("", "utf-8")
    site = web.Application()
    site.router.add_get("/api/v1/problem/{status}", _problem)
    site.router.add_get("/api/v1/echo", _echo)
    site.router.add_post("/api/v1/import", _import)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(site)
    with socket_path(data) as path:
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.UnixSite(runner, str(path)).start())
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield data
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, 3),
        (422, 2),
        (400, 2),
        (401, 4),
        (403, 4),
        (409, 5),
        (429, 5),
        (502, 6),
        (503, 7),
        (507, 7),
        (500, 1),
        (418, 1),
    ],
)
def test_a_problem_keeps_its_words_and_becomes_the_exit_code_of_its_kind(
    tmp_path: Path, status: int, code: int
) -> None:
    with answering(tmp_path), connect(tmp_path) as node, pytest.raises(Failure, match=f"said {status}") as caught:
        node.get(dict, f"/problem/{status}")
    assert caught.value.exit_code == code


def test_parameters_that_were_not_given_are_not_sent_and_lists_are_repeated(tmp_path: Path) -> None:
    with answering(tmp_path), connect(tmp_path) as node:
        sent = node.get(list[list[str]], "/echo", own=True, kind=None, topic=["a", "b"], limit=5)
    assert sent == [["own", "true"], ["topic", "a"], ["topic", "b"], ["limit", "5"]]


def test_progress_comes_back_while_lines_are_sent(tmp_path: Path) -> None:
    with answering(tmp_path), connect(tmp_path) as node:
        views = list(node.lines(ImportView, "/import", (b"line\n" for _ in range(50))))
    assert [v.read for v in views] == list(range(1, 51))


def test_a_stream_that_breaks_off_with_a_problem_raises_it(tmp_path: Path) -> None:
    with answering(tmp_path), connect(tmp_path) as node, pytest.raises(Failure, match="disk is full") as caught:
        list(node.lines(ImportView, "/import", [b"line\n", b"break\n"]))
    assert caught.value.exit_code == 7


def test_an_answer_of_another_form_is_not_taken_for_the_right_one(tmp_path: Path) -> None:
    with answering(tmp_path), connect(tmp_path) as node, pytest.raises(Failure, match="another version"):
        node.get(ImportView, "/echo")


def test_a_data_folder_with_a_very_long_path_has_a_socket_all_the_same(tmp_path: Path) -> None:
    data = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    with answering(data), connect(data) as node:
        assert node.get(list[list[str]], "/echo") == []


def test_a_socket_that_a_crash_left_behind_does_not_count_as_a_node(tmp_path: Path) -> None:
    path = tmp_path / "run.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    assert not is_answered(path)
