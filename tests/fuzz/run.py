# SPDX-License-Identifier: EUPL-1.2
"""Hostile bytes against every reader for as long as one likes: `make fuzz`, or `python -m tests.fuzz.run --help`.

Coverage-guided where atheris can be imported (it is no dependency: `pip install atheris` where there is a wheel), else
by hypothesis. A reader may give an envelope or refuse; anything else, and anything slow or large, is a find. Finds are
written to the folder that is named, with the bytes that cause them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

NOW: Final = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
HUB: Final = "00000099000000000001"
SLOW: Final = 2.0  # seconds of this process
MEMORY: Final = 1024  # MiB
Target = Callable[[bytes], None]


def targets() -> dict[str, tuple[Target, list[bytes]]]:
    """Name → what is tried and what it begins with. Readers go on through their mapping and their replies."""
    from connectors.formats import formats
    from connectors.formats.cloudevent_in import STRUCTURED, unwrap
    from connectors.formats.csv_table import read_csv
    from connectors.formats.foreign import looks_like
    from connectors.formats.json_patch import json_patch, merge_patch
    from connectors.formats.strict_json import read_json
    from connectors.formats.xlsx_table import read_xlsx
    from mappings.codebook import CodebookShelf
    from mappings.engine import load_mappings, to_answer, to_referral
    from schakel.errors import Refusal, Unmappable
    from schakel.ledger_records import AnswerOutcome
    from schakel.ports import AnswerFormat, Envelope, Receipt
    from tests.support.hostile import examples
    from tests.support.tables import csv_file, row, workbook

    loaded = load_mappings(codebooks=CodebookShelf.load())
    receipt = Receipt(message_id="0192f0c1-0000-7000-8000-000000000001", state="routed", duplicate=False, notices=())

    def reader(format: Any, read: Callable[[bytes], Envelope], to_noun: Callable[[Any], Any]) -> Target:
        def target(body: bytes) -> None:
            looks_like(body)
            if not format.recognises(body):
                return
            try:
                envelope = read(body)
            except Refusal as refusal:
                format.refused(refusal, body, now=NOW, hub_oin=HUB, accept="*/*")
                return
            assert envelope.source_case_reference
            assert len(envelope.digest) == 32
            if to_noun is to_referral:
                assert envelope.message_reference
                format.accepted(envelope, receipt, now=NOW, hub_oin=HUB)
            else:
                format.answered(envelope, AnswerOutcome("recorded", None), now=NOW, hub_oin=HUB)
            if envelope.word is not None:
                return
            try:
                mapped = loaded[envelope.mapping].apply(envelope.document, now=NOW)
                noun = to_noun(mapped.document)
            except Unmappable as parked:
                _gives_reasons(parked.findings)
            else:
                json.dumps(noun.to_json())

        return target

    def plain(read: Callable[[bytes], Any]) -> Target:
        def target(body: bytes) -> None:
            try:
                read(body)
            except Refusal as refusal:
                _gives_reasons(refusal.findings)

        return target

    def patch(body: bytes) -> None:
        change = read_json(body)
        task = {"resourceType": "Task", "id": "x", "status": "requested", "identifier": [{"value": "a"}]}
        json_patch(task, change) if isinstance(change, list) else merge_patch(task, change)

    found: dict[str, tuple[Target, list[bytes]]] = {}
    asked, answered = examples(answers=False), examples(answers=True)
    for name, format in formats().items():
        found[name] = (reader(format, format.read, to_referral), asked.get(name, []))
        if isinstance(format, AnswerFormat):
            found[f"{name}-answer"] = (reader(format, format.read_answer, to_answer), answered.get(name, []))
    event = {"specversion": "1.0", "id": "1", "type": "nl.x.v1", "source": f"urn:nld:oin:{HUB}:systeem:x"}
    bodies = [json.dumps(event | data).encode() for data in ({"data": {"a": 1}}, {"data_base64": "e30="})]
    found["cloudevent"] = (plain(lambda body: unwrap([("content-type", STRUCTURED)], body, oins=(HUB,))), bodies)
    found["csv"] = (plain(read_csv), [csv_file([row(1), row(2)]), csv_file([row(1)], encoding="utf-16")])
    found["xlsx"] = (plain(read_xlsx), [workbook([row(1), row(2)])])
    patches = [b'[{"op":"replace","path":"/status","value":"accepted"}]', b'{"status":"accepted","identifier":null}']
    found["json-patch"] = (plain(patch), patches)
    return found


def _gives_reasons(findings: tuple[Any, ...]) -> None:
    assert findings, "without a word of why"


def timed(target: Target) -> Target:
    """Fails when it takes too long; of the processor, for others use this machine too."""

    def measured(body: bytes) -> None:
        began = time.process_time()
        target(body)
        took = time.process_time() - began
        assert took < SLOW, f"took {took:.1f} s"

    return measured


# -- guided by coverage ------------------------------------------------------------------------------------------------


def guided(name: str, seconds: int, finds: Path) -> int:
    """One reader in a process of its own, for libFuzzer never comes back. 0: nothing found."""
    print(f"-- {name}", flush=True)
    arguments = ["--only", name, "--seconds", str(seconds), "--finds", str(finds), "--inside"]
    return subprocess.run([sys.executable, "-m", "tests.fuzz.run", *arguments], check=False).returncode


def inside(name: str, seconds: int, finds: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["connectors", "mappings", "schakel"]):
        target, seeds = targets()[name]
        for seed in seeds:  # what is imported at the first message is instrumented too
            target(seed)
    from tests.support.hostile import LARGEST, mutated

    def mutate(body: bytes, most: int, seed: int) -> bytes:
        return (mutated(body, seed) if seed % 2 else atheris.Mutate(body, most))[:most]

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"{number:03}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}", "-timeout=20", f"-max_len={LARGEST}"]
        options += [f"-artifact_prefix={finds}/{name}-", "-print_final_stats=1", "-verbosity=0", "-len_control=0"]
        atheris.Setup([sys.argv[0], *options, corpus], timed(target), custom_mutator=mutate)
        atheris.Fuzz()


# -- by hypothesis -----------------------------------------------------------------------------------------------------


def unguided(name: str, seconds: int, finds: Path) -> int:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from tests.support.hostile import mutated

    target, seeds = targets()[name]
    limits = settings(
        max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    tried, end, last = 0, time.monotonic() + seconds, b""

    @limits
    @given(st.builds(mutated, st.sampled_from(seeds), st.integers(0, 2**63)) | st.binary(max_size=2_000))
    def attempt(body: bytes) -> None:
        nonlocal tried, last
        last = body
        timed(target)(body)
        tried += 1

    try:
        while time.monotonic() < end:
            attempt()
    except Exception as error:
        path = finds / f"{name}-hypothesis-{time.time_ns()}"
        path.write_bytes(last)
        print(f"{name}: {type(error).__name__}, bytes in {path}", flush=True)
        return 1
    print(f"{name}: {tried} tried in {seconds} s, nothing found", flush=True)
    return 0


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("--seconds", type=int, default=120, help="for each reader")
    ask.add_argument("--only", help="one reader by its name; none: all of them")
    ask.add_argument("--finds", type=Path, default=Path(tempfile.gettempdir()) / "schakel-finds")
    ask.add_argument("--without-atheris", action="store_true", help="by hypothesis, also where atheris is there")
    ask.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    said = ask.parse_args()
    said.finds.mkdir(parents=True, exist_ok=True)
    if said.inside:
        inside(said.only, said.seconds, said.finds)
    try:
        import atheris  # noqa: F401

        run = unguided if said.without_atheris else guided
    except ImportError:
        run = unguided
    print("by hypothesis" if run is unguided else "guided by coverage (atheris)", flush=True)
    names = [said.only] if said.only else list(targets())
    failed = [name for name in names if run(name, said.seconds, said.finds) != 0]
    print(f"found something: {', '.join(failed)}" if failed else "nothing found", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
