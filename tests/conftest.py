# SPDX-License-Identifier: EUPL-1.2
"""What every test may ask for: real servers."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.matrix import fixtures_of, servers
from tests.support.servers import (
    broker_url,
    database_server,
    database_url,
    own_rabbit,
    postgres,
    prepare,
    rabbit,
    told,
)

__all__ = ["broker_url", "database_server", "database_url", "own_rabbit", "postgres", "rabbit", "servers"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """The report of a test says which faults it plays: `make faults` makes its table from that."""
    item.user_properties += [("fault", str(mark.args[0])) for mark in item.iter_markers("fault")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`SCHAKEL_FAULTS_ONLY`: names of faults, one a line; other tests are left out."""
    only = set(os.environ.get("SCHAKEL_FAULTS_ONLY", "").splitlines())
    if only:
        wanted = [item for item in items if only & {str(mark.args[0]) for mark in item.iter_markers("fault")}]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """`SCHAKEL_FAULTS_REPORT`: a file that gets a line for each marked test as it ends, so that a run that is broken
    off leaves what it has seen."""
    path = os.environ.get("SCHAKEL_FAULTS_REPORT")
    faults = [value for name, value in report.user_properties if name == "fault"]
    if path and faults and "PYTEST_XDIST_WORKER" not in os.environ and (report.when == "call" or not report.passed):
        line = {"test": report.nodeid.partition("::")[2], "faults": faults, "outcome": report.outcome}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_collection_finish(session: pytest.Session) -> None:
    option = session.config.option
    if not option.collectonly and not getattr(option, "numprocesses", None):  # with xdist the workers do it
        prepare({name for item in session.items for name in fixtures_of(item)})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for line in told({str(report.longrepr) for report in skipped}):
        terminalreporter.write_line(line)
