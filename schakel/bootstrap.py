# SPDX-License-Identifier: EUPL-1.2
"""The one place where concrete classes and the real time meet: settings in, a hub that can run out."""

from __future__ import annotations

import os
import random
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from schakel.errors import ConfigurationError, Finding
from schakel.hub import Books, Hub, Opaque, Part
from schakel.ports import AlarmSender, AnswerFormat, Broker, Channel, Clock, Format, Store
from schakel.region import Region
from schakel.settings import Settings

if TYPE_CHECKING:
    from broker.open import Surroundings
    from connectors.intakes.file_drop import FileDrop
    from mappings.engine import CompiledMapping
    from schakel.acting import Acting, ActStore
    from schakel.acts.tools import Tools
    from schakel.answering import Answering
    from schakel.clock import ClockWork
    from schakel.dispatch import Dispatch
    from schakel.duty import Duty
    from schakel.intake import AcceptStore, Intake
    from schakel.involvement import Involvement
    from schakel.log import Log
    from schakel.mailbox import Mailbox
    from schakel.preview import Previewer
    from schakel.rendering import Renderer
    from schakel.store.engine import Ring
    from schakel.store.sql import SqlStore
    from schakel.vault import FileVault


class SystemClock:
    """The machine's time, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def region_folder(name: str) -> Path:
    """The folder of a region that comes with the product, by its name; else `name` is a folder itself.

    Raises ConfigurationError when it is neither."""
    import regions

    packaged = Path(next(iter(regions.__path__))) / name
    for folder in (packaged, Path(name)):
        if (folder / "region.yaml").is_file():
            return folder
    raise ConfigurationError(
        Finding(
            place="SCHAKEL_REGION",
            rule="region:exists",
            nl="Er is geen regio met deze naam of in deze map.",
            en="There is no region of this name or in this folder.",
        )
    )


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    channels: Mapping[str, Channel] | None = None,
    senders: Mapping[str, AlarmSender] | None = None,
    rings: bool = True,
) -> Hub:
    """A hub whose loops do not run yet. Raises ConfigurationError; tests hand in their own clock and adapters.

    `rings`: False for a command, which ends before a bell would be on its way: the sweep of whoever runs finds what it
    left."""
    from schakel import failpoints
    from schakel.involvement import Involvement, InvolvementStore
    from schakel.ledger_view import LedgerViews
    from schakel.log import open_log
    from schakel.store.engine import nobody_hears
    from schakel.tally import CountingLog, Tally
    from schakel.vault import open_vault

    failpoints.arm(settings.failpoint)
    time = clock or SystemClock()
    tally = Tally()
    log = CountingLog(open_log(settings.log_level, sys.stderr), tally)
    vault = open_vault(settings.keys)
    heart = open_heart(settings, vault, time, log)
    region = heart.region
    ways = _channels(settings, region) if channels is None else channels
    broker = _broker(heart)
    store = _store(settings, region, vault, ring=broker.ring if rings else nobody_hears)
    intake = heart.intake(store)
    acting = heart.acting(store)
    dispatch, mailbox = _deliveries(heart, store, broker, ways, time)
    involvement = Involvement(
        store=InvolvementStore(ledger=store, admin=store),
        region=region,
        vault=vault,
        new_id=heart.new_id,
        acting=acting,
        log=log,
    )
    return Hub(
        settings=settings,
        region=region,
        clock=time,
        log=log,
        vault=vault,
        store=store,
        broker=broker,
        formats=heart.formats,
        channels=ways,
        intake=intake,
        dispatch=dispatch,
        mailbox=mailbox,
        involvement=involvement,
        answering=_answering(heart, store, involvement),
        acting=acting,
        ledger_views=LedgerViews(ledger=store, admin=store, region=region, vault=vault),
        clockwork=_clockwork(heart, store, acting, senders, time),
        clock_duty=_duty(Part.CLOCK, store, time, log),
        tally=tally,
        opaque=_opaque(vault),
        drop=_drop(settings, intake, store, heart, time),
    )


def open_books(settings: Settings, *, clock: Clock | None = None) -> Books:
    """The store beside a hub that may run, in a quarter of the time that a hub takes. Raises ConfigurationError."""
    from schakel import failpoints
    from schakel.region_files import load_region
    from schakel.store.engine import nobody_hears
    from schakel.vault import open_vault

    failpoints.arm(settings.failpoint)
    region = load_region(region_folder(settings.region), settings.region_overlay)
    vault = open_vault(settings.keys)
    store = _store(settings, region, vault, ring=nobody_hears)
    return Books(
        settings=settings,
        region=region,
        clock=clock or SystemClock(),
        vault=vault,
        store=store,
        opaque=_opaque(vault),
    )


def _opaque(vault: FileVault) -> Opaque:
    """The last part of the name of the partner's queue at the broker: who sees both finds one in the other."""
    from broker.topology import queue_name

    return lambda partner: queue_name(partner, vault.blind).rpartition(".")[2]


