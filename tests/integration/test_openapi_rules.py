# SPDX-License-Identifier: EUPL-1.2
"""The published description has no finding under the NL API Design Rules, and says what the door does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.app import openapi_document
from connectors.formats import formats
from tests.integration.small_hub import SmallHub, serving

CHECKOUT = Path(__file__).resolve().parents[2]
RULES = CHECKOUT / "../shared/standards/nl-api-design-rules/linter.yaml"
TOOL = CHECKOUT / "tests/tools/spectral"


def _needs(there: bool, what: str) -> None:
    """On a laptop a missing tool skips; in CI it fails."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def _spectral() -> Path:
    """The linter, installed once from the lock in its folder."""
    _needs(RULES.is_file(), "the ruleset of the NL API Design Rules")
    tool, stamp = TOOL / "node_modules/.bin/spectral", TOOL / "node_modules/.package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < (TOOL / "package-lock.json").stat().st_mtime:
        _needs(shutil.which("npm") is not None, "npm")
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(command, cwd=TOOL, capture_output=True, text=True, timeout=100, check=False)
        _needs(done.returncode == 0, "the package @stoplight/spectral-cli")
    return tool


def _lint(document: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    command = [str(_spectral()), "lint", "--fail-severity=hint", "--ruleset", str(RULES), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_no_finding_under_the_dutch_api_design_rules_which_do_find_what_is_wrong(tmp_path: Path) -> None:
    done = _lint(openapi_document(), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "No results" in done.stdout
    document = openapi_document()
    paths: dict[str, Any] = document["paths"]  # type: ignore[assignment]
    del paths["/mailbox"]["get"]["responses"]["200"]["headers"]
    paths["/badCasing/"] = paths.pop("/answers")
    done = _lint(document, tmp_path)
    assert done.returncode == 1
    for rule in ("missing-header", "paths-kebab-case", "path-keys-no-trailing-slash"):
        assert rule in done.stdout


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((TOOL / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


async def test_the_hub_serves_what_is_published() -> None:
    async with serving(SmallHub()) as hub, hub.client() as client:
        served = (await client.get("/v1/openapi.json")).json()
    published = openapi_document()
    assert served["paths"] == published["paths"]
    assert served["servers"][0]["url"] == f"{hub.settings.public_url}/v1"
    assert served["info"]["contact"]["email"] == hub.region.contact


def _operations() -> list[dict[str, Any]]:
    paths: dict[str, Any] = openapi_document()["paths"]  # type: ignore[assignment]
    return [operation for item in paths.values() for operation in item.values()]


def test_every_answer_documents_its_version_and_every_fault_is_a_problem() -> None:
    for operation in _operations():
        assert "422" not in operation["responses"]
        for status, response in operation["responses"].items():
            assert "API-Version" in response["headers"]
            assert (int(status) < 400) or list(response["content"]) == ["application/problem+json"]


def test_every_media_type_that_a_source_may_send_is_described() -> None:
    paths: dict[str, Any] = openapi_document()["paths"]  # type: ignore[assignment]
    described = set(paths["/referrals"]["post"]["requestBody"]["content"])
    region = SmallHub().region
    sent = {name for partner in region.partners if partner.sends for name in partner.sends.formats}
    assert described >= {media_type for name in sent for media_type in formats()[name].media_types}


def test_every_name_is_camel_case() -> None:
    schemas: dict[str, Any] = openapi_document()["components"]["schemas"]  # type: ignore[index]
    assert all("_" not in name for schema in schemas.values() for name in schema.get("properties", {}))
