# SPDX-License-Identifier: EUPL-1.2
"""`/metrics`: what an operator needs, under opaque ids; and dashboard and alerts ask for what is there."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import BROKER_STATES, Figures, exposition
from schakel.bootstrap import region_folder
from schakel.log import LEVELS, open_log
from schakel.operating import Backlog, CommitSizes, Pause, Queue
from schakel.records import BrokerHealth
from schakel.region_files import load_region
from schakel.tally import COUNTED, ERRORS, MOST_KINDS, CountingLog, Tally

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy/grafana/schakel.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
REGION = load_region(region_folder("haaglanden"))
PARTNERS = frozenset(one.id for one in REGION.partners if one.receives)
NAME = re.compile(r"\b(?:schakel_[a-z_]+|up)\b")
TYPES = {"_total": "counter", "_bucket": "histogram"}


def opaque(partner: str) -> str:
    return f"q{sum(map(ord, partner)):06d}"


def figures(**changes: Any) -> Figures:
    pause = Pause("vvt", "Jo", "storing", NOW, NOW + timedelta(hours=1))
    lead = Queue(
        "vvt",
        waiting=7,
        notified=2,
        parked=1,
        oldest=NOW - timedelta(minutes=4),
        breaker_open_until=NOW,
        last_success=NOW - timedelta(days=1),
        last_reason="http-500",
        overdue=3,
        pause=pause,
    )
    tally = Tally()
    log = CountingLog(open_log("error", io.StringIO()), tally)
    for event, counted in COUNTED.items():
        log.info(event, **dict.fromkeys(counted.labels, "vvt"))
    log.error("clock.tick-failed")
    value = {
        "at": NOW,
        "tally": tally,
        "backlog": Backlog((lead,), 4, 6, 5, 9, NOW - timedelta(seconds=30)),
        "partners": PARTNERS,
        "commits": CommitSizes((1, 10), (5, 2, 1), 60),
        "broker": BrokerHealth("absent", waiting=8, forgotten=3),
        "has_clock": True,
    }
    return Figures(**{**value, **changes})


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def names(text: bytes) -> set[str]:
    return {name for name, _ in samples(text)}


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_partner_s_figures_stand_under_its_opaque_id() -> None:
    found = samples(exposition(figures(), opaque))
    label = (("recipient", opaque("vvt")),)
    assert {name: value for (name, labels), value in found.items() if labels == label} == {
        "schakel_waiting": 7.0,
        "schakel_unfetched": 2.0,
        "schakel_parked_deliveries": 1.0,
        "schakel_oldest_seconds": 240.0,
        "schakel_breaker_open": 1.0,
        "schakel_paused": 1.0,
        "schakel_last_success_timestamp_seconds": (NOW - timedelta(days=1)).timestamp(),
        "schakel_overdue_answers": 3.0,
    }
    assert found["schakel_waiting", (("recipient", opaque("zvhh")),)] == 0.0  # who has nothing is told too


def test_the_figures_of_all_are_told() -> None:
    found = samples(exposition(figures(), opaque))
    for name, value in {
        "schakel_parked_messages": 4,
        "schakel_alarms_open": 6,
        "schakel_alarms_undelivered": 5,
        "schakel_audit_unlinked": 9,
        "schakel_audit_unlinked_seconds": 30,
        "schakel_store_up": 1,
        "schakel_clock_duty": 1,
        "schakel_bells_waiting": 8,
        "schakel_bells_lost_total": 3,
        "schakel_commit_batch_size_count": 8,
        "schakel_commit_batch_size_sum": 60,
    }.items():
        assert found[name, ()] == value, name
    assert found["schakel_commit_batch_size_bucket", (("le", "10.0"),)] == 7
    states = {dict(labels)["state"]: value for (name, labels), value in found.items() if name == "schakel_broker_state"}
    assert states == {state: float(state == "absent") for state in BROKER_STATES}


def test_a_store_that_is_away_leaves_the_process_s_own_figures() -> None:
    found = names(exposition(figures(backlog=None), opaque))
    assert samples(exposition(figures(backlog=None), opaque))["schakel_store_up", ()] == 0
    assert "schakel_waiting" not in found
    assert "schakel_delivery_attempts_total" in found


def test_no_partner_no_municipality_and_no_name_stands_in_it() -> None:
    """Whoever may see the metrics sees how busy somebody is and not who."""
    text = exposition(figures(), opaque).decode().lower()
    told = [partner.id for partner in REGION.partners] + [partner.name.lower() for partner in REGION.partners]
    places = [name.lower() for name in ("Delft", "Den Haag", "Zoetermeer", "Westland", "Rijswijk", "Wassenaar")]
    # the counters were fed with the lead's id in every label: only `recipient` may hold an id, and it is hidden
    shown = re.sub(r'(state|outcome|status|kind|rule|reason|channel)="vvt"', "", text)
    assert [word for word in (*told, *places) if word in shown] == []


def logged() -> Iterator[tuple[str, set[str]]]:
    """Each event that the code logs, with its fields."""
    for path in (path for room in ("api", "connectors", "schakel") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                event = node.args[0]
                if node.func.attr in LEVELS and isinstance(event, ast.Constant) and isinstance(event.value, str):
                    yield event.value, {str(keyword.arg) for keyword in node.keywords}


def test_every_event_that_is_counted_is_really_logged_with_its_fields() -> None:
    calls = list(logged())
    for event, counted in COUNTED.items():
        fields = [fields for name, fields in calls if name == event]
        assert fields, event
        assert all(set(counted.labels) <= each for each in fields), event


# -- counting ----------------------------------------------------------------------------------------------------------


def test_a_log_that_counts_passes_everything_on_and_counts_below_its_level() -> None:
    stream, tally = io.StringIO(), Tally()
    log = CountingLog(open_log("warning", stream), tally)
    log.debug("request.answered", status=200, kind="referrals")
    log.info("intake.accepted", state="routed", outcome="new", partner="vvt")
    log.info("intake.accepted", state="routed", outcome="new", partner="zvhh")
    log.warning("alarm.attempt-failed", channel="smtp")
    log.error("clock.tick-failed", exc_info=ValueError("secret"))
    assert tally.counts("http_answers") == {("referrals", "200"): 1}
    assert tally.counts("accepted") == {("routed", "new"): 2}
    assert tally.counts("alarm_attempts_failed") == {("smtp",): 1}
    assert tally.counts(ERRORS.name) == {("clock.tick-failed",): 1}
    written = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert written == ["alarm.attempt-failed", "clock.tick-failed"]


def test_kinds_without_end_are_counted_together() -> None:
    tally = Tally()
    for n in range(MOST_KINDS + 5):
        tally.add("answers", (str(n),))
    counts = tally.counts("answers")
    assert len(counts) == MOST_KINDS + 1
    assert counts[("other",)] == 5


# -- dashboard and alerts ----------------------------------------------------------------------------------------------


def expressions() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("where", "expr"), list(expressions()), ids=lambda value: value[:40])
def test_dashboard_and_alerts_ask_for_metrics_and_labels_that_are_there(where: str, expr: str) -> None:
    there = samples(exposition(figures(), opaque))
    named = set(NAME.findall(expr))
    assert named, where
    assert named - {name for name, _ in there} - {"up"} == set()
    labels = {label for name, pairs in there for label, _ in pairs if name in named} | {"instance", "job", "le"}
    used = {one.strip() for found in re.findall(r"(?:by|on) \(([^)]*)\)", expr) for one in found.split(",")}
    used |= set(re.findall(r"([a-z_]+)=~?\"", expr))
    assert used <= labels
    assert expr.count("(") == expr.count(")")
    assert expr.count("[") == expr.count("]")


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {name for _, expr in expressions() for name in NAME.findall(expr)}
    ours = {re.sub(r"_(sum|count)$", "_bucket", name) for name in names(exposition(figures(), opaque))}
    assert {name for name in ours if not name.startswith("schakel_process_")} - shown == set()


def test_every_alert_says_what_to_do_in_two_languages_and_how_loud_it_is() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_metric_stands_in_the_docs() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    ours = {re.sub(r"_(sum|count|bucket)$", "", name) for name in names(exposition(figures(), opaque))}
    assert {name for name in ours if not name.startswith("schakel_process_")} == set(
        re.findall(r"`(schakel_\w+)`", text)
    )
