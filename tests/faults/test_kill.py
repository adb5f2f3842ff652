# SPDX-License-Identifier: EUPL-1.2
"""Kills the hub at every named point, starts it again, and counts: what got a 202 arrives, under one id, in one form.

Each point has a scene that makes it hit, in a real process with real recipients. Between death and new start the test
looks (in a copy) at what is on disk: before a commit nothing of the work may be there, after it all of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from schakel.failpoints import Failpoint
from tests.support.hub import LEASE, UNDER_WAY, Home, Process, Said, open_home, until
from tests.support.messages import JSON, Message, hidden, parked_referral, referral, unknown_code

pytestmark = pytest.mark.slow

LONG: Final = os.environ.get("SCHAKEL_FAULTS") == "long"
KILLED: Final = -signal.SIGKILL
RELEASE: Final = ("--to", "vvt", "--to", "lokaal-team-den-haag", "--by", "A. de Tester", "--reason", "proef")
TERM: Final = 3 * 86400.0  # seconds after which the bytes as they came in and went out are past their term
LATE: Final = 7200.0  # seconds after which the lead's answer to a crisis is late
CONFIRMED: Final = {"answer": "confirmed", "contact": {"name": "A. de Tester", "phone": "070 0000000"}}

MESSAGES: Final = "SELECT count(*) FROM message"
WAITING: Final = "SELECT count(*) FROM delivery WHERE state = 'waiting'"
SENDING: Final = "SELECT count(*) FROM delivery WHERE state = 'sending'"
LEASES: Final = "SELECT count(*) FROM lane WHERE token IS NOT NULL"
RENDERED: Final = "SELECT count(*) FROM delivery WHERE rendered_at IS NOT NULL"
ATTEMPTED: Final = "SELECT count(*) FROM delivery WHERE attempts > 0"
ANSWERS: Final = "SELECT count(*) FROM answer"
LINKED: Final = "SELECT count(*) FROM audit WHERE position > 0"
JOINED: Final = "SELECT count(*) FROM suggestion WHERE state = 'joined'"
VISITED: Final = "SELECT count(*) FROM ledger_entry WHERE event = 'first-visit'"
OPEN: Final = "SELECT count(*) FROM parked WHERE state = 'open'"
RECEIVED: Final = "SELECT count(*) FROM delivery WHERE channel = 'mailbox' AND state = 'delivered'"
TRACES: Final = " UNION ALL ".join(  # of an arrival, anywhere
    f"SELECT count(*) AS n FROM {table}"
    for table in (
        *("message", "raw_referral", "case_file", "match_key", "known_order", "case_reference", "request", "delivery"),
        *("lane", "routing_decision", "parked", "alarm", "state_event", "recipient"),
    )
)
ANYTHING: Final = f"SELECT sum(n) FROM ({TRACES}) AS traces"


@dataclass(slots=True)
class Play:
    """What a scene did up to the death, as the senders know it."""

    home: Home
    point: Failpoint
    messages: Sequence[Message] = ()
    said: list[Said] = field(default_factory=list)
    again: Callable[[Process], Awaitable[None]] | None = None  # what the one who got no answer does after the start
    linked: int = 0

    @property
    def before_commit(self) -> bool:
        return self.point.value.endswith("before-commit") or self.point is Failpoint.INTAKE_BEFORE_ACCEPT

    async def send(self, process: Process, messages: Sequence[Message]) -> None:
        """All at the same time; whoever gets no answer stays in doubt."""
        answers = await asyncio.gather(*(process.hand_in(message) for message in messages))
        self.said += [answer for answer in answers if answer is not None]

    def in_doubt(self) -> list[Message]:
        known = {one.message for one in self.said if one.accepted}
        return [message for message in self.messages if message not in known]


Look = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Scene:
    """`act` ends with the death; `left` says what must be on disk then."""

    act: Callable[[Play], Awaitable[None]]
    left: Callable[[Play, Look], None]


# -- scenes: what makes a point hit ------------------------------------------------------------------------------------


async def hand_in(play: Play) -> None:
    """Three referrals at once, for recipients with webhooks."""
    play.messages = [referral(1, "0518"), referral(2, "0603"), referral(3, "1783")]
    process = await play.home.start(failpoint=play.point)
    await play.send(process, play.messages)
    assert await process.died() == KILLED


async def hand_in_then_start(play: Play) -> None:
    """Three referrals are kept and nobody has looked at them; the next process meets the point on its way up."""
    play.messages = [referral(1, "0518"), referral(2, "0603"), referral(3, "0503")]
    process = await play.home.start(failpoint=Failpoint.INTAKE_AFTER_ACCEPT)
    await play.send(process, play.messages)
    assert await process.died() == KILLED
    with play.home.after_death() as look:
        assert look(MESSAGES) >= 1
        assert look(WAITING) >= 2
        play.linked = look(LINKED)
    assert await (await play.home.start(failpoint=play.point)).died() == KILLED


async def fetch(play: Play) -> None:
    """A local team that polls fetches its content, and the answer does not come."""
    play.messages = [referral(1, "0503")]
    process = await play.home.start(failpoint=play.point)
    await play.send(process, play.messages)
    await play.home.until("SELECT count(*) FROM delivery WHERE state = 'notified'", 1)
    async with play.home.client(process.url, "lokaal-team-delft") as client:
        with pytest.raises(httpx2.TransportError):
            await client.get("/v1/mailbox/1")
    assert await process.died() == KILLED


async def answer(play: Play) -> None:
    """The lead confirms and gets no reply; it says so again."""
    play.messages = [referral(1, "0518")]
    process = await play.home.start(failpoint=play.point)
    await play.send(process, play.messages)
    await until(lambda: play.home.recipients.journal("vvt"), "the lead has nothing")
    reference = play.home.recipients.journal("vvt")[0].request
    with pytest.raises(httpx2.TransportError):
        await confirm(play.home, process, reference)
    assert await process.died() == KILLED

    async def again(process: Process) -> None:
        outcome = await confirm(play.home, process, reference)
        assert outcome == {
            "outcome": "recorded" if play.before_commit else "repeated",
            "requestState": "confirmed",
        }
        assert play.home.count(ANSWERS) == 1

    play.again = again


async def confirm(home: Home, process: Process, reference: str | None) -> Any:
    async with home.client(process.url, "vvt") as client:
        reply = await client.post("/v1/answers", json={"reference": reference, **CONFIRMED})
        return reply.raise_for_status().json()


async def fetch_too_open(play: Play) -> None:
    """What waits in a mailbox shows more than it may since the update: another takes its place when it is fetched."""
    play.messages = [referral(1, "0503"), hidden(referral(1, "0503"))]
    process = await play.home.start(failpoint=play.point)
    await play.send(process, play.messages[:1])
    await play.home.until("SELECT count(*) FROM delivery WHERE state = 'notified'", 1)
    await play.send(process, play.messages[1:])
    assert len(play.said) == 2
    async with play.home.client(process.url, "lokaal-team-delft") as client:
        with pytest.raises(httpx2.TransportError):
            await client.get("/v1/mailbox/1")
    assert await process.died() == KILLED


async def join(play: Play) -> None:
    """A person says that two cases are one household; the command dies beside a hub that runs on."""
    play.messages = [referral(1), referral(2, removed=1)]
    process = await play.home.start()
    for message in play.messages:
        await play.send(process, [message])
    await play.home.drained(process)
    ((case, other),) = play.home.rows("SELECT case_id, other_case_id FROM suggestion")
    command = ("case", "join", case, other, "--by", "A. de Tester", "--reason", "proef")
    code, _ = await play.home.run(*command, failpoint=play.point)
    assert code == KILLED
    await process.kill()

    async def again(process: Process) -> None:
        code, _ = await play.home.run(*command)
        assert code == (0 if play.before_commit else 3)
        assert play.home.count(JOINED) == 1

    play.again = again


async def visit(play: Play) -> None:
    """A person records the first visit; the command dies beside a hub that runs on."""
    play.messages = [referral(1)]
    process = await play.home.start()
    await play.send(process, play.messages)
    await play.home.drained(process)
    ((case,),) = play.home.rows("SELECT id FROM case_file")
    command = ("case", "event", case, "--event", "first-visit", "--by", "A. de Tester", "--reason", "proef")
    code, _ = await play.home.run(*command, failpoint=play.point)
    assert code == KILLED
    await process.kill()

    async def again(process: Process) -> None:
        if play.before_commit:
            code, _ = await play.home.run(*command)
            assert code == 0
        assert play.home.count(VISITED) == 1

    play.again = again


async def past_its_term(play: Play) -> None:
    """Everything was delivered; when the hub starts days later, the bytes as they came in and went out go."""
    play.messages = [referral(1)]
    process = await play.home.start()
    await play.send(process, play.messages)
    await play.home.drained(process)
    await process.kill()
    play.home.later = TERM
    assert await (await play.home.start(failpoint=play.point)).died() == KILLED


async def late_answers(play: Play) -> None:
    """Nobody answers; when the hub starts hours later, people are told."""
    play.messages = [referral(1)]
    process = await play.home.start()
    await play.send(process, play.messages)
    await play.home.drained(process)
    await process.kill()
    play.home.later = LATE
    assert await (await play.home.start(failpoint=play.point)).died() == KILLED

    async def reminds(_: Process) -> None:
        await play.home.until("SELECT CASE WHEN max(steps) > 0 THEN 1 ELSE 0 END FROM deadline", 1)

    play.again = reminds


async def park_then_start(play: Play) -> None:
    """Something is parked and nobody has been told; the next process meets the point when it rings."""
    play.messages = [unknown_code(1)]
    process = await play.home.start(failpoint=Failpoint.INTAKE_AFTER_ACCEPT)
    await play.send(process, play.messages)
    assert await process.died() == KILLED
    with play.home.after_death() as look:
        assert look(OPEN) == 1
        assert look("SELECT count(*) FROM alarm") == 0
    assert await (await play.home.start(failpoint=play.point)).died() == KILLED


async def release(play: Play) -> None:
    """A person releases what is parked; the command dies beside a hub that runs on."""
    play.messages = [parked_referral()]
    process = await play.home.start()
    await play.send(process, play.messages)
    (row,) = await play.home.json("parked", "list")
    code, _ = await play.home.run("parked", "release", row["id"], *RELEASE, failpoint=play.point)
    assert code == KILLED
    await process.kill()  # so that what is on disk is only the command's

    async def again(process: Process) -> None:
        code, _ = await play.home.run("parked", "release", row["id"], *RELEASE)
        assert code == (0 if play.before_commit else 4)
        assert play.home.count(OPEN) == 0
        (told,) = play.said  # since then a person has promised more than the 202 did
        play.said = [replace(told, body={"id": row["messageId"], "recipients": _released(play.home)})]

    play.again = again


def _released(home: Home) -> list[dict[str, Any]]:
    names = {one.id: one.name for one in home.region.partners}
    return [{"recipient": names[one], "outcome": "deliver"} for one in ("vvt", "lokaal-team-den-haag")]


# -- what must be on disk at the death ---------------------------------------------------------------------------------


def nothing(play: Play, look: Look) -> None:
    """Not a trace, and nobody was told otherwise."""
    assert look(ANYTHING) == 0
    assert not play.said


def kept(play: Play, look: Look) -> None:
    """Kept whole, and nobody was told yet."""
    assert not play.said
    assert look(MESSAGES) >= 1
    assert look(WAITING) == 2 * look(MESSAGES)
    assert look("SELECT count(*) FROM raw_referral") == look(MESSAGES)
    assert look("SELECT count(*) FROM request") == 2 * look(MESSAGES)


def unclaimed(play: Play, look: Look) -> None:
    assert look(LEASES) == look(SENDING) == 0
    assert look(WAITING) == look("SELECT count(*) FROM delivery") >= 2
    assert not play.home.arrived()


def claimed(play: Play, look: Look) -> None:
    assert look(LEASES) == look(SENDING) >= 1
    assert look(RENDERED) == 0
    assert not play.home.arrived()


def rendered(play: Play, look: Look) -> None:
    """The bytes are kept before anybody has seen them."""
    assert look(RENDERED) >= 1
    assert look(ATTEMPTED) == 0
    assert not play.home.arrived()


def sent(play: Play, look: Look) -> None:
    """A recipient has it, and the hub does not know."""
    assert play.home.arrived()
    assert look(ATTEMPTED) == 0


def finished(play: Play, look: Look) -> None:
    assert look(ATTEMPTED) >= 1
    assert look("SELECT count(*) FROM delivery WHERE state = 'delivered'") >= 1


def unlinked(play: Play, look: Look) -> None:
    assert look(LINKED) == play.linked
    assert look("SELECT count(*) FROM audit WHERE position IS NULL") > 0


def linked(play: Play, look: Look) -> None:
    assert look(LINKED) > play.linked


def counts(query: str, *, before: int, after: int) -> Callable[[Play, Look], None]:
    def left(play: Play, look: Look) -> None:
        assert look(query) == (before if play.before_commit else after)

    return left


def superseded(play: Play, look: Look) -> None:
    """Never the old one gone without the new one there."""
    there = 0 if play.before_commit else 1
    assert look("SELECT count(*) FROM delivery WHERE state = 'superseded'") == there
    assert look("SELECT count(*) FROM delivery WHERE supersedes IS NOT NULL") == there
    assert "lokaal-team-delft" not in {partner for partner, _ in play.home.arrived()}


def reminded(play: Play, look: Look) -> None:
    """A clock's step and its alarm are one."""
    reminded = look("SELECT count(*) FROM deadline WHERE steps > 0")
    assert look("SELECT count(*) FROM alarm WHERE cause LIKE 'deadline:%'") == reminded
    assert (reminded > 0) is not play.before_commit


