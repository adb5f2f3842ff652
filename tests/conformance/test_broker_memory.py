# SPDX-License-Identifier: EUPL-1.2
"""The broker within one process keeps the promises of every broker, and forgets the oldest bell when it is full."""

from __future__ import annotations

import hashlib
import hmac
import io
import re

import pytest

from broker.memory import MemoryBroker
from broker.open import Surroundings, open_broker
from broker.topology import decode, encode, queue_name
from schakel.errors import ConfigurationError
from schakel.log import open_log
from schakel.records import Bell
from tests.conformance.broker_suite import BrokerSuite

SURROUNDINGS = Surroundings(
    recipients=("vvt", "lokaal-team-delft"),
    blind=lambda use, name: hmac.digest(b"key", f"{use} {name}".encode(), "sha256"),
    log=open_log("info", io.StringIO()),
)


class TestMemoryBroker(BrokerSuite):
    @pytest.fixture
    def broker(self) -> MemoryBroker:
        broker = open_broker("", SURROUNDINGS)
        assert isinstance(broker, MemoryBroker)
        return broker


async def test_a_full_broker_forgets_the_oldest_bell() -> None:
    broker = MemoryBroker(most_waiting=2)
    broker.ring([Bell(delivery_id=str(n), recipient="vvt", number=n) for n in (1, 2, 3)])
    assert [bell.number for bell in await broker.listen(10, 1)] == [2, 3]


@pytest.mark.parametrize("body", [b"", b"{}", b"[2]", b"[2,'a',1]", b'[2,"a",true]', b"[2,1,3]", b'[1,"a",3]', b"\xff"])
def test_what_cannot_be_read_is_no_bell(body: bytes) -> None:
    assert decode(body, "vvt") is None


def test_a_bell_travels_as_identifiers_only() -> None:
    assert encode(Bell(delivery_id="d", recipient="vvt", number=3)) == b'[2,"d",3]'


def test_an_unknown_broker_is_refused_without_repeating_the_url() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_broker("carrier-pigeon://user:secret@host", SURROUNDINGS)
    assert "secret" not in str(caught.value)
    assert caught.value.findings[0].place == "SCHAKEL_BROKER_URL"


def test_the_names_at_the_broker_tell_nothing() -> None:
    blind = SURROUNDINGS.blind
    name = queue_name("lokaal-team-delft", blind)
    assert re.fullmatch(r"schakel\.bells\.[a-z2-7]{26}", name)
    assert name == queue_name("lokaal-team-delft", blind)
    assert name != queue_name("lokaal-team-rijswijk", blind)
    assert name != queue_name("lokaal-team-delft", lambda use, name: hashlib.sha256(name.encode()).digest())
