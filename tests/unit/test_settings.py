# SPDX-License-Identifier: EUPL-1.2
"""Settings that are put together: the database's password from a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schakel.errors import ConfigurationError
from schakel.settings import Settings

passwords = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1, max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(passwords)
def test_a_password_from_a_file_stands_in_the_url_whatever_it_holds(tmp_path: Path, password: str) -> None:
    file = tmp_path / "password"
    file.write_text(password + "\n", encoding="utf-8")
    made = Settings(
        _env_file=None, database_url="postgresql://schakel:old@db:5433/hub?sslmode=require", database_password_file=file
    )
    parts = urlsplit(made.database)
    assert unquote(parts.password or "") == password
    assert (parts.username, parts.hostname, parts.port, parts.path, parts.query) == (
        "schakel",
        "db",
        5433,
        "/hub",
        "sslmode=require",
    )


def test_a_password_file_that_is_not_there_is_told_by_its_setting(tmp_path: Path) -> None:
    made = Settings(_env_file=None, database_url="postgresql://db/hub", database_password_file=tmp_path / "none")
    with pytest.raises(ConfigurationError) as caught:
        _ = made.database
    assert [one.place for one in caught.value.findings] == ["SCHAKEL_DATABASE_PASSWORD_FILE"]
