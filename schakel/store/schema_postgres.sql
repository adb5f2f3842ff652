-- SPDX-License-Identifier: EUPL-1.2
-- The hub's tables on PostgreSQL, version 1: the tables, columns and rules of schema.sql. Forward only, as there.
--
-- Rules that the database itself keeps, whoever types the SQL:
--   * a history is a chain of allowed moves: state_event points at allowed_move and at its own previous event;
--   * a state column says what the last event says: a trigger writes it, a foreign key and a guard hold it there;
--   * each move has its audit row: a trigger writes it;
--   * (source, message reference) is taken once; a recipient's numbers are unique; a household's strong key belongs to
--     one open case of a programme.
-- Times are RFC 3339 UTC with six decimals (27 characters): they sort as text. No foreign key is deferred: a wrong
-- row is refused where it is written, so that one message's fault never reaches another's in the same transaction.

-- -- states and their history ----------------------------------------------------------------------------------------

-- The moves of schakel/states.py.
CREATE TABLE allowed_move (
    machine    TEXT NOT NULL,
    from_state TEXT NOT NULL,
    event      TEXT NOT NULL,
    role       TEXT NOT NULL,
    to_state   TEXT NOT NULL CHECK (to_state <> 'none'),
    PRIMARY KEY (machine, from_state, event, role, to_state)
);

-- What happened to a message, delivery, request or parked thing; never changed.
CREATE TABLE state_event (
    machine    TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    ordinal    BIGINT NOT NULL CHECK (ordinal >= 1),
    previous   BIGINT GENERATED ALWAYS AS (CASE WHEN ordinal > 1 THEN ordinal - 1 END) STORED,
    from_state TEXT NOT NULL,
    event      TEXT NOT NULL,
    role       TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    at         TEXT NOT NULL CHECK (length(at) = 27),
    actor      TEXT NOT NULL CHECK (actor <> ''),
    reason     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (machine, object_id, ordinal),
    UNIQUE (machine, object_id, ordinal, to_state),
    CHECK ((ordinal = 1) = (from_state = 'none')),
    FOREIGN KEY (machine, from_state, event, role, to_state) REFERENCES allowed_move,
    FOREIGN KEY (machine, object_id, previous, from_state)
        REFERENCES state_event (machine, object_id, ordinal, to_state)
);

-- -- what came in ----------------------------------------------------------------------------------------------------

-- The bytes of a source, exactly, sealed under a key of their own.
CREATE TABLE raw_referral (
    id          TEXT PRIMARY KEY,
    wrapped_key BYTEA,                        -- NULL: destroyed
    sealed      BYTEA,                        -- NULL: erased
    format      TEXT NOT NULL,
    media_type  TEXT NOT NULL,
    received_at TEXT NOT NULL CHECK (length(received_at) = 27),
    erase_at    TEXT NOT NULL CHECK (length(erase_at) = 27),
    erased_at   TEXT,
    CHECK (erased_at IS NOT NULL OR (wrapped_key IS NOT NULL AND sealed IS NOT NULL))
);
CREATE INDEX raw_referral_erase ON raw_referral (erase_at) WHERE erased_at IS NULL;

-- A household in a programme. Its key opens everything canonical and rendered of it.
CREATE TABLE case_file (
    id              TEXT PRIMARY KEY,
    programme       TEXT NOT NULL,
    municipality    TEXT CHECK (length(municipality) = 4),
    urgency         TEXT NOT NULL,           -- of its newest message
    state           TEXT NOT NULL,
    state_ordinal   BIGINT NOT NULL,
    machine         TEXT NOT NULL GENERATED ALWAYS AS ('case') STORED,
    order_end       TEXT CHECK (length(order_end) = 27), -- when the last restraining order that is known ends
    opened_at       TEXT NOT NULL CHECK (length(opened_at) = 27),
    closed_at       TEXT,
    joined_to       TEXT REFERENCES case_file (id),
    wrapped_key     BYTEA,                    -- NULL: destroyed, the case is erased
    secrecy         BYTEA,
    secrecy_version BIGINT NOT NULL DEFAULT 0,
    max_ordinal     BIGINT NOT NULL DEFAULT 0,
    erase_at        TEXT,                    -- set when it closes
    CHECK (joined_to IS NULL OR closed_at IS NOT NULL),
    CHECK (closed_at IS NULL OR erase_at IS NOT NULL),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    UNIQUE (id, programme),
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);

