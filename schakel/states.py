# SPDX-License-Identifier: EUPL-1.2
"""The tables of allowed moves: life of a message, a delivery, a request and a parked thing, and who may make each move.

The database holds the same tables (`allowed_move`) and refuses any history that is not in them. `NONE` is the state
before the first event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

NONE: Final = "none"


class Machine(StrEnum):
    MESSAGE = "message"
    DELIVERY = "delivery"
    REQUEST = "request"
    PARKED = "parked"


class Role(StrEnum):
    """Who makes a move."""

    HUB = "hub"  # deciding at the door
    WORKER = "worker"  # delivering
    CLOCK = "clock"
    RECIPIENT = "recipient"  # the partner a delivery or request is for
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


class RequestState(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


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
    UNMATCHED_ANSWER = "unmatched-answer"
    POISON_DELIVERY = "poison-delivery"


class Move(NamedTuple):
    machine: Machine
    from_state: str
    event: str
    role: Role
    to_state: str


def _moves() -> tuple[Move, ...]:
    message, delivery, request, parked = Machine.MESSAGE, Machine.DELIVERY, Machine.REQUEST, Machine.PARKED
    m, d, r, p = MessageState, DeliveryState, RequestState, ParkedState
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
        Move(request, NONE, "ask", hub, r.ASKED),
        Move(request, NONE, "ask", operator, r.ASKED),
        Move(request, r.ASKED, "receive", recipient, r.RECEIVED),
        Move(request, r.ASKED, "confirm", recipient, r.CONFIRMED),
        Move(request, r.ASKED, "decline", recipient, r.DECLINED),
        Move(request, r.RECEIVED, "confirm", recipient, r.CONFIRMED),
        Move(request, r.RECEIVED, "decline", recipient, r.DECLINED),
        # contradicting is recorded and visible; decline stays possible after acceptance (BSeR)
        Move(request, r.CONFIRMED, "decline", recipient, r.DECLINED),
        Move(request, r.DECLINED, "confirm", recipient, r.CONFIRMED),
        Move(request, r.ASKED, "withdraw", operator, r.WITHDRAWN),
        Move(request, r.RECEIVED, "withdraw", operator, r.WITHDRAWN),
        Move(request, r.CONFIRMED, "withdraw", operator, r.WITHDRAWN),
        Move(request, r.DECLINED, "supersede", operator, r.SUPERSEDED),
        Move(request, r.ASKED, "supersede", operator, r.SUPERSEDED),
        Move(request, r.RECEIVED, "supersede", operator, r.SUPERSEDED),
        Move(parked, NONE, "park", hub, p.OPEN),
        Move(parked, NONE, "park", worker, p.OPEN),
        Move(parked, p.OPEN, "release", operator, p.RELEASED),
        Move(parked, p.OPEN, "retry", operator, p.RETRIED),
        Move(parked, p.OPEN, "drop", operator, p.DROPPED),
    )


MOVES: Final = _moves()
_TO: Final = {(move.machine, move.from_state, move.event, move.role): move.to_state for move in MOVES}
FINAL_DELIVERY: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, DeliveryState.DROPPED})


def next_state(machine: Machine, from_state: str, event: str, role: Role) -> str | None:
    """Where the move leads, or None when the table does not hold it."""
    return _TO.get((machine, from_state, event, role))
