# SPDX-License-Identifier: EUPL-1.2
"""What every way of telling a human promises. Subclass it and give `sender`, `to`, `deaf` and `told`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schakel.errors import TemporaryFailure
from schakel.ports import AlarmNotice, AlarmSender

NOTICE = AlarmNotice(
    id="0192f0c1-0000-7000-8000-00000000a1a1",
    owner="coordinator",
    cause="human-decision",
    subject="0192f0c1-0000-7000-8000-00000000b2b2",
    count=3,
    step=1,
    nl="Een aanmelding wacht op uw besluit; geef haar vrij of stuur haar terug. Één stap.",
    en="A referral waits for your decision; release it or send it back.",
    raised_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
)


class AlarmSuite:
    """`told()`: the texts that arrived on the other side. `deaf`: a sender whose other side is not there."""

    name = ""

    async def test_it_is_registered_under_its_name(self, sender: AlarmSender) -> None:
        assert sender.name == self.name

    async def test_a_human_reads_it_in_dutch_and_in_english(
        self, sender: AlarmSender, to: str, told: Callable[[], list[str]]
    ) -> None:
        await sender.send(NOTICE, to=to)
        (text,) = told()
        assert text.index(NOTICE.nl) < text.index(NOTICE.en)
        assert NOTICE.subject in text
        assert NOTICE.cause in text

    async def test_ringing_again_tells_again(self, sender: AlarmSender, to: str, told: Callable[[], list[str]]) -> None:
        await sender.send(NOTICE, to=to)
        await sender.send(replace(NOTICE, count=4, step=2), to=to)
        assert len(told()) == 2

    async def test_nobody_there_fails_for_now(self, deaf: AlarmSender, to: str) -> None:
        with pytest.raises(TemporaryFailure) as caught:
            await deaf.send(NOTICE, to=to)
        assert caught.value.reason == "unreachable"

    @pytest.mark.parametrize("to", ["", "no address", "a@b\r\nBcc: c@d", "http://", "\x00"])
    async def test_an_address_that_is_none_fails_for_now_and_tells_nobody(
        self, sender: AlarmSender, to: str, told: Callable[[], list[str]]
    ) -> None:
        with pytest.raises(TemporaryFailure):
            await sender.send(NOTICE, to=to)
        assert told() == []
