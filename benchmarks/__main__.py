# SPDX-License-Identifier: EUPL-1.2
"""Runs the scenarios, prints the table and writes `benchmarks/results/latest.json`.

::

    python -m benchmarks                  every scenario that is not long
    python -m benchmarks ONLY=micro       one (or several, with commas); what the others measured before stays
    python -m benchmarks LONG=1           the long ones too
"""

from __future__ import annotations

import json
import pkgutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import benchmarks
from benchmarks.contract import Measure, Result, Scenario, Settings, Target
from benchmarks.machine import fdatasync_rate, machine, versions

LATEST: Final = Path(__file__).parent / "results" / "latest.json"
SCHEMA: Final = "schakel-bench@1"


def scenarios() -> dict[str, Scenario]:
    """The modules of this package that keep the contract, by name."""
    found = {}
    for each in pkgutil.iter_modules(benchmarks.__path__):
        if each.name == "__main__":
            continue
        module = import_module(f"benchmarks.{each.name}")
        if hasattr(module, "name") and hasattr(module, "run"):
            found[str(module.name)] = cast(Scenario, module)
    return found


def main(arguments: Sequence[str]) -> int:
    """0 when every gate that was measured holds."""
    options = dict(each.partition("=")[::2] for each in arguments)
    known = scenarios()
    wanted = [each for each in options.pop("ONLY", "").split(",") if each]
    long = bool(options.pop("LONG", ""))
    if options or set(wanted) - known.keys():
        print(f"ONLY= one of: {', '.join(known)}; LONG=1", file=sys.stderr)
        return 2
    chosen = wanted or [each for each, module in known.items() if long or not getattr(module, "long", False)]
    report = _kept() if wanted else _empty()
    for each in chosen:
        report["scenarios"][each] = _run(known[each])
    report["targets"] = [target for each in report["scenarios"].values() for target in each["targets"]]
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _say_targets(report["targets"])
    return 0 if all(target["met"] for target in report["targets"]) else 1


def _run(scenario: Scenario) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="schakel-bench-", dir=_disk()) as folder:
        rate = fdatasync_rate(Path(folder))
        print(f"\n{scenario.name}   (this disk: {rate:.0f} fdatasync/s)", flush=True)
        start = time.perf_counter()
        result = scenario.run(Settings(folder=Path(folder)))
    _say(result)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(time.perf_counter() - start, 1),
        "fdatasync_per_second": round(rate),
        "measures": [each.as_json() for each in result.measures],
        "targets": [each.as_json() for each in result.targets],
        "notes": list(result.notes),
    }


def _disk() -> str:
    """Beside the results, and not in a /tmp that may be memory."""
    LATEST.parent.mkdir(exist_ok=True)
    return str(LATEST.parent)


def _empty() -> dict[str, Any]:
    return {"schema": SCHEMA, "machine": machine(), "versions": versions(), "scenarios": {}, "targets": []}


def _kept() -> dict[str, Any]:
    """What was measured before, when it was on this machine with these versions; figures of two are never mixed."""
    empty = _empty()
    try:
        before: dict[str, Any] = json.loads(LATEST.read_bytes())
    except (OSError, ValueError):
        return empty
    return before if all(before.get(key) == empty[key] for key in ("schema", "machine", "versions")) else empty


# -- the table ---------------------------------------------------------------------------------------------------------


def _say(result: Result) -> None:
    width = max((len(each.name) for each in result.measures), default=0)
    print(f"  {'':{width}} {'median':>10} {'low':>10} {'high':>10}")
    for each in result.measures:
        low, high = min(each.runs), max(each.runs)
        print(f"  {each.name:{width}} {_figure(each.median)} {_figure(low)} {_figure(high)} {each.unit}")
    for note in result.notes:
        print(f"  - {note}")
    print(end="", flush=True)


def _say_targets(targets: Sequence[dict[str, Any]]) -> None:
    if not targets:
        return
    print("\ntargets")
    width = max(len(each["name"]) for each in targets)
    for each in targets:
        sign = "≤" if each["better"] == "less" else "≥"
        how = "stretch met" if each["stretched"] else "gate met" if each["met"] else "GATE MISSED"
        limits = f"{sign} {each['gate']:g} / {each['stretch']:g} {each['unit']}"
        print(f"  {each['name']:{width}} {_figure(each['value'])}   {limits:20} {how}")


def _figure(value: float) -> str:
    return f"{value:10.3g}" if value < 10 else f"{value:10,.0f}" if value >= 1000 else f"{value:10.1f}"


__all__ = ["Measure", "Result", "Settings", "Target", "main", "scenarios"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
