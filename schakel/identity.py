# SPDX-License-Identifier: EUPL-1.2
"""When two mentions are the same: normal forms of names, places, addresses, numbers and persons.

Two mentions that differ in spelling must meet; where meeting is used to *protect* (a secret address), a form that is
too coarse hides too much, and one that is too fine gives somebody away: so the forms here are coarse.
"""

from __future__ import annotations

import unicodedata

from schakel.message import Address, Member, Precision


def plain(text: str) -> str:
    """Without case, diacritics and ligatures; words stay apart."""
    if text.isascii():  # has none of them
        return text.casefold()
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))


def fold(text: str) -> str:
    """Letters and digits only: `'s-Gravenhage` → `sgravenhage`."""
    return "".join(filter(str.isalnum, plain(text)))


def digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def postcode_key(address: Address) -> str | None:
    """Postcode with letters and house number, which name a door in the Netherlands; None when it cannot be said so.

    House letter and addition are left out: 12 and 12A count as the same door.
    """
    if address.postcode is None or len(address.postcode) != 6 or address.house_number is None:
        return None
    return f"{address.postcode}:{address.house_number.lstrip('0')}"


def address_keys(address: Address) -> frozenset[str]:
    """The ways in which this address can be recognised; two addresses that share one are the same."""
    keys = {key for key in (postcode_key(address),) if key is not None}
    if address.street and address.house_number and address.place:
        keys.add(f"{fold(address.street)}:{address.house_number.lstrip('0')}:{fold(address.place)}")
    return frozenset(keys)


def contact_key(text: str) -> str:
    """A mail address without case; a phone number by its last nine digits (+31 6 … and 06 … are the same)."""
    if "@" in text:
        return text.strip().casefold()
    return digits(text)[-9:] or fold(text)


def surname(member: Member) -> str:
    """The folded family name without prefix; where only one string is known, its last word; may be empty."""
    if member.names.family:
        return fold(member.names.family)
    words = (member.names.full or "").split()
    return fold(words[-1]) if words else ""


def birth_day(member: Member) -> str | None:
    """The full birth date; None when day or month is unknown."""
    return member.born.value if member.born.precision is Precision.DAY else None


def person_keys(member: Member) -> tuple[tuple[str, str], ...]:
    """(kind, text) by which this person is recognised in another message; none when too little is known."""
    keys: list[tuple[str, str]] = []
    if member.bsn is not None:
        keys.append(("bsn", member.bsn))
    name, born = surname(member), birth_day(member)
    if name and born:
        keys.append(("name-born", f"{name}:{born}"))
    return tuple(keys)
