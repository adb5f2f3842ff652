# SPDX-License-Identifier: EUPL-1.2
"""Plays the demo: partners and hub on loopback, the scenario's messages over HTTP, and the accountant at the end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2

from api.server import serve
from schakel.bootstrap import build, clear_broker, initialise, region_folder
from schakel.demo import servers
from schakel.demo.chain import Chain, play_chain
from schakel.demo.display import Display
from schakel.demo.dropping import Dropping
from schakel.demo.expectation import EXPECTED, FORMATS, Counts
from schakel.demo.ground import Servers, ground, rings, stands_on, to_paste
from schakel.demo.ledger import Books, Message
from schakel.demo.overlay import write_overlay
from schakel.demo.pager import Pager
from schakel.demo.partner import Character, DemoPartner
from schakel.demo.scenario import (
    CAST,
    MAY_KNOW,
    NOT_FOR,
    RELEASE_BY,
    RELEASE_REASON,
    RELEASE_TO,
    RELEASED,
    SECRET_TRACES,
    STEPS,
    Step,
)
from schakel.demo.signature import Verifier
from schakel.demo.tongues import FHIR, FHIR_XML
from schakel.hub import Hub
from schakel.intake import blind_reference
from schakel.keys import new_key
from schakel.region import Region
from schakel.region_files import load_region
from schakel.store.register import database
from schakel.verify import verify
from schakel.webhook_secrets import Kind, new_secret, read_text

REGION: Final = "haaglanden"
QUIET_WITHIN: Final = 60.0  # seconds; then the demo says what is still under way, and fails
LOOK_EVERY: Final = 0.05  # seconds


@dataclass(slots=True)
class Outcome:
    """What the demo found. `faults`: in words, each a reason to fail; none: all is well."""

    counts: Counts
    verify: dict[str, Any]
    formats: dict[str, list[str]]  # in, out, answers
    servers: dict[str, Any]  # database, broker, and how often the bell rang at the broker
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**self.counts.to_json(), "formats": self.formats, "servers": self.servers, "verify": self.verify}


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    hub: Hub
    url: str
    keys: dict[str, str]  # partner → API key
    partners: dict[str, DemoPartner]
    pager: Pager
    books: Books


async def play(display: Display, done: Callable[[Outcome], None], *, port: int = 0, keep: bool = False) -> None:
    """The whole demo; `done` gets the outcome. `keep`: goes on until cancelled after that."""
    with tempfile.TemporaryDirectory(prefix="schakel-demo-") as folder:
        async with _stage(Path(folder), display, port) as stage:
            done(await _act(stage, display))
            if keep:
                display.heading(_invitation(stage))
                await asyncio.Event().wait()


# -- building the stage ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _stage(folder: Path, display: Display, port: int) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        pager = Pager()
        alarms_to = await pager.start()
        stack.push_async_callback(pager.aclose)
        region = load_region(region_folder(REGION))
        partners = {one.id: _partner(one, region, folder / "partners", display) for one in CAST}
        for partner in partners.values():
            await partner.start()
            stack.push_async_callback(partner.aclose)
        write_overlay(folder / "overlay", region, partners.values(), pager=alarms_to)
        door = servers.free_socket(port)
        url = f"http://{servers.HOST}:{door.getsockname()[1]}"
        own = ground(
            Servers(),
            home=folder / "hub",
            region=REGION,
            region_overlay=folder / "overlay",
            drop_folder=folder / "drop",
            public_url=url,
            log_level="error",
        )
        settings = stack.enter_context(own)
        initialise(settings)
        hub = build(settings)
        stack.callback(_clear, hub, display)
        stack.push_async_callback(hub.aclose)
        keys = await _hand_out(hub, partners, url)
        stop = asyncio.Event()
        running = [asyncio.create_task(hub.run(stop)), asyncio.create_task(serve(hub, sockets=[door], stop=stop))]
        books = Books(database(settings.database).reader(), blind_reference=partial(blind_reference, hub.vault))
        stack.callback(books.close)
        display.heading(f"De hub luistert op {url} (the hub listens); {len(partners)} partners doen mee.")
        try:
            yield Stage(hub, url, keys, partners, pager, books)
        finally:
            stop.set()
            await asyncio.gather(*running)


def _clear(hub: Hub, display: Display) -> None:
    if not clear_broker(hub):
        display.note(
            "de wachtrijen van de demo zijn niet weggehaald (the demo's queues could not be removed)", good=False
        )


def _partner(character: Character, region: Region, folder: Path, display: Display) -> DemoPartner:
    """Reached as the region says, but for whoever speaks StUF here."""
    known = region.partner(character.id)
    channel = known.receives.channel if known and known.receives else "mailbox"
    polls = character.tongue.receives.get("channel", channel) == "mailbox"
    return DemoPartner(character, polls=polls, folder=folder, watch=display.heard)


async def _hand_out(hub: Hub, partners: dict[str, DemoPartner], url: str) -> dict[str, str]:
    """Keys for whoever sends or receives, and secrets for whoever takes webhooks."""
    keys: dict[str, str] = {}
    now = hub.clock.now()
    for name in [*partners, *sorted({step.source for step in STEPS})]:
        keys[name], row = new_key(name, now=now)
        await hub.store.add_key(row)
    for name, partner in partners.items():
        kind: Kind = "v1a" if partner.character.signs == "v1a" else "v1"
        text, secret = new_secret(name, kind, vault=hub.vault, now=now)
        await hub.store.add_secret(secret)
        value = (read_text(text),)
        verifier = Verifier(secrets=value) if kind == "v1" else Verifier(public_keys=value)
        partner.connect(url, key=keys[name], verifier=verifier)
    return keys


# -- playing -----------------------------------------------------------------------------------------------------------


async def _act(stage: Stage, display: Display) -> Outcome:
    started = datetime.now(UTC)
    display.heading("Verwijzingen, elk in het formaat van de bron (referrals, each in its source's own format)")
    outcomes: list[tuple[Step, str]] = []
    dropping = Dropping(stage.hub, stage.books, display, within=QUIET_WITHIN)
    dropping.begin(started)
    async with httpx2.AsyncClient(base_url=stage.url, trust_env=False, timeout=30.0) as client:
        for step in STEPS:
            outcomes.append((step, await _send(stage, client, step, started, display)))
    outcomes += await dropping.end()
    display.heading("Een mens beslist (a person decides)")
    await _release(stage, display)
    quiet = await _quiet(stage)
    await play_chain(Chain(stage.hub, stage.partners, stage.books, display))
    quiet = await _quiet(stage) and quiet
    rows = [(step, outcome, stage.books.message(step.source, step.reference)) for step, outcome in outcomes]
    display.result(rows)
    report = verify(
        stage.hub.settings.database, now=stage.hub.clock.now(), check=stage.hub.vault.checkpoint_signer().check
    )
    counts = Counts(
        accepted=stage.books.messages(),
        refused=sum(outcome == "refused" for _, outcome in outcomes),
        parked=len(stage.books.parked()),
        duplicates=sum(outcome == "duplicate" for _, outcome in outcomes),
        deliveries=stage.books.deliveries(),
        notices=stage.books.notices(),
        feedback=stage.books.feedback(),
        confirmed=stage.books.requests("confirmed"),
        declined=stage.books.declines(),
        escalations=stage.books.escalations(),
        effort_requests=stage.books.asked("effort"),
        known_checks=stage.books.asked("known-check"),
        mda_admissions=stage.books.matters("admission", "admitted"),
        lost=report.lost,
    )
    outcome = Outcome(
        counts, report.to_json(), _formats(stage), stands_on(stage.hub), _faults(stage, rows, counts, quiet)
    )
    outcome.faults.extend(f"verify: {hole.rule}: {hole.object}" for hole in report.holes)
    _conclude(display, outcome)
    return outcome


async def _send(stage: Stage, client: httpx2.AsyncClient, step: Step, now: datetime, display: Display) -> str:
    """Hands it in as its source would; says what the source hears."""
    before = stage.books.messages()
    answer = await client.post(
        "/v1/referrals",
        content=step.read(now),
        headers={"Authorization": f"Bearer {stage.keys[step.source]}", "Content-Type": step.media_type},
    )
    if answer.status_code >= 400:
        display.sent(step, "refused", [f"HTTP {answer.status_code}"])
        return "refused"
    if stage.books.messages() == before:
        display.sent(step, "duplicate", [])
        return "duplicate"
    message = stage.books.message(step.source, step.reference)
    state = message.state if message else "unknown"
    display.sent(step, state, _said(answer))
    return state


def _said(answer: httpx2.Response) -> list[str]:
    """The sentences of the answer that name who gets it and why, where the source's format has words for them."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if media_type == "application/json":
        sentences = [notice["nl"] for notice in answer.json()["recipients"]]
    elif media_type == FHIR_XML:
        sentences = ["OperationOutcome (XML)"]
    elif media_type == FHIR:
        sentences = [issue.get("details", {}).get("text", "") for issue in answer.json()["issue"]]
    else:
        sentences = [f"HTTP {answer.status_code}, {'Bv03' if 'Bv03' in answer.text else media_type}"]
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


