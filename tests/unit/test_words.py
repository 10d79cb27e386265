"""The catalogues say everything that the code says, in every language, with the same names in braces."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from node.speech import catalogue_path
from tests import words


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_every_text_is_translated_and_its_placeholders_match(lang: str) -> None:
    assert list(words.faults(lang, words.texts())) == []


@pytest.mark.parametrize("lang", words.LANGUAGES)
def test_updating_a_catalogue_again_changes_nothing(lang: str) -> None:
    said = words.texts()
    assert words.written(words.updated(lang, said)) == catalogue_path(lang).read_bytes()


def test_texts_are_found_wherever_they_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "governance"
    room.mkdir()
    (room / "talk.py").write_text(
        "TABLE = {1: N_('a constant'), 2: name('not a text')}\n"
        "def talk(say):\n"
        "    say('long ' 'text with {name}', name='x')\n"
        "    say.count('one', 'many {n}', 3)\n"
        "    'abc'.count('b')\n"
    )
    pages = tmp_path / "node" / "web" / "templates"
    pages.mkdir(parents=True)
    (pages / "page.html").write_text("<p>{{ say('on a page', a=1) }}{{ say.count('one page', 'pages', 2) }}</p>")
    monkeypatch.setattr(words, "ROOT", tmp_path)
    found = {message.id for message in words.texts() if message.id}
    assert found == {"a constant", "long text with {name}", ("one", "many {n}"), "on a page", ("one page", "pages")}


@pytest.mark.parametrize(
    ("translation", "fault"),
    [
        ("", "not translated"),
        ("sin nada", "braces differ"),
        ("{nombre}", "braces differ"),
    ],
)
def test_a_faulty_translation_is_named(
    translation: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "es.po"
    path.write_text(f'msgid "hello {{name}}"\nmsgstr "{translation}"\n')
    monkeypatch.setattr(words, "catalogue_path", lambda lang: path)
    said = Catalog()
    said.add("hello {name}")
    assert [fault in found for found in words.faults("es", said)] == [True]


def test_a_guessed_or_forgotten_translation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "es.po"
    path.write_text('#, fuzzy\nmsgid "hello"\nmsgstr "hola"\n\nmsgid "old"\nmsgstr "viejo"\n')
    monkeypatch.setattr(words, "catalogue_path", lambda lang: path)
    said = Catalog()
    said.add("hello")
    said.add("new")
    faults = sorted(words.faults("es", said))
    assert [("guessed" in f, "any more" in f, "not in the catalogue" in f) for f in faults] == [
        (False, True, False),
        (False, False, True),
        (True, False, False),
    ]
