# SPDX-License-Identifier: EUPL-1.2
"""What Prometheus reads: counters of this process, and what waits in the store. Opaque ids, never a name or a place.

The only file that imports prometheus_client. A partner's id can be a municipality, so it appears under the same keyed
hash as its queue at the broker; `schakel queues --json` tells which is whose. Figures of the store are the same in
every process that answers: take one of them, not their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from schakel.operating import Backlog, CommitSizes, Queue
from schakel.records import BrokerHealth
from schakel.tally import COUNTED, ERRORS, Tally

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
BROKER_STATES: Final = ("embedded", "idle", "connected", "blocked", "absent")

_SAID: Final = {
    "accepted": "Messages taken in, by what became of them and whether they were new.",
    "refused": "Messages and calls refused, by HTTP status, kind of refusal and the rule that said so.",
    "http_answers": "Answers at the door, by part of the interface and HTTP status.",
    "delivery_attempts": "Attempts to deliver, by recipient, outcome and reason.",
    "answers": "Answers of partners, by what became of them.",
    "alarm_attempts_failed": "Attempts to reach a human that failed, by way.",
    "errors": "Events of level error, by name.",
}
_OF_PARTNER: Final[tuple[tuple[str, str, Callable[[Queue, datetime], float]], ...]] = (
    ("waiting", "Deliveries to be sent.", lambda one, _: one.waiting),
    ("unfetched", "Deliveries that a recipient knows of and has not fetched.", lambda one, _: one.notified),
    ("parked_deliveries", "Deliveries set aside for a person.", lambda one, _: one.parked),
    (
        "oldest_seconds",
        "Age of the oldest that has not arrived; 0: none.",
        lambda one, now: _age(one.oldest, now),
    ),
    (
        "breaker_open",
        "1: left alone but for a probe.",
        lambda one, _: one.breaker_open_until is not None,
    ),
    ("paused", "1: an operator holds its deliveries back.", lambda one, _: one.pause is not None),
    (
        "last_success_timestamp_seconds",
        "When something arrived; 0: never.",
        lambda one, _: _stamp(one.last_success),
    ),
    ("overdue_answers", "Requests whose answer is late.", lambda one, _: one.overdue),
)
_OF_ALL: Final[tuple[tuple[str, str, Callable[[Backlog, datetime], float]], ...]] = (
    ("parked_messages", "Messages that wait for a person and went nowhere.", lambda all_, _: all_.parked_messages),
    ("alarms_open", "Alarms that nobody has acknowledged.", lambda all_, _: all_.alarms_open),
    ("alarms_undelivered", "Open alarms that have reached no human.", lambda all_, _: all_.alarms_undelivered),
    ("audit_unlinked", "Audit rows that are not in the chain yet.", lambda all_, _: all_.audit_unlinked),
    (
        "audit_unlinked_seconds",
        "Age of the oldest audit row that is not in the chain; 0: none.",
        lambda all_, now: _age(all_.audit_unlinked_since, now),
    ),
)


class Named(Protocol):
    """Gives a partner's opaque id."""

    def __call__(self, partner: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """One look. `backlog` None: the store does not answer."""

    at: datetime
    tally: Tally
    backlog: Backlog | None
    partners: frozenset[str]  # that get something in this region
    commits: CommitSizes
    broker: BrokerHealth
    has_clock: bool  # this process has the clock's duty


def exposition(figures: Figures, opaque: Named) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Look(figures, opaque))
    ProcessCollector(namespace="schakel", registry=registry)
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _Look(Collector):
    figures: Figures
    opaque: Named

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield self._commits()
        yield from self._broker()
        yield _gauge("clock_duty", "1: this process watches deadlines, alarms and the audit.", self.figures.has_clock)
        backlog = self.figures.backlog
        yield _gauge("store_up", "1: the store can be read.", backlog is not None)
        if backlog is not None:
            yield from self._queues(backlog)
            for name, said, value in _OF_ALL:
                yield _gauge(name, said, value(backlog, self.figures.at))

    def _counters(self) -> Iterator[Metric]:
        labels = {counted.name: counted.labels for counted in (*COUNTED.values(), ERRORS)}
        for name, names in labels.items():
            family = CounterMetricFamily(f"schakel_{name}", _SAID[name], labels=names)
            for values, count in sorted(self.figures.tally.counts(name).items()):
                hidden = (self.opaque(v) if n == "recipient" else v for n, v in zip(names, values, strict=True))
                family.add_metric(list(hidden), count)
            yield family

    def _commits(self) -> Metric:
        family = HistogramMetricFamily("schakel_commit_batch_size", "Pieces of work that shared one commit.")
        sizes = self.figures.commits
        family.add_metric([], [(bound, float(count)) for bound, count in sizes.buckets()], sizes.total)
        return family

    def _broker(self) -> Iterator[Metric]:
        broker = self.figures.broker
        family = GaugeMetricFamily("schakel_broker_state", "1 at the state that holds.", labels=("state",))
        for state in BROKER_STATES:
            family.add_metric([state], float(state == broker.state))
        yield family
        yield _gauge("bells_waiting", "Bells that no broker server has taken yet.", broker.waiting)
        lost = CounterMetricFamily("schakel_bells_lost", "Bells forgotten, refused or unroutable; the sweep delivers.")
        lost.add_metric([], broker.lost)
        yield lost

    def _queues(self, backlog: Backlog) -> Iterator[Metric]:
        there = {one.partner: one for one in backlog.queues}
        queues = {self.opaque(name): there.get(name) or Queue(name) for name in {*there, *self.figures.partners}}
        for name, said, value in _OF_PARTNER:
            family = GaugeMetricFamily(f"schakel_{name}", said, labels=("recipient",))
            for opaque, one in sorted(queues.items()):
                family.add_metric([opaque], float(value(one, self.figures.at)))
            yield family


def _gauge(name: str, said: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"schakel_{name}", said)
    family.add_metric([], float(value))
    return family


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _stamp(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
