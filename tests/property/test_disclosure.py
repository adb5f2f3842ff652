# SPDX-License-Identifier: EUPL-1.2
"""Plants a canary in every text field of a case message and looks for the ones a recipient may not see.

What may not be seen is written down here a second time, plainly, from the issue's words; nothing of the code under test
is used to decide it.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from stdnum.nl import bsn as bsn_number

from schakel import message as nouns
from schakel.disclosure import Disclosure, Secrecy
from schakel.region import Disclosure as Table
from schakel.region import Partner, RoleDisclosure, Sentence
from schakel.region_files import load_region

REGION = load_region(Path(__file__).parents[2] / "regions" / "haaglanden")
NOW = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)
BSNS = [str(n) for n in range(999990000, 999990900) if bsn_number.is_valid(str(n))]
TOPS = ["message", "case", "remarks", "trigger", "members", "risk", "history", "organisations", "reporter"]
TOPS += ["willingness", "legalBasis", "purpose", "question", "notes", "attachments"]
PROSE = {
    "trigger.restrainingOrder.reason",
    "trigger.incident.locationText",
    "trigger.incident.description",
    "trigger.incident.arrest",
    "trigger.incident.charges",
    "trigger.stalledHelp.organisation",
    "trigger.stalledHelp.text",
    "members.phones.note",
    "members.informed.reasonNot",
    "members.informed.reaction",
    "members.remarks",
    "risk.weaponsText",
    "risk.workerSafety",
    "risk.text",
    "history.text",
    "organisations.name",
    "organisations.identifier",
    "organisations.contactName",
    "organisations.note",
    "question",
    "notes.text",
    "attachments.name",
    "attachments.heldBy",
}


def blind(kind: str, *parts: str) -> bytes:
    return hmac.digest(b"test key", "\0".join((kind, *parts)).encode(), hashlib.sha256)


# -- a message full of canaries ----------------------------------------------------------------------------------------


@dataclass
class Plant:
    path: str
    of: set[int]  # the members whose it is
    secret_of: set[int]  # those of them whom it may give away when they are hidden


@dataclass
class Garden:
    """Every text planted."""

    planted: dict[str, Plant] = field(default_factory=dict)
    count: Any = field(default_factory=lambda: itertools.count(1))

    def plant(self, path: str, owner: int | None, text: str | None = None) -> str:
        number = next(self.count)
        text = text or "Q" + "".join(chr(97 + number // 26**place % 26) for place in (3, 2, 1, 0)) + "w"
        owners = set() if owner is None else {owner}
        self.planted[text] = Plant(path, owners, owners)
        return text

    def digits(self, path: str, owner: int | None, width: int) -> str:
        return self.plant(path, owner, f"{10 ** (width - 1) + next(self.count)}")

    def postcode(self, path: str, owner: int | None) -> str:
        number = next(self.count)
        return self.plant(path, owner, f"{1000 + number % 9000}{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}")


def special(garden: Garden, model: str, name: str, path: str, owner: int | None) -> Any:
    """Fields whose form is prescribed."""
    match model, name:
        case "Address", "house_number":
            return garden.digits(path, owner, 5)
        case "Address", "house_letter":
            return None  # one letter cannot be told from another
        case "Address", "house_number_addition":
            return garden.plant(path, owner, f"#{next(garden.count)}")
        case "Address", "postcode":
            return garden.postcode(path, owner)
        case "Address", "municipality":
            return garden.digits(path, owner, 4)
        case "Phone", "number":
            return garden.digits(path, owner, 10)
        case "PartialDate", "value":
            return garden.plant(path, owner, str(1000 + next(garden.count)))
        case "PartialDate", "precision":
            return nouns.Precision.YEAR
        case "Names", "prefix":
            return garden.plant(path, owner)
        case "Member", "bsn":
            return garden.plant(path, owner, BSNS[next(garden.count) % len(BSNS)])
        case "Member", "bsn_status":
            return nouns.BsnStatus.KNOWN
        case "Member", "expected":
            return None
        case "RestrainingOrder", "status":
            return nouns.OrderStatus.IMPOSED
        case "RestrainingOrder", "imposed_at":
            return NOW
        case "Informed", "informed":
            return True
        case "MessageHeader", "id":
            return UUID(int=7)
        case "MessageHeader", "kind":
            return nouns.MessageKind.REFERRAL
        case "MessageHeader", "received_at":
            return NOW
        case "CaseHeader", "programme":
            return nouns.Programme.ICM
        case "CaseHeader", "urgency":
            return nouns.Urgency.CRISIS
        case "Municipality", "code":
            return "0503"
    return ...


def grow(garden: Garden, model: type[BaseModel], path: str, owner: int | None, **given_values: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        json_name = info.alias or name
        below = f"{path}.{json_name}" if path else json_name
        if name in given_values:
            values[name] = given_values[name]
            continue
        value = special(garden, model.__name__, name, below, owner)
        if value is ...:
            value = by_type(garden, info.annotation, below, owner)
        if value is not ...:
            values[name] = value
    return values


def by_type(garden: Garden, annotation: Any, path: str, owner: int | None) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return by_type(garden, get_args(annotation)[0], path, owner)
    if origin in (Union, types.UnionType):
        return by_type(garden, get_args(annotation)[0], path, owner)
    if origin is tuple:
        value = by_type(garden, get_args(annotation)[0], path, owner)
        return ... if value is ... else (value,)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return grow(garden, annotation, path, owner)
    return garden.plant(path, owner) if annotation is str else ...


@dataclass
class Person:
    role: nouns.MemberRole
    flag: str  # "", "person" (flagged as a person) or "address" (one address flagged)


def message_of(
    garden: Garden, people: list[Person], serves: list[int], masked: bool, flat: int | None
) -> dict[str, Any]:
    """`flat`: everybody's second address is that of this person; so is the order's."""
    members = []
    for number, person in enumerate(people):
        member = grow(garden, nouns.Member, "members", number, id=f"m{number}", role=person.role, relations=())
        member["secret_address"] = person.flag == "person"
        if person.flag == "address":
            member["addresses"] = [{**member["addresses"][0], "secret": True}]
        members.append(member)
    trigger = grow(garden, nouns.Trigger, "trigger", None)
    if flat is not None:
        shared = {key: value for key, value in members[flat]["addresses"][0].items() if key != "secret"}
        for member in members:
            if member is not members[flat]:
                member["addresses"] = [*member["addresses"], shared]
        trigger["restraining_order"]["address"] = shared
        flagged = {number for number, person in enumerate(people) if person.flag == "person"}
        for text in leaves(shared):
            if text in garden.planted:  # not the secret address of one who has another that is flagged
                garden.planted[text].of = set(range(len(people)))
                garden.planted[text].secret_of = {flat} | flagged
    served = tuple(f"m{number}" for number in serves)
    organisation = grow(garden, nouns.InvolvedOrganisation, "organisations", None, serves=served)
    reporter = grow(garden, nouns.Reporter, "reporter", None, masked=masked)
    return grow(
        garden,
        nouns.CaseMessage,
        "",
        None,
        members=members,
        trigger=trigger,
        organisations=[organisation],
        reporter=reporter,
        schema_="case-message@1",
    )


def unflagged(values: dict[str, Any]) -> dict[str, Any]:
    """The same message as an older one that knows of no secret."""
    return {
        **values,
        "members": [
            {
                **member,
                "secret_address": False,
                "addresses": [{**address, "secret": False} for address in member["addresses"]],
            }
            for member in values["members"]
        ],
    }


def anonymous(values: dict[str, Any]) -> dict[str, Any]:
    """Without what a person can be recognised by."""
    return {
        **values,
        "members": [{**member, "bsn": None, "bsn_status": "not-stated", "names": {}} for member in values["members"]],
    }


# -- what may not be seen, from the issue ------------------------------------------------------------------------------


def forbidden(
    plant: Plant, *, row: RoleDisclosure, serves: str, people: list[Person], masked: bool, lost: bool
) -> bool:
    """`lost`: the hidden person cannot be told from the others in this message."""
    path, owners = plant.path, plant.of
    if path == "case.reference":
        return True  # each recipient sees its own
    if not any(path == allowed or path.startswith(allowed + ".") for allowed in row.fields):
        return True
    whereabouts = ".addresses." in path or ".address." in path
    contact = path.endswith((".phones.number", ".email", ".contactPhone", ".contactEmail"))
    hidden = {number for number, person in enumerate(people) if person.flag}
    if path.startswith("reporter.") and (masked or serves != "household"):
        return True
    if serves != "household":
        own = {"victim": "victim", "removed": "removed", "children": "child"}.get(serves)
        if path in PROSE:
            return True
        if (whereabouts or contact) and not (owners and all(people[number].role.value == own for number in owners)):
            return True
    if hidden and not row.secret_addresses:
        if path in PROSE:
            return True
        if (whereabouts or contact) and plant.secret_of & hidden:
            return True
        if (whereabouts or contact) and owners and lost:
            return True
    return False


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in leaves(each)]
    if isinstance(value, list):
        return [text for each in value for text in leaves(each)]
    return [str(value)]


PEOPLE = st.lists(
    st.builds(Person, role=st.sampled_from(nouns.MemberRole), flag=st.sampled_from(["", "", "person", "address"])),
    min_size=1,
    max_size=4,
)
OPEN = RoleDisclosure(role="lead", programmes=("icm",), fields=tuple(TOPS))
ROWS = [OPEN, OPEN.model_copy(update={"secret_addresses": True})] + [
    row.model_copy(update={"programmes": ("icm",)}) for row in REGION.disclosure.roles
]
SERVES = ["household", "victim", "removed", "children", "unknown"]
RECIPIENT = Partner(id="partner", name="Partner", kind="partner")


def view(row: RoleDisclosure, values: dict[str, Any], serves: str, secrecy: Secrecy) -> list[str]:
    table = Table(withheld=Sentence(nl="[niet getoond]", en="[withheld]"), roles=(row,), matrix=("lead",))
    shown = Disclosure(table, blind=blind).view(
        nouns.CaseMessage.model_validate(values),
        role=row.role,
        programme="icm",
        recipient=RECIPIENT.model_copy(update={"serves": serves}),
        secrecy=secrecy,
        case_reference="OWN",
    )
    document = json.loads(json.dumps(shown.document))
    assert document["case"]["reference"] == "OWN"
    return [*leaves(document), *shown.rules]


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    people=PEOPLE,
    row=st.sampled_from(ROWS),
    serves=st.sampled_from(SERVES),
    masked=st.booleans(),
    told=st.sampled_from(["now", "elsewhere", "of-strangers"]),
    data=st.data(),
)
def test_no_view_holds_a_canary_that_its_recipient_may_not_see(people, row, serves, masked, told, data):
    garden = Garden()
    flat = data.draw(st.none() | st.integers(0, len(people) - 1), label="flat")
    values = message_of(garden, people, data.draw(st.sets(st.integers(0, len(people) - 1))), masked, flat)
    secrecy = Secrecy()
    if told != "now":  # the flags came with another message of the case
        other = nouns.CaseMessage.model_validate(values)
        secrecy = Secrecy.from_bytes(secrecy.merge(other, blind).to_bytes())
        values = unflagged(values)
    if told == "of-strangers":
        values = anonymous(values)
    seen = view(row, values, serves, secrecy)
    exact, together = set(seen), "\n".join(seen)
    lost = told == "of-strangers"
    for text, plant in garden.planted.items():
        if forbidden(plant, row=row, serves=serves, people=people, masked=masked, lost=lost):
            found = text in together if text.startswith("Q") else text in exact
            assert not found, plant.path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(roles=st.lists(st.sampled_from(nouns.MemberRole), min_size=1, max_size=4))
def test_a_household_without_secrets_is_shown_whole_to_a_role_that_may_see_everything(roles):
    garden = Garden()
    people = [Person(role, "") for role in roles]
    seen = view(OPEN, message_of(garden, people, [0], False, None), "household", Secrecy())
    together = "\n".join(seen)
    missing = {plant.path for text, plant in garden.planted.items() if text not in together}
    assert missing <= {"case.reference", "schema"}


def test_every_field_that_holds_text_has_a_canary():
    garden = Garden()
    message_of(garden, [Person(nouns.MemberRole.VICTIM, "")], [0], False, None)
    planted = {plant.path for plant in garden.planted.values()}
    texts = {path for path in string_paths(nouns.CaseMessage, "")}
    prescribed = {"schema", "case.municipality.code", "members.id", "members.relations.to", "members.relations.kind"}
    unborn = {"members.expected.value"}
    assert texts - planted - prescribed - unborn <= {
        path for path in texts if path.endswith("houseLetter") or path == "organisations.serves"
    }


def string_paths(model: type[BaseModel], path: str) -> list[str]:
    found = []
    for name, info in model.model_fields.items():
        below = f"{path}.{info.alias or name}" if path else info.alias or name
        found += texts_in(info.annotation, below)
    return found


def texts_in(annotation: Any, path: str) -> list[str]:
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
        return [
            found
            for part in get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]
            for found in texts_in(part, path)
        ]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return string_paths(annotation, path)
    return [path] if annotation is str else []


def test_secrecy_only_grows_whatever_order_messages_come_in():
    garden = Garden()
    people = [Person(nouns.MemberRole.VICTIM, "address"), Person(nouns.MemberRole.CHILD, "person")]
    values = message_of(garden, people, [0], False, None)
    flagged, plain = nouns.CaseMessage.model_validate(values), nouns.CaseMessage.model_validate(unflagged(values))
    one = Secrecy().merge(flagged, blind).merge(plain, blind)
    other = Secrecy().merge(plain, blind).merge(flagged, blind)
    assert one == other == one.merge(flagged, blind)
    assert one.anyone
