# SPDX-License-Identifier: EUPL-1.2
"""Every registered channel keeps the promises; what a webhook carries and how it is signed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.channels import channels
from connectors.channels.address import AddressRule, Resolve, address_rule, check
from connectors.channels.cloudevent import event
from connectors.channels.mailbox import MailboxChannel
from connectors.channels.post import Poster
from connectors.channels.stuf import StufChannel
from connectors.channels.webhook import WebhookChannel
from schakel.errors import ConfigurationError, PoisonDelivery, TemporaryFailure
from schakel.ports import Channel, SigningSecret
from schakel.settings import Settings
from tests.conformance.channel_suite import (
    CONTENT,
    NOW,
    ChannelSuite,
    NetworkChannelSuite,
    Recipient,
    parcel,
    running,
)

OIN = "00000099000000001000"
PAGE = (Path(__file__).resolve().parents[2] / "docs/add-a-channel.md").read_text(encoding="utf-8")
LOOPBACK = AddressRule((ip_network("127.0.0.0/8"),))


def webhook(*, total_seconds: float = 30.0) -> WebhookChannel:
    poster = Poster(rule=LOOPBACK, total_seconds=total_seconds)
    return WebhookChannel(poster=poster, hub_oin=OIN, public_url="https://schakel.example.nl")


class TestWebhook(NetworkChannelSuite):
    name = "webhook"

    @pytest.fixture
    async def channel(self) -> AsyncIterator[WebhookChannel]:
        channel = webhook()
        yield channel
        await channel.aclose()

    @pytest.fixture
    async def impatient(self) -> AsyncIterator[WebhookChannel]:
        channel = webhook(total_seconds=0.5)
        yield channel
        await channel.aclose()


class TestStuf(NetworkChannelSuite):
    """An answer without a word of StUF only tells that the bytes arrived; tests/unit/test_channel_stuf.py has words."""

    name = "stuf"
    reaches = "notified"
    content = b'<?xml version="1.0" encoding="UTF-8"?>\n<melding xmlns="urn:example"/>'
    media_type = "text/xml"

    @pytest.fixture
    async def channel(self) -> AsyncIterator[StufChannel]:
        channel = StufChannel(poster=Poster(rule=LOOPBACK))
        yield channel
        await channel.aclose()

    @pytest.fixture
    async def impatient(self) -> AsyncIterator[StufChannel]:
        channel = StufChannel(poster=Poster(rule=LOOPBACK, total_seconds=0.5))
        yield channel
        await channel.aclose()

    async def test_thin_only_notifies(self, channel: Channel, recipient: Recipient) -> None:
        """The standard has no message without content: thin is a fault of the configuration, and nothing leaves."""
        with pytest.raises(PoisonDelivery):
            await channel.send(self.parcel(recipient.url, mode="thin"), now=NOW)
        assert recipient.journal == []


class TestMailbox(ChannelSuite):
    name = "mailbox"
    reaches = "notified"

    @pytest.fixture
    def channel(self) -> MailboxChannel:
        return MailboxChannel()


def test_every_registered_channel_is_in_the_suite() -> None:
    registered = channels(settings=Settings(_env_file=None), hub_oin=OIN)
    below = {one.name for suite in (ChannelSuite, NetworkChannelSuite) for one in suite.__subclasses__()} - {""}
    assert set(registered) == below


# -- signatures


async def test_standard_webhooks_verifies_v1() -> None:
    secret = b"s" * 32
    channel, now = webhook(), datetime.now(UTC)
    async with running(Recipient()) as recipient:
        await channel.send(replace(parcel(recipient.url), secrets=(SigningSecret("v1", secret),)), now=now)
        await channel.aclose()
    (request,) = recipient.journal
    assert Webhook(secret).verify(request.body, dict(request.headers))["data"] == orjson.loads(CONTENT)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another secret, 32 bytes long...").verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body.replace(b"abc", b"abd"), dict(request.headers))


def _verify_v1a(public: Ed25519PublicKey, request_headers: dict[str, str], body: bytes) -> None:
    """Standard Webhooks 1.0, asymmetric: a `v1a` signature over id.timestamp.body. Raises InvalidSignature."""
    signed = b".".join((request_headers["webhook-id"].encode(), request_headers["webhook-timestamp"].encode(), body))
    for part in request_headers["webhook-signature"].split(" "):
        version, _, signature = part.partition(",")
        if version == "v1a":
            try:
                return public.verify(base64.b64decode(signature), signed)
            except InvalidSignature:
                continue
    raise InvalidSignature


async def test_ed25519_verifies_v1a_and_every_valid_secret_signs() -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    secrets = (
        SigningSecret("v1", b"o" * 32),
        SigningSecret("v1", b"n" * 32),
        SigningSecret("v1a", old.private_bytes_raw()),
        SigningSecret("v1a", new.private_bytes_raw()),
    )
    channel, now = webhook(), datetime.now(UTC)
    async with running(Recipient()) as recipient:
        await channel.send(replace(parcel(recipient.url), secrets=secrets), now=now)
        await channel.aclose()
    (request,) = recipient.journal
    headers = dict(request.headers)
    assert [part.partition(",")[0] for part in headers["webhook-signature"].split(" ")] == ["v1", "v1", "v1a", "v1a"]
    for key in (old, new):
        _verify_v1a(key.public_key(), headers, request.body)
    for secret in (b"o" * 32, b"n" * 32):
        Webhook(secret).verify(request.body, headers)
    with pytest.raises(InvalidSignature):
        _verify_v1a(old.public_key(), headers, request.body + b" ")


async def test_the_same_delivery_twice_has_the_same_id_and_bytes_and_a_new_time() -> None:
    channel = webhook()
    async with running(Recipient()) as recipient:
        await channel.send(parcel(recipient.url), now=NOW)
        await channel.send(parcel(recipient.url), now=NOW + timedelta(minutes=5))
        await channel.aclose()
    first, second = recipient.journal
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == parcel(None).delivery_id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 300


async def test_without_a_secret_nothing_leaves() -> None:
    async with running(Recipient()) as recipient:
        with pytest.raises(TemporaryFailure) as caught:
            await webhook().send(replace(parcel(recipient.url), secrets=()), now=NOW)
    assert caught.value.reason == "no-signing-secret"
    assert recipient.journal == []


# -- the event


def _event(**changes: object) -> tuple[dict[str, object], bool]:
    body, whole = event(replace(parcel(None), **changes), hub_oin=OIN, public_url="https://schakel.example.nl/")
    return orjson.loads(body), whole


def test_a_full_event_carries_the_view() -> None:
    said, whole = _event()
    assert whole
    assert said == {
        "specversion": "1.0",
        "type": "nl.schakel.case.referral.v1",
        "source": f"urn:nld:oin:{OIN}:systeem:schakel",
        "id": "0192f0c1-0000-7000-8000-000000000001",
        "time": "2026-11-20T12:00:00.000Z",
        "sequence": "7",
        "sequencetype": "Integer",
        "datacontenttype": "application/json",
        "data": orjson.loads(CONTENT),
    }


def test_the_view_stands_in_the_event_byte_for_byte() -> None:
    content = b'{ "b" : 1.10,\n "a":"\\u00e9" }'
    body, _ = event(replace(parcel(None), content=content), hub_oin=OIN, public_url="https://schakel.example.nl")
    assert content in body


def test_a_thin_event_only_says_where_the_content_is() -> None:
    said, whole = _event(mode="thin")
    assert not whole
    assert said["dataref"] == "https://schakel.example.nl/v1/mailbox/7"
    assert "data" not in said


@pytest.mark.parametrize(("extra", "goes_full"), [(0, True), (1, False)])
def test_over_64_kb_goes_thin(extra: int, goes_full: bool) -> None:
    empty, _ = event(replace(parcel(None), content=b'""'), hub_oin=OIN, public_url="https://schakel.example.nl")
    content = b'"' + b"x" * (65_536 - len(empty) + extra) + b'"'
    said, whole = _event(content=content)
    assert whole is goes_full
    assert ("data" in said) is goes_full
    assert ("dataref" in said) is not goes_full


def test_xml_travels_as_text_and_other_bytes_in_base64() -> None:
    assert _event(content="<é/>".encode(), media_type="text/xml; charset=utf-8")[0]["data"] == "<é/>"
    assert _event(content=b"<\xe9/>", media_type="text/xml")[0]["data_base64"] == base64.b64encode(b"<\xe9/>").decode()
    assert _event(content=b"\x00", media_type="application/pdf")[0]["data_base64"] == "AA=="


def test_content_that_is_not_the_json_it_says_is_poison() -> None:
    with pytest.raises(PoisonDelivery):
        _event(content=b'{"a":')


# -- addresses


def names(**known: Sequence[str]) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return known[host.partition(".")[0]]

    return resolve


async def _refused(url: str, resolve: Resolve, rule: AddressRule = LOOPBACK) -> str:
    with pytest.raises(TemporaryFailure) as caught:
        await check(url, rule=rule, resolve=resolve)
    return caught.value.reason


async def test_a_public_name_is_reached_at_the_addresses_that_were_checked() -> None:
    found = await check("https://vvt.example/x", rule=LOOPBACK, resolve=names(vvt=["1.1.1.1", "2606:4700::1111"]))
    assert [str(address) for address in found.addresses] == ["1.1.1.1", "2606:4700::1111"]
    assert found.host == "vvt.example"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "fd00::1",
    ],
)
async def test_a_name_that_leads_inside_is_refused_also_beside_a_public_address(address: str) -> None:
    assert await _refused("https://evil.example/", names(evil=[address])) == "address-refused"
    assert await _refused("https://evil.example/", names(evil=["1.1.1.1", address])) == "address-refused"


async def test_loopback_in_the_url_needs_the_setting() -> None:
    assert await _refused("http://127.0.0.1:1/", names(), AddressRule()) == "address-refused"
    assert (await check("http://localhost:1/", rule=LOOPBACK, resolve=names())).addresses


async def test_a_network_of_our_own_can_be_allowed_but_not_in_clear() -> None:
    inside = address_rule("10.20.0.0/16, 127.0.0.0/8")
    assert (await check("https://ggz.example/", rule=inside, resolve=names(ggz=["10.20.0.7"]))).addresses
    assert await _refused("https://ggz.example/", names(ggz=["10.21.0.7"]), inside) == "address-refused"
    assert await _refused("http://ggz.example/", names(ggz=["10.20.0.7"]), inside) == "url-refused"


async def test_a_name_that_changes_its_address_is_checked_again_on_each_attempt() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    poster = Poster(rule=LOOPBACK, resolve=rebinding)
    for _ in range(2):
        with pytest.raises(TemporaryFailure) as caught:
            await poster.post("vvt", "https://rebind.example/", headers={}, body=b"", now=NOW)
        assert caught.value.reason == "address-refused"


@pytest.mark.parametrize("fault", [OSError, UnicodeError])
async def test_a_name_nobody_knows_fails_for_now(fault: type[Exception]) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise fault

    assert await _refused("https://nowhere.example/", unknown) == "unresolvable"


def test_networks_that_are_none_are_refused_at_start() -> None:
    with pytest.raises(ConfigurationError) as caught:
        address_rule("10.0.0.0/8, secret-host")
    assert "secret-host" not in str(caught.value)


async def test_one_recipient_that_hangs_does_not_hold_up_another() -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    channel = webhook(total_seconds=5)
    async with running(Recipient(behaviour=silent)) as hangs, running(Recipient()) as answers:
        waiting = [asyncio.create_task(channel.send(parcel(hangs.url), now=NOW)) for _ in range(30)]
        await asyncio.sleep(0)
        sent = channel.send(replace(parcel(answers.url), recipient="perspektief"), now=NOW)
        assert await asyncio.wait_for(sent, 3) == "delivered"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await channel.aclose()


# -- the page that explains it


async def test_the_channel_in_the_docs_works(tmp_path: Path) -> None:
    code = PAGE.split("```python\n")[1].split("```")[0]
    made: dict[str, type] = {}
    exec(compile(code, "docs/add-a-channel.md", "exec"), made)
    channel = made["FolderChannel"](tmp_path)
    with pytest.raises(TemporaryFailure):
        await channel.send(parcel(None), now=NOW)
    (tmp_path / "vvt").mkdir()
    for _ in range(2):
        assert await channel.send(parcel(None), now=NOW) == "delivered"
    (file,) = (tmp_path / "vvt").iterdir()
    assert (file.name, file.read_bytes()) == (parcel(None).delivery_id, CONTENT)
