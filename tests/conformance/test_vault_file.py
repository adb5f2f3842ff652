# SPDX-License-Identifier: EUPL-1.2
"""The vault over a key file passes the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from schakel.ports import Vault
from schakel.vault import create_key_file, open_vault
from tests.conformance.vault_suite import VaultSuite


class TestFileVault(VaultSuite):
    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        create_key_file(tmp_path / "keys.json")
        return open_vault(tmp_path / "keys.json")