def visited(play: Play, look: Look) -> None:
    """What was said and the clocks that it starts are one."""
    there = 0 if play.before_commit else 1
    assert look(VISITED) == there
    assert look("SELECT count(*) FROM deadline WHERE event = 'first-visit' AND kind = 'plan'") == there
    assert look("SELECT count(*) FROM deadline WHERE event = 'first-visit' AND kind = 'year'") == there


def erased(play: Play, look: Look) -> None:
    """The bytes, the key and the audit row are one."""
    gone = 0 if play.before_commit else 1
    assert look("SELECT count(*) FROM raw_referral WHERE sealed IS NULL") == gone
    assert look("SELECT count(*) FROM raw_referral WHERE wrapped_key IS NULL") == gone
    assert look("SELECT count(*) FROM audit WHERE action = 'retention:raw'") == gone
    assert look("SELECT count(*) FROM delivery WHERE rendered IS NULL") == 2 * gone


def untold(play: Play, look: Look) -> None:
    """What is parked is due to be told, and nobody has heard it."""
    assert look(OPEN) == 1
    assert look("SELECT count(*) FROM alarm WHERE delivered_at IS NULL") == (0 if play.before_commit else 1)
    assert not play.home.recipients.alarms


def told(play: Play, look: Look) -> None:
    """A human was told; the hub knows it or will say it again."""
    assert len(play.home.recipients.alarms) == 1
    assert look("SELECT count(*) FROM alarm WHERE delivered_at IS NOT NULL") == (0 if play.before_commit else 1)


