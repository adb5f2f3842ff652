# SPDX-License-Identifier: EUPL-1.2
"""The connection to a recipient: what is an answer, what is none, and when a connection is used again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_network

import pytest

from connectors.channels.address import AddressRule, Checked, check, place_of
from connectors.channels.line import ANSWER_BYTES, HEAD_LINES, Answered
from connectors.channels.post import Poster
from schakel.errors import TemporaryFailure

LOOPBACK = AddressRule((ip_network("127.0.0.0/8"), ip_network("::1/128")))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"
PATIENCE = 60.0  # seconds

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers each request on a connection with the next of `answers`; closes when there is none."""

    answers: list[bytes]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)  # a connection, by the hub

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self.answers.pop(0))
                await writer.drain()
            if self.closed.is_set() or await reader.read() == b"":
                self.closed.set()
        writer.close()


@contextlib.asynccontextmanager
async def running(*answers: bytes, serve: Serve | None = None) -> AsyncIterator[tuple[Server, str]]:
    made = Server(list(answers))
    server = await asyncio.start_server(serve or made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made, f"http://127.0.0.1:{made.port}/hook?a=b"
    finally:
        server.close()


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    made = Poster(rule=LOOPBACK)
    yield made
    await made.aclose()


async def ask(poster: Poster, url: str, body: bytes = b"x") -> Answered:
    return await poster.ask("vvt", url, headers={"content-type": "text/plain"}, body=body)


async def reason(poster: Poster, url: str) -> str:
    with pytest.raises(TemporaryFailure) as caught:
        await ask(poster, url)
    return caught.value.reason


async def test_it_writes_what_http_asks_for_and_nothing_more(poster: Poster) -> None:
    async with running(OK) as (server, url):
        assert await ask(poster, url) == Answered(200, None, b"OK")
    assert server.requests == [
        b"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: schakel\r\nAccept-Encoding: identity\r\n"
        b"Content-Length: 1\r\ncontent-type: text/plain\r\n\r\nx" % server.port
    ]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "é"])
async def test_a_header_cannot_hold_another_one(poster: Poster, value: str) -> None:
    async with running(OK) as (server, url):
        with pytest.raises(ValueError, match=r"header|ascii"):
            await poster.ask("vvt", url, headers={"x": value}, body=b"")
        assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://VVT.example:443", "vvt.example", "/"),
        ("https://vvt.example:8443/a b/é?c=d#e", "vvt.example:8443", "/a%20b/%C3%A9?c=d"),
        ("https://bücher.example./", "xn--bcher-kva.example", "/"),
        ("http://[::1]:81/x", "[::1]:81", "/x"),
        ("https://vvt.example/\r\nhost: elders", "vvt.example", "/host:%20elders"),
    ],
)
def test_a_url_is_read_once_for_the_check_and_for_the_request(url: str, authority: str, target: str) -> None:
    place = place_of(url)
    assert (place.authority, place.target) == (authority, target)


@pytest.mark.parametrize("host", ["a b", "127.0.0.1\\@evil", "[fe80::1%25eth0]", "a%00b", "h:0", "h:65536"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(TemporaryFailure) as caught:
        place_of(f"https://{host}/")
    assert caught.value.reason == "url-refused"


# -- what is an answer


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ncut\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno length", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx: y\r\n\r\n", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % ANSWER_BYTES + b"x" * ANSWER_BYTES, b"x" * ANSWER_BYTES),
        (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (ANSWER_BYTES + 1) + b"x" * (ANSWER_BYTES + 1), b""),
    ],
    ids=["until-close", "http-1.0", "cut", "chunk-cut", "no-chunk", "trailer", "204", "largest", "too-large"],
)
async def test_the_status_decides_and_half_a_body_is_none(poster: Poster, answer: bytes, body: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(answer)
        writer.close()

    async with running(serve=serve) as (_, url):
        said = await ask(poster, url)
        assert (said.status // 100, said.body) == (2, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (HEAD_LINES + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nOKO",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\nx : y\r\n\r\n",
    ],
    ids=["ssh", "lines", "long-line", "interim", "two-lengths", "negative", "blank-in-name"],
)
async def test_what_is_no_http_is_no_answer(poster: Poster, answer: bytes) -> None:
    async with running(answer) as (_, url):
        assert await reason(poster, url) == "not-http"


async def test_another_protocol_is_not_switched_to(poster: Poster) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nanything"
    async with running(switch, OK) as (server, url):
        assert (await ask(poster, url)).status == 101
        assert (await ask(poster, url)).status == 200
        assert server.connections == 2


