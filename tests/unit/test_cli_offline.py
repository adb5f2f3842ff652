# SPDX-License-Identifier: EUPL-1.2
"""Commands that need no hub: mappings, regions, schemas, help; and what exit codes mean."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import mappings
from mappings.engine import mapping_folders
from schakel import errors
from schakel.cli.app import main
from schakel.cli.complaint import Exit, exit_code
from schakel.cli.console import named
from schakel.cli.message_file import guess

ROOT = Path(__file__).resolve().parents[2]
MAPPINGS = Path(mappings.__file__).parent
THV = MAPPINGS / "thv_aanmelding"
MESSAGES = ROOT / "schakel/demo/messages"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def test_help_and_version_go_to_stdout_and_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "schakel [OPTIONS] COMMAND" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "0.1.0\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["mapping", "run"], ["schema", "nothing"], ["demo", "--port", "x"]]
)
def test_what_is_called_wrongly_is_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == Exit.USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Malformed(), Exit.REFUSED),
        (errors.Conflict(), Exit.REFUSED),
        (errors.Unauthenticated(), Exit.REFUSED),
        (errors.NotFound(), Exit.NOT_FOUND),
        (errors.Unacceptable(), Exit.UNREACHABLE),
        (errors.TemporaryFailure("connect"), Exit.UNREACHABLE),
        (errors.RecipientGone(), Exit.UNREACHABLE),
        (errors.ConfigurationError(), Exit.USAGE),
        (errors.Tampered("case_file.secrecy"), Exit.WRONG),
        (errors.Unmappable("unknown-code"), Exit.WRONG),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_an_exit_code(error: errors.SchakelError, code: Exit) -> None:
    assert exit_code(error) is code


def test_a_decision_without_a_name_is_refused() -> None:
    with pytest.raises(Exception, match="may not be empty"):
        named("  ", "--by")


def test_all_packaged_mappings_are_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {folder.name: [] for folder in mapping_folders()}


def test_the_tests_beside_a_mapping_run_by_name_and_by_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("thv-aanmelding", str(THV)):
        assert main(["mapping", "test", name, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)["thv_aanmelding"]
        assert len(rows) >= 6
        assert all(row["passed"] for row in rows)


def test_a_mapping_that_lost_a_rule_is_found_by_check_and_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "thv_aanmelding"
    shutil.copytree(THV, own)
    text = (own / "mapping.yaml").read_text(encoding="utf-8")
    lost = "  - to: question\n    from: vraag\n"
    assert lost in text
    (own / "mapping.yaml").write_text(text.replace(lost, ""), encoding="utf-8")
    assert main(["mapping", "check", str(own)]) == Exit.WRONG
    assert "vraag" in capsys.readouterr().out


def test_a_document_is_mapped_on_stdout_and_losses_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(MESSAGES / "thv-delft-tweede.json")
    assert main(["mapping", "run", "thv-aanmelding", file, "--now", "2026-11-21T00:00:00"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["trigger"]["restrainingOrder"]["ordinal"] == 2
    assert main(["mapping", "run", "thv-aanmelding", file, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"document", "losses", "versions"}


def test_a_document_that_would_park_or_be_refused_says_so_without_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["mapping", "run", "thv-aanmelding", str(MESSAGES / "thv-onbekende-code.json")]) == Exit.WRONG
    said = capsys.readouterr()
    assert "unknown-code" in said.err
    assert "88" not in said.err + said.out
    assert main(["mapping", "run", "thv-aanmelding", str(MESSAGES / "thv-kapot.json"), "--json"]) == Exit.REFUSED
    said = capsys.readouterr()
    assert json.loads(said.out)["refused"] == "malformed"
    assert "THV-DEMO" not in said.err + said.out


def test_a_mapping_that_is_not_there_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mapping", "check", "nothing"]) == Exit.NOT_FOUND
    assert capsys.readouterr().out == ""


def test_the_packaged_region_is_well_and_a_broken_overlay_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["region", "check"]) == 0
    assert "lead in icm sees whereabouts: " in capsys.readouterr().out  # for people to read before it goes live
    assert main(["region", "check", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["sensitive"]
    assert {one["role"] for one in listed if one["secretAddresses"]} == {"lead"}
    (tmp_path / "partners.yaml").write_text("partners:\n  - id: vvt\n    kind: nonsense\n", encoding="utf-8")
    assert main(["region", "check", "haaglanden", "--overlay", str(tmp_path), "--json"]) == Exit.WRONG
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert any("vvt" in finding["place"] for finding in findings)
    assert "nonsense" not in json.dumps(findings)


@pytest.mark.parametrize("name", ["case-message", "case-view", "referral", "thv-aanmelding", "thv-csv"])
def test_every_schema_is_a_json_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_openapi_description_names_the_interface(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "openapi"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["openapi"].startswith("3.")
    assert any(path.endswith("/referrals") for path in document["paths"])


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("a.json", b'{"schema": "thv-aanmelding@1"}', "application/json"),
        ("a.json", b'{"resourceType": "Bundle"}', "application/fhir+json"),
        ("a.fhir.json", b"{}", "application/fhir+json"),
        ("A.XML", b"<a/>", "application/xml"),
        ("a.xml", b'<Bundle xmlns="http://hl7.org/fhir"/>', "application/fhir+xml"),
        ("a.json", b'{"specversion": "1.0", "data": {"resourceType": "Bundle"}}', "application/cloudevents+json"),
        ("a.csv", b"kenmerk;versie", "text/csv"),
        ("a.xlsx", b"PK", "text/csv"),
        ("a.bin", b"", "application/octet-stream"),
    ],
)
def test_the_media_type_is_guessed_by_name_and_first_words(name: str, body: bytes, media_type: str) -> None:
    assert guess(name, body) == media_type


def test_sending_without_a_key_is_usage_and_to_nobody_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(MESSAGES / "thv-den-haag.json")
    monkeypatch.delenv("SCHAKEL_API_KEY", raising=False)
    assert main(["send", file, "--as", "thv-pool"]) == Exit.USAGE
    monkeypatch.setenv("SCHAKEL_API_KEY", "schakel_0_x")
    assert main(["send", file, "--as", "thv-pool", "--url", "http://127.0.0.1:9"]) == Exit.UNREACHABLE
    said = capsys.readouterr()
    assert said.out == ""
    assert "schakel_0_x" not in said.err


def test_a_wrong_setting_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHAKEL_PORT", "canary-7781")
    assert main(["parked", "list"]) == Exit.USAGE
    said = capsys.readouterr()
    assert "SCHAKEL_PORT" in said.err
    assert "canary-7781" not in said.err + said.out
