# SPDX-License-Identifier: EUPL-1.2
"""The rules of the mapping language, each with the error it gives when broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mappings.check import check_mapping, lineage
from mappings.codebook import Codebook, CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, to_referral
from mappings.mapping_file import Engine
from schakel.errors import ConfigurationError, Unmappable

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
CANARY = "CANARY-7731"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "soort": {"type": "string"},
        "tijd": {"type": "string"},
        "getal": {"type": "number"},
        "aan": {"type": "boolean"},
        "open": {"type": "object", "properties": {"bekend": {"type": "string"}}},
        "namen": {"type": "array", "items": {"type": "string"}},
        "personen": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "rol": {"type": "string"},
                    "tel": {"type": "array", "items": {"type": "object", "properties": {"nr": {"type": "string"}}}},
                },
            },
        },
    },
}
BOOK = Codebook(
    name="rol",
    version="2026-11-01",
    source="test",
    entries={
        "a": ("alpha", None, None),
        "b": ("beta", None, None),
        "niets": (None, None, None),
        "oud": ("old", None, datetime(2025, 1, 1, tzinfo=UTC).date()),
    },
)


class Bench:
    """Writes a mapping into a folder and loads it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "proef_mapping"
        self.folder.mkdir()
        (self.folder / "schema.json").write_text(json.dumps(SCHEMA))
        self.shelf = CodebookShelf([BOOK])

    def write(self, rules: str, *, writes: str = "proef@1", more: str = "") -> None:
        head = f"mapping: proef-mapping\nversion: 1.0.0\nformat: proef\nwrites: {writes}\ncodebooks: [rol]\n"
        (self.folder / "mapping.yaml").write_text(f"{head}rules:\n{rules}\n{more}")

    def load(self, rules: str, *, engine: Engine = "jlens", **more: str) -> CompiledMapping:
        self.write(rules, **more)
        return load_mapping(self.folder, self.shelf, engine=engine)

    def out(self, rules: str, document: dict[str, Any], *, engine: Engine = "jlens") -> dict[str, Any]:
        return self.load(rules, engine=engine).apply(document, now=NOW).document

    def parked(self, rules: str, document: dict[str, Any]) -> Unmappable:
        with pytest.raises(Unmappable) as caught:
            self.out(rules, document)
        shown = str(caught.value) + "".join(str(finding) for finding in caught.value.findings)
        assert CANARY not in shown
        return caught.value

    def refused(self, rules: str, **more: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            self.load(rules, **more)
        return str(caught.value)

    def checked(self, rules: str, **more: str) -> list[str]:
        self.write(rules, **more)
        return [f"{finding.rule}: {finding.en}" for finding in check_mapping(self.folder, self.shelf)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- list-ness belongs to the target -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["jlens", "jsonatapy"])
@pytest.mark.parametrize(
    ("given", "made"), [([], {}), (["x"], {"x": ["x"]}), (["x", "y"], {"x": ["x", "y"]})], ids=["none", "one", "two"]
)
def test_a_list_target_makes_a_list_of_one_and_nothing_of_none(
    bench: Bench, engine: Engine, given: list[str], made: dict[str, Any]
) -> None:
    assert bench.out("  - {to: 'x[]', from: namen}", {"namen": given}, engine=engine) == made


def test_a_list_target_takes_a_single_value(bench: Bench) -> None:
    assert bench.out("  - {to: 'x[]', from: soort}", {"soort": "s"}) == {"x": ["s"]}


def test_a_single_target_refuses_a_list_and_names_the_rule(bench: Bench) -> None:
    error = bench.parked("  - {to: kind, from: soort}\n  - {to: a.b, from: namen}", {"namen": [CANARY, "y"]})
    assert error.cause == "mapping-error"
    assert error.findings[0].place == "a.b"
    assert "proef_mapping/mapping.yaml, rule 2 (a.b): a single target gets a list" in error.findings[0].rule


def test_rules_for_one_list_target_add_up_in_order(bench: Bench) -> None:
    rules = "  - {to: 'x[]', from: soort}\n  - {to: 'x[]', from: namen}"
    assert bench.out(rules, {"soort": "s", "namen": ["a", "b"]}) == {"x": ["s", "a", "b"]}


def test_two_rules_that_both_give_a_single_target_a_value_park(bench: Bench) -> None:
    rules = "  - {to: x, from: soort}\n  - {to: x, from: tijd}"
    assert bench.out(rules, {"tijd": "t"}) == {"x": "t"}
    assert "two rules" in bench.parked(rules, {"soort": CANARY, "tijd": CANARY}).findings[0].rule


# -- absent, null and empty --------------------------------------------------------------------------------------------


def test_absent_and_null_are_left_out_and_the_empty_text_stays(bench: Bench) -> None:
    rules = "  - {to: a, from: soort}\n  - {to: b, from: tijd}\n  - {to: c, from: namen}"
    assert bench.out(rules, {"soort": "", "tijd": None}) == {"a": ""}


# -- when --------------------------------------------------------------------------------------------------------------


def test_when_chooses(bench: Bench) -> None:
    rules = "  - {to: a, from: soort, when: aan}\n  - {to: b, from: soort, when: $not(aan)}"
    assert bench.out(rules, {"soort": "s", "aan": True}) == {"a": "s"}
    assert bench.out(rules, {"soort": "s", "aan": False}) == {"b": "s"}


@pytest.mark.parametrize("document", [{"soort": CANARY}, {"soort": CANARY, "aan": None}], ids=["absent", "null"])
def test_when_must_be_true_or_false(bench: Bench, document: dict[str, Any]) -> None:
    error = bench.parked("  - {to: a, from: soort, when: aan}", document)
    assert error.cause == "mapping-error"
    assert "not-boolean" in error.findings[0].rule


def test_a_text_is_no_condition(bench: Bench) -> None:
    assert bench.parked("  - {to: a, from: soort, when: soort}", {"soort": CANARY}).cause == "mapping-error"


# -- each --------------------------------------------------------------------------------------------------------------

EACH = """
  - to: personen[]
    each: personen
    rules:
      - {to: nummer, from: $index}
      - {to: rol, from: rol, code: rol}
      - {to: soort, from: $root.soort}
      - to: tel[]
        each: tel
        rules:
          - {to: nr, from: $phone(nr)}
          - {to: van, from: $parent.rol}
"""


@pytest.mark.parametrize("engine", ["jlens", "jsonatapy"])
def test_items_see_themselves_their_position_their_parent_and_the_root(bench: Bench, engine: Engine) -> None:
    document = {"soort": "s", "personen": [{"rol": "a", "tel": [{"nr": " 06  1 "}, {"nr": "2"}]}, {"rol": "b"}]}
    assert bench.out(EACH, document, engine=engine) == {
        "personen": [
            {"nummer": 0, "rol": "alpha", "soort": "s", "tel": [{"nr": "06 1", "van": "a"}, {"nr": "2", "van": "a"}]},
            {"nummer": 1, "rol": "beta", "soort": "s"},
        ]
    }


def test_errors_in_items_name_the_position(bench: Bench) -> None:
    error = bench.parked(EACH, {"personen": [{"rol": "a"}, {"rol": CANARY}]})
    assert error.cause == "unknown-code"
    assert [finding.place for finding in error.findings] == ["personen[1].rol"]
    assert "rule 1.2 (rol)" in error.findings[0].rule


def test_each_on_a_single_target_takes_at_most_one_item(bench: Bench) -> None:
    rules = "  - {to: p, each: personen, rules: [{to: rol, from: rol}]}"
    assert bench.out(rules, {"personen": [{"rol": "a"}]}) == {"p": {"rol": "a"}}
    assert "gets a list" in bench.parked(rules, {"personen": [{"rol": CANARY}, {"rol": "b"}]}).findings[0].rule


# -- codes -------------------------------------------------------------------------------------------------------------


def test_each_value_of_a_list_goes_through_the_codebook(bench: Bench) -> None:
    rules = "  - {to: 'x[]', from: namen, code: rol}\n  - {to: y, from: '$code(\"rol\", soort)'}"
    assert bench.out(rules, {"namen": ["a", "b"], "soort": "a"}) == {"x": ["alpha", "beta"], "y": "alpha"}


@pytest.mark.parametrize("engine", ["jlens", "jsonatapy"])
@pytest.mark.parametrize("value", [CANARY, "oud", ""], ids=["unknown", "no-longer-valid", "empty"])
def test_an_unknown_code_parks(bench: Bench, engine: Engine, value: str) -> None:
    for rules in ("  - {to: x, from: soort, code: rol}", "  - {to: x, from: '$code(\"rol\", soort)'}"):
        with pytest.raises(Unmappable) as caught:
            bench.out(rules, {"soort": value}, engine=engine)
        assert caught.value.cause == "unknown-code"
        assert CANARY not in f"{caught.value} {caught.value.findings}"


def test_a_code_may_be_known_and_say_nothing(bench: Bench) -> None:
    assert bench.out("  - {to: x, from: soort, code: rol}", {"soort": "niets"}) == {}


def test_a_number_is_no_code(bench: Bench) -> None:
    error = bench.parked("  - {to: x, from: getal, code: rol}", {"getal": 1})
    assert (error.cause, "a code is text" in error.findings[0].rule) == ("mapping-error", True)


def test_all_faults_are_told_at_once(bench: Bench) -> None:
    rules = "  - {to: a, from: soort, code: rol}\n  - {to: b, from: $moment(tijd)}"
    error = bench.parked(rules, {"soort": CANARY, "tijd": CANARY})
    assert [finding.place for finding in error.findings] == ["a", "b"]
    assert error.cause == "contradiction"


# -- functions of time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["jlens", "jsonatapy"])
def test_now_is_the_time_of_receipt(bench: Bench, engine: Engine) -> None:
    rules = "  - {to: x, from: $now()}\n  - {to: y, from: $millis()}"
    assert bench.out(rules, {}, engine=engine) == {"x": "2026-11-16T09:00:00.000Z", "y": 1794819600000}


def test_the_same_message_comes_out_the_same(bench: Bench) -> None:
    mapping = bench.load(EACH + "  - {to: toeval, from: $random()}")
    document = {"soort": "s", "personen": [{"rol": "a"}]}
    assert mapping.apply(document, now=NOW) == mapping.apply(document, now=NOW)


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "[1..100000]",
        "($f := function($n) { 1 + $f($n) }; $f(1))",
        "($f := function($n) { $n > 9e9 ? 0 : $f($n + 1) }; $f(1))",
        '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", /(a+)+$/)',
        '$pad("x", 300000)',
    ],
    ids=["array", "depth", "steps", "time", "string"],
)
def test_a_breach_of_a_limit_parks(bench: Bench, source: str) -> None:
    error = bench.parked(f"  - to: x\n    from: '{source}'", {})
    assert error.cause == "mapping-limit"
    assert error.findings[0].place == "x"


