# SPDX-License-Identifier: EUPL-1.2
"""What the demo stands on: on servers it has its own place, leaves nothing there, and touches nobody else's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from schakel.bootstrap import initialise
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.demo.ground import DemoSettings, Servers, ground, to_paste
from schakel.errors import ConfigurationError
from schakel.settings import Settings
from schakel.store.passing_postgres import COMMENT, PREFIX, passing_schema, within
from schakel.store.register import database
from tests.support.private import free_port

FOUND = "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY nspname"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
CONTENT = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM public.{} t"


def demo_schemas(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(FOUND, [f"{PREFIX}%"])]


def content(url: str) -> dict[str, str]:
    """Table of `public` → a digest of all that is in it."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        found = (connection.execute(sql.SQL(CONTENT).format(sql.Identifier(name))).fetchone() for name in names)
        return {name: row[0] for name, row in zip(names, found, strict=True) if row}


def make(url: str, name: str, *, comment: str | None) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        if comment is not None:
            statement = sql.SQL("COMMENT ON SCHEMA {} IS {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(comment)))


# -- a place of its own ------------------------------------------------------------------------------------------------


def test_a_hub_in_the_same_database_is_not_touched(tmp_path: Path, database_url: str) -> None:
    initialise(Settings(home=tmp_path / "hub", database_url=database_url))
    before = content(database_url)
    assert "allowed_move" in before
    with ground(Servers(database_url=database_url), home=tmp_path / "demo") as settings:
        assert not database(settings.database).exists()  # it sees nothing of the hub's
        initialise(settings)
        with contextlib.closing(database(settings.database).reader()) as reader:
            assert reader.read(lambda db: db.value("SELECT count(*) FROM message")) == 0
        assert len(demo_schemas(database_url)) == 1
    assert demo_schemas(database_url) == []
    assert content(database_url) == before


def test_what_goes_wrong_in_it_takes_it_away_too(tmp_path: Path, database_url: str) -> None:
    def fails() -> None:
        with ground(Servers(database_url=database_url), home=tmp_path) as settings:
            initialise(settings)
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert demo_schemas(database_url) == []


@pytest.mark.parametrize("url", ["", "sqlite:////somewhere/of/another/hub.sqlite"])
def test_without_a_server_it_has_a_file_of_its_own(tmp_path: Path, url: str) -> None:
    with ground(Servers(database_url=url), home=tmp_path) as settings:
        assert settings.database == f"sqlite:///{tmp_path / 'schakel.sqlite'}"


def test_of_the_environment_only_the_servers_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHAKEL_BROKER_URL", "amqp://broker.example")
    monkeypatch.setenv("SCHAKEL_SMTP_HOST", "mail.example")
    monkeypatch.setenv("SCHAKEL_FAILPOINT", "accept:before-commit")
    with ground(Servers(), home=tmp_path) as settings:
        assert settings.broker_url == "amqp://broker.example"
        assert (settings.smtp_host, settings.failpoint) == ("", "")


# -- what others left --------------------------------------------------------------------------------------------------


def test_what_a_killed_demo_left_is_taken_away_and_nothing_else(database_url: str) -> None:
    make(database_url, f"{PREFIX}killed", comment=COMMENT)
    make(database_url, f"{PREFIX}somebodys", comment=None)
    make(database_url, "with_that_comment", comment=COMMENT)
    with passing_schema(database_url) as running, passing_schema(database_url) as second:
        assert demo_schemas(database_url) == sorted([running, second, f"{PREFIX}somebodys"])
    assert demo_schemas(database_url) == [f"{PREFIX}somebodys"]
    with psycopg.connect(database_url) as connection:
        assert connection.execute(FOUND, ["with_that_comment"]).fetchall() == [("with_that_comment",)]


# -- how it is found ---------------------------------------------------------------------------------------------------


def test_the_url_leads_to_the_schema_and_keeps_its_other_words(database_url: str) -> None:
    with passing_schema(database_url) as schema:
        url = within(f"{database_url}?application_name=a%20name&options=-c%20work_mem%3D5MB", schema)
        with psycopg.connect(url) as connection:
            asked = "SELECT current_schema(), current_setting('work_mem'), current_setting('application_name')"
            assert connection.execute(asked).fetchone() == (schema, "5MB", "a name")


def test_what_can_be_pasted_holds_no_password(tmp_path: Path) -> None:
    shown = to_paste(
        DemoSettings(home=tmp_path / "h", region_overlay=tmp_path / "o", database_url="postgresql://u:geheim@host/db")
    )
    assert "geheim" not in shown
    assert "SCHAKEL_DATABASE_URL='postgresql://u:***@host/db'" in shown


# -- what is told ------------------------------------------------------------------------------------------------------


@pytest.fixture
def reader_only(database_url: str) -> Iterator[str]:
    """The database as somebody reaches it who may make nothing in it."""
    name = f"reader_{urlsplit(database_url).path.removeprefix('/schakel_')}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'invented'").format(sql.Identifier(name)))
        host = urlsplit(database_url).netloc.rpartition("@")[2]
        yield urlsplit(database_url)._replace(netloc=f"{name}:invented@{host}").geturl()
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_user_who_may_make_no_schema_hears_what_is_missing(reader_only: str) -> None:
    with pytest.raises(ConfigurationError) as caught, passing_schema(reader_only):
        raise AssertionError("there is no schema")
    assert caught.value.findings[0].rule == "database:no-schema"


def test_another_kind_of_database_is_not_tried(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError) as caught,
        ground(Servers(database_url="mysql://u:geheim@127.0.0.1/db"), home=tmp_path),
    ):
        raise AssertionError("there is no ground")
    assert caught.value.findings[0].rule == "database:unknown-scheme"


def test_a_server_that_is_absent_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHAKEL_DATABASE_URL", f"postgresql://u:geheim@127.0.0.1:{free_port()}/db")
    assert main(["demo", "--json"]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "store:absent" in said.err
    assert "geheim" not in said.err
    assert "Traceback" not in said.err
