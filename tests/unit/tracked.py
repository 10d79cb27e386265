"""The files that belong to the project, as git knows them: those tracked and those about to be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


def project_files(*suffixes: str) -> list[Path]:
    """Files that git does not ignore, of these suffixes or all; skips outside a git checkout, except in CI."""
    git = shutil.which("git")
    command = [git or "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False) if git else None
    if done is None or done.returncode:
        reason = "not a git checkout, or no git here: what belongs to the project is not known"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    names = sorted({name for name in done.stdout.decode().split("\0") if name})
    files = [ROOT / name for name in names if not suffixes or name.endswith(suffixes)]
    return [file for file in files if file.is_file()]


def text_of(file: Path) -> str | None:
    """The text of a file; None for one that is not text."""
    raw = file.read_bytes()
    try:
        return None if b"\0" in raw else raw.decode()
    except UnicodeDecodeError:
        return None
