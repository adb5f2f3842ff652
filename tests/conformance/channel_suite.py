# SPDX-License-Identifier: EUPL-1.2
"""What every channel promises, and what every channel over the network promises besides, against a real server.

Subclass one of the two and give the fixture `channel`; a channel over the network is pointed at `recipient.url`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from schakel.errors import RecipientGone, TemporaryFailure
from schakel.ports import Channel, Parcel, SigningSecret

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONTENT = b'{"case":{"reference":"abc"},"schema":"case-view@1"}'


@dataclass(frozen=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes


Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Recipient:
    """A server of the other side: keeps each request before it answers, and answers as the test says."""

    port: int = 0
    behaviour: Behaviour | None = None
    answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    journal: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode().rstrip("\r\n").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.journal.append(Request(line, headers, body))
                if self.behaviour is None:
                    writer.write(self.answer)
                    await writer.drain()
                else:
                    await self.behaviour(writer)
                    break
        writer.close()


@contextlib.asynccontextmanager
async def running(recipient: Recipient) -> AsyncIterator[Recipient]:
    server = await asyncio.start_server(recipient.serve, "127.0.0.1", 0)
    recipient.port = server.sockets[0].getsockname()[1]
    try:
        yield recipient
    finally:
        server.close()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def parcel(url: str | None, *, content: bytes = CONTENT, mode: str = "full", number: int = 7) -> Parcel:
    return Parcel(
        delivery_id="0192f0c1-0000-7000-8000-000000000001",
        recipient="vvt",
        number=number,
        url=url,
        mode=mode,
        media_type="application/json",
        content=content,
        digest=sha256(content).digest(),
        event_type="nl.schakel.case.referral.v1",
        rendered_at=NOW,
        secrets=(SigningSecret("v1", b"k" * 32),),
    )


class ChannelSuite:
    """Fixtures of the subclass: `channel`. `reaches`: what `send` says of full content that arrived."""

    name = ""
    reaches = "delivered"
    content = CONTENT
    media_type = "application/json"

    def parcel(self, url: str | None, **changes: Any) -> Parcel:
        """A parcel of content that this channel carries."""
        return replace(parcel(url, content=self.content, **changes), media_type=self.media_type)

    @pytest.fixture
    async def recipient(self) -> AsyncIterator[Recipient]:
        async with running(Recipient()) as recipient:
            yield recipient

    async def test_it_is_registered_under_its_name(self, channel: Channel) -> None:
        assert channel.name == self.name

    async def test_it_says_how_far_the_content_came(self, channel: Channel, recipient: Recipient) -> None:
        assert await channel.send(self.parcel(recipient.url), now=NOW) == self.reaches

    async def test_sending_again_is_harmless(self, channel: Channel, recipient: Recipient) -> None:
        first = await channel.send(self.parcel(recipient.url), now=NOW)
        assert await channel.send(self.parcel(recipient.url), now=NOW) == first

    async def test_many_at_once_do_not_hinder_each_other(self, channel: Channel, recipient: Recipient) -> None:
        sent = [channel.send(self.parcel(recipient.url, number=number), now=NOW) for number in range(1, 21)]
        assert await asyncio.gather(*sent) == [self.reaches] * 20

    async def test_closing_twice_is_harmless(self, channel: Channel, recipient: Recipient) -> None:
        await channel.send(self.parcel(recipient.url), now=NOW)
        await channel.aclose()
        await channel.aclose()


class NetworkChannelSuite(ChannelSuite):
    """Fixture of the subclass: `impatient`, the same channel with a total time below two seconds."""

    @pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
    async def test_every_2xx_is_success(self, channel: Channel, recipient: Recipient, status: str) -> None:
        recipient.answer = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode()
        assert await channel.send(self.parcel(recipient.url), now=NOW) == self.reaches

    async def test_thin_only_notifies(self, channel: Channel, recipient: Recipient) -> None:
        assert await channel.send(self.parcel(recipient.url, mode="thin"), now=NOW) == "notified"
        assert self.content not in recipient.journal[0].body

    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    async def test_a_redirect_fails_and_is_not_followed(
        self, channel: Channel, recipient: Recipient, status: str
    ) -> None:
        recipient.answer = (
            f"HTTP/1.1 {status} Moved\r\nlocation: {recipient.url}2\r\ncontent-length: 0\r\n\r\n".encode()
        )
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(self.parcel(recipient.url), now=NOW)
        assert caught.value.reason == "redirect"
        assert len(recipient.journal) == 1

    @pytest.mark.parametrize("status", ["400", "401", "403", "404", "409", "422", "500", "502"])
    async def test_every_other_status_fails_for_now(self, channel: Channel, recipient: Recipient, status: str) -> None:
        recipient.answer = f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\nretry-after: 9\r\n\r\n".encode()
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(self.parcel(recipient.url), now=NOW)
        assert (caught.value.reason, caught.value.retry_after) == (f"http-{status}", None)

    async def test_410_means_gone(self, channel: Channel, recipient: Recipient) -> None:
        recipient.answer = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
        with pytest.raises(RecipientGone):
            await channel.send(self.parcel(recipient.url), now=NOW)

    @pytest.mark.parametrize("status", ["429", "503"])
    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            ("30", 30.0),
            ("0", 1.0),
            ("99999999999999999999", 3600.0),
            ("Fri, 20 Nov 2026 12:02:00 GMT", 120.0),
            ("Fri, 20 Nov 2020 12:02:00 GMT", 1.0),
            ("Fri, 20 Nov 2099 12:02:00 GMT", 3600.0),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("١٢", None),
        ],
    )
    async def test_retry_after_is_heard_within_bounds(
        self, channel: Channel, recipient: Recipient, status: str, said: str, seconds: float | None
    ) -> None:
        recipient.answer = f"HTTP/1.1 {status} Later\r\nretry-after: {said}\r\ncontent-length: 0\r\n\r\n".encode()
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(self.parcel(recipient.url), now=NOW)
        assert caught.value.retry_after == seconds

    async def test_an_unreachable_host_fails_for_now(self, channel: Channel) -> None:
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(self.parcel(f"http://127.0.0.1:{unused_port()}/"), now=NOW)
        assert caught.value.reason == "unreachable"

    async def test_a_reset_fails_for_now(self, channel: Channel, recipient: Recipient) -> None:
        async def reset(writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()

        recipient.behaviour = reset
        with pytest.raises(TemporaryFailure):
            await channel.send(self.parcel(recipient.url), now=NOW)

    async def test_what_is_not_http_fails_for_now(self, channel: Channel, recipient: Recipient) -> None:
        recipient.answer = b"SSH-2.0-OpenSSH\r\n\r\n"
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(self.parcel(recipient.url), now=NOW)
        assert caught.value.reason == "not-http"

    async def test_silence_ends(self, impatient: Channel, recipient: Recipient) -> None:
        async def silent(_: asyncio.StreamWriter) -> None:
            await asyncio.sleep(30)

        recipient.behaviour = silent
        with pytest.raises(TemporaryFailure) as caught:
            await impatient.send(self.parcel(recipient.url), now=NOW)
        assert caught.value.reason == "timeout"

    async def test_drops_of_a_header_for_ever_end(self, impatient: Channel, recipient: Recipient) -> None:
        async def dripping(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nx-drip: ")
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        recipient.behaviour = dripping
        with pytest.raises(TemporaryFailure) as caught:
            await impatient.send(self.parcel(recipient.url), now=NOW)
        assert caught.value.reason == "timeout"

    async def test_interim_answers_are_passed_over(self, channel: Channel, recipient: Recipient) -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        recipient.answer = interim + b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        assert await channel.send(self.parcel(recipient.url), now=NOW) == self.reaches

    async def test_interim_answers_without_end_are_no_http(self, channel: Channel, recipient: Recipient) -> None:
        async def endless(writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
                await writer.drain()

        recipient.behaviour = endless
        with pytest.raises(TemporaryFailure) as caught:
            await asyncio.wait_for(channel.send(self.parcel(recipient.url), now=NOW), 10)
        assert caught.value.reason == "not-http"

    async def test_an_endless_body_is_not_read_to_its_end(self, channel: Channel, recipient: Recipient) -> None:
        written = 0

        async def endless(writer: asyncio.StreamWriter) -> None:
            nonlocal written
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                await writer.drain()
                written += 65_536

        recipient.behaviour = endless
        assert await asyncio.wait_for(channel.send(self.parcel(recipient.url), now=NOW), 10) == self.reaches
        assert written < 64 * 1024 * 1024

    async def test_a_packed_answer_is_not_asked_for_and_not_unpacked(
        self, channel: Channel, recipient: Recipient
    ) -> None:
        bomb = b"\x1f\x8bnot gzip at all, which only somebody who unpacks it can notice"
        recipient.answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
        assert await channel.send(self.parcel(recipient.url), now=NOW) == self.reaches
        assert recipient.journal[0].headers["accept-encoding"] == "identity"

    async def test_one_connection_serves_many_parcels(self, channel: Channel, recipient: Recipient) -> None:
        for number in range(1, 6):
            await channel.send(self.parcel(recipient.url, number=number), now=NOW)
        assert (len(recipient.journal), recipient.connections) == (5, 1)

    async def test_a_cookie_is_not_brought_back(self, channel: Channel, recipient: Recipient) -> None:
        recipient.answer = b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
        for _ in range(2):
            await channel.send(self.parcel(recipient.url), now=NOW)
        assert "cookie" not in recipient.journal[1].headers

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
    async def test_a_proxy_from_the_environment_is_not_used(
        self, channel: Channel, recipient: Recipient, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
        assert await channel.send(self.parcel(recipient.url), now=NOW) == self.reaches

    @pytest.mark.parametrize(
        "url",
        [
            None,
            "",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "http://",
            "http://user:secret@127.0.0.1:{port}/",
            "http://10.0.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1]/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://100.64.0.1/",
            "http://1.1.1.1/",
            "https://" + "a" * 64 + ".example/",
            "http://[::1",
            "http://127.0.0.1:99999/",
        ],
    )
    async def test_a_url_that_must_not_be_asked_is_not(
        self, channel: Channel, recipient: Recipient, url: str | None
    ) -> None:
        asked = url.replace("{port}", str(recipient.port)) if url else url
        with pytest.raises(TemporaryFailure) as caught:
            await channel.send(replace(self.parcel(recipient.url), url=asked), now=NOW)
        assert caught.value.reason in ("no-url", "url-refused", "address-refused", "unresolvable")
        assert recipient.journal == []
