# SPDX-License-Identifier: EUPL-1.2
"""The municipality: by code, by place and postcode, in the right order, and never from a secret address."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from regions import FOLDER
from schakel.message import (
    Address,
    Incident,
    Member,
    MemberRole,
    OrderStatus,
    Referral,
    RestrainingOrder,
    Trigger,
)
from schakel.municipality import Directory, Resolution, resolve, secret_move
from schakel.region import Municipalities, Place
from schakel.region_files import load_region
from schakel.states import ParkCause

BOOK = load_region(FOLDER / "haaglanden").municipalities
TODAY = date(2026, 11, 3)
NOW = datetime(2026, 11, 3, 20, tzinfo=UTC)
DELFT = {"street": "Markt", "house_number": "87", "postcode": "2611GW", "place": "Delft"}
ZOETERMEER = {"street": "Europaweg", "house_number": "3", "postcode": "2711AH", "place": "Zoetermeer"}


def person(role: MemberRole = MemberRole.VICTIM, *addresses: Address, **more: Any) -> Member:
    return Member(id=more.pop("id", role.value), role=role, addresses=addresses, **more)


def referral(*members: Member, order: Address | None = None, incident: Address | None = None) -> Referral:
    trigger = Trigger(
        restraining_order=RestrainingOrder(status=OrderStatus.IMPOSED, imposed_at=NOW, address=order)
        if order
        else None,
        incident=Incident(address=incident) if incident else None,
    )
    return Referral(trigger=trigger, members=members or (person(),))


def found(content: Referral, book: Municipalities = BOOK, **more: Any) -> Resolution:
    return resolve(content, Directory(book), on=TODAY, **more)


def at(**address: Any) -> Resolution:
    return found(referral(order=Address(**address)))


@pytest.mark.parametrize(
    ("place", "postcode", "code"),
    [
        ("Monster", "2681AB", "1783"),
        ("'s-Gravenzande", "2691AA", "1783"),
        ("’s-Gravenzande", "2691AA", "1783"),
        ("NAALDWIJK", "2671", "1783"),
        ("De Lier", "2678AB", "1783"),
        ("Wateringen", "2291AB", "1783"),
        ("Honselersdijk", "2675AB", "1783"),
        ("Poeldijk", "2685AB", "1783"),
        ("Kwintsheul", "2295AB", "1783"),
        ("Maasdijk", "2676AB", "1783"),
        ("Ter Heijde", "2684AB", "1783"),
        ("Ter Heĳde", "2684AB", "1783"),
        ("Nootdorp", "2631AB", "1926"),
        ("Pijnacker", "2641AB", "1926"),
        ("Delfgauw", "2645AB", "1926"),
        ("Voorburg", "2273AB", "1916"),
        ("Leidschendam", "2262AB", "1916"),
        ("Stompwijk", "2266AB", "1916"),
        ("Den Hoorn", "2635AB", "1842"),
        ("Maasland", "3155AB", "1842"),
        ("Schipluiden", "2636AB", "1842"),
        ("Rijswijk", "2284AB", "0603"),
        ("Delft", "2611GW", "0503"),
        ("Zoetermeer", "2711AH", "0637"),
        ("Wassenaar", "2242AB", "0629"),
        ("Den Haag", "2511CS", "0518"),
        ("'s-Gravenhage", "2511CS", "0518"),
        ("Scheveningen", "2584AB", "0518"),
        ("Loosduinen", "2552AB", "0518"),
    ],
)
def test_place_and_postcode_give_the_municipality(place: str, postcode: str, code: str):
    answer = at(place=place, postcode=postcode)
    assert (answer.place, answer.code, answer.rule) == ("found", code, "order-address:place+postcode")
    assert answer.cause is None
    assert answer.name


def test_a_place_that_exists_nowhere_else_needs_no_postcode():
    assert (at(place="Monster").code, at(place="Monster").rule) == ("1783", "order-address:place")


@pytest.mark.parametrize("place", ["Rijswijk", "Den Hoorn"])
def test_a_place_that_exists_elsewhere_needs_a_postcode(place: str):
    assert at(place=place).cause is ParkCause.AMBIGUOUS_PLACE


@pytest.mark.parametrize(
    ("place", "postcode"),
    [("Rijswijk", "4284AB"), ("Den Hoorn", "1797AA"), ("Delft", "2711AH"), ("Monster", "2611GW"), ("Mnster", "2681AB")],
)
def test_a_postcode_that_contradicts_the_place_is_ambiguous(place: str, postcode: str):
    answer = at(place=place, postcode=postcode)
    assert answer.cause is ParkCause.AMBIGUOUS_PLACE
    assert answer.finding is not None
    assert postcode not in repr(answer.findings)


@pytest.mark.parametrize(
    "address",
    [
        {"place": "Rotterdam", "postcode": "3011AA"},
        {"municipality": "0599"},
        {"country": "België", "place": "Delft"},
    ],
)
def test_what_lies_outside_the_region_is_said_to(address: dict[str, str]):
    answer = at(**address)
    assert (answer.place, answer.cause, answer.in_region) == ("outside", ParkCause.OUTSIDE_REGION, False)


@pytest.mark.parametrize("country", ["Nederland", "NL", "6030", "The Netherlands"])
def test_the_netherlands_is_no_foreign_country(country: str):
    assert at(country=country, **DELFT).code == "0503"


def test_an_unknown_place_without_postcode_and_a_postcode_without_place_are_unclear():
    assert at(place="Rotterdam").cause is ParkCause.AMBIGUOUS_PLACE
    assert at(postcode="2611GW").cause is ParkCause.AMBIGUOUS_PLACE


def test_a_stated_code_counts_first():
    answer = at(municipality="0503")
    assert (answer.code, answer.name, answer.rule) == ("0503", "Delft", "order-address:stated-code")
    assert answer.findings == ()


def test_a_stated_code_that_contradicts_place_and_postcode_is_followed_with_a_warning():
    answer = at(municipality="0637", **DELFT)
    assert (answer.code, answer.cause) == ("0637", None)
    assert [finding.rule for finding in answer.findings] == ["municipality-fits-place"]


def test_the_order_counts_before_the_incident_and_the_incident_before_homes():
    home = person(MemberRole.VICTIM, Address(municipality="0629"))
    order, incident = Address(municipality="0503"), Address(municipality="0637")
    assert found(referral(home, order=order, incident=incident)).rule == "order-address:stated-code"
    assert found(referral(home, incident=incident)).rule == "incident-address:stated-code"
    assert found(referral(home)).rule == "household-address:stated-code"


def test_an_unclear_order_address_is_not_overruled_by_a_home():
    home = person(MemberRole.VICTIM, Address(municipality="0629"))
    assert found(referral(home, order=Address(place="Rijswijk"))).cause is ParkCause.AMBIGUOUS_PLACE


def test_an_address_that_says_nothing_is_passed_over():
    home = person(MemberRole.VICTIM, Address(**DELFT))
    assert found(referral(home, order=Address(street="Markt", house_number="87"))).code == "0503"


def test_homes_count_in_the_order_victim_main_child_removed():
    people = [
        person(MemberRole.REMOVED, Address(municipality="0503")),
        person(MemberRole.CHILD, Address(municipality="0518")),
        person(MemberRole.OTHER, Address(municipality="0603"), main=True),
        person(MemberRole.VICTIM, Address(municipality="0629")),
    ]
    assert [found(referral(*people[:count])).code for count in (1, 2, 3, 4)] == ["0503", "0518", "0603", "0629"]


@pytest.mark.parametrize("use", ["registered", "post", "stay"])
def test_where_somebody_is_registered_or_stays_says_nothing(use: str):
    home = person(MemberRole.VICTIM, Address(use=use, municipality="0629"))
    answer = found(referral(home))
    assert (answer.cause, answer.code, answer.rule) == (ParkCause.NO_MUNICIPALITY, None, "no-address:none")


def test_a_secret_address_is_never_used():
    secret = Address(**ZOETERMEER, secret=True)
    assert found(referral(person(MemberRole.VICTIM, secret))).cause is ParkCause.NO_MUNICIPALITY
    assert found(referral(order=secret)).cause is ParkCause.NO_MUNICIPALITY


def test_an_address_that_is_secret_elsewhere_in_the_message_is_secret_everywhere():
    victim = person(MemberRole.VICTIM, Address(**ZOETERMEER, secret=True))
    child = person(MemberRole.CHILD, Address(**ZOETERMEER))
    same_door = Address(street="Europawg", house_number="3", postcode="2711AH", place="Zoetermeer")
    same_street = Address(street="europaweg", house_number="03", place="ZOETERMEER")
    for incident in (same_door, same_street):
        assert found(referral(victim, child, incident=incident)).cause is ParkCause.NO_MUNICIPALITY


def test_the_home_of_a_person_who_hides_is_not_used():
    victim = person(MemberRole.VICTIM, Address(**ZOETERMEER), secret_address=True)
    removed = person(MemberRole.REMOVED, Address(**DELFT))
    assert found(referral(victim, removed)).code == "0503"


def test_what_the_case_knows_as_secret_is_not_used_either():
    content = referral(person(MemberRole.VICTIM, Address(**ZOETERMEER)))
    assert found(content).code == "0637"
    assert found(content, hides_address=lambda address: address.postcode == "2711AH").code is None
    assert found(content, hides_person=lambda member: member.role is MemberRole.VICTIM).code is None


def test_the_codebook_is_dated():
    old = BOOK.entries[0].model_copy(
        update={"valid_to": date(2026, 11, 3), "places": (Place(name="Oudplaats", postcodes=("2611",)),)}
    )
    book = BOOK.model_copy(update={"entries": (old,)})
    content = referral(order=Address(place="Oudplaats", postcode="2611AA"))
    directory = Directory(book)  # one for both days
    assert resolve(content, directory, on=date(2026, 11, 2)).code == "0503"
    assert resolve(content, directory, on=date(2026, 11, 3)).code is None


def test_a_move_that_only_a_secret_address_tells_of_is_seen():
    victim = person(MemberRole.VICTIM, Address(**ZOETERMEER, secret=True))
    content = referral(victim, order=Address(**DELFT))
    assert secret_move(content, "0503", Directory(BOOK), on=TODAY)
    assert not secret_move(content, "0637", Directory(BOOK), on=TODAY)
    assert not secret_move(content, None, Directory(BOOK), on=TODAY)
    assert not secret_move(referral(order=Address(**ZOETERMEER)), "0503", Directory(BOOK), on=TODAY)


def test_a_secret_address_outside_the_region_is_a_move_and_an_unclear_one_is_not():
    outside = person(MemberRole.VICTIM, Address(place="Rotterdam", postcode="3011AA", secret=True))
    unclear = person(MemberRole.VICTIM, Address(place="Rijswijk", secret=True))
    assert secret_move(referral(outside), "0503", Directory(BOOK), on=TODAY)
    assert not secret_move(referral(unclear), "0503", Directory(BOOK), on=TODAY)


def test_what_holds_on_a_day_is_worked_out_once_and_few_days_are_kept() -> None:
    directory = Directory(BOOK)
    assert directory.on(TODAY) is directory.on(TODAY)
    first = directory.on(TODAY)
    for day in range(1, 20):
        directory.on(date(2026, 1, day))
    assert directory.on(TODAY) is not first
