"""The first steward of a node, from `init` to a steward's call: link, password, second factor, login, API."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b32decode
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import pytest

from node.accounts.totp import STEP_S, code_at
from tests.e2e.nodes import Node, free_port, run_cli, wait_for

pytestmark = pytest.mark.e2e
PASSWORD: Final = "a river, a road and a bell"


class Made(Node):
    """A node that the command made, with the first account's name."""

    def __init__(self, folder: Path, port: int) -> None:
        self.name, self.data, self.port, self.log = "Amana", folder / "amana", port, folder / "amana.log"
        self.process = None
        self._launch = _start
        done = run_cli(
            *("init", "--name", "Amana", "--port", str(port), "--steward", "Amal", "--json"), "--data", str(self.data)
        )
        assert done.returncode == 0, done.stderr
        self.made: dict[str, Any] = json.loads(done.stdout)


def _start(arguments: Any, log: Any) -> Any:
    from tests.e2e.nodes import launch

    return launch((*arguments, "--json"), log)


class Browser:
    """What a browser keeps between pages."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()

    def ask(self, method: str, path: str, **form: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Accept": "text/html", "Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def send(self, path: str, page: str, **fields: str) -> tuple[int, str]:
        """The form on a page that goes to `path`."""
        form = next(f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{path}"' in f)
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', form)
        assert token is not None
        return self.ask("POST", path, form_token=token[1], **fields)


def test_from_init_to_a_stewards_call_with_a_second_factor(tmp_path: Path) -> None:
    node = Made(tmp_path, free_port())
    made = node.made["first_account"]
    assert (made["name"], made["role"], made["admin"]) == ("amal", "steward", True)
    try:
        node.start()
        wait_for(lambda: "first_account" in node.log.read_text(), "serve prints the link again")
        (line,) = [t for t in node.log.read_text().splitlines() if "first_account" in t]
        first = urlsplit(re.search(r'"first_account": "([^"]+)"', line)[1]).path  # type: ignore[index]
        browser = Browser(node.port)
        printed_by_init = urlsplit(made["link"]).path
        assert browser.ask("GET", printed_by_init)[0] == 200  # somebody has it in their hands

        status, page = browser.ask("GET", first)
        assert status == 200
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        assert token is not None
        assert browser.ask("POST", first, form_token=token[1], password=PASSWORD, again=PASSWORD)[0] == 303
        assert browser.ask("GET", first)[0] == 404
        assert browser.ask("GET", printed_by_init)[0] == 404  # one was used

        assert _sign_in(browser)[0] == 303
        status, page = browser.send("/account/second-factor", browser.ask("GET", "/account")[1], password=PASSWORD)
        assert status == 200
        secret = b32decode(re.search(r"secret=([A-Z2-7]+)", page)[1])  # type: ignore[index]
        status, page = browser.send("/account/second-factor/confirm", page, code=code_at(secret, node.now() // STEP_S))
        assert status == 200
        recovery = re.findall(r'<code dir="ltr">([a-z2-9-]{14})</code>', page)

        other = Browser(node.port)
        assert _sign_in(other)[0] == 401
        assert _sign_in(other, recovery[0])[0] == 303
        assert _sign_in(Browser(node.port), recovery[0])[0] == 401
        status, peers = other.ask("GET", "/api/v1/peers")
        assert (status, json.loads(peers)) == (200, [])
        assert Browser(node.port).ask("GET", "/api/v1/peers")[0] == 401

        stolen = node.data / "commonweave.sqlite3"
        assert secret not in stolen.read_bytes()
        assert (node.data / "keys" / "accounts.key").stat().st_mode & 0o077 == 0
        node.stop()
        log = node.log.read_text()
        node.start()  # the key and the person are still there, and there is no first link any more
        assert "first_account" not in node.log.read_text()[len(log) :]
        assert _sign_in(Browser(node.port), recovery[1])[0] == 303
    finally:
        node.kill()


def _sign_in(browser: Browser, code: str = "") -> tuple[int, str]:
    return browser.send("/login", browser.ask("GET", "/login")[1], name="amal", password=PASSWORD, code=code)
