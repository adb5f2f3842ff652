# SPDX-License-Identifier: EUPL-1.2
"""RabbitMQ keeps the promises of every broker; nobody who rings notices when it is killed, wiped, full or absent."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import hmac
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from time import perf_counter
from typing import Any

import pika
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.address import ServerFiles
from broker.open import Surroundings, open_broker
from broker.rabbitmq import RabbitMQ
from broker.topology import EXCHANGE, queue_name
from schakel.errors import ConfigurationError
from schakel.log import open_log
from schakel.records import Bell
from tests.conformance.broker_suite import BrokerSuite, bells
from tests.support.private import Guarded, Rabbit, free_port
from tests.support.servers import RABBITMQ, need

ROOT = Path(__file__).resolve().parents[2]
RECIPIENTS = ("vvt", "lokaal-team-delft")
WITHIN = 40.0  # seconds; a server that was killed needs some ten to come back
AT_ONCE = 0.2  # seconds in which ringing must have returned


class Bench:
    """Brokers of one hub, whose queues nobody else has."""

    def __init__(self, url: str, *, files: ServerFiles | None = None) -> None:
        self.url = url
        self.key = secrets.token_bytes(16)
        self.lines = io.StringIO()
        self._files = files or ServerFiles()
        self._opened: list[RabbitMQ] = []

    def blind(self, use: str, name: str) -> bytes:
        return hmac.digest(self.key, f"{use} {name}".encode(), "sha256")

    def open(self) -> RabbitMQ:
        surroundings = Surroundings(
            recipients=RECIPIENTS, blind=self.blind, log=open_log("info", self.lines), files=self._files
        )
        broker = open_broker(self.url, surroundings)
        assert isinstance(broker, RabbitMQ)
        self._opened.append(broker)
        return broker

    def queue(self, recipient: str) -> str:
        return queue_name(recipient, self.blind)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.lines.getvalue().splitlines()]

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        """As an administrator."""
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            yield connection.channel()

    def depth(self, recipient: str) -> int:
        with self.channel() as channel:
            return int(channel.queue_declare(self.queue(recipient), passive=True).method.message_count)

    async def aclose(self, *, tidy: bool) -> None:
        for broker in self._opened:
            await broker.aclose()
        if tidy:
            with self.channel() as channel:
                for recipient in RECIPIENTS:
                    channel.queue_delete(self.queue(recipient))


@pytest.fixture
async def bench(broker_url: str) -> AsyncIterator[Bench]:
    """At the server that all tests share."""
    one = Bench(broker_url)
    yield one
    await one.aclose(tidy=True)


@pytest.fixture
async def own(rabbit: Rabbit) -> AsyncIterator[Bench]:
    """At a server that the test may kill."""
    one = Bench(rabbit.url)
    yield one
    await one.aclose(tidy=False)


async def until(holds: Callable[[], bool], what: str) -> None:
    end = perf_counter() + WITHIN
    while not holds():
        assert perf_counter() < end, what
        await asyncio.sleep(0.02)


async def rings_at_once(broker: RabbitMQ, some: list[Bell]) -> None:
    before = perf_counter()
    broker.ring(some)
    assert perf_counter() - before < AT_ONCE


async def hear(broker: RabbitMQ, wanted: set[int]) -> None:
    """Until every number was heard at least once."""
    heard: set[int] = set()
    end = perf_counter() + WITHIN
    while not wanted <= heard:
        assert perf_counter() < end, f"{len(wanted - heard)} bells were not heard"
        some = await broker.listen(100, 1)
        heard |= {bell.number for bell in some}
        await broker.done(some)


class TestRabbitMQ(BrokerSuite):
    @pytest.fixture
    def broker(self, bench: Bench) -> RabbitMQ:
        return bench.open()


# -- between processes


async def test_a_bell_reaches_another_process_of_the_same_hub(bench: Bench) -> None:
    api, worker = bench.open(), bench.open()
    api.ring(bells(3))
    await hear(worker, {1, 2, 3})


async def test_a_bell_rung_before_any_worker_lived_is_kept(bench: Bench) -> None:
    api = bench.open()
    api.ring(bells(1))
    await until(lambda: api.health().rung == 1, "it is not confirmed")
    await api.aclose()
    assert list(await bench.open().listen(1, 10)) == bells(1)


async def test_what_a_worker_heard_and_was_not_done_with_rings_for_another(bench: Bench) -> None:
    first, second = bench.open(), bench.open()
    first.ring(bells(3))
    heard: list[Bell] = []
    while len(heard) < 3:
        heard.extend(await first.listen(10, 5))
    await first.done([bell for bell in heard if bell.number != 2])
    await first.aclose()
    assert [bell.number for bell in await second.listen(10, 5)] == [2]
    await second.done(bells(2)[1:])
    assert list(await second.listen(10, 0.2)) == []


async def test_bells_that_are_done_with_are_gone_from_the_server(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(500))
    await hear(broker, set(range(1, 501)))
    await broker.aclose()  # whatever was not acknowledged would be back now
    assert bench.depth("vvt") == 0


async def test_the_last_bells_arrive_before_the_end(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(1))
    await until(lambda: broker.health().rung == 1, "it is not confirmed")
    broker.ring(bells(300))
    await broker.aclose()
    assert bench.depth("vvt") == 301


async def test_ten_thousand_bells_are_confirmed_in_seconds(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(1))
    await until(lambda: broker.health().rung == 1, "it is not confirmed")
    before = perf_counter()
    await rings_at_once(broker, bells(10_000))
    await until(lambda: broker.health().rung == 10_001, "they are not confirmed")
    assert perf_counter() - before < 20  # a thousand and more at a time; one by one it would be minutes
    assert broker.health().lost == 0
    assert broker.health().unconfirmed == 0


# -- what an administrator sees


async def test_queues_and_bodies_tell_no_recipient(bench: Bench) -> None:
    broker = bench.open()
    broker.ring([Bell("0192f0c1-0000-7000-8000-000000000001", "lokaal-team-delft", 7)])
    await until(lambda: broker.health().rung == 1, "it is not confirmed")
    queue = bench.queue("lokaal-team-delft")
    with bench.channel() as channel:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert body == b'[2,"0192f0c1-0000-7000-8000-000000000001",7]'
    assert set(properties.headers or ()) <= {"x-delivery-count"}  # the server's own
    assert (properties.user_id, properties.app_id, properties.type, properties.message_id) == (None,) * 4
    assert (method.exchange, method.routing_key) == (EXCHANGE, queue)
    assert not {"lokaal", "team", "delft", "vvt"} & set(queue.replace(".", "-").split("-"))


async def test_a_bell_for_which_no_queue_is_left_is_counted_and_the_queue_made_again(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(1))
    await until(lambda: broker.health().rung == 1, "it is not confirmed")
    with bench.channel() as channel:
        channel.queue_delete(bench.queue("vvt"))
    broker.ring(bells(1))
    await until(lambda: broker.health().unroutable == 1, "it did not come back")
    assert "broker.bells-lost" in bench.events()

    async def ring_on() -> None:
        while broker.health().rung < 2:  # the first one, and one in the new queue
            broker.ring(bells(1))
            await asyncio.sleep(0.05)

    await asyncio.wait_for(ring_on(), WITHIN)
    assert bench.depth("vvt") == 1


async def test_a_bell_for_nobody_known_is_counted_as_lost(bench: Bench) -> None:
    broker = bench.open()
    broker.ring([Bell("delivery", "somebody-else", 1)])
    assert broker.health().unroutable == 1


async def test_a_queue_deleted_under_a_listener_is_made_and_heard_again(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(1))
    await hear(broker, {1})
    with bench.channel() as channel:
        channel.queue_delete(bench.queue("vvt"))
    heard: list[Bell] = []
    end = perf_counter() + WITHIN
    while not heard:
        assert perf_counter() < end, "nothing is heard"
        broker.ring(bells(1))
        heard.extend(await broker.listen(1, 0.2))


async def test_a_queue_that_somebody_made_otherwise_is_used_as_it_is(bench: Bench) -> None:
    with bench.channel() as channel:
        channel.queue_declare(bench.queue("vvt"), durable=True)  # classic, without our bounds
    broker = bench.open()
    broker.ring(bells(2))
    await hear(broker, {1, 2})
    assert "broker.queue-differs" in bench.events()


async def test_what_is_no_bell_is_dropped_and_never_loops(bench: Bench) -> None:
    broker = bench.open()
    broker.ring(bells(1))
    await hear(broker, {1})
    with bench.channel() as channel:
        channel.basic_publish(EXCHANGE, bench.queue("vvt"), b"\xff no bell")
    await until(lambda: "broker.unreadable-bell" in bench.events(), "it was not seen")
    broker.ring(bells(2))
    await hear(broker, {1, 2})
    await broker.aclose()
    assert bench.depth("vvt") == 0


# -- faults


async def test_bells_rung_while_the_server_is_killed_and_back_are_all_heard(own: Bench, rabbit: Rabbit) -> None:
    api, worker = own.open(), own.open()
    api.ring(bells(1))
    await hear(worker, {1})
    every = bells(2_000)
    for start in range(0, 700, 50):
        await rings_at_once(api, every[start : start + 50])
        await asyncio.sleep(0.1)  # so that the server dies over its work
    rabbit.kill()
    await rings_at_once(api, every[700:1400])
    assert list(await worker.listen(1, 0.01)) in ([], *([bell] for bell in every))  # it does not raise
    await asyncio.to_thread(rabbit.start)
    await rings_at_once(api, every[1400:])
    await hear(worker, set(range(1, 2_001)))
    assert api.health().state == "connected"
    assert api.health().lost == 0
    assert {"broker.lost", "broker.connected"} <= set(own.events())


async def test_a_queue_without_a_leader_holds_up_no_other(own: Bench, rabbit: Rabbit) -> None:
    api, first = own.open(), own.open()
    api.ring([*bells(1), Bell("delivery-2", "lokaal-team-delft", 2)])
    await hear(first, {1, 2})
    await first.aclose()
    replica = f"{{'%2F_{own.queue('vvt')}', node()}}"
    await asyncio.to_thread(rabbit.control, "eval", f"ra:stop_server(quorum_queues, {replica}).")
    second = own.open()
    await rings_at_once(api, bells(50))  # nothing confirms these
    await rings_at_once(api, [Bell("delivery-3", "lokaal-team-delft", 1_003)])
    await hear(second, {1_003})
    await until(lambda: api.health().refused == 50, "they still wait for a confirmation")
    assert api.health().unconfirmed == 0


async def test_a_server_that_comes_back_empty_gets_its_queues_again(own: Bench, rabbit: Rabbit) -> None:
    api, worker = own.open(), own.open()
    api.ring(bells(1))
    await hear(worker, {1})
    rabbit.kill()
    rabbit.wipe()
    await asyncio.to_thread(rabbit.start)
    await rings_at_once(api, bells(20))
    await hear(worker, set(range(1, 21)))


async def test_a_server_that_takes_nothing_lets_nobody_wait(own: Bench, rabbit: Rabbit) -> None:
    api, worker = own.open(), own.open()
    api.ring(bells(1))
    await hear(worker, {1})
    await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "absolute", "1")
    try:
        await rings_at_once(api, bells(10))
        await until(lambda: api.health().state == "blocked", "it does not know that it is blocked")
        await rings_at_once(api, bells(1_000))
        assert api.health().waiting == 1_000
        assert worker.health().state == "connected"
    finally:
        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.4")
    await hear(worker, set(range(1, 1_001)))
    assert api.health().state == "connected"


async def test_blocked_at_the_end_it_still_ends(own: Bench, rabbit: Rabbit) -> None:
    api = own.open()
    await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "absolute", "1")
    try:
        api.ring(bells(10))
        await until(lambda: api.health().state == "blocked", "it does not know that it is blocked")
        await asyncio.wait_for(api.aclose(), 5)
    finally:
        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.4")


async def test_absent_at_the_start_it_keeps_the_newest_bells_and_rings_when_the_server_comes() -> None:
    need(RABBITMQ)
    with contextlib.closing(Guarded()) as guarded:
        server = Rabbit(guarded)
        bench = Bench(server.url)
        api, worker = bench.open(), bench.open()
        await rings_at_once(api, bells(12_000))
        assert list(await worker.listen(10, 0.05)) == []
        await until(lambda: "broker.absent" in bench.events(), "it does not say so")
        assert (api.health().state, api.health().waiting, api.health().forgotten) == ("absent", 10_000, 2_000)
        await asyncio.to_thread(server.start)
        await hear(worker, set(range(2_001, 12_001)))
        await bench.aclose(tidy=False)


async def test_absent_all_the_time_it_ends_at_once() -> None:
    bench = Bench(f"amqp://127.0.0.1:{free_port()}/")
    api = bench.open()
    assert api.health().state == "idle"
    api.ring(bells(10))
    assert list(await api.listen(1, 0.3)) == []
    assert api.health().state == "absent"
    before = perf_counter()
    await api.aclose()
    assert perf_counter() - before < 3
    assert not [line for line in bench.lines.getvalue().splitlines() if "127.0.0.1" in line]


# -- who we are, and who the server is


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, server.pem and server.key, client.pem and client.key."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = ec.generate_private_key(ec.SECP256R1())
    write_certificate(folder, "ca", authority, authority, is_authority=True)
    for name in ("server", "client"):
        write_certificate(folder, name, ec.generate_private_key(ec.SECP256R1()), authority)
    return folder


def write_certificate(
    folder: Path,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
) -> None:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture(scope="module")
def tls_rabbit(certificates: Path) -> Iterator[tuple[Rabbit, int]]:
    """Speaks TLS on a second port, with whoever has a certificate of ours."""
    need(RABBITMQ)
    port = free_port()
    lines = (
        f"listeners.ssl.1 = 127.0.0.1:{port}\n"
        f"ssl_options.cacertfile = {certificates}/ca.pem\n"
        f"ssl_options.certfile = {certificates}/server.pem\n"
        f"ssl_options.keyfile = {certificates}/server.key\n"
        "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
    )
    with contextlib.closing(Guarded()) as guarded:
        server = Rabbit(guarded, more=lines)
        server.start()
        yield server, port


def tls_files(certificates: Path, folder: Path, password: str) -> ServerFiles:
    (folder / "password").write_text(f"{password}\n", encoding="utf-8")
    return ServerFiles(
        ca=certificates / "ca.pem",
        certificate=certificates / "client.pem",
        key=certificates / "client.key",
        password=folder / "password",
    )


async def test_over_tls_with_certificate_and_password_from_files(
    tls_rabbit: tuple[Rabbit, int], certificates: Path, tmp_path: Path
) -> None:
    server, port = tls_rabbit
    files = tls_files(certificates, tmp_path, "not yet")
    broker = Bench(f"amqps://schakel@127.0.0.1:{port}", files=files).open()
    broker.ring(bells(1))
    assert list(await broker.listen(1, 0.5)) == []
    (tmp_path / "password").write_text(server.password, encoding="utf-8")  # renewed while it runs
    await hear(broker, {1})
    await broker.aclose()


async def test_a_server_with_a_certificate_of_somebody_else_is_not_told_the_password(
    tls_rabbit: tuple[Rabbit, int], certificates: Path, tmp_path: Path
) -> None:
    server, port = tls_rabbit
    other = ec.generate_private_key(ec.SECP256R1())
    write_certificate(tmp_path, "ca", other, other, is_authority=True)
    good = tls_files(certificates, tmp_path, server.password)
    files = ServerFiles(tmp_path / "ca.pem", good.certificate, good.key, good.password)
    bench = Bench(f"amqps://schakel@127.0.0.1:{port}", files=files)
    broker = bench.open()
    broker.ring(bells(1))
    await until(lambda: "broker.absent" in bench.events(), "it does not say so")
    assert "SSLCertVerificationError" in bench.lines.getvalue()
    assert broker.health().state == "absent"
    await broker.aclose()
    assert server.password not in bench.lines.getvalue()


@pytest.mark.parametrize(
    "url", ["amqp://", "amqp://user:secret@host:port/", "amqp://user:secret@host/v?heartbeat=1", "amqps://:secret@"]
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bench(url).open()
    assert "secret" not in str(caught.value)
    assert caught.value.findings[0].rule == "broker:url"


def test_a_file_that_is_absent_is_refused_at_the_start(tmp_path: Path) -> None:
    for files in (ServerFiles(ca=tmp_path / "absent"), ServerFiles(password=tmp_path / "absent")):
        with pytest.raises(ConfigurationError) as caught:
            Bench("amqps://user:secret@host", files=files).open()
        assert caught.value.findings[0].rule == "broker:files"


def test_one_file_imports_the_broker_client() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for room in ("api", "broker", "connectors", "mappings", "schakel")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        if name.partition(".")[0] == "pika"
    }
    assert importers == {"broker/rabbitmq.py"}