def _broker(heart: Heart) -> Broker:
    from broker.open import open_broker

    return open_broker(heart.settings.broker_url, _broker_surroundings(heart))


def clear_broker(hub: Hub) -> bool:
    """Nothing of this hub is left at the broker, for when it never comes back; False: that is out of reach."""
    from broker.open import clear_broker

    return clear_broker(hub.settings.broker_url, _broker_surroundings(hub))


def _broker_surroundings(of: Heart | Hub) -> Surroundings:
    from broker.address import ServerFiles
    from broker.open import Surroundings

    settings = of.settings
    return Surroundings(
        recipients=tuple(partner.id for partner in of.region.partners if partner.receives),
        blind=of.vault.blind,
        log=of.log,
        files=ServerFiles(
            ca=settings.broker_ca_file,
            certificate=settings.broker_cert_file,
            key=settings.broker_key_file,
            password=settings.broker_password_file,
        ),
    )


def _deliveries(
    heart: Heart, store: Store, broker: Broker, ways: Mapping[str, Channel], clock: Clock
) -> tuple[Dispatch, Mailbox]:
    """The two ways in which a recipient gets what is for it; what one of them made is what the other gives."""
    from schakel.dispatch import Dispatch, DispatchStore
    from schakel.mailbox import Mailbox, MailboxStore
    from schakel.making import Making, MakingStore
    from schakel.outcomes import Outcomes

    making = Making(
        store=MakingStore(deliveries=store, ledger=store),
        renderer=heart.renderer,
        vault=heart.vault,
        clock=clock,
        new_id=heart.new_id,
    )
    outcomes = Outcomes(region=heart.region, jitter=random.SystemRandom().random)
    dispatch = Dispatch(
        store=DispatchStore(deliveries=store, admin=store),
        broker=broker,
        channels=ways,
        making=making,
        region=heart.region,
        vault=heart.vault,
        clock=clock,
        outcomes=outcomes,
        log=heart.log,
    )
    mailbox = Mailbox(
        store=MailboxStore(deliveries=store, admin=store),
        making=making,
        renderer=heart.renderer,
        outcomes=outcomes,
        clock=clock,
        log=heart.log,
    )
    return dispatch, mailbox


def _answering(heart: Heart, store: Store, involvement: Involvement) -> Answering:
    from connectors.formats.foreign import looks_like
    from mappings.engine import to_answer
    from schakel.answering import Answering

    return Answering(
        formats={name: each for name, each in heart.formats.items() if isinstance(each, AnswerFormat)},
        mappings=heart.mappings,
        to_answer=to_answer,
        involvement=involvement,
        deliveries=store,
        region=heart.region,
        looks_like=looks_like,
        log=heart.log,
    )


def _clockwork(
    heart: Heart, store: Store, acting: Acting, senders: Mapping[str, AlarmSender] | None, clock: Clock
) -> ClockWork:
    from schakel.clock import ClockWork
    from schakel.retention import Retention
    from schakel.ringing import Ringing

    tellers = _senders(heart.settings, heart.region, clock) if senders is None else senders
    return ClockWork(
        ledger=store,
        admin=store,
        acts=acting,
        erasing=Retention(store=store),
        region=heart.region,
        ringing=Ringing(admin=store, region=heart.region, senders=tellers, log=heart.log),
        clock=clock,
        log=heart.log,
    )


