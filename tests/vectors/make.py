"""Writes every vector file: `python -m tests.vectors.make`. Deterministic, so a second run changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from federation.errors import Code
from tests.vectors import envelope_cases, log_cases, other_cases
from tests.vectors.nodes import LIMA, NAIROBI

HERE: Final = Path(__file__).parent


def vectors() -> dict[str, dict[str, Any]]:
    """Path below this folder, and content, of every vector file."""
    out: dict[str, dict[str, Any]] = {
        "histories.json": {
            "nairobi": [_text(NAIROBI.history()), _text(LIMA.history())],
            "nairobi-new-key": [_text(NAIROBI.history_with_new_record_key())],
        }
    }
    envelope_cases.check_example()
    for folder, valid, invalid in (
        ("envelope", envelope_cases.valid(), envelope_cases.invalid()),
        ("history", other_cases.valid_histories(), other_cases.invalid_histories()),
        ("document", other_cases.valid_documents(), other_cases.invalid_documents()),
        ("request", other_cases.valid_requests(), other_cases.invalid_requests()),
        ("merkle", log_cases.valid_proofs(), log_cases.invalid_proofs()),
        ("checkpoint", log_cases.valid_checkpoints(), log_cases.invalid_checkpoints()),
    ):
        out |= _folder(folder, valid, invalid)
    out |= {f"export/{name}.json": vector for name, vector in log_cases.exports()}
    return out


def _text(entries: list[bytes]) -> list[str]:
    return [entry.decode("ascii") for entry in entries]


def _folder(
    folder: str, valid: Iterable[tuple[str, dict[str, Any]]], invalid: Iterable[tuple[str, Code, dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {f"{folder}/valid/{name}.json": vector for name, vector in valid}
    for name, code, vector in invalid:
        path = f"{folder}/invalid/{name}.json"
        assert path not in out, path
        out[path] = {"code": code.value} | vector
    return out


def as_text(vector: dict[str, Any]) -> str:
    """The exact text of a vector file: readable, and safe for any editor."""
    return json.dumps(vector, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    """Write the files and remove those that are no longer made."""
    made = {HERE / path: as_text(vector) for path, vector in vectors().items()}
    for path in set(HERE.rglob("*.json")) - set(made):
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
