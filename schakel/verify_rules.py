# SPDX-License-Identifier: EUPL-1.2
"""The accountant's rules: each a query that names what breaks it. Written for verify alone, in SQL of both engines."""

from __future__ import annotations

from typing import Final, NamedTuple


class Rule(NamedTuple):
    """`sql` gives the ids of what breaks the rule. It may use :now, :grace (a minute or so before) and :erased_by (what
    was to go by then is overdue), and no other value."""

    name: str
    sql: str
    nl: str
    en: str


# Each message × recipient × role that somebody decided to deliver to, over all rounds.
DECIDED: Final = """
SELECT DISTINCT message_id, recipient, role FROM routing_decision WHERE outcome = 'deliver'"""

RULES: Final = (
    # -- messages first --
    Rule(
        "raw:missing",
        """SELECT m.id FROM message m LEFT JOIN raw_referral r ON r.id = m.id
        WHERE r.id IS NULL OR (r.erased_at IS NULL AND r.sealed IS NULL)""",
        "Het bericht zoals het binnenkwam ontbreekt",
        "The message as it came in is missing",
    ),
    Rule(
        "raw:without-message",
        "SELECT r.id FROM raw_referral r LEFT JOIN message m ON m.id = r.id WHERE m.id IS NULL",
        "Een ontvangen bericht staat nergens als bericht",
        "What came in is no message anywhere",
    ),
    Rule(
        "message:unknown-state",
        "SELECT id FROM message WHERE state NOT IN ('routed', 'parked', 'dropped', 'merged')",
        "Het bericht is in geen van de mogelijke toestanden",
        "The message is in none of the possible states",
    ),
    Rule(
        "decision:missing",
        """SELECT m.id FROM message m
        WHERE NOT EXISTS (SELECT 1 FROM routing_decision r WHERE r.message_id = m.id)
        UNION
        SELECT d.id FROM delivery d
        WHERE d.occasion = 'message' AND NOT EXISTS (SELECT 1 FROM routing_decision r WHERE r.message_id = d.message_id
            AND r.recipient = d.recipient AND r.role = d.role AND r.outcome = 'deliver')""",
        "Er is geen besluit wie dit krijgt en waarom",
        "There is no decision who gets this and why",
    ),
    Rule(
        "message:no-lead-or-no-duo",
        """SELECT m.id FROM message m WHERE m.state = 'routed' AND NOT (
            (EXISTS (SELECT 1 FROM routing_decision r WHERE r.message_id = m.id AND r.outcome = 'deliver'
                AND r.role IN ('lead', 'process-director'))
             OR EXISTS (SELECT 1 FROM request q WHERE q.case_id = m.case_id
                AND q.role IN ('lead', 'process-director')))
            AND
            (EXISTS (SELECT 1 FROM routing_decision r WHERE r.message_id = m.id AND r.outcome = 'deliver'
                AND r.role IN ('duo', 'case-director'))
             OR EXISTS (SELECT 1 FROM request q WHERE q.case_id = m.case_id
                AND q.role IN ('duo', 'case-director'))))""",
        "Het bericht ging niet naar een leidend team en een lokaal team",
        "The message did not go to a lead and a duo",
    ),
    Rule(
        "message:parked-silently",
        """SELECT m.id FROM message m WHERE m.state = 'parked' AND NOT EXISTS (
            SELECT 1 FROM parked p WHERE p.message_id = m.id AND p.whole = 1 AND p.state = 'open')""",
        "Het bericht wacht, maar niemand weet ervan",
        "The message waits and nobody was given it",
    ),
    Rule(
        "message:settled-but-parked",
        """SELECT p.id FROM parked p JOIN message m ON m.id = p.message_id
        WHERE p.state = 'open' AND p.whole = 1 AND m.state <> 'parked'""",
        "Er wacht een besluit over een bericht dat al verder is",
        "A decision waits for a message that has gone on",
    ),
    Rule(
        "message:no-case",
        """SELECT m.id FROM message m LEFT JOIN case_file c ON c.id = m.case_id
        WHERE c.id IS NULL AND (m.state = 'routed' OR m.case_id IS NOT NULL)""",
        "De zaak van het bericht ontbreekt",
        "The message's case is missing",
    ),
    # -- message × recipient, from the decisions --
    Rule(
        "delivery:lost",
        f"""SELECT r.message_id || ' > ' || r.recipient || ' as ' || r.role FROM ({DECIDED}) r
        WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message_id = r.message_id AND d.recipient = r.recipient
            AND d.role = r.role AND d.occasion = 'message' AND d.state <> 'superseded')""",  # noqa: S608
        "Besloten is te bezorgen, maar er is geen bezorging",
        "It was decided to deliver, and there is no delivery",
    ),
    Rule(
        "delivery:duplicate",
        """SELECT d.message_id || ' > ' || d.recipient || ' as ' || d.role FROM delivery d
        WHERE d.state <> 'superseded' GROUP BY d.message_id, d.recipient, d.role, d.occasion HAVING count(*) > 1""",
        "Eén bericht, één ontvanger, twee bezorgingen",
        "One message, one recipient, two deliveries",
    ),
    Rule(
        "feedback:stray",
        """SELECT d.id FROM delivery d LEFT JOIN message m ON m.id = d.message_id
        WHERE d.occasion <> 'message' AND d.role = 'source' AND (m.source IS NULL OR m.source <> d.recipient
            OR d.request_id IS NOT NULL)""",
        "Deze terugkoppeling gaat niet naar de inzender van het bericht",
        "This feedback does not go to the message's source",
    ),
    Rule(
        "notice:stray",
        """SELECT d.id FROM delivery d JOIN case_file c ON c.id = d.case_id AND c.wrapped_key IS NOT NULL
        WHERE d.occasion <> 'message' AND d.role <> 'source' AND (
            NOT EXISTS (SELECT 1 FROM case_reference r WHERE r.case_id = d.case_id AND r.partner = d.recipient)
            OR NOT EXISTS (
                SELECT 1 FROM (
                    SELECT id, case_id FROM request UNION ALL SELECT id, case_id FROM matter
                    UNION ALL SELECT id, case_id FROM ledger_entry) t
                WHERE t.case_id = d.case_id
                    AND substr(d.occasion, length(d.occasion) - length(t.id)) = ':' || t.id))""",
        "Deze mededeling vertelt van niets in deze zaak, of aan iemand die er buiten staat",
        "This notice tells of nothing in this case, or somebody who stands outside it",
    ),
    Rule(
        "delivery:no-successor",
        """SELECT d.id FROM delivery d WHERE d.state = 'superseded'
        AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.supersedes = d.id)""",
        "Vervangen, maar door niets",
        "Superseded, and by nothing",
    ),
    Rule(
        "number:gap",
        """SELECT r.partner FROM recipient r LEFT JOIN delivery d ON d.recipient = r.partner
        GROUP BY r.partner, r.last_number, r.forgotten
        HAVING count(d.number) + r.forgotten <> r.last_number OR COALESCE(max(d.number), 0) > r.last_number
            OR COALESCE(min(d.number), 1) < 1
            OR (r.forgotten = 0 AND COALESCE(max(d.number), 0) <> r.last_number)""",
        "De nummers van deze ontvanger hebben een gat",
        "This recipient's numbers have a gap",
    ),
    Rule(
        "number:no-counter",
        """SELECT DISTINCT d.recipient FROM delivery d LEFT JOIN recipient r ON r.partner = d.recipient
        WHERE r.partner IS NULL""",
        "De teller van deze ontvanger ontbreekt",
        "This recipient's counter is missing",
    ),
    Rule(
        "order:overtaken",
        """SELECT later.id FROM (
            SELECT d.id, max(min(a.id)) OVER (
                PARTITION BY d.recipient, d.case_id ORDER BY d.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before, min(a.id) AS own
            FROM delivery d JOIN audit a ON a.object = d.id AND a.action IN ('delivery:deliver', 'delivery:notify')
            WHERE d.late = 0 GROUP BY d.id, d.recipient, d.case_id, d.number
        ) later WHERE later.own < later.before""",
        "In één zaak kwam een later bericht eerder aan",
        "Within one case a later message arrived first",
    ),
    # -- lanes and clocks --
    Rule(
        "lane:missing",
        """SELECT d.id FROM delivery d LEFT JOIN lane l ON l.recipient = d.recipient AND l.case_id = d.case_id
        WHERE l.recipient IS NULL AND d.state IN ('waiting', 'sending')""",
        "Deze bezorging ligt op geen baan: niemand pakt haar op",
        "This delivery is in no lane: nobody will take it",
    ),
    Rule(
        "lane:no-lease",
        """SELECT d.id FROM delivery d WHERE d.state = 'sending'
        AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.delivery_id = d.id AND l.token IS NOT NULL)""",
        "Wordt verzonden, maar door niemand",
        "Being sent, and by nobody",
    ),
    Rule(
        "lane:stray-lease",
        """SELECT l.delivery_id FROM lane l LEFT JOIN delivery d ON d.id = l.delivery_id
        WHERE l.token IS NOT NULL AND (d.id IS NULL OR d.state <> 'sending')""",
        "Een baan is bezet door wat niet verzonden wordt",
        "A lane is held by what is not being sent",
    ),
    Rule(
        "delivery:no-clock",
        """SELECT id FROM delivery
        WHERE state IN ('waiting', 'sending', 'notified') AND (next_at IS NULL OR alarm_at IS NULL)""",
        "Niet aangekomen en zonder klok",
        "Not arrived and without a clock",
    ),
    Rule(
        "parked:no-alarm",
        "SELECT id FROM parked WHERE state = 'open' AND next_alarm_at IS NULL",
        "Wacht op een mens zonder alarmtijd",
        "Waits for a person without an alarm time",
    ),
    Rule(
        "parked:alarm-overdue",
        "SELECT id FROM parked WHERE state = 'open' AND next_alarm_at < :grace",
        "De alarmtijd is voorbij en er ging geen alarm",
        "The alarm time has passed and no alarm went off",
    ),
    Rule(
        "alarm:undelivered",
        "SELECT id FROM alarm WHERE acknowledged_by IS NULL AND delivered_at IS NULL AND raised_at < :grace",
        "Het alarm heeft geen mens bereikt",
        "The alarm has reached no human",
    ),
    Rule(
        "pause:over-and-silent",
        "SELECT partner FROM pause WHERE ends_at < :grace",
        "De pauze is voorbij en er ging geen alarm",
        "The pause is over and no alarm went off",
    ),
    Rule(
        "request:missing",
        f"""SELECT r.message_id || ' > ' || r.recipient || ' as ' || r.role
        FROM ({DECIDED}) r JOIN message m ON m.id = r.message_id
        WHERE r.role IN ('lead', 'process-director', 'duo', 'case-director') AND NOT EXISTS (
            SELECT 1 FROM request q
            WHERE q.case_id = m.case_id AND q.recipient = r.recipient AND q.role = r.role)""",  # noqa: S608
        "Deze ontvanger is nooit om antwoord gevraagd",
        "This recipient was never asked for an answer",
    ),
    # -- histories --
    Rule(
        "history:disconnected",
        """SELECT e.machine || ' ' || e.object_id || ' ' || e.ordinal FROM state_event e
        LEFT JOIN state_event p
            ON p.machine = e.machine AND p.object_id = e.object_id AND p.ordinal = e.ordinal - 1
        WHERE (e.ordinal = 1 AND e.from_state <> 'none') OR e.ordinal < 1
            OR (e.ordinal > 1 AND (p.ordinal IS NULL OR p.to_state <> e.from_state))""",
        "Deze stap sluit niet aan op de vorige",
        "This step does not follow from the one before",
    ),
    Rule(
        "audit:missing",
        """SELECT e.machine || ' ' || e.object_id || ' ' || e.ordinal FROM state_event e WHERE NOT EXISTS (
            SELECT 1 FROM audit a WHERE a.object = e.object_id AND a.action = e.machine || ':' || e.event
                AND a.at = e.at AND a.actor = e.actor AND a.detail LIKE e.ordinal || ' %')
        AND e.at > COALESCE((SELECT max(substr(r.detail, length(r.detail) - 26)) FROM audit r
            WHERE r.action = 'retention:audit'), '')""",
        "Deze stap staat niet in het auditspoor",
        "This step has no audit row",
    ),
    Rule(
        "audit:unlinked",
        "SELECT CAST(id AS TEXT) FROM audit WHERE position IS NULL AND at < :grace ORDER BY id LIMIT 1",
        "Auditregels zijn na een minuut nog niet geketend",
        "Audit rows are not linked after a minute",
    ),
    Rule(
        "audit:checkpoint-missing",
        """SELECT CAST(max(position) AS TEXT) FROM audit
        WHERE position IS NOT NULL
        HAVING max(position) > COALESCE((SELECT max(position) FROM audit_checkpoint), 0)""",
        "Het einde van de auditketen is niet ondertekend",
        "The end of the audit chain is not signed",
    ),
    Rule(
        "audit:checkpoint-stray",
        """SELECT CAST(c.position AS TEXT) FROM audit_checkpoint c LEFT JOIN audit a ON a.position = c.position
        WHERE a.hash IS NULL OR a.hash <> c.hash""",
        "Een ondertekend punt van de auditketen is niet wat er nu staat",
        "A signed point of the audit chain is not what is there now",
    ),
)

