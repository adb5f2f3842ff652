# SPDX-License-Identifier: EUPL-1.2
"""A message stays open for its next recipient, and for nobody and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schakel.bootstrap import open_heart
from schakel.errors import Tampered
from schakel.records import Claimed, SealPlace
from schakel.rendering import KEPT_BYTES, KEPT_OPEN, Renderer
from schakel.secrecy import HiddenPerson, Secrecy
from tests.integration.stage import Stage, household, open_stage

REPRESENTATIONS = ("case-json", "case-fhir", "case-fhir-xml", "case-stuf")


class CountingVault:
    """The stage's own; counts what is opened, by place."""

    def __init__(self, vault: Any) -> None:
        self._vault = vault
        self.opened: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def open(self, wrapped_key: bytes, sealed: bytes, *, owner: str, place: SealPlace) -> bytes:
        self.opened[f"{place.table}.{place.purpose}"] += 1
        opened: bytes = self._vault.open(wrapped_key, sealed, owner=owner, place=place)
        return opened


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    opened = open_stage(tmp_path)
    async with opened.hub:
        yield opened


def renderer_of(stage: Stage) -> tuple[Renderer, CountingVault]:
    vault = CountingVault(stage.hub.vault)
    heart = open_heart(stage.hub.settings, vault, stage.clock, stage.hub.log)  # type: ignore[arg-type]
    return heart.renderer, vault


async def claimed_of(stage: Stage, body: bytes) -> list[Claimed]:
    await stage.send("thv-pool", body)
    return await stage.hub.store.claim(now=stage.clock.now(), limit=100)


async def test_the_recipients_of_a_message_share_one_opening_and_get_the_bytes_of_their_own(stage: Stage) -> None:
    claimed = await claimed_of(stage, household(1))
    assert len(claimed) >= 2
    shared, vault = renderer_of(stage)
    now = stage.clock.now()
    together = [shared.render(one, now=now).content for one in claimed]
    assert vault.opened == {"message.content": 1}
    assert together == [renderer_of(stage)[0].render(one, now=now).content for one in claimed]
    shared.forget()
    assert shared.render(claimed[0], now=now).content == together[0]
    assert vault.opened == {"message.content": 2}


async def test_no_representation_changes_what_the_next_recipient_gets(stage: Stage) -> None:
    first, *_ = await claimed_of(stage, household(1))
    shared, vault = renderer_of(stage)
    now = stage.clock.now()
    before = {name: shared.render(first, now=now, representation=name).content for name in REPRESENTATIONS}
    assert {name: shared.render(first, now=now, representation=name).content for name in before} == before
    assert vault.opened == {"message.content": 1}


async def test_another_key_or_another_place_does_not_open_what_stays_open(stage: Stage) -> None:
    first, *_ = await claimed_of(stage, household(1))
    shared, _ = renderer_of(stage)
    now = stage.clock.now()
    shared.render(first, now=now)
    for wrong in (
        replace(first, wrapped_key=stage.hub.vault.new_key(first.case_id)),
        replace(first, case_id=first.message_id),
        replace(first, message_id=first.case_id),
        replace(first, content=first.content[:-1] + bytes([first.content[-1] ^ 1])),
    ):
        with pytest.raises(Tampered):
            shared.render(wrong, now=now)


async def test_what_stays_open_is_cut_with_the_newest_secrecy(stage: Stage) -> None:
    duo = next(one for one in await claimed_of(stage, household(1)) if one.role == "duo")
    shared, _ = renderer_of(stage)
    now = stage.clock.now()
    assert "addresses" in json.loads(shared.render(duo, now=now, representation="case-json").content)["members"][0]
    hidden = Secrecy(persons=(HiddenPerson(keys=("00",), sides=("others",)),)).to_bytes()
    place = SealPlace("case_file", duo.case_id, "secrecy")
    sealed = stage.hub.vault.seal(duo.wrapped_key, hidden, owner=duo.case_id, place=place)
    stricter = replace(duo, secrecy=sealed, secrecy_version=duo.secrecy_version + 1)
    view = json.loads(shared.render(stricter, now=now, representation="case-json").content)
    assert "addresses" not in view["members"][0]
    assert {"rule": "secret-address"} in view["withheld"]


async def test_few_messages_stay_open_and_no_large_one_and_none_that_a_mailbox_shows(stage: Stage) -> None:
    first, *_ = await claimed_of(stage, household(1))
    shared, vault = renderer_of(stage)
    now = stage.clock.now()
    place = SealPlace("message", first.message_id, "content")
    content = stage.hub.vault.open(first.wrapped_key, first.content, owner=first.case_id, place=place)

    def sealed(text: bytes) -> Claimed:
        made = stage.hub.vault.seal(first.wrapped_key, text, owner=first.case_id, place=place)
        return replace(first, content=made)

    def opened_for(claimed: Claimed) -> int:
        before = vault.opened.total()
        shared.render(claimed, now=now)
        return vault.opened.total() - before

    assert [opened_for(replace(first, token="")) for _ in range(2)] == [1, 1]
    large = json.loads(content)
    large["question"] = "?" * 20_000
    large["history"]["text"] = "!" * (KEPT_BYTES - 20_000)
    assert [opened_for(each) for each in [sealed(json.dumps(large).encode())] * 2] == [1, 1]
    many = [sealed(content) for _ in range(KEPT_OPEN + 1)]  # each sealed anew, so each is another one
    assert [opened_for(each) for each in many] == [1] * len(many)
    assert [opened_for(many[-1]), opened_for(many[1]), opened_for(many[0])] == [0, 0, 1]


async def test_when_nothing_is_under_way_nothing_stays_open(stage: Stage) -> None:
    await stage.send("thv-pool", household(1))
    await stage.hub.dispatch.run_once()
    assert stage.webhook.sent
    assert not stage.hub.dispatch._making._renderer._opened
