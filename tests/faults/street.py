# SPDX-License-Identifier: EUPL-1.2
"""One hub that runs through all the faults of a file, with a proxy before one partner and another before its own door.

After each fault it is made whole: nothing waits any more, what was promised has come and nothing else, and the
accountant finds nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from schakel.verify import verify_sqlite
from tests.faults.proxy import Proxy, open_proxy
from tests.support.hub import Home, Process, Said, open_home, until
from tests.support.messages import Message, nameless
from tests.support.senders import seeded

LONG: Final = os.environ.get("SCHAKEL_FAULTS") == "long"
PARTNER: Final = "lokaal-team-den-haag"  # the one that has trouble; everybody else is well
WHO: Final = ("--by", "A. de Tester", "--reason", "de partner belde: het werkt weer")
ZERO: Final = ("lost", "duplicated", "misordered", "numberGaps", "waiting", "held", "dropped", "auditUnlinked")

SENDING: Final = f"SELECT count(*) FROM delivery WHERE state = 'sending' AND recipient = '{PARTNER}'"
STUCK: Final = f"SELECT count(*) FROM delivery WHERE state = 'waiting' AND recipient = '{PARTNER}'"
OTHERS: Final = f"""
SELECT count(*) FROM delivery WHERE state IN ('waiting', 'sending', 'notified') AND recipient <> '{PARTNER}'"""
FAILED: Final = """
SELECT e.reason FROM state_event e JOIN delivery d ON d.id = e.object_id
WHERE e.machine = 'delivery' AND e.event = 'fail' AND d.recipient = ? AND e.at >= ?"""


def put_before(home: Home, urls: Mapping[str, str]) -> None:
    """These partners are reached at these addresses, from the next start on."""
    path = home.folder / "overlay" / "partners.yaml"
    laid = yaml.safe_load(path.read_text(encoding="utf-8"))
    for one in laid["partners"]:
        if one["id"] in urls:
            one["receives"]["url"] = urls[one["id"]]
    path.write_text(yaml.safe_dump(laid), encoding="utf-8")


def with_deadlines(home: Home, **changes: Any) -> None:
    """From the next start on."""
    path = home.folder / "overlay" / "deadlines.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def changed(message: Message) -> Message:
    """Other content under the same reference: the hub refuses it."""
    document = json.loads(message.body)
    document["zaakkenmerk"] += "-ANDERS"
    return Message(message.source, message.reference, message.media_type, json.dumps(document).encode())


@dataclass(slots=True)
class Street:
    home: Home
    process: Process
    partner: Proxy
    door: Proxy
    seed: int
    plan: random.Random
    said: list[Said] = field(default_factory=list)  # every 202 of its life
    _households: int = 0

    def household(self) -> int:
        """The number of one that nobody has spoken of yet."""
        self._households += 1
        return self._households

    def next(self) -> Message:
        return nameless(self.household())

    async def load(self, count: int) -> list[Said]:
        """So many referrals at once, each for the partner and its lead; one of them comes again, changed."""
        messages = [self.next() for _ in range(count)]
        answers = await asyncio.gather(*(self.process.hand_in(message) for message in messages))
        said = [one for one in answers if one is not None and one.accepted]
        assert len(said) == count, answers
        self.said += said
        refused = await self.process.hand_in(changed(self.plan.choice(messages)))
        assert refused is not None
        assert refused.status == 409
        return said

    def failed(self, since: datetime, partner: str = PARTNER) -> Counter[str]:
        """Why attempts failed since then, and how often."""
        at = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Counter(str(reason) for (reason,) in self.home.rows(FAILED, partner, at))

    def repeats(self, said: Sequence[Said], partner: str = PARTNER) -> int:
        """How many of these messages came there more than once."""
        came = Counter(one.message for one in self.home.recipients.journal(partner))
        return sum(came[one.body["id"]] > 1 for one in said)

    async def others_have_theirs(self) -> None:
        await self.home.until(OTHERS)

    async def whole(self) -> dict[str, Any]:
        """Nothing is wrong any more, and somebody tells the hub; some of what the accountant counts."""
        await self.home.until(SENDING)
        if self.home.count(STUCK):
            code, _ = await self.home.run("deliveries", "retry", "--partner", PARTNER, "--yes", *WHO)
            assert code == 0
        await self.home.drained(self.process)
        await self.home.told()
        promised, came = self.home.promised(self.said), self.home.arrived()
        assert came == promised, f"not arrived {promised - came}, arrived and not promised {came - promised}"
        assert self.home.count("SELECT count(*) FROM message") == len(promised) // 2 == self.accepted
        assert self.home.recipients.faults() == []
        report = verify_sqlite(self.home.database, now=datetime.now(UTC))
        assert report.ok, report
        assert {name: report.counts[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
        return {name: report.counts[name] for name in ("accepted", "delivered", *ZERO[:3])}

    @property
    def quiet(self) -> bool:
        """Nothing is being sent to the partner at this moment."""
        return self.home.count(SENDING) == 0

    @property
    def accepted(self) -> int:
        return len({one.body["id"] for one in self.said})


@contextlib.asynccontextmanager
async def open_street(
    folder: Path, settings: Mapping[str, str], deadlines: Mapping[str, Any] | None = None
) -> AsyncIterator[Street]:
    """`deadlines`: other than the region's. Ends with the accountant's word from the command line."""
    seed = seeded()
    async with open_home(folder) as home:
        home.settings = dict(settings)
        here = home.recipients.url(PARTNER)
        async with open_proxy(here) as partner:
            put_before(home, {PARTNER: partner.through(here)})
            with_deadlines(home, **(deadlines or {}))
            process = await home.start()
            async with open_proxy(process.url) as door:
                yield Street(home, process, partner, door, seed, random.Random(seed))
            await until(lambda: partner.links < 100, "connections to a partner pile up")
            await process.end()
        report = await home.json("verify")
        assert report["ok"], report
