# SPDX-License-Identifier: EUPL-1.2
"""Whatever comes over a line, in whatever pieces, is an answer or none: nothing hangs, escapes or is asked again."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from connectors.channels.line import ANSWER_BYTES, Answered, Line
from schakel.errors import TemporaryFailure

STATUS = st.sampled_from([200, 201, 202, 204, 301, 400, 410, 429, 500, 503])
BODY = st.binary(max_size=300)
RETRY = st.none() | st.integers(0, 10_000).map(str)
INTERIM = st.lists(
    st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n"]), max_size=3
)
SOMETHING_LIKE_HTTP = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 ",
            b"HTTP/1.0 ",
            b"200",
            b"101",
            b"204 ",
            b" OK",
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b"content-length: 5",
            b"transfer-encoding: chunked",
            b"connection: upgrade",
            b"upgrade: h2c",
            b"5\r\nabcde\r\n",
            b"0\r\n\r\n",
            b": ",
        ]
    )
    | st.binary(max_size=12),
    max_size=30,
).map(b"".join)
CUTS = st.lists(st.integers(0, 2_000), max_size=12)


class Wire:
    """The transport, without a network."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.written: list[bytes] = []
        self.open = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return not self.open

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.open = False

    abort = close


def heard(data: bytes, cuts: list[int], *, closes: bool) -> tuple[Answered | str | None, bool]:
    """What was asked gets this answer, and whether it can be asked again; None: it still waits."""

    async def run() -> tuple[Answered | str | None, bool]:
        line = Line()
        wire: Any = Wire(line)
        line.connection_made(wire)
        asked = asyncio.ensure_future(line.ask(b"POST"))
        await asyncio.sleep(0)
        places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
        for start, end in itertools.pairwise(places):
            if wire.open:
                line.data_received(data[start:end])
        usable = line.usable
        if closes or not wire.open:
            line.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        if not asked.done():
            asked.cancel()
            return None, usable
        try:
            return asked.result(), usable
        except TemporaryFailure as failure:
            return failure.reason, usable

    return asyncio.run(run())


@given(status=STATUS, body=BODY, retry=RETRY, interim=INTERIM, chunked=st.booleans(), cuts=CUTS)
def test_a_whole_answer_is_the_same_in_whatever_pieces_it_comes(status, body, retry, interim, chunked, cuts):
    said = b"HTTP/1.1 %d Said\r\n" % status + (b"retry-after: %s\r\n" % retry.encode() if retry else b"")
    if status == 204:
        said, body = said + b"\r\n", b""
    elif chunked:
        parts = [body[at : at + 7] for at in range(0, len(body), 7)]
        said += b"transfer-encoding: chunked\r\n\r\n"
        said += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        said += b"content-length: %d\r\n\r\n%s" % (len(body), body)
    assert heard(b"".join(interim) + said, cuts, closes=False) == (Answered(status, retry, body), True)


@example(data=b"HTTP/1.1 101 \r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nabc", cuts=[])
@given(data=SOMETHING_LIKE_HTTP, cuts=CUTS)
def test_whatever_comes_ends_when_the_other_side_closes(data, cuts):
    said, _ = heard(data, cuts, closes=True)
    if isinstance(said, Answered):
        assert said.status >= 200 or said.status == 101
        assert len(said.body) <= ANSWER_BYTES
    else:
        assert said in ("not-http", "connection-lost")


@given(status=STATUS, data=st.binary(min_size=1, max_size=50).filter(lambda data: data.strip(b"\r\n")), cuts=CUTS)
def test_a_line_that_has_said_more_than_was_asked_is_not_asked_again(status, data, cuts):
    said = b"HTTP/1.1 %d Said\r\ncontent-length: 0\r\n\r\n" % status
    answer, usable = heard(said + data, cuts, closes=True)
    assert answer == Answered(status, None, b"")
    assert not usable
