# SPDX-License-Identifier: EUPL-1.2
"""SQL of the report: times and codes of the cases of a period, without a person."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schakel.records import ReportFacts, ReportMessage, ReportRequest
from schakel.store.db import Db
from schakel.store.rows import maybe_moment, moment, text

# Cases that something came for in the period.
_CASES: Final = """
SELECT DISTINCT case_id FROM message
WHERE case_id IS NOT NULL AND state = 'routed' AND received_at >= :since AND received_at < :until"""
MESSAGES: Final = (
    "SELECT id, case_id, source, kind, occurred_at, received_at FROM message"  # noqa: S608 (constants)
    f" WHERE state = 'routed' AND case_id IN ({_CASES}) ORDER BY received_at, id"
)
REQUESTS: Final = f"""
SELECT q.case_id, q.recipient AS partner, q.role, q.due_at, q.state,
    (SELECT min(d.delivered_at) FROM delivery d WHERE d.request_id = q.id) AS delivered_at,
    (SELECT min(e.at) FROM state_event e WHERE e.machine = 'request' AND e.object_id = q.id
        AND e.role = 'recipient') AS received_at,
    (SELECT min(e.at) FROM state_event e WHERE e.machine = 'request' AND e.object_id = q.id
        AND e.event = 'confirm') AS confirmed_at,
    (SELECT min(e.at) FROM state_event e WHERE e.machine = 'request' AND e.object_id = q.id
        AND e.event IN ('confirm', 'decline')) AS answered_at,
    (SELECT min(e.at) FROM matter m JOIN state_event e ON e.machine = m.machine AND e.object_id = m.id
     WHERE m.request_id = q.id AND m.machine = 'establishment' AND e.event = 'establish') AS established_at,
    (SELECT a.reason_code FROM answer a WHERE a.request_id = q.id AND a.answer = 'declined' AND q.state = 'declined'
     ORDER BY a.at DESC, a.id DESC LIMIT 1) AS decline_reason
FROM request q WHERE q.case_id IN ({_CASES}) ORDER BY q.asked_at, q.id"""  # noqa: S608 (constants)
VISITS: Final = f"""
SELECT case_id, min(valid_from) AS at FROM ledger_entry
WHERE event = 'first-visit' AND case_id IN ({_CASES}) GROUP BY case_id"""  # noqa: S608 (constants)
ORDERS: Final = f"""
SELECT c.id, c.max_ordinal, (SELECT count(*) FROM known_order o WHERE o.case_id = c.id) AS known
FROM case_file c WHERE c.id IN ({_CASES})"""  # noqa: S608 (constants)


def facts(db: Db, *, since: datetime, until: datetime) -> ReportFacts:
    period = {"since": text(since), "until": text(until)}
    return ReportFacts(
        messages=tuple(
            ReportMessage(
                **{
                    **row,
                    "occurred_at": maybe_moment(row["occurred_at"]),
                    "received_at": moment(row["received_at"]),
                }
            )
            for row in db.all(MESSAGES, **period)
        ),
        requests=tuple(
            ReportRequest(
                case_id=row["case_id"],
                partner=row["partner"],
                role=row["role"],
                due_at=moment(row["due_at"]),
                open=row["state"] in ("asked", "received", "in-consideration"),
                delivered_at=maybe_moment(row["delivered_at"]),
                received_at=maybe_moment(row["received_at"]),
                confirmed_at=maybe_moment(row["confirmed_at"]),
                answered_at=maybe_moment(row["answered_at"]),
                established_at=maybe_moment(row["established_at"]),
                decline_reason=row["decline_reason"],
            )
            for row in db.all(REQUESTS, **period)
        ),
        first_visits={row["case_id"]: moment(row["at"]) for row in db.all(VISITS, **period)},
        orders={row["id"]: max(row["max_ordinal"], row["known"]) for row in db.all(ORDERS, **period)},
    )
