# SPDX-License-Identifier: EUPL-1.2
"""The accountant's rules of who is in a case: clocks, matters, what was said, and what is kept past its term."""

from __future__ import annotations

from typing import Final

from schakel.verify_rules import Rule

# -- every open question has a clock, and no clock runs for nothing ----------------------------------------------------

CLOCKS: Final = (
    Rule(
        "request:no-clock",
        """SELECT q.id FROM request q JOIN case_file c ON c.id = q.case_id
        WHERE q.state IN ('asked', 'received', 'in-consideration', 'withdrawal-requested')
            AND c.state <> 'closed' AND c.wrapped_key IS NOT NULL AND (q.due_at IS NULL OR NOT EXISTS (
                SELECT 1 FROM deadline d WHERE d.subject = q.id AND d.ended_at IS NULL))""",
        "Gevraagd, en er loopt geen klok",
        "Asked, and no clock runs",
    ),
    Rule(
        "matter:no-clock",
        """SELECT m.id FROM matter m JOIN case_file c ON c.id = m.case_id
        WHERE c.state = 'open' AND (m.machine, m.state) IN (
                ('effort', 'asked'), ('known-check', 'asked'), ('hand-over', 'proposed'))
            AND NOT EXISTS (SELECT 1 FROM deadline d WHERE d.ended_at IS NULL AND (
                d.subject = m.id OR (m.machine = 'hand-over' AND d.subject = m.request_id)))""",
        "Er is iets gevraagd in een zaak, en er loopt geen klok",
        "Something was asked in a case, and no clock runs",
    ),
    Rule(
        "matter:no-end",
        """SELECT m.id FROM matter m JOIN case_file c ON c.id = m.case_id
        WHERE c.state = 'open' AND m.machine = 'effort' AND m.state IN ('asked', 'accepted', 'adjusted')
            AND m.valid_until IS NULL""",
        "Een tijdelijke inzet zonder einde",
        "An effort for a time, without an end",
    ),
    Rule(
        "matter:not-ended",
        """SELECT m.id FROM matter m WHERE m.valid_until < :grace AND (m.machine, m.state) IN (
            ('effort', 'asked'), ('effort', 'accepted'), ('effort', 'adjusted'),
            ('known-check', 'asked'), ('hand-over', 'proposed'))
        AND NOT EXISTS (SELECT 1 FROM alarm a WHERE a.subject = m.id AND a.cause = 'matter-not-ended'
            AND a.acknowledged_by IS NULL)""",
        "De tijd is om, het eindigde niet, en niemand weet ervan",
        "Its time has come, it did not end, and nobody was told",
    ),
    Rule(
        "hand-over:nobody-decides",
        """SELECT m.id FROM matter m JOIN case_file c ON c.id = m.case_id
        WHERE c.state = 'open' AND m.machine = 'hand-over' AND m.state = 'lapsed'
            AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.case_id = m.case_id AND p.state = 'open')""",
        "Een overdracht bleef zonder antwoord en er wacht geen besluit op een mens",
        "A hand-over went without an answer and no decision waits for a person",
    ),
    Rule(
        "deadline:after-close",
        """SELECT d.id FROM deadline d JOIN case_file c ON c.id = d.case_id
        WHERE d.ended_at IS NULL AND ((c.state = 'closed' AND d.event <> 'closed') OR c.wrapped_key IS NULL)""",
        "Er loopt een klok van een zaak die gesloten is",
        "A clock runs of a case that is closed",
    ),
    Rule(
        "deadline:for-nothing",
        """SELECT d.id FROM deadline d WHERE NOT EXISTS (SELECT 1 FROM (
                SELECT id, id AS case_id FROM case_file UNION ALL SELECT id, case_id FROM request
                UNION ALL SELECT id, case_id FROM matter) o
            WHERE o.id = d.subject AND o.case_id = d.case_id)""",
        "Een klok hoort bij niets in deze zaak",
        "A clock belongs to nothing in this case",
    ),
    Rule(
        "deadline:answered",
        """SELECT d.id FROM deadline d JOIN request q ON q.id = d.subject
        WHERE d.ended_at IS NULL AND d.kind = 'answer'
            AND q.state IN ('confirmed', 'declined', 'withdrawn', 'completed', 'superseded')
        UNION ALL
        SELECT d.id FROM deadline d JOIN matter m ON m.id = d.subject
        WHERE d.ended_at IS NULL AND (m.machine, m.state) NOT IN (
            ('effort', 'asked'), ('known-check', 'asked'), ('known-check', 'no-answer'), ('hand-over', 'proposed'),
            ('hand-over', 'lapsed'), ('admission', 'reported'), ('admission', 'triage'))""",
        "Er is geantwoord en de klok loopt nog",
        "There is an answer and the clock runs still",
    ),
    Rule(
        "deadline:silent",
        "SELECT id FROM deadline WHERE ended_at IS NULL AND (next_at IS NULL OR next_at < :grace)",
        "De tijd is voorbij en niemand heeft het gehoord",
        "Its time has passed and nobody was told",
    ),
    Rule(
        "deadline:two",
        """SELECT subject || ' ' || kind FROM deadline WHERE ended_at IS NULL
        GROUP BY subject, kind HAVING count(*) > 1""",
        "Twee klokken van één soort lopen voor hetzelfde",
        "Two clocks of one kind run for the same",
    ),
)

