"""Rotation of the node's keys: the committed next identity key takes over, and a fresh next one is committed to.

New key files wait in a folder beside the old ones. The history in the database says whether the rotation happened: at
the next start (or try) the waiting files are moved into place or thrown away, so a crash at any step leaves either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from federation.errors import PeerError
from federation.identity import CurrentKey, KeyHistory, sign_entry, verify_history
from federation.keys import SEED_BYTES, SigningKey, key_commitment
from node.clock import Entropy
from node.errors import NotNow, StartError
from node.keyring import Keyring, read_seed

WAITING: Final = "rotating"  # folder in which new keys wait for the commit


def settle_rotation(folder: Path, history: KeyHistory | None) -> None:
    """Finish or forget a rotation that was interrupted; to be called before the keys are read."""
    waiting = folder / WAITING
    if not waiting.is_dir():
        return
    took_over = waiting / "identity.key"
    if history is not None and (not took_over.exists() or _is_identity(took_over, history)):
        put_in_place(folder)  # without an identity among them it was moved already, as the last of all
        return
    shutil.rmtree(waiting)


def stage(folder: Path, keys: Keyring, history: KeyHistory, fresh: Collection[str], entropy: Entropy) -> Keyring:
    """Write the keys that shall take over into the waiting folder; what they are. The old ones go on until then."""
    settle_rotation(folder, history)
    seeds = {"identity": _committed(folder, history), "next": entropy.draw(SEED_BYTES)}
    seeds |= {name: entropy.draw(SEED_BYTES) for name in fresh}
    waiting = folder / WAITING
    waiting.mkdir(mode=0o700)
    for name, seed in seeds.items():
        _write(waiting / f"{name}.key", seed)
    _sync_folder(waiting)
    changed: dict[str, Any] = {name: SigningKey.from_seed(seeds[name]) for name in ("identity", *fresh)}
    commitment = key_commitment(SigningKey.from_seed(seeds["next"]).public)
    return replace(keys, next_commitment=commitment, **changed)


def put_in_place(folder: Path) -> None:
    """Move the waiting keys over the old ones, the identity last: while it waits, the move is not over."""
    waiting = folder / WAITING
    names = sorted(p.name for p in waiting.iterdir())
    for name in sorted(names, key=lambda n: n == "identity.key"):
        os.replace(waiting / name, folder / name)
    _sync_folder(folder)
    waiting.rmdir()


def rotated(history: KeyHistory, keys: Keyring, fresh: Collection[str], now: int) -> KeyHistory:
    """The history with the rotation to these keys; peers that know the one before follow it by themselves."""
    last = history.current
    now = max(now, last.iat)
    roles = {"request": "req", "record": "rec", "log": "log"}
    made = {roles[n]: CurrentKey(key=getattr(keys, n).multibase, since=now) for n in fresh}
    document = last.model_copy(
        update={
            "seq": last.seq + 1,
            "iat": now,
            "prev": history.head,
            "next": keys.next_commitment,
            "keys": last.keys.model_copy(update=made),
        }
    )
    try:
        return verify_history([*history.entries, sign_entry(document, keys.identity, rotation=True)])
    except PeerError as error:
        raise NotNow(f"the keys cannot be rotated: {error}") from error


def check_next(folder: Path, history: KeyHistory) -> None:
    """Raise `NotNow` unless the next key that was committed to is here."""
    _committed(folder, history)


def _committed(folder: Path, history: KeyHistory) -> bytes:
    path = folder / "next.key"
    if not path.exists():
        raise NotNow(f"the next identity key is not here: put it back as {path}, then rotate")
    seed = read_seed(path)
    if key_commitment(SigningKey.from_seed(seed).public) != history.current.next:
        raise NotNow(f"{path} is not the key that this node committed to: put the right one there, then rotate")
    return seed


def _is_identity(path: Path, history: KeyHistory) -> bool:
    try:
        return SigningKey.from_seed(read_seed(path)).public == history.identity_public
    except StartError:  # half written: it was on its way to disk, and nothing is committed before it is there
        return False


def _write(path: Path, seed: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
