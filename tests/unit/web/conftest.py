"""A web side over fakes, served on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from node.web.options import WebOptions
from node.web.server import build_local, build_web
from tests.unit.web.fakes import Client, FakeApp


@pytest.fixture
def app(tmp_path: Path) -> FakeApp:
    return FakeApp(tmp_path)


@pytest.fixture
async def client(app: FakeApp) -> AsyncIterator[Client]:
    async with TestClient(
        TestServer(build_web(app, WebOptions(max_upload_bytes=100_000))), cookie_jar=DummyCookieJar()
    ) as found:
        yield found


@pytest.fixture
async def local(app: FakeApp) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_local(app)), cookie_jar=DummyCookieJar()) as found:
        yield found
