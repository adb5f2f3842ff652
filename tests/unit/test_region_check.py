# SPDX-License-Identifier: EUPL-1.2
"""`region check`: Haaglanden is whole, and each hole dug in it is found by its own rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from regions import FOLDER
from schakel.deadline_check import ASKED_OF
from schakel.message import Sensitivity
from schakel.region import (
    Calendars,
    Length,
    Municipalities,
    Opening,
    Partner,
    Receiving,
    Region,
    Retention,
    RosterRow,
    Route,
    Rung,
    Target,
    read_length,
)
from schakel.region_check import check_region, fields_of, sensitive_fields
from schakel.region_files import load_region

REGION = load_region(FOLDER / "haaglanden")


def alter(value: Any, **changes: Any) -> Any:
    return value.model_copy(update=changes)


def partner(partner_id: str, **changes: Any) -> Region:
    partners = tuple(alter(one, **changes) if one.id == partner_id else one for one in REGION.partners)
    return alter(REGION, partners=partners)


def route(route_id: str, **changes: Any) -> Region:
    routes = tuple(alter(one, **changes) if one.id == route_id else one for one in REGION.routing.routes)
    return alter(REGION, routing=alter(REGION.routing, routes=routes))


def routes(*more: Route) -> Region:
    return alter(REGION, routing=alter(REGION.routing, routes=(*REGION.routing.routes, *more)))


def entry(which: str, **changes: Any) -> Region:
    entries = tuple(alter(one, **changes) if one.code == which else one for one in REGION.municipalities.entries)
    return alter(REGION, municipalities=alter(REGION.municipalities, entries=entries))


def without_role(role: str) -> Region:
    rows = tuple(row for row in REGION.disclosure.roles if row.role != role)
    return alter(REGION, disclosure=alter(REGION.disclosure, roles=rows))


def seen(*fields: str) -> Region:
    rows = (alter(REGION.disclosure.roles[0], fields=fields), *REGION.disclosure.roles[1:])
    return alter(REGION, disclosure=alter(REGION.disclosure, roles=rows))


def deadlines(**changes: Any) -> Region:
    return alter(REGION, deadlines=alter(REGION.deadlines, **changes))


def webhook(url: str | None) -> Receiving:
    return Receiving(channel="webhook", url=url)


def content(days: int) -> Region:
    kept: Retention = alter(REGION.retention, content_after_close=timedelta(days=days))
    return alter(REGION, retention=kept)


def length(text: str) -> Length:
    return Length.model_validate(read_length(text))


def without_clock(kind: str, role: str) -> Region:
    return deadlines(clocks=tuple(row for row in REGION.deadlines.clocks if (row.kind, row.role) != (kind, role)))


def clocks(kind: str, role: str, **changes: Any) -> Region:
    """Every row of this kind and role, changed."""
    rows = REGION.deadlines.clocks
    return deadlines(clocks=tuple(alter(r, **changes) if (r.kind, r.role) == (kind, role) else r for r in rows))


def ladder(*steps: tuple[str, str]) -> tuple[Rung, ...]:
    return tuple(Rung(after=length(after), tell=tell) for after, tell in steps)


def calendars(**changes: Any) -> Region:
    changed: Calendars = alter(REGION.deadlines.calendars, **changes)
    return deadlines(calendars=changed)


def office(*hours: tuple[str, str]) -> Region:
    openings = tuple(Opening(days=("monday",), opens=opens, closes=closes) for opens, closes in hours)
    return calendars(rosters=(RosterRow(id="always", always=True), RosterRow(id="office", hours=openings)))


def uncontacted(partner_id: str, *contacts: str) -> Region:
    known = REGION.partner(partner_id)
    assert known is not None
    return partner(partner_id, contacts={name: known.contacts[name] for name in contacts})


def same_name_twice() -> Municipalities:
    entries = REGION.municipalities.entries
    return alter(REGION.municipalities, entries=(alter(entries[0], places=entries[4].places), *entries[1:]))


WHY = REGION.routing.routes[0].why
LEAD, DUO = Target(partner="vvt", role="lead"), Target(partner="local-team", role="duo")
HOLES: list[tuple[str, Callable[[], Region]]] = [
    ("route-ends", lambda: route("thv-den-haag", to=())),
    ("lead-and-duo", lambda: route("thv-den-haag", to=(LEAD,))),
    ("recipient-known", lambda: route("thv-den-haag", to=(Target(partner="niemand", role="lead"), DUO))),
    ("recipient-known", lambda: route("thv-den-haag", to=(Target(partner="cit", role="lead"), DUO))),
    ("cause-known", lambda: route("outside-region", park=alter(REGION.routing.routes[0].park, cause="zomaar"))),
    ("owner-is-told", lambda: route("outside-region", park=alter(REGION.routing.routes[0].park, owner="niemand"))),
    ("valid-window", lambda: route("cit-region", valid_from=date(2026, 1, 2), valid_to=date(2026, 1, 2))),
    (
        "route-reachable",
        lambda: routes(Route(id="later", when='source = "cit" and place = "none"', to=(LEAD, DUO), why=WHY)),
    ),
    ("route-reachable", lambda: route("thv-den-haag", when='source = "politie"')),
    ("jsonata", lambda: route("thv-den-haag", when="programme = ")),
    ("jsonata", lambda: route("thv-den-haag", when='$eval("true")')),
    ("known-fact", lambda: route("thv-den-haag", when='gemeente = "0518"')),
    ("known-fact", lambda: route("thv-den-haag", when="$now() > 1 and $stad")),
    ("strictly-boolean", lambda: route("thv-den-haag", when="municipality")),
    ("local-team-known", lambda: partner("lokaal-team-delft", municipalities=())),
    ("one-local-team", lambda: partner("lokaal-team-delft", municipalities=())),
    ("one-local-team", lambda: partner("lokaal-team-delft", municipalities=("0503", "0518"))),
    ("municipality-known", lambda: partner("lokaal-team-delft", municipalities=("0503", "0599"))),
    ("no-overlap", lambda: entry("0503", code="0518")),
    ("no-overlap", lambda: alter(REGION, municipalities=same_name_twice())),
    ("valid-window", lambda: entry("0503", valid_from=date(2027, 1, 1), valid_to=date(2026, 1, 1))),
    ("role-has-disclosure", lambda: without_role("duo")),
    ("role-has-disclosure", lambda: without_role("case-director")),
    *(
        ("role-has-deadline", partial(without_clock, kind, role))
        for kind, roles in ASKED_OF.items()
        for role in sorted(roles)
    ),
    ("role-has-disclosure", lambda: without_role("partner")),
    ("deadline-positive", lambda: clocks("answer", "lead", within=length("0m"))),
    ("deadline-positive", lambda: clocks("answer", "lead", within=length("4mo"), roster="always")),
    ("deadline-positive", lambda: clocks("year", "lead", within=length("9y"))),
    ("roster-exists", lambda: clocks("answer", "duo", roster="nights")),
    ("unit-fits-roster", lambda: clocks("answer", "duo", within=length("2d"))),
    ("unit-fits-roster", lambda: clocks("plan", "lead", within=length("2wd"))),
    ("unit-fits-roster", lambda: clocks("answer", "partner", remind=(length("0wd"),))),
    ("unit-fits-roster", lambda: clocks("order-without-plan", "lead", remind=(length("1mo"),))),
    ("reminder-before-deadline", lambda: clocks("answer", "duo", remind=(length("4h"),))),
    ("reminder-before-deadline", lambda: clocks("answer", "duo", remind=(length("2h"), length("1h")))),
    ("reminder-before-deadline", lambda: clocks("answer", "duo", remind=(length("0h"),))),
    ("reminder-before-deadline", lambda: clocks("order-without-plan", "lead", remind=(length("12h"),))),
    ("reminder-before-deadline", lambda: clocks("order-without-plan", "lead", remind=(length("48h"), length("72h")))),
    ("ladder-ascends", lambda: clocks("answer", "lead", ladder=())),
    ("ladder-ascends", lambda: clocks("answer", "duo", ladder=ladder(("1h", "asked"), ("30m", "lead")))),
    ("ladder-ascends", lambda: clocks("answer", "duo", ladder=ladder(("1h", "asked"), ("1h", "lead")))),
    ("tell-has-route", lambda: clocks("answer", "duo", ladder=ladder(("0s", "the-boss")))),
    ("tell-has-route", lambda: uncontacted("vvt", "team-coordinator")),
    ("tell-has-route", lambda: uncontacted("lokaal-team-delft", "second-contact")),
    ("tell-has-route", lambda: uncontacted("zvhh")),
    ("event-known", lambda: clocks("plan", "lead", start=("first-tea",))),
    ("event-known", lambda: clocks("plan", "lead", until=("planned",))),
    ("event-known", lambda: deadlines(milestones=())),
    ("start-fits-kind", lambda: clocks("answer", "lead", start=("delivered",))),
    ("clock-ends", lambda: clocks("plan", "lead", until=())),
    ("never-shifted", lambda: clocks("order-without-plan", "lead", roster="office")),
    ("never-shifted", lambda: clocks("answer", "lead", urgencies=(), roster="office", within=length("4h"))),
    ("never-shifted", lambda: clocks("check", "process-director", urgencies=("crisis",), roster="office")),
    (
        "order-counts-back",
        lambda: clocks("order-without-plan", "lead", before_order_end=None, within=length("9d"), remind=()),
    ),
    ("no-overlap", lambda: office(("08:00", "12:00"), ("11:59", "17:00"))),
    ("day-once", lambda: calendars(equated=(REGION.deadlines.calendars.equated[0],) * 2)),
    ("network-has-no-system", lambda: partner("politie", kind="network")),
    ("wait-positive", lambda: clocks("answer", "lead", again=timedelta(0))),
    ("wait-positive", lambda: deadlines(probe_every=timedelta(0))),
    ("retry-list", lambda: deadlines(retry=())),
    ("retention-positive", lambda: alter(REGION, retention=alter(REGION.retention, raw=timedelta(0)))),
    ("content-before-ledger", lambda: content(4000)),
    ("content-until-told", lambda: content(105)),  # the follow-up after three months is told until a fortnight later
    ("cause-has-sentence", lambda: alter(REGION, causes={k: v for k, v in REGION.causes.items() if k != "no-route"})),
    ("cause-known", lambda: alter(REGION, causes={**REGION.causes, "zomaar": WHY})),
    ("webhook-url", lambda: partner("vvt", receives=webhook(None))),
    ("webhook-url", lambda: partner("vvt", receives=webhook("http://vvt.example/in"))),
    ("webhook-url", lambda: partner("vvt", receives=webhook("https://user:secret@vvt.example/in"))),
    ("webhook-url", lambda: partner("vvt", receives=webhook("https://vvt.example/in?token=x"))),
    ("webhook-url", lambda: partner("vvt", receives=webhook("https://vvt.example:port/in"))),
    ("webhook-url", lambda: partner("vvt", receives=Receiving(channel="stuf", url="http://vvt.example/in"))),
    ("stuf-oin", lambda: partner("vvt", oins=(), receives=Receiving(channel="stuf", url="https://vvt.example/in"))),
    (
        "stuf-full",
        lambda: partner("vvt", receives=Receiving(channel="stuf", mode="thin", url="https://vvt.example/in")),
    ),
    ("partner-receives", lambda: partner("politie", receives=None)),
    ("source-sends", lambda: partner("cit", sends=None)),
    ("source-has-oin", lambda: partner("cit", oins=())),
    ("oin-unique", lambda: partner("cit", oins=(REGION.hub_oin,))),
    ("field-exists", lambda: seen("members.secretAdress")),
    ("field-exists", lambda: seen("member")),
]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FOLDER.glob("*/region.yaml")))
def test_every_region_that_comes_with_the_product_has_no_fault(name: str):
    assert check_region(load_region(FOLDER / name)) == []


def test_the_systems_of_the_source_documents_are_regions():
    assert {path.parent.name for path in FOLDER.glob("*/region.yaml")} == {
        "haaglanden",  # ICM and MDA++ (S2, S4)
        "national",  # S1
        "venlo",  # S3
        "youth-icm",  # S5
    }


def test_somebody_of_a_young_persons_network_can_take_part_without_a_system():
    trainer = load_region(FOLDER / "youth-icm").partner("voetbaltrainer")
    assert trainer is not None
    assert (trainer.kind, trainer.receives, trainer.sends, trainer.oins) == ("network", None, None, ())


@pytest.mark.parametrize(("rule", "dig"), HOLES, ids=[f"{n}-{rule}" for n, (rule, _) in enumerate(HOLES)])
def test_each_hole_is_found_by_its_own_rule(rule: str, dig: Callable[[], Region]):
    found = check_region(dig())
    assert rule in {finding.rule for finding in found}
    assert all(finding.place and finding.nl and finding.en for finding in found)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/in", "http://localhost/in", "http://[::1]:9/in", "https://x.example"]
)
def test_http_is_allowed_on_loopback_only(url: str):
    assert check_region(partner("vvt", receives=webhook(url))) == []


def test_a_route_that_ended_and_one_that_begins_later_are_reachable_on_their_own_days():
    later = routes(
        *(
            alter(one, id="cit-vroeger", valid_from=None, valid_to=date(2026, 1, 1))
            for one in REGION.routing.routes
            if one.id == "cit-region"
        )
    )
    assert check_region(later) == []


def test_the_involved_partner_sees_who_somebody_is_and_no_more():
    for programme, paths in fields_of(REGION, "partner").items():
        assert programme in {"icm", "mda++", "icm-youth"}
        assert {path.split(".")[0] for path in paths} == {"message", "case", "members"}
        assert {path for path in paths if path.startswith("members.")} == {
            "members.id",
            "members.names.family",
            "members.names.prefix",
            "members.names.given",
            "members.names.initials",
            "members.names.full",
            "members.born.value",
            "members.born.precision",
            "members.sex",
            "members.bsn",
            "members.bsnStatus",
        }


def test_the_source_sees_nothing_that_can_hurt():
    assert [one for one in sensitive_fields(REGION) if one.role == "source"] == []


def test_only_the_lead_may_see_a_secret_address():
    whereabouts = [one for one in sensitive_fields(REGION) if one.kind is Sensitivity.WHEREABOUTS]
    assert {one.role for one in whereabouts if one.secret_addresses} == {"lead"}
    assert {one.role for one in whereabouts} == {"lead", "duo", "process-director", "case-director"}


def test_partners_of_the_region_have_test_oins_of_twenty_digits():
    oins = [oin for one in REGION.partners for oin in one.oins]
    assert all(len(oin) == 20 and oin.startswith("00000099") for oin in oins)
    assert isinstance(REGION.partners[0], Partner)
