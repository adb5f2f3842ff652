# SPDX-License-Identifier: EUPL-1.2
"""Finds the address a URL leads to and lets only checked ones through, so that no URL reaches into our own network.

A name is resolved anew for each attempt and the connection goes to the address that was checked, never to the name: a
name that answers differently the second time (rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from yarl import URL

from schakel.errors import ConfigurationError, Finding, TemporaryFailure

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

LOCALHOST: Final = IPv4Address("127.0.0.1")
TRIED: Final = 4  # addresses of one name that are tried in one attempt


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL says, read once. `authority`: for the Host header; `target`: for the request line."""

    tls: bool
    host: str  # as it is looked up and as a certificate names it
    literal: IpAddress | None  # where the URL itself says an address
    port: int
    authority: str
    target: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Where to connect, and what the other side calls itself there."""

    place: Place
    addresses: tuple[IpAddress, ...]

    @property
    def host(self) -> str:
        return self.place.host


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Which addresses a webhook may have: public ones, and those in `networks`.

    Loopback must moreover be written in the URL itself: a name that leads there is refused.
    """

    networks: tuple[IpNetwork, ...] = ()

    def allows(self, address: IpAddress, *, literal: bool) -> bool:
        plain = _unwrapped(address)
        if plain.is_unspecified or plain.is_multicast:
            return False
        if plain.is_loopback and not literal:
            return False
        inside = any(plain in network for network in self.networks if network.version == plain.version)
        return inside or plain.is_global


def address_rule(text: str) -> AddressRule:
    """Reads the setting: networks separated by commas. Raises ConfigurationError."""
    try:
        return AddressRule(tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()))
    except ValueError:
        raise ConfigurationError(
            Finding(
                "SCHAKEL_WEBHOOK_NETWORKS",
                "network",
                "Netwerken in CIDR-vorm, gescheiden door komma's",
                "Networks in CIDR form, separated by commas",
            )
        ) from None


async def check(url: str | Place, *, rule: AddressRule, resolve: Resolve) -> Checked:
    """Raises TemporaryFailure: `url-refused` (not a URL we send to), `unresolvable` or `address-refused`."""
    place = place_of(url) if isinstance(url, str) else url
    written = place.literal is not None
    if place.literal is not None:
        addresses: tuple[IpAddress, ...] = (place.literal,)
    else:
        addresses = await _resolved(place.host, place.port, resolve)
    if not all(rule.allows(address, literal=written) for address in addresses):
        # one bad address among good ones is how rebinding looks: the whole name is refused
        raise TemporaryFailure("address-refused")
    if not place.tls and not all(_unwrapped(address).is_loopback for address in addresses):
        raise TemporaryFailure("url-refused")  # content in clear stays on this machine
    return Checked(place, addresses[:TRIED])


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """The addresses the system's resolver knows, in its order of preference."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def place_of(url: str) -> Place:
    """Raises TemporaryFailure: `url-refused`."""
    try:
        parsed = URL(url)
        scheme, named, port = parsed.scheme, parsed.raw_host, parsed.port
    except ValueError:
        raise TemporaryFailure("url-refused") from None
    if scheme not in _PORTS or not named or not port or parsed.user is not None or parsed.password is not None:
        raise TemporaryFailure("url-refused")
    host = named.removesuffix(".")
    if not _HOST.fullmatch(host):
        raise TemporaryFailure("url-refused")
    shown = f"[{host}]" if ":" in host else host
    return Place(
        tls=scheme == "https",
        host=host,
        literal=LOCALHOST if host == "localhost" else _literal(host),
        port=port,
        authority=shown if port == _PORTS[scheme] else f"{shown}:{port}",
        target=parsed.raw_path_qs,
    )


_HOST: Final = re.compile(r"[a-z0-9._:-]+")  # a name as it goes over the line, or an address without a zone
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def _literal(host: str) -> IpAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


async def _resolved(host: str, port: int, resolve: Resolve) -> tuple[IpAddress, ...]:
    try:
        texts = await resolve(host, port)
        addresses = tuple(dict.fromkeys(ip_address(text) for text in texts))
    except (OSError, ValueError):  # ValueError: no such name can be (UnicodeError), or an address with a zone
        raise TemporaryFailure("unresolvable") from None
    if not addresses:
        raise TemporaryFailure("unresolvable")
    return addresses


_NAT64 = ip_network("64:ff9b::/96")


def _unwrapped(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address carries inside, if any: it is where the packets end up."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
