# SPDX-License-Identifier: EUPL-1.2
"""Takes up dropped files: each row is its own referral, a bad row never stops the others, and each hears its outcome.

A file's rows go through the same door as any message, beside each other, so that they share commits. The clear file is
removed when all rows are kept or refused for good; before that a crash costs nothing but work done twice, because a row
that is known already is a duplicate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from connectors.formats.csv_table import Table, TableRow, fault, read_csv
from connectors.formats.foreign import looks_like
from connectors.formats.thv_csv import REFERENCE, VERSION, ThvCsv
from connectors.formats.xlsx_table import MAGIC, OLD_EXCEL, read_xlsx
from connectors.intakes.drop_folder import MAX_FILE, DropFolder, Taken, Watch
from connectors.intakes.drop_result import RowResult, accepted, refused, result_file
from schakel.errors import Finding, Malformed, Refusal, SchakelError, Unacceptable
from schakel.likeness import RULE as NOT_EXPECTED
from schakel.log import Log
from schakel.ports import AdminStore, Clock, Envelope, Receipt, Vault
from schakel.records import AuditEntry, NewAlarm
from schakel.region import Partner, Region

LOOK_EVERY: Final = 1.0  # seconds
ERASE_EVERY: Final = 60.0  # seconds
WAITS_TOO_LONG: Final = 600.0  # seconds that a file may lie there incomplete before a human is told
AT_ONCE: Final = 50  # rows of one commit: reading and mapping so many keeps the door waiting less than half a second
MEDIA_TYPE: Final = "text/csv"
COORDINATOR: Final = "coordinator"
FILE_REFUSED: Final = "drop-file-refused"
ROWS_REFUSED: Final = "drop-rows-refused"
FILE_WAITS: Final = "drop-file-waits"
FAILS: Final = "drop-fails"


class Door(Protocol):
    """What the file drop asks of the intake."""

    async def receive(
        self, partner: Partner, body: bytes, media_type: str, received_at: datetime
    ) -> tuple[Envelope, Receipt]: ...


@dataclass(frozen=True, slots=True)
class Pass:
    """What one look did. `waiting`: files that are not complete yet."""

    files: int
    refused_files: int
    rows: Mapping[str, int]  # by outcome
    waiting: int


class _Stopped(Exception):
    """The hub ends while rows still wait: the file stays and is taken up at the next start."""


class FileDrop:
    """Watches a folder per source whose formats include `thv-csv`. Several hubs may watch the same folders."""

    def __init__(
        self,
        folder: Path,
        *,
        door: Door,
        admin: AdminStore,
        region: Region,
        vault: Vault,
        clock: Clock,
        log: Log,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._format = ThvCsv()
        self._door = door
        self._admin = admin
        self._region = region
        self._clock = clock
        self._log = log
        self._monotonic = monotonic
        self._sources = [
            _Source(partner, DropFolder(folder, partner.id, vault=vault), Watch(), set())
            for partner in region.partners
            if partner.sends is not None and self._format.name in partner.sends.formats
        ]
        self._erase_next = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Looks every second until `stop`. A look that fails is tried again; a human is told of the first one."""
        failing = False
        while not stop.is_set():
            try:
                await self.run_once(stop)
            except (OSError, SchakelError) as error:
                self._log.error("drop.look-failed", exc_info=error)
                with contextlib.suppress(SchakelError):
                    if not failing:
                        alarm = NewAlarm(FAILS, "file-drop", COORDINATOR, *_FAILS)
                        await self._admin.raise_alarms([alarm], now=self._clock.now())
                failing = True
            else:
                failing = False
            await _pause(stop, LOOK_EVERY)

    async def run_once(self, stop: asyncio.Event | None = None) -> Pass:
        """One look at all folders: what was left behind, then what is complete; erases what is past its term.

        Raises the first OSError or SchakelError, after every file has had its turn."""
        seen = _Seen()
        with contextlib.suppress(_Stopped):
            for source in self._sources:
                with seen.trouble():
                    await asyncio.to_thread(source.folder.prepare)
                    await self._look(source, stop or asyncio.Event(), seen)
            with seen.trouble():
                await self._erase()
        if seen.troubles:
            raise seen.troubles[0]
        return Pass(
            files=len(seen.files),
            refused_files=sum(one is None for one in seen.files),
            rows=_counted([row for one in seen.files if one is not None for row in one]),
            waiting=seen.waiting,
        )

    async def _look(self, source: _Source, stop: asyncio.Event, seen: _Seen) -> None:
        taken, still = await asyncio.to_thread(self._taken, source)
        seen.waiting += len(still)
        try:
            await self._tell_of_waiting(source, still)
            for one in taken:
                with seen.trouble():
                    seen.files.append(await self._take_up(source, one, stop))
        finally:
            for one in taken:
                one.let_go()

    # -- what is there

    def _taken(self, source: _Source) -> tuple[list[Taken], dict[str, float]]:
        folder = source.folder
        taken = list(folder.left_behind())
        look = source.watch.look(folder.found(), at=self._monotonic())
        complete = (*look.renamed, *(name for name in look.settled if folder.ended(name)))
        for name in complete:
            one = folder.take(name, now=self._clock.now())
            if one is not None:
                taken.append(one)
        return taken, {name: age for name, age in look.still.items() if name not in complete}

    async def _tell_of_waiting(self, source: _Source, still: Mapping[str, float]) -> None:
        """Once per file, when nothing has changed for so long that nobody is writing it any more."""
        late = {name for name, age in still.items() if age >= WAITS_TOO_LONG}
        for _ in late - source.told:
            await self._alarm(source.partner, FILE_WAITS, _WAITS)
        source.told.intersection_update(still)
        source.told.update(late)

    # -- one file

    async def _take_up(self, source: _Source, taken: Taken, stop: asyncio.Event) -> Sequence[RowResult] | None:
        """The outcome of each row; None: nothing in the file could be read."""
        now = self._clock.now()
        erase_at = now + self._region.retention.raw
        results: Sequence[RowResult] | None
        try:
            try:
                table = await asyncio.to_thread(self._read, taken)
            except Malformed as refusal:
                result, results = result_file([refused(None, refusal)]), None
            else:
                results = await self._rows(source.partner, table, stop)
                result = result_file(results)
            if results is None:
                await self._alarm(source.partner, FILE_REFUSED, _UNREADABLE)
            elif any(row.outcome == "geweigerd" for row in results):
                await self._alarm(source.partner, ROWS_REFUSED, _ROWS)
            counts = _counted(results or ())
            detail = " ".join(f"{name}={count}" for name, count in counts.items()) or "unreadable"
            await self._admin.audit([AuditEntry(now, source.partner.id, "drop:file", taken.mark, detail)])
            finish = source.folder.finish
            await asyncio.to_thread(finish, taken, result, read=results is not None, erase_at=erase_at)
        finally:
            taken.let_go()
        self._log.info(
            "drop.file-done",
            partner=source.partner.id,
            count=len(results or ()),
            outcome="read" if results is not None else "unreadable",
        )
        return results

    def _read(self, taken: Taken) -> Table:
        """By what the file is, not by its name. Raises Malformed."""
        if os.fstat(taken.handle.fileno()).st_size > MAX_FILE:
            raise Malformed(_TOO_LARGE)
        body = taken.path.read_bytes()
        if body.startswith(OLD_EXCEL):
            raise Malformed(_OLD)
        try:
            table = read_xlsx(body) if body.startswith(MAGIC) else read_csv(body)
            self._format.check_header(table)
        except Malformed as refusal:
            raise _explained(refusal, body, self._format.name) from None
        except Exception as error:  # a fault of ours: the file must not be taken up for ever
            self._log.error("drop.reader-faulty", exc_info=error)
            raise Malformed(_FAULTY) from None
        return table

    async def _rows(self, partner: Partner, table: Table, stop: asyncio.Event) -> list[RowResult]:
        """In waves: versions of one reference one after another, oldest first; everything else side by side."""
        outcomes: dict[int, RowResult] = {}
        for wave in _waves(table):
            for start in range(0, len(wave), AT_ONCE):
                if outcomes and stop.is_set():
                    raise _Stopped
                some = wave[start : start + AT_ONCE]
                done = await asyncio.gather(*(self._row(partner, table, row, stop) for row in some))
                outcomes |= {row.number: outcome for row, outcome in zip(some, done, strict=True)}
        return [outcomes[row.number] for row in table.rows]

    async def _row(self, partner: Partner, table: Table, row: TableRow, stop: asyncio.Event) -> RowResult:
        named = (row.number, _cell(table, row, REFERENCE), _cell(table, row, VERSION))
        if row.fault is not None:
            return refused(named, Malformed(row.fault))
        body = self._format.row_bytes(table, row)
        while True:
            try:
                _, receipt = await self._door.receive(partner, body, MEDIA_TYPE, self._clock.now())
            except Unacceptable as later:
                if await _pause(stop, float(later.retry_after or 2)):
                    raise _Stopped from None
            except Refusal as refusal:
                rule = refusal.findings[0].rule if refusal.findings else None
                self._log.info(
                    "drop.row-refused", partner=partner.id, status=refusal.status, kind=refusal.slug, rule=rule
                )
                return refused(named, refusal)
            except Exception as error:  # a fault of ours in one row never stops the others
                self._log.error("drop.row-failed", partner=partner.id, exc_info=error)
                return refused(named, Malformed(_FAULTY))
            else:
                return accepted(named, receipt)

    # -- telling, erasing

    async def _alarm(self, partner: Partner, cause: str, words: tuple[str, str]) -> None:
        nl, en = (text.format(name=partner.name) for text in words)
        alarm = NewAlarm(cause=cause, subject=partner.id, owner=COORDINATOR, nl=nl, en=en)
        await self._admin.raise_alarms([alarm], now=self._clock.now())
        self._log.warning("drop.alarm", partner=partner.id, cause=cause)

    async def _erase(self) -> None:
        if self._monotonic() < self._erase_next:
            return
        self._erase_next = self._monotonic() + ERASE_EVERY
        now = self._clock.now()
        before = now - self._region.retention.content_after_close
        for source in self._sources:
            gone = await asyncio.to_thread(source.folder.erase, now=now, results_before=before)
            if gone:
                self._log.info("drop.erased", partner=source.partner.id, count=gone)


