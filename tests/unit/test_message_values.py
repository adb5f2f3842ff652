# SPDX-License-Identifier: EUPL-1.2
"""Values of the nouns that carry a rule of their own."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schakel.message import PartialDate, Precision

FORMS = {Precision.DAY: "%Y-%m-%d", Precision.MONTH: "%Y-%m", Precision.YEAR: "%Y"}
DATES = st.one_of(
    st.dates().map(str),
    st.sampled_from(
        ["2026-02-29", "2024-02-29", "1900-02-29", "2026-13", "2026-00", "0999", "2026-1-1", "２０２６", ""]
    ),
    st.from_regex(r"\A[0-9]{4}(-[0-9]{2}){0,3}\Z"),
    st.text(alphabet="0123456789-T ", max_size=12),
)


@given(value=DATES, precision=st.sampled_from(sorted(FORMS)))
def test_a_date_is_as_precise_as_it_says_and_in_the_calendar(value: str, precision: Precision) -> None:
    form = FORMS[precision]
    try:
        right = datetime.strptime(value, form).strftime(form) == value  # noqa: DTZ007
    except ValueError:
        right = False
    if right:
        assert PartialDate(value=value, precision=precision).value == value
    else:
        with pytest.raises(ValidationError, match="value does not fit its precision"):
            PartialDate(value=value, precision=precision)


def test_an_unknown_date_has_no_value_and_a_known_one_has() -> None:
    assert PartialDate(precision=Precision.UNKNOWN).value is None
    for value, precision in (("1990", Precision.UNKNOWN), (None, Precision.YEAR)):
        with pytest.raises(ValidationError):
            PartialDate(value=value, precision=precision)