def test_a_message_has_limits_too(bench: Bench) -> None:
    assert bench.parked(EACH, {"personen": [{"rol": "a"}] * 1001}).cause == "mapping-limit"
    many = {"personen": [{"rol": "a", "tel": [{"nr": "1"}] * 900}] * 20}
    assert bench.parked(EACH, many).cause == "mapping-limit"


# -- the schema at run time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"soort": {"x": CANARY}}, "soort"),
        ({"soort": [CANARY]}, "soort"),
        ({"personen": {"rol": CANARY}}, "personen"),
        ({"vreemd": CANARY}, "?"),
        ({CANARY: "x"}, "?"),
        ({"personen": [{"rol": 3}]}, "personen[].rol"),
    ],
)
def test_what_the_schema_does_not_allow_parks(bench: Bench, document: dict[str, Any], place: str) -> None:
    error = bench.parked("  - {to: x, from: soort}", document)
    assert (error.cause, error.findings[0].place) == ("not-in-schema", place)


def test_what_nobody_reads_is_listed_as_paths_only(bench: Bench) -> None:
    rules = "  - {to: x, from: soort}\n  - {to: y, from: open.bekend}"
    more = "ignore: [{path: getal, reason: not needed here}]"
    mapping = bench.load(rules, more=more)
    document = {
        "soort": "s",
        "getal": 3,
        "tijd": CANARY,
        "aan": None,
        "open": {"bekend": "b", "onbekend": CANARY, "999990019": CANARY, "leeg": ""},
        "personen": [{"rol": "a", "tel": [{"nr": CANARY}, {"nr": CANARY}]}],
    }
    losses = mapping.apply(document, now=NOW).losses
    assert losses == ("open.?", "personen[].rol", "personen[].tel[].nr", "tijd")


