# SPDX-License-Identifier: EUPL-1.2
"""Whether a process can do its work, as its store says; for the door, and for whoever is only watched."""

from __future__ import annotations

from schakel.errors import SchakelError
from schakel.ports import Store


async def readiness(store: Store) -> tuple[int, dict[str, object]]:
    """503 when nothing can be accepted; `degraded` with 200 when work goes on but a human is not reached."""
    try:
        found = await store.health()
    except SchakelError:
        return 503, {"status": "unavailable", "causes": ["store"]}
    causes = [cause for cause in (found.store, found.alarms) if cause is not None]
    if found.store is not None:
        return 503, {"status": "unavailable", "causes": causes}
    return 200, {"status": "degraded" if causes else "ready", "causes": causes}
