# SPDX-License-Identifier: EUPL-1.2
"""UUIDv7: version and variant as the RFC has it, and order of time is order of identifiers."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn

from schakel.identifiers import is_bsn, uuid7

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.binary(min_size=10, max_size=10))
def test_version_variant_and_time_are_in_it(now: datetime, entropy: bytes) -> None:
    made = UUID(uuid7(now, entropy))
    assert str(made) == uuid7(now, entropy)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(now.timestamp() * 1000)


@given(MOMENTS, MOMENTS, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_later_milliseconds_sort_later(one: datetime, other: datetime, first: bytes, second: bytes) -> None:
    if int(one.timestamp() * 1000) < int(other.timestamp() * 1000):
        assert uuid7(one, first) < uuid7(other, second)


def test_entropy_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="ten bytes"):
        uuid7(datetime(2026, 11, 21, tzinfo=UTC), b"short")


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        uuid7(datetime(2026, 11, 21), bytes(10))


@given(st.one_of(st.from_regex(r"\A[0-9]{9}\Z"), st.text(alphabet="0123456789 .-٣", max_size=11)))
def test_a_citizen_service_number_is_nine_digits_that_keep_the_eleven_test(text: str) -> None:
    plain = text.isascii() and text.isdigit() and len(text) == 9
    assert is_bsn(text) == (plain and bool(bsn.is_valid(text)))


def test_numbers_that_mean_unknown_and_unborn_are_nobodys() -> None:
    assert [is_bsn(number) for number in ("000000000", "999999999", "999990019")] == [False, False, True]
