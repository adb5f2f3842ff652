# SPDX-License-Identifier: EUPL-1.2
"""The suite that every format passes: reading is the same each time, hostile bytes are read or refused, nothing that
came stands in what is said of it, and a message sent again is known by reference and digest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schakel.errors import Finding, Forbidden, Malformed, NotFound, Refusal, Unacceptable, UnsupportedFormat
from schakel.ledger_records import AnswerOutcome
from schakel.ports import AnswerFormat, Envelope, Format, Notice, Receipt
from tests.support.hostile import CANARY, mutated

NOW: Final = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
HUB_OIN: Final = "00000099000000000001"
SECONDS: Final = 1.0  # of the processor, for one reading of hostile bytes
ON_ONE_FORMAT: Final = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=25, database=None)
RECEIPT: Final = Receipt(
    message_id="0192f0c1-0000-7000-8000-000000000001",
    state="routed",
    duplicate=False,
    notices=(Notice("Lokaal team Delft", "duo", "deliver", "thv-region", "Regiogemeente.", "Regional municipality."),),
    warnings=(Finding("order.x", "loss", "Niet gelezen.", "Not read."),),
)
REFUSALS: Final[tuple[Refusal, ...]] = (
    Malformed(Finding("a.b", "rule-1", "Mist.", "Is missing.")),
    Malformed(Finding("document", "size", "Te groot.", "Too large."), status=413),
    UnsupportedFormat(Finding("document", "kind", "Anders.", "Other.")),
    Forbidden(),
    NotFound(),
    Unacceptable(Finding("store", "wait", "Wacht.", "Wait."), retry_after=5),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One message of a source. `again`: the same, sent at another time or written another way; `other`: the same
    reference with other content."""

    body: bytes
    again: bytes
    other: bytes


class FormatSuite:
    """Subclass it once per format, with its name, what it reads and must refuse; and what it writes, if it does."""

    name: str
    cases: Sequence[Case]
    broken: Sequence[bytes]
    written: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[bytes] = ()

    @pytest.fixture
    def format(self) -> Format:
        raise NotImplementedError

    def test_it_knows_its_own_documents_by_a_cheap_look(self, format: Format) -> None:
        assert format.name == self.name
        assert format.media_types
        for case in self.cases:
            assert format.recognises(case.body)
            began = time.process_time()
            format.recognises(case.body + b" " * 1_000_000)
            assert time.process_time() - began < SECONDS

    def test_reading_twice_gives_the_same_envelope(self, format: Format) -> None:
        for case in self.cases:
            assert format.read(case.body) == format.read(bytes(bytearray(case.body)))

    def test_an_envelope_is_plain_and_complete(self, format: Format) -> None:
        for case in self.cases:
            envelope = format.read(case.body)
            assert envelope.format == self.name
            assert envelope.mapping
            assert envelope.message_reference
            assert envelope.source_case_reference
            assert len(envelope.digest) == 32
            assert plain(envelope.document)
            assert json.loads(json.dumps(envelope.document, allow_nan=False)) == envelope.document

    def test_a_message_sent_again_is_known_and_a_changed_one_is_told_apart(self, format: Format) -> None:
        for case in self.cases:
            envelope, again, other = (format.read(body) for body in (case.body, case.again, case.other))
            assert case.again != case.body
            assert same(again, envelope)
            assert other.message_reference == envelope.message_reference
            assert other.digest != envelope.digest

    def test_what_is_broken_is_refused_in_both_languages_and_without_its_words(self, format: Format) -> None:
        assert self.broken
        for body in self.broken:
            with pytest.raises(Refusal) as caught:
                format.read(body)
            assert isinstance(caught.value, Malformed | UnsupportedFormat)
            assert caught.value.findings
            for finding in caught.value.findings:
                assert finding.place
                assert finding.rule
                assert finding.nl
                assert finding.en
                assert CANARY not in repr(finding)

    @ON_ONE_FORMAT
    @given(data=st.data())
    def test_any_bytes_are_read_or_refused_and_leave_nothing_behind(self, format: Format, data: st.DataObject) -> None:
        first = self.cases[0].body
        before = format.read(first)
        good = st.sampled_from([case.body for case in self.cases])
        body = data.draw(st.builds(mutated, good, st.integers(0, 2**63)) | st.binary(max_size=300))
        began = time.process_time()
        read = outcome(format, body)
        if isinstance(read, Refusal):
            assert read.findings
            assert CANARY not in repr(read.findings)
        else:
            assert plain(read.document)
            assert len(read.digest) == 32
        assert time.process_time() - began < SECONDS
        assert format.read(first) == before

    def test_its_words_are_the_same_each_time_and_say_when_it_is_a_duplicate(self, format: Format) -> None:
        for case in self.cases:
            envelope = format.read(case.body)
            said = format.accepted(envelope, RECEIPT, now=NOW, hub_oin=HUB_OIN)
            assert said.body
            assert said.media_type
            assert said == format.accepted(envelope, RECEIPT, now=NOW, hub_oin=HUB_OIN)
            assert said.status in (200, 202)
            again = format.accepted(envelope, replace(RECEIPT, duplicate=True), now=NOW, hub_oin=HUB_OIN)
            assert again != said

    def test_a_refusal_is_in_its_own_words_or_left_to_the_caller(self, format: Format) -> None:
        for refusal in REFUSALS:
            for body in (*(case.body for case in self.cases), *self.broken, b""):
                said = format.refused(refusal, body, now=NOW, hub_oin=HUB_OIN, accept="*/*")
                if said is not None:
                    assert said.status >= 400
                    assert said.body
                    assert CANARY.encode() not in said.body

    def test_the_same_document_gives_the_same_bytes(self, format: Format) -> None:
        if not self.written:
            with pytest.raises(UnsupportedFormat):
                format.write({})
        for document in self.written:
            body = format.write(document)
            assert body == format.write(json.loads(json.dumps(document)))
            assert format.recognises(body)

    def test_answers_are_read_and_acknowledged_where_recipients_answer_in_it(self, format: Format) -> None:
        assert bool(self.answers) == isinstance(format, AnswerFormat)
        for body in self.answers:
            assert isinstance(format, AnswerFormat)
            envelope = format.read_answer(body)
            assert envelope == format.read_answer(body)
            assert envelope.source_case_reference
            for outcome in (AnswerOutcome("recorded", None), AnswerOutcome("parked", None)):
                assert format.answered(envelope, outcome, now=NOW, hub_oin=HUB_OIN).status in (200, 202)
            with pytest.raises(Refusal):
                format.read_answer(self.cases[0].body)


def outcome(format: Format, body: bytes) -> Envelope | Refusal:
    try:
        return format.read(body)
    except Refusal as refusal:
        return refusal


def plain(value: Any) -> bool:
    """JSON values and nothing else."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and plain(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or isinstance(value, str | int | float | bool)


def same(one: Envelope, other: Envelope) -> bool:
    """As far as the hub tells duplicates."""
    return (one.message_reference, one.source_case_reference, one.digest) == (
        other.message_reference,
        other.source_case_reference,
        other.digest,
    )
