# SPDX-License-Identifier: EUPL-1.2
"""The README's walk with curl runs as it stands, against a real hub."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- walk -->\n```sh\n(.*?)```", re.DOTALL)
NEEDED = ("bash", "curl")


def test_the_walk_with_curl_runs_as_it_is_written(tmp_path: Path) -> None:
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"{', '.join(missing)} not installed")
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) == 5
    port = str(_free_port())
    script = "set -euo pipefail\nset -m\n" + "".join(f"echo '=== block {n}'\n{b}" for n, b in enumerate(blocks))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "SCHAKEL_PORT": port,
        "SCHAKEL_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    running = subprocess.Popen(
        ["bash", "-c", script.replace("8420", port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, errors = running.communicate(timeout=90)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0, f"{said}\n{errors}"

    started, answered, read, confirmed, seen = re.split(r"=== block \d\n", said)[1:]
    assert json.loads(started.splitlines()[-1])["status"] == "ready"
    receipt = json.loads(answered)
    assert receipt["state"] == "routed"
    assert {notice["role"] for notice in receipt["recipients"] if notice["outcome"] == "deliver"} == {"lead", "duo"}
    listed, view = (json.loads(line) for line in read.splitlines())
    assert [entry["number"] for entry in listed["entries"]] == [1]
    assert view["request"]["role"] == "duo"
    assert json.loads(confirmed) == {"outcome": "recorded", "requestState": "confirmed"}
    status = json.loads(seen.splitlines()[0])
    assert {one["role"]: one["state"] for one in status["recipients"]}["duo"] == "confirmed"


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
