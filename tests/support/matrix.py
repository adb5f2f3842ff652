# SPDX-License-Identifier: EUPL-1.2
"""On which servers a test runs: {SQLite, PostgreSQL} × {no broker, RabbitMQ}; two of the four, or all with
`SCHAKEL_MATRIX=all`, as `make matrix` does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

import pytest

ALL: Final = "SCHAKEL_MATRIX"


@dataclass(frozen=True, slots=True)
class Combination:
    """`None`: the embedded one, without a server. The names are of fixtures that give a URL."""

    database: str | None
    broker: str | None

    @property
    def fixtures(self) -> set[str]:
        return {name for name in (self.database and "database_server", self.broker) if name}

    def __str__(self) -> str:
        return f"{'postgresql' if self.database else 'sqlite'}-{'rabbitmq' if self.broker else 'none'}"


COMBINATIONS: Final = (
    Combination(None, None),
    Combination(None, "broker_url"),
    Combination("database_url", None),
    Combination("database_url", "broker_url"),
)


def chosen() -> tuple[Combination, ...]:
    """The embedded form and the production form, or all."""
    return COMBINATIONS if os.environ.get(ALL) == "all" else (COMBINATIONS[0], COMBINATIONS[-1])


@pytest.fixture(params=chosen(), ids=str)
def servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a hub, each as often as there are combinations: `database_url` (a new database) and `broker_url`."""
    combination: Combination = request.param
    wanted = {"database_url": combination.database, "broker_url": combination.broker}
    return {setting: request.getfixturevalue(name) if name else "" for setting, name in wanted.items()}


def fixtures_of(item: Any) -> set[str]:
    """Names of the fixtures that a test asks for, also those that its combination asks for."""
    combination = item.callspec.params.get("servers") if hasattr(item, "callspec") else None
    return {*getattr(item, "fixturenames", ()), *(combination.fixtures if combination else ())}
