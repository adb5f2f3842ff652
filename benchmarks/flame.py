# SPDX-License-Identifier: EUPL-1.2
"""Flame graphs of a hub under load, by py-spy: `python -m benchmarks.flame` writes `benchmarks/results/flame-*.svg`.

`accept`: referrals come in, and recipients have mailboxes. `door`: three webhooks each. What is drawn is who holds the
interpreter, function by function. It prints where the time goes, by the hub's own modules.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.handed import JSON, RECIPIENTS, SOURCE, Referrals, to_mailboxes, to_webhooks
from benchmarks.load import post, send
from benchmarks.rows import settle
from benchmarks.running import hub, make_home
from benchmarks.sinks import sinks

RESULTS: Final = Path(__file__).parent / "results"
PY_SPY: Final = Path(sys.executable).parent / "py-spy"
SECONDS: Final = 12.0
_TITLE: Final = re.compile(r">[^<>]*py-spy record [^<>]*")
FIRST: Final = 200  # referrals before it is watched
SENDERS: Final = 64
SHOWN: Final = 25  # functions in the table


def main() -> int:
    if not PY_SPY.exists():
        print(f"{PY_SPY.name} is not installed: make install", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    for name in ("accept", "door"):
        with tempfile.TemporaryDirectory(dir=RESULTS, ignore_cleanup_errors=True) as folder:
            stacks = _watched(name, Path(folder))
        print(f"\n{name}: of the time that somebody holds the interpreter, spent in or below")
        for function, share in _shares(stacks):
            print(f"  {share:6.1%}  {function}")
    return 0


def _watched(name: str, folder: Path) -> str:
    """The stacks, folded; the graph is drawn beside."""
    with contextlib.ExitStack() as stack:
        taking = stack.enter_context(sinks())
        overlay = to_webhooks(taking.url) if name == "door" else to_mailboxes()
        home = make_home(folder / "hub", overlay=overlay, receivers=RECIPIENTS if name == "door" else ())
        pid = stack.enter_context(hub(home))
        referrals = Referrals()

        def load(number: int) -> float:
            bodies = referrals.bodies(number).values()
            requests = [post("/v1/referrals", body, media_type=JSON, key=home.keys[SOURCE]) for body in bodies]
            start = time.perf_counter()
            asyncio.run(send(home.port, requests, connections=SENDERS)).check(202)
            settle(home.database)
            return number / (time.perf_counter() - start)

        rate = load(FIRST)
        graph = folder / "graph.svg"
        with _watching(pid, folder / "folded", "raw"), _watching(pid, graph, "flamegraph"):
            load(max(FIRST, round(rate * SECONDS)))
        drawn = _TITLE.sub(f">Schakel, {name}: who holds the interpreter", graph.read_text(encoding="utf-8"))
        (RESULTS / f"flame-{name}.svg").write_text(drawn, encoding="utf-8")
        return (folder / "folded").read_text(encoding="utf-8")


@contextlib.contextmanager
def _watching(pid: int, file: Path, form: str) -> Iterator[None]:
    words = ["record", "--pid", str(pid), "--format", form, "--output", str(file), "--rate", "100"]
    more = ["--nonblocking", "--gil", "--threads", "--duration", "unlimited"]
    spy = subprocess.Popen([str(PY_SPY), *words, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.wait(60)


def _shares(stacks: str) -> list[tuple[str, float]]:
    """Function → share of the samples in which it is on the stack; of our own functions only."""
    on_stack: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        total += int(count)
        ours = {frame.rpartition(":")[0] + ")" for frame in frames.split(";") if _is_ours(frame)}
        on_stack.update(dict.fromkeys(ours, int(count)))
    return [(function, count / total) for function, count in on_stack.most_common(SHOWN)]


def _is_ours(frame: str) -> bool:
    return any(f"({package}/" in frame for package in ("api", "broker", "connectors", "mappings", "schakel"))


if __name__ == "__main__":
    sys.exit(main())
