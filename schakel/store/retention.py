# SPDX-License-Identifier: EUPL-1.2
"""SQL of what is kept too long: which raw and rendered bytes, contents, ledgers and audit rows go, and their going.

What is not final is spared: what waits for a person, is under way, or belongs to a case that another goes on with. With
a case's content its key is destroyed; sealed copies in a backup cannot be opened with what is left here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from schakel.operating import Erased
from schakel.states import Machine, Role
from schakel.store.db import Db
from schakel.store.events import Author, note
from schakel.store.rows import text
from schakel.store.terms import Terms

# -- what is due -------------------------------------------------------------------------------------------------------

# As it came in: its term counts from the last receipt of what was made of it.
RAW_PAST: Final = """
FROM raw_referral r WHERE r.erased_at IS NULL AND r.erase_at <= :now"""
RAW_DUE: Final = (
    RAW_PAST  # noqa: S608 (our own words)
    + """
    AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.message_id = r.id AND p.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = r.id
        AND (d.state IN ('waiting', 'sending', 'notified', 'parked') OR d.erase_at > :now))"""
)
RENDERED_DUE: Final = """
FROM delivery d WHERE d.rendered IS NOT NULL AND d.erase_at <= :now
    AND d.state NOT IN ('waiting', 'sending', 'notified', 'parked')"""
CASE_PAST: Final = """
FROM case_file c LEFT JOIN case_file root ON root.id = c.joined_to
WHERE c.wrapped_key IS NOT NULL AND c.erase_at <= :now"""
CASE_DUE: Final = (
    CASE_PAST  # noqa: S608 (our own words)
    + """
    AND (c.joined_to IS NULL OR root.erase_at <= :now)
    AND NOT EXISTS (SELECT 1 FROM parked p LEFT JOIN message w ON w.id = p.message_id
        WHERE p.state = 'open' AND (p.case_id = c.id OR w.case_id = c.id))
    AND NOT EXISTS (SELECT 1 FROM message m JOIN delivery d ON d.message_id = m.id
        WHERE m.case_id = c.id AND d.state IN ('waiting', 'sending', 'notified', 'parked'))"""
)
# What never belonged to a case: messages that a person dropped, answers to nothing.
MESSAGE_DUE: Final = """
FROM message m WHERE m.case_id IS NULL AND m.erased_at IS NULL AND m.erase_at <= :now"""
ANSWER_DUE: Final = """
FROM answer a WHERE a.sealed IS NOT NULL AND a.erase_at <= :now"""
# Without content, after its term; what others were joined to goes after them.
LEDGER_DUE: Final = """
FROM case_file c WHERE c.wrapped_key IS NULL AND c.closed_at <= :ledger
    AND NOT EXISTS (SELECT 1 FROM case_file j WHERE j.joined_to = c.id)"""
STRAY_DUE: Final = """
FROM message m WHERE m.case_id IS NULL AND m.erased_at <= :ledger"""
LOST_WORD_DUE: Final = """
FROM answer a WHERE a.request_id IS NULL AND a.sealed IS NULL AND a.erase_at <= :ledger"""
# The chain is cut at a signed point: the row there stays, and the chain is followed from it.
AUDIT_TO: Final = """
SELECT max(position) FROM audit_checkpoint WHERE at <= :audit"""
AUDIT_FROM: Final = "SELECT min(position) FROM audit WHERE position IS NOT NULL"
AUDIT_NEXT: Final = """
SELECT min(position) FROM audit_checkpoint WHERE position >= :wanted AND position <= :last"""
AUDIT_DUE: Final = "SELECT count(*) FROM audit WHERE position < :last"


def overdue(db: Db, terms: Terms, *, now: datetime) -> Erased:
    """What erasing would take now, and what it would spare because it is not final."""
    at = _moments(terms, now)

    def number(what: str) -> int:
        return int(db.value(f"SELECT count(*) {what}", **_used(what, at)))

    raw, cases = number(RAW_DUE), number(CASE_DUE)
    last = db.value(AUDIT_TO, audit=at["audit"])
    return Erased(
        raw=raw,
        rendered=number(RENDERED_DUE),
        cases=cases,
        strays=number(MESSAGE_DUE) + number(ANSWER_DUE),
        ledgers=number(LEDGER_DUE) + number(STRAY_DUE) + number(LOST_WORD_DUE),
        audit=0 if last is None else int(db.value(AUDIT_DUE, last=last)),
        spared=number(RAW_PAST) - raw + number(CASE_PAST) - cases,
    )


def erase(db: Db, terms: Terms, author: Author, *, limit: int) -> Erased:
    """At most so many of each class, longest overdue first; each stands in the audit."""
    at = _moments(terms, author.now)

    def due(what: str, id_: str, since: str) -> list[str]:
        sql = f"SELECT {id_} AS id {what} ORDER BY {since}, {id_} LIMIT :limit"
        found = db.all(sql, **_used(what, at), limit=limit)
        return [row["id"] for row in found]

    raw = due(RAW_DUE, "r.id", "r.erase_at")
    _each(db, author, "raw", raw, ERASE_RAW)
    rendered = due(RENDERED_DUE, "d.id", "d.erase_at")
    _each(db, author, "rendered", rendered, ERASE_RENDERED)
    cases = due(CASE_DUE, "c.id", "c.erase_at")
    for case_id in cases:
        _erase_case(db, case_id, author)
    messages = due(MESSAGE_DUE, "m.id", "m.erase_at")
    for message_id in messages:
        _erase_stray(db, message_id, author)
    answers = due(ANSWER_DUE, "a.id", "a.erase_at")
    _each(db, author, "answer", answers, ERASE_ANSWER)
    ledgers = due(LEDGER_DUE, "c.id", "c.closed_at")
    for case_id in ledgers:
        _forget_case(db, case_id, author)
    strays = due(STRAY_DUE, "m.id", "m.erased_at")
    _forget_messages(db, strays)
    words = due(LOST_WORD_DUE, "a.id", "a.erase_at")
    for answer_id in words:
        _forget_answer(db, answer_id)
    for forgotten in (*strays, *words):
        note(db, author, "retention:ledger", forgotten)
    return Erased(
        raw=len(raw),
        rendered=len(rendered),
        cases=len(cases),
        strays=len(messages) + len(answers),
        ledgers=len(ledgers) + len(strays) + len(words),
        audit=_cut_audit(db, author, at["audit"], limit),
    )


def _moments(terms: Terms, now: datetime) -> dict[str, str]:
    keeping = terms.keeping
    return {"now": text(now), "ledger": text(now - keeping.ledger), "audit": text(now - keeping.audit)}


def _used(sql: str, values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if f":{name}" in sql}


# -- bytes -------------------------------------------------------------------------------------------------------------

ERASE_RAW: Final = """
UPDATE raw_referral SET wrapped_key = NULL, sealed = NULL, erased_at = :now WHERE id = :id AND erased_at IS NULL"""
ERASE_RENDERED: Final = "UPDATE delivery SET rendered = NULL WHERE id = :id"
ERASE_ANSWER: Final = "UPDATE answer SET sealed = NULL, wrapped_key = NULL, digest = :nothing WHERE id = :id"


def _each(db: Db, author: Author, kind: str, ids: Iterable[str], sql: str) -> None:
    values = {"now": text(author.now), "nothing": b""}
    used = {name: value for name, value in values.items() if f":{name}" in sql}
    for one in ids:
        db.put(sql, id=one, **used)
        note(db, author, f"retention:{kind}", one)


# -- the content of a case ---------------------------------------------------------------------------------------------

# References of the source go too: they are kept as long as the case.
ERASE_CASE: Final = (
    """UPDATE raw_referral SET wrapped_key = NULL, sealed = NULL, erased_at = :now
    WHERE erased_at IS NULL AND id IN (SELECT m.id FROM message m WHERE m.case_id = :id)""",
    """UPDATE delivery SET rendered = NULL
    WHERE rendered IS NOT NULL AND message_id IN (SELECT m.id FROM message m WHERE m.case_id = :id)""",
    "DELETE FROM message_key WHERE message_id IN (SELECT m.id FROM message m WHERE m.case_id = :id)",
    """UPDATE message SET content = NULL, message_reference = 'erased:' || id, source_case_reference = '',
    digest = :nothing, erased_at = :now WHERE case_id = :id AND erased_at IS NULL""",
    """UPDATE answer SET sealed = NULL, digest = :nothing
    WHERE request_id IN (SELECT q.id FROM request q WHERE q.case_id = :id)""",
    """UPDATE answer SET sealed = NULL, wrapped_key = NULL, digest = :nothing, erase_at = :now
    WHERE parked_id IN (SELECT p.id FROM parked p WHERE p.case_id = :id)""",
    "UPDATE parked SET settled_reason = '' WHERE case_id = :id AND settled_reason IS NOT NULL",
    "UPDATE suggestion SET reason = '' WHERE (case_id = :id OR other_case_id = :id) AND reason IS NOT NULL",
    "UPDATE matter SET sealed = NULL WHERE case_id = :id AND sealed IS NOT NULL",
    "UPDATE ledger_entry SET sealed = NULL WHERE case_id = :id AND sealed IS NOT NULL",
    "DELETE FROM match_key WHERE case_id = :id",
    "DELETE FROM known_order WHERE case_id = :id",
    "UPDATE deadline SET ended_at = :now, ended_by = 'erased' WHERE case_id = :id AND ended_at IS NULL",
    """UPDATE alarm SET acknowledged_by = 'hub', acknowledged_at = :now WHERE acknowledged_by IS NULL
    AND subject IN (SELECT d.subject FROM deadline d WHERE d.case_id = :id)""",
    "UPDATE case_file SET wrapped_key = NULL, secrecy = NULL WHERE id = :id",
)
ERASE_STRAY: Final = (
    "DELETE FROM message_key WHERE message_id = :id",
    """UPDATE raw_referral SET wrapped_key = NULL, sealed = NULL, erased_at = :now
    WHERE id = :id AND erased_at IS NULL""",
    """UPDATE message SET content = NULL, message_reference = 'erased:' || id, source_case_reference = '',
    digest = :nothing, erased_at = :now WHERE id = :id""",
)


def _erase_case(db: Db, case_id: str, author: Author) -> None:
    _run_all(db, ERASE_CASE, case_id, author)
    note(db, author, "retention:case", case_id, "key destroyed")


def _erase_stray(db: Db, message_id: str, author: Author) -> None:
    _run_all(db, ERASE_STRAY, message_id, author)
    note(db, author, "retention:message", message_id)


def _run_all(db: Db, statements: Iterable[str], id_: str, author: Author) -> None:
    values = {"id": id_, "now": text(author.now), "nothing": b""}
    for sql in statements:
        db.run(sql, **{name: value for name, value in values.items() if f":{name}" in sql})


# -- the ledger --------------------------------------------------------------------------------------------------------

# What a case is made of: table → how to find it, and the machine whose history goes with it.
OBJECTS: Final = {
    "message": ("SELECT id FROM message WHERE case_id = :id", Machine.MESSAGE),
    "delivery": (
        "SELECT d.id FROM message m JOIN delivery d ON d.message_id = m.id WHERE m.case_id = :id",
        Machine.DELIVERY,
    ),
    "request": ("SELECT id FROM request WHERE case_id = :id", Machine.REQUEST),
    "parked": (
        "SELECT id FROM parked WHERE case_id = :id OR message_id IN (SELECT m.id FROM message m WHERE m.case_id = :id)",
        Machine.PARKED,
    ),
    "matter": ("SELECT id FROM matter WHERE case_id = :id", None),  # its machine stands in its row
}
COUNT_FORGOTTEN: Final = """
SELECT recipient AS partner, count(*) AS number FROM delivery
WHERE id = ANY(:ids) GROUP BY recipient ORDER BY recipient"""
FORGOTTEN: Final = "UPDATE recipient SET forgotten = forgotten + :number WHERE partner = :partner"
# In an order in which nothing points at what has gone. `:message`, `:delivery`, … are ids.
FORGET: Final = (
    "DELETE FROM lane WHERE case_id = :id",
    "DELETE FROM answer WHERE request_id = ANY(:request)",
    "DELETE FROM answer WHERE parked_id = ANY(:parked)",
    "DELETE FROM parked WHERE id = ANY(:parked)",
    "DELETE FROM delivery WHERE id = ANY(:delivery)",
    "DELETE FROM deadline WHERE case_id = :id",
    "DELETE FROM ledger_entry WHERE case_id = :id",
    "DELETE FROM matter WHERE case_id = :id",
    "DELETE FROM request WHERE case_id = :id",
    "DELETE FROM routing_decision WHERE message_id = ANY(:message)",
    "DELETE FROM message WHERE case_id = :id",
    "DELETE FROM raw_referral WHERE id = ANY(:message)",
    "DELETE FROM suggestion WHERE case_id = :id OR other_case_id = :id",
    "DELETE FROM case_reference WHERE case_id = :id",
    "DELETE FROM case_file WHERE id = :id",
)
FORGET_MESSAGE: Final = (
    "DELETE FROM answer WHERE parked_id IN (SELECT p.id FROM parked p WHERE p.message_id = :id)",
    "DELETE FROM parked WHERE message_id = :id",
    "DELETE FROM routing_decision WHERE message_id = :id",
    "DELETE FROM message WHERE id = :id",
    "DELETE FROM raw_referral WHERE id = :id",
)
FORGET_HISTORY: Final = "DELETE FROM state_event WHERE machine = :machine AND object_id = ANY(:ids)"
FORGET_ALARMS: Final = "DELETE FROM alarm WHERE acknowledged_by IS NOT NULL AND subject = ANY(:ids)"
PARKED_OF: Final = "SELECT id FROM parked WHERE message_id = :id"
PARKED_WORD: Final = "SELECT parked_id FROM answer WHERE id = :id"


def _forget_case(db: Db, case_id: str, author: Author) -> None:
    """Every row of it; its recipients' counters know how many numbers went."""
    ids = {name: [row["id"] for row in db.all(sql, id=case_id)] for name, (sql, _) in OBJECTS.items()}
    for row in db.all(COUNT_FORGOTTEN, ids=ids["delivery"]):
        db.run(FORGOTTEN, **row)
    values = {"id": case_id, **ids}
    for sql in FORGET:
        db.run(sql, **{name: value for name, value in values.items() if f":{name}" in sql})
    for name, (_, machine) in OBJECTS.items():
        machines = (machine,) if machine else _MATTERS
        for each in machines:
            db.run(FORGET_HISTORY, machine=each.value, ids=ids[name])
    db.run(FORGET_HISTORY, machine=Machine.CASE.value, ids=[case_id])
    db.run(FORGET_ALARMS, ids=[case_id, *(one for found in ids.values() for one in found)])
    note(db, author, "retention:ledger", case_id)


