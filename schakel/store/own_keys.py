# SPDX-License-Identifier: EUPL-1.2
"""Refuses a database that was sealed with other keys: everything in it would look as if somebody had changed it."""

from __future__ import annotations

from typing import Final

from schakel.audit import Signer
from schakel.errors import ConfigurationError, Finding, Unacceptable
from schakel.store.engine import Reader

# The last point of the audit chain names the key file that signed it; a hub signs one within a second of its start.
SIGNED_BY: Final = "SELECT key_id FROM audit_checkpoint ORDER BY position DESC LIMIT 1"


def check_own_keys(reader: Reader, signer: Signer) -> None:
    """Raises ConfigurationError. A database that is absent is for whoever opens it to say."""
    try:
        key_id = reader.read(lambda db: db.value(SIGNED_BY))
    except Unacceptable:
        return
    finally:
        reader.close()
    if key_id is not None and key_id != signer.key_id:
        raise ConfigurationError(
            Finding(
                "SCHAKEL_KEY_FILE",
                "keys:of-another-database",
                "Deze sleutels zijn niet die van deze database. Zet het sleutelbestand terug dat erbij hoort",
                "These keys are not those of this database. Put back the key file that belongs to it",
            )
        )
