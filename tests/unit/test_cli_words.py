# SPDX-License-Identifier: EUPL-1.2
"""What the command line says to people: errors in Dutch first, paths as they are typed, tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schakel import errors
from schakel.cli.app import main
from schakel.cli.complaint import label
from schakel.demo.display import Display
from schakel.demo.ledger import Line, Message
from schakel.demo.scenario import STEPS

ROOT = Path(__file__).resolve().parents[2]


def classes(base: type[errors.SchakelError] = errors.SchakelError) -> Iterator[type[errors.SchakelError]]:
    """The tree of schakel/errors.py; a kind of a room's own falls under one of these."""
    for one in base.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from classes(one)


@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_label_in_dutch_first(kind: type[errors.SchakelError]) -> None:
    findings = issubclass(kind, errors.Refusal | errors.ConfigurationError)
    nl, _, en = label(kind() if findings else kind("x")).partition(" (")
    assert nl
    assert en.endswith(")")
    assert kind.__name__ != nl
    assert (nl, en) != ("Fout", "Error)")  # nothing falls through to the word for all else


def test_an_error_is_told_by_its_label_its_place_and_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHAKEL_HOME", str(tmp_path / "none"))
    assert main(["queues"]) != 0
    said = capsys.readouterr().err
    assert said.startswith("Instelling of bestand klopt niet (Wrong setting or file): ")
    assert "ConfigurationError" not in said


@pytest.mark.parametrize("path", ["mappings/thv_csv/mapping.yaml", "mappings/thv_csv", "thv-csv"])
def test_a_mapping_is_found_by_its_file_its_folder_or_its_name(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["mapping", "check", path]) == 0
    assert capsys.readouterr().out.startswith("thv_csv: well")


def test_the_demo_s_tables_fit_80_columns_and_cut_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    duo, lead = "lokaal-team-leidschendam-voorburg", "perspektief"
    rows = []
    for n, step in enumerate(STEPS[:10]):
        lines = tuple(
            Line(recipient=partner, role=role, delivery="delivered", answer=answer)
            for partner, role, answer in ((duo, "duo", "superseded"), (lead, "lead", "confirmed"), (lead, "lead", ""))
        )
        rows.append((step, "duplicate", Message(id=str(n), case=f"{n:03}", state="routed", lines=lines)))
    Display(quiet=False).result(rows)
    shown = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert "…" not in shown
    assert duo in shown
    assert "009" in shown