_MATTERS: Final = (
    Machine.ESTABLISHMENT,
    Machine.EFFORT,
    Machine.KNOWN_CHECK,
    Machine.HAND_OVER,
    Machine.ADMISSION,
)


def _forget_messages(db: Db, message_ids: Iterable[str]) -> None:
    """Those that never belonged to a case."""
    for message_id in message_ids:
        parked = [row["id"] for row in db.all(PARKED_OF, id=message_id)]
        for sql in FORGET_MESSAGE:
            db.run(sql, id=message_id)
        db.run(FORGET_HISTORY, machine=Machine.MESSAGE.value, ids=[message_id])
        db.run(FORGET_HISTORY, machine=Machine.PARKED.value, ids=parked)
        db.run(FORGET_ALARMS, ids=[message_id, *parked])


def _forget_answer(db: Db, answer_id: str) -> None:
    parked = db.value(PARKED_WORD, id=answer_id)
    db.run("DELETE FROM answer WHERE id = :id", id=answer_id)
    db.run("DELETE FROM parked WHERE id = :id", id=parked)
    db.run(FORGET_HISTORY, machine=Machine.PARKED.value, ids=[parked])
    db.run(FORGET_ALARMS, ids=[parked])


# -- the audit ---------------------------------------------------------------------------------------------------------

CUT: Final = (
    "DELETE FROM audit_checkpoint WHERE position < :to",
    "DELETE FROM audit WHERE position < :to",
)
NEWEST_CUT: Final = "SELECT max(at) FROM audit WHERE position < :to"
CUT_AT: Final = "retention:audit"  # the detail ends in when the newest row was written: the accountant reads that


def _cut_audit(db: Db, author: Author, before: str, limit: int) -> int:
    """The rows before a signed point that is past its term, about so many; where it was cut is on record."""
    first, last = db.value(AUDIT_FROM), db.value(AUDIT_TO, audit=before)
    if first is None or last is None or last <= first:
        return 0
    to = db.value(AUDIT_NEXT, wanted=min(first + limit, last), last=last)
    newest = db.value(NEWEST_CUT, to=to)
    for sql in CUT:
        db.run(sql, to=to)
    note(db, author, CUT_AT, f"position {to}", f"{to - first} rows, until {newest}")
    return int(to - first)


def author_of(by: str, now: datetime) -> Author:
    """The clock, or an operator by name."""
    return Author(Role.CLOCK, "clock", now) if by == "clock" else Author(Role.OPERATOR, f"operator:{by}", now)
