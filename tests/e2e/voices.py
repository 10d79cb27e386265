"""Speaking with the keys of a node that is stopped: as a caller, as an origin that signs, as a server that is asked.

Everything can be falsified, so that a running node meets a peer whose signatures hold and whose conduct does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from federation.documents import Manifest, ManifestItem, sign_document
from federation.encoding import b64url_decode, dumps_text
from federation.envelope import RecordHead, VerifiedEnvelope, disclosure_digest, seal
from federation.errors import PeerError
from federation.httpsig import Request, Response, Stamp, sign_request, sign_response
from governance.terms import ALL_PURPOSES, NETWORK, Terms
from node.clock import uuid7
from node.keyring import Keyring, load_keys
from tests.e2e.nodes import Node

FEED: Final = "/federation/v1/feed"
NO_MARKS: Final = f"marks=0:{'00' * 32}"
NDJSON: Final = "application/x-ndjson"
LIFE_S: Final = 60
NOTHING: Final = {"count": 0, "sum": "00" * 32, "held_count": 0, "held_sum": "00" * 32}


class Voice:
    """Signs requests to a node with some keys; every part of the stamp can be falsified."""

    def __init__(self, keys: Keyring, to: Node) -> None:
        self.keys = keys
        self.to = to

    def headers(
        self, method: str, path: str, query: str = "", body: bytes = b"", host: str = "", **false: Any
    ) -> dict[str, str]:
        """Signed headers for a request; another `host` than that of the node can be signed."""
        now = int(time.time())
        stamp = replace(Stamp(self.keys.request_kid, self.to.node_id, now, now + LIFE_S, os.urandom(12).hex()), **false)
        request = Request(method, host or urlsplit(self.to.url).netloc, path, query)
        media = NDJSON if body else None
        return sign_request(request, hashlib.sha256(body).digest(), stamp, self.keys.request, media)

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", **false: Any) -> tuple[int, bytes]:
        """Status and body of a signed request."""
        headers = self.headers(method, path, query, body, **false)
        return send(self.to, method, path, query, body, headers)

    def push(self, lines: Sequence[Mapping[str, Any]], *, after: int = 0, **end: Any) -> tuple[int, bytes]:
        """Hand over a page, with a true manifest unless `end` says another one."""
        return self.ask("POST", FEED, NO_MARKS, page(self.keys, self.to.node_id, lines, after=after, **end))


def send(node: Node, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body, the headers as they are."""
    return node.public(method, path + (f"?{query}" if query else ""), body or None, **headers)


def voice(node: Node, to: Node) -> Voice:
    """The voice of a node that is stopped."""
    return Voice(keys_of(node), to)


def keys_of(node: Node) -> Keyring:
    """The keys in a node's folder."""
    return load_keys(node.data / "keys", node.node_id)


# --- what an origin signs -------------------------------------------------------------------------------------------


def record(keys: Keyring, title: str, *audiences: str, rid: str = "", **more: str) -> VerifiedEnvelope:
    """Version 1 of a guide with these fields, for the network unless other audiences are named."""
    fields = {"title": title, **more}
    terms = Terms(frozenset(audiences or (NETWORK,)), ALL_PURPOSES, None)
    rid = rid or uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    head = RecordHead(keys.node_id, rid, 1, None, int(time.time()), "guide", "en")
    return seal(head, fields, dict.fromkeys(fields, terms), os.urandom(16 * len(fields)), keys.record)


def put(envelope: VerifiedEnvelope, seq: int = 1, **more: Any) -> dict[str, Any]:
    """The line of a copy, whole."""
    return {"t": "put", "seq": seq, "jws": envelope.jws.decode(), "d": list(envelope.texts.values()), **more}


def manifest(keys: Keyring, to: str, items: Sequence[tuple[str, Collection[str]]]) -> str:
    """A signed manifest of version ids with field names."""
    listed = tuple(ManifestItem(vid=vid, fields=tuple(fields)) for vid, fields in items)
    return sign_document(Manifest(iss=keys.node_id, iat=int(time.time()), to=to, items=listed), keys.record).decode()


def page(
    keys: Keyring, to: str, lines: Sequence[Mapping[str, Any]], *, after: int = 0, head: str = "", **end: Any
) -> bytes:
    """The NDJSON of a page; `end` replaces members of its last line."""
    items = [(vid_of(line["jws"]), names_of(line)) for line in lines if line.get("t") == "put"]
    last = max((int(line["seq"]) for line in lines if "seq" in line), default=after)
    closing = {"t": "end", "cursor": last, "more": False, **NOTHING}
    if items:
        closing["manifest"] = manifest(keys, to, items)
    whole = [{"t": "head", "after": after, "node": head}, *lines, closing | end]
    return "".join(dumps_text(dict(line)) + "\n" for line in whole).encode()


def names_of(line: Mapping[str, Any]) -> list[str]:
    """The fields that a line of a copy shows; `title` for one that is no envelope."""
    try:
        fields = json.loads(b64url_decode(line["jws"].split(".")[1]))["f"]
    except (PeerError, ValueError, IndexError, KeyError):
        return ["title"]
    shown = {disclosure_digest(text) for text in line["d"]}
    return [name for name, form in fields.items() if form["_sd"][0] in shown] or ["title"]


def vid_of(token: str) -> str:
    """The version id of a token, whatever it is."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


# --- a server -------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What the server says; `drip_s` between each two bytes of it, `keys` None leaves it unsigned."""

    status: int = 200
    body: bytes = b"{}"
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    signed: bool = True
    keys: Keyring | None = None
    to: str = ""


Script = Callable[[str, str, bytes], Answer]


@contextmanager
def stage(node: Node, caller: Node, script: Script) -> Iterator[list[str]]:
    """Answers in the place of a stopped node, by a script of method, path and body; the list is what was asked."""
    asked: list[str] = []
    keys = keys_of(node)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path, _, query = self.path.partition("?")
            asked.append(f"{method} {path}")
            answer = script(method, path, body)
            headers = {"content-type": answer.media, **answer.headers}
            if answer.signed:
                heard = {k.lower(): v for k, v in self.headers.items()}
                request = Request(method, self.headers["host"], path, query, heard)
                headers |= _signed(answer, request, answer.keys or keys, answer.to or caller.node_id)
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self._write(answer)

        def _write(self, answer: Answer) -> None:
            try:
                if not answer.drip_s:
                    self.wfile.write(answer.body)
                    return
                for at in range(len(answer.body)):
                    self.wfile.write(answer.body[at : at + 1])
                    time.sleep(answer.drip_s)
            except (BrokenPipeError, ConnectionResetError):
                return  # the caller has had enough

    server = ThreadingHTTPServer(("127.0.0.1", node.port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _signed(answer: Answer, request: Request, keys: Keyring, to: str) -> dict[str, str]:
    now = int(time.time())
    stamp = Stamp(keys.request_kid, to, now, now + LIFE_S)
    digest = hashlib.sha256(answer.body).digest()
    return sign_response(Response(answer.status), digest, request, stamp, keys.request, answer.media)
