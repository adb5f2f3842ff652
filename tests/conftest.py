# SPDX-License-Identifier: EUPL-1.2
"""What every test may ask for: real servers."""

from __future__ import annotations

import pytest

from tests.support.servers import (
    broker_url,
    database_server,
    database_url,
    postgres,
    prepare,
    rabbit,
    told,
)

__all__ = ["broker_url", "database_server", "database_url", "postgres", "rabbit"]


def pytest_collection_finish(session: pytest.Session) -> None:
    option = session.config.option
    if not option.collectonly and not getattr(option, "numprocesses", None):  # with xdist the workers do it
        prepare({name for item in session.items for name in getattr(item, "fixturenames", ())})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for line in told({str(report.longrepr) for report in skipped}):
        terminalreporter.write_line(line)