# -- what was said -----------------------------------------------------------------------------------------------------

ENTRIES: Final = (
    Rule(
        "entry:no-move",
        """SELECT l.id FROM ledger_entry l WHERE (
            EXISTS (SELECT 1 FROM request q JOIN allowed_move a ON a.event = l.event
                AND a.machine IN ('request', 'establishment') WHERE q.id = l.subject)
            OR EXISTS (SELECT 1 FROM matter m JOIN allowed_move a ON a.machine = m.machine AND a.event = l.event
                WHERE m.id = l.subject))
        AND NOT EXISTS (SELECT 1 FROM state_event e
            WHERE e.object_id = l.subject AND e.event = l.event AND e.at = l.known_at)
        AND NOT EXISTS (SELECT 1 FROM matter s JOIN state_event e ON e.machine = s.machine AND e.object_id = s.id
            WHERE s.request_id = l.subject AND e.event = l.event AND e.at = l.known_at)""",
        "Dit staat in het grootboek, maar er is geen stap gezet",
        "This stands in the ledger, and no step was made",
    ),
    Rule(
        "entry:not-closed",
        """SELECT l.id FROM ledger_entry l WHERE l.subject = l.case_id AND l.event = 'closed'
        AND NOT EXISTS (SELECT 1 FROM state_event e WHERE e.machine = 'case' AND e.object_id = l.case_id
            AND e.event = 'close' AND e.at = l.known_at)""",
        "Het grootboek sluit de zaak, maar zij is niet gesloten",
        "The ledger closes the case, and it is not closed",
    ),
    Rule(
        "matter:nobody-said",
        """SELECT m.id FROM matter m JOIN case_file c ON c.id = m.case_id
        WHERE m.machine IN ('effort', 'known-check', 'hand-over', 'establishment') AND NOT EXISTS (
            SELECT 1 FROM ledger_entry l WHERE l.case_id = m.case_id
                AND (l.subject = m.id OR l.subject = m.request_id))""",
        "Dit werd gevraagd of vastgesteld, en nergens staat door wie",
        "This was asked or established, and nowhere stands by whom",
    ),
    Rule(
        "entry:gap",
        """SELECT case_id FROM ledger_entry GROUP BY case_id
        HAVING count(*) <> max(ordinal) OR min(ordinal) <> 1""",
        "Het grootboek van deze zaak heeft een gat",
        "This case's ledger has a gap",
    ),
    Rule(
        "entry:stray",
        """SELECT l.id FROM ledger_entry l WHERE l.subject <> l.case_id AND l.subject <> l.id AND NOT EXISTS (
            SELECT 1 FROM (SELECT id, case_id FROM request UNION ALL SELECT id, case_id FROM matter
                UNION ALL SELECT id, case_id FROM ledger_entry) o
            WHERE o.id = l.subject AND o.case_id = l.case_id)""",
        "Dit gaat over niets in deze zaak",
        "This is about nothing in this case",
    ),
    Rule(
        "matter:other-case",
        """SELECT m.id FROM matter m JOIN request q ON q.id = m.request_id WHERE q.case_id <> m.case_id""",
        "Dit gaat over een verzoek in een andere zaak",
        "This is about a request in another case",
    ),
)

