# SPDX-License-Identifier: EUPL-1.2
"""Every mapping folder: the static check finds nothing, and its own tests pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.formats import formats
from mappings.case_tests import run_tests
from mappings.check import check_mapping
from mappings.codebook import CodebookShelf
from mappings.engine import load_mappings, mapping_folders

FOLDERS = mapping_folders()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_static_check_finds_nothing(folder: Path) -> None:
    assert [f"{finding.place}: {finding.en}" for finding in check_mapping(folder)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_tests_beside_the_mapping_pass(folder: Path) -> None:
    results = run_tests(folder, formats())
    assert [result for result in results if not result.passed] == []
    assert results


def test_the_thv_mapping_has_more_than_eight_goldens() -> None:
    folder = next(folder for folder in FOLDERS if folder.name == "thv_aanmelding")
    assert len(list((folder / "examples").glob("*.golden.json"))) >= 8
    assert {path.stem for path in (folder / "examples").glob("*.json")} >= {"den-haag-eerste-thv", "geheim-adres"}


def test_all_mappings_load_together_and_their_formats_exist() -> None:
    loaded = load_mappings(codebooks=CodebookShelf.load())
    assert {mapping.format for mapping in loaded.values()} <= formats().keys()


def test_the_fallback_engine_gives_the_same_goldens() -> None:
    folder = next(folder for folder in FOLDERS if folder.name == "thv_aanmelding")
    results = run_tests(folder, formats(), engine="jsonatapy")
    assert [result for result in results if not result.passed] == []
    assert len(results) >= 12


def test_deploy_checks_are_refused_with_the_fallback_engine() -> None:
    (finding,) = check_mapping(FOLDERS[0], engine="jsonatapy")
    assert finding.rule == "engine-with-read-set"
