# SPDX-License-Identifier: EUPL-1.2
"""Posts bytes to a checked address and says how it ended, in our own errors; reads a bounded answer.

No redirects, no proxies or certificates from the environment, no cookies, no content decoding (an answer that unpacks
to gigabytes is never unpacked), one total time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from connectors.channels.address import (
    AddressRule,
    Checked,
    IpAddress,
    Place,
    Resolve,
    check,
    place_of,
    resolve_by_system,
)
from connectors.channels.line import ANSWER_SECONDS, Answered, Line
from schakel.errors import RecipientGone, TemporaryFailure

TOTAL_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
CONNECTIONS: Final = 16  # to one recipient
KEPT_SECONDS: Final = 15.0
PLACES: Final = 1_000  # URLs that stay read
RETRY_AFTER_MOST: Final = 3600.0  # nobody puts a referral off for longer than the slow probe would
_UNREACHED: Final = frozenset({"unreachable", "connect-timeout"})


class Poster:
    """One kept-alive connection pool per recipient: what one recipient does never hinders another."""

    def __init__(
        self,
        *,
        rule: AddressRule,
        resolve: Resolve = resolve_by_system,
        total_seconds: float = TOTAL_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """`kept_seconds`: that a connection stays open unused, and at most half as long again."""
        self._rule = rule
        self._resolve = resolve
        self._total = total_seconds
        self._kept = kept_seconds
        self._trust: ssl.SSLContext | None = None
        self._places: dict[str, Place] = {}
        self._pools: dict[tuple[str, bool, str, int], _Pool] = {}
        self._tidying: asyncio.TimerHandle | None = None

    async def post(self, recipient: str, url: str, *, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Returns on 2xx. Raises RecipientGone on 410 and TemporaryFailure on everything else."""
        judge(await self.ask(recipient, url, headers=headers, body=body), now=now)

    async def ask(self, recipient: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answered:
        """As `post`, for a channel that reads the answer itself. Raises TemporaryFailure when there is none."""
        place = self._place(url)
        request = _request(place, headers, body)
        try:
            async with asyncio.timeout(self._total):
                checked = await check(place, rule=self._rule, resolve=self._resolve)  # a name anew at each attempt
                return await self._exchange(recipient, checked, request)
        except TimeoutError:
            raise TemporaryFailure("timeout") from None

    def _place(self, url: str) -> Place:
        known = self._places.get(url)
        if known is None:
            known = place_of(url)
            if len(self._places) < PLACES:
                self._places[url] = known
        return known

    async def _exchange(self, recipient: str, checked: Checked, request: bytes) -> Answered:
        place = checked.place
        # keyed by name too: a connection whose certificate was checked for one name never serves another
        key = (recipient, place.tls, place.host, place.port)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool()
        async with pool.free:
            address, line = pool.take(checked.addresses) or await self._connected(checked)
            pool.lines.add(line)
            try:
                return await line.ask(request)
            finally:
                self._put_back(pool, address, line)

    async def _connected(self, checked: Checked) -> tuple[IpAddress, Line]:
        *others, last = checked.addresses
        for address in others:
            try:
                return address, await self._connect(checked.place, address)
            except TemporaryFailure as failure:
                if failure.reason not in _UNREACHED:
                    raise
        return last, await self._connect(checked.place, last)

    async def _connect(self, place: Place, address: IpAddress) -> Line:
        """Foreign exceptions become ours here."""
        if place.tls and self._trust is None:
            self._trust = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        trust, shutdown = (self._trust, ANSWER_SECONDS) if place.tls else (None, None)
        name = place.host if place.tls else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, line = await loop.create_connection(
                    Line, str(address), place.port, ssl=trust, server_hostname=name, ssl_shutdown_timeout=shutdown
                )
        except TimeoutError:
            raise TemporaryFailure("connect-timeout") from None
        except ssl.SSLError:  # a certificate that is not trusted, or no TLS at all
            raise TemporaryFailure("tls") from None
        except OSError:
            raise TemporaryFailure("unreachable") from None
        except ValueError:  # a host that no certificate can name
            raise TemporaryFailure("url-refused") from None
        return line

    def _put_back(self, pool: _Pool, address: IpAddress, line: Line) -> None:
        if not line.usable:
            pool.lines.discard(line)
            line.close()
            return
        loop = asyncio.get_running_loop()
        pool.idle.append((address, line, loop.time()))
        if self._tidying is None:
            self._tidying = loop.call_later(self._kept / 2, self._tidy)

    def _tidy(self) -> None:
        """Closes what nobody has used for a while, and looks again as long as anything is open."""
        loop = asyncio.get_running_loop()
        self._tidying = None
        for pool in self._pools.values():
            pool.close_older(loop.time() - self._kept)
        if any(pool.idle for pool in self._pools.values()):
            self._tidying = loop.call_later(self._kept / 2, self._tidy)

    async def aclose(self) -> None:
        pools, self._pools = self._pools, {}
        if self._tidying is not None:
            self._tidying.cancel()
            self._tidying = None
        lines = [line for pool in pools.values() for line in pool.lines]
        for line in lines:
            line.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                for line in lines:
                    await line.lost.wait()
        for line in lines:
            line.drop()


class _Pool:
    """The connections to one recipient at one name."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(CONNECTIONS)
        self.lines: set[Line] = set()
        self.idle: list[tuple[IpAddress, Line, float]] = []  # since when; the newest last

    def take(self, addresses: tuple[IpAddress, ...]) -> tuple[IpAddress, Line] | None:
        """The newest that still stands, at an address that was checked now."""
        while self.idle:
            address, line, _ = self.idle.pop()
            if line.usable and address in addresses:
                return address, line
            self._close(line)
        return None

    def close_older(self, since: float) -> None:
        for _, line, _ in (old := [each for each in self.idle if each[2] < since]):
            self._close(line)
        del self.idle[: len(old)]

    def _close(self, line: Line) -> None:
        self.lines.discard(line)
        line.close()


def _request(place: Place, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [  # names as everybody writes them: not every old SOAP server knows that case does not matter
        f"POST {place.target} HTTP/1.1",
        f"Host: {place.authority}",
        "User-Agent: schakel",
        "Accept-Encoding: identity",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1:
        raise ValueError("a header holds the end of a line")
    return head.encode("ascii") + b"\r\n\r\n" + body


def judge(answered: Answered, *, now: datetime) -> None:
    """By the status alone: returns on 2xx, raises RecipientGone on 410 and TemporaryFailure on everything else."""
    status, retry_after = answered.status, answered.retry_after
    if 200 <= status < 300:
        return
    if status == 410:
        raise RecipientGone("410")
    if 300 <= status < 400:
        raise TemporaryFailure("redirect")
    wait = seconds_to_wait(retry_after, now=now) if status in (429, 503) else None
    raise TemporaryFailure(f"http-{status}", retry_after=wait)


def seconds_to_wait(text: str | None, *, now: datetime) -> float | None:
    """Retry-After (RFC 9110 §10.2.3) as seconds from now, between 1 and 3600; None when it says nothing readable."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        wait = float(text[:12])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, IndexError, OverflowError):
            return None
        wait = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(wait, 1.0), RETRY_AFTER_MOST)
