# SPDX-License-Identifier: EUPL-1.2
"""Runs the scenarios, prints the table, and writes `benchmarks/results/latest.json` and docs/performance.md.

::

    python -m benchmarks                  every scenario that is not long
    python -m benchmarks ONLY=micro       one (or several, with commas); what the others measured before stays
    python -m benchmarks LONG=1           the long ones too
    python -m benchmarks ONLY=year SCALE=0.01   tries one out with a part of its work, and writes nothing
"""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import benchmarks
from benchmarks import page
from benchmarks.contract import Measure, Result, Scenario, Settings, Target
from benchmarks.machine import fdatasync_rate, machine, versions

LATEST: Final = Path(__file__).parent / "results" / "latest.json"
SCHEMA: Final = "schakel-bench@1"
LONGEST: Final = 420.0  # seconds of a scenario that is not long


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
    long, scale = bool(options.pop("LONG", "")), float(options.pop("SCALE", "1"))
    if options or set(wanted) - known.keys():
        print(f"ONLY= one of: {', '.join(known)}; LONG=1; SCALE=0.01", file=sys.stderr)
        return 2
    chosen = wanted or [each for each, module in known.items() if long or not getattr(module, "long", False)]
    report = _kept() if wanted else _empty()
    failed = []
    for each in chosen:
        try:
            with _at_most(None if getattr(known[each], "long", False) else LONGEST):
                report["scenarios"][each] = _run(known[each], scale)
        except Exception:  # the others are measured all the same
            traceback.print_exc()
            failed.append(each)
        report["targets"] = [target for one in report["scenarios"].values() for target in one["targets"]]
        if scale == 1:
            LATEST.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            page.write(report)
    _say_targets(report["targets"])
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 0 if not failed and all(target["met"] for target in report["targets"]) else 1


@contextlib.contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Raises TimeoutError in the block after so long: a scenario that hangs must not take the others along."""

    def over(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds:.0f} seconds")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run(scenario: Scenario, scale: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="schakel-bench-", dir=_disk(), ignore_cleanup_errors=True) as folder:
        rate = fdatasync_rate(Path(folder))
        load = os.getloadavg()[0]
        print(f"\n{scenario.name}   (this disk: {rate:.0f} fdatasync/s; load {load:.1f})", flush=True)
        start = time.perf_counter()
        result = scenario.run(Settings(folder=Path(folder), scale=scale))
    _say(result)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(time.perf_counter() - start, 1),
        "fdatasync_per_second": round(rate),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends too
    sys.exit(main(sys.argv[1:]))
