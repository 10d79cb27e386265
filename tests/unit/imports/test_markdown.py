"""Folders of Markdown: heads in TOML and in the strict part of YAML, headings as sections, files that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.imports import ReadOptions, Unreadable
from node.imports.frontmatter import parse
from node.imports.sections import split
from tests.unit.imports.reading import OPTIONS, outcomes

MODULE = """---
title: "Safer phones: half a day"
kind: Learning module
language: no
tags: [phones, "first, aid"]
audience:
  - network
until: 2027-06-30
description: >
  What to do
  before a march.
---
Bring a phone.

## Objectives

- Lock it
- Know who
  can read it

## Duration in minutes
180

## Steps
### Lock screens (20 min)
Try it.
### Talk
## Budget
None.
"""


def test_a_yaml_head_and_the_sections_of_a_kind(tmp_path: Path) -> None:
    (tmp_path / "phones.md").write_text(MODULE, "utf-8")
    items, problems = outcomes(tmp_path)
    assert problems == []
    draft = items[0].draft
    assert (items[0].source_id, draft.kind, draft.lang) == ("phones.md", "learning_module", "no")
    assert draft.fields == {
        "title": "Safer phones: half a day",
        "topics": ["phones", "first, aid"],
        "summary": "What to do before a march.",
        "body": "Bring a phone.\n\n## Budget\n\nNone.",
        "objectives": ["Lock it", "Know who can read it"],
        "duration_minutes": 180,
        "steps": [{"title": "Lock screens", "text": "Try it.", "minutes": 20}, {"title": "Talk", "text": ""}],
    }
    assert draft.terms == {"aud": ["network"], "pur": ["learning"], "until": 1_814_400_000}


def test_a_toml_head(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text('+++\ntitle = "A"\ndate = 2024-05-11\ntopics = ["x"]\n+++\nText.\n', "utf-8")
    items, _ = outcomes(tmp_path)
    assert items[0].draft.fields["period"] == {"from": "2024-05-11", "to": "2024-05-11"}


def test_without_a_head_the_first_heading_is_the_title(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Gauges\n\nPaint.\n", "utf-8")
    items, _ = outcomes(tmp_path)
    assert items[0].draft.fields == {"title": "Gauges", "body": "Paint."}


def test_source_ids_are_paths_and_hidden_files_and_links_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "es" / "a.md").write_text("# A\nx\n", "utf-8")
    (tmp_path / ".git" / "b.md").write_text("# B\nx\n", "utf-8")
    (tmp_path / "c.md").symlink_to(tmp_path / "es" / "a.md")
    (tmp_path / "d.txt").write_text("no", "utf-8")
    items, problems = outcomes(tmp_path)
    assert ([i.source_id for i in items], problems) == (["es/a.md"], [])


def test_an_unknown_key_is_reported_once_and_the_file_taken(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("---\nlayout: page\n---\n# T\nx\n", "utf-8")
    items, problems = outcomes(tmp_path)
    assert len(items) == 2
    assert [p.source_id for p in problems] == ["a.md"]
    assert "'layout'" in problems[0].problem


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("title: A\nauthor:\n  name: B\n", "more YAML than is read here"),
        ("title: &anchor A\n", "more YAML"),
        ("title: !!python/object:os.system x\n", "more YAML"),
        ("title: {a: b}\n", "more YAML"),
        ("title: A\ntitle: B\n", "names title twice"),
        ("just words\n", "more YAML"),
    ],
)
def test_yaml_beyond_the_strict_part_is_refused_with_the_line(head: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        parse(f"---\n{head}---\nText.\n")


@pytest.mark.parametrize("text", ["---\ntitle: A\n", "+++\ntitle = A\n+++\n"])
def test_a_head_without_end_or_of_bad_toml_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="the head"):
        parse(text)


def test_a_checklist_keeps_role_time_and_need() -> None:
    fields = split("checklist", "## Items\n- [ ] Call the ward | nurse | the day before | required\n- Pack\n")
    assert fields["items"] == [
        {"text": "Call the ward", "role": "nurse", "when": "the day before", "required": True},
        {"text": "Pack", "role": "", "when": "", "required": False},
    ]


def test_a_toolkit_names_records_of_the_same_folder(tmp_path: Path) -> None:
    text = "---\nkind: toolkit\n---\n# Kit\n## Components\n- [First](a.md): begin here\n- A film: twenty minutes\n"
    (tmp_path / "kit.md").write_text(text, "utf-8")
    items, _ = outcomes(tmp_path, OPTIONS)
    assert items[0].components == {0: "a.md"}
    assert items[0].draft.fields["components"] == [
        {"title": "First", "notes": "begin here"},
        {"title": "A film", "notes": "twenty minutes"},
    ]


def test_a_heading_inside_a_code_fence_is_text() -> None:
    text = "## Context\n```\n## Lessons\n```\n"
    assert split("case_study", text) == {"context": "```\n## Lessons\n```"}


def test_a_section_of_the_wrong_form_stays_as_text() -> None:
    assert split("learning_module", "## Level\nfor everyone\n") == {"body": "## Level\n\nfor everyone"}


def test_what_the_head_does_not_say_the_caller_has_to(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\nx\n", "utf-8")
    items, problems = outcomes(tmp_path, ReadOptions())
    assert items == []
    assert "kind" in problems[0].problem
