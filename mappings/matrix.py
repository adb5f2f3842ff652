# SPDX-License-Identifier: EUPL-1.2
"""Says what each mapping can carry, group by group, from its rules alone: the matrix that docs/formats.md shows.

Inbound: which fields of the target any rule writes. Outbound: which fields of the source any rule reads. Whether a
message holds them is the message's; that a rule exists is the mapping's, and that is what is told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mappings.check import NOUNS, lost
from mappings.engine import CompiledMapping
from mappings.mapping_file import Rule
from mappings.shape import Path as Place
from mappings.shape import Read, Shape, reaches, shape_of, under, union

CARRIED: Final = "yes"
PARTLY: Final = "partly"
NOT: Final = "–"
_KEY: Final = re.compile(r'"([A-Za-z]+)"\s*:')  # of an object that an expression makes
OTHER_SYNTAX: Final[Mapping[str, str]] = {"fhir-json": "fhir-xml"}  # read into the same document


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that people speak of as one thing. `prefixes`: dotted; a field belongs to the longest one that fits."""

    english: str
    dutch: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Direction:
    """Messages that go one way and say one kind of thing: those whose mapping writes (or reads) `noun`."""

    title: str
    about: str
    noun: str
    inbound: bool
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Carries:
    """Of one group: the fields of it that are carried, and those that are not."""

    carried: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def word(self) -> str:
        return NOT if not self.carried else PARTLY if self.missing else CARRIED


@dataclass(frozen=True, slots=True)
class Line:
    """One mapping in one direction. `formats`: in which its documents come or go; `groups` in the direction's order."""

    mapping: str
    formats: tuple[str, ...]
    groups: tuple[Carries, ...]
    ignored: tuple[tuple[str, str], ...]  # path, and why it is not carried


_MEMBERS: Final = (
    Group("Role", "rol", ("members.id", "members.role", "members.main")),
    Group("Names, sex", "namen, geslacht", ("members.names", "members.sex")),
    Group("Born, unborn", "geboren, ongeboren", ("members.born", "members.unborn", "members.expected")),
    Group("BSN", "bsn", ("members.bsn", "members.bsnStatus")),
    Group("Addresses, secrecy", "adressen, geheimhouding", ("members.addresses", "members.secretAddress")),
    Group("Telephone, mail", "telefoon, e-mail", ("members.phones", "members.email")),
    Group("Relations", "relaties", ("members.relations",)),
    Group("Informed", "geïnformeerd", ("members.informed",)),
    Group(
        "Language, nationality",
        "taal, nationaliteit",
        ("members.language", "members.interpreter", "members.nationality"),
    ),
    Group("Remarks on a person", "opmerkingen bij een persoon", ("members.remarks",)),
)
_CONTENT: Final = (
    Group("Restraining order", "huisverbod", ("trigger.restrainingOrder",)),
    Group("Incident", "incident", ("trigger.incident",)),
    Group("Stalled help", "vastgelopen hulp", ("trigger.stalledHelp",)),
    *_MEMBERS,
    Group("Risk", "risico", ("risk",)),
    Group("History", "voorgeschiedenis", ("history",)),
    Group("Organisations", "betrokken organisaties", ("organisations",)),
    Group("Reporter", "melder", ("reporter",)),
    Group(
        "Question, ground, willingness",
        "vraag, grondslag, bereidheid",
        ("question", "purpose", "legalBasis", "willingness"),
    ),
    Group("Notes", "aantekeningen", ("notes",)),
    Group("Attachments", "bijlagen", ("attachments",)),
)
DIRECTIONS: Final = (
    Direction(
        "In: a referral",
        "What a source (*bron*) can say of a household (*aanmelding, melding*).",
        "referral@1",
        True,
        (
            Group("Kind, moment", "soort bericht, tijdstip", ("kind", "occurredAt")),
            Group("Programme, urgency, phase", "aanpak, spoed, fase", ("programme", "urgency", "phase")),
            *_CONTENT,
        ),
    ),
    Direction(
        "In: an answer",
        "What a recipient can say on what was asked of it (*antwoord op een verzoek*).",
        "answer@1",
        True,
        (
            Group("Which request", "welk verzoek", ("reference",)),
            Group("What it says", "wat het zegt", ("answer",)),
            Group("Outcome of the weighing", "uitkomst van de weging", ("admission",)),
            Group("Reason", "reden", ("reasonCode", "reasonText")),
            Group("Reachable person", "bereikbare persoon", ("contact",)),
            Group("Who should have it", "wie het wel moet krijgen", ("rerouteTo",)),
            Group("Moment", "tijdstip", ("answeredAt",)),
            Group("Another level, another end", "ander niveau, ander einde", ("level", "until")),
        ),
    ),
    Direction(
        "Out: a case",
        "What a recipient can be told, as far as its role may see it (*zaak*).",
        "case-view@1",
        False,
        (
            Group("Message", "bericht", ("schema", "message")),
            Group("Case", "zaak", ("case",)),
            *_CONTENT,
            Group("Remarks on eligibility", "aandachtspunten", ("remarks",)),
            Group("What is asked, by when", "verzoek en termijn", ("request", "reminder")),
            Group("What was withheld", "wat is achtergehouden", ("withheld",)),
            Group("Held, late", "wacht nog, kwam later", ("held", "late")),
            Group("Delivery", "bezorging", ("transport",)),
        ),
    ),
    Direction(
        "Out: feedback to a source",
        "What a source can hear of its own message at turning points (*terugkoppeling*); never a person.",
        "feedback@1",
        False,
        (
            Group("Which message", "welk bericht", ("schema", "message")),
            Group("What happened, when", "wat er gebeurde, wanneer", ("occasion", "at")),
            Group("How it stands", "stand", ("state", "programme", "admission")),
            Group("Why it waits", "waarom het wacht", ("parked",)),
            Group("Lead and local team", "regie en lokaal team", ("recipients",)),
            Group("Delivery", "bezorging", ("transport",)),
        ),
    ),
    Direction(
        "Out: a notice to a partner",
        "What a partner can be asked or told of a case beside the message itself (*verzoek, mededeling*).",
        "notice@1",
        False,
        (
            Group("What, when, in which role", "wat, wanneer, in welke rol", ("schema", "occasion", "at", "role")),
            Group("Which case", "welke zaak", ("case",)),
            Group("What to answer with, by when", "antwoordkenmerk en termijn", ("request",)),
            Group("Who asks, whose part", "wie vraagt, over wie", ("by", "about")),
            Group("Terms", "voorwaarden", ("terms",)),
            Group("Whom a known check is about", "over wie de check op bekendheid gaat", ("persons",)),
            Group("What was withheld", "wat is achtergehouden", ("withheld",)),
            Group("Delivery", "bezorging", ("transport",)),
        ),
    ),
)  # fmt: skip


