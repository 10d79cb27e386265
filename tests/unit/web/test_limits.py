"""Limits of the web side hold to the last item: at it yes, one beyond no."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiohttp import web
from pydantic import BaseModel, ValidationError

from governance.policy_text import MAX_POLICY_BYTES
from node.errors import BadInput
from node.peers.meeting import MAX_INVITE_H
from node.web import requests
from node.web.cursors import MAX_CURSOR_CHARS, unwrap, wrap
from node.web.operations import _whole
from node.web.options import BODY_TIMEOUT_S, MAX_FORM_BYTES, MAX_JSON_BYTES
from node.web.requests import InviteBody, ListQuery, PolicyBody, SearchQuery
from node.web.server import OPERATIONS
from tests.simulator.loop import run
from tests.unit.web.fakes import Client

LIMITS: list[tuple[str, int, type[BaseModel], Any]] = [
    ("requests.MAX_PAGE", requests.MAX_PAGE, ListQuery, lambda n: {"limit": n}),
    ("requests.MAX_TEXT_CHARS", requests.MAX_TEXT_CHARS, SearchQuery, lambda n: {"q": "x" * n}),
    ("requests.MAX_VALUES", requests.MAX_VALUES, SearchQuery, lambda n: {"topic": ["t"] * n}),
    ("requests.MAX_YEAR", requests.MAX_YEAR, SearchQuery, lambda n: {"year_to": n}),
    ("MAX_INVITE_H", MAX_INVITE_H, InviteBody, lambda n: {"valid_h": n}),
    ("MAX_POLICY_BYTES", MAX_POLICY_BYTES, PolicyBody, lambda n: {"text": "x" * n}),
]


@pytest.mark.parametrize(("name", "limit", "model", "given"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_a_request_holds_as_much_as_its_limit_and_nothing_more(
    name: str, limit: int, model: type[BaseModel], given: Any
) -> None:
    del name
    model.model_validate(given(limit))
    with pytest.raises(ValidationError):
        model.model_validate(given(limit + 1))


class _Slow:
    """A request whose body is there after so many seconds."""

    can_read_body = True
    content_type = "application/json"

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s

    async def read(self) -> bytes:
        await asyncio.sleep(self._after_s)
        return b"{}"


@pytest.mark.parametrize(("late_s", "comes"), [(-1, True), (1, False)])
def test_a_body_may_take_so_many_seconds_and_no_longer(late_s: int, comes: bool) -> None:
    operation = next(o for o in OPERATIONS if o.body is not None)

    async def read() -> bytes:
        try:
            return await _whole(cast(web.Request, _Slow(BODY_TIMEOUT_S + late_s)), operation)
        except TimeoutError:
            return b"too slow"

    assert run(read()) == (b"{}" if comes else b"too slow")


@pytest.mark.parametrize(("beyond", "status"), [(0, 422), (1, 413)])
async def test_a_json_body_has_at_most_its_bytes(local: Client, beyond: int, status: int) -> None:
    body = b" " * (MAX_JSON_BYTES - 2 + beyond) + b"{}"
    response = await local.post("/api/v1/records", data=body, headers={"Content-Type": "application/json"})
    assert response.status == status


@pytest.mark.parametrize(("beyond", "status"), [(0, 403), (1, 413)])
async def test_a_form_has_at_most_its_bytes(client: Client, beyond: int, status: int) -> None:
    body = b"name=" + b"x" * (MAX_FORM_BYTES - 5 + beyond)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/login", data=body, headers=headers)).status == status


@pytest.mark.parametrize(("digits", "fits"), [(18, True), (19, False)])
def test_a_cursor_is_a_number_that_every_database_counts_to(digits: int, fits: bool) -> None:
    given = wrap("records", "9" * digits)
    assert given is not None
    assert len(given) < MAX_CURSOR_CHARS
    if fits:
        assert unwrap("records", given) == "9" * digits
    else:
        with pytest.raises(BadInput, match="begin again without it"):
            unwrap("records", given)
