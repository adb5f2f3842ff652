# SPDX-License-Identifier: EUPL-1.2
"""The register of store adapters: name → class. Each passes tests/conformance/store_suite.py (a test says so)."""

from __future__ import annotations

from typing import Final

from schakel.ports import Store
from schakel.store.postgres import PostgresStore
from schakel.store.sqlite import SqliteStore

ADAPTERS: Final[dict[str, type[Store]]] = {"sqlite": SqliteStore, "postgresql": PostgresStore}