CREATE INDEX case_file_joined ON case_file (joined_to) WHERE joined_to IS NOT NULL;
CREATE INDEX case_file_closed ON case_file (closed_at) WHERE closed_at IS NOT NULL;

-- A message: known once by its source and reference.
CREATE TABLE message (
    id                    TEXT PRIMARY KEY REFERENCES raw_referral (id),
    source                TEXT NOT NULL,
    message_reference     TEXT NOT NULL,
    source_case_reference TEXT NOT NULL,
    digest                BYTEA NOT NULL,
    format                TEXT NOT NULL,
    media_type            TEXT NOT NULL,
    programme             TEXT NOT NULL,
    kind                  TEXT NOT NULL,
    case_id               TEXT REFERENCES case_file (id),
    state                 TEXT NOT NULL,
    state_ordinal         BIGINT NOT NULL,
    machine               TEXT NOT NULL GENERATED ALWAYS AS ('message') STORED,
    content               BYTEA,
    versions              TEXT NOT NULL,
    warnings              TEXT NOT NULL,
    first_warnings        TEXT NOT NULL,     -- as they were said when it came
    occurred_at           TEXT CHECK (length(occurred_at) = 27), -- the incident, as far as the source says
    received_at           TEXT NOT NULL CHECK (length(received_at) = 27),
    erase_at              TEXT,              -- of one that belongs to no case: set when it is dropped
    erased_at             TEXT,
    UNIQUE (source, message_reference),
    CHECK (state <> 'routed' OR case_id IS NOT NULL),
    CHECK (state <> 'routed' OR content IS NOT NULL OR erased_at IS NOT NULL),
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);
CREATE INDEX message_of_case ON message (case_id, received_at);

-- The keys a parked message came with, so that a release can find its household.
CREATE TABLE message_key (
    message_id TEXT NOT NULL REFERENCES message (id),
    kind       TEXT NOT NULL,
    digest     BYTEA NOT NULL,
    PRIMARY KEY (message_id, kind, digest)
);

-- Blinded identifiers of a case's household.
CREATE TABLE match_key (
    case_id   TEXT NOT NULL,
    programme TEXT NOT NULL,
    kind      TEXT NOT NULL,
    digest    BYTEA NOT NULL CHECK (length(digest) = 32),
    strong    BIGINT NOT NULL CHECK (strong IN (0, 1)),
    open      BIGINT NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (case_id, kind, digest),
    FOREIGN KEY (case_id, programme) REFERENCES case_file (id, programme)
);
CREATE UNIQUE INDEX one_open_case ON match_key (programme, kind, digest) WHERE strong = 1 AND open = 1;
CREATE INDEX match_key_lookup ON match_key (kind, digest) WHERE open = 1;

