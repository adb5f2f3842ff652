# SPDX-License-Identifier: EUPL-1.2
"""The suite that every store passes: each promise of the four sockets in ports.py, on the real engine.

A subclass gives two fixtures: `store`, an open store on a new database (CAUSES, TIMES, TestSigner) whose bells are
`heard`, and `sql`, a `Side` that reaches the same database by hand.
"""

from __future__ import annotations

import pytest

from schakel.ports import Store
from schakel.records import Bell
from tests.conformance.store_acts import ActPromises
from tests.conformance.store_admin import AdminPromises
from tests.conformance.store_bells import BellPromises
from tests.conformance.store_cases import Side
from tests.conformance.store_delivery import DeliveryPromises
from tests.conformance.store_feedback import FeedbackPromises
from tests.conformance.store_intake import IntakePromises
from tests.conformance.store_ledger import LedgerPromises
from tests.conformance.store_notices import NoticePromises
from tests.conformance.store_operations import OperationsPromises
from tests.conformance.store_parked import ParkedPromises
from tests.conformance.store_retention import RetentionPromises
from tests.conformance.store_states import StatePromises
from tests.conformance.store_teams import TeamPromises


class StoreSuite(
    IntakePromises,
    DeliveryPromises,
    BellPromises,
    LedgerPromises,
    ActPromises,
    FeedbackPromises,
    NoticePromises,
    ParkedPromises,
    AdminPromises,
    OperationsPromises,
    RetentionPromises,
    TeamPromises,
    StatePromises,
):
    """Subclass it once per store adapter."""

    @pytest.fixture
    async def store(self, heard: list[Bell]) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def sql(self) -> Side:
        raise NotImplementedError