async def test_a_retry_after_of_an_interim_answer_is_not_the_answers(poster: Poster) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nretry-after: 9\r\n\r\n"
    later = b"HTTP/1.1 503 Later\r\nretry-after: 7\r\nretry-after: 8\r\ncontent-length: 0\r\n\r\n"
    async with running(interim + OK, interim + later) as (_, url):
        assert (await ask(poster, url)).retry_after is None
        assert (await ask(poster, url)).retry_after == "7"


async def test_an_answer_before_the_end_of_the_request_counts_and_the_connection_goes(poster: Poster) -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too large\r\ncontent-length: 0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await answered.wait()
            while await reader.read(65_536):
                pass
        left.set()
        writer.close()

    answered = asyncio.Event()
    async with running(serve=serve) as (_, url):
        assert (await ask(poster, url, b"x" * 50_000_000)).status == 413
        answered.set()
        await asyncio.wait_for(left.wait(), PATIENCE)


# -- when a connection is used again


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nOK",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nOK",
        OK + OK,
        OK + b"HTTP/1.1 500 N",
        OK + b"SSH",
    ],
    ids=["close", "http-1.0", "two-answers", "half-an-answer", "garbage"],
)
async def test_what_says_more_than_was_asked_or_closes_is_not_asked_again(poster: Poster, first: bytes) -> None:
    async with running(first, OK) as (server, url):
        assert [await ask(poster, url), await ask(poster, url)] == [Answered(200, None, b"OK")] * 2
        assert server.connections == 2


async def test_who_speaks_unasked_is_left(poster: Poster) -> None:
    written = asyncio.Event()
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(OK)
        await written.wait()
        with contextlib.suppress(ConnectionError):
            writer.write(OK)
            await reader.read()
        left.set()
        writer.close()

    async with running(serve=serve) as (_, url):
        assert (await ask(poster, url)).status == 200
        written.set()
        await asyncio.wait_for(left.wait(), PATIENCE)


async def test_a_connection_that_the_other_side_closed_is_not_used(poster: Poster) -> None:
    closed = asyncio.Event()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(OK)
        writer.close()
        assert await reader.read() == b""  # the hub has closed too
        closed.set()

    async with running(serve=serve) as (_, url):
        for _ in range(2):
            closed.clear()
            assert (await ask(poster, url)).status == 200
            await asyncio.wait_for(closed.wait(), PATIENCE)
    assert connections == 2


async def test_a_connection_that_nobody_uses_is_closed() -> None:
    poster = Poster(rule=LOOPBACK, kept_seconds=0.05)
    async with running(OK) as (server, url):
        assert (await ask(poster, url)).status == 200
        await asyncio.wait_for(server.closed.wait(), PATIENCE)
    await poster.aclose()


async def test_whoever_stops_waiting_leaves_no_connection_behind(poster: Poster) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nx")
        asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        left.set()
        writer.close()

    async with running(serve=silent) as (_, url):
        waiting = asyncio.create_task(ask(poster, url))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(left.wait(), PATIENCE)


async def test_closing_closes_what_is_open_and_ends_what_is_under_way() -> None:
    poster = Poster(rule=LOOPBACK)
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nx")
        asked.set()
        await reader.read()
        writer.close()

    async with running(OK) as (idle, url), running(serve=silent) as (_, other):
        await ask(poster, url)
        waiting = asyncio.create_task(ask(poster, other))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await poster.aclose()
        with pytest.raises(TemporaryFailure):
            await waiting
        await asyncio.wait_for(idle.closed.wait(), PATIENCE)


async def test_the_next_address_is_tried_when_one_is_not_there_and_a_kept_connection_only_to_a_checked_one(
    poster: Poster,
) -> None:
    here, elsewhere = IPv4Address("127.0.0.1"), IPv4Address("127.9.9.9")
    async with running(OK, OK, OK) as (server, url):
        place = (await check(url, rule=LOOPBACK, resolve=nobody)).place
        request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
        for _ in range(2):
            said = await poster._exchange("vvt", Checked(place, (elsewhere, here)), request)
            assert said.status == 200
        assert server.connections == 1
        with pytest.raises(TemporaryFailure) as caught:
            await poster._exchange("vvt", Checked(place, (elsewhere,)), request)
        assert caught.value.reason == "unreachable"
        assert len(server.requests) == 2


async def nobody(host: str, port: int) -> list[str]:
    raise OSError
