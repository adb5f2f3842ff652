# SPDX-License-Identifier: EUPL-1.2
"""The log lets machine names through and nothing else: a canary in any field never reaches a line."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schakel.log import ALLOWED, REPLACED, open_log

CANARY = "Kanarie van der Gracht"


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_with_a_machine_name_and_a_time() -> None:
    stream = io.StringIO()
    open_log("info", stream).info("delivery.delivered", delivery="0192f0c1", recipient="vvt", number=4)
    (record,) = lines(stream)
    assert record["event"] == "delivery.delivered"
    assert record["number"] == 4
    assert record["timestamp"].endswith("Z")


def test_a_key_that_is_not_listed_is_dropped() -> None:
    stream = io.StringIO()
    open_log("info", stream).info("x.y", street="Fictiefstraat", recipient="vvt")
    assert "Fictiefstraat" not in stream.getvalue()
    assert lines(stream)[0]["recipient"] == "vvt"


@given(st.sampled_from(sorted(ALLOWED - {"event", "level", "timestamp"})))
def test_prose_in_a_listed_key_is_replaced(key: str) -> None:
    stream = io.StringIO()
    open_log("info", stream).info("x.y", **{key: CANARY})
    assert CANARY not in stream.getvalue()
    assert lines(stream)[0][key] == REPLACED


def test_an_exception_shows_its_class_and_place_and_not_its_words() -> None:
    stream = io.StringIO()
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        open_log("info", stream).error("work.failed", exc_info=error)
    (record,) = lines(stream)
    assert record["error"] == "ValueError"
    assert record["at"].startswith("test_log.py:")
    assert CANARY not in stream.getvalue()


def test_a_nested_value_is_replaced() -> None:
    stream = io.StringIO()
    open_log("info", stream).info("x.y", reason={"name": CANARY})
    assert CANARY not in stream.getvalue()


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    open_log("warning", stream).info("x.y")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("level", ["debug", "INFO", "warning", "error"])
def test_levels_are_known_by_name(level: str) -> None:
    stream = io.StringIO()
    open_log(level, stream).error("x.y")
    assert lines(stream)[0]["level"] == "error"