# -- states of what stands in a table of several machines --------------------------------------------------------------

_MATTERS: Final = "('establishment', 'effort', 'known-check', 'hand-over', 'admission')"

LEDGER_STATES: Final = (
    Rule(
        "state:not-last-event",
        """SELECT o.machine || ' ' || o.id FROM (
            SELECT id, 'case' AS machine, state, state_ordinal FROM case_file
            UNION ALL SELECT id, machine, state, state_ordinal FROM matter) o
        LEFT JOIN state_event e ON e.machine = o.machine AND e.object_id = o.id AND e.ordinal = (
            SELECT max(x.ordinal) FROM state_event x WHERE x.machine = o.machine AND x.object_id = o.id)
        WHERE e.ordinal IS NULL OR e.to_state <> o.state OR e.ordinal <> o.state_ordinal""",
        "De toestand is niet die van de laatste stap",
        "The state is not the last step's",
    ),
    Rule(
        "history:no-object",
        f"""SELECT DISTINCT e.machine || ' ' || e.object_id FROM state_event e
        LEFT JOIN case_file c ON c.id = e.object_id LEFT JOIN matter m ON m.id = e.object_id AND m.machine = e.machine
        WHERE (e.machine = 'case' AND c.id IS NULL) OR (e.machine IN {_MATTERS} AND m.id IS NULL)""",  # noqa: S608
        "Dit heeft een geschiedenis, maar is er niet meer",
        "This has a history and is gone",
    ),
    Rule(
        "case:closed-otherwise",
        """SELECT c.id FROM case_file c
        WHERE (c.state = 'open' AND c.closed_at IS NOT NULL) OR (c.state <> 'open' AND c.closed_at IS NULL)
            OR (c.state = 'joined' AND c.joined_to IS NULL)
            OR EXISTS (SELECT 1 FROM match_key k WHERE k.case_id = c.id AND k.open = 1 AND c.state <> 'open')""",
        "Deze zaak is gesloten en gaat toch door",
        "This case is closed and goes on all the same",
    ),
)

# -- what is kept ------------------------------------------------------------------------------------------------------

KEPT: Final = (
    Rule(
        "erase:missing",
        """SELECT id FROM raw_referral WHERE erase_at IS NULL
        UNION ALL SELECT id FROM delivery
            WHERE state IN ('delivered', 'superseded', 'dropped') AND rendered IS NOT NULL AND erase_at IS NULL
        UNION ALL SELECT id FROM case_file WHERE closed_at IS NOT NULL AND erase_at IS NULL
        UNION ALL SELECT id FROM message WHERE state IN ('dropped', 'merged') AND case_id IS NULL AND erase_at IS NULL
        UNION ALL SELECT a.id FROM answer a JOIN parked p ON p.id = a.parked_id
            WHERE p.state <> 'open' AND p.case_id IS NULL AND a.erase_at IS NULL""",
        "Dit heeft geen einddatum",
        "This has no end date",
    ),
    Rule(
        "erase:half",
        """SELECT c.id FROM case_file c WHERE c.wrapped_key IS NULL AND (c.secrecy IS NOT NULL
            OR EXISTS (SELECT 1 FROM message m LEFT JOIN raw_referral r ON r.id = m.id WHERE m.case_id = c.id
                AND (m.content IS NOT NULL OR r.sealed IS NOT NULL OR r.wrapped_key IS NOT NULL))
            OR EXISTS (SELECT 1 FROM message m JOIN delivery d ON d.message_id = m.id
                WHERE m.case_id = c.id AND d.rendered IS NOT NULL)
            OR EXISTS (SELECT 1 FROM matter m WHERE m.case_id = c.id AND m.sealed IS NOT NULL)
            OR EXISTS (SELECT 1 FROM ledger_entry l WHERE l.case_id = c.id AND l.sealed IS NOT NULL)
            OR EXISTS (SELECT 1 FROM request q JOIN answer a ON a.request_id = q.id
                WHERE q.case_id = c.id AND a.sealed IS NOT NULL)
            OR EXISTS (SELECT 1 FROM match_key k WHERE k.case_id = c.id))
        UNION ALL SELECT id FROM raw_referral
            WHERE erased_at IS NOT NULL AND (sealed IS NOT NULL OR wrapped_key IS NOT NULL)""",
        "Hiervan is de inhoud maar half gewist",
        "The content of this was erased by half only",
    ),
    Rule(
        "erase:unaudited",
        """SELECT r.id FROM raw_referral r JOIN message m ON m.id = r.id WHERE r.erased_at IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.object IN (m.id, m.case_id)
                AND a.action IN ('retention:raw', 'retention:case', 'retention:message'))
            AND r.erased_at > COALESCE((SELECT max(substr(c.detail, length(c.detail) - 26)) FROM audit c
                WHERE c.action = 'retention:audit'), '')
        UNION ALL SELECT c.id FROM case_file c WHERE c.wrapped_key IS NULL
            AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.object = c.id AND a.action = 'retention:case')""",
        "Gewist zonder regel in het auditspoor",
        "Erased without an audit row",
    ),
)