@dataclass(slots=True)
class _Seen:
    """What one look gathers."""

    files: list[Sequence[RowResult] | None] = field(default_factory=list)
    waiting: int = 0
    troubles: list[OSError | SchakelError] = field(default_factory=list)

    @contextlib.contextmanager
    def trouble(self) -> Iterator[None]:
        """What fails inside is tried again at the next look; what comes after it goes on now."""
        try:
            yield
        except (OSError, SchakelError) as trouble:
            self.troubles.append(trouble)


@dataclass(frozen=True, slots=True)
class _Source:
    partner: Partner
    folder: DropFolder
    watch: Watch
    told: set[str]  # names of files of which a human was told that they wait


def _explained(refusal: Malformed, body: bytes, own: str) -> Malformed:
    """With what was expected and what this looks like, where that is another kind of file."""
    seen = looks_like(body)
    if own in seen.read_by or seen.nl.startswith(_WORKBOOK):
        return refusal
    nl = f"Verwacht: een CSV-bestand of Excel-werkmap (.xlsx) met een kolom {REFERENCE}. Dit lijkt op: {seen.nl}."
    en = f"Expected: a CSV file or Excel workbook (.xlsx) with a column {REFERENCE}. This looks like: {seen.en}."
    return Malformed(*refusal.findings, Finding("file", NOT_EXPECTED, nl, en), status=refusal.status)


