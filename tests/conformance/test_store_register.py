# SPDX-License-Identifier: EUPL-1.2
"""Every registered store has its subclass of the suite."""

from __future__ import annotations

from schakel.store.register import ADAPTERS
from tests.conformance import test_store_postgres, test_store_sqlite
from tests.conformance.store_suite import StoreSuite


def test_every_registered_store_passes_the_suite() -> None:
    modules = (test_store_sqlite, test_store_postgres)
    suites = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    adapters = {suite.adapter for suite in suites if issubclass(suite, StoreSuite) and suite is not StoreSuite}
    assert adapters == {type(adapter(f"{scheme}:///x")).__name__ for scheme, adapter in ADAPTERS.items()}
