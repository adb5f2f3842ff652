# SPDX-License-Identifier: EUPL-1.2
"""The roll-up of any case: never complete while something is asked, at risk exactly when a rule says why, and as time
goes by without anything happening a case only gets worse."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from regions import FOLDER
from schakel.ledger_records import CaseLedger
from schakel.region_files import load_region
from schakel.standing import OPEN, StandingState, standing_of
from schakel.states import EffortState, HandOverState, RequestState
from tests.support.ledgers import OPENED, case, clock, entry, involved, matter

REGION: Final = load_region(FOLDER / "haaglanden")
SEVERITY: Final = {StandingState.COMPLETE: 0, StandingState.WAITING: 1, StandingState.AT_RISK: 2}
WHO: Final = [
    ("vvt", "lead"),
    ("perspektief", "lead"),
    ("lokaal-team-den-haag", "duo"),
    ("lokaal-team-delft", "duo"),
    ("politie", "partner"),
    ("de-waag", "partner"),
]
MOMENTS: Final = st.timedeltas(timedelta(0), timedelta(days=60)).map(lambda after: OPENED + after)
INVOLVED: Final = st.builds(
    lambda who, state, established: involved(*who, state, established=established),
    st.sampled_from(WHO),
    st.sampled_from([str(state) for state in RequestState]),
    st.booleans(),
)
MATTERS: Final = st.one_of(
    st.builds(lambda state: matter("hand-over", "perspektief", "lead", str(state)), st.sampled_from(HandOverState)),
    st.builds(
        lambda state, until: matter("effort", "de-waag", "partner", str(state), valid_until=until),
        st.sampled_from(EffortState),
        MOMENTS,
    ),
)
CLOCKS: Final = st.builds(
    lambda who, kind, due: clock(kind, *who, due),
    st.sampled_from(WHO),
    st.sampled_from(["answer", "plan", "evaluation", "region-own"]),
    MOMENTS,
)
CASES: Final = st.builds(
    lambda who, matters, clocks, ends, plans, state: case(
        *who,
        matters=tuple(matters),
        deadlines=tuple(clocks),
        order_end=ends,
        entries=tuple(entry("plan-made", at) for at in plans),
        state=state,
        closed_at=None if state == "open" else OPENED,
    ),
    st.lists(INVOLVED, max_size=6),
    st.lists(MATTERS, max_size=3),
    st.lists(CLOCKS, max_size=4),
    st.none() | MOMENTS,
    st.lists(MOMENTS, max_size=2),
    st.sampled_from(["open", "open", "open", "closed", "joined"]),
)


@given(CASES, MOMENTS)
def test_complete_never_leaves_anything_asked_and_always_has_lead_and_duo(known: CaseLedger, now: datetime) -> None:
    if standing_of(known, REGION, now).state is StandingState.COMPLETE:
        assert not any(one.state in OPEN for one in known.involved)
        for role in ("lead", "duo"):
            assert any(one.role == role and one.state == "confirmed" for one in known.involved)
        assert all(one.established == (one.state == "confirmed") for one in known.involved if one.role == "partner")


@given(CASES, MOMENTS)
def test_at_risk_exactly_when_a_rule_says_why_and_closed_exactly_when_it_is(known: CaseLedger, now: datetime) -> None:
    found = standing_of(known, REGION, now)
    assert (found.state is StandingState.AT_RISK) == bool(found.risks)
    assert (found.state is StandingState.CLOSED) == (known.state != "open")
    assert found.state is not StandingState.WAITING or found.waits
    for one in (*found.risks, *found.waits):
        assert one.nl
        assert one.en
        assert "{" not in one.nl + one.en


@given(CASES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=60)))
def test_time_alone_never_makes_it_better(known: CaseLedger, now: datetime, later: timedelta) -> None:
    first, then = standing_of(known, REGION, now), standing_of(known, REGION, now + later)
    if first.state is StandingState.CLOSED:
        assert then == standing_of(known, REGION, now)
        return
    assert SEVERITY[then.state] >= SEVERITY[first.state]
    assert set(first.risks) <= set(then.risks)
    assert first.waits == then.waits


@given(CASES, MOMENTS)
def test_what_comes_next_is_the_first_of_all_that_runs(known: CaseLedger, now: datetime) -> None:
    coming = standing_of(known, REGION, now).coming
    running = [one.due_at for one in known.deadlines]
    if known.state == "open":
        ends = [one.valid_until for one in known.matters if one.state in ("asked", "accepted", "adjusted")]
        running += [at for at in (known.order_end, *ends) if at is not None and at > now]
    assert (coming.at if coming else None) == min(running, default=None)
