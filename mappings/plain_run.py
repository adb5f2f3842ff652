# SPDX-License-Identifier: EUPL-1.2
"""What the Python of a mapping calls while a message is mapped; each does what the engine's function of that name does,
or raises NotPlain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

MOST: Final = 10_000  # values in a list that the engine makes
LONGEST: Final = 65_536  # characters of a text that is made: in UTF-8 within what the engine makes
_MOST_DIGITS: Final = 15  # of a number that is the same in the engine
NOTHING: Final[Mapping[str, Any]] = {}  # has no field


class NotPlain(Exception):
    """The rules must be run one by one: something is to be said about one of them, or they cost too much together."""


def not_plain() -> NoReturn:
    raise NotPlain


def full(values: Sequence[Any]) -> Sequence[Any]:
    """The values of a list, none of which is null."""
    if None in values or len(values) > MOST:
        raise NotPlain
    return values


def single(values: Sequence[Any] | None) -> Any:
    """The one value of what a path found; None when that is nothing. More than one is something to be told."""
    if not values:
        return None
    if len(values) > 1:
        raise NotPlain
    return values[0]


def alone(values: Sequence[Any]) -> Any:
    """The one value of what a path found; None when there is another number of them."""
    return values[0] if len(values) == 1 else None


def no_list(values: Sequence[Any] | None) -> None:
    """For where one value is to stand."""
    if values is not None:
        raise NotPlain


def listed(value: Any) -> list[Any]:
    """The values of what may be a list."""
    if value is None:
        return []
    return [each for each in value if each is not None] if value.__class__ is list else [value]


def items_of(value: Any) -> Sequence[Any]:
    """The items of what may be a list. One that is null is an item too, and something to be told."""
    if value is None:
        return ()
    return full(value) if value.__class__ is list else (value,)


def appended(one: Any, other: Any) -> Any:
    """`$append`, of what the engine would give."""
    if one is None or other is None:
        return other if one is None else one
    return [*(one if one.__class__ is list else (one,)), *(other if other.__class__ is list else (other,))]


def distinct(values: Any) -> Any:
    return list(dict.fromkeys(values)) if values.__class__ is list else values


def unlisted(value: Any) -> Any:
    """For where one value is to stand, of what the engine would give."""
    if value.__class__ is list:
        raise NotPlain
    return value


def raw(values: Sequence[Any]) -> Any:
    """What a path found, as the engine gives it."""
    return values if len(values) > 1 else values[0] if values else None


def at(values: Sequence[Any], position: int) -> Any:
    if position >= len(values):
        return None
    value = values[position]
    if value is None:
        raise NotPlain
    return value


def settled(values: Sequence[Any] | None) -> Sequence[Any] | None:
    """A list of which it is not known whether one in it would be that one."""
    if values is not None and len(values) < 2:
        raise NotPlain
    return values


def copied(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A constant that goes out may be changed there."""
    if value is None:
        return None
    return {name: copied(each) if each.__class__ is dict else each for name, each in value.items()}


def text_of(value: Any) -> str:
    """As `$string` and `&` have it; "" for undefined."""
    if value.__class__ is str:
        return _not_too_long(value)
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if value.__class__ is int and -(10**_MOST_DIGITS) < value < 10**_MOST_DIGITS:
        return str(value)
    raise NotPlain


def joined(*parts: Any) -> str:
    """`&`."""
    return _not_too_long("".join([part if part.__class__ is str else text_of(part) for part in parts]))


def glued(*parts: str) -> str:
    """`&` of texts that are there."""
    return _not_too_long("".join(parts))


def join(values: Sequence[str] | None, between: str) -> str | None:
    if values is None or isinstance(values, str):
        return values
    return _not_too_long(between.join(values))


def _not_too_long(text: str) -> str:
    if len(text) > LONGEST:
        raise NotPlain
    return text


def substring_before(text: str | None, sign: str) -> str | None:
    return None if text is None else _not_too_long(text).partition(sign)[0]


def substring_after(text: str | None, sign: str) -> str | None:
    if text is None:
        return None
    before, found, after = _not_too_long(text).partition(sign)
    return after if found else before


def substring(text: str | None, start: int, length: int) -> str | None:
    return None if text is None else _not_too_long(text[start : start + length])


def trimmed(text: str | None) -> str | None:
    return None if text is None else _BLANKS.sub(" ", _not_too_long(text)).strip(" ")


def lowercase(text: str | None) -> str | None:
    return None if text is None else _not_too_long(text).lower()


def replaced(text: str | None, old: str, new: str) -> str | None:
    return None if text is None else _not_too_long(text.replace(old, new))


def precedes(one: str, other: str) -> bool:
    """`<` of texts, by their UTF-16 as JavaScript has it."""
    if one.isascii() or other.isascii():
        return one < other
    return one.encode("utf-16-be", "surrogatepass") < other.encode("utf-16-be", "surrogatepass")


def padded(text: str | None, width: int, sign: str) -> str | None:
    """`$pad`: to the left when `width` is less than nothing."""
    if text is None:
        return None
    return _not_too_long(text.ljust(width, sign) if width > 0 else text.rjust(-width, sign))


def number(text: str | None) -> int | None:
    """Of whole numbers as they are mostly written."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise NotPlain
    return int(text)


def now_text(now: datetime) -> str:
    """`$now()`."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_BLANKS: Final = re.compile(r"[ \t\n\r]+")
