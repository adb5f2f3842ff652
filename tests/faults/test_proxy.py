# SPDX-License-Identifier: EUPL-1.2
"""Each fault of the proxy does what its name says, to connections that are there and to new ones, and heals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.faults import proxy as faults
from tests.faults.proxy import Fault, Proxy, open_proxy
from tests.support.hub import until

SOON: Final = 0.3  # seconds in which on loopback everything has come that comes
WITHIN: Final = 30.0  # seconds in which what must come has come, also on a machine that is busy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Echo:
    """A server that notes each line before it answers it."""

    port: int = 0
    got: list[bytes] = field(default_factory=list)
    answer: bytes = b"answer to "

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self.got.append(line)
                writer.write(self.answer + line)
                await writer.drain()
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    made = Echo()
    server = await asyncio.start_server(made.serve, faults.HOST, 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with open_proxy(f"test://{faults.HOST}:{echo.port}") as made:
        yield made


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Line]:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(faults.HOST, proxy.port), WITHIN)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(line: Line, what: bytes = b"one\n") -> bytes:
    """The whole answer; b"": the connection ended in order. Raises ConnectionResetError."""
    line[1].write(what)
    return await asyncio.wait_for(line[0].readline(), WITHIN)


async def silent(line: Line) -> bool:
    """Nothing comes, and the connection does not end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(line[0].read(1), SOON)
        return False
    return True


async def ended(line: Line) -> str:
    """How: "close" or "reset"."""
    try:
        assert await asyncio.wait_for(line[0].read(), WITHIN) == b""
    except ConnectionResetError:
        return "reset"
    return "close"


async def test_without_a_fault_all_goes_through_both_ways_in_order(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        for n in range(50):
            asked = b"%d " % n + b"x" * n * 100 + b"\n"
            assert await ask(line, asked) == b"answer to " + asked
    assert len(echo.got) == 50
    assert proxy.taken == 1
    await until(lambda: proxy.links == 0, "the connection of who went away is still there")


async def test_an_end_goes_through_both_ways(proxy: Proxy) -> None:
    async with connected(proxy) as line:
        line[1].write(b"last\n")
        line[1].write_eof()
        assert await asyncio.wait_for(line[0].read(), WITHIN) == b"answer to last\n"


async def test_latency_lets_each_piece_come_later(proxy: Proxy) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.latency(0.2))
        began = asyncio.get_running_loop().time()
        assert await ask(line) == b"answer to one\n"
        assert asyncio.get_running_loop().time() - began >= 0.4  # there and back
        assert proxy.felt == 2


async def test_one_byte_per_second_is_that_and_the_rest_comes_when_it_heals(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await proxy.set(Fault("drips", seconds_per_byte=0.05))
        began = asyncio.get_running_loop().time()
        line[1].write(b"12345\n")
        await until(lambda: echo.got, "the line does not come")
        assert asyncio.get_running_loop().time() - began >= 5 * 0.05
        await proxy.set(faults.BYTE_PER_SECOND)
        line[1].write(b"67890\n")
        await until(lambda: proxy.felt >= 2, "nothing drips")
        assert len(echo.got) == 1
        await proxy.heal()
        assert await ask(line, b"") == b"answer to 12345\n"
        assert await ask(line, b"") == b"answer to 67890\n"


async def test_one_way_can_be_slow_alone(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.SLOW_UP)
        echo.answer = b"a much longer answer to "
        began = asyncio.get_running_loop().time()
        assert await ask(line, b"x\n") == b"a much longer answer to x\n"
        assert 1 <= asyncio.get_running_loop().time() - began < 15  # two bytes up, 26 down


@pytest.mark.parametrize(("fault", "how"), [(faults.CUT, "close"), (faults.RESET, "reset")])
async def test_a_cut_or_a_reset_ends_what_is_there_and_what_is_new(
    proxy: Proxy, echo: Echo, fault: Fault, how: str
) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(fault)
        assert await ended(line) == how
        assert proxy.felt == 1
    async with connected(proxy) as new:
        assert await ended(new) == how
    assert proxy.felt == 2
    assert len(echo.got) == 1
    await proxy.heal()
    async with connected(proxy) as healed:
        assert await ask(healed) == b"answer to one\n"


async def test_half_open_takes_all_and_lets_nothing_through_until_it_heals(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.HALF_OPEN)
        line[1].write(b"held\n")
        async with connected(proxy) as new:
            new[1].write(b"new\n")
            assert await silent(line)
            assert await silent(new)
            assert echo.got == [b"one\n"]
            assert proxy.felt == 2
            assert proxy.links == 2
            await proxy.heal()
            assert await ask(line, b"") == b"answer to held\n"
            assert await ask(new, b"") == b"answer to new\n"


async def test_half_open_hides_an_end_until_it_heals(proxy: Proxy) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.HALF_OPEN)
        line[1].write_eof()
        assert await silent(line)
        await proxy.heal()
        assert await ended(line) == "close"