LEDGER_RULES: Final = (*CLOCKS, *ENTRIES, *LEDGER_STATES, *KEPT)

# Past its term; two hours more than the clock needs. What is not final is spared, and counted apart.
_RAW: Final = "SELECT count(*) FROM raw_referral r WHERE r.erased_at IS NULL AND r.erase_at < :erased_by"
_RAW_FINAL: Final = """ AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.message_id = r.id AND p.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = r.id
        AND (d.state IN ('waiting', 'sending', 'notified', 'parked') OR d.erase_at >= :erased_by))"""
_CASE: Final = """SELECT count(*) FROM case_file c LEFT JOIN case_file g ON g.id = c.joined_to
    WHERE c.wrapped_key IS NOT NULL AND c.erase_at < :erased_by"""
_CASE_FINAL: Final = """ AND (c.joined_to IS NULL OR g.erase_at < :erased_by)
    AND NOT EXISTS (SELECT 1 FROM parked p LEFT JOIN message w ON w.id = p.message_id
        WHERE p.state = 'open' AND (p.case_id = c.id OR w.case_id = c.id))
    AND NOT EXISTS (SELECT 1 FROM message m JOIN delivery d ON d.message_id = m.id
        WHERE m.case_id = c.id AND d.state IN ('waiting', 'sending', 'notified', 'parked'))"""

LEDGER_COUNTS: Final = {
    "matters": "SELECT count(*) FROM matter",
    "mattersOpen": "SELECT count(*) FROM matter WHERE state IN ('asked', 'proposed', 'reported', 'triage')",
    "entries": "SELECT count(*) FROM ledger_entry",
    "clocksRunning": "SELECT count(*) FROM deadline WHERE ended_at IS NULL",
    "clocksOverdue": "SELECT count(*) FROM deadline WHERE ended_at IS NULL AND due_at < :now",
    "casesOpen": "SELECT count(*) FROM case_file WHERE state = 'open'",
    "casesErased": "SELECT count(*) FROM case_file WHERE wrapped_key IS NULL",
    "eraseOverdue": f"""SELECT ({_RAW}{_RAW_FINAL}) + ({_CASE}{_CASE_FINAL})
        + (SELECT count(*) FROM delivery d WHERE d.rendered IS NOT NULL AND d.erase_at < :erased_by
            AND d.state NOT IN ('waiting', 'sending', 'notified', 'parked'))
        + (SELECT count(*) FROM message m WHERE m.case_id IS NULL AND m.erased_at IS NULL AND m.erase_at < :erased_by)
        + (SELECT count(*) FROM answer a WHERE a.sealed IS NOT NULL AND a.erase_at < :erased_by)""",  # noqa: S608
    "eraseSpared": f"SELECT ({_RAW}) + ({_CASE}) - ({_RAW}{_RAW_FINAL}) - ({_CASE}{_CASE_FINAL})",
}
