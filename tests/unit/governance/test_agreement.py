"""Agreements: the whole table of states, and their end to the second."""

from __future__ import annotations

import pytest

from governance.agreement import Clauses, Phase, Step, keeps_copies, phase_now, step
from governance.errors import AgreementError

P, S = Phase, Step
ALLOWED: dict[Phase, dict[Step, Phase]] = {
    P.INVITED: {S.PROPOSE: P.PROPOSED, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.PROPOSED: {S.PROPOSE: P.PROPOSED, S.APPROVE: P.ACTIVE, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.AGREED: {S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.ACTIVE: {S.PROPOSE: P.ACTIVE, S.SUSPEND: P.SUSPENDED, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.SUSPENDED: {S.RESUME: P.ACTIVE, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.ENDED: {S.PROPOSE: P.PROPOSED, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.EXPIRED: {S.PROPOSE: P.PROPOSED, S.END: P.ENDED, S.BLOCK: P.BLOCKED},
    P.BLOCKED: {S.UNBLOCK: P.ENDED, S.BLOCK: P.BLOCKED},
}


@pytest.mark.parametrize(("phase", "wanted"), [(p, s) for p in Phase for s in Step])
def test_every_step_from_every_phase(phase: Phase, wanted: Step) -> None:
    if wanted in ALLOWED[phase]:
        assert step(phase, wanted) is ALLOWED[phase][wanted]
        return
    with pytest.raises(AgreementError) as refused:
        step(phase, wanted)
    told = str(refused.value).partition("possible now: ")[2]
    assert told.split(", ") == sorted(ALLOWED[phase])


def test_nothing_but_an_approval_or_a_resumption_makes_an_agreement_active() -> None:
    into = {(p, s) for p in Phase for s, to in ALLOWED[p].items() if to is P.ACTIVE and p is not P.ACTIVE}
    assert into == {(P.PROPOSED, S.APPROVE), (P.SUSPENDED, S.RESUME)}


def test_an_agreement_expires_at_its_second() -> None:
    ends = Clauses("a", until=100)
    for phase in (P.ACTIVE, P.SUSPENDED):
        assert phase_now(phase, ends, 99) is phase
        assert phase_now(phase, ends, 100) is P.EXPIRED
        assert phase_now(phase, None, 0) is P.EXPIRED
    assert phase_now(P.ACTIVE, Clauses("a"), 10**12) is P.ACTIVE


def test_an_agreement_begins_at_its_second() -> None:
    later = Clauses("a", starts=100, until=200)
    assert phase_now(P.ACTIVE, later, 99) is P.AGREED
    assert phase_now(P.ACTIVE, later, 100) is P.ACTIVE
    assert phase_now(P.SUSPENDED, later, 99) is P.SUSPENDED
    assert phase_now(P.ACTIVE, later, 200) is P.EXPIRED


@pytest.mark.parametrize("phase", [P.INVITED, P.PROPOSED, P.ENDED, P.EXPIRED, P.BLOCKED])
def test_time_changes_no_other_phase(phase: Phase) -> None:
    assert phase_now(phase, Clauses("a", until=1), 100) is phase
    assert phase_now(phase, Clauses("a", starts=200), 100) is phase


def test_copies_are_kept_only_after_an_end_that_says_so() -> None:
    keep, erase = Clauses("a", erase_at_end=False), Clauses("a")
    assert {p for p in Phase if keeps_copies(p, keep)} == {P.ENDED, P.EXPIRED}
    assert not any(keeps_copies(p, erase) or keeps_copies(p, None) for p in Phase)
