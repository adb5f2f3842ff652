# SPDX-License-Identifier: EUPL-1.2
"""Reads where a broker server is and how to be known to it: a URL, and files for what must not stand in one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from schakel.errors import ConfigurationError, Finding

PLACE: Final = "SCHAKEL_BROKER_URL"
PORTS: Final = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Paths of files; read anew at each connection, so that a password or certificate can be renewed under way."""

    ca: Path | None = None  # certificates we trust; None: those of the system
    certificate: Path | None = None  # ours, with its chain, when the server asks for one
    key: Path | None = None  # of that certificate
    password: Path | None = None  # one line; goes before a password in the URL


@dataclass(frozen=True, slots=True)
class Address:
    """One server, or a name behind which some are."""

    host: str
    port: int
    virtual_host: str
    user: str
    tls: bool
    files: ServerFiles
    _password: str

    def password(self) -> str:
        """Raises OSError when its file cannot be read."""
        file = self.files.password
        return self._password if file is None else file.read_text(encoding="utf-8").strip("\r\n")

    def tls_context(self) -> ssl.SSLContext | None:
        """Checks the server's certificate and name, always. Raises OSError (also ssl.SSLError) for wrong files."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.files.certificate is not None:
            context.load_cert_chain(self.files.certificate, self.files.key)
        return context

    def __repr__(self) -> str:
        return f"Address({self.host}:{self.port})"


def read_address(url: str, files: ServerFiles) -> Address:
    """Raises ConfigurationError: not such a URL, or a file that cannot be read. Never repeats the URL or a value."""
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except ValueError:
        raise _wrong_url() from None
    if not parts.hostname or parts.query or parts.fragment:
        raise _wrong_url()
    address = Address(
        host=parts.hostname,
        port=port,
        virtual_host=_virtual_host(parts),
        user=unquote(parts.username or "guest"),
        tls=parts.scheme == "amqps",
        files=files,
        _password=unquote(parts.password or "guest"),
    )
    try:
        address.password()
        address.tls_context()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            Finding(
                place="SCHAKEL_BROKER_PASSWORD_FILE, SCHAKEL_BROKER_CA_FILE, SCHAKEL_BROKER_CERT_FILE,"
                " SCHAKEL_BROKER_KEY_FILE",
                rule="broker:files",
                nl="Een van deze bestanden is er niet, of er staat niet in wat erin hoort.",
                en="One of these files is not there, or does not hold what it should.",
            )
        ) from None
    return address


def _virtual_host(parts: SplitResult) -> str:
    """Nothing or `/`: the default one, which is called `/`."""
    return unquote(parts.path[1:]) or "/"


def _wrong_url() -> ConfigurationError:
    return ConfigurationError(
        Finding(
            place=PLACE,
            rule="broker:url",
            nl="Verwacht: amqp://gebruiker@server:poort/virtuele-host, of amqps:// voor TLS.",
            en="Expected: amqp://user@server:port/virtual-host, or amqps:// for TLS.",
        )
    )