-- Restraining orders the case knows, each once: by blinded number or by time of imposition.
CREATE TABLE known_order (
    case_id    TEXT NOT NULL REFERENCES case_file (id),
    number     BYTEA,
    imposed_at TEXT,
    CHECK (number IS NOT NULL OR imposed_at IS NOT NULL)
);
CREATE INDEX known_order_of_case ON known_order (case_id, imposed_at);
CREATE UNIQUE INDEX known_order_number ON known_order (case_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX known_order_time ON known_order (case_id, imposed_at) WHERE number IS NULL;

-- Each partner's own opaque name of a case.
CREATE TABLE case_reference (
    case_id   TEXT NOT NULL REFERENCES case_file (id),
    partner   TEXT NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    PRIMARY KEY (case_id, partner)
);

-- Cases that may be one household; the lead of the older one decides.
CREATE TABLE suggestion (
    case_id       TEXT NOT NULL REFERENCES case_file (id),
    other_case_id TEXT NOT NULL REFERENCES case_file (id),
    kinds         TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('open', 'joined', 'kept-apart')),
    made_at       TEXT NOT NULL,
    decided_by    TEXT,
    decided_at    TEXT,
    reason        TEXT,
    PRIMARY KEY (case_id, other_case_id),
    CHECK (case_id <> other_case_id),
    CHECK ((state = 'open') = (decided_by IS NULL))
);
CREATE INDEX suggestion_other ON suggestion (other_case_id);

-- -- who gets it, and how it goes there ------------------------------------------------------------------------------

-- Who gets a message, who does not, and why; `round` counts decisions on one message (a release makes the next).
CREATE TABLE routing_decision (
    message_id TEXT NOT NULL REFERENCES message (id),
    round      BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    recipient  TEXT,
    role       TEXT NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('deliver', 'withhold', 'park')),
    rule       TEXT NOT NULL,
    nl         TEXT NOT NULL,
    en         TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    PRIMARY KEY (message_id, round, position),
    CHECK (outcome <> 'deliver' OR recipient IS NOT NULL)
);

-- A recipient's counter of gap-free numbers, and its breaker.
CREATE TABLE recipient (
    partner            TEXT PRIMARY KEY,
    last_number        BIGINT NOT NULL DEFAULT 0,
    forgotten          BIGINT NOT NULL DEFAULT 0, -- numbers whose ledger has reached its end
    breaker_open_until TEXT
);

-- What a partner was asked for a case, and how it stands.
CREATE TABLE request (
    id               TEXT PRIMARY KEY,
    case_id          TEXT NOT NULL REFERENCES case_file (id),
    message_id       TEXT NOT NULL REFERENCES message (id),
    recipient        TEXT NOT NULL,
    role             TEXT NOT NULL,
    reference        TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL,
    state_ordinal    BIGINT NOT NULL,
    machine          TEXT NOT NULL GENERATED ALWAYS AS ('request') STORED,
    asked_by         TEXT NOT NULL,          -- 'hub' (the route), a partner (the lead), or 'operator:<name>'
    phase            TEXT,                   -- of working on safety in phases, when the lead said so (S4)
    serves           TEXT,                   -- whom of the household the lead asks it in for
    asked_at         TEXT NOT NULL,
    due_at           TEXT CHECK (length(due_at) = 27),
    contradicted     BIGINT NOT NULL DEFAULT 0,
    CHECK (due_at IS NOT NULL),              -- a request without a clock would be silent for ever
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);
CREATE INDEX request_of_case ON request (case_id);
CREATE INDEX request_of_recipient ON request (recipient, id);
CREATE INDEX request_overdue ON request (due_at) WHERE state IN ('asked', 'received', 'in-consideration');