def settled(play: Play, look: Look) -> None:
    if play.before_commit:
        assert look(OPEN) == 1
        assert look("SELECT count(*) FROM delivery") == look("SELECT count(*) FROM request") == 0
    else:
        assert look(OPEN) == 0
        assert look(WAITING) == look("SELECT count(*) FROM request") == 2


SCENES: Final[Mapping[Failpoint, Scene]] = {
    Failpoint.STORE_ACCEPT_BEFORE_COMMIT: Scene(hand_in, nothing),
    Failpoint.STORE_ACCEPT_AFTER_COMMIT: Scene(hand_in, kept),
    Failpoint.STORE_CLAIM_BEFORE_COMMIT: Scene(hand_in_then_start, unclaimed),
    Failpoint.STORE_CLAIM_AFTER_COMMIT: Scene(hand_in_then_start, claimed),
    Failpoint.STORE_RENDER_BEFORE_COMMIT: Scene(hand_in, claimed),
    Failpoint.STORE_RENDER_AFTER_COMMIT: Scene(hand_in, rendered),
    Failpoint.STORE_FINISH_BEFORE_COMMIT: Scene(hand_in, sent),
    Failpoint.STORE_FINISH_AFTER_COMMIT: Scene(hand_in, finished),
    Failpoint.STORE_RECEIVE_BEFORE_COMMIT: Scene(fetch, counts(RECEIVED, before=0, after=1)),
    Failpoint.STORE_RECEIVE_AFTER_COMMIT: Scene(fetch, counts(RECEIVED, before=0, after=1)),
    Failpoint.STORE_ANSWER_BEFORE_COMMIT: Scene(answer, counts(ANSWERS, before=0, after=1)),
    Failpoint.STORE_ANSWER_AFTER_COMMIT: Scene(answer, counts(ANSWERS, before=0, after=1)),
    Failpoint.STORE_ACT_BEFORE_COMMIT: Scene(visit, visited),
    Failpoint.STORE_ACT_AFTER_COMMIT: Scene(visit, visited),
    Failpoint.STORE_ERASE_BEFORE_COMMIT: Scene(past_its_term, erased),
    Failpoint.STORE_ERASE_AFTER_COMMIT: Scene(past_its_term, erased),
    Failpoint.STORE_SETTLE_BEFORE_COMMIT: Scene(release, settled),
    Failpoint.STORE_SETTLE_AFTER_COMMIT: Scene(release, settled),
    Failpoint.STORE_SUPERSEDE_BEFORE_COMMIT: Scene(fetch_too_open, superseded),
    Failpoint.STORE_SUPERSEDE_AFTER_COMMIT: Scene(fetch_too_open, superseded),
    Failpoint.STORE_SUGGEST_BEFORE_COMMIT: Scene(join, counts(JOINED, before=0, after=1)),
    Failpoint.STORE_SUGGEST_AFTER_COMMIT: Scene(join, counts(JOINED, before=0, after=1)),
    Failpoint.STORE_REMIND_BEFORE_COMMIT: Scene(late_answers, reminded),
    Failpoint.STORE_REMIND_AFTER_COMMIT: Scene(late_answers, reminded),
    Failpoint.STORE_ALARM_BEFORE_COMMIT: Scene(park_then_start, untold),
    Failpoint.STORE_ALARM_AFTER_COMMIT: Scene(park_then_start, untold),
    Failpoint.STORE_TOLD_BEFORE_COMMIT: Scene(park_then_start, told),
    Failpoint.STORE_TOLD_AFTER_COMMIT: Scene(park_then_start, told),
    Failpoint.STORE_LINK_BEFORE_COMMIT: Scene(hand_in_then_start, unlinked),
    Failpoint.STORE_LINK_AFTER_COMMIT: Scene(hand_in_then_start, linked),
    Failpoint.INTAKE_BEFORE_ACCEPT: Scene(hand_in, nothing),
    Failpoint.INTAKE_AFTER_ACCEPT: Scene(hand_in, kept),
    Failpoint.DISPATCH_AFTER_CLAIM: Scene(hand_in_then_start, claimed),
    Failpoint.DISPATCH_AFTER_RENDER: Scene(hand_in, rendered),
    Failpoint.DISPATCH_AFTER_SEND: Scene(hand_in, sent),
    Failpoint.DISPATCH_AFTER_FINISH: Scene(hand_in, finished),
}

