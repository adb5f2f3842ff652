# SPDX-License-Identifier: EUPL-1.2
"""`schakel verify`: the accountant, with its own SQL, from the command line."""

from __future__ import annotations

from schakel.cli.console import AsJson


def verify(as_json: AsJson = False) -> None:
    """Counts from the decisions whether anything is missing, misplaced or silent. 1: it found holes, and names them."""
    raise NotImplementedError
