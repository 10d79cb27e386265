"""The node's own keys: seeds in files that only the node's user can read, apart from settings and database.

The identity key and the committed next one sign the node's history; they can be taken offline (`next.key` should be).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import PeerError
from federation.identity import CurrentKey, CurrentKeys, KeyHistory, NodeDocument, sign_entry, verify_history
from federation.keys import SEED_BYTES, SigningKey, encode_x25519, key_commitment, node_id_of, x25519_public
from node.clock import Entropy
from node.errors import StartError

NAMES: Final = ("identity", "next", "request", "record", "log", "x25519")
PROTOCOL: Final = "commonweave/1"


@dataclass(frozen=True)
class Keyring:
    """The secrets a running node needs."""

    node_id: str
    identity: SigningKey
    request: SigningKey
    record: SigningKey
    log: SigningKey
    x25519_secret: bytes
    next_commitment: str

    @property
    def request_kid(self) -> str:
        """Key id of requests and responses."""
        return self.request.kid(self.node_id)


def create_keys(folder: Path, entropy: Entropy) -> Keyring:
    """Draw all keys and write them; refuses to touch a folder that has any."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        path = folder / f"{name}.key"
        try:
            _write(path, entropy)
        except FileExistsError:
            raise StartError(f"{path} exists already: this data folder has a node; choose another folder") from None
    return load_keys(folder, None)


def load_keys(folder: Path, node_id: str | None) -> Keyring:
    """Read the keys; `node_id` None: the identity key is the node's first one."""
    seeds = {name: read_seed(folder / f"{name}.key") for name in NAMES if name != "next"}
    identity = SigningKey.from_seed(seeds["identity"])
    next_path = folder / "next.key"
    commitment = key_commitment(SigningKey.from_seed(read_seed(next_path)).public) if next_path.exists() else ""
    return Keyring(
        node_id or node_id_of(identity.public),
        identity,
        SigningKey.from_seed(seeds["request"]),
        SigningKey.from_seed(seeds["record"]),
        SigningKey.from_seed(seeds["log"]),
        seeds["x25519"],
        commitment,
    )


def account_key(folder: Path, entropy: Entropy) -> bytes:
    """What second factors are sealed with; drawn where a node of before has none. No other node ever sees it."""
    path = folder / "accounts.key"
    try:
        _write(path, entropy)
    except FileExistsError:
        pass
    except OSError as error:
        raise StartError(f"the key file {path} cannot be written ({error}): the node must own keys/") from None
    return read_seed(path)


def _write(path: Path, entropy: Entropy) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(entropy.draw(SEED_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_seed(path: Path) -> bytes:
    """The seed in a key file; `StartError` if it is not there or damaged."""
    try:
        seed = bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        raise StartError(f"the key file {path} is missing: restore it from your backup of the data folder") from None
    except (OSError, ValueError) as error:
        raise StartError(f"the key file {path} cannot be read ({error}): restore it from your backup") from None
    if len(seed) != SEED_BYTES:
        raise StartError(f"the key file {path} is damaged: restore it from your backup")
    return seed


@dataclass(frozen=True)
class Profile:
    """What the node says of itself."""

    name: str
    regions: tuple[str, ...]
    languages: tuple[str, ...]
    contact: str
    urls: tuple[str, ...]


def first_document(keys: Keyring, profile: Profile, now: int) -> KeyHistory:
    """A new node's history: one document, signed by its first identity key."""
    entry = sign_entry(_document(keys, profile, now, seq=1, prev=None, commitment=keys.next_commitment), keys.identity)
    return verify_history([entry])


def updated(history: KeyHistory, keys: Keyring, profile: Profile, now: int) -> KeyHistory:
    """The history with one more document if what the node says of itself has changed, else the same one."""
    last = history.current
    if (last.name, last.regions, last.languages, last.contact, last.urls) == (
        profile.name, profile.regions, profile.languages, profile.contact, profile.urls,
    ):  # fmt: skip
        return history
    document = _document(
        keys, profile, max(now, last.iat), seq=last.seq + 1, prev=history.head, commitment=last.next, keys_of=last.keys
    )
    try:
        return verify_history([*history.entries, sign_entry(document, keys.identity)])
    except PeerError as error:
        raise StartError(f"the node's own document cannot be renewed: {error}") from error


def _document(
    keys: Keyring,
    profile: Profile,
    now: int,
    *,
    seq: int,
    prev: str | None,
    commitment: str,
    keys_of: CurrentKeys | None = None,
) -> NodeDocument:
    return NodeDocument(
        iss=keys.node_id,
        seq=seq,
        iat=now,
        prev=prev,
        next=commitment,
        name=profile.name,
        regions=profile.regions,
        languages=profile.languages,
        contact=profile.contact,
        urls=profile.urls,
        keys=keys_of
        or CurrentKeys(
            req=CurrentKey(key=keys.request.multibase, since=now),
            rec=CurrentKey(key=keys.record.multibase, since=now),
            log=CurrentKey(key=keys.log.multibase, since=now),
            x25519=CurrentKey(key=encode_x25519(x25519_public(keys.x25519_secret)), since=now),
        ),
        protocols=(PROTOCOL,),
    )
