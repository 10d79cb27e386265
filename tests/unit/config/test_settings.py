"""Settings: which source wins, how each mistake is told, and that what is written about them is true."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.load import DEFAULT_DATA, data_folder, load, packaged_policies, sections
from config.reference import example, refreshed, table
from config.settings import Secret, Settings, SettingsError

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse battery staple"


def read(
    data: Path, file: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    (data / "commonweave.toml").write_text(file, encoding="utf-8")
    return load(data, overrides, environ or {})


def test_without_anything_the_defaults_hold_and_paths_are_in_the_data_folder(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={})
    assert settings.data == tmp_path
    assert settings.server.port == 8080
    assert settings.database.url == f"sqlite+aiosqlite:///{tmp_path}/commonweave.sqlite3"
    assert settings.search.folder == tmp_path / "index"
    assert settings.policy.path == packaged_policies()["trusted-partners"]


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    file, environ = "[server]\nport = 1\nbehind_proxy = true", {"COMMONWEAVE_SERVER__PORT": "3"}
    assert read(tmp_path, file).server.port == 1
    assert read(tmp_path, file, environ).server.port == 3
    last = read(tmp_path, file, environ, {"server.port": 4})
    assert (last.server.port, last.server.behind_proxy, last.server.host) == (4, True, "127.0.0.1")


def test_lists_of_the_environment_are_written_with_commas_or_as_toml(tmp_path: Path) -> None:
    for text in ("KE, BR-BA", '["KE", "BR-BA"]'):
        assert read(tmp_path, environ={"COMMONWEAVE_NODE__REGIONS": text}).node.regions == ("KE", "BR-BA")
    assert read(tmp_path, environ={"COMMONWEAVE_NODE__REGIONS": ""}).node.regions == ()


def test_settings_cannot_be_changed_after_they_were_read(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read(tmp_path).server.port = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("file", "environ", "overrides", "words"),
    [
        ("[server]\n\nprot = 1", {}, {}, ["server.prot = 1", "commonweave.toml line 3", "did you mean server.port?"]),
        ("[servr]\nport = 1", {}, {}, ["unknown setting servr", "line 1", "did you mean server?"]),
        ("server = 1", {}, {}, ["server = 1", "line 1", "write [server]"]),
        ("[server]\nport = 70000", {}, {}, ["server.port = 70000", "line 2", "65535", "Port to listen on"]),
        ("[server]\nport = true", {}, {}, ["server.port = True", "a number is needed"]),
        ("[server", {}, {}, ["commonweave.toml is not TOML", "end of document"]),
        ("[server]\nport = " + "9" * 5_000, {}, {}, ["commonweave.toml is not TOML", "far too long"]),
        ("", {"COMMONWEAVE_LOG__LEVEL": "loud"}, {}, ["log.level = 'loud'", "(COMMONWEAVE_LOG__LEVEL)", "'debug'"]),
        ("", {"COMMONWEAVE_LOGLEVEL": "info"}, {}, ["COMMONWEAVE_LOGLEVEL", "did you mean log.level?"]),
        ("", {"COMMONWEAVE_NODE__REGIONS": "[KE"}, {}, ["node.regions = '[KE'", "is not a list"]),
        ("", {}, {"server.port": "x"}, ["server.port = 'x'", "the command line", "valid integer"]),
        ("", {}, {"server.own_urls": "https://a.example/x"}, ["own_urls", "https://name"]),
        ("", {}, {"database.url": "mysql://db"}, ["database.url = 'mysql://db'", "postgresql+asyncpg://"]),
        ("", {}, {"admission.kinds": "guid"}, ["admission.kinds", "unknown kind 'guid'", "guide"]),
        ("", {}, {"node.languages": "english"}, ["node.languages", "language tag"]),
        ("", {}, {"node.languages": ""}, ["node.languages = []"]),
        ("", {}, {"sync.page_bytes": 4 * 1024 * 1024 - 1}, ["sync.page_bytes = 4194303", "4194304"]),
        ("", {}, {"policy.path": "carefull"}, ["policy.path = 'carefull'", "did you mean careful?"]),
        ("", {}, {"policy.path": "ours.toml"}, ["policy.path = 'ours.toml'", "put the file there"]),
    ],
)
def test_a_mistake_names_the_key_the_value_the_source_and_the_remedy(
    tmp_path: Path, file: str, environ: dict[str, str], overrides: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, file, environ, overrides)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_all_wrong_values_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)server\.port.*log\.format"):
        read(tmp_path, "[server]\nport = -1\n[log]\nformat = 3")


def test_a_file_that_is_no_text_or_far_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "commonweave.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(tmp_path, environ={})
    with pytest.raises(SettingsError, match="at most 262144"):
        read(tmp_path, "#" * 262_145)
    assert read(tmp_path, "#" * 262_144).log.level == "info"


def test_secrets_are_never_printed_nor_told_in_errors(tmp_path: Path) -> None:
    settings = read(tmp_path, environ={"COMMONWEAVE_SECRETS__DATABASE_PASSWORD": PASSWORD})
    for printed in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.secrets}"):
        assert PASSWORD not in printed
    assert settings.secrets.database_password.get_secret_value() == PASSWORD
    for environ in (
        {"COMMONWEAVE_DATABASE_PASSWORD": PASSWORD},
        {"COMMONWEAVE_DATABASE__URL": f"postgresql+asyncpg://me:{PASSWORD}@db/x"},
    ):
        with pytest.raises(SettingsError) as refused:
            read(tmp_path, environ=environ)
        assert PASSWORD[:19] not in str(refused.value)
    assert Secret("x")


def test_the_password_joins_the_address_only_where_it_is_asked_for(tmp_path: Path) -> None:
    environ = {"COMMONWEAVE_SECRETS__DATABASE_PASSWORD": "p@ss/w:d"}
    settings = read(tmp_path, '[database]\nurl = "postgresql+asyncpg://me@db:5433/x"', environ)
    assert settings.database_url().get_secret_value() == "postgresql+asyncpg://me:p%40ss%2Fw%3Ad@db:5433/x"
    assert settings.database.url == "postgresql+asyncpg://me@db:5433/x"


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite+aiosqlite:///DATA/a.db", "sqlite+aiosqlite:///{data}/a.db"),
        ("sqlite+aiosqlite:///a.db?x=1", "sqlite+aiosqlite:///{data}/a.db?x=1"),
        ("sqlite+aiosqlite:////srv/a.db", "sqlite+aiosqlite:////srv/a.db"),
        ("sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite:///:memory:"),
    ],
)
def test_database_files_are_relative_to_the_data_folder(tmp_path: Path, url: str, resolved: str) -> None:
    settings = read(tmp_path, overrides={"database.url": url})
    assert settings.database_url().get_secret_value() == resolved.format(data=tmp_path)


def test_a_policy_is_a_packaged_name_or_a_file_in_the_data_folder(tmp_path: Path) -> None:
    assert read(tmp_path, overrides={"policy.path": "careful"}).policy.path == packaged_policies()["careful"]
    (tmp_path / "ours.toml").write_text("", encoding="utf-8")
    for name in ("ours.toml", str(tmp_path / "ours.toml")):
        assert read(tmp_path, overrides={"policy.path": name}).policy.path == tmp_path / "ours.toml"


def test_the_data_folder_is_the_options_then_the_environments_then_the_default(tmp_path: Path) -> None:
    assert data_folder(tmp_path, {"COMMONWEAVE_DATA": "/srv/cw"}) == tmp_path
    assert data_folder(None, {"COMMONWEAVE_DATA": "/srv/cw"}) == Path("/srv/cw")
    assert data_folder(None, {}) == DEFAULT_DATA.absolute()
    assert load(tmp_path, environ={"COMMONWEAVE_DATA": "/srv/cw", "HOME": "/"}).data == tmp_path


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    text = (ROOT / "config" / "example.toml").read_text(encoding="utf-8")
    assert text == example()
    written = tomllib.loads(text)
    assert {s: set(t) for s, t in written.items()} == {s: set(m.model_fields) for s, m in sections().items()}
    assert Settings.model_validate(written) == Settings()


def test_a_node_starts_from_the_example_file(tmp_path: Path) -> None:
    text = (ROOT / "config" / "example.toml").read_text(encoding="utf-8")
    assert read(tmp_path, text) == load(tmp_path, environ={})


def test_the_documentation_shows_every_setting_as_it_is_now() -> None:
    document = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert document == refreshed(document)
    for model in sections().values():
        assert all(f"| `{name}` |" in table() and info.description for name, info in model.model_fields.items())