def test_the_output_records_the_versions(bench: Bench) -> None:
    versions = bench.load("  - {to: x, from: soort, code: rol}").apply({}, now=NOW).versions
    assert versions["mapping"] == "proef-mapping@1.0.0"
    assert versions["codebook:rol"] == "2026-11-01"
    assert versions["engine"].startswith("jlens/")
    assert bench.load("  - {to: x, from: soort}", engine="jsonatapy").versions["engine"].startswith("jsonatapy/")


# -- what a file may not say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("  - {to: x, from: '$eval(soort)'}", "eval-refused"),
        ("  - {to: x, from: 'soort &'}", "rule 1 (x)"),
        ("  - {to: x, from: $}", "written `reason`"),
        ("  - {to: x, from: '**.rol'}", "written `reason`"),
        ("  - {to: x, from: soort, when: '$count(*) = 1'}", "written `reason`"),
        ("  - {to: x, from: $momentt(tijd)}", "$momentt does not exist (did you mean moment?)"),
        ("  - {to: x, from: soort, code: roll}", "did you mean rol?"),
        ("  - {to: x, from: '$code(\"roll\", soort)'}", "codebook roll"),
        ("  - {to: x, frm: soort}", "proef_mapping/mapping.yaml:7 rules[0].frm"),
        ("  - {to: x}", "either `from`, or `each`"),
        ("  - {to: x, each: personen}", "either `from`, or `each`"),
        ("  - {to: 'x[].y', from: soort}", "rules[0].to"),
        ("  - {to: x, to: y, from: soort}", "twice"),
        ("  - {to: x, from: soort}\n  - {to: x.y, from: tijd}", "cannot stand beside rule 1"),
        ("  - {to: x, from: true}", "rules[0].from"),
        ("  - {to: x, from: soort, reason: kort}", "rules[0].reason"),
    ],
)
def test_a_wrong_file_does_not_load_and_says_where(bench: Bench, rules: str, said: str) -> None:
    assert said in bench.refused(rules)


