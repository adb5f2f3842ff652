# SPDX-License-Identifier: EUPL-1.2
"""The host functions that a mapping can call: `$code`, `$moment`, `$partialDate`, `$postcode`, `$phone`; and on the
way out `$stufMoment`, `$dutchTime`, `$urn` and `$mapping`; and `$yearsAgo`."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha1
from typing import Any, Final
from uuid import UUID

from mappings.codebook import LOCAL, Codebook, UnknownCode


class Unfit(Exception):
    """A host function cannot take this value. `cause` as in Unmappable, `rule` names what was asked; no value."""

    def __init__(self, cause: str, rule: str) -> None:
        super().__init__(f"{cause}: {rule}")
        self.cause = cause
        self.rule = rule


def moment(text: Any) -> str | None:
    """A moment as RFC 3339 in UTC. Takes ISO 8601 with or without offset and StUF `JJJJMMDD[uu[mm[ss[f…]]]]`.

    A time without an offset is Dutch local time; of the hour that comes twice in autumn the first is meant, and a bare
    date is that day at 00:00 (for the end of an order the cautious reading). Absent and "" give nothing.
    """
    if text is None or text == "":
        return None
    given = _text(text, "moment")
    if _UTC_MOMENT.match(given) and _is_real(given):
        return given
    try:
        read = _stuf_moment(given) if _STUF_MOMENT.match(given) else datetime.fromisoformat(given)
        if read.tzinfo is None:
            read = read.replace(tzinfo=LOCAL)
        utc = read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("contradiction", "moment: not a date and time") from None
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def partial_date(text: Any) -> dict[str, str] | None:
    """A date of which the day, month or all may be unknown, as `{value, precision}`.

    Takes `JJJJ-MM-DD`, `JJJJ-MM`, `JJJJ` and StUF `JJJJMMDD`, `JJJJMM00`, `JJJJ0000`; `99999999` (unborn) and
    `00000000` are an unknown date (Uitvoeringsregeling Wmo 2015, annex). Absent and "" give nothing.
    """
    if text is None or text == "":
        return None
    given = _text(text, "partialDate")
    if _WHOLE_DATE.match(given) and _is_real(given):
        return {"value": given, "precision": "day"}
    match = _PARTIAL_DATE.match(given)
    if match is None:
        raise Unfit("contradiction", "partialDate: not a (partly known) date")
    year, month, day = match["year"], match["month"] or match["month8"] or "00", match["day"] or match["day8"] or "00"
    if year in ("0000", "9999"):
        return {"precision": "unknown"}
    if month == "00":
        return {"value": year, "precision": "year"}
    try:
        date(int(year), int(month), int(day) or 1)
    except ValueError:
        raise Unfit("contradiction", "partialDate: not a day of the calendar") from None
    if day == "00":
        return {"value": f"{year}-{month}", "precision": "month"}
    return {"value": f"{year}-{month}-{day}", "precision": "day"}


def postcode(text: Any) -> str | None:
    """A Dutch postcode as `1234AB` (or the four digits alone). Absent and "" give nothing."""
    if text is None or text == "":
        return None
    plain = _text(text, "postcode")
    if not _POSTCODE.match(plain):
        plain = re.sub(r"\s", "", plain).upper()
    if not _POSTCODE.match(plain):
        raise Unfit("contradiction", "postcode: not a Dutch postcode")
    return plain


def phone(text: Any) -> str | None:
    """A telephone number without outer blanks, inner blanks single. Absent and blank give nothing."""
    if text is None:
        return None
    return " ".join(_text(text, "phone").split()) or None


def stuf_moment(text: Any) -> str | None:
    """RFC 3339 → StUF `JJJJMMDDuummssfff` in Dutch local time (StUF times carry no offset). Absent gives nothing."""
    local = _local(text, "stufMoment")
    return None if local is None else f"{local.year:04}{local:%m%d%H%M%S}{local.microsecond // 1000:03}"


def dutch_time(text: Any) -> str | None:
    """RFC 3339 → `dd-mm-jjjj uu:mm` in Dutch local time, for people. Absent gives nothing."""
    local = _local(text, "dutchTime")
    return None if local is None else f"{local:%d-%m}-{local.year:04} {local:%H:%M}"


def _local(text: Any, function: str) -> datetime | None:
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(_text(text, function))
        if read.tzinfo is None:
            raise ValueError("no offset")
        return read.astimezone(LOCAL)
    except (ValueError, OverflowError):
        raise Unfit("contradiction", f"{function}: not a moment with an offset") from None


def urn(*parts: Any) -> str:
    """A `urn:uuid:` made of its parts (UUIDv5): the same parts give the same one. An absent part counts as empty."""
    for part in parts:
        if part is not None and not isinstance(part, str):
            raise Unfit("mapping-error", "urn: takes text")
    name = "\x1f".join([part or "" for part in parts])
    # RFC 9562 section 5.5 in so many words: a message has twenty, and `uuid.uuid5` takes six times as long for one
    digits = sha1(_URN_SPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digits[16]]
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def years_ago(years: Any, *, now: datetime) -> str:
    """The day of receipt (UTC) so many whole years earlier, `JJJJ-MM-DD`: whoever was born later is younger. A bound to
    compare texts with, so 29 February may come out of a year that has none."""
    if isinstance(years, bool) or not isinstance(years, int | float) or not 0 <= years <= 150:
        raise Unfit("mapping-error", "yearsAgo: takes a number of years")
    utc = now.astimezone(UTC)
    return f"{utc.year - int(years):04}-{utc.month:02}-{utc.day:02}"


URN_SPACE: Final = UUID("5c3cd2b2-6f0c-5c3b-8f5a-0f0d5a4c1e77")  # ours; drawn once
_URN_SPACE: Final = URN_SPACE.bytes
_VARIANTS: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # of a hexadecimal digit its last two bits


class Moment(threading.local):
    """The time of receipt of the message that this thread is mapping. Functions are made known to an expression once;
    what a code means can depend on the day."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def host_functions(
    books: Mapping[str, Codebook], now: Callable[[], datetime], mapping: str = ""
) -> dict[str, Callable[..., Any]]:
    """The functions by the name that mappings use; `$code` knows only the books that the mapping declares; `mapping` is
    its own name and version."""

    def code(book: Any, value: Any = None) -> Any:
        if value is None:
            return None
        if not isinstance(book, str) or book not in books:
            raise Unfit("mapping-error", "code: the book is not among the mapping's codebooks")
        if isinstance(value, list):
            return [translate(books[book], each, now=now()) for each in value]
        return translate(books[book], value, now=now())

    return {
        "code": code,
        "moment": moment,
        "partialDate": partial_date,
        "postcode": postcode,
        "phone": phone,
        "stufMoment": stuf_moment,
        "dutchTime": dutch_time,
        "urn": urn,
        "mapping": lambda: mapping,
        "yearsAgo": lambda years: years_ago(years, now=now()),
    }


