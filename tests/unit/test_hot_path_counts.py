# SPDX-License-Identifier: EUPL-1.2
"""What one referral costs, counted and not timed: parses, evaluations and renders have fixed bounds."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

import mappings
from connectors.formats import fhir_r4b, schema_check
from mappings.joint import Joint
from schakel import disclosure, municipality
from schakel.bootstrap import Heart, SystemClock, open_heart
from schakel.intake import AcceptStore
from schakel.jsonata import Expression
from schakel.log import open_log
from schakel.message import CaseMessage, Referral
from schakel.ports import Decide
from schakel.preview import Nowhere, first_attempt
from schakel.records import Arrival, Claimed, Facts
from schakel.settings import Settings
from schakel.vault import create_key_file, open_vault

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
EXAMPLES = Path(mappings.__file__).parent
MESSAGES = {  # format → source, media type, example
    "thv-json": ("thv-pool", "application/json", "thv_aanmelding/examples/den-haag-eerste-thv.json"),
    "thv-csv": ("thv-pool", "text/csv", "thv_csv/examples/delft-tweede-thv.csv"),
    "case-json": ("thv-pool", "application/json", "referral_json/examples/delft.json"),
    "fhir-json": ("cit", "application/fhir+json", "cit_fhir/examples/westland.json"),
    "stuf-jz": ("veilig-thuis", "application/xml", "stuf_melding_generiek/examples/zoetermeer.xml"),
}


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> Heart:
    folder = tmp_path_factory.mktemp("counts")
    create_key_file(folder / "keys.json")
    vault = open_vault(folder / "keys.json")
    return open_heart(Settings(home=folder), vault, SystemClock(), open_log("error", sys.stderr))


class Counting:
    """Counts calls, and lets them through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self._patch = monkeypatch

    def of(self, name: str, owner: Any, attribute: str) -> None:
        real: Callable[..., Any] = getattr(owner, attribute)

        def counted(*given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return real(*given, **named)

        if isinstance(owner, type) and isinstance(vars(owner).get(attribute), classmethod):
            self._patch.setattr(owner, attribute, staticmethod(counted))
        else:
            self._patch.setattr(owner, attribute, counted)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(monkeypatch)
    counting.of("orjson.loads", orjson, "loads")
    counting.of("evaluations", Expression, "evaluate")
    counting.of("at once", Joint, "apply")
    counting.of("referrals", Referral, "model_validate")
    counting.of("case messages", CaseMessage, "model_validate_json")
    counting.of("views", disclosure.Disclosure, "view")
    counting.of("municipalities", municipality, "_Index")
    counting.of("the FHIR library", fhir_r4b, "exact_findings")
    return counting


class Asked(Nowhere):
    """Keeps what the door hands over for the transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Arrival, Decide]] = []

    async def accept_many(self, arrivals: Any, decide: Decide) -> Any:
        self.asked += [(arrival, decide) for arrival in arrivals]
        return await super().accept_many(arrivals, decide)


def accepted(heart: Heart, format: str) -> tuple[Arrival, Decide]:
    source, media_type, example = MESSAGES[format]
    store, partner = Asked(), heart.region.partner(source)
    assert partner is not None
    door = heart.intake(cast(AcceptStore, store))
    asyncio.run(door.receive(partner, (EXAMPLES / example).read_bytes(), media_type, NOW))
    return store.asked[0]


@pytest.mark.parametrize("format", MESSAGES)
def test_a_referral_is_parsed_mapped_and_checked_once(heart: Heart, counting: Counting, format: str) -> None:
    body = (EXAMPLES / MESSAGES[format][2]).read_bytes()
    reader = heart.formats[format]
    envelope = reader.read(body)
    assert counting.calls["orjson.loads"] <= 1
    assert counting.calls["evaluations"] == 0
    assert counting.calls["the FHIR library"] == 0
    heart.mappings[envelope.mapping].apply(envelope.document, now=NOW)
    assert counting.calls["at once"] == 1
    assert counting.calls["evaluations"] == 0


@pytest.mark.parametrize("format", MESSAGES)
def test_deciding_asks_each_condition_at_most_once(heart: Heart, counting: Counting, format: str) -> None:
    arrival, decide = accepted(heart, format)
    counting.calls.clear()
    decide(arrival, Facts(matches=()))
    conditions = len(heart.region.routing.routes) + len(heart.region.routing.remarks)
    assert counting.calls["evaluations"] <= conditions
    assert counting.calls["municipalities"] == 0
    assert counting.calls["referrals"] == counting.calls["case messages"] == 0


@pytest.mark.parametrize("referrals", [1, 100])
def test_the_cost_of_a_referral_does_not_grow_with_their_number(
    heart: Heart, counting: Counting, referrals: int
) -> None:
    conditions = len(heart.region.routing.routes) + len(heart.region.routing.remarks)
    for _ in range(referrals):
        accepted(heart, "thv-json")
    assert counting.calls["referrals"] == referrals
    assert counting.calls["orjson.loads"] == referrals
    assert counting.calls["evaluations"] <= referrals * conditions
    assert counting.calls["municipalities"] <= referrals  # a door of its own for each, here


@pytest.mark.parametrize("representation", ["case-json", "case-stuf", "case-fhir", "case-fhir-xml"])
def test_a_recipient_costs_one_view_and_no_evaluation(heart: Heart, counting: Counting, representation: str) -> None:
    claimed = delivery(heart, representation)
    counting.calls.clear()
    heart.renderer.render(claimed, now=NOW)
    assert counting.calls["case messages"] <= 1
    assert counting.calls["views"] == 1
    assert counting.calls["at once"] == 1
    assert counting.calls["evaluations"] == 0


@pytest.mark.parametrize("referrals", [1, 100])
def test_the_recipients_of_a_message_cost_one_parse_and_canonical_json_no_evaluation(
    heart: Heart, counting: Counting, referrals: int
) -> None:
    messages = [replace(delivery(heart, "case-json"), token="held") for _ in range(referrals)]
    claimed = [replace(one, role=role) for one in messages for role in ("lead", "duo", "partner")]
    counting.calls.clear()
    for one in claimed:
        heart.renderer.render(one, now=NOW)
    heart.renderer.forget()
    assert counting.calls["case messages"] == referrals
    assert counting.calls["views"] == 3 * referrals
    assert counting.calls["evaluations"] == 0


def delivery(heart: Heart, representation: str) -> Claimed:
    arrival, decide = accepted(heart, "thv-json")
    decision = decide(arrival, Facts(matches=()))
    lead = next(each for each in decision.deliveries if each.role == "lead")
    return replace(first_attempt(arrival, decision, lead, 1), representation=representation)


def test_good_documents_never_reach_the_exact_validators(heart: Heart, counting: Counting) -> None:
    exact: Any = vars(schema_check.SchemaCheck)["_exact"]
    asked: list[object] = []
    real = exact.func
    exact.func = lambda check: asked.append(check) or real(check)
    try:
        for format, (_, _, example) in MESSAGES.items():
            heart.formats[format].read((EXAMPLES / example).read_bytes())
    finally:
        exact.func = real
    assert asked == []
    assert counting.calls["the FHIR library"] == 0
