# SPDX-License-Identifier: EUPL-1.2
"""A case lived by everybody at once, on the whole hub: lead, duo, partners, strangers, the coordinator and the clock
say and do whatever comes to mind. Replay gives the current state, no move is illegal, everything that is open has a
clock, nobody sees what its part may not, and the accountant finds no hole."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schakel.acting import Said
from schakel.errors import Refusal
from schakel.message import Answer, Contact
from tests.integration.stage import open_stage, thv

T = TypeVar("T")
LEAD: Final = "perspektief"
DUO: Final = "lokaal-team-delft"
PARTNERS: Final = ("de-waag", "politie", "reclassering")
OTHERS: Final = ("vvt", "lokaal-team-westland")
EVERYBODY: Final = (LEAD, DUO, *PARTNERS, *OTHERS)
COORDINATOR: Final = "operator:J. de Wit"
SAID: Final = Said(name="Fictieve Medewerker", function="casemanager")
CONTACT: Final = Contact(name="Fictieve Medewerker", phone="070 0000000")
WORDS: Final = ("received", "in-consideration", "confirmed", "declined", "withdrawn", "completed", "noted")
ON_MATTERS: Final = ("accepted", "adjusted", "not-possible", "known", "unknown", "confirmed", "declined")
MILESTONES: Final = ("first-visit", "plan-made", "evaluated")

actors = st.sampled_from((LEAD, LEAD, LEAD, COORDINATOR, DUO, *PARTNERS, *OTHERS))
partners = st.sampled_from(EVERYBODY)
asked = st.sampled_from(PARTNERS)
places = st.integers(0, 11)

# The state columns and what the events say, as whoever types SQL sees them.
REPLAY: Final = """
SELECT t.machine, t.id FROM (
    SELECT 'request' AS machine, id, state FROM request UNION ALL SELECT machine, id, state FROM matter
    UNION ALL SELECT 'case', id, state FROM case_file UNION ALL SELECT 'delivery', id, state FROM delivery
) t WHERE t.state IS NOT (
    SELECT e.to_state FROM state_event e WHERE e.machine = t.machine AND e.object_id = t.id
    ORDER BY e.ordinal DESC LIMIT 1)"""
ILLEGAL: Final = """
SELECT e.machine, e.event FROM state_event e WHERE NOT EXISTS (
    SELECT 1 FROM allowed_move m WHERE m.machine = e.machine AND m.from_state = e.from_state AND m.event = e.event
        AND m.role = e.role AND m.to_state = e.to_state)"""
SILENT: Final = """
SELECT id FROM (
    SELECT q.id, q.id AS clock, q.case_id FROM request q
    WHERE q.state IN ('asked', 'received', 'in-consideration', 'withdrawal-requested')
    UNION ALL SELECT m.id, CASE WHEN m.machine = 'hand-over' THEN m.request_id ELSE m.id END, m.case_id FROM matter m
    WHERE m.state IN ('asked', 'proposed') AND m.machine IN ('effort', 'known-check', 'hand-over')
) o WHERE NOT EXISTS (SELECT 1 FROM deadline d WHERE d.subject = o.clock AND d.ended_at IS NULL)
    AND (SELECT state FROM case_file c WHERE c.id = o.case_id) = 'open'"""
WALKS_ALONG: Final = """
SELECT 1 FROM request WHERE recipient = ? AND role IN ('lead', 'duo')
    AND state NOT IN ('withdrawn', 'completed', 'superseded')"""


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="schakel-life-"))
        self.runner = asyncio.Runner()
        self.keys = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.stage = self.do(self._open())
        receipt = self.do(self.stage.send("thv-pool", thv("delft-tweede-thv")))
        case = self.do(self.stage.hub.store.case_by_id(receipt.message_id))
        assert case is not None
        self.case = case.id
        self.books = apsw.Connection(str(self.stage.hub.settings.database_file), flags=apsw.SQLITE_OPEN_READONLY)

    async def _open(self) -> Any:
        return open_stage(self.folder)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            if hasattr(self, "books"):
                self.books.close()
                holes = self.do(self.stage.holes())
                self.do(self.stage.hub.aclose())
                assert holes == []
        finally:
            self.runner.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- what somebody may think of

    @rule(actor=actors, partner=partners, serves=st.sampled_from((None, "victim", "removed", "household")))
    def ask(self, actor: str, partner: str, serves: str | None) -> None:
        self.act("ask", actor, partner=partner, serves=serves)

    @rule(actor=actors, partner=partners, kind=st.sampled_from(("establish", "release")))
    def establish(self, actor: str, partner: str, kind: str) -> None:
        self.act(kind, actor, partner=partner)

    @rule(actor=actors, partner=asked, direction=st.sampled_from(("raise", "lower")), days=st.integers(-1, 40))
    def effort(self, actor: str, partner: str, direction: str, days: int) -> None:
        now = self.stage.clock.now()
        level = {"direction": direction, "level": "twee keer per week", "reason": "veiligheid"}
        until = (now + timedelta(days=days)).isoformat()
        self.act("effort", actor, partner=partner, **{**level, "from": now.isoformat(), "until": until})

    @rule(actor=actors, partner=partners)
    def withdrawal(self, actor: str, partner: str) -> None:
        self.act("withdrawal", actor, partner=partner, reason="niet meer nodig")

    @rule(actor=actors, partner=asked)
    def known_check(self, actor: str, partner: str) -> None:
        view = next(one for one in self.stage.views()[LEAD]) if self.stage.views()[LEAD] else None
        members = [view["members"][0]["id"]] if view and view.get("members") else ["m1"]
        self.act("known-check", actor, partners=[partner], members=members)

    @rule(actor=actors, event=st.sampled_from(MILESTONES))
    def milestone(self, actor: str, event: str) -> None:
        self.act("milestone", actor, event=event)

    @rule(actor=actors, to=st.sampled_from(("vvt", "lokaal-team-westland")))
    def hand_over(self, actor: str, to: str) -> None:
        role = "lead" if to == "vvt" else "duo"
        self.act("hand-over", actor, to=to, role=role, reason="verhuisd")

    @rule(actor=st.sampled_from((LEAD, DUO, COORDINATOR)), sure=st.integers(0, 5))
    def close(self, actor: str, sure: int) -> None:
        if sure == 0:  # a closed case ends most of the play
            self.act("close", actor, reason="afgerond")

    @rule(which=places, by=st.sampled_from(("", "", "", *OTHERS)), word=st.sampled_from(WORDS))
    def answer_request(self, which: int, by: str, word: str) -> None:
        known = list(self.books.execute("SELECT recipient, reference FROM request ORDER BY asked_at, id"))
        partner, reference = known[which % len(known)]
        self.answer(by or partner, reference, word)

    @rule(which=places, by=st.sampled_from(("", "", *OTHERS)), word=st.sampled_from(ON_MATTERS))
    def answer_matter(self, which: int, by: str, word: str) -> None:
        sql = "SELECT partner, reference FROM matter WHERE reference IS NOT NULL ORDER BY made_at, id"
        if known := list(self.books.execute(sql)):
            partner, reference = known[which % len(known)]
            self.answer(by or partner, reference, word)

    @rule(length=st.sampled_from((timedelta(minutes=7), timedelta(hours=5), timedelta(days=3), timedelta(days=40))))
    def time_goes_by(self, length: timedelta) -> None:
        self.stage.clock.forward(length)
        self.do(self.stage.hub.clockwork.run_once(self.stage.clock.now()))

    @rule()
    def deliver(self) -> None:
        self.do(self.stage.hub.dispatch.run_once())

    # -- saying it

    def act(self, kind: str, actor: str, **fields: Any) -> None:
        reference = self.case if actor == COORDINATOR else self.reference(actor)
        if reference is None:
            return  # it has no name for the case: nothing that it can say
        if actor == COORDINATOR:
            fields.setdefault("reason", "besluit van de coördinator")
        acting = self.stage.hub.acting.act(
            kind, actor=actor, reference=reference, fields=fields, now=self.stage.clock.now(), said=SAID
        )
        self.refused_by_rule(acting)

    def answer(self, partner: str, reference: str, word: str) -> None:
        reason = "no-capacity" if word in ("declined", "not-possible") else None
        said = Answer(reference=reference, answer=word, reason_code=reason, contact=CONTACT)  # type: ignore[arg-type]
        partner_ = self.stage.partner(partner)
        self.refused_by_rule(self.stage.hub.involvement.answer(partner_, said, now=self.stage.clock.now()))

    def refused_by_rule(self, work: Coroutine[Any, Any, Any]) -> None:
        """It is taken, or refused by a rule with its sentences, or there is nothing of that name."""
        refusal = None
        try:
            self.do(work)
        except Refusal as error:
            refusal = error
        if refusal is not None and refusal.status != 404:
            assert refusal.findings
            assert all(finding.rule and finding.nl and finding.en for finding in refusal.findings)

    def reference(self, partner: str) -> str | None:
        sql = "SELECT reference FROM case_reference WHERE partner = ?"
        return next((row[0] for row in self.books.execute(sql, (partner,))), None)

    # -- what always holds

    @invariant()
    def replay_is_the_current_state(self) -> None:
        if hasattr(self, "books"):
            assert list(self.books.execute(REPLAY)) == []

    @invariant()
    def no_move_is_illegal(self) -> None:
        if hasattr(self, "books"):
            assert list(self.books.execute(ILLEGAL)) == []

    @invariant()
    def everything_open_has_a_clock(self) -> None:
        if hasattr(self, "books"):
            assert list(self.books.execute(SILENT)) == []

    @rule(partner=partners)
    def look(self, partner: str) -> None:
        """Who does not lead or walk along sees its own part only."""
        reference = self.reference(partner)
        if reference is None:
            return
        looking = self.stage.hub.ledger_views.ledger(self.stage.partner(partner), reference, now=self.stage.clock.now())
        view = self.do(looking)
        if not list(self.books.execute(WALKS_ALONG, (partner,))):
            assert {one["partner"] for one in (*view["involvements"], *view["matters"])} <= {partner}
            assert "standing" not in view


Life.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a life of a whole hub takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestCaseLife = pytest.mark.timeout(400)(Life.TestCase)