_MACHINES: Final = ("message", "delivery", "request", "parked")

# A state column says what the last event says, and each object and each history has the other.
STATES: Final = tuple(
    Rule(
        "state:not-last-event",
        f"""SELECT '{table} ' || o.id FROM {table} o
        LEFT JOIN state_event e ON e.machine = '{table}' AND e.object_id = o.id
            AND e.ordinal = (SELECT max(ordinal) FROM state_event WHERE machine = '{table}' AND object_id = o.id)
        WHERE e.ordinal IS NULL OR e.to_state <> o.state OR e.ordinal <> o.state_ordinal""",  # noqa: S608
        "De toestand is niet die van de laatste stap",
        "The state is not the last step's",
    )
    for table in _MACHINES
) + tuple(
    Rule(
        "history:no-object",
        f"""SELECT DISTINCT '{table} ' || e.object_id FROM state_event e LEFT JOIN {table} o ON o.id = e.object_id
        WHERE e.machine = '{table}' AND o.id IS NULL""",  # noqa: S608
        "Dit heeft een geschiedenis, maar is er niet meer",
        "This has a history and is gone",
    )
    for table in _MACHINES
)

# Every number that the report gives, by name; the first column of the first row.
COUNTS: Final = {
    "accepted": "SELECT count(*) FROM message",
    "routed": "SELECT count(*) FROM message WHERE state = 'routed'",
    "parked": "SELECT count(*) FROM message WHERE state = 'parked'",
    "droppedMessages": "SELECT count(*) FROM message WHERE state = 'dropped'",
    "merged": "SELECT count(*) FROM message WHERE state = 'merged'",
    "parkedOpen": "SELECT count(*) FROM parked WHERE state = 'open'",
    "decided": f"SELECT count(*) FROM ({DECIDED}) r",  # noqa: S608
    "delivered": "SELECT count(*) FROM delivery WHERE occasion = 'message' AND state = 'delivered'",
    "waiting": """SELECT count(*) FROM delivery
        WHERE occasion = 'message' AND state IN ('waiting', 'sending', 'notified')""",
    "held": "SELECT count(*) FROM delivery WHERE occasion = 'message' AND state = 'parked'",
    "dropped": "SELECT count(*) FROM delivery WHERE occasion = 'message' AND state = 'dropped'",
    "superseded": "SELECT count(*) FROM delivery WHERE occasion = 'message' AND state = 'superseded'",
    "feedback": "SELECT count(*) FROM delivery WHERE occasion <> 'message' AND role = 'source'",
    "requests": "SELECT count(*) FROM request",
    "requestsOpen": "SELECT count(*) FROM request WHERE state IN ('asked', 'received')",
    "requestsOverdue": "SELECT count(*) FROM request WHERE state IN ('asked', 'received') AND due_at < :now",
    "alarmsOpen": "SELECT count(*) FROM alarm WHERE acknowledged_by IS NULL",
    "alarmsUndelivered": "SELECT count(*) FROM alarm WHERE acknowledged_by IS NULL AND delivered_at IS NULL",
    "auditRows": "SELECT count(*) FROM audit",
    "auditUnlinked": "SELECT count(*) FROM audit WHERE position IS NULL",
}

# Counts that are rules broken, under the names people know them by.
COUNTED_RULES: Final = {
    "lost": ("delivery:lost",),
    "duplicated": ("delivery:duplicate",),
    "misordered": ("order:overtaken",),
    "numberGaps": ("number:gap",),
}
