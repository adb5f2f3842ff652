# SPDX-License-Identifier: EUPL-1.2
"""A region's own codebooks and mappings: an unknown code is mended, a source gets its own mapping, without Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mappings
from mappings.engine import load_mappings
from mappings.library import load_library, shelf_of
from schakel.cli.app import main
from schakel.cli.complaint import Exit
from schakel.errors import ConfigurationError

PACKAGED = Path(mappings.__file__).parent
UNKNOWN = PACKAGED / "thv_aanmelding" / "examples" / "onbekende-code.json"
KNOWN = PACKAGED / "thv_aanmelding" / "examples" / "delft-tweede-thv.json"


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir()
    monkeypatch.setenv("SCHAKEL_REGION_OVERLAY", str(folder))
    return folder


def the_unknown_role() -> str:
    known = shelf_of().get("thv-rol", place="test").entries
    roles = {each["rol"] for each in json.loads(UNKNOWN.read_bytes())["betrokkenen"]}
    (unknown,) = roles - set(known)
    return unknown


def own_book(folder: Path, **entries: str) -> None:
    (folder / "codebooks").mkdir()
    lines = [f'  "{code}": {to}' for code, to in entries.items()]
    text = "\n".join(["codebook: thv-rol", "version: 2026-11-20", "source: our pool", "entries:", *lines])
    (folder / "codebooks" / "thv-rol.yaml").write_text(text, encoding="utf-8")


def own_mapping(folder: Path, *, replaces: str = "replaces: thv-aanmelding") -> None:
    target = folder / "mappings" / "eigen_thv"
    shutil.copytree(PACKAGED / "thv_aanmelding", target)
    file = target / "mapping.yaml"
    text = file.read_text(encoding="utf-8").replace("mapping: thv-aanmelding", f"mapping: eigen-thv\n{replaces}", 1)
    file.write_text(text, encoding="utf-8")


def test_an_unknown_code_parks_until_the_overlay_knows_it(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", str(UNKNOWN), "--json"]) == Exit.WRONG
    capsys.readouterr()
    own_book(overlay, **{the_unknown_role(): "other"})
    assert main(["preview", str(UNKNOWN), "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["recipients"]


def test_an_own_book_adds_to_the_known_one_and_says_so_in_its_version(overlay: Path) -> None:
    before = shelf_of().get("thv-rol", place="test")
    own_book(overlay, getuige="other")
    after = shelf_of([overlay]).get("thv-rol", place="test")
    assert after.entries.keys() == before.entries.keys() | {"getuige"}
    assert after.version == f"{before.version}+2026-11-20"
    assert load_library([overlay])["thv-aanmelding"].versions["codebook:thv-rol"] == after.version


def test_a_source_has_its_own_mapping_and_the_others_keep_theirs(
    overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_mapping(overlay)
    file = overlay / "mappings" / "eigen_thv" / "mapping.yaml"
    text = file.read_text(encoding="utf-8")
    rules = text.index("  - to: purpose")
    file.write_text(
        text[:rules] + "  - to: purpose\n    from: '\"own-purpose\"'\n" + _after(text, rules), encoding="utf-8"
    )
    assert main(["preview", str(KNOWN), "--for", "perspektief"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["purpose"] != "own-purpose"
    sends = {"formats": ["thv-json"], "mappings": ["eigen-thv"]}
    partners = {"partners": [{"id": "thv-pool", "sends": sends}]}
    (overlay / "partners.yaml").write_text(json.dumps(partners), encoding="utf-8")
    assert main(["preview", str(KNOWN), "--for", "perspektief"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["purpose"] == "own-purpose"


def _after(text: str, start: int) -> str:
    return text[text.index("\n  - to:", start + 1) + 1 :]


def test_an_own_mapping_runs_its_own_tests(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_mapping(overlay)
    assert main(["mapping", "test", "eigen-thv"]) == Exit.OK
    assert main(["mapping", "check", "eigen_thv"]) == Exit.OK
    assert "eigen_thv" in capsys.readouterr().out


def test_region_check_finds_an_own_mapping_that_is_not_there_or_stands_for_nothing(
    overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_mapping(overlay, replaces="")
    sends = {"formats": ["thv-json"], "mappings": ["eigen-thv"]}
    (overlay / "partners.yaml").write_text(json.dumps({"partners": [{"id": "thv-pool", "sends": sends}]}))
    assert main(["region", "check"]) == Exit.WRONG
    assert "own-mapping-exists" in capsys.readouterr().out


def test_a_misspelt_folder_is_refused_and_not_passed_over(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (overlay / "codebook").mkdir()
    assert main(["region", "check"]) == Exit.WRONG
    assert "unknown-folder" in capsys.readouterr().out


def test_faults_of_own_files_are_all_told(overlay: Path) -> None:
    own_mapping(overlay)
    (overlay / "mappings" / "eigen_thv" / "mapping.yaml").write_text("mapping: eigen-thv\nrules: []\n")
    with pytest.raises(ConfigurationError) as caught:
        load_mappings(overlay / "mappings", codebooks=shelf_of())
    assert {finding.place.partition(":")[0] for finding in caught.value.findings} == {"eigen_thv/mapping.yaml"}