def _waves(table: Table) -> list[list[TableRow]]:
    by_reference: dict[str, list[TableRow]] = {}
    for row in table.rows:
        by_reference.setdefault(_cell(table, row, REFERENCE), []).append(row)
    waves: list[list[TableRow]] = []
    for rows in by_reference.values():
        # equal versions keep the order of the file
        for place, row in enumerate(sorted(rows, key=lambda row: _number(_cell(table, row, VERSION)))):
            waves += [[]] if place == len(waves) else []
            waves[place].append(row)
    return waves


def _cell(table: Table, row: TableRow, name: str) -> str:
    at = table.header.index(name) if name in table.header else -1
    return row.cells[at] if 0 <= at < len(row.cells) else ""


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 1


def _counted(rows: Sequence[RowResult]) -> dict[str, int]:
    outcomes = [row.outcome for row in rows]
    return {name: outcomes.count(name) for name in sorted(set(outcomes))}


async def _pause(stop: asyncio.Event, seconds: float) -> bool:
    """Waits; True when the hub ends meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


_WORKBOOK: Final = "een Excel-werkmap"
_TOO_LARGE: Final[Finding] = fault(
    "file", "drop:size", f"Het bestand is groter dan {MAX_FILE // 2**20} MiB", f"Larger than {MAX_FILE // 2**20} MiB"
)
_OLD: Final[Finding] = fault(
    "file",
    "drop:xls",
    "Een oud Excelbestand (.xls) of een met wachtwoord; bewaar het als .xlsx zonder wachtwoord of als CSV",
    "An old Excel file (.xls) or one with a password; save it as .xlsx without password, or as CSV",
)
_FAULTY: Final[Finding] = fault(
    "file", "drop:internal", "Er ging bij ons iets mis; bel de beheerder", "Something went wrong on our side"
)
_FAILS: Final = (
    "De aanlevermap kan nu niet worden gelezen of bijgehouden. Waarschuw de beheerder.",
    "The drop folder cannot be read or kept now. Tell the engineer.",
)
_UNREADABLE: Final = (
    "Een bestand van {name} in de aanlevermap is niet te lezen; er is niets uit aangenomen. Bel de afzender.",
    "A file of {name} in the drop folder cannot be read; nothing of it was accepted. Call the sender.",
)
_ROWS: Final = (
    "Rijen in een bestand van {name} zijn geweigerd; het resultaatbestand zegt welke. Bel de afzender.",
    "Rows in a file of {name} were refused; the result file says which. Call the sender.",
)
_WAITS: Final = (
    "Een bestand van {name} ligt al tien minuten onaf in de aanlevermap. Bel de afzender.",
    "A file of {name} has lain unfinished in the drop folder for ten minutes. Call the sender.",
)
