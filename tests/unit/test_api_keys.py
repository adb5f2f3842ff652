# SPDX-License-Identifier: EUPL-1.2
"""API keys: made once, kept as a digest, read strictly; the rate per partner counts by the minute."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits import Rate
from schakel.errors import Throttled
from schakel.keys import new_key, read_key

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_a_new_key_is_read_back_to_its_row() -> None:
    text, row = new_key("vvt", now=NOW)
    presented = read_key(text)
    assert presented is not None
    assert (presented.id, presented.digest, row.partner) == (row.id, row.digest, "vvt")


def test_the_row_does_not_hold_the_secret() -> None:
    text, row = new_key("vvt", now=NOW)
    secret = text.split("_", 2)[2]  # it may hold an underscore itself
    assert secret.encode() not in row.digest
    assert secret not in repr(row)
    assert text not in repr(row)


def test_no_two_keys_are_alike() -> None:
    assert len({new_key("vvt", now=NOW)[0] for _ in range(100)}) == 100


@given(st.text(max_size=80))
def test_any_other_text_is_no_key(text: str) -> None:
    assert read_key(text) is None


@pytest.mark.parametrize(
    "change", [lambda text: text + "x", lambda text: text[:-1], str.upper, lambda text: " " + text]
)
def test_a_changed_key_is_no_key(change: object) -> None:
    text, _ = new_key("vvt", now=NOW)
    assert callable(change)
    assert read_key(change(text)) is None


def test_the_rate_counts_each_partner_by_the_minute() -> None:
    at = 59.0
    rate = Rate(2, monotonic=lambda: at)
    for _ in range(2):
        rate.count("vvt")
    with pytest.raises(Throttled) as caught:
        rate.count("vvt")
    assert caught.value.retry_after == 1
    rate.count("perspektief")
    at = 60.0
    rate.count("vvt")
