# SPDX-License-Identifier: EUPL-1.2
"""The tables of allowed moves: life of a message, a delivery, a case, what is asked in it, and who may make each move.

The database holds the same tables (`allowed_move`) and refuses any history that is not in them. `NONE` is the state
before the first event.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

NONE: Final = "none"


class Machine(StrEnum):
    MESSAGE = "message"
    DELIVERY = "delivery"
    CASE = "case"
    REQUEST = "request"  # one organisation in one role: was it asked, what did it answer
    ESTABLISHMENT = "establishment"  # the lead's own word on a partner: it is involved (S4)
    EFFORT = "effort"  # asked to do more or less for a time (S4)
    KNOWN_CHECK = "known-check"  # is this person known to you?
    HAND_OVER = "hand-over"  # another team is to lead or walk along
    ADMISSION = "admission"  # MDA++: the weighing (S4)
    PARKED = "parked"


class Role(StrEnum):
    """Who makes a move."""

    HUB = "hub"  # deciding at the door
    WORKER = "worker"  # delivering
    CLOCK = "clock"
    RECIPIENT = "recipient"  # the partner a delivery, request or question is for
    LEAD = "lead"  # the team that leads the case: the ICM team, or the process director
    OPERATOR = "operator"  # a named person


class MessageState(StrEnum):
    ROUTED = "routed"
    PARKED = "parked"
    DROPPED = "dropped"
    MERGED = "merged"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    NOTIFIED = "notified"  # the recipient knows something is there; it has not fetched it yet
    DELIVERED = "delivered"
    PARKED = "parked"
    SUPERSEDED = "superseded"  # a stricter rendering took its place
    DROPPED = "dropped"


class CaseState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    JOINED = "joined"  # another case of the same household goes on


class RequestState(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    IN_CONSIDERATION = "in-consideration"  # known? suitable? capacity? (S1, S2)
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWAL_REQUESTED = "withdrawal-requested"  # who asked can only ask; the partner ends it (IHE 360X, BSeR)
    WITHDRAWN = "withdrawn"
    COMPLETED = "completed"
    SUPERSEDED = "superseded"  # another organisation takes its place


class EstablishmentState(StrEnum):
    ESTABLISHED = "established"
    RELEASED = "released"


class EffortState(StrEnum):
    ASKED = "asked"
    ACCEPTED = "accepted"
    ADJUSTED = "adjusted"
    NOT_POSSIBLE = "not-possible"
    LAPSED = "lapsed"  # its time went by without an answer
    ENDED = "ended"
    CANCELLED = "cancelled"


class KnownCheckState(StrEnum):
    ASKED = "asked"
    KNOWN = "known"
    UNKNOWN = "unknown"
    NO_ANSWER = "no-answer"


class HandOverState(StrEnum):
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"  # the coordinator has it
    CANCELLED = "cancelled"


class AdmissionState(StrEnum):
    REPORTED = "reported"
    TRIAGE = "triage"  # ZVH-02
    ADMITTED = "admitted"  # ZVH-01
    REFERRED_BACK = "referred-back"  # ZVH-03


class ParkedState(StrEnum):
    OPEN = "open"
    RELEASED = "released"
    RETRIED = "retried"
    DROPPED = "dropped"


class ParkCause(StrEnum):
    """Why a person must decide; each has a sentence in the region's files."""

    UNKNOWN_CODE = "unknown-code"
    CONTRADICTION = "contradiction"
    MAPPING_ERROR = "mapping-error"
    MAPPING_LIMIT = "mapping-limit"
    NOT_IN_SCHEMA = "not-in-schema"
    INVARIANT = "invariant"  # the format's own rules are broken
    NO_MUNICIPALITY = "no-municipality"
    AMBIGUOUS_PLACE = "ambiguous-place"
    OUTSIDE_REGION = "outside-region"
    NO_ROUTE = "no-route"
    HUMAN_DECISION = "human-decision"  # the route says so (CIT and Veilig Thuis for Den Haag, S4)
    HAND_OVER = "hand-over"  # a known case moves
    SECRET_MOVE = "secret-move"  # a move that only a secret address tells of  # noqa: S105
    LEAD_DECLINED = "lead-declined"  # the team that was to lead, or led, declines and nobody takes its place
    DUO_DECLINED = "duo-declined"
    REROUTE_ASKED = "reroute-asked"  # a partner says that another organisation should have it
    HAND_OVER_DECLINED = "hand-over-declined"  # or nobody answered in time
    UNMATCHED_ANSWER = "unmatched-answer"
    POISON_DELIVERY = "poison-delivery"


class Move(NamedTuple):
    machine: Machine
    from_state: str
    event: str
    role: Role
    to_state: str


