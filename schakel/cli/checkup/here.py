# SPDX-License-Identifier: EUPL-1.2
"""Checks of this machine: configuration, keys, disk, certificates."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from schakel.cli.checkup.check import SOON, Check, attention, is_loopback, ok, wrong
from schakel.errors import ConfigurationError

if TYPE_CHECKING:
    from schakel.settings import Settings

FULL: Final = 200 * 1024 * 1024  # bytes; below it the hub stops accepting soon
LITTLE: Final = 1024 * 1024 * 1024
MOST_NAMED: Final = 5
MOUNTED: Final = Path("/run/secrets")


def configuration(settings: Settings) -> Iterator[Check]:
    from schakel.bootstrap import read_configuration

    name = "configuration"
    do = ("schakel region check noemt alles", "schakel region check names everything")
    region = ""
    try:
        found = read_configuration(settings)
        region, faults = found.region.id, found.faults()
    except ConfigurationError as error:
        faults = list(error.findings)
    if faults:
        places = ", ".join(dict.fromkeys(f"{one.place} [{one.rule}]" for one in faults[:MOST_NAMED]))
        yield wrong(name, (f"{len(faults)} fouten: {places}", f"{len(faults)} faults: {places}"), do)
    else:
        yield ok(name, f"regio {region} klopt", f"region {region} is well")
    if settings.failpoint:
        yield wrong(
            name,
            (
                "SCHAKEL_FAILPOINT staat aan: het proces doodt zichzelf",
                "SCHAKEL_FAILPOINT is set: the process kills itself",
            ),
            ("haal die instelling weg", "remove that setting"),
        )
    yield from _addresses(settings)


def _addresses(settings: Settings) -> Iterator[Check]:
    public = urlsplit(settings.public_url)
    if public.scheme != "https" and not is_loopback(public.hostname or ""):
        yield attention(
            "public-url",
            ("partners bereiken de hub zonder TLS", "partners reach the hub without TLS"),
            ("zet er een proxy met TLS voor; SCHAKEL_PUBLIC_URL=https://…", "put a proxy with TLS before it"),
        )
    watch = settings.watch_address.rpartition(":")[0].strip("[]")
    if watch and not _is_inside(watch):
        yield attention(
            "watch",
            ("/metrics luistert op elk netwerk, zonder wachtwoord", "/metrics listens on every network, without a key"),
            ("SCHAKEL_WATCH_ADDRESS op een eigen netwerk", "SCHAKEL_WATCH_ADDRESS on a network of your own"),
        )


def keys(settings: Settings) -> Iterator[Check]:
    from schakel.vault import open_vault

    try:
        vault = open_vault(settings.keys)
    except ConfigurationError as error:
        (finding,) = error.findings
        do = (
            "zet het bestand terug uit de kluis, of herstel zijn rechten (0600)",
            "put the file back from the safe, or restore its mode (0600)",
        )
        yield wrong("keys", (finding.nl, finding.en), do)
        return
    yield ok("keys", f"{vault.versions} hoofdsleutel(s)", f"{vault.versions} master key(s)")
    mode = stat.S_IMODE(settings.keys.parent.stat().st_mode)
    if mode & 0o022:
        yield wrong(
            "keys",
            ("anderen kunnen het sleutelbestand vervangen", "others can replace the key file"),
            ("chmod go-w op de map van het sleutelbestand", "chmod go-w on the folder of the key file"),
        )


def disk(settings: Settings) -> Iterator[Check]:
    places = {"home": settings.home, "keys": settings.keys.parent}
    if settings.database.startswith("sqlite:///"):
        places["database"] = settings.database_file.parent
    if settings.drop_folder is not None:
        places["drop"] = settings.drop_folder
    seen: set[int] = set()
    for folder in places.values():
        try:
            device, free = folder.stat().st_dev, shutil.disk_usage(folder).free
        except OSError:
            do = ("schakel init, of herstel de instelling", "schakel init, or mend the setting")
            yield wrong("disk", (f"{folder} is er niet", f"{folder} is not there"), do)
            continue
        if device in seen:
            continue
        seen.add(device)
        room = f"{free / 2**30:.1f} GiB"
        said = (f"{folder}: {room} vrij", f"{folder}: {room} free")
        do = (
            "maak ruimte; bij een volle schijf weigert de hub (507)",
            "make room; on a full disk the hub refuses (507)",
        )
        if free < FULL:
            yield wrong("disk", said, do)
        elif free < LITTLE:
            yield attention("disk", said, do)
        elif not os.access(folder, os.W_OK):
            yield wrong(
                "disk", (f"{folder} is niet te schrijven", f"{folder} cannot be written"), ("chown, chmod",) * 2
            )
        else:
            yield ok("disk", *said)


def certificates(settings: Settings, now: datetime) -> Iterator[Check]:
    """Every certificate file that a setting names: it is there, and does not end soon."""
    named: dict[str, Path] = {}
    for setting in ("broker_ca_file", "broker_cert_file"):
        if (path := getattr(settings, setting)) is not None:
            named[f"SCHAKEL_{setting.upper()}"] = path
    for option in ("sslrootcert", "sslcert"):
        for path in parse_qs(urlsplit(settings.database_url).query).get(option, []):
            if path != "system":
                named[f"SCHAKEL_DATABASE_URL {option}"] = Path(path)
    for setting in ("broker_key_file", "broker_password_file", "database_password_file"):
        path = getattr(settings, setting)
        if path is not None and not _private(path):
            yield wrong(
                "tls",
                (f"SCHAKEL_{setting.upper()}: er niet, of voor anderen leesbaar", "absent, or readable by others"),
                ("zet het bestand neer met rechten 0600", "put the file there with mode 0600"),
            )
    for place, path in named.items():
        yield _certificate(place, path, now)
    if not named:
        yield ok("tls", "geen certificaatbestanden ingesteld", "no certificate files are set")


def _certificate(place: str, path: Path, now: datetime) -> Check:
    from cryptography import x509

    do = ("vraag een nieuw certificaat aan en vervang het bestand", "ask for a new certificate and replace the file")
    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError):
        return wrong("tls", (f"{place}: geen certificaat (PEM)", f"{place}: no certificate (PEM)"), do)
    said = (f"{place}: geldig tot {ends:%d-%m-%Y}", f"{place}: valid until {ends:%Y-%m-%d}")
    if ends <= now:
        return wrong("tls", said, do)
    return attention("tls", said, do) if ends <= now + SOON else ok("tls", *said)


def _private(path: Path) -> bool:
    """What a container engine hands in is seen in this container only, whatever its mode."""
    try:
        if path.is_relative_to(MOUNTED):
            return os.access(path, os.R_OK)
        return not stat.S_IMODE(path.stat().st_mode) & 0o077
    except OSError:
        return False


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return True  # a name of a machine inside
    return address.is_loopback or (address.is_private and not address.is_unspecified)