def _duty(part: Part, store: Store, clock: Clock, log: Log) -> Duty:
    """Its token is made at each start: a process that comes back is another one."""
    from schakel.duty import Duty
    from schakel.process import has_ended, this_process

    return Duty(
        part.value,
        admin=store,
        clock=clock,
        token=secrets.token_hex(16),
        holder=this_process(),
        has_ended=has_ended,
        log=log,
    )


def previewer(settings: Settings, *, clock: Clock | None = None) -> Previewer:
    """Reads, decides and renders as a hub with these settings would, and keeps nothing: it needs no home, and its keys
    live as long as itself. Raises ConfigurationError."""
    from schakel.log import open_log
    from schakel.preview import Previewer
    from schakel.vault import create_key_file, open_vault

    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        create_key_file(keys)
        vault = open_vault(keys)
    heart = open_heart(settings, vault, clock or SystemClock(), open_log("error", sys.stderr))
    return Previewer(region=heart.region, renderer=heart.renderer, door=heart.intake)


@dataclass(frozen=True, slots=True)
class Heart:
    """What reads, decides and renders, wherever it is kept."""

    settings: Settings
    region: Region
    formats: Mapping[str, Format]
    mappings: Mapping[str, CompiledMapping]
    vault: FileVault
    renderer: Renderer
    new_id: Callable[[], str]
    log: Log

    def intake(self, store: AcceptStore) -> Intake:
        from connectors.formats.foreign import looks_like
        from mappings.engine import to_referral
        from schakel.acts.rerouting import Rerouter
        from schakel.asking import Asking
        from schakel.decision import Decider
        from schakel.eligibility import Eligibility
        from schakel.intake import Intake
        from schakel.release import Releaser
        from schakel.routing import Router

        region, vault, new_id = self.region, self.vault, self.new_id
        return Intake(
            store=store,
            formats=self.formats,
            mappings=self.mappings,
            to_referral=to_referral,
            decider=Decider(
                region=region, router=Router(region), eligibility=Eligibility(region), vault=vault, new_id=new_id
            ),
            releaser=Releaser(asking=Asking(region=region, vault=vault, new_id=new_id), vault=vault),
            rerouter=Rerouter(tools=self.tools()),
            region=region,
            vault=vault,
            new_id=new_id,
            waiting_limit=self.settings.waiting_limit,
            looks_like=looks_like,
            log=self.log,
        )

    def tools(self) -> Tools:
        """What deciding about a case works with."""
        from schakel.acts.tools import Tools
        from schakel.asking import Asking
        from schakel.clocks import Clocks
        from schakel.feedback import Telling
        from schakel.notices import Notices

        region, vault, new_id = self.region, self.vault, self.new_id
        return Tools(
            region=region,
            vault=vault,
            new_id=new_id,
            clocks=Clocks(deadlines=region.deadlines, new_id=new_id),
            telling=Telling(region=region, new_id=new_id),
            asking=Asking(region=region, vault=vault, new_id=new_id),
            notices=Notices(region=region, new_id=new_id),
        )

    def acting(self, store: ActStore) -> Acting:
        from schakel.acting import Acting

        return Acting(store=store, tools=self.tools(), log=self.log)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What files say: the region, and the formats and mappings that its partners name."""

    region: Region
    formats: Mapping[str, Format]
    mappings: Mapping[str, CompiledMapping]

    def faults(self) -> list[Finding]:
        """Every reason not to start with it."""
        from mappings.case_view import CASE_VIEW
        from schakel.feedback import FEEDBACK
        from schakel.notices import NOTICE
        from schakel.region_check import check_region
        from schakel.ways import Ways, check_ways

        views = {name: each.reads_kind for name, each in self.mappings.items()}
        ways = Ways(
            formats=self.formats,
            answers=[name for name, each in self.formats.items() if isinstance(each, AnswerFormat)],
            mappings=[name for name, each in self.mappings.items() if each.replaces is not None],
            views=[name for name, kind in views.items() if kind == CASE_VIEW],
            feedback=[name for name, kind in views.items() if kind == FEEDBACK],
            notices=[name for name, kind in views.items() if kind == NOTICE],
        )
        return [*check_region(self.region), *check_ways(self.region, ways)]


def read_configuration(settings: Settings) -> Configuration:
    """Region, overlay, mappings and codebooks as the settings name them. Raises ConfigurationError for what cannot be
    read; what can be read and is wrong, `faults` tells."""
    from connectors.formats import formats
    from mappings.library import load_library
    from schakel.region_files import load_region

    return Configuration(
        region=load_region(region_folder(settings.region), settings.region_overlay),
        formats=formats(stuf_schemas=settings.stuf_schemas, validate_fhir=settings.validate_fhir),
        mappings=load_library(own_folders(settings)),
    )


def own_folders(settings: Settings) -> tuple[Path, ...]:
    """Where a region keeps mappings and codebooks of its own; the overlay's go before the region's."""
    overlay = settings.region_overlay
    return (region_folder(settings.region), *((overlay,) if overlay else ()))


def open_heart(settings: Settings, vault: FileVault, time: Clock, log: Log) -> Heart:
    """Everything but store, broker and channels. Raises ConfigurationError."""
    from schakel.disclosure import Disclosure
    from schakel.identifiers import ENTROPY_BYTES, uuid7
    from schakel.rendering import Renderer

    configuration = read_configuration(settings)
    if faults := configuration.faults():
        raise ConfigurationError(*faults)
    region, formats, mappings = configuration.region, configuration.formats, configuration.mappings

    def new_id() -> str:
        return uuid7(time.now(), os.urandom(ENTROPY_BYTES))

    renderer = Renderer(
        region=region,
        disclosure=Disclosure(region.disclosure, blind=vault.blind),
        mappings=mappings,
        formats=formats,
        vault=vault,
        public_url=settings.public_url,
    )
    return Heart(settings, region, formats, mappings, vault, renderer, new_id, log)


def _drop(settings: Settings, door: Intake, store: SqlStore, heart: Heart, clock: Clock) -> FileDrop | None:
    if settings.drop_folder is None:
        return None
    from connectors.intakes.file_drop import FileDrop

    return FileDrop(
        settings.drop_folder,
        door=door,
        admin=store,
        region=heart.region,
        vault=heart.vault,
        clock=clock,
        log=heart.log,
    )


def _channels(settings: Settings, region: Region) -> dict[str, Channel]:
    from connectors.channels import channels

    return channels(settings=settings, hub_oin=region.hub_oin)


def _senders(settings: Settings, region: Region, clock: Clock) -> dict[str, AlarmSender]:
    from connectors.alarms import alarms

    return alarms(settings=settings, hub_oin=region.hub_oin, clock=clock)


def initialise(settings: Settings) -> None:
    """Makes home, keys and database where they are not: what `schakel init` does. Never writes over what is there.

    Raises ConfigurationError when keys are absent beside a database that is there: its content would open with none."""
    from schakel.store.register import database
    from schakel.vault import create_key_file

    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = database(settings.database)
    if not settings.keys.exists():
        if place.exists():
            raise ConfigurationError(
                Finding(
                    place=str(settings.keys),
                    rule="keys:absent-beside-database",
                    nl="De database is er, maar de sleutels niet. Zet de sleutels terug uit de kluis.",
                    en="The database is there but its keys are not. Put the keys back from the safe.",
                )
            )
        create_key_file(settings.keys)
    if not place.exists():
        place.create()


def _store(settings: Settings, region: Region, vault: FileVault, *, ring: Ring) -> SqlStore:
    from schakel.store.own_keys import check_own_keys
    from schakel.store.register import database
    from schakel.store.sql import Opening
    from schakel.store.terms import AlarmTimes, Keeping, Terms

    deadlines, retention = region.deadlines, region.retention
    terms = Terms(
        alarms=AlarmTimes(
            parked_every=deadlines.parked_alarm_every,
            crisis_delivery_after=deadlines.crisis_delivery_alarm_after,
            delivery_after=deadlines.delivery_alarm_after,
            mailbox_after=deadlines.mailbox_alarm_after,
        ),
        causes={cause: (text.nl, text.en) for cause, text in region.causes.items()},
        keeping=Keeping(
            rendered=retention.rendered,
            content_after_close=retention.content_after_close,
            ledger=retention.ledger,
            audit=retention.audit,
        ),
    )
    opening = Opening(terms=terms, signer=vault.checkpoint_signer(), waiting_limit=settings.waiting_limit, ring=ring)
    place = database(settings.database)
    check_own_keys(place.reader(), opening.signer)
    return place.open(opening)