def _several(
    machine: Machine, states: tuple[str, ...], event: str, roles: tuple[Role, ...], to_state: str
) -> Iterator[Move]:
    """The same move from each of these states, by each of these roles."""
    return (Move(machine, state, event, role, to_state) for state in states for role in roles)


def _transport() -> tuple[Move, ...]:
    """Messages, deliveries, and what waits for a person."""
    message, delivery, parked = Machine.MESSAGE, Machine.DELIVERY, Machine.PARKED
    m, d, p = MessageState, DeliveryState, ParkedState
    hub, worker, recipient, operator = Role.HUB, Role.WORKER, Role.RECIPIENT, Role.OPERATOR
    return (
        Move(message, NONE, "route", hub, m.ROUTED),
        Move(message, NONE, "park", hub, m.PARKED),
        Move(message, m.PARKED, "release", operator, m.ROUTED),
        Move(message, m.PARKED, "retry", operator, m.ROUTED),
        Move(message, m.PARKED, "drop", operator, m.DROPPED),
        Move(message, m.PARKED, "merge", operator, m.MERGED),
        Move(delivery, NONE, "create", hub, d.WAITING),
        Move(delivery, NONE, "create", operator, d.WAITING),
        Move(delivery, d.WAITING, "claim", worker, d.SENDING),
        Move(delivery, d.SENDING, "fail", worker, d.WAITING),
        Move(delivery, d.SENDING, "expire", worker, d.WAITING),  # the lease ran out: a crash, counted apart
        Move(delivery, d.SENDING, "deliver", worker, d.DELIVERED),
        Move(delivery, d.SENDING, "notify", worker, d.NOTIFIED),
        Move(delivery, d.SENDING, "park", worker, d.PARKED),
        Move(delivery, d.SENDING, "supersede", worker, d.SUPERSEDED),
        # a receipt or fetch by mailbox, or an answer (which implies receipt), finishes a delivery in any live state
        Move(delivery, d.WAITING, "receive", recipient, d.DELIVERED),
        Move(delivery, d.SENDING, "receive", recipient, d.DELIVERED),
        Move(delivery, d.NOTIFIED, "receive", recipient, d.DELIVERED),
        Move(delivery, d.PARKED, "receive", recipient, d.DELIVERED),
        Move(delivery, d.NOTIFIED, "supersede", worker, d.SUPERSEDED),
        # the recipient says afterwards that it could not take it (StUF Fo01, Fo03)
        Move(delivery, d.NOTIFIED, "fail", recipient, d.WAITING),
        Move(delivery, d.NOTIFIED, "park", recipient, d.PARKED),
        Move(delivery, d.WAITING, "park", operator, d.PARKED),
        Move(delivery, d.PARKED, "release", operator, d.WAITING),
        Move(delivery, d.PARKED, "drop", operator, d.DROPPED),
        Move(delivery, d.PARKED, "supersede", operator, d.SUPERSEDED),
        # who was asked has left the case, or was replaced in it: what still waits for it goes out no more
        *(Move(delivery, each, "drop", hub, d.DROPPED) for each in (d.WAITING, d.SENDING, d.NOTIFIED, d.PARKED)),
        Move(parked, NONE, "park", hub, p.OPEN),
        Move(parked, NONE, "park", worker, p.OPEN),
        Move(parked, p.OPEN, "release", operator, p.RELEASED),
        Move(parked, p.OPEN, "retry", operator, p.RETRIED),
        Move(parked, p.OPEN, "drop", operator, p.DROPPED),
    )


def _requests() -> Iterator[Move]:
    """What an organisation is asked in a role. Its own word moves it; who leads may only ask it to leave."""
    r, several, request = RequestState, _several, Machine.REQUEST
    partner, leading, decides = (Role.RECIPIENT,), (Role.LEAD, Role.OPERATOR), (Role.HUB, Role.OPERATOR)
    unanswered = (r.ASKED, r.RECEIVED, r.IN_CONSIDERATION)
    yield from several(request, (NONE,), "ask", (Role.HUB, *leading), r.ASKED)
    yield from several(request, (r.ASKED,), "receive", partner, r.RECEIVED)
    yield from several(request, (r.ASKED, r.RECEIVED), "consider", partner, r.IN_CONSIDERATION)
    # contradicting is recorded and visible; decline stays possible after acceptance (BSeR)
    yield from several(request, (*unanswered, r.DECLINED), "confirm", partner, r.CONFIRMED)
    yield from several(request, (*unanswered, r.CONFIRMED, r.WITHDRAWAL_REQUESTED), "decline", partner, r.DECLINED)
    yield from several(request, (*unanswered, r.CONFIRMED), "request-withdrawal", leading, r.WITHDRAWAL_REQUESTED)
    yield from several(request, (r.WITHDRAWAL_REQUESTED,), "withdraw", partner, r.WITHDRAWN)
    yield from several(request, (r.CONFIRMED, r.WITHDRAWAL_REQUESTED), "complete", partner, r.COMPLETED)
    ends = (*unanswered, r.CONFIRMED, r.WITHDRAWAL_REQUESTED)
    yield from several(request, ends, "withdraw", (Role.OPERATOR,), r.WITHDRAWN)
    # the partner sends it on (StUF routerenNaarInstantie), or another team takes its place
    yield from several(request, (*unanswered, r.CONFIRMED), "supersede", partner, r.SUPERSEDED)
    yield from several(request, (*ends, r.DECLINED), "supersede", decides, r.SUPERSEDED)


