# SPDX-License-Identifier: EUPL-1.2
"""What happens in the demo: who takes part, and the messages in order, each in its source's own format.

Everybody and everything is invented: BSNs from the test range, OINs that begin with 00000099.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final
from uuid import uuid4

from schakel.demo.partner import Character, Person
from schakel.demo.tongues import FHIR, FHIR_XML, JSON, XML, FhirTask, FhirXmlBundle, StufSoap

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EVENT: Final = "application/cloudevents+json"
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
SENT_AT: Final = ("verzondenOp", "timestamp", "sentAt")  # when a message says it was sent: THV, FHIR, canonical

HUB_OIN: Final = "00000099000000000001"  # these as the region has them
POOL_OIN: Final = "00000099000000001001"
ZVHH_OIN: Final = "00000099000000002003"
VEILIG_THUIS_OIN: Final = "00000099000000001003"
_HEARS: Final = StufSoap(  # Veilig Thuis hears how its message stands, as the outcome message of the same standard
    VEILIG_THUIS_OIN,
    HUB_OIN,
    receives={
        "channel": "stuf",
        "application": "Meldsysteem",
        "feedback": {"stuf-melding-generiek": "feedback-stuf"},
    },
)

CAST: Final = (  # how each is reached (webhook, thin, mailbox) stands in the region
    Character("vvt", Person("N. Amrani", "070 1230001")),
    Character("perspektief", Person("B. de Groot", "015 1230002"), "intensief casemanager", signs="v1a"),
    Character("zvhh", Person("T. Willems", "070 1230003"), "procesregisseur", tongue=StufSoap(ZVHH_OIN, HUB_OIN)),
    Character("lokaal-team-den-haag", Person("S. Visser", "070 1230004")),
    Character("lokaal-team-delft", Person("R. Jansen", "015 1230005")),
    Character("lokaal-team-westland", Person("I. Kok", "0174 123006"), declines="no-capacity", tongue=FhirTask()),
    Character("lokaal-team-zoetermeer", Person("F. Smit", "079 1230007"), signs="v1a", tongue=FhirXmlBundle()),
    Character("lokaal-team-rijswijk", Person("D. Bos", "070 1230008")),
    Character("de-waag", Person("P. Mulder", "070 1230010")),
    Character("politie", Person("G. Dekker", "070 1230011"), says={}),
    Character("veilig-thuis", Person("M. Vos", "070 1230009"), tongue=_HEARS, answers=False),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One message: `read` gives its bytes as sent at a moment."""

    name: str
    nl: str
    en: str
    source: str
    media_type: str
    reference: str  # what the source calls this message
    read: Callable[[datetime], bytes]


def _own(file: str) -> Callable[[datetime], bytes]:
    return lambda now: moved(files("schakel.demo").joinpath("messages", file).read_bytes(), now)


def _example(mapping: str, file: str, instead: Mapping[str, str]) -> Callable[[datetime], bytes]:
    """An example that lies beside a mapping, with other numbers in place of its own (BSN, OIN)."""

    def read(now: datetime) -> bytes:
        body = files("mappings").joinpath(mapping, "examples", file).read_bytes()
        for given, other in instead.items():
            body = body.replace(given.encode(), other.encode())
        return moved(body, now)

    return read


def _thv(name: str, nl: str, en: str, reference: str, file: str) -> Step:
    return Step(name, nl, en, "thv-pool", JSON, reference, _own(file))


def _cit(name: str, nl: str, en: str, reference: str, file: str, instead: Mapping[str, str]) -> Step:
    return Step(name, nl, en, "cit", FHIR, reference, _example("cit_fhir", file, instead))


def _stuf(name: str, nl: str, en: str, reference: str, file: str) -> Step:
    return Step(name, nl, en, "veilig-thuis", XML, reference, _example("stuf_melding_generiek", file, SENDER))


def _in_xml(read: Callable[[datetime], bytes]) -> Callable[[datetime], bytes]:
    """A FHIR message in its other form."""

    def written(now: datetime) -> bytes:
        from connectors.formats.fhir_xml_convert import to_xml

        return to_xml(json.loads(read(now)))

    return written


def _in_event(read: Callable[[datetime], bytes]) -> Callable[[datetime], bytes]:
    """A JSON document as the data of an NL GOV CloudEvent, structured mode."""

    def written(now: datetime) -> bytes:
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "type": "nl.voorbeeld.aanmelding.v1",
            "source": f"urn:nld:oin:{POOL_OIN}:systeem:pool",
            "datacontenttype": JSON,
        }
        return json.dumps({**event, "data": json.loads(read(now))}).encode()

    return written


def _example_csv() -> list[str]:
    """Header and row of an example that lies beside the mapping."""
    text = files("mappings").joinpath("thv_csv", "examples", "delft-tweede-thv.csv").read_text(encoding="utf-8-sig")
    return text.splitlines()[:2]


def _csv(_: datetime) -> bytes:
    """A file as Excel saves it, with two rows; the second lacks its kenmerk and must not hold up the first."""
    columns, row = _example_csv()
    return "\r\n".join((columns, row, row.replace(CSV_REFERENCE, "", 1), "")).encode("utf-8-sig")


def _workbook(_: datetime) -> bytes:
    """A workbook as Excel keeps it, with one row: moments are Excel's own."""
    import openpyxl

    columns, row = _example_csv()
    for given, other in WORKBOOK.items():
        assert given in row, given
        row = row.replace(given, other)
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(columns.split(";"))
    sheet.append([_typed(cell) for cell in row.split(";")])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _typed(cell: str) -> str | datetime:
    with contextlib.suppress(ValueError):
        return datetime.strptime(cell, "%d-%m-%Y %H:%M")  # noqa: DTZ007 - a cell has no zone
    return cell


