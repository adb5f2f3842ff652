# SPDX-License-Identifier: EUPL-1.2
"""A private RabbitMQ and PostgreSQL to measure with, for everybody in a scenario; PostgreSQL waits for the disk.

From installed programs, or Debian's packages when we may install them. They end with the block, and with this process.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.support.private import Guarded, Postgres, Rabbit
from tests.support.servers import POSTGRESQL, RABBITMQ


class Absent(Exception):
    """What a scenario needs is not installed here, and cannot be; the words say what."""


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs. `database` names the one to connect to for making others."""

    broker: str
    database: str

    def new_database(self) -> str:
        """URL of an empty database."""
        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlsplit(self.database)._replace(path=f"/{name}").geturl()


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Both, new and empty. Raises Absent."""
    for kind in (RABBITMQ, POSTGRESQL):
        if not kind.present():
            raise Absent(kind.absent)
    with contextlib.closing(Guarded()) as guarded:
        rabbit, postgres = Rabbit(guarded), Postgres(guarded, durable=True)
        rabbit.start()
        postgres.start()
        yield Servers(rabbit.url, postgres.url)