-- What a partner is asked beside taking part, and what the lead establishes of it: effort for a time, whether it knows a
-- person, taking a case over, the weighing of MDA++, the establishment of its involvement.
CREATE TABLE matter (
    id            TEXT PRIMARY KEY,
    machine       TEXT NOT NULL
        CHECK (machine IN ('establishment', 'effort', 'known-check', 'hand-over', 'admission')),
    case_id       TEXT NOT NULL REFERENCES case_file (id),
    request_id    TEXT REFERENCES request (id), -- the involvement that it is about
    partner       TEXT NOT NULL,             -- who answers; of an admission: the process director
    role          TEXT NOT NULL,             -- in which role (of a hand-over: the role that changes hands)
    reference     TEXT UNIQUE,               -- the answer reference; NULL: nobody is asked to answer
    state         TEXT NOT NULL,
    state_ordinal BIGINT NOT NULL,
    valid_from    TEXT CHECK (length(valid_from) = 27),
    valid_until   TEXT CHECK (length(valid_until) = 27), -- ends by itself then
    sealed        BYTEA,                      -- its terms, under the case's key; NULL: erased, or none
    made_at       TEXT NOT NULL CHECK (length(made_at) = 27),
    CHECK (machine NOT IN ('establishment', 'effort') OR request_id IS NOT NULL),
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);
CREATE INDEX matter_of_case ON matter (case_id);
CREATE INDEX matter_ends ON matter (valid_until) WHERE state IN ('asked', 'accepted', 'adjusted', 'proposed');
CREATE UNIQUE INDEX matter_established_once ON matter (request_id) WHERE machine = 'establishment';
CREATE UNIQUE INDEX matter_one_hand_over ON matter (case_id, role) WHERE machine = 'hand-over' AND state = 'proposed';
CREATE UNIQUE INDEX matter_one_admission ON matter (case_id) WHERE machine = 'admission';

-- On whose word: one row for each thing that was said or done in a case, in order; never changed.
CREATE TABLE ledger_entry (
    id         TEXT PRIMARY KEY,
    case_id    TEXT NOT NULL REFERENCES case_file (id),
    ordinal    BIGINT NOT NULL CHECK (ordinal >= 1),
    subject    TEXT NOT NULL,                -- request, matter or case
    event      TEXT NOT NULL,                -- a move of states.py, or what happened (first-visit, plan-made, …)
    actor      TEXT NOT NULL,                -- partner id, 'operator:<name>', 'clock' or 'hub'
    role       TEXT NOT NULL,
    medium     TEXT NOT NULL CHECK (medium IN ('own-system', 'phone', 'letter', 'hub')),
    valid_from TEXT NOT NULL CHECK (length(valid_from) = 27), -- since when it holds
    valid_to   TEXT CHECK (length(valid_to) = 27),
    known_at   TEXT NOT NULL CHECK (length(known_at) = 27),   -- when the hub knew
    sealed     BYTEA,                         -- who said it as the organisation asserts, evidence, words; NULL: erased or none
    UNIQUE (case_id, ordinal)
);
CREATE INDEX ledger_entry_subject ON ledger_entry (subject);