# What `make test` looks at on a server too; the long run looks at all of them.
ON_A_SERVER: Final = (
    Failpoint.STORE_ACCEPT_BEFORE_COMMIT,
    Failpoint.STORE_ACCEPT_AFTER_COMMIT,
    Failpoint.STORE_CLAIM_AFTER_COMMIT,
    Failpoint.STORE_RENDER_AFTER_COMMIT,
    Failpoint.STORE_FINISH_BEFORE_COMMIT,
    Failpoint.STORE_ANSWER_AFTER_COMMIT,
    Failpoint.STORE_LINK_BEFORE_COMMIT,
    Failpoint.DISPATCH_AFTER_SEND,
)


# -- the proof ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("kill -9 at every named point of the program, before and after each commit")
@pytest.mark.parametrize("point", Failpoint, ids=str)
async def test_what_got_a_202_arrives_when_the_hub_is_killed_at(point: Failpoint, tmp_path: Path) -> None:
    await killed_at(point, tmp_path)


@pytest.mark.fault("kill -9 at named points of the program, before and after commits, on PostgreSQL")
@pytest.mark.parametrize("point", Failpoint if LONG else ON_A_SERVER, ids=str)
async def test_the_same_holds_on_postgresql_when_the_hub_is_killed_at(
    point: Failpoint, tmp_path: Path, database_url: str
) -> None:
    await killed_at(point, tmp_path, database_url)


