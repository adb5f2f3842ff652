# SPDX-License-Identifier: EUPL-1.2
"""The documents say what is: every setting, command, error, park cause and connector has its line, every link leads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from connectors.channels import channels
from connectors.formats import formats
from mappings.engine import mapping_folders
from schakel import errors
from schakel.cli.commands import app
from schakel.cli.complaint import Exit
from schakel.demo.expectation import EXPECTED
from schakel.demo.scenario import DROPPED, STEPS
from schakel.settings import Settings
from schakel.states import ParkCause

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:api|broker|connectors|docs|mappings|regions|schakel|tests)/[A-Za-z0-9_./*<>-]*)`")

GROUPS = {"parked", "alarms", "partners", "mapping", "region", "drop", "queues", "deliveries", "keys"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, object]]:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield f"schakel {name}", command
        else:
            for sub, each in inner.items():
                yield f"schakel {name} {sub}", each


def test_the_page_of_states_is_what_the_tables_say() -> None:
    made = CliRunner().invoke(app, ["states"])
    assert made.exit_code == 0, made.output
    assert page("states.md") == made.stdout, "run: schakel states > docs/states.md"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_stands_in_the_docs_with_its_default_and_sentence(name: str) -> None:
    field = Settings.model_fields[name]
    default = field.default
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    shown = "(empty)" if default in (None, "") else f"`{json.dumps(default) if isinstance(default, bool) else default}`"
    assert f"| `SCHAKEL_{name.upper()}` | {shown} | {field.description} |" in page("settings.md")


def test_the_docs_name_no_setting_that_does_not_exist() -> None:
    named = set(re.findall(r"^\| `SCHAKEL_([A-Z_]+)` \|", page("settings.md"), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: str(value)[:40])
def test_every_command_stands_in_the_docs(name: str, command: object) -> None:
    text = page("commands.md")
    assert f"`{name}" in text
    options = {o for p in command.params for o in p.opts if o.startswith("--")}  # type: ignore[attr-defined]
    general = {"--json", "--by", "--reason", "--help", "--codebooks", "--now", "--overlay"}
    assert [option for option in sorted(options - general) if option not in text] == []


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: str(value)[:40])
def test_every_command_can_answer_in_json(name: str, command: object) -> None:
    options = {option for p in command.params for option in p.opts}  # type: ignore[attr-defined]
    if name.split()[1] not in {"serve", "api", "worker", "clock", "schema", "states"}:  # HTTP; a schema is JSON; a page
        assert "--json" in options


def test_the_docs_name_no_command_that_does_not_exist() -> None:
    known = {name for name, _ in commands()} | {"schakel case", "schakel --help", "schakel COMMAND"}
    for path in PAGES:
        for found in re.findall(r"`(schakel [^`]*)`", path.read_text(encoding="utf-8")):
            words = found.split()
            named = {" ".join(words[:3]), " ".join(words[:2])}
            joined = "|" in found or (words[1] in GROUPS and all(word.startswith("--") for word in words[2:]))
            assert named & known or joined, f"{path.name}: {found}"


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_stands_in_the_docs(code: Exit) -> None:
    names = {Exit.WRONG: "wrong", Exit.NOT_FOUND: "not found", Exit.OK: "ok"}
    assert f"| {int(code)} | {names.get(code, code.name.lower())} |" in page("commands.md")


def test_every_error_class_stands_in_the_docs() -> None:
    classes = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.SchakelError)}
    text = page("errors.md")
    assert [name for name in sorted(classes) if f"`{name}`" not in text] == []


def test_the_docs_say_the_http_status_of_every_refusal() -> None:
    text = page("errors.md")
    for refusal in errors.Refusal.__subclasses__():
        assert f"| `{refusal.__name__}` | {refusal.status} |" in text


@pytest.mark.parametrize("cause", ParkCause)
def test_every_park_cause_stands_in_the_docs_and_in_the_region(cause: ParkCause) -> None:
    assert f"| `{cause}` |" in page("errors.md")
    causes = yaml.safe_load((ROOT / "regions/haaglanden/causes.yaml").read_text(encoding="utf-8"))["causes"]
    assert set(causes[cause]) == {"nl", "en"}


def test_every_format_channel_and_mapping_stands_in_the_tour() -> None:
    text = page("tour.md")
    names = [*formats(), *channels(settings=Settings(), hub_oin="00000099000000000001")]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert [folder.name for folder in mapping_folders() if f"`mappings/{folder.name}/`" not in text] == []


def test_the_docs_show_what_the_demo_expects() -> None:
    text = page("commands.md")
    for name, count in EXPECTED.to_json().items():
        assert f"| {name} | {count} |" in text
    assert len(STEPS) + sum(one.rows for one in DROPPED) == EXPECTED.accepted + EXPECTED.refused + EXPECTED.duplicates


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name} → {target}"
        if anchor:
            assert anchor in _anchors(there), f"{path.name} → {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    for named in PATH.findall(path.read_text(encoding="utf-8")):
        if "<" in named:  # a file that the reader is to make
            continue
        assert any(ROOT.glob(named.rstrip("/"))), f"{path.name} → {named}"


def test_publiccode_describes_this_software() -> None:
    described = yaml.safe_load((ROOT / "publiccode.yml").read_text(encoding="utf-8"))
    assert described["publiccodeYmlVersion"] == "0.4"
    assert described["legal"]["license"] == "EUPL-1.2"
    for key in ("name", "url", "releaseDate", "platforms", "categories", "developmentStatus", "softwareType"):
        assert described[key]
    assert described["maintenance"]["type"] in {"internal", "contract", "community", "none"}
    assert set(described["localisation"]) == {"localisationReady", "availableLanguages"}
    for language in ("nl", "en"):
        text = described["description"][language]
        assert len(text["shortDescription"]) <= 150
        assert 150 <= len(text["longDescription"]) <= 10_000
        assert text["features"]


def test_nothing_that_is_tracked_tells_where_it_was_made() -> None:
    words = "/work" + "/|pypi" + ".org|registry" + ".npmjs"
    found = subprocess.run(["git", "grep", "-lE", words], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert found == []


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
