"""The bounds of a soak see what they are there to see; and ten seconds of one, so that the harness cannot rot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.forked import fork
from tests.soak.run import soak
from tests.soak.sampling import MIB, Sample, bad_lines, growth, oversize

STEADY: Final = Sample("n", 0.0, 150.0, 30, 6 * MIB, 4 * MIB, 4 * MIB, MIB, 180, 100, 1000)


def over_time(rss_mb_each: float = 0.0, fds_each: float = 0.0, count: int = 60) -> list[Sample]:
    return [
        replace(STEADY, at_s=4.0 * n, rss_mb=150.0 + rss_mb_each * n, fds=30 + round(fds_each * n))
        for n in range(count)
    ]


def test_a_node_that_stands_still_breaks_no_bound() -> None:
    assert growth(over_time()) == []
    assert oversize(STEADY) == []


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (over_time(rss_mb_each=1.5), "n: memory grew from 194 to 224 MB"),
        ([replace(s, rss_mb=s.rss_mb * 4) for s in over_time(rss_mb_each=0.6)], "n: memory grew from 671 to 719 MB"),
        (over_time(fds_each=0.5), "n: open files grew from 44 to 54"),
    ],
)
def test_a_leak_is_named(samples: list[Sample], reason: str) -> None:
    assert growth(samples) == [reason]


def test_growth_that_ends_within_the_first_third_is_no_leak() -> None:
    assert growth([replace(s, rss_mb=min(s.rss_mb, 190.0)) for s in over_time(rss_mb_each=2.0)]) == []


@pytest.mark.parametrize(
    "sample",
    [
        replace(STEADY, used_bytes=30 * MIB, file_bytes=31 * MIB),
        replace(STEADY, file_bytes=40 * MIB),
        replace(STEADY, wal_bytes=100 * MIB),
        replace(STEADY, index_bytes=50 * MIB),
    ],
)
def test_a_disk_that_holds_more_than_its_records_is_named(sample: Sample) -> None:
    assert len(oversize(sample)) == 1


def test_an_error_in_a_log_is_seen_and_a_record_about_errors_is_not() -> None:
    log = "2026 INFO web: GET /search?q=ERRORS 200\n2026 ERROR commonweave: broke\nTraceback (most recent call last):\n"
    assert bad_lines(log) == log.splitlines()[1:]


@pytest.mark.e2e
@pytest.mark.slow
def test_a_few_seconds_under_load_break_no_bound_and_all_copies_settle(tmp_path: Path) -> None:
    soaked = soak(tmp_path, 10, rate=20.0, seed=3, start=fork)
    assert soaked.reasons == []
    assert soaked.done["publish"] > 0
    assert {s.node for s in soaked.samples} == {"Mto", "Rio", "Nadi"}
