# SPDX-License-Identifier: EUPL-1.2
"""Growth, long: door to door with a million open cases beside a hub that is empty, embedded, in turns."""

from __future__ import annotations

import shutil
from typing import Final

from benchmarks.contract import Result, Settings
from benchmarks.growth import compare

name: Final = "growth-million"
long: Final = True
CASES: Final = 1_000_000
ROUNDS: Final = 5
BYTES: Final = 30_000  # on disk for each case, and to spare


def run(settings: Settings) -> Result:
    """Raises OSError when the disk has no room for it."""
    cases = round(CASES * settings.scale)
    if shutil.disk_usage(settings.folder).free < cases * BYTES:
        raise OSError(f"{cases:,} cases need {cases * BYTES / 1e9:.0f} GB of disk")
    return compare(settings, cases, rounds=ROUNDS)