def matrix(loaded: Iterable[CompiledMapping]) -> dict[str, tuple[Line, ...]]:
    """Per direction (its title) a line for each mapping, by name; what is written in several formats has one line."""
    known: dict[Path, CompiledMapping] = {}
    for mapping in loaded:
        known.setdefault(mapping.folder, mapping)
    return {
        direction.title: tuple(
            _line(mapping, direction)
            for mapping in sorted(known.values(), key=lambda one: one.folder.name)
            if (mapping.writes if direction.inbound else mapping.reads_kind) == direction.noun
        )
        for direction in DIRECTIONS
    }


def group_of(path: str, groups: Sequence[Group]) -> Group | None:
    """The group that a field belongs to; None when it has no place."""
    fitting = [
        (len(prefix), group)
        for group in groups
        for prefix in group.prefixes
        if path == prefix or path.startswith(f"{prefix}.")
    ]
    return max(fitting, key=lambda each: each[0])[1] if fitting else None


def fields(mapping: CompiledMapping, direction: Direction) -> tuple[str, ...]:
    """Every field (dotted) that there is to carry."""
    return tuple(sorted({".".join(leaf) for leaf in _shape(mapping, direction).leaves()}))


def _shape(mapping: CompiledMapping, direction: Direction) -> Shape:
    """Of what is written on the way in, of what is read on the way out."""
    return shape_of(NOUNS[direction.noun].model_json_schema(by_alias=True)) if direction.inbound else mapping.shape


def _line(mapping: CompiledMapping, direction: Direction) -> Line:
    there = fields(mapping, direction)
    if direction.inbound:
        written = _written(mapping.rules, (), _shape(mapping, direction))
        missing = {path for path in there if not reaches(written, tuple(path.split(".")))}
    else:
        missing = set(lost(mapping))
    groups = tuple(
        Carries(
            carried=tuple(path for path in own if path not in missing),
            missing=tuple(path for path in own if path in missing),
        )
        for group in direction.groups
        for own in [[path for path in there if group_of(path, direction.groups) is group]]
    )
    return Line(
        mapping=mapping.folder.name.replace("_", "-"),
        formats=_formats(mapping, direction),
        groups=groups,
        ignored=tuple((each.path, each.reason) for each in mapping.ignored),
    )


def _formats(mapping: CompiledMapping, direction: Direction) -> tuple[str, ...]:
    others = [OTHER_SYNTAX[mapping.format]] if direction.inbound and mapping.format in OTHER_SYNTAX else []
    return tuple(dict.fromkeys((mapping.format, *mapping.also.values(), *others)))