-- A clock that runs for a request, a matter or a case: what started it, and which step comes next.
CREATE TABLE deadline (
    id         TEXT PRIMARY KEY,
    case_id    TEXT NOT NULL REFERENCES case_file (id),
    subject    TEXT NOT NULL,                -- request, matter or case
    kind       TEXT NOT NULL,                -- of regions/*/deadlines.yaml
    event      TEXT NOT NULL,                -- that started it
    partner    TEXT NOT NULL,                -- who must act
    role       TEXT NOT NULL,
    urgency    TEXT NOT NULL,
    order_end  TEXT,
    started_at TEXT NOT NULL CHECK (length(started_at) = 27), -- when that happened
    made_at    TEXT NOT NULL CHECK (length(made_at) = 27),    -- when the hub knew
    due_at     TEXT NOT NULL CHECK (length(due_at) = 27),
    next_at    TEXT CHECK (length(next_at) = 27), -- the next step
    seen_at    TEXT,                         -- up to when its steps were told
    steps      BIGINT NOT NULL DEFAULT 0,   -- told so far
    ended_at   TEXT,
    ended_by   TEXT,                         -- the event that ended it
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK (ended_at IS NOT NULL OR next_at IS NOT NULL)
);
CREATE UNIQUE INDEX deadline_once ON deadline (subject, kind) WHERE ended_at IS NULL;
CREATE INDEX deadline_next ON deadline (next_at) WHERE ended_at IS NULL;
CREATE INDEX deadline_of_case ON deadline (case_id);

-- One message for one recipient. The number is the recipient's, gap-free, in order of commit; once given it stays.
CREATE TABLE delivery (
    id                       TEXT PRIMARY KEY,
    message_id               TEXT NOT NULL REFERENCES message (id),
    case_id                  TEXT NOT NULL REFERENCES case_file (id),
    recipient                TEXT NOT NULL REFERENCES recipient (partner),
    number                   BIGINT NOT NULL CHECK (number >= 1),
    role                     TEXT NOT NULL,
    channel                  TEXT NOT NULL,
    mode                     TEXT NOT NULL CHECK (mode IN ('full', 'thin')),
    representation           TEXT NOT NULL,
    urgency                  TEXT NOT NULL,
    request_id               TEXT REFERENCES request (id),
    late                     BIGINT NOT NULL CHECK (late IN (0, 1)),
    occasion                 TEXT NOT NULL,  -- 'message', or what the source of the message is told of
    supersedes               TEXT UNIQUE REFERENCES delivery (id),
    state                    TEXT NOT NULL,
    state_ordinal            BIGINT NOT NULL,
    machine                  TEXT NOT NULL GENERATED ALWAYS AS ('delivery') STORED,
    attempts                 BIGINT NOT NULL DEFAULT 0,
    crashes                  BIGINT NOT NULL DEFAULT 0,
    created_at               TEXT NOT NULL CHECK (length(created_at) = 27),
    next_at                  TEXT NOT NULL CHECK (length(next_at) = 27),
    alarm_at                 TEXT NOT NULL CHECK (length(alarm_at) = 27),
    notified_at              TEXT,
    delivered_at             TEXT,
    last_reason              TEXT,
    rendered                 BYTEA,
    rendered_digest          BYTEA CHECK (length(rendered_digest) = 32),
    rendered_media_type      TEXT,
    rendered_at              TEXT,
    rendered_secrecy_version BIGINT,
    erase_at                 TEXT,           -- of the rendered bytes; set when the delivery is final
    UNIQUE (recipient, number),
    CHECK ((rendered_at IS NULL) = (rendered_digest IS NULL)),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL)),
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);
CREATE UNIQUE INDEX delivery_once ON delivery (message_id, recipient, role, occasion) WHERE supersedes IS NULL;
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting';
CREATE INDEX delivery_lane ON delivery (recipient, case_id, number, state, late);
CREATE INDEX delivery_alarm ON delivery (alarm_at) WHERE state IN ('waiting', 'sending', 'notified');
CREATE INDEX delivery_of_message ON delivery (message_id);
CREATE INDEX delivery_erase ON delivery (erase_at) WHERE rendered IS NOT NULL;
CREATE INDEX delivery_of_request ON delivery (request_id);
CREATE INDEX delivery_success ON delivery (recipient, delivered_at) WHERE delivered_at IS NOT NULL;

-- The lease of a lane = (recipient, case): who sends now; the token fences off whoever slept past its lease.
CREATE TABLE lane (
    recipient   TEXT NOT NULL REFERENCES recipient (partner),
    case_id     TEXT NOT NULL REFERENCES case_file (id),
    delivery_id TEXT REFERENCES delivery (id),
    token       TEXT,
    lease_until TEXT,
    PRIMARY KEY (recipient, case_id),
    CHECK ((token IS NULL) = (lease_until IS NULL) AND (token IS NULL) = (delivery_id IS NULL))
);
CREATE INDEX lane_lease ON lane (lease_until) WHERE token IS NOT NULL;
CREATE INDEX lane_delivery ON lane (delivery_id) WHERE token IS NOT NULL;

-- -- what waits for a person -----------------------------------------------------------------------------------------

CREATE TABLE parked (
    id             TEXT PRIMARY KEY,
    message_id     TEXT REFERENCES message (id),
    case_id        TEXT REFERENCES case_file (id),
    delivery_id    TEXT REFERENCES delivery (id),
    cause          TEXT NOT NULL,
    owner          TEXT NOT NULL,
    whole          BIGINT NOT NULL CHECK (whole IN (0, 1)),
    findings       TEXT NOT NULL,
    suggests       TEXT NOT NULL,
    state          TEXT NOT NULL,
    state_ordinal  BIGINT NOT NULL,
    machine        TEXT NOT NULL GENERATED ALWAYS AS ('parked') STORED,
    parked_at      TEXT NOT NULL,
    next_alarm_at  TEXT CHECK (length(next_alarm_at) = 27),
    settled_by     TEXT,
    settled_reason TEXT,
    settled_at     TEXT,
    CHECK (state <> 'open' OR next_alarm_at IS NOT NULL),
    CHECK (whole = 0 OR message_id IS NOT NULL),
    FOREIGN KEY (machine, id, state_ordinal, state) REFERENCES state_event (machine, object_id, ordinal, to_state)
);
CREATE INDEX parked_open ON parked (next_alarm_at) WHERE state = 'open';
CREATE INDEX parked_of_message ON parked (message_id);

-- A partner's word on its request; without request, or not readable: kept and parked, under a key of its own.
CREATE TABLE answer (
    id          TEXT PRIMARY KEY,
    request_id  TEXT REFERENCES request (id),
    parked_id   TEXT REFERENCES parked (id),
    partner     TEXT NOT NULL,
    answer      TEXT NOT NULL CHECK (answer IN ('received', 'in-consideration', 'confirmed', 'declined', 'withdrawn', 'completed', 'noted')),
    reason_code TEXT,
    digest      BYTEA NOT NULL,
    sealed      BYTEA,
    wrapped_key BYTEA,                        -- only without a request
    at          TEXT NOT NULL,
    erase_at    TEXT,                        -- of one that belongs to no case: set when it is settled
    CHECK ((request_id IS NULL) = (parked_id IS NOT NULL))
);
CREATE INDEX answer_of_request ON answer (request_id, at);

-- What a human must be told: one per (cause, subject) with a count; holds no person data.
CREATE TABLE alarm (
    id              TEXT PRIMARY KEY,
    cause           TEXT NOT NULL,
    subject         TEXT NOT NULL,
    owner           TEXT NOT NULL,
    nl              TEXT NOT NULL,
    en              TEXT NOT NULL,
    count           BIGINT NOT NULL DEFAULT 1,
    step            BIGINT NOT NULL DEFAULT 0,
    attempts        BIGINT NOT NULL DEFAULT 0,
    failing         BIGINT NOT NULL DEFAULT 0,
    raised_at       TEXT NOT NULL,
    next_at         TEXT NOT NULL CHECK (length(next_at) = 27),
    delivered_at    TEXT,
    acknowledged_by TEXT,
    acknowledged_at TEXT,
    CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL))
);
CREATE UNIQUE INDEX alarm_once ON alarm (cause, subject) WHERE acknowledged_by IS NULL;
CREATE INDEX alarm_due ON alarm (next_at) WHERE acknowledged_by IS NULL;
CREATE INDEX alarm_subject ON alarm (subject) WHERE acknowledged_by IS NULL;

-- -- what operators and processes hold -----------------------------------------------------------------------------

-- A partner to which nothing is sent for a time, by a person's decision. It carries a clock: an alarm rings when it
-- ends, and when something of a crisis waits behind it.
CREATE TABLE pause (
    partner     TEXT PRIMARY KEY,
    paused_by   TEXT NOT NULL CHECK (paused_by <> ''),
    reason      TEXT NOT NULL CHECK (reason <> ''),
    paused_at   TEXT NOT NULL CHECK (length(paused_at) = 27),
    ends_at     TEXT NOT NULL CHECK (length(ends_at) = 27),
    told_number BIGINT NOT NULL,            -- of the newest crisis delivery behind it that a human was told of
    CHECK (ends_at > paused_at)
);

-- Work that one process does at a time: who has it, by a lease with a random token.
CREATE TABLE duty (
    name        TEXT PRIMARY KEY,
    token       TEXT NOT NULL CHECK (token <> ''),
    holder      TEXT NOT NULL,
    lease_until TEXT NOT NULL CHECK (length(lease_until) = 27)
);

-- -- partners' keys and secrets --------------------------------------------------------------------------------------

CREATE TABLE partner_key (
    id         TEXT PRIMARY KEY,
    partner    TEXT NOT NULL,
    digest     BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
);
CREATE INDEX partner_key_of ON partner_key (partner);

CREATE TABLE partner_secret (
    id          TEXT PRIMARY KEY,
    partner     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    sealed      BYTEA NOT NULL,
    created_at  TEXT NOT NULL,
    expires_at  TEXT
);
CREATE INDEX partner_secret_of ON partner_secret (partner);

-- -- audit -----------------------------------------------------------------------------------------------------------

-- Who did or saw what. Written unlinked with the change; the clock links it into the chain within a second or so.
CREATE TABLE audit (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       TEXT NOT NULL CHECK (length(at) = 27),
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    position BIGINT UNIQUE,
    hash     BYTEA CHECK (length(hash) = 32),
    CHECK ((position IS NULL) = (hash IS NULL))
);
CREATE INDEX audit_unlinked ON audit (id) WHERE position IS NULL;
CREATE INDEX audit_object ON audit (object);

CREATE TABLE audit_checkpoint (
    position  BIGINT PRIMARY KEY REFERENCES audit (position),
    hash      BYTEA NOT NULL CHECK (length(hash) = 32),
    at        TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    signature BYTEA NOT NULL
);

-- -- health ----------------------------------------------------------------------------------------------------------

-- One row that is written to find out whether writing works again after it did not.
CREATE TABLE write_probe (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    writes BIGINT NOT NULL,
    filler BYTEA                              -- a full disk may still take a few bytes
);
INSERT INTO write_probe (id, writes) VALUES (1, 0);

-- The version of this schema; SQLite keeps its own in the file's header.
CREATE TABLE schema_version (
    version BIGINT PRIMARY KEY,
    at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- -- what the database keeps by itself -------------------------------------------------------------------------------

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$;

CREATE TRIGGER state_event_is_final BEFORE UPDATE ON state_event
FOR EACH ROW EXECUTE FUNCTION refuse('an event is never changed');

CREATE TRIGGER audit_is_final BEFORE UPDATE ON audit FOR EACH ROW
WHEN (OLD.position IS NOT NULL OR NEW.at <> OLD.at OR NEW.actor <> OLD.actor OR NEW.action <> OLD.action
    OR NEW.object <> OLD.object OR NEW.detail <> OLD.detail)
EXECUTE FUNCTION refuse('an audit row is never changed');

CREATE TRIGGER ledger_entry_is_final BEFORE UPDATE ON ledger_entry FOR EACH ROW
WHEN (NEW.sealed IS NOT NULL OR NEW.id <> OLD.id OR NEW.case_id <> OLD.case_id OR NEW.ordinal <> OLD.ordinal
    OR NEW.subject <> OLD.subject OR NEW.event <> OLD.event OR NEW.actor <> OLD.actor OR NEW.role <> OLD.role
    OR NEW.medium <> OLD.medium OR NEW.valid_from <> OLD.valid_from OR NEW.known_at <> OLD.known_at)
EXECUTE FUNCTION refuse('an entry of the ledger is never changed, only erased');

CREATE FUNCTION ledger_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT wrapped_key FROM case_file WHERE id = OLD.case_id) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',
            MESSAGE = 'an entry of the ledger goes with its case';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER ledger_entry_stays BEFORE DELETE ON ledger_entry
FOR EACH ROW EXECUTE FUNCTION ledger_entry_stays();

-- A case that closes gives up its keys.
CREATE FUNCTION case_file_closes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE match_key SET open = 0 WHERE case_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER case_file_closes AFTER UPDATE OF closed_at ON case_file FOR EACH ROW
WHEN (NEW.closed_at IS NOT NULL) EXECUTE FUNCTION case_file_closes();

-- Each move writes its audit row: no code path can forget it.
CREATE FUNCTION state_event_audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (at, actor, action, object, detail)
    SELECT at, actor, machine || ':' || event, object_id,
        ordinal || ' ' || from_state || ' > ' || to_state || ' as ' || role
            || CASE WHEN reason = '' THEN '' ELSE ': ' || reason END
    FROM written;
    RETURN NULL;
END $$;
CREATE TRIGGER state_event_audited AFTER INSERT ON state_event REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION state_event_audited();

-- Each move brings the state column along; a first event comes before its object. A delivery that becomes delivered gets
-- its time with the same stroke.
CREATE FUNCTION state_event_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved text;
BEGIN
    FOR moved IN SELECT DISTINCT machine FROM written WHERE ordinal > 1 LOOP
        CASE moved
        WHEN 'delivery' THEN
            UPDATE delivery SET state = last.to_state, state_ordinal = last.ordinal,
                delivered_at = CASE WHEN last.to_state = 'delivered' THEN last.at END
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state, at FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        WHEN 'request' THEN
            UPDATE request SET state = last.to_state, state_ordinal = last.ordinal
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        WHEN 'message' THEN
            UPDATE message SET state = last.to_state, state_ordinal = last.ordinal
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        WHEN 'parked' THEN
            UPDATE parked SET state = last.to_state, state_ordinal = last.ordinal
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        WHEN 'case' THEN
            UPDATE case_file SET state = last.to_state, state_ordinal = last.ordinal,
                closed_at = CASE WHEN last.to_state <> 'open' THEN last.at END,
                erase_at = CASE WHEN last.to_state <> 'open' THEN COALESCE(erase_at, last.at) END
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state, at FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        ELSE
            UPDATE matter SET state = last.to_state, state_ordinal = last.ordinal
            FROM (SELECT DISTINCT ON (object_id) object_id, ordinal, to_state FROM written
                WHERE machine = moved AND ordinal > 1 ORDER BY object_id, ordinal DESC) last
            WHERE id = last.object_id;
        END CASE;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER state_event_follows AFTER INSERT ON state_event REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION state_event_follows();

-- A state column is not typed by hand either: only the last event's state fits.
CREATE FUNCTION state_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state_ordinal IS DISTINCT FROM
        (SELECT max(ordinal) FROM state_event WHERE machine = TG_ARGV[0] AND object_id = NEW.id)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'a state follows the last event';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION matter_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state_ordinal IS DISTINCT FROM
        (SELECT max(ordinal) FROM state_event WHERE machine = NEW.machine AND object_id = NEW.id)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'a state follows the last event';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER message_state_guard BEFORE UPDATE OF state, state_ordinal ON message
FOR EACH ROW EXECUTE FUNCTION state_guard('message');
CREATE TRIGGER request_state_guard BEFORE UPDATE OF state, state_ordinal ON request
FOR EACH ROW EXECUTE FUNCTION state_guard('request');
CREATE TRIGGER case_state_guard BEFORE UPDATE OF state, state_ordinal ON case_file
FOR EACH ROW EXECUTE FUNCTION state_guard('case');
CREATE TRIGGER parked_state_guard BEFORE UPDATE OF state, state_ordinal ON parked
FOR EACH ROW EXECUTE FUNCTION state_guard('parked');
CREATE TRIGGER delivery_state_guard BEFORE UPDATE OF state, state_ordinal ON delivery
FOR EACH ROW EXECUTE FUNCTION state_guard('delivery');
CREATE TRIGGER matter_state_guard BEFORE UPDATE OF state, state_ordinal ON matter
FOR EACH ROW EXECUTE FUNCTION matter_state_guard();