async def test_what_half_open_holds_can_be_severed_instead(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.HALF_OPEN)
        line[1].write(b"never\n")
        await until(lambda: proxy.felt, "nothing is held")
        proxy.sever()
        assert await ended(line) == "close"
        await proxy.heal()
        async with connected(proxy) as new:
            assert await ask(new, b"later\n") == b"answer to later\n"
    assert echo.got == [b"one\n", b"later\n"]


async def test_a_blackhole_takes_connections_and_the_server_sees_none(proxy: Proxy, echo: Echo) -> None:
    await proxy.set(faults.BLACKHOLE)
    async with connected(proxy) as line:
        line[1].write(b"into the dark\n")
        assert await silent(line)
        assert echo.got == []
        assert proxy.felt == 1
        await proxy.heal()
        assert await ask(line, b"") == b"answer to into the dark\n"


async def test_a_deaf_door_takes_no_connection_until_it_heals(proxy: Proxy) -> None:
    async with connected(proxy) as line:
        await proxy.set(faults.DEAF)
        line[1].write(b"held\n")
        assert await silent(line)
        knocking = asyncio.ensure_future(asyncio.open_connection(faults.HOST, proxy.port))
        done, _ = await asyncio.wait({knocking}, timeout=SOON)
        assert not done
        await proxy.heal()
        assert await ask(line, b"") == b"answer to held\n"
        new = await asyncio.wait_for(knocking, WITHIN)  # the system knocks again by itself
        assert await ask(new) == b"answer to one\n"
        new[1].transport.abort()
    assert proxy.taken == 2  # who filled the queue is not counted


async def test_where_nobody_listens_connecting_is_refused_until_it_heals_on_the_same_port(proxy: Proxy) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.REFUSED)
        assert await ended(line) == "reset"
    with pytest.raises(ConnectionRefusedError):
        async with connected(proxy):
            pass
    await proxy.heal()
    async with connected(proxy) as healed:
        assert await ask(healed) == b"answer to one\n"


@pytest.mark.parametrize(("fault", "how"), [(faults.ANSWER_LOST, "close"), (faults.ANSWER_RESET, "reset")])
async def test_an_answer_is_lost_after_the_server_took_what_was_said(
    proxy: Proxy, echo: Echo, fault: Fault, how: str
) -> None:
    async with connected(proxy) as line:
        assert await ask(line) == b"answer to one\n"
        await proxy.set(fault)
        line[1].write(b"taken\n")
        assert await ended(line) == how
        assert echo.got == [b"one\n", b"taken\n"]
        assert proxy.felt == 1


async def test_an_answer_is_held_after_the_server_took_what_was_said(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await proxy.set(faults.ANSWER_HELD)
        line[1].write(b"taken\n")
        await until(lambda: proxy.felt, "no answer is held")
        assert await silent(line)
        assert echo.got == [b"taken\n"]
        await proxy.heal()
        assert await ask(line, b"") == b"answer to taken\n"


async def test_an_answer_is_cut_after_so_many_bytes(proxy: Proxy, echo: Echo) -> None:
    async with connected(proxy) as line:
        await ask(line)
        await proxy.set(faults.answer_cut_after(6))
        line[1].write(b"one\n")
        assert await asyncio.wait_for(line[0].read(), WITHIN) == b"answer"
        assert len(echo.got) == 2


async def test_a_server_that_is_away_is_felt_as_a_reset(proxy: Proxy) -> None:
    with socket.create_server((faults.HOST, 0)) as taken:
        proxy.to = taken.getsockname()
    async with connected(proxy) as line:
        assert await ended(line) == "reset"


async def test_faults_follow_one_another(proxy: Proxy, echo: Echo) -> None:
    """Each is whole and leaves nothing behind."""
    every = (
        *(faults.CUT, faults.RESET, faults.HALF_OPEN, faults.BYTE_PER_SECOND, faults.BLACKHOLE, faults.DEAF),
        *(faults.REFUSED, faults.ANSWER_LOST, faults.ANSWER_RESET, faults.ANSWER_HELD, faults.answer_cut_after(1)),
    )
    for fault in (*every, *reversed(every)):
        await proxy.set(fault)
    await proxy.heal()
    async with connected(proxy) as line:
        assert await ask(line) == b"answer to one\n"
    assert len(echo.got) == 1


async def test_a_url_goes_through_with_all_that_stands_in_it(proxy: Proxy) -> None:
    by = f"{faults.HOST}:{proxy.port}"
    assert proxy.through("http://127.0.0.1:9/vvt?a=b") == f"http://{by}/vvt?a=b"
    assert proxy.through("amqp://schakel:geheim@localhost:5672/") == f"amqp://schakel:geheim@{by}/"