def _written(rules: Sequence[Rule], above: Place, target: Shape) -> Read:
    """What the rules write, in the manner of a read-set. Of an object that an expression makes: its keys."""
    made: Read = {}
    for rule in rules:
        path = (*above, *rule.to)
        if rule.rules:
            made = union(made, _written(rule.rules, path, target))
            continue
        here = target.at(path)
        keys = _KEY.findall(rule.value.expression.source) if here is not None and not here.is_leaf else []
        made = union(made, under(path, dict.fromkeys(keys, True) if keys else True))
    return made


# -- shown -------------------------------------------------------------------------------------------------------------


def plain(found: Mapping[str, Sequence[Line]]) -> dict[str, Any]:
    """For machines: direction → mapping → formats, and group → what is carried and what is not."""
    return {
        direction.title: {
            line.mapping: {
                "formats": list(line.formats),
                "groups": {
                    group.english: {"carries": carries.word, "missing": list(carries.missing)}
                    for group, carries in zip(direction.groups, line.groups, strict=True)
                },
                "ignored": [{"path": path, "reason": reason} for path, reason in line.ignored],
            }
            for line in found[direction.title]
        }
        for direction in DIRECTIONS
    }


def page(found: Mapping[str, Sequence[Line]], media_types: Mapping[str, Sequence[str]]) -> str:
    """docs/formats.md. `media_types`: of each format, by its name; the first is what it writes."""
    parts = [_INTRO, _overview(found, media_types), _CARRY]
    for direction in DIRECTIONS:
        parts += [f"## {direction.title}\n\n{direction.about}\n", _table(direction, found[direction.title])]
        parts += [_not_carried(direction, line) for line in found[direction.title]]
    return "\n".join(part for part in parts if part)


def _overview(found: Mapping[str, Sequence[Line]], media_types: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for name, types in media_types.items():
        cells = [
            ", ".join(f"`{line.mapping}`" for line in found[direction.title] if name in line.formats) or NOT
            for direction in DIRECTIONS
        ]
        rows.append((f"`{name}`", ", ".join(f"`{each}`" for each in types), *cells))
    return _markdown(("Format", "Media types", *(direction.title for direction in DIRECTIONS)), rows)


def _table(direction: Direction, lines: Sequence[Line]) -> str:
    heads = [f"`{line.mapping}` ({', '.join(line.formats)})" for line in lines]
    rows = [
        (f"{group.english} (*{group.dutch}*)", *(line.groups[place].word for line in lines))
        for place, group in enumerate(direction.groups)
    ]
    return _markdown(("What", *heads), rows)


def _not_carried(direction: Direction, line: Line) -> str:
    """On the way in: fields of ours that are never filled in a group that is carried in part. In either direction: what
    of the document is read and left behind, each with the mapping's own reason."""
    never = [
        f"- {group.english}: {_named(_shortest(carries))}"
        for group, carries in zip(direction.groups, line.groups, strict=True)
        if direction.inbound and carries.word == PARTLY
    ]
    behind = [f"- `{path}`: {' '.join(reason.split())}" for path, reason in line.ignored]
    said = ""
    for rows, what in ((never, "never fills"), (behind, "leaves behind, and why")):
        if rows:
            said += f"`{line.mapping}` {what}:\n\n" + "\n".join(rows) + "\n\n"
    return said.removesuffix("\n")


def _shortest(carries: Carries) -> tuple[str, ...]:
    """What is missing, by the highest name under which nothing is carried."""
    names = []
    for path in carries.missing:
        parts = path.split(".")
        above = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        names.append(
            next(name for name in above if not any(f"{one}.".startswith(f"{name}.") for one in carries.carried))
        )
    return tuple(dict.fromkeys(names))


def _named(paths: Sequence[str]) -> str:
    """Paths with what they share said once: `a.b`: c, d; `e`."""
    below: dict[str, list[str]] = {}
    for path in paths:
        parent, _, name = path.rpartition(".")
        below.setdefault(parent, []).append(name)
    said = [f"`{name}`" for name in below.pop("", [])]
    return "; ".join([*said, *(f"`{parent}`: {', '.join(names)}" for parent, names in below.items())])


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_INTRO: Final = """\
# What each format can carry

Made by `schakel mapping matrix` from the mappings themselves; a test holds this page to it. After a change of a mapping
run `schakel mapping matrix > docs/formats.md`. Where each format is read and written stands in
[tour.md](tour.md#formats-and-channels).

Which mapping a document goes through, by format and direction. Beside these:

- an answer in plain JSON (`answer@1`, `application/json`) always counts, from everybody, and carries everything;
- any document may come in an NL GOV CloudEvent, in binary or structured mode ([canonical.md](canonical.md));
- a FHIR client finds and answers its own Tasks at `/v1/fhir`.
"""
_CARRY: Final = """\
In the tables below *yes* means that a rule exists for every field of the group, *partly* for some, and – for none. What
a message then holds is its sender's; what a recipient then sees is decided by disclosure, before any format.
"""
