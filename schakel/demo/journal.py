# SPDX-License-Identifier: EUPL-1.2
"""A partner's journal: what came, written down and on disk before the partner answers; a repeat is known by its id."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it arrived. `number`: the recipient's gap-free number."""

    delivery_id: str
    number: int
    digest: str  # SHA-256 of the content, hexadecimal
    what: str  # "notice" (something waits) or "content"
    content: bytes
    arrived_at: datetime
    first: bool  # False: the same was here before


@dataclass(slots=True)
class Journal:
    """Append-only, one JSON line per arrival; the content lies beside it."""

    folder: Path
    entries: list[Entry] = field(default_factory=list)

    def write(self, delivery_id: str, number: int, content: bytes, *, what: str, now: datetime) -> Entry:
        """On disk when this returns."""
        first = all((known.delivery_id, known.what) != (delivery_id, what) for known in self.entries)
        entry = Entry(delivery_id, number, hashlib.sha256(content).hexdigest(), what, content, now, first)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{number:06d}.{what}").write_bytes(content)
        line = {
            "id": delivery_id,
            "number": number,
            "what": what,
            "digest": entry.digest,
            "first": first,
            "at": now.isoformat(),
        }
        with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries.append(entry)
        return entry

    @property
    def distinct(self) -> int:
        """How many different deliveries came with their content."""
        return len({entry.delivery_id for entry in self.entries if entry.what == "content"})
