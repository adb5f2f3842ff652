# SPDX-License-Identifier: EUPL-1.2
"""Lays the demo over a region: partners' addresses on loopback, and deadlines of seconds where it has minutes or days.

Some partners read another format than the region has them read, so that every format is seen. Nothing else changes:
what sources send, routes, disclosure, causes and municipalities are the region's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from schakel.demo.partner import DemoPartner
from schakel.region import REQUEST_KINDS, Region

ANSWER_WITHIN: Final = "60s"
QUESTION_WITHIN: Final = "5s"  # one of those asked is silent: the ladder is seen to run
REMIND_AFTER: Final = "30s"
LADDER_STEP: Final = 5  # seconds
TELL_AGAIN_EVERY: Final = "5s"
RETRY: Final = ("1s", "1s", "2s", "3s")


def write_overlay(folder: Path, region: Region, partners: Iterable[DemoPartner], *, pager: str) -> None:
    """Writes the YAML files. `pager`: the URL at which the coordinator's alarms arrive."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "partners.yaml", {"partners": [_reached(one) for one in partners if one.url]})
    _write(folder / "deadlines.yaml", _deadlines(region))
    owners = sorted({route.owner for route in region.alarms})
    _write(folder / "region.yaml", {"alarms": [{"owner": owner, "mail": [], "webhooks": [pager]} for owner in owners]})


def _reached(partner: DemoPartner) -> dict[str, Any]:
    return {"id": partner.character.id, "receives": {"url": partner.url, **partner.character.tongue.receives}}


def _deadlines(region: Region) -> dict[str, Any]:
    calendars = region.deadlines.calendars
    return {
        "clocks": [
            {
                "kind": row.kind,
                "role": row.role,
                "programmes": list(row.programmes),
                "urgencies": list(row.urgencies),
                "within": QUESTION_WITHIN if row.kind == "known-check" else ANSWER_WITHIN,
                "roster": next(roster.id for roster in calendars.rosters if roster.always),
                "remind": [] if row.kind == "known-check" else [REMIND_AFTER],
                "ladder": [
                    {"after": f"{step * LADDER_STEP}s", "tell": rung.tell} for step, rung in enumerate(row.ladder)
                ],
                "again": TELL_AGAIN_EVERY,
                "source": "the demo",
            }
            for row in region.deadlines.clocks
            if row.kind in REQUEST_KINDS  # what somebody was asked; the norms of a case stay months and days
        ],
        "parked_alarm_every": TELL_AGAIN_EVERY,
        "crisis_delivery_alarm_after": "5s",
        "delivery_alarm_after": "10s",
        "mailbox_alarm_after": "10s",
        "retry": list(RETRY),
        "probe_every": "5s",
        "alarm_retry": ["1s", "2s"],
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