# each message has a household of its own, and Veilig Thuis the number that it has in the region
SENDER: Final = {"00000099000000003000": "00000099000000001003"}
WESTLAND: Final = {"999990019": "999993008", "999990020": "999993021", "999990032": "999993033"}
DEN_HAAG: Final = {"999990044": "999993045", "999990056": "999993057"}

STEPS: Final = (
    _thv("thv-den-haag", "THV Den Haag", "restraining order, Den Haag", "THV-DEMO-001", "thv-den-haag.json"),
    _thv("thv-delft", "tweede THV, Delft", "second order, Delft", "THV-DEMO-002", "thv-delft-tweede.json"),
    _cit("cit-westland", "CIT Westland", "crisis team, Westland", "CIT-2026-000417", "westland.json", WESTLAND),
    _stuf("vt-zoetermeer", "Veilig Thuis Zoetermeer", "Veilig Thuis, Zoetermeer", "VT-2026-004512", "zoetermeer.xml"),
    _stuf("mda-delft", "MDA++ Delft", "MDA++, Delft", "VT-2026-004600", "mda-delft.xml"),
    _thv("duplicate", "de eerste nog eens", "the first one again", "THV-DEMO-001", "thv-den-haag.json"),
    _thv("update", "THV Delft verlengd", "order extended, Delft", "THV-DEMO-003", "thv-delft-verlengd.json"),
    _thv("secret", "geheim adres, Rijswijk", "secret address, Rijswijk", "THV-DEMO-004", "thv-geheim-adres.json"),
    _cit("cit-den-haag", "CIT Den Haag", "crisis team, Den Haag", "CIT-2026-000418", "den-haag.json", DEN_HAAG),
    _thv("unknown-code", "onbekende code", "unknown code", "THV-DEMO-005", "thv-onbekende-code.json"),
    Step(
        "cit-xml",
        "CIT Delft, in XML",
        "crisis team, Delft, in XML",
        "cit",
        FHIR_XML,
        "CIT-2026-000425",
        _in_xml(_example("cit_fhir", "diacritics.json", {})),
    ),
    Step(
        "event",
        "CloudEvent, Delft",
        "canonical JSON in an event, Delft",
        "thv-pool",
        EVENT,
        "BOUW-2026-0001",
        _in_event(_example("referral_json", "delft.json", {})),
    ),
    _thv("malformed", "dubbele sleutel", "a key stands twice", "THV-DEMO-006", "thv-kapot.json"),
)

CSV_REFERENCE: Final = "CSV-2026-0001"
WORKBOOK_REFERENCE: Final = "XLSX-2026-0001"
WORKBOOK: Final = {  # another household than the example's
    CSV_REFERENCE: WORKBOOK_REFERENCE,
    "THV-D-2026-0031": "THV-D-2026-0032",
    "Nieuwe Langedijk;12;2611 VK": "Proefgracht;21;2611 AB",
    "Voorbeeld;;Anna": "Verzonnen;;Eva",
    "3-12-1985": "9-4-1991",
    "Specimen;van der;Bas;07-1982": "Fictief;;Jan;02-1988",
    "Specimen;Cas;01-02-2018": "Fictief;Noor;05-06-2019",
    "999991000": "999995005",
    "999991012": "999995017",
    "999991024": "999995029",
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file for the drop folder, whose first row is a message. `name`: as its source calls it."""

    first: Step
    name: str
    rows: int


DROPPED: Final = (
    Dropped(
        Step("csv", "bestand, Delft", "dropped file, Delft", "thv-pool", CSV, f"{CSV_REFERENCE}#1", _csv),
        "aanmeldingen.csv",
        2,
    ),
    Dropped(
        Step("xlsx", "werkboek, Delft", "workbook, Delft", "thv-pool", XLSX, f"{WORKBOOK_REFERENCE}#1", _workbook),
        "aanmelding.xlsx",
        1,
    ),
)

RELEASED: Final = "cit-den-haag"  # parked by its route, released by a named person
RELEASE_TO: Final = ("vvt", "lokaal-team-den-haag")
RELEASE_BY: Final = "J. de Wit, regiocoördinator"
RELEASE_REASON: Final = "VVT kan vandaag gaan; afgestemd met het CIT."
SECRET_TRACES: Final = ("uindoorn", "2555 QZ", "2555QZ", "Schuilhaven")  # stand in that message alone
MAY_KNOW: Final = "perspektief"  # the ICM team needs to know where she is
NOT_FOR: Final = "lokaal-team-rijswijk"  # whose bytes may hold none of them


def moved(body: bytes, now: datetime) -> bytes:
    """The JSON message with its instants moved, so that it was sent now; anything else as it is.

    Dates without a time (birth dates) stay. What is not JSON, or says nothing of when it was sent, stays too.
    """
    try:
        document = json.loads(body, object_pairs_hook=_once)
    except ValueError:
        return body
    sent = next((document[name] for name in SENT_AT if name in document), None)
    if sent is None:
        return body
    shift = now.replace(microsecond=0) - datetime.fromisoformat(sent)
    return json.dumps(_moved(document, shift), ensure_ascii=False).encode()


def _moved(value: Any, shift: timedelta) -> Any:
    match value:
        case dict():
            return {name: _moved(each, shift) for name, each in value.items()}
        case list():
            return [_moved(each, shift) for each in value]
        case str() if INSTANT.fullmatch(value):
            return (datetime.fromisoformat(value) + shift).isoformat()
        case _:
            return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A document with a name that stands twice is sent as it is: the hub must refuse it, not we repair it."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice")
    return document
