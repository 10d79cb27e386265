"""Making a node: a data folder with its settings, keys, database and first node document."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from config.load import FILE_NAME, load
from config.settings import Settings
from governance.gate import Role
from node.accounts.desk import new_name
from node.accounts.views import AccountInviteView
from node.app import open_app
from node.clock import SystemEntropy
from node.errors import BadInput, StartError
from node.keyring import create_keys
from node.principal import LOCAL
from node.views import StatusView


class MadeView(StatusView):
    """A new node; `first_account` is the one-time link to its first account, if one was asked for."""

    first_account: AccountInviteView | None = None


async def init(
    data: Path,
    *,
    name: str,
    regions: Sequence[str] = (),
    languages: Sequence[str] = ("en",),
    urls: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 8080,
    policy: str = "trusted-partners",
    steward: str | None = None,
) -> MadeView:
    """Create the node; nothing is left behind if it cannot be made.

    `steward` asks for a link to the first account, by its name, or with an empty one that its person chooses.
    """
    before = _is_new(data)
    try:
        if steward:
            steward = new_name(steward)
        settings = _make(data, _settings_text(name, regions, languages, urls, host, port, policy))
        app = await open_app(settings)
    except OSError as error:
        _undo(data, before)
        raise StartError(f"the data folder {data} cannot be made: {error.strerror or error}") from error
    except ValidationError as error:
        _undo(data, before)
        first = error.errors(include_url=False)[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))} {first.get('input')!r}: {first['msg']}") from error
    except BaseException:
        _undo(data, before)
        raise
    try:
        if steward:
            await app.accounts.invite(LOCAL, steward, Role.STEWARD, admin=True)
        link = None if steward is None else await app.accounts.first(LOCAL)
        return MadeView(**(await app.ops.status(LOCAL)).model_dump(), first_account=link)
    finally:
        await app.close()


def _is_new(data: Path) -> frozenset[Path] | None:
    """What lies in the folder before, None where there is none."""
    if (data / FILE_NAME).exists():
        raise StartError(f"there is a node in {data} already: take another folder")
    return frozenset(data.iterdir()) if data.exists() else None


def _make(data: Path, settings_text: str) -> Settings:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / FILE_NAME).write_text(settings_text)
    settings = load(data)
    create_keys(data / "keys", SystemEntropy())
    return settings


def _undo(data: Path, before: frozenset[Path] | None) -> None:
    """Leave the folder as it was found."""
    if before is None:
        shutil.rmtree(data, ignore_errors=True)
        return
    for made in set(data.iterdir()) - before:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        else:
            made.unlink(missing_ok=True)


def _settings_text(
    name: str,
    regions: Sequence[str],
    languages: Sequence[str],
    urls: Sequence[str],
    host: str,
    port: int,
    policy: str,
) -> str:
    """The file a person finds and may change; config/example.toml shows everything else."""
    return f"""# Settings of this node; every setting with its meaning: docs/configuration.md

[node]
name = {json.dumps(name, ensure_ascii=False)}
regions = {json.dumps(list(regions))}
languages = {json.dumps(list(languages))}

[server]
host = {json.dumps(host)}
port = {port}
own_urls = {json.dumps(list(urls))}

[policy]
path = {json.dumps(policy)}
"""