def test_ignore_needs_a_reason(bench: Bench) -> None:
    assert "ignore[0].reason" in bench.refused("  - {to: x, from: soort}", more="ignore: [{path: tijd}]")


def test_a_codebook_that_does_not_exist_is_named(bench: Bench) -> None:
    bench.shelf = CodebookShelf()
    assert "there is no codebook rol" in bench.refused("  - {to: x, from: soort}")


# -- the static check --------------------------------------------------------------------------------------------------

WHOLE = """
  - {to: a, from: soort}
  - {to: b, from: tijd}
  - {to: c, from: getal}
  - {to: d, from: aan}
  - {to: e, from: open.bekend}
  - {to: 'f[]', from: namen, code: rol}
"""


def test_each_leaf_is_read_or_ignored_with_a_reason(bench: Bench) -> None:
    silent = bench.checked(WHOLE)
    assert silent == [
        "silent-loss: personen.rol is neither read by a rule nor ignored with a reason",
        "silent-loss: personen.tel.nr is neither read by a rule nor ignored with a reason",
    ]
    assert bench.checked(WHOLE, more="ignore: [{path: 'personen[]', reason: not needed here}]") == []
    assert bench.checked(WHOLE + EACH.replace("personen[]", "g[]")) == []


def test_looking_whether_it_is_there_is_not_reading_it(bench: Bench) -> None:
    rules = WHOLE.replace("from: tijd}", "from: '\"ja\"', when: $exists(tijd)}") + EACH.replace("personen[]", "g[]")
    assert bench.checked(rules) == ["silent-loss: tijd is neither read by a rule nor ignored with a reason"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "{to: x, from: sort}",
            "path-in-schema: reads sort: the schema has no sort in the document (did you mean soort?)",
        ),
        ("{to: x, from: $root.open.bekent}", "path-in-schema: reads open.bekent"),
        ("{to: 'x[]', each: personen, rules: [{to: r, from: rool}]}", "path-in-schema: reads personen.rool"),
        ("{to: 'x[]', each: personen, rules: [{to: r, from: $parent.rol}]}", "path-in-schema: reads rol"),
        ("{to: x, from: open}", "whole-read: reads open whole"),
        ("{to: 'x[]', from: personen}", "whole-read: reads personen whole"),
    ],
)
def test_a_path_that_is_not_in_the_schema_is_found(bench: Bench, rule: str, said: str) -> None:
    assert any(
        line.startswith(said) for line in bench.checked(f"{WHOLE}{EACH.replace('personen[]', 'g[]')}  - {rule}\n")
    )


def test_targets_exist_and_are_lists_where_the_target_has_lists(bench: Bench) -> None:
    rules = (
        WHOLE
        + """
  - {to: urgentcy, from: tijd}
  - {to: members, from: tijd}
  - {to: trigger.incident.forms, from: tijd}
  - {to: 'occurredAt[]', from: tijd}
"""
    )
    said = bench.checked(rules, writes="referral@1")
    assert any("the schema has no urgentcy in the document (did you mean urgency?)" in line for line in said)
    assert sum(line.startswith("list-ness") for line in said) == 3


def test_a_codebook_that_nobody_uses_is_found(bench: Bench) -> None:
    rules = WHOLE.replace(", code: rol", "") + EACH.replace("personen[]", "g[]").replace(", code: rol", "")
    assert bench.checked(rules) == ["codebook-used: codebook rol is declared and not used"]


def test_lineage_says_where_each_target_comes_from(bench: Bench) -> None:
    found = lineage(bench.load(EACH))
    assert found["personen[].tel[].van"] == ("personen.rol",)
    assert found["personen[].soort"] == ("soort",)


# -- the target's own rules --------------------------------------------------------------------------------------------


def test_what_the_canonical_message_refuses_is_a_contradiction_without_the_value() -> None:
    document = {
        "members": [
            {"id": "1", "role": "victim", "bsn": "999990018", "bsnStatus": "known"},
            {"id": "1", "role": CANARY},
        ],
        CANARY[:6].lower(): CANARY,
    }
    with pytest.raises(Unmappable) as caught:
        to_referral(document)
    assert caught.value.cause == "contradiction"
    places = {finding.place: finding for finding in caught.value.findings}
    assert "elfproef" in places["members[0].bsn"].nl
    assert "members[1].role" in places
    assert CANARY not in f"{caught.value} {caught.value.findings}"
    assert "999990018" not in f"{caught.value} {caught.value.findings}"
