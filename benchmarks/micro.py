# SPDX-License-Identifier: EUPL-1.2
"""Micro: what one message costs between its bytes and the bytes that go out, step by step and per format.

`read`: bytes to envelope (strict parser, schema or StUF rules, FHIR invariants). `map`: envelope to referral, losses
and the model's own rules included. `route`: the decision that the transaction keeps, with both seals. `disclose`: the
view of one recipient. `render`: that view through the outgoing mapping to bytes. `view`: what a worker does for one
recipient: open, parse, disclose, render.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import orjson

import mappings
from benchmarks import by_hand
from benchmarks.contract import Measure, Result, Settings, Target
from benchmarks.timing import Subject, in_turns
from mappings.engine import CompiledMapping, to_referral
from schakel.bootstrap import Heart, SystemClock, open_heart
from schakel.disclosure import Asked, Disclosure, Secrecy
from schakel.errors import Refusal
from schakel.intake import AcceptStore
from schakel.log import open_log
from schakel.message import CaseMessage
from schakel.ports import Decide, Envelope, Format
from schakel.preview import Nowhere, first_attempt
from schakel.records import Accepted, Arrival, Claimed, Facts, SealPlace
from schakel.settings import Settings as HubSettings
from schakel.vault import create_key_file, open_vault

name: Final = "micro"
NOW: Final = datetime(2026, 11, 16, 9, tzinfo=UTC)
OUTGOING: Final = ("case-json", "case-stuf", "case-fhir", "case-fhir-xml")
_EXAMPLES: Final = Path(mappings.__file__).parent
_OWN: Final = Path(__file__).parent / "messages"


@dataclass(frozen=True, slots=True)
class Message:
    """A document as its source sends it."""

    label: str
    source: str
    format: str
    media_type: str
    body: bytes


def messages() -> tuple[Message, ...]:
    fhir = (_OWN / "cit-9kb.json").read_bytes()
    thv = (_EXAMPLES / "thv_aanmelding/examples/den-haag-eerste-thv.json").read_bytes()
    row = (_EXAMPLES / "thv_csv/examples/delft-tweede-thv.csv").read_bytes()
    canonical = (_EXAMPLES / "referral_json/examples/delft.json").read_bytes()
    westland = (_EXAMPLES / "cit_fhir/examples/westland.json").read_bytes()
    stuf = (_EXAMPLES / "stuf_melding_generiek/examples/zoetermeer.xml").read_bytes()
    police = (_EXAMPLES / "stuf_vt_melding/examples/drie-vaders.xml").read_bytes()
    return (
        Message("thv-json 3 kB", "thv-pool", "thv-json", "application/json", thv),
        Message("thv-csv 1 kB", "thv-pool", "thv-csv", "text/csv", row),
        Message("case-json 3 kB", "thv-pool", "case-json", "application/json", canonical),
        Message("fhir-json 9 kB", "cit", "fhir-json", "application/fhir+json", fhir),
        Message("fhir-json 24 kB", "cit", "fhir-json", "application/fhir+json", westland),
        Message("fhir-xml 10 kB", "cit", "fhir-xml", "application/fhir+xml", _in_xml(fhir)),
        Message("stuf-jz 11 kB", "veilig-thuis", "stuf-jz", "application/xml", stuf),
        Message("stuf-jz vt 11 kB", "veilig-thuis", "stuf-jz", "application/xml", police),
    )


def run(settings: Settings) -> Result:
    plain = _heart(settings.folder / "plain", validate_fhir=False)
    full = _heart(settings.folder / "full", validate_fhir=True)
    subjects: dict[str, Subject] = {}
    for message in messages():
        subjects |= _steps_in(plain, message)
        if message.format.startswith("fhir"):
            reader = full.formats[message.format]
            subjects[f"{message.label}: read, FHIR validated"] = partial(reader.read, message.body)
            subjects[f"{message.label}: bytes to referral, FHIR validated"] = _whole(full, message)
    claimed = _claimed(plain, messages()[0])
    for representation in OUTGOING:
        subjects |= _steps_out(plain, replace(claimed, representation=representation))
    subjects |= _beside(plain)
    taken = in_turns(subjects, rounds=settings.rounds, seconds=settings.seconds)
    measures = {each: Measure(each, "µs", runs) for each, runs in taken.items()}
    return Result(
        measures=tuple(measures.values()),
        targets=(
            _target("9 kB FHIR bundle to referral", measures["fhir-json 9 kB: bytes to referral"], 500, 200),
            _target(
                "9 kB FHIR bundle to referral, full FHIR validation",
                measures["fhir-json 9 kB: bytes to referral, FHIR validated"],
                3000,
                2000,
            ),
        ),
        notes=(
            "Microseconds of processor per message, in turns; everything is compiled before the first turn.",
            "`bytes to referral` is read and map in one go: what the targets are about.",
            "`alone` and `by hand` check nothing, name no place in an error and report no losses.",
        ),
    )


# -- the steps ---------------------------------------------------------------------------------------------------------


def _steps_in(heart: Heart, message: Message) -> dict[str, Subject]:
    reader, label = heart.formats[message.format], message.label
    envelope = reader.read(message.body)
    mapping = heart.mappings[envelope.mapping]
    arrival, decide = asyncio.run(_at_the_store(heart, message))
    return {
        f"{label}: read": partial(reader.read, message.body),
        f"{label}: map": partial(_mapped, mapping, envelope),
        f"{label}: route": partial(decide, arrival, Facts(matches=())),
        f"{label}: bytes to referral": _whole(heart, message),
    }


def _steps_out(heart: Heart, claimed: Claimed) -> dict[str, Subject]:
    disclosure = Disclosure(heart.region.disclosure, blind=heart.vault.blind)
    message = CaseMessage.model_validate_json(_opened(heart, claimed))
    recipient = heart.region.partner(claimed.recipient)
    assert recipient is not None
    assert claimed.request_reference is not None
    assert claimed.request_due_at is not None
    cut = partial(
        disclosure.view,
        message,
        role=claimed.role,
        programme=claimed.programme,
        recipient=recipient,
        secrecy=Secrecy(),
        case_reference=claimed.case_reference,
        request=Asked(claimed.request_reference, claimed.request_due_at),
    )
    mapping = heart.mappings[claimed.representation]
    document, written = cut().document, heart.formats[mapping.format]
    steps: dict[str, Subject] = {"disclose": cut} if claimed.representation == OUTGOING[0] else {}
    return steps | {
        f"{claimed.representation}: render": partial(_rendered, mapping, written, document),
        f"{claimed.representation}: view": partial(heart.renderer.render, claimed, now=NOW),
    }


def _mapped(mapping: CompiledMapping, envelope: Envelope) -> object:
    return to_referral(mapping.apply(envelope.document, now=NOW).document)


def _rendered(mapping: CompiledMapping, written: Format, document: Mapping[str, Any]) -> bytes:
    return written.write(mapping.apply(document, now=NOW).document)


def _whole(heart: Heart, message: Message) -> Callable[[], object]:
    reader = heart.formats[message.format]

    def once() -> object:
        envelope = reader.read(message.body)
        return _mapped(heart.mappings[envelope.mapping], envelope)

    return once


# -- what it is measured against ---------------------------------------------------------------------------------------


def _beside(heart: Heart) -> dict[str, Subject]:
    thv, fhir = messages()[0], messages()[3]
    source = json.loads(thv.body)
    mapping = heart.mappings["thv-aanmelding"]
    books = {name: {code: to for code, (to, _, _) in book.entries.items()} for name, book in mapping.books.items()}
    if by_hand.referral(source, books) != mapping.apply(source, now=NOW).document:
        raise AssertionError("by hand it becomes another document: the comparison would be of two different things")
    from fhir.resources.R4B.bundle import Bundle

    return {
        f"{thv.label}: orjson alone": partial(orjson.loads, thv.body),
        f"{thv.label}: the same mapping by hand, in Python": partial(by_hand.referral, source, books),
        f"{fhir.label}: orjson alone": partial(orjson.loads, fhir.body),
        f"{fhir.label}: fhir.resources R4B alone": partial(Bundle.model_validate_json, fhir.body),
    }


# -- a hub without a store ---------------------------------------------------------------------------------------------


def _heart(folder: Path, *, validate_fhir: bool) -> Heart:
    folder.mkdir()
    keys = folder / "keys.json"
    create_key_file(keys)
    hub = HubSettings(home=folder, validate_fhir=validate_fhir, region="haaglanden")
    return open_heart(hub, open_vault(keys), SystemClock(), open_log("error", sys.stderr))


class _Asked(Nowhere):
    """Keeps what the door hands over for the transaction: the arrival, and how to decide on it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Arrival, Decide]] = []

    async def accept_many(self, arrivals: Any, decide: Decide) -> list[Accepted | Refusal]:
        self.asked += [(arrival, decide) for arrival in arrivals]
        return await super().accept_many(arrivals, decide)


async def _at_the_store(heart: Heart, message: Message) -> tuple[Arrival, Decide]:
    store = _Asked()
    source = heart.region.partner(message.source)
    assert source is not None
    door = heart.intake(cast(AcceptStore, store))
    await door.receive(source, message.body, message.media_type, NOW)
    return store.asked[0]


def _claimed(heart: Heart, message: Message) -> Claimed:
    """The delivery to the lead."""
    arrival, decide = asyncio.run(_at_the_store(heart, message))
    decision = decide(arrival, Facts(matches=()))
    lead = next(each for each in decision.deliveries if each.role == "lead")
    return first_attempt(arrival, decision, lead, 1)


def _opened(heart: Heart, claimed: Claimed) -> bytes:
    place = SealPlace("message", claimed.message_id, "content")
    return heart.vault.open(claimed.wrapped_key, claimed.content, owner=claimed.case_id, place=place)


def _in_xml(body: bytes) -> bytes:
    from connectors.formats.fhir_xml_convert import to_xml

    return to_xml(json.loads(body))


def _target(what: str, measure: Measure, gate: float, stretch: float) -> Target:
    return Target(what, "µs", "less", gate, stretch, measure.median)
