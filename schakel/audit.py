# SPDX-License-Identifier: EUPL-1.2
"""Links audit rows into a hash chain and checks it; pure.

Each link is SHA-256 over the previous link, the position and the row; whoever changes, removes or inserts a row breaks
every later link. A signed checkpoint says which hash stood at which position: it also shows when the *end* of the chain
was cut off or the whole chain was made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

GENESIS: Final = bytes(32)
_LINK: Final = b"schakel-audit-link@1"
_CHECKPOINT: Final = b"schakel-audit-checkpoint@1"


class Signer(Protocol):
    """Signs checkpoints; `key_id` names the key."""

    @property
    def key_id(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...


class SignatureCheck(Protocol):
    """True when the signature is that key's over this message; never raises."""

    def __call__(self, key_id: str, message: bytes, signature: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit row as the database holds it; `at` is its text, exactly."""

    id: int
    at: str
    actor: str
    action: str
    object: str
    detail: str


@dataclass(frozen=True, slots=True)
class Link:
    """The place of a row in the chain (from 1) and the hash there."""

    row: int
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class LinkedRow:
    """A row that claims a place in the chain."""

    row: AuditRow
    position: int
    hash: bytes


def fields(*parts: bytes) -> bytes:
    """Each part behind its length: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def canonical(row: AuditRow) -> bytes:
    texts = (row.at, row.actor, row.action, row.object, row.detail)
    return fields(row.id.to_bytes(8, "big"), *(text.encode() for text in texts))


def link_hash(previous: bytes, position: int, row: AuditRow) -> bytes:
    return hashlib.sha256(fields(_LINK, previous, position.to_bytes(8, "big"), canonical(row))).digest()


def link(rows: Sequence[AuditRow], *, previous: bytes = GENESIS, position: int = 0) -> list[Link]:
    """Links for `rows`, in order, after the link at `position` whose hash is `previous`."""
    links: list[Link] = []
    for row in rows:
        position += 1
        previous = link_hash(previous, position, row)
        links.append(Link(row.id, position, previous))
    return links


def broken_links(rows: Iterable[LinkedRow], *, first: int = 1) -> list[int]:
    """Positions that do not follow from what stands before them; `rows` by position.

    `first`: where the chain begins; beyond 1 a signature vouches for the hash there, for what was before is past its
    term and gone. After a break the chain is followed from the hash that is there: one change gives one finding.
    """
    broken: list[int] = []
    previous, expected = GENESIS, first
    for linked in rows:
        vouched = linked.position == first > 1
        follows = vouched or link_hash(previous, linked.position, linked.row) == linked.hash
        if linked.position != expected or not follows:
            broken.append(linked.position)
        previous, expected = linked.hash, linked.position + 1
    return broken


def checkpoint_message(position: int, link_hash: bytes, at: str) -> bytes:
    """What a checkpoint's signature is over."""
    return fields(_CHECKPOINT, position.to_bytes(8, "big"), link_hash, at.encode())
