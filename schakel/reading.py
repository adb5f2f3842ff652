# SPDX-License-Identifier: EUPL-1.2
"""Who may read of a case what others said in it: the whole matrix, or the own part only; and their prose, or not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from schakel.case_secrecy import open_secrecy
from schakel.ports import Vault
from schakel.region import Disclosure, RecipientRole
from schakel.states import RequestState

# Who has left a case, or was replaced in it, looks no further into it (disclosure ends with the part it had).
LEFT: Final = frozenset({RequestState.WITHDRAWN, RequestState.COMPLETED, RequestState.SUPERSEDED})


class Kept(Protocol):
    """A case as the store gives it."""

    @property
    def id(self) -> str: ...
    @property
    def programme(self) -> str: ...
    @property
    def wrapped_key(self) -> bytes: ...
    @property
    def secrecy(self) -> bytes | None: ...


class Part(Protocol):
    """One organisation in one role."""

    @property
    def partner(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def state(self) -> str: ...


def roles_of(partner: str, parts: Collection[Part]) -> frozenset[str]:
    """The roles in which a partner looks at a case now."""
    return frozenset(one.role for one in parts if one.partner == partner and one.state not in LEFT)


def sees_all(roles: Collection[str], table: Disclosure) -> bool:
    """The matrix: what every organisation was asked and answered."""
    return not frozenset[str](roles).isdisjoint(frozenset[RecipientRole](table.matrix))


def reads_openly(case: Kept, roles: Collection[str], table: Disclosure, vault: Vault) -> bool:
    """Whether these roles may read what others wrote: nobody is hidden in the case, or they may know where."""
    if not open_secrecy(vault, case.secrecy, case_id=case.id, wrapped_key=case.wrapped_key).anyone:
        return True
    return any(row.secret_addresses for row in table.roles if row.role in roles and case.programme in row.programmes)
