# SPDX-License-Identifier: EUPL-1.2
"""A region's folder: read, overlaid, and refused with file, place and rule."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from regions import FOLDER
from schakel.errors import ConfigurationError
from schakel.region import Length, read_clock_time, read_duration, read_length
from schakel.region_files import BESIDE, FILES, load_region

HAAGLANDEN = FOLDER / "haaglanden"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HAAGLANDEN, tmp_path / "copy"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def findings(folder: Path, overlay: Path | None = None) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        load_region(folder, overlay)
    return [(finding.place, finding.rule) for finding in caught.value.findings]


def test_haaglanden_has_its_nine_municipalities_and_their_local_teams():
    region = load_region(HAAGLANDEN)
    codes = {entry.code for entry in region.municipalities.entries}
    assert codes == {"0503", "0518", "0603", "0629", "0637", "1783", "1842", "1916", "1926"}
    assert {region.local_team(code).id for code in codes} == {
        f"lokaal-team-{name}"
        for name in [
            "den-haag",
            "delft",
            "leidschendam-voorburg",
            "midden-delfland",
            "pijnacker-nootdorp",
            "rijswijk",
            "wassenaar",
            "westland",
            "zoetermeer",
        ]
    }


def test_every_file_of_the_folder_is_read():
    assert {path.name for path in HAAGLANDEN.iterdir()} == {*FILES, *BESIDE}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("4h", 14400), ("2d", 172800), ("0s", 0)])
def test_durations_are_written_as_people_write_them(text: str, seconds: int):
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [("15m", 15, "m"), ("4h", 4, "h"), ("2wd", 2, "wd"), ("10d", 10, "d"), ("3mo", 3, "mo"), ("1y", 1, "y")],
)
def test_lengths_have_the_unit_that_was_written(text: str, amount: int, unit: str):
    assert read_length(text) == {"amount": amount, "unit": unit}


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("08:30", 510), ("23:59", 1439), ("24:00", 1440)])
def test_clock_times_are_minutes_of_the_day(text: str, minutes: int):
    assert read_clock_time(text) == minutes


@pytest.mark.parametrize("text", ["2w", "wd", "1.5h", "-1h", "PT15M", "2 wd", "", "1234567h"])
def test_other_lengths_are_refused(copy: Path, text: str):
    change(copy, "deadlines.yaml", "within: 15m", f'within: "{text}"')
    assert findings(copy) == [("deadlines.yaml clocks[lead].within", "value_error")]


@pytest.mark.parametrize("text", ["8:30", "24:01", "25:00", "08.30", "", "510"])
def test_other_clock_times_are_refused(copy: Path, text: str):
    change(copy, "calendars.yaml", 'opens: "08:30"', f'opens: "{text}"')
    assert findings(copy) == [("calendars.yaml rosters[office].hours[0].opens", "value_error")]


def test_a_day_that_closes_before_it_opens_is_refused(copy: Path):
    change(copy, "calendars.yaml", 'closes: "17:00"', 'closes: "08:00"')
    assert findings(copy) == [("calendars.yaml rosters[office].hours[0]", "value_error")]


def test_a_roster_is_always_or_has_hours(copy: Path):
    change(copy, "calendars.yaml", "id: always, always: true", "id: always")
    assert findings(copy) == [("calendars.yaml rosters[always]", "value_error")]


def test_a_deadline_has_one_end(copy: Path):
    change(copy, "deadlines.yaml", "before_order_end: 24h", "before_order_end: 24h\n    within: 9d")
    assert [rule for _, rule in findings(copy)] == ["value_error"]


def test_calendars_are_not_read_from_another_file(copy: Path):
    with (copy / "deadlines.yaml").open("a") as file:
        file.write("calendars: { rosters: [] }\n")
    assert findings(copy) == [("deadlines.yaml calendars", "unknown-key")]


def test_the_same_deadline_twice_is_refused(copy: Path):
    text = (copy / "deadlines.yaml").read_text(encoding="utf-8")
    row = text[text.index("  - kind: plan") : text.index("  - kind: order-without-plan")]
    change(copy, "deadlines.yaml", row, row + row.replace("&days", "&more-days"))
    assert [rule for _, rule in findings(copy)] == ["twice"]


def test_durations_may_be_iso_8601(copy: Path):
    change(copy, "retention.yaml", "raw: 24h", "raw: PT36H")
    assert load_region(copy).retention.raw == timedelta(hours=36)


def test_a_negative_duration_is_refused(copy: Path):
    change(copy, "retention.yaml", "raw: 24h", "raw: -PT1H")
    assert findings(copy) == [("retention.yaml raw", "greater_than_equal")]


def test_an_unknown_key_is_refused_with_its_place(copy: Path):
    change(copy, "partners.yaml", "    serves: household\n", "    serves: household\n    serve: x\n")
    assert findings(copy) == [("partners.yaml partners[vvt].serve", "extra_forbidden")]


def test_a_top_level_key_of_another_file_is_refused(copy: Path):
    with (copy / "causes.yaml").open("a") as file:
        file.write("partners: []\n")
    assert findings(copy) == [("copy/causes.yaml partners", "unknown-key")]


def test_a_key_that_stands_twice_is_refused_with_its_line(copy: Path):
    change(copy, "retention.yaml", "raw: 24h", "raw: 24h\nraw: 48h\n")
    line = (copy / "retention.yaml").read_text().splitlines().index("raw: 24h") + 2
    assert findings(copy) == [(f"copy/retention.yaml:{line}", "yaml")]


def test_an_object_that_stands_twice_in_a_list_is_refused(copy: Path):
    change(copy, "partners.yaml", "  - id: perspektief\n", "  - id: vvt\n")
    assert [rule for _, rule in findings(copy)] == ["twice"]


def test_a_missing_and_an_unknown_file_are_refused(copy: Path):
    (copy / "routes.yaml").rename(copy / "route.yaml")
    assert findings(copy) == [("copy/route.yaml", "unknown-file"), ("copy/routes.yaml", "file-exists")]


def test_a_finding_never_repeats_what_the_file_says(copy: Path):
    change(copy, "deadlines.yaml", "within: 15m", "within: kanarie")
    with pytest.raises(ConfigurationError) as caught:
        load_region(copy)
    assert "kanarie" not in str(caught.value)
    assert "kanarie" not in repr(caught.value.findings)


def test_an_overlay_changes_only_what_it_names(tmp_path: Path):
    (tmp_path / "partners.yaml").write_text(
        'partners:\n  - { id: vvt, receives: { url: "http://127.0.0.1:9000/in" } }\n'
        "  - { id: nieuw, name: N, kind: partner }\n"
    )
    (tmp_path / "deadlines.yaml").write_text(
        "clocks:\n  - { role: lead, urgencies: [crisis], within: 2s, remind: [1s] }\nretry: [0s, 1s]\n"
    )
    plain, laid = load_region(HAAGLANDEN), load_region(HAAGLANDEN, tmp_path)
    before, after = plain.partner("vvt"), laid.partner("vvt")
    assert after.receives.url == "http://127.0.0.1:9000/in"
    assert after.receives.mode == before.receives.mode
    assert after.oins == before.oins
    assert laid.partner("nieuw") is not None
    assert laid.deadlines.clocks[0].within == Length(amount=2, unit="s")
    assert laid.deadlines.clocks[0].again == plain.deadlines.clocks[0].again
    assert laid.deadlines.clocks[0].ladder == plain.deadlines.clocks[0].ladder
    assert laid.deadlines.clocks[1:] == plain.deadlines.clocks[1:]
    assert laid.deadlines.calendars == plain.deadlines.calendars
    assert len(laid.deadlines.retry) == 2
    assert laid.routing == plain.routing


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    assert findings(tmp_path / "nergens") == [("nergens", "folder-exists")]
    assert findings(HAAGLANDEN, tmp_path / "ook-niet") == [("ook-niet", "folder-exists")]
