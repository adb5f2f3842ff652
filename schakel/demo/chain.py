# SPDX-License-Identifier: EUPL-1.2
"""The demo's second act: who is in these cases. A lead asks a partner in and asks more of it, asks who knows somebody,
waits in vain for one of them; a team declines and another is found; MDA++ is weighed. Over HTTP, as partners do it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schakel.demo.display import Display
from schakel.demo.ledger import Books
from schakel.demo.partner import DemoPartner
from schakel.demo.scenario import RELEASE_BY, STEPS
from schakel.hub import Hub

WITHIN: Final = 60.0  # seconds for each thing to come about
LOOK_EVERY: Final = 0.05
LEAD: Final = "perspektief"
PARTNER: Final = "de-waag"
SILENT: Final = "politie"  # asked whether it knows somebody, and does not answer
DIRECTOR: Final = "zvhh"
IN_CASE: Final = "thv-delft"  # the steps whose cases are used
WEIGHED: Final = "mda-delft"
SUCCESSOR: Final = "lokaal-team-delft:duo"
WHY: Final = "Westland heeft geen plek; Delft loopt tijdelijk mee, afgestemd met beide teams."


@dataclass(frozen=True, slots=True)
class Chain:
    hub: Hub
    partners: dict[str, DemoPartner]
    books: Books
    display: Display


async def play_chain(chain: Chain) -> None:
    """Each part waits until it has come about. Raises TimeoutError."""
    chain.display.heading("Wie is betrokken (who is in this case)")
    await _partner_in(chain)
    await _who_knows(chain)
    await _weighed(chain)
    await _successor(chain)


async def _partner_in(chain: Chain) -> None:
    """De Waag is asked in, confirms, is established, and accepts to do more for six weeks."""
    case = _case(chain, IN_CASE, LEAD)
    await _say(chain, LEAD, case, "involvements", {"action": "ask", "partner": PARTNER, "serves": "removed"})
    await _until(lambda: chain.books.request_state(PARTNER) == "confirmed")
    await _say(
        chain, LEAD, case, "involvements", {"action": "establish", "partner": PARTNER, "evidence": "plan van aanpak"}
    )
    now = datetime.now(UTC)
    effort = {"direction": "raise", "level": "twee keer per week", "reason": "veiligheid eerst"}
    until = {"from": now.isoformat(), "until": (now + timedelta(weeks=6)).isoformat()}
    await _say(chain, LEAD, case, "effort-requests", {"partner": PARTNER, **effort, **until})
    await _until(lambda: chain.books.matters("effort", "accepted") == 1)
    chain.display.note(f"{PARTNER}: bevestigd, vastgesteld, en doet zes weken meer (confirmed, established, does more)")


async def _who_knows(chain: Chain) -> None:
    """De Waag knows the victim; the police does not answer in time, and a human is told."""
    case = _case(chain, IN_CASE, LEAD)
    member = chain.partners[LEAD].member_of(case)
    await _say(chain, LEAD, case, "known-checks", {"partners": [PARTNER, SILENT], "members": [member]})
    await _until(lambda: chain.books.matters("known-check", "known") == 1)
    await _until(lambda: chain.books.escalations() > 0)
    await _until(lambda: chain.books.matters("known-check", "no-answer") == 1)
    chain.display.note(f"check op bekendheid: {PARTNER} kent deze persoon; {SILENT} antwoordt niet, de ladder loopt")


async def _weighed(chain: Chain) -> None:
    """Every reported case is weighed (S4): the process director records that it is admitted (ZVH-01)."""
    case = _case(chain, WEIGHED, DIRECTOR)
    await _say(chain, DIRECTOR, case, "events", {"event": "admission", "outcome": "admitted"})
    await _until(lambda: chain.books.matters("admission", "admitted") == 1)
    chain.display.note("MDA++: het weegoverleg heeft de zaak toegelaten (admitted, ZVH-01)")


async def _successor(chain: Chain) -> None:
    """The local team of Westland declined; the coordinator finds another."""
    waiting = [one for one, of, cause in chain.books.parked() if cause == "duo-declined"]
    assert waiting, "a decline leaves the case with the coordinator"
    for parked in waiting:
        await chain.hub.intake.release(parked, to=(SUCCESSOR,), by=RELEASE_BY, reason=WHY, now=chain.hub.clock.now())
    chain.display.note(f"{RELEASE_BY}: {WHY}")


# -- saying and waiting ------------------------------------------------------------------------------------------------


def _of(step: str) -> tuple[str, str]:
    found = next(one for one in STEPS if one.name == step)
    return found.source, found.reference


def _case(chain: Chain, step: str, partner: str) -> str:
    """The partner's own reference of the case that this step made."""
    return chain.books.case_reference(*_of(step), partner)


async def _say(chain: Chain, partner: str, case: str, door: str, body: dict[str, Any]) -> None:
    await chain.partners[partner].act(case, door, body)


async def _until(come: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + WITHIN
    while loop.time() < end:
        if come():
            return
        await asyncio.sleep(LOOK_EVERY)
    raise TimeoutError("the chain did not come so far in time")
