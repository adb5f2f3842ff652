# SPDX-License-Identifier: EUPL-1.2
"""What a message about a restraining order does to the clocks of its case: they count back from the order's end.

Ten days, at most 28 from imposition, in calendar time and never shifted (Wth artt. 2, 9, 13). A withdrawn order ends
them; a plan that was made since its imposition is the end that they wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from schakel import household
from schakel.clocks import Clocks
from schakel.identity import fold
from schakel.message import OrderStatus, RestrainingOrder
from schakel.records import KnownOrder, NewDeadline
from schakel.region import LEADING

IMPOSED: Final = "order-imposed"
_RUNS: Final = (OrderStatus.IMPOSED, OrderStatus.EXTENDED)
_OVER: Final = (OrderStatus.WITHDRAWN, OrderStatus.NOT_IMPOSED)


def ends_at(order: RestrainingOrder | None) -> datetime | None:
    """When the order ends: extended, stated, or ten days from imposition. None: there is no order that runs."""
    return order.end if order is not None and order.status in _RUNS else None


def is_over(order: RestrainingOrder | None, known: Iterable[KnownOrder], blind: Callable[..., bytes]) -> bool:
    """The order was withdrawn or not imposed, and the case knows of no later one."""
    if order is None or order.status not in _OVER:
        return False
    number = blind(household.ORDER, fold(order.number)) if order.number and fold(order.number) else None
    own = [each for each in known if _same(each, number, order.imposed_at)]
    imposed = order.imposed_at or next((each.imposed_at for each in own if each.imposed_at is not None), None)
    return not any(
        each.imposed_at is not None and (imposed is None or each.imposed_at > imposed)
        for each in known
        if each not in own
    )


def clocks_of(
    clocks: Clocks,
    order: RestrainingOrder | None,
    *,
    case_id: str,
    team: Sequence[tuple[str, str]],
    programme: str,
    urgency: str,
    now: datetime,
    recorded: Mapping[str, datetime],
) -> tuple[NewDeadline, ...]:
    """The clocks that an order which still runs starts for who leads. `team`: (partner, role); `recorded`: when each
    milestone of the case happened last."""
    end = ends_at(order)
    lead = next((one for one in team if one[1] in LEADING), None)
    if order is None or order.imposed_at is None or end is None or end <= now or lead is None:
        return ()
    return clocks.started(
        subject=case_id,
        event=IMPOSED,
        partner=lead[0],
        role=lead[1],
        programme=programme,
        urgency=urgency,
        at=order.imposed_at,
        order_end=end,
        recorded=recorded,
    )


def _same(known: KnownOrder, number: bytes | None, imposed_at: datetime | None) -> bool:
    """By number; where one of the two has none, by the minute of imposition."""
    if number is not None and known.number is not None:
        return number == known.number
    if known.imposed_at is None or imposed_at is None:
        return False
    return known.imposed_at.replace(second=0, microsecond=0) == imposed_at.replace(second=0, microsecond=0)
