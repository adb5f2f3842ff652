# SPDX-License-Identifier: EUPL-1.2
"""Opens and seals what a case knows of secrets: kept in the case's own row, under the case's own key."""

from __future__ import annotations

from schakel.ports import Vault
from schakel.records import CaseFacts, JoinedCase, SealPlace
from schakel.secrecy import Secrecy


def share_secrecy(vault: Vault, one: CaseFacts, other: CaseFacts) -> bytes | None:
    """ports.ShareSecrecy, for two cases that a person joins. Raises Tampered."""
    return secrecy_with(vault, one, secrecy_of(vault, other))


def secrecy_with(vault: Vault, case: CaseFacts | JoinedCase, more: Secrecy) -> bytes | None:
    """The case's secrecy with more, sealed; None when it knew that already. Raises Tampered."""
    before = secrecy_of(vault, case)
    merged = before.union(more)
    if merged == before:
        return None
    return vault.seal(case.wrapped_key, merged.to_bytes(), owner=case.id, place=secrecy_at(case.id))


def secrecy_of(vault: Vault, case: CaseFacts | JoinedCase) -> Secrecy:
    """Nothing where the case knows of no secret. Raises Tampered."""
    return open_secrecy(vault, case.secrecy, case_id=case.id, wrapped_key=case.wrapped_key)


def open_secrecy(vault: Vault, sealed: bytes | None, *, case_id: str, wrapped_key: bytes) -> Secrecy:
    """As it is kept; None: the case knows of no secret. Raises Tampered."""
    if sealed is None:
        return Secrecy()
    return Secrecy.from_bytes(vault.open(wrapped_key, sealed, owner=case_id, place=secrecy_at(case_id)))


def secrecy_at(case_id: str) -> SealPlace:
    """Where it lies."""
    return SealPlace("case_file", case_id, "secrecy")
