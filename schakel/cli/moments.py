# SPDX-License-Identifier: EUPL-1.2
"""Reads and shows moments and lengths of time as people on duty write them: `2h`, `09:00`, `2026-11-22 09:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import typer

from schakel.cli.console import LOCAL

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "u": "hours", "d": "days"}
_LENGTH: Final = re.compile(r"(\d{1,4})([smhud])", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


def length(text: str, option: str) -> timedelta:
    """`30s`, `45m`, `2h` (or `2u`), `1d`. Raises typer.BadParameter."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter("a length of time: 30s, 45m, 2h (2u) or 1d", param_hint=option)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def ahead(text: str, option: str, *, now: datetime) -> datetime:
    """A length from now, the next time a Dutch clock says `09:00`, or a date and time. Raises typer.BadParameter."""
    text = text.strip()
    if _LENGTH.fullmatch(text):
        return now + length(text, option)
    if found := _CLOCK.fullmatch(text):
        return _next(int(found[1]), int(found[2]), option, now)
    return _stated(text, option)


def ago(text: str, option: str, *, now: datetime) -> datetime:
    """A length before now, or a date and time. Raises typer.BadParameter."""
    return now - length(text, option) if _LENGTH.fullmatch(text.strip()) else _stated(text, option)


def age(since: datetime | None, *, now: datetime) -> str:
    """How long ago, or how long still: `45s`, `12m`, `2u14`, `3d4u`, `112d` (u: uur, hour); six characters up to 99,999
    days. Empty without a moment."""
    if since is None:
        return ""
    seconds = int(abs((now - since).total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // 60}m"
    if seconds < _DAY:
        return f"{seconds // _HOUR}u{seconds % _HOUR // 60:02}"
    days = seconds // _DAY
    return f"{days}d{seconds % _DAY // _HOUR}u" if days < 100 else f"{days}d"


def _next(hour: int, minute: int, option: str, now: datetime) -> datetime:
    if hour > 23 or minute > 59:
        raise typer.BadParameter("a time of day from 00:00 to 23:59", param_hint=option)
    here = now.astimezone(LOCAL)
    today = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
    then = today if today > here else (today.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=LOCAL)
    return then.astimezone(now.tzinfo)


def _stated(text: str, option: str) -> datetime:
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("2h, 09:00, or a date and time (2026-11-22 09:00)", param_hint=option) from None
    return stated if stated.tzinfo else stated.replace(tzinfo=LOCAL)
