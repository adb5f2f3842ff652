# SPDX-License-Identifier: EUPL-1.2
"""The table of `make matrix`: all eight stand in it, and what failed, was skipped or did not run is no pass."""

from __future__ import annotations

import pytest

from tests.support.matrix import COMBINATIONS
from tests.tools.matrix import BEGIN, END, NAMES, ROOT, WHAT, Cell, Ran, cells, read, table, written

EIGHT = [(*str(one).split("-"), what) for one in COMBINATIONS for what in WHAT]

REPORT = """<testsuites><testsuite>
<testcase classname="tests.integration.test_journey" name="test_a[sqlite-none]" time="1.5"/>
<testcase classname="tests.integration.test_journey" name="test_b[sqlite-none-more0-rule]" time="0.5"/>
<testcase classname="tests.integration.test_journey" name="test_a[postgresql-rabbitmq]" time="2"><failure/></testcase>
<testcase classname="tests.integration.test_demo" name="test_demo[postgresql-none]" time="9"><skipped/></testcase>
<testcase classname="tests.integration.test_demo" name="test_demo[sqlite-rabbitmq]" time="8"/>
</testsuite></testsuites>"""


def test_the_report_is_read_per_combination() -> None:
    assert list(read(REPORT)) == [
        Ran("journey", "sqlite-none", True, 1.5),
        Ran("journey", "sqlite-none", True, 0.5),
        Ran("journey", "postgresql-rabbitmq", False, 2.0),
        Ran("demo", "postgresql-none", False, 9.0),
        Ran("demo", "sqlite-rabbitmq", True, 8.0),
    ]


def test_every_combination_has_its_journey_and_its_demo_and_says_what_did_not_run() -> None:
    found = {(cell.combination, cell.what): cell.result for cell in cells(read(REPORT))}
    assert set(found) == {(str(one), what) for one in COMBINATIONS for what in ("journey", "demo")}
    assert len(found) == 8
    assert found["sqlite-none", "journey"] == "passed"
    assert found["postgresql-rabbitmq", "journey"] == "1 failed"
    assert found["postgresql-none", "demo"] == "1 failed"
    assert found["sqlite-none", "demo"] == "did not run"


def test_the_table_names_servers_result_and_seconds() -> None:
    text = table([Cell("postgresql-rabbitmq", "demo", 1, 0, 12.4)])
    assert text.splitlines()[-1] == "| PostgreSQL | RabbitMQ | demo | 1 | passed | 12 |"


def test_the_table_replaces_the_one_before_and_nothing_else() -> None:
    page = f"# Page\n\n{BEGIN}\nfirst\n{END}\n\nWords.\n"
    assert written(page, "second") == page.replace("first", "second")


@pytest.mark.parametrize("page", ["# Page\n", f"# Page\n{BEGIN}\n", f"# Page\n{END}\n"])
def test_a_page_without_both_markers_is_left_as_it_is(page: str) -> None:
    with pytest.raises(ValueError, match="not both"):
        written(page, "table")


def test_the_published_table_has_all_eight_and_each_passed() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    block = page.partition(BEGIN)[2].partition(END)[0]
    rows = [
        [word.strip() for word in line.strip("|").split("|")] for line in block.splitlines() if "| passed |" in line
    ]
    wanted = {(NAMES[database], NAMES[broker], what) for database, broker, what in EIGHT}
    assert {(database, broker, what) for database, broker, what, *_ in rows} == wanted
    assert len(rows) == len(wanted) == 8
