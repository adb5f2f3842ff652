# SPDX-License-Identifier: EUPL-1.2
"""Posts bytes to a checked address and says how it ended, in our own errors; reads a bounded answer.

No redirects, no proxies or certificates from the environment, no cookies, no content decoding (an answer that unpacks
to gigabytes is never unpacked), one total time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from connectors.channels.address import AddressRule, Checked, IpAddress, Resolve, check, resolve_by_system
from schakel.errors import RecipientGone, TemporaryFailure

TOTAL_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 65_536  # of the answer's body are read, so that the connection can be used again; more closes it
ANSWER_SECONDS: Final = 2.0
ANSWER_HEADERS: Final = 128  # lines; each at most 8 kB
ANSWERS_IN_ONE: Final = 16  # interim answers (1xx) that may come together before the answer
CONNECTIONS: Final = 16  # to one recipient
KEPT_SECONDS: Final = 15.0
RETRY_AFTER_MOST: Final = 3600.0  # nobody puts a referral off for longer than the slow probe would

# Foreign exceptions become ours here and nowhere else; the first that fits counts.
_TRANSLATED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, "connect-timeout"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientSSLError, "tls"),  # a certificate that is not trusted, or no TLS at all
    (aiohttp.ClientConnectorError, "unreachable"),
    (aiohttp.ClientResponseError, "not-http"),
    (aiohttp.ClientConnectionError, "connection-lost"),
    (aiohttp.ClientPayloadError, "connection-lost"),
    (aiohttp.InvalidURL, "url-refused"),
    (aiohttp.ClientError, "http-error"),
    (ssl.SSLError, "tls"),
    (OSError, "unreachable"),
    (ValueError, "url-refused"),  # a host that cannot be encoded, a port that cannot be
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What an HTTP server answered; of a body larger than the bound, or slower, nothing is kept."""

    status: int
    retry_after: str | None
    body: bytes


class Poster:
    """One kept-alive connection pool per recipient: what one recipient does never hinders another."""

    def __init__(
        self, *, rule: AddressRule, resolve: Resolve = resolve_by_system, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._rule = rule
        self._resolve = resolve
        self._total = total_seconds
        self._trust: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, str], aiohttp.ClientSession] = {}

    async def post(self, recipient: str, url: str, *, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Returns on 2xx. Raises RecipientGone on 410 and TemporaryFailure on everything else."""
        judge(await self.ask(recipient, url, headers=headers, body=body), now=now)

    async def ask(self, recipient: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answered:
        """As `post`, for a channel that reads the answer itself. Raises TemporaryFailure when there is none."""
        try:
            async with asyncio.timeout(self._total):
                checked = await check(url, rule=self._rule, resolve=self._resolve)
                return await self._exchange(recipient, checked, headers, body)
        except tuple(kind for kind, _ in _TRANSLATED) as error:
            raise TemporaryFailure(next(reason for kind, reason in _TRANSLATED if isinstance(error, kind))) from None

    async def _exchange(self, recipient: str, checked: Checked, headers: Mapping[str, str], body: bytes) -> Answered:
        pool = self._pool(recipient, checked)
        *others, last = checked.addresses
        for address in others:
            # nothing was sent: try the next
            with contextlib.suppress(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                return await self._send(pool, checked, address, headers, body)
        return await self._send(pool, checked, last, headers, body)

    async def _send(
        self,
        pool: aiohttp.ClientSession,
        checked: Checked,
        address: IpAddress,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answered:
        port = "" if checked.url.port is None else f":{checked.url.port}"
        host = f"[{checked.host}]" if isinstance(address, IPv6Address) and ":" in checked.host else checked.host
        async with pool.post(
            URL(str(checked.url.copy_with(host=str(address))), encoded=True),
            headers={"host": host + port, "user-agent": "schakel", "accept-encoding": "identity", **headers},
            data=body,
            server_hostname=checked.host,
            allow_redirects=False,
        ) as response:
            answer = await _drain(response)
            return Answered(response.status, response.headers.get("retry-after"), answer)

    def _pool(self, recipient: str, checked: Checked) -> aiohttp.ClientSession:
        # keyed by name too: a connection whose certificate was checked for one name never serves another
        key = (recipient, f"{checked.url.scheme}://{checked.host}")
        if key not in self._pools:
            self._trust = self._trust or ssl.create_default_context()
            self._pools[key] = aiohttp.ClientSession(
                connector=_Connector(limit=CONNECTIONS, keepalive_timeout=KEPT_SECONDS, ssl=self._trust),
                timeout=aiohttp.ClientTimeout(total=self._total, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("accept", "content-type"),
                read_bufsize=ANSWER_BYTES,
                max_headers=ANSWER_HEADERS,
            )
        return self._pools[key]

    async def aclose(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()


class _Connector(aiohttp.TCPConnector):
    """Its connections are `_Line`s: there is no open way to say so."""

    def __init__(self, *, limit: int, keepalive_timeout: float, ssl: ssl.SSLContext) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout, ssl=ssl)
        self._factory = functools.partial(_line, loop=self._loop)


def _line(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Line(loop)


class _Line(ResponseHandler):
    """One connection. Interim answers without end would be kept as messages, faster than anybody skips them."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self._buffer) > ANSWERS_IN_ONE:
            self._buffer.clear()
            self.set_exception(HttpProcessingError(message="answers without end"))
            if self.transport is not None:
                self.transport.abort()


async def _drain(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to a bound in bytes and time; beyond it nothing, and the connection goes: half an answer is none."""
    seen = bytearray()
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(ANSWER_SECONDS):
            async for part in response.content.iter_any():
                seen += part
                if len(seen) > ANSWER_BYTES:
                    break
            else:
                return bytes(seen)
    response.close()
    return b""


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
