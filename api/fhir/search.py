# SPDX-License-Identifier: EUPL-1.2
"""Searching one's own Tasks: the few parameters that give nothing away, and the searchset that comes back.

`_id` is an answer reference, and those never stand in a query of a URL: it is taken by POST `_search` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from connectors.formats.fhir_task import ASKED_AS, FULFILL, TaskTable
from schakel.errors import Finding, Malformed
from schakel.records import RequestQuery

MOST: Final = 200
USUAL: Final = 50
MOST_IDS: Final = 100
PARAMETERS: Final = ("status", "code", "_lastUpdated", "_count")
_ASIDE: Final = frozenset({"_format", "_total", "_totalMethod", "_pretty"})  # change nothing of what is found
_AFTER: Final = "after"  # a page begins after this request; opaque
_MOMENT: Final = re.compile(
    r"^(?P<prefix>eq|gt|ge|lt|le|sa|eb)?(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)(?P<zone>Z|[+\- ][0-9]{2}:[0-9]{2}))?)?)?$",
    re.ASCII,
)
_ROLES: Final = re.compile(r"^[a-z][a-z-]{0,30}$")


@dataclass(frozen=True, slots=True)
class Search:
    """`nothing`: the parameters are right and fit no Task that there could be."""

    query: RequestQuery
    count: int
    after: str
    nothing: bool
    said: tuple[tuple[str, str], ...]  # the parameters, for the links to other pages


def search_of(parameters: Iterable[tuple[str, str]], table: TaskTable, *, in_body: bool) -> Search:
    """Raises Malformed: a parameter that is not ours, or no value of it. `in_body`: they came by POST."""
    given = [(name, value) for name, value in parameters if name not in _ASIDE]
    known = {*PARAMETERS, _AFTER, *(["_id"] if in_body else [])}
    for name, _ in given:
        if name not in known:
            raise _unknown("_id" if name == "_id" else None)
    statuses = _codes(given, "status")
    codes = _codes(given, "code")
    ids = _codes(given, "_id")
    if len(ids or ()) > MOST_IDS:
        raise _wrong("_id")
    roles = _roles(codes)
    states = None if statuses is None else table.states(statuses)
    updated_from, updated_before = _updated([value for name, value in given if name == "_lastUpdated"])
    query = RequestQuery(
        references=tuple(each.upper() for each in ids or ()),
        states=states or (),
        roles=roles or (),
        updated_from=updated_from,
        updated_before=updated_before,
    )
    after = next((value for name, value in given if name == _AFTER), "")
    kept = tuple(pair for pair in given if pair[0] in PARAMETERS)
    nothing = states == () or roles == () or ids == ()
    count = max(MOST_IDS, USUAL) if ids else _count([value for name, value in given if name == "_count"])
    return Search(query=query, count=count, after=after, nothing=nothing, said=kept)


def searchset(
    tasks: Sequence[Mapping[str, Any]], search: Search, *, base: str, total: int, next_after: str | None
) -> dict[str, Any]:
    """The Bundle. Links never hold an `_id`."""
    links = [{"relation": "self", "url": _url(base, search.said, search.after)}]
    if next_after is not None:
        links.append({"relation": "next", "url": _url(base, search.said, next_after)})
    entries = [
        {"fullUrl": f"{base}/Task/{task['id']}", "resource": task, "search": {"mode": "match"}} for task in tasks
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
    return bundle | ({"entry": entries} if entries else {})


def _url(base: str, said: Iterable[tuple[str, str]], after: str) -> str:
    parameters = [*said, *([(_AFTER, after)] if after else [])]
    return f"{base}/Task" + (f"?{urlencode(parameters)}" if parameters else "")


def _codes(given: Iterable[tuple[str, str]], wanted: str) -> tuple[str, ...] | None:
    """The codes of a token parameter, of its system only ours matter; None: not asked for."""
    values = [value for name, value in given if name == wanted]
    if not values:
        return None
    if len(values) > 1:
        raise _wrong(wanted)  # both at once: nothing has two
    tokens = (token.strip() for token in values[0].split(","))
    codes = tuple(token.rpartition("|")[2] if not token.startswith(ASKED_AS) else token for token in tokens)
    return tuple(code for code in codes if code)


def _roles(codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """None: every role. A Task is always one to be fulfilled, and says as what its owner was asked."""
    if codes is None or FULFILL in codes:
        return None
    return tuple(code for each in codes if _ROLES.match(code := each.rpartition("|")[2]))


def _count(values: list[str]) -> int:
    if not values:
        return USUAL
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,6}", values[0]):
        raise _wrong("_count")
    return min(int(values[0]), MOST)


def _updated(values: list[str]) -> tuple[datetime | None, datetime | None]:
    """[from, before) of all values together."""
    lower: list[datetime] = []
    upper: list[datetime] = []
    for value in values:
        start, end, prefix = _range(value)
        if prefix in ("eq", "ge"):
            lower.append(start)
        if prefix in ("gt", "sa"):
            lower.append(end)
        if prefix in ("eq", "le"):
            upper.append(end)
        if prefix in ("lt", "eb"):
            upper.append(start)
    return max(lower, default=None), min(upper, default=None)


def _range(value: str) -> tuple[datetime, datetime, str]:
    """What a FHIR date or time stands for: its first moment and the one after it. Without zone: UTC."""
    match = _MOMENT.match(value)
    if match is None:
        raise _wrong("_lastUpdated")
    year, month, day, time = match["year"], match["month"], match["day"], match["time"]
    zone = (match["zone"] or "Z").replace(" ", "+")  # a plus that nobody encoded
    try:
        start = datetime.fromisoformat(f"{year}-{month or '01'}-{day or '01'}T{time or '00:00'}{zone}").astimezone(UTC)
        if time is not None:
            end = start + timedelta(milliseconds=1 if "." in time else 1000 if time.count(":") == 2 else 60_000)
        elif day is not None:
            end = start + timedelta(days=1)
        else:
            end = start.replace(year=start.year + 1) if month is None else (start + timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError):
        raise _wrong("_lastUpdated") from None
    return start, end, match["prefix"] or "eq"


def _unknown(name: str | None) -> Malformed:
    if name is not None:
        nl = "Een kenmerk staat niet in een URL: zoek met POST Task/_search."
        return Malformed(Finding(name, "fhir-search", nl, "A reference has no place in a URL: use POST Task/_search."))
    known = ", ".join((*PARAMETERS, "_id (POST)"))
    nl, en = f"Hiermee kan niet gezocht worden; wel met: {known}.", f"Not to be searched by; known: {known}."
    return Malformed(Finding("(parameter)", "fhir-search", nl, en))


def _wrong(name: str) -> Malformed:
    return Malformed(
        Finding(name, "fhir-search", "Deze waarde is geen waarde van deze parameter.", "No value of this parameter.")
    )