def _case() -> Iterator[Move]:
    """The case, what its lead establishes, and what it asks beside taking part."""
    several, leading, partner, clock = _several, (Role.LEAD, Role.OPERATOR), (Role.RECIPIENT,), (Role.CLOCK,)
    c, s, e, k = CaseState, EstablishmentState, EffortState, KnownCheckState
    h, a = HandOverState, AdmissionState
    yield from several(Machine.CASE, (NONE,), "open", (Role.HUB,), c.OPEN)
    yield from several(Machine.CASE, (c.OPEN,), "close", leading, c.CLOSED)
    yield from several(Machine.CASE, (c.OPEN,), "join", leading, c.JOINED)
    yield from several(Machine.ESTABLISHMENT, (NONE, s.RELEASED), "establish", leading, s.ESTABLISHED)
    yield from several(Machine.ESTABLISHMENT, (s.ESTABLISHED,), "release", (Role.HUB, *leading), s.RELEASED)
    answered = (e.ACCEPTED, e.ADJUSTED, e.NOT_POSSIBLE)
    yield from several(Machine.EFFORT, (NONE,), "ask", leading, e.ASKED)
    for event, to_state in zip(("accept", "adjust", "refuse"), answered, strict=True):
        yield from several(Machine.EFFORT, (e.ASKED, *answered), event, partner, to_state)
    yield from several(Machine.EFFORT, (e.ASKED,), "lapse", clock, e.LAPSED)
    yield from several(Machine.EFFORT, (e.ACCEPTED, e.ADJUSTED), "end", clock, e.ENDED)
    yield from several(Machine.EFFORT, (e.ASKED, e.ACCEPTED, e.ADJUSTED), "cancel", (Role.HUB, *leading), e.CANCELLED)
    yield from several(Machine.KNOWN_CHECK, (NONE,), "ask", leading, k.ASKED)
    yield from several(Machine.KNOWN_CHECK, (k.ASKED, k.UNKNOWN, k.NO_ANSWER), "know", partner, k.KNOWN)
    yield from several(Machine.KNOWN_CHECK, (k.ASKED, k.KNOWN, k.NO_ANSWER), "not-know", partner, k.UNKNOWN)
    yield from several(Machine.KNOWN_CHECK, (k.ASKED,), "lapse", (Role.CLOCK, Role.HUB), k.NO_ANSWER)
    yield from several(Machine.HAND_OVER, (NONE,), "propose", (Role.HUB, *leading), h.PROPOSED)
    yield from several(Machine.HAND_OVER, (h.PROPOSED, h.LAPSED), "accept", partner, h.ACCEPTED)
    yield from several(Machine.HAND_OVER, (h.PROPOSED, h.LAPSED), "decline", partner, h.DECLINED)
    yield from several(Machine.HAND_OVER, (h.PROPOSED,), "lapse", clock, h.LAPSED)
    yield from several(Machine.HAND_OVER, (h.PROPOSED, h.LAPSED), "cancel", (Role.HUB, *leading), h.CANCELLED)
    yield from several(Machine.ADMISSION, (NONE,), "report", (Role.HUB,), a.REPORTED)
    yield from several(Machine.ADMISSION, (a.REPORTED,), "triage", leading, a.TRIAGE)
    yield from several(Machine.ADMISSION, (a.REPORTED, a.TRIAGE), "admit", leading, a.ADMITTED)
    yield from several(Machine.ADMISSION, (a.REPORTED, a.TRIAGE), "refer-back", leading, a.REFERRED_BACK)


MOVES: Final = (*_transport(), *_requests(), *_case())
_TO: Final = {(move.machine, move.from_state, move.event, move.role): move.to_state for move in MOVES}
FINAL_DELIVERY: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, DeliveryState.DROPPED})


def next_state(machine: Machine, from_state: str, event: str, role: Role) -> str | None:
    """Where the move leads, or None when the table does not hold it."""
    return _TO.get((machine, from_state, event, role))
