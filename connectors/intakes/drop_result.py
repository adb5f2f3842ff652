# SPDX-License-Identifier: EUPL-1.2
"""What became of each row, as a CSV that a Dutch Excel opens: reference, outcome and reason, and no other cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schakel.errors import Conflict, Refusal
from schakel.ports import Notice, Receipt

HEADER: Final = ("regel", "kenmerk", "versie", "uitkomst", "bericht_id", "reden_nl", "reden_en")
ACCEPTED: Final = "aangenomen"
PARKED: Final = "geparkeerd"
REFUSED: Final = "geweigerd"
DUPLICATE: Final = "dubbel"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet recognises one
_HIGHER_NL: Final = "Verhoog de versie als de rij is gewijzigd."
_HIGHER_EN: Final = "Raise the version when the row has changed."
Named = tuple[int, str, str]  # line, kenmerk, versie


@dataclass(frozen=True, slots=True)
class RowResult:
    """One line. `message_id` is what the status door knows the message by; empty when refused."""

    line: int
    reference: str
    version: str
    outcome: str
    message_id: str
    nl: str
    en: str


def accepted(named: Named, receipt: Receipt) -> RowResult:
    """Accepted, parked (accepted, and a person decides first), or known already."""
    waits = receipt.state == "parked"
    outcome = DUPLICATE if receipt.duplicate else PARKED if waits else ACCEPTED
    told = [one for one in receipt.notices if one.outcome == ("park" if waits else "deliver")]
    nl = "; ".join(_said(one, one.nl) for one in told)
    en = "; ".join(_said(one, one.en) for one in told)
    if waits and receipt.parked_cause:
        nl, en = f"{receipt.parked_cause}: {nl}", f"{receipt.parked_cause}: {en}"
    return RowResult(*named, outcome, receipt.message_id, nl, en)


def refused(named: Named | None, refusal: Refusal) -> RowResult:
    """A row, or (None) the whole file. Places and rules; never what a cell holds."""
    nl = " ".join(one.nl for one in refusal.findings) or refusal.title_nl
    en = " ".join(one.en for one in refusal.findings) or refusal.title_en
    if isinstance(refusal, Conflict):
        nl, en = f"{nl} {_HIGHER_NL}", f"{en} {_HIGHER_EN}"
    return RowResult(*(named or (0, "", "")), REFUSED, "", nl, en)


def result_file(rows: Sequence[RowResult]) -> bytes:
    """UTF-8 with a byte order mark and semicolons; what could be taken for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        cells = (row.line or "", row.reference, row.version, row.outcome, row.message_id, row.nl, row.en)
        writer.writerow([_harmless(str(cell)) for cell in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _said(notice: Notice, text: str) -> str:
    return f"{notice.recipient} ({notice.role}): {text}" if notice.outcome == "deliver" else text


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