async def _release(stage: Stage, display: Display) -> None:
    """The crisis team's referral for Den Haag: a named person sends it on."""
    step = next(step for step in STEPS if step.name == RELEASED)
    message = stage.books.message(step.source, step.reference)
    waiting = [parked for parked, of, _ in stage.books.parked() if message is not None and of == message.id]
    for parked in waiting:
        await stage.hub.intake.release(
            parked, to=RELEASE_TO, by=RELEASE_BY, reason=RELEASE_REASON, now=stage.hub.clock.now()
        )
        display.note(f"{RELEASE_BY}: vrijgegeven voor {', '.join(RELEASE_TO)}. {RELEASE_REASON}")


async def _quiet(stage: Stage) -> bool:
    """Until every delivery is final and in its partner's journal, every answer is in, and every alarm has reached a
    human; False: not in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + QUIET_WITHIN
    while loop.time() < until:
        open_ends = stage.books.under_way() + stage.books.parked_without_alarm()
        if (
            not open_ends
            and _journalled(stage) >= stage.books.deliveries() + stage.books.notices() + stage.books.feedback()
        ):
            return True
        await asyncio.sleep(LOOK_EVERY)
    return False


# -- judging -----------------------------------------------------------------------------------------------------------


def _faults(stage: Stage, rows: list[tuple[Step, str, Message | None]], counts: Counts, quiet: bool) -> list[str]:
    faults = []
    if not quiet:
        faults.append(f"not quiet in time: {stage.books.under_way()} still under way")
    if _formats(stage) != FORMATS:
        faults.append(f"formats differ from what is published: {_formats(stage)} instead of {FORMATS}")
    if counts != EXPECTED:
        faults.append(f"counts differ from what is published: {counts} instead of {EXPECTED}")
    journalled, said = _journalled(stage), counts.deliveries + counts.notices + counts.feedback
    if journalled != said:
        faults.append(f"the hub says {said} delivered, the partners' journals hold {journalled}")
    if rejected := sum(partner.rejected for partner in stage.partners.values()):
        faults.append(f"{rejected} webhooks had no good signature")
    if not rings(stage.hub):
        faults.append("the broker that was named is not connected: all went without it")
    if stage.books.parked_without_alarm():
        faults.append("something is parked and no human was told")
    for step, outcome, message in rows:
        if outcome != "refused" and (message is None or (message.state == "routed" and not message.lines)):
            faults.append(f"{step.name}: accepted, but it went nowhere")
    if not leaked(stage.partners[MAY_KNOW]):
        faults.append(f"{MAY_KNOW} may know the secret address, and did not get it: the proof would be empty")
    if trace := leaked(stage.partners[NOT_FOR]):
        faults.append(f"{NOT_FOR} received a trace of a secret address ({trace} times)")
    return faults


def _formats(stage: Stage) -> dict[str, list[str]]:
    """Every format that was seen, from the books and from what the partners said."""
    answers = {partner.character.tongue.name for partner in stage.partners.values() if partner.answers}
    return {"in": stage.books.formats(), "out": stage.books.representations(), "answers": sorted(answers)}


def _journalled(stage: Stage) -> int:
    """How many deliveries and feedbacks the partners have on their own disks."""
    return sum(partner.journal.distinct for partner in stage.partners.values())


def leaked(partner: DemoPartner) -> int:
    """How often the bytes that a partner received hold something of the secret address, however JSON wrote it."""
    received = b"".join(entry.content for entry in partner.journal.entries)
    return sum(received.count(trace.encode()) for trace in SECRET_TRACES)


def _conclude(display: Display, outcome: Outcome) -> None:
    display.heading("De accountant (schakel verify)")
    for name, count in outcome.counts.to_json().items():
        display.note(f"{name} {count}", good=count == getattr(EXPECTED, name))
    for fault in outcome.faults:
        display.note(fault, good=False)
    if not outcome.faults:
        display.note("niets kwijt, niets stil; het geheime adres bleef geheim (nothing lost, nothing silent)")


def _invitation(stage: Stage) -> str:
    """What somebody can paste to look further."""
    lead, source = "perspektief", "thv-pool"
    return "\n".join(
        (
            f"The hub goes on at {stage.url}; Ctrl-C ends it and removes everything. Paste, for example:",
            f"curl -s {stage.url}/readyz",
            f"curl -s -H 'Authorization: Bearer {stage.keys[lead]}' '{stage.url}/v1/mailbox?after=0'",
            f"curl -s -H 'Authorization: Bearer {stage.keys[lead]}' {stage.url}/v1/mailbox/1",
            f"curl -s -H 'Authorization: Bearer {stage.keys[source]}' -H 'Content-Type: application/json'"
            f" --data-binary @referral.json {stage.url}/v1/referrals",
            f"{to_paste(stage.hub.settings)} schakel parked list",
        )
    )
