# SPDX-License-Identifier: EUPL-1.2
"""docs/add-a-mapping.md says what is true: its functions, causes, limits and files exist and its YAML loads."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mappings import engine
from mappings.codebook import read_codebook
from mappings.functions import NAMES
from mappings.mapping_file import MappingText
from schakel.jsonata import LIMITS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-a-mapping.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_every_host_function_has_its_line_and_no_other() -> None:
    assert set(re.findall(r"^\| `\$(\w+)\(", PAGE, re.MULTILINE)) == NAMES


def test_every_cause_has_its_line() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == set(engine.CAUSES)


def test_the_limits_are_as_the_page_says() -> None:
    assert f"{engine.MAX_EVALUATIONS:,} evaluations and {engine.MAX_SECONDS:.0f} s" in PAGE.replace("\n", " ")
    assert f"{engine.MAX_ITEMS:,} items of one `each`" in PAGE
    assert f"{LIMITS['timeout']} s, {LIMITS['max_steps']:,} steps, depth {LIMITS['max_depth']}" in PAGE
    assert f"{LIMITS['max_array_length']:,} items" in PAGE


def test_the_mapping_and_the_codebook_on_the_page_are_valid(tmp_path: Path) -> None:
    shown = yaml.load(BLOCKS[0], Loader=yaml.BaseLoader)
    assert MappingText.model_validate(shown).rules[1].rules is not None
    (tmp_path / "thv-vorm.yaml").write_text(BLOCKS[1])
    assert read_codebook(tmp_path / "thv-vorm.yaml").entries["onbekend"][0] is None


def test_the_files_on_the_page_exist() -> None:
    for path in re.findall(r"mappings/[\w/.-]+\.(?:json|yaml)", PAGE):
        assert (ROOT / path).exists(), path
