# SPDX-License-Identifier: EUPL-1.2
"""`schakel preview`: the bytes that would go out, without a home, a hub or a trace."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

import mappings
from connectors.formats.fhir_xml_convert import to_xml
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from tests.integration.stage import open_stage, thv
from tests.support.tables import csv_file, row, workbook

EXAMPLES = Path(mappings.__file__).parent
CHANGING = ("request", "case", "message", "transport")  # ids and references of their own at every making


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "no-home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "aanmelding.json"
    path.write_bytes(thv("geheim-adres"))
    return path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["preview", *arguments, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_everybody_who_would_get_it_is_named_with_the_reason(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(message)]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["recipient", "role"],
        ["perspektief", "lead"],
        ["lokaal-team-westland", "duo"],
    ]
    assert all("thv-region" in line for line in lines[1:])


async def sent_by_a_hub(folder: Path, body: bytes) -> dict[str, Any]:
    stage = open_stage(folder)
    async with stage.hub:
        await stage.send("thv-pool", body)
        await stage.hub.dispatch.run_once()
    return {parcel.recipient: json.loads(parcel.content) for parcel in stage.webhook.sent}


def test_the_bytes_are_those_that_a_hub_sends(
    message: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = asyncio.run(sent_by_a_hub(tmp_path, message.read_bytes()))
    code, found = shown(capsys, str(message))
    assert code == Exit.OK
    views = {one["recipient"]: json.loads(one["content"]) for one in found["recipients"]}
    assert views.keys() == sent.keys() == {"perspektief", "lokaal-team-westland"}
    for name, view in views.items():
        same = [{key: each for key, each in one.items() if key not in CHANGING} for one in (view, sent[name])]
        assert same[0] == same[1]
        assert view.keys() == sent[name].keys()


def test_one_partners_bytes_are_all_of_stdout(message: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(message), "--for", "lokaal-team-westland"]) == Exit.OK
    captured = capsys.readouterr()
    view = json.loads(captured.out)
    assert (view["schema"], view["request"]["role"]) == ("case-view@1", "duo")
    assert "Schuilplaats" not in captured.out + captured.err  # the secret address, by the one gate


def test_a_partner_that_would_not_get_it_is_shown_what_a_role_would(
    message: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", str(message), "--for", "vvt"]) == Exit.NOT_FOUND
    assert capsys.readouterr().out == ""
    for partner, role, outcome in (("vvt", "lead", "withhold"), ("politie", "partner", "not-routed")):
        code, found = shown(capsys, str(message), "--for", partner, "--role", role)
        assert (code, [one["outcome"] for one in found]) == (Exit.OK, [outcome])
        assert json.loads(found[0]["content"])["schema"] == "case-view@1"
    assert main(["preview", str(message), "--for", "nobody", "--role", "lead"]) == Exit.NOT_FOUND
    assert main(["preview", str(message), "--role", "lead"]) == Exit.USAGE


def test_the_views_are_written_for_their_owner_alone(
    message: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", str(message), "--out", str(tmp_path / "views")]) == Exit.OK
    files = sorted((tmp_path / "views").iterdir())
    assert [path.name for path in files] == ["lokaal-team-westland.duo.json", "perspektief.lead.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert all(json.loads(path.read_bytes())["schema"] == "case-view@1" for path in files)


@pytest.mark.parametrize("make", [csv_file, workbook], ids=["csv", "xlsx"])
def test_of_a_table_one_row_is_shown(make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"a.{'csv' if make is csv_file else 'xlsx'}"
    path.write_bytes(make([row(1, "0518"), row(2, "0503")]))
    assert [one["recipient"] for one in shown(capsys, str(path))[1]["recipients"]] == ["vvt", "lokaal-team-den-haag"]
    second = shown(capsys, str(path), "--row", "2")[1]
    assert [one["recipient"] for one in second["recipients"]] == ["perspektief", "lokaal-team-delft"]
    assert shown(capsys, str(path), "--row", "3")[0] == Exit.NOT_FOUND


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("cit_fhir/examples/silent-loss.json", "cit"),
        ("stuf_melding_generiek/examples/zoetermeer.xml", "veilig-thuis"),
        ("referral_json/examples/delft.json", "thv-pool"),
    ],
)
def test_who_would_send_it_follows_from_its_format(path: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    body = EXAMPLES / path
    more = ("--media-type", "application/fhir+json") if path.startswith("cit") else ()
    assert shown(capsys, str(body), *more)[1]["source"] == source


def test_xml_is_told_apart_by_its_first_words_and_an_event_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads((EXAMPLES / "cit_fhir/examples/westland.json").read_bytes())
    (tmp_path / "westland.xml").write_bytes(to_xml(bundle))
    code, found = shown(capsys, str(tmp_path / "westland.xml"))
    assert (code, found["source"]) == (Exit.OK, "cit")
    event = {
        "specversion": "1.0",
        "id": "1",
        "type": "nl.voorbeeld.aanmelding.v1",
        "source": "urn:nld:oin:00000099000000001001:systeem:pool",
        "data": json.loads(thv("delft-tweede-thv")),
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    code, found = shown(capsys, str(tmp_path / "event.json"))
    assert (code, found["source"]) == (Exit.OK, "thv-pool")
    assert [one["recipient"] for one in found["recipients"]] == ["perspektief", "lokaal-team-delft"]
    other = event | {"source": "urn:nld:oin:00000099000000001002:systeem:x"}
    (tmp_path / "event.json").write_text(json.dumps(other))
    assert main(["preview", str(tmp_path / "event.json"), "--as", "thv-pool"]) == Exit.REFUSED


@pytest.mark.parametrize(
    ("representation", "begins"),
    [("case-fhir", b'{"'), ("case-fhir-xml", b"<?xml"), ("case-stuf", b"<?xml"), ("case-json", b'{"')],
)
def test_a_partner_is_shown_in_any_form_before_it_is_agreed(
    representation: str, begins: bytes, message: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    asked = ["preview", str(message), "--for", "lokaal-team-westland", "--representation"]
    assert main([*asked, representation]) == Exit.OK
    written = capsysbinary.readouterr().out
    assert written.startswith(begins)
    assert b"Schuilplaats" not in written
    assert main([*asked, "case-pigeon"]) == Exit.WRONG
    assert b"representation-unknown" in capsysbinary.readouterr().err
    assert main(["preview", str(message), "--representation", representation]) == Exit.USAGE


def test_a_partner_that_is_not_there_is_told_from_one_that_gets_nothing(
    message: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", str(message), "--for", "Lokaal team Delft"]) == Exit.NOT_FOUND
    assert "perhaps lokaal-team-delft" in capsys.readouterr().err
    assert main(["preview", str(message), "--for", "lokaal-team-delft"]) == Exit.NOT_FOUND
    assert "would not get this message" in capsys.readouterr().err


def test_what_would_park_or_be_refused_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = EXAMPLES / "thv_aanmelding" / "examples"
    code, found = shown(capsys, str(examples / "onbekende-code.json"))
    assert (code, found["reply"]["parkedCause"], found["recipients"]) == (Exit.WRONG, "unknown-code", [])
    assert main(["preview", str(examples / "onbekend-veld.json")]) == Exit.REFUSED
    assert main(["preview", str(examples / "delft-tweede-thv.json"), "--as", "cit"]) == Exit.REFUSED
    assert main(["preview", str(examples / "delft-tweede-thv.json"), "--as", "nobody"]) == Exit.NOT_FOUND
    unknown = tmp_path / "a.bin"
    unknown.write_bytes(b"?")
    assert main(["preview", str(unknown)]) == Exit.USAGE


def test_nothing_is_left_behind(message: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(message)]) == Exit.OK
    assert [path.name for path in tmp_path.iterdir()] == [message.name]


def test_the_empty_table_has_the_columns_and_reads_as_no_rows(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from connectors.formats.csv_table import read_csv
    from connectors.formats.thv_csv import template

    assert main(["drop", "template"]) == Exit.OK
    written = capsysbinary.readouterr().out
    assert written.startswith(b"\xef\xbb\xbf")
    table = read_csv(written)
    assert (table.header, table.rows) == (template(), ())
    assert main(["drop", "template", "--json"]) == Exit.OK
    assert json.loads(capsysbinary.readouterr().out) == list(template())


def test_without_a_drop_folder_there_is_nothing_to_take_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == Exit.OK
    assert main(["drop", "once"]) == Exit.USAGE
