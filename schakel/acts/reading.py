# SPDX-License-Identifier: EUPL-1.2
"""Reads the fields of an act: plain JSON values in, the value wanted out, or a refusal that names field and rule."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from schakel.acts.refusals import refused
from schakel.acts.tools import involvement
from schakel.ledger_records import Act, CaseLedger, Involved
from schakel.states import RequestState

LONGEST: Final = 2_000  # characters of a reason or a note
YEARS: Final = range(2000, 2200)


def maybe_words(act: Act, name: str, most: int = LONGEST) -> str | None:
    """A text; None when it is absent or empty."""
    value = act.fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most or "\x00" in value:
        raise refused("act:field-wrong", name)
    return value.strip() or None


def words(act: Act, name: str, most: int = LONGEST) -> str:
    found = maybe_words(act, name, most)
    if found is None:
        raise refused("act:field-missing", name)
    return found


def maybe_choice(act: Act, name: str, known: Collection[str]) -> str | None:
    value = maybe_words(act, name, 64)
    if value is not None and value not in known:
        raise refused("act:field-wrong", name)
    return value


def choice(act: Act, name: str, known: Collection[str]) -> str:
    value = maybe_choice(act, name, known)
    if value is None:
        raise refused("act:field-missing", name)
    return value


def maybe_moment(act: Act, name: str) -> datetime | None:
    """RFC 3339 with an offset, as UTC."""
    value = maybe_words(act, name, 64)
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
        moment = read.astimezone(UTC) if read.tzinfo is not None and read.year in YEARS else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise refused("act:field-wrong", name)
    return moment


def moment(act: Act, name: str) -> datetime:
    found = maybe_moment(act, name)
    if found is None:
        raise refused("act:field-missing", name)
    return found


def partner_in(act: Act, case: CaseLedger) -> Involved | None:
    """The involvement that `partner` and `role` point at; without `role` the only one that this partner has, superseded
    ones aside. None: it was never asked. Raises Refusal when the role is not clear."""
    partner, role = words(act, "partner", 64), maybe_words(act, "role", 64)
    if role is not None:
        return involvement(case, partner, role)
    roles = {one.role for one in case.involved if one.partner == partner and one.state != RequestState.SUPERSEDED}
    if len(roles) > 1:
        raise refused("act:role-unclear", "role")
    return involvement(case, partner, roles.pop()) if roles else None
