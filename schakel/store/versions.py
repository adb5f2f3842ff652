# SPDX-License-Identifier: EUPL-1.2
"""Which version of the schema this program needs, and how a database stands to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """The version that is there and the one that is needed."""

    version: int
    needed: int

    @property
    def newer(self) -> bool:
        return self.version > self.needed

    @property
    def missing(self) -> range:
        """Migrations that lead to what is needed."""
        return range(self.version + 1, self.needed + 1)
