# SPDX-License-Identifier: EUPL-1.2
"""SQL of what a partner is asked itself: its requests, and the questions beside them; one by one or in pages, each with
its version and the last thing said on it."""

from __future__ import annotations

from typing import Final

from schakel.records import AnswerRow, OwnRequest, OwnRequests, RequestQuery
from schakel.store.db import Db
from schakel.store.rows import Row, maybe_text, moment

# Requests of one partner that the query asks for. The version counts moves and words: nothing else changes a request
# that its partner sees; the same counts as when an answer is taken (ledger.REQUEST).
OWN: Final = """
WITH own AS (
    SELECT '' AS asked_as, q.id, q.case_id, q.reference, r.reference AS case_reference, q.role, q.state, q.asked_at,
        q.due_at, c.wrapped_key,
        q.state_ordinal + (SELECT count(*) FROM answer n WHERE n.request_id = q.id) AS version,
        (SELECT max(moved.at) FROM (
            SELECT e.at FROM state_event e
            WHERE e.machine = 'request' AND e.object_id = q.id AND e.ordinal = q.state_ordinal
            UNION ALL SELECT a.at FROM answer a WHERE a.request_id = q.id
        ) moved) AS updated_at
    FROM request q
    JOIN case_file c ON c.id = q.case_id AND c.wrapped_key IS NOT NULL
    JOIN case_reference r ON r.case_id = q.case_id AND r.partner = q.recipient
    WHERE q.recipient = :partner
        AND (:any_reference = 1 OR q.reference = ANY(:references))
        AND (:any_state = 1 OR q.state = ANY(:states))
    UNION ALL
    SELECT m.machine || '-asked', m.id, m.case_id, m.reference, r.reference, m.role, m.state, m.made_at,
        COALESCE((SELECT k.due_at FROM deadline k WHERE k.subject = m.id ORDER BY k.started_at, k.id LIMIT 1),
            m.made_at),
        c.wrapped_key, m.state_ordinal,
        (SELECT e.at FROM state_event e
         WHERE e.machine = m.machine AND e.object_id = m.id AND e.ordinal = m.state_ordinal)
    FROM matter m
    JOIN case_file c ON c.id = m.case_id AND c.wrapped_key IS NOT NULL
    JOIN case_reference r ON r.case_id = m.case_id AND r.partner = m.partner
    WHERE m.partner = :partner AND m.reference IS NOT NULL
        AND (:any_reference = 1 OR m.reference = ANY(:references))
        AND (:any_state = 1 OR m.state = ANY(:states))
), found AS (
    SELECT * FROM own
    WHERE (:any_role = 1 OR role = ANY(:roles) OR asked_as = ANY(:roles))
        AND (CAST(:updated_from AS TEXT) IS NULL OR updated_at >= :updated_from)
        AND (CAST(:updated_before AS TEXT) IS NULL OR updated_at < :updated_before)
)"""
COUNT: Final = OWN + " SELECT count(*) FROM found"  # noqa: S608 (both parts are constants)
PAGE: Final = OWN + " SELECT * FROM found WHERE id > :after ORDER BY id LIMIT :limit"  # noqa: S608
LAST_ANSWER: Final = """
SELECT id, answer, reason_code, sealed, at FROM answer
WHERE request_id = :request_id AND sealed IS NOT NULL ORDER BY at DESC, id DESC LIMIT 1"""


def own_requests(db: Db, partner: str, query: RequestQuery, *, after: str, limit: int) -> OwnRequests:
    asked = {
        "partner": partner,
        "any_reference": int(not query.references),
        "references": list(query.references),
        "any_state": int(not query.states),
        "states": list(query.states),
        "any_role": int(not query.roles),
        "roles": list(query.roles),
        "updated_from": maybe_text(query.updated_from),
        "updated_before": maybe_text(query.updated_before),
    }
    rows = db.all(PAGE, **asked, after=after, limit=limit)
    return OwnRequests(total=db.value(COUNT, **asked), rows=tuple(_own(db, row) for row in rows))


def _own(db: Db, row: Row) -> OwnRequest:
    said = db.one(LAST_ANSWER, request_id=row["id"])
    times = {name: moment(row[name]) for name in ("asked_at", "due_at", "updated_at")}
    answer = None
    if said is not None:
        answer = AnswerRow(said["id"], said["answer"], said["reason_code"], said["sealed"], moment(said["at"]))
    return OwnRequest(**{**row, **times}, answer=answer)
