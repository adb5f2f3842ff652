# SPDX-License-Identifier: EUPL-1.2
"""A file as the message that a source would hand in: its media type, a table's one row, an event's document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from schakel.cli.complaint import Exit
from schakel.cli.console import stop

if TYPE_CHECKING:
    from schakel.region import Partner

FHIR: Final = "application/fhir+json"
FHIR_XML: Final = "application/fhir+xml"
EVENT: Final = "application/cloudevents+json"
CSV: Final = "text/csv"
MEDIA_TYPES: Final = {".json": "application/json", ".xml": "application/xml", ".csv": CSV, ".xlsx": CSV}
SUFFIX_FHIR: Final = (".fhir.json", ".fhir")
_TABLES: Final = (".csv", ".xlsx")
_FIRST: Final = 2_000  # bytes in which an XML document says whose it is

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A message, as the source writes it.")]
MediaType = Annotated[str | None, typer.Option(help="Content-Type; none: by the file's name and first words.")]
Row = Annotated[int, typer.Option(min=1, help="Of a CSV or workbook: which row, counted without the header.")]


@dataclass(frozen=True, slots=True)
class MessageFile:
    """What goes over the wire. `rows`: of a table, how many there are; 0 for anything else."""

    body: bytes
    media_type: str
    rows: int = 0


def read_message(file: Path, media_type: str | None, row: int) -> MessageFile:
    """Of a table the one row, as the file drop hands it in. Raises Malformed, and stops where there is no such row."""
    body = file.read_bytes()
    kind = media_type or guess(file.name, body)
    if file.suffix.lower() not in _TABLES:
        return MessageFile(body, kind)
    from connectors.formats.csv_table import read_csv
    from connectors.formats.thv_csv import ThvCsv
    from connectors.formats.xlsx_table import MAGIC, read_xlsx
    from schakel.errors import Malformed

    table = read_xlsx(body) if body.startswith(MAGIC) else read_csv(body)
    if row > len(table.rows):
        raise stop(Exit.NOT_FOUND, f"the file has {len(table.rows)} rows")
    chosen = table.rows[row - 1]
    if chosen.fault is not None:
        raise Malformed(chosen.fault)
    return MessageFile(ThvCsv().row_bytes(table, chosen), kind, len(table.rows))


def guess(name: str, body: bytes) -> str:
    """The media type by the file's name; what calls itself FHIR or a CloudEvent is that."""
    lowered = name.lower()
    if lowered.endswith(SUFFIX_FHIR):
        return FHIR
    media_type = MEDIA_TYPES.get(Path(lowered).suffix, "application/octet-stream")
    if media_type == "application/json" and b'"specversion"' in body:
        return EVENT
    if media_type == "application/json" and b'"resourceType"' in body:
        return FHIR
    if media_type == "application/xml" and b"http://hl7.org/fhir" in body[:_FIRST]:
        return FHIR_XML
    return media_type


def carried(message: MessageFile, partner: Partner) -> MessageFile:
    """The document, taken out of its event where it comes in one. Raises Refusal as the door would."""
    from connectors.formats.cloudevent_in import STRUCTURED, unwrap

    if message.media_type.partition(";")[0].strip().lower() != STRUCTURED:
        return message
    oins = (*partner.oins, *(partner.sends.forwards_for if partner.sends else ()))
    found = unwrap([("content-type", message.media_type)], message.body, oins=oins)
    return MessageFile(found.body, found.media_type)


def senders(partners: Sequence[Partner], message: MessageFile) -> list[Partner]:
    """Those whose formats recognise the bytes."""
    return [each for each in partners if _fits(each, message)]


def _fits(partner: Partner, message: MessageFile) -> bool:
    from connectors.formats import formats
    from schakel.errors import Refusal

    if partner.sends is None:
        return False
    try:
        inside = carried(message, partner)
    except Refusal:
        return False
    known, essence = formats(), inside.media_type.partition(";")[0].strip().lower()
    own = (known[name] for name in partner.sends.formats if name in known)
    return any(essence in each.media_types and each.recognises(inside.body) for each in own)
