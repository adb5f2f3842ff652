# SPDX-License-Identifier: EUPL-1.2
"""The folder of one source: when a file is whole, that one taker has it, and that nothing of it stays in the clear."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.intakes.drop_folder import SETTLED, DropFolder, Look, Seen, Watch, open_sealed
from connectors.intakes.drop_result import RowResult, result_file
from schakel.errors import Tampered
from schakel.vault import create_key_file, open_vault
from tests.support.tables import row, workbook

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
SECRET = b"kenmerk;toelichting\r\nA;geheim7731\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> DropFolder:
    create_key_file(tmp_path / "keys.json")
    made = DropFolder(tmp_path / "drop", "thv-pool", vault=open_vault(tmp_path / "keys.json"))
    made.prepare()
    return made


@pytest.fixture
def place(tmp_path: Path, folder: DropFolder) -> Path:
    return tmp_path / "drop" / "thv-pool"


# -- complete ----------------------------------------------------------------------------------------------------------


def seen(inode: int, size: int = 1, changed: int = 0) -> Seen:
    return Seen(inode=(1, inode), size=size, changed=changed)


def test_a_file_is_settled_when_it_has_not_changed_for_ten_seconds() -> None:
    watch = Watch()
    assert watch.look({"a.csv": seen(1)}, at=0).settled == ()
    assert watch.look({"a.csv": seen(1)}, at=SETTLED - 0.1).settled == ()
    assert watch.look({"a.csv": seen(1)}, at=SETTLED) == Look((), ("a.csv",), {"a.csv": SETTLED})


@pytest.mark.parametrize("change", [seen(1, size=2), seen(1, changed=5), seen(2)])
def test_any_change_begins_the_ten_seconds_anew(change: Seen) -> None:
    watch = Watch()
    watch.look({"a.csv": seen(1)}, at=0)
    assert watch.look({"a.csv": change}, at=9).still == {"a.csv": 0}
    assert watch.look({"a.csv": change}, at=18).settled == ()
    assert watch.look({"a.csv": change}, at=19).settled == ("a.csv",)


def test_what_was_part_before_is_whole_at_once_and_part_itself_never() -> None:
    watch = Watch()
    assert watch.look({"a.csv.part": seen(1)}, at=0).renamed == ()
    assert watch.look({"a.csv.part": seen(1)}, at=500) == Look((), (), {"a.csv.part": 500})
    assert watch.look({"a.csv": seen(1), "b.csv": seen(2)}, at=501).renamed == ("a.csv",)


@pytest.mark.parametrize(
    ("content", "ended"),
    [
        (b"a;b\r\n1;2\r\n", True),
        (b"a;b\r1;2\r", True),
        ("a;b\n1;2\n".encode("utf-16"), True),
        (b"a;b\r\n1;2", False),
        (b"", False),
        (workbook([row(1)]), True),
        (workbook([row(1)])[:-30], False),
        (b"%PDF-1.7 never a table", True),  # to be refused with a reason, and not to lie there
    ],
)
def test_a_file_has_ended_when_its_last_line_has(folder: DropFolder, place: Path, content: bytes, ended: bool) -> None:
    (place / "a").write_bytes(content)
    assert folder.ended("a") is ended


def test_hidden_files_links_folders_and_lock_files_are_nobodys_message(folder: DropFolder, place: Path) -> None:
    for name in (".a.csv", "~$a.xlsx", "Thumbs.db"):
        (place / name).write_bytes(SECRET)
    (place / "link.csv").symlink_to(place / ".a.csv")
    (place / "a.csv").write_bytes(SECRET)
    assert list(folder.found()) == ["a.csv"]


# -- taken once --------------------------------------------------------------------------------------------------------


def test_of_two_takers_one_has_it(folder: DropFolder, place: Path) -> None:
    (place / "a.csv").write_bytes(SECRET)
    taken = folder.take("a.csv", now=NOW)
    assert taken is not None
    assert folder.take("a.csv", now=NOW) is None
    assert list(folder.left_behind()) == []  # somebody works on it
    taken.let_go()
    (again,) = folder.left_behind()  # its taker is gone
    assert (again.name, again.mark, again.path.read_bytes()) == ("a.csv", taken.mark, SECRET)
    again.let_go()


def test_what_another_has_finished_meanwhile_is_not_taken_up(folder: DropFolder, place: Path) -> None:
    (place / "a.csv").write_bytes(SECRET)
    taken = folder.take("a.csv", now=NOW)
    assert taken is not None
    folder.finish(taken, b"", read=True, erase_at=LATER)
    taken.let_go()
    assert list(folder.left_behind()) == []


def test_a_name_of_any_length_and_kind_is_taken(folder: DropFolder, place: Path) -> None:
    name = "é" * 120 + " ;'\n.csv"
    (place / name).write_bytes(SECRET)
    taken = folder.take(name, now=NOW)
    assert taken is not None
    folder.finish(taken, b"x", read=True, erase_at=LATER)
    taken.let_go()
    assert len(list((place / "resultaat").iterdir())) == 1


# -- kept sealed -------------------------------------------------------------------------------------------------------


def finished(folder: DropFolder, place: Path, *, read: bool) -> Path:
    (place / "a.csv").write_bytes(SECRET)
    taken = folder.take("a.csv", now=NOW)
    assert taken is not None
    folder.finish(taken, b"result", read=read, erase_at=LATER)
    taken.let_go()
    (sealed,) = (place / ("archief" if read else "geweigerd")).glob("*.sealed")
    return sealed


@pytest.mark.parametrize("read", [True, False])
def test_a_finished_file_is_nowhere_in_the_clear(folder: DropFolder, place: Path, tmp_path: Path, read: bool) -> None:
    sealed = finished(folder, place, read=read)
    left = [path for path in place.rglob("*") if path.is_file()]
    assert len(left) == 2
    assert all(b"geheim7731" not in path.read_bytes() for path in left)
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    original = open_sealed(sealed, open_vault(tmp_path / "keys.json"))
    assert (original.content, original.partner) == (SECRET, "thv-pool")


def test_doing_the_end_again_after_a_crash_gives_the_same_files(folder: DropFolder, place: Path) -> None:
    (place / "a.csv").write_bytes(SECRET)
    taken = folder.take("a.csv", now=NOW)
    assert taken is not None
    kept = taken.path.with_name("copy")
    os.link(taken.path, kept)
    folder.finish(taken, b"first", read=True, erase_at=LATER)
    taken.let_go()
    kept.rename(taken.path)  # as if the crash came before the clear file was removed
    (again,) = folder.left_behind()
    folder.finish(again, b"second", read=True, erase_at=LATER)
    again.let_go()
    assert [path.read_bytes() for path in (place / "resultaat").iterdir()] == [b"second"]
    assert len(list((place / "archief").iterdir())) == 1


def test_a_changed_or_foreign_archive_does_not_open(folder: DropFolder, place: Path, tmp_path: Path) -> None:
    sealed = finished(folder, place, read=True)
    create_key_file(tmp_path / "other.json")
    with pytest.raises(Tampered):
        open_sealed(sealed, open_vault(tmp_path / "other.json"))
    own = open_vault(tmp_path / "keys.json")
    whole = sealed.read_bytes()
    head, _, body = whole.partition(b"\n")
    moved = json.dumps(json.loads(head) | {"id": "20261121T100000Z-00000000"}).encode()
    for changed in (whole[:-1], b"", b"{}\n", b'{"schema": "schakel-drop@1"}\n' + body, moved + b"\n" + body):
        sealed.write_bytes(changed)
        with pytest.raises(Tampered):
            open_sealed(sealed, own)


def test_originals_and_results_go_at_their_term(folder: DropFolder, place: Path) -> None:
    finished(folder, place, read=True)
    finished(folder, place, read=False)
    long_ago = NOW - timedelta(days=365)
    assert folder.erase(now=LATER - timedelta(seconds=1), results_before=long_ago) == 0
    assert folder.erase(now=LATER, results_before=long_ago) == 2
    assert {path.suffix for path in place.rglob("*") if path.is_file()} == {".csv"}
    assert folder.erase(now=LATER, results_before=datetime.now(UTC) + timedelta(days=1)) == 2
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_a_result_file_holds_nothing_that_a_spreadsheet_would_calculate() -> None:
    result = RowResult(2, '=HYPERLINK("x")', "+1", "geweigerd", "", "@nl", "-en")
    text = result_file([result]).decode("utf-8-sig")
    assert text.splitlines()[1] == '2;"\'=HYPERLINK(""x"")";\'+1;geweigerd;;\'@nl;\'-en'
