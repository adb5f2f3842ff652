# SPDX-License-Identifier: EUPL-1.2
"""docs/fhir.md and docs/fhir-task.md say what is: examples run, tables are the codebooks, no name is left out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.fhir.search import PARAMETERS
from api.fhir.tasks import fhir
from connectors.formats.fhir_invariants import TASK_STATUS
from connectors.formats.fhir_json import FhirJson
from connectors.formats.json_patch import json_patch
from mappings.codebook import CodebookShelf
from mappings.engine import load_mappings, to_answer, to_referral
from schakel.region_files import load_region

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
TASK_PAGE = (ROOT / "docs" / "fhir-task.md").read_text(encoding="utf-8")
SHOWN: list[Any] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
OURS = re.compile(r"urn:schakel:([a-z-]*[a-z])")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    part = text.split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def answer_of(document: Any) -> dict[str, Any]:
    envelope = FhirJson().read_answer(json.dumps(document).encode())
    mapping = load_mappings(codebooks=CodebookShelf.load())[envelope.mapping]
    return to_answer(mapping.apply(envelope.document, now=NOW).document).to_json()


def test_the_answers_that_are_shown_are_answers() -> None:
    accepted, patch, message, known, _ = SHOWN
    reference = "ABCDEFGHIJKLMNOPQRSTUVWX23"
    contact = {"name": "Petra Proef", "phone": "015 123 45 67"}
    assert answer_of(accepted) == {"reference": reference, "answer": "confirmed", "contact": contact}
    rejected = answer_of(json_patch(accepted, patch))
    assert (rejected["answer"], rejected["reasonCode"]) == ("declined", "no-capacity")
    assert answer_of(message) == {"reference": reference, "answer": "received"}
    said = "In behandeling geweest in 2024."
    assert answer_of(known) == {"reference": reference, "answer": "known", "reasonText": said}


def test_the_referral_that_is_shown_is_a_referral_without_loss() -> None:
    envelope = FhirJson().read(json.dumps(SHOWN[-1]).encode())
    assert (envelope.message_reference, envelope.source_case_reference, envelope.findings) == (
        "CIT-2026-1",
        "ZAAK-1",
        (),
    )
    mapped = load_mappings(codebooks=CodebookShelf.load())[envelope.mapping].apply(envelope.document, now=NOW)
    assert mapped.losses == ()
    assert to_referral(mapped.document).urgency == "crisis"


def test_the_configuration_that_is_shown_is_a_regions(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "partners.yaml").write_text(shown, encoding="utf-8")
    region = load_region(ROOT / "regions" / "haaglanden", tmp_path)
    partner = region.partner("lokaal-team-delft")
    assert partner is not None
    assert partner.receives is not None
    assert partner.receives.answers == ("fhir-json", "fhir-xml")
    loaded = load_mappings(codebooks=CodebookShelf.load())
    named = re.findall(r"\bcase-fhir(?:-xml)?\b", shown)
    assert set(named) == {name for name in loaded if name.startswith("case-fhir")}


def test_every_name_of_ours_is_in_the_table_and_no_other() -> None:
    files = [
        *(ROOT / "connectors" / "formats").glob("fhir_*.py"),
        *(ROOT / "mappings" / "codebooks").glob("fhir-*.yaml"),
        *(
            ROOT / "mappings" / name / "mapping.yaml"
            for name in ("case_fhir", "cit_fhir", "fhir_answer", "notice_fhir")
        ),
    ]
    used = {name for file in files for name in OURS.findall(file.read_text(encoding="utf-8"))}
    cells = [row[0] for row in rows(PAGE, "Our own code systems and extensions")]
    assert {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)} == used


def test_the_table_of_states_is_the_codebook() -> None:
    table = CodebookShelf.load().get("fhir-task-state", place="docs").entries
    shown = {row[0]: (row[1], row[2]) for row in rows(TASK_PAGE, "How a request of ours shows")}
    assert shown == {state: (entry[0], state) for state, entry in table.items()}


def test_the_table_of_answers_is_the_codebook() -> None:
    table = CodebookShelf.load().get("fhir-task-status", place="docs").entries
    shown = {row[0]: row[1] for row in rows(TASK_PAGE, "What you may set")}
    assert shown == {status: entry[0] for status, entry in table.items()}
    setters = {status.strip(): row[1] for row in rows(TASK_PAGE, "Who sets what") for status in row[0].split(",")}
    assert setters.keys() == set(TASK_STATUS)
    assert {status for status, who in setters.items() if who.startswith(("who is asked", "its owner"))} == table.keys()


def test_every_reason_and_state_that_is_named_exists() -> None:
    reasons = CodebookShelf.load().get("fhir-decline-reason", place="docs").entries
    row = next(row for row in rows(PAGE, "Our own code systems and extensions") if row[0] == "`decline-reason`")
    assert {f"urn:schakel:decline-reason|{code.strip()}" for code in row[2].split(",")} == reasons.keys()


def test_every_path_and_parameter_that_is_named_exists() -> None:
    served = {(method, route.path) for route in fhir().routes for method in route.methods}  # type: ignore[attr-defined]
    for method, path in (
        ("GET", "/v1/fhir/metadata"),
        ("GET", "/v1/fhir/Task"),
        ("POST", "/v1/fhir/Task/_search"),
        ("GET", "/v1/fhir/Task/{id}"),
        ("PUT", "/v1/fhir/Task/{id}"),
        ("PATCH", "/v1/fhir/Task/{id}"),
    ):
        assert path in PAGE
        assert (method, path) in served
    assert all(f"`{name}`" in PAGE for name in PARAMETERS)