async def killed_at(point: Failpoint, folder: Path, server: str = "") -> None:
    scene = SCENES[point]  # a point without a scene fails here
    async with open_home(folder, server) as home:
        play = Play(home, point)
        await scene.act(play)
        with home.after_death() as look:
            scene.left(play, look)
            on_disk = look(MESSAGES)
            home.later += LEASE if look(LEASES) else 0.0
        arrived_before = {one.id for all_ in home.recipients.journals().values() for one in all_}

        process = await home.start()
        told_before = len(play.said)
        await play.send(process, play.in_doubt())
        repeated = [one for one in play.said[told_before:] if one.body["duplicate"]]
        assert len(repeated) == on_disk - told_before  # what was on disk is known, what was not is new
        if play.again is not None:
            await play.again(process)
        await home.drained(process)

        assert not play.in_doubt()
        assert home.promised(play.said) == home.arrived()
        assert home.recipients.faults() == []
        if scene.left is sent:
            assert repeats(home) & arrived_before  # the recipient that had it got it again, under the same id
        await nothing_new_by_sending_again(play, process)
        await home.told()
        await process.kill()
        report = await home.json("verify")
        assert report["ok"]
        assert report["counts"]["lost"] == 0


def repeats(home: Home) -> set[str]:
    """Ids that came more than once."""
    ids = [one.id for all_ in home.recipients.journals().values() for one in all_]
    return {id for id in ids if ids.count(id) > 1}


async def nothing_new_by_sending_again(play: Play, process: Process) -> None:
    """Each sender sends all of it once more: the first answer comes back, and nobody gets anything."""
    ids = {one.message.reference: one.body["id"] for one in play.said}
    count = play.home.count("SELECT count(*) FROM delivery")
    for message in play.messages:
        said = await process.hand_in(message)
        assert said is not None
        assert said.accepted
        if message.media_type == JSON:  # an answer in FHIR's own words does not say so
            assert said.body["duplicate"]
            assert said.body["id"] == ids[message.reference]
    assert play.home.count("SELECT count(*) FROM delivery") == count
    assert play.home.count(UNDER_WAY) == 0


def test_every_point_has_a_scene() -> None:
    assert set(SCENES) == set(Failpoint)
