# SPDX-License-Identifier: EUPL-1.2
"""Below ASGI: slow and endless headers are closed, and no request can be read in two ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.server import MAX_HEADERS, MAX_RAW_HEADER
from tests.integration.small_hub import SmallHub, serving

SECONDS = 1.0


@pytest.fixture
async def hub() -> AsyncIterator[SmallHub]:
    async with serving(SmallHub(header_timeout=SECONDS, body_timeout=0.4)) as hub:
        yield hub


async def test_headers_that_never_end_are_closed_in_time(hub: SmallHub) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        for _ in range(1000):
            if writer.transport.is_closing():
                return
            writer.write(b"x-drip: y\r\n")
            await asyncio.sleep(0.02)

    began = asyncio.get_running_loop().time()
    answer = await hub.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\n", more=drip)
    assert answer == b""
    assert asyncio.get_running_loop().time() - began < SECONDS * 8


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /livez HTTP/1.1\r\nhost: x\r\n"])
async def test_who_connects_and_waits_is_closed(hub: SmallHub, sent: bytes) -> None:
    began = asyncio.get_running_loop().time()
    assert await hub.raw(sent) == b""
    assert SECONDS * 0.9 < asyncio.get_running_loop().time() - began < SECONDS * 8


async def test_the_second_request_on_a_connection_has_its_own_time(hub: SmallHub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    for _ in range(3):  # longer in all than the time for one header
        await asyncio.sleep(SECONDS * 0.5)
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b'{"status":"live"}'))
    writer.write(b"GET /livez HTTP/1.1\r\nhost:")
    assert await asyncio.wait_for(reader.read(), SECONDS * 8) == b""
    writer.close()


async def test_a_slow_header_does_not_close_a_body_that_is_on_time(hub: SmallHub) -> None:
    async def later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SECONDS * 0.5)
        writer.write(b"host: x\r\nconnection: close\r\n\r\n")

    assert (await hub.raw(b"GET /livez HTTP/1.1\r\n", more=later)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "header",
    [
        b"x-long: " + b"x" * (MAX_RAW_HEADER * 4),
        b"\r\n".join(b"x-%d: y" % number for number in range(MAX_HEADERS + 5)),
        b"\r\n".join(b"x-%d: %s" % (number, b"y" * 1000) for number in range(60)),
    ],
    ids=["one-long", "many", "many-long"],
)
async def test_oversized_headers_are_refused_below_asgi(hub: SmallHub, header: bytes) -> None:
    answer = await hub.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in answer
    assert b"api-version:" in answer


async def test_one_header_without_an_end_is_refused_before_it_fills_the_memory(hub: SmallHub) -> None:
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < 64 * 1024 * 1024 and not writer.transport.is_closing():
            writer.write(b"x" * 65_536)
            sent += 65_536
            await asyncio.sleep(0)
            try:
                await writer.drain()
            except ConnectionError:
                return

    await hub.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ", more=pour)
    assert sent < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5, 6\r\n",
        b"content-length: +5\r\n",
        b"content-length: 0x5\r\n",
        b"content-length: -1\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding : chunked\r\n",
        b"x-folded: a\r\n b\r\ncontent-length : 5\r\n",
        b"no colon here\r\n",
        b"x-nul: \x00\r\n",
    ],
)
async def test_a_request_with_two_readings_is_refused(hub: SmallHub, headers: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = await hub.raw(b"POST /v1/answers HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_what_is_not_http_is_refused(hub: SmallHub, sent: bytes) -> None:
    assert (await hub.raw(sent)).startswith(b"HTTP/1.1 400 ")
