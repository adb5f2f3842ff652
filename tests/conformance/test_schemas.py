# SPDX-License-Identifier: EUPL-1.2
"""Two engines, one schema: the same tables, columns and moves; each is brought forward and refuses the foreign."""

from __future__ import annotations

from pathlib import Path

import apsw
import psycopg
import pytest

from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.errors import ConfigurationError
from schakel.states import MOVES
from schakel.store import database as sqlite_side
from schakel.store import database_postgres as postgres_side
from schakel.store.register import Database, database

COLUMNS = "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"
INDEXES = "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'"
OWN_TABLES = {"schema_version"}  # SQLite keeps the version in the file's header


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schakel.sqlite"
    database(f"sqlite:///{path}").create()
    return path


@pytest.fixture
def url(database_url: str) -> str:
    database(database_url).create()
    return database_url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is still to be made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.sqlite'}"
    return str(request.getfixturevalue("database_url"))


def sqlite_rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(file))
    try:
        return [tuple(row) for row in connection.execute(sql)]
    finally:
        connection.close()


def postgres_rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_both_have_the_same_tables_and_columns(file: Path, url: str) -> None:
    tables = [
        str(name)
        for (name,) in sqlite_rows(file, "SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not str(name).startswith("sqlite_")
    ]
    ours = {(table, row[1]) for table in tables for row in sqlite_rows(file, f"PRAGMA table_xinfo({table})")}
    theirs = {row[:2] for row in postgres_rows(url, COLUMNS) if row[0] not in OWN_TABLES}
    assert theirs == ours


def test_both_ask_for_a_value_in_the_same_columns(file: Path, url: str) -> None:
    """A primary key of SQLite is never NULL in a STRICT table, and PostgreSQL says so of each."""
    theirs = {row[:2] for row in postgres_rows(url, COLUMNS) if row[2] == "NO" and row[0] not in OWN_TABLES}
    tables = {str(table) for table, _ in theirs}
    ours = {
        (table, row[1])
        for table in tables
        for row in sqlite_rows(file, f"PRAGMA table_xinfo({table})")
        if row[3] or row[5]
    }
    assert theirs == ours


def test_both_have_the_same_indexes(file: Path, url: str) -> None:
    ours = sqlite_rows(file, "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    theirs = {row for row in postgres_rows(url, INDEXES) if not str(row[1]).endswith(("_key", "_pkey"))}
    assert theirs == set(ours)


def test_both_allow_the_moves_of_the_tables_of_states(file: Path, url: str) -> None:
    asked = "SELECT machine, from_state, event, role, to_state FROM allowed_move"
    known = {tuple(map(str, move)) for move in MOVES}
    assert set(sqlite_rows(file, asked)) == known
    assert set(postgres_rows(url, asked)) == known


def test_a_key_of_postgresql_points_where_one_of_sqlite_points(file: Path, url: str) -> None:
    theirs = postgres_rows(
        url,
        """SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, count(*) FROM pg_constraint c
        WHERE c.contype = 'f' AND NOT c.condeferrable GROUP BY 1, 2""",
    )
    ours: dict[tuple[str, str], set[object]] = {}
    for (table,) in sqlite_rows(file, "SELECT name FROM sqlite_schema WHERE type = 'table'"):
        for row in sqlite_rows(file, f"PRAGMA foreign_key_list({table})"):
            ours.setdefault((str(table), str(row[2])), set()).add(row[0])
    assert {(table, to): number for table, to, number in theirs} == {key: len(keys) for key, keys in ours.items()}


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the next version, whose migration adds a table and fills it."""
    step = {2: "CREATE TABLE brought_forward (id TEXT PRIMARY KEY); INSERT INTO brought_forward VALUES ('well')"}
    for side in (sqlite_side, postgres_side):
        monkeypatch.setattr(side, "SCHEMA_VERSION", 2)
        monkeypatch.setattr(side, "MIGRATIONS", step)


def made(place: str) -> Database:
    found = database(place)
    found.create()
    return found


def test_a_new_database_has_the_version_of_the_program(place: str) -> None:
    standing = made(place).standing()
    assert (standing.version, standing.needed, standing.newer, list(standing.missing)) == (1, 1, False, [])


def test_an_older_one_is_brought_forward_once(place: str, request: pytest.FixtureRequest) -> None:
    found = made(place)
    request.getfixturevalue("next_version")
    assert list(found.standing().missing) == [2]
    assert found.migrate().version == 1
    assert found.migrate().version == 2
    rows = (
        sqlite_rows(Path(place.removeprefix("sqlite:///")), "SELECT id FROM brought_forward")
        if place.startswith("sqlite")
        else postgres_rows(place, "SELECT id FROM brought_forward")
    )
    assert rows == [("well",)]


def test_a_migration_that_fails_leaves_the_version_that_was(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(place)
    with monkeypatch.context() as newer:
        for side in (sqlite_side, postgres_side):
            newer.setattr(side, "SCHEMA_VERSION", 2)
            newer.setattr(side, "MIGRATIONS", {2: "CREATE TABLE half (id TEXT); INSERT INTO nowhere VALUES (1)"})
        with pytest.raises((ConfigurationError, apsw.Error)):
            found.migrate()
    assert found.standing().version == 1


def test_a_newer_one_is_left_alone(place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        for side in (sqlite_side, postgres_side):
            newer.setattr(side, "SCHEMA_VERSION", 7)
        made(place)
    assert database(place).standing().newer
    with pytest.raises(ConfigurationError, match="database:newer"):
        database(place).migrate()


def test_one_is_never_made_over_another(place: str) -> None:
    found = made(place)
    assert found.exists()
    with pytest.raises(ConfigurationError, match="database:exists"):
        found.create()


def test_moves_that_the_program_does_not_know_are_refused(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO allowed_move VALUES ('delivery', 'waiting', 'vanish', 'hub', 'gone')")
    with pytest.raises(ConfigurationError, match="database:moves"):
        database(url).migrate()


def test_a_foreign_database_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE anothers (id TEXT)")
    for act in (database(database_url).create, database(database_url).standing, database(database_url).migrate):
        with pytest.raises(ConfigurationError, match="database:foreign"):
            act()


@pytest.mark.parametrize("wrong", ["mysql://host/db", "schakel.sqlite", ""])
def test_another_kind_of_url_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="database:unknown-scheme"):
        database(wrong)


def test_a_url_that_cannot_be_read_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match="database:url") as refused:
        database("postgresql://schakel:geheim@host:x:y/db?nonsense=1")
    assert "geheim" not in str(refused.value)


def test_where_it_is_is_told_without_its_password() -> None:
    assert database("postgresql://schakel:geheim@db:5433/hub").place == "postgresql://schakel@db:5433/hub"


# -- commands ----------------------------------------------------------------------------------------------------------


def test_the_commands_make_it_tell_of_it_and_bring_it_forward(
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path))
    monkeypatch.setenv("SCHAKEL_DATABASE_URL", place)
    assert main(["db", "migrate"]) == 0
    assert main(["db", "status"]) == 0
    assert main(["verify"]) == 0
    request.getfixturevalue("next_version")
    assert main(["db", "status"]) == Exit.WRONG
    assert "schakel db migrate" in capsys.readouterr().err
    assert main(["db", "migrate"]) == 0
    assert main(["db", "status"]) == 0


def test_a_program_does_not_work_on_an_older_database_of_several(url: str, request: pytest.FixtureRequest) -> None:
    """Others may still run the older version: a person decides when it is brought forward."""
    request.getfixturevalue("next_version")
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(ConfigurationError, match="database:older"):
        postgres_side.check(connection)
