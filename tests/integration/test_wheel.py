# SPDX-License-Identifier: EUPL-1.2
"""The wheel, built from the sdist and installed elsewhere, holds everything: it runs the demo outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from schakel.demo.expectation import EXPECTED

ROOT = Path(__file__).resolve().parents[2]
DATA = (
    "mappings/thv_aanmelding/mapping.yaml",
    "mappings/thv_aanmelding/schema.json",
    "mappings/cit_fhir/examples/westland.json",
    "mappings/codebooks/thv-status.yaml",
    "regions/haaglanden/routes.yaml",
    "schakel/store/schema.sql",
    "schakel/demo/messages/thv-den-haag.json",
    "schakel/py.typed",
)
ROOMS = {"api", "broker", "connectors", "mappings", "regions", "schakel"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it; nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_NO_INDEX": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.mark.slow
def test_the_sdist_holds_sources_and_licence_and_nothing_of_the_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert {name.partition("/")[0] for name in names if name.endswith(".py")} == ROOMS


@pytest.mark.slow
def test_the_wheel_holds_the_rooms_by_name_with_their_data(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == ROOMS
    assert [name for name in DATA if name not in names] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_installed_elsewhere_runs_the_demo(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    home = tmp_path / "elsewhere"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, cwd=tmp_path)
    site = Path(_said(python, "import sysconfig; print(sysconfig.get_path('purelib'))", tmp_path))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    where = _said(
        python, "import api, broker, connectors, mappings, regions, schakel; print(schakel.__file__)", tmp_path
    )
    assert Path(where).is_relative_to(site)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SCHAKEL_", "PYTHON"))}
    done = subprocess.run(
        [home / "bin" / "schakel", "demo", "--json"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {name: document[name] for name in EXPECTED.to_json()} == EXPECTED.to_json()


def _said(python: Path, program: str, cwd: Path) -> str:
    return subprocess.run([python, "-c", program], cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()