NAMES: Final = frozenset(
    {"code", "moment", "partialDate", "postcode", "phone", "stufMoment", "dutchTime", "urn", "mapping", "yearsAgo"}
)


def translate(book: Codebook, value: Any, *, now: datetime) -> Any:
    """One code through one book. Raises Unfit: `unknown-code`, or `mapping-error` when it is not text."""
    if not isinstance(value, str):
        raise Unfit("mapping-error", f"code {book.name}: a code is text")
    try:
        return book.translate(value, now=now)
    except UnknownCode as error:
        raise Unfit("unknown-code", f"code {book.name}: {error.rule}") from None


_STUF_MOMENT: Final = re.compile(r"^[0-9]{8,17}$", re.ASCII)
_PARTIAL_DATE: Final = re.compile(
    r"^(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?|(?P<month8>[0-9]{2})(?P<day8>[0-9]{2}))?$",
    re.ASCII,
)
_POSTCODE: Final = re.compile(r"^[1-9][0-9]{3}([A-Z]{2})?$", re.ASCII)


# as we write them ourselves
_UTC_MOMENT: Final = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z", re.ASCII)
_WHOLE_DATE: Final = re.compile(r"^(?!9999)[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)


def _is_real(given: str) -> bool:
    """Whether the calendar and the clock have it."""
    try:
        datetime.fromisoformat(given)
    except ValueError:
        return False
    return True


def _text(value: Any, function: str) -> str:
    if not isinstance(value, str):
        raise Unfit("mapping-error", f"{function}: takes text")
    return value.strip()


def _stuf_moment(digits: str) -> datetime:
    """`JJJJMMDDuummssfff`, cut off anywhere after the day at whole parts."""
    whole, fraction = digits[:14], digits[14:]
    form = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(whole))
    if form is None:
        raise ValueError("half a part")
    read = datetime.strptime(whole, form)  # noqa: DTZ007 (the caller adds the zone)
    return read.replace(microsecond=int(fraction.ljust(6, "0"))) if fraction else read
