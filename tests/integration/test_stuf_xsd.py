# SPDX-License-Identifier: EUPL-1.2
"""The standard's own schemas against what we ship, answer and write. The schemas are not copied into the project."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from connectors.formats import formats
from connectors.formats.stuf_jz import StufJeugdzorg
from connectors.formats.stuf_jz_header import find_message
from connectors.formats.xml import local_name, parse
from schakel.errors import (
    ConfigurationError,
    Conflict,
    Finding,
    Forbidden,
    Malformed,
    Refusal,
    Throttled,
    Unacceptable,
    UnsupportedFormat,
)
from schakel.ports import Receipt

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "../shared/standards/stuf-jeugdzorg"
EXAMPLES = sorted(
    path
    for mapping in ("stuf_melding_generiek", "stuf_vt_melding")
    for path in (ROOT / "mappings" / mapping / "examples").glob("*.xml")
)
ASKED = sorted((ROOT / "mappings/known_check_stuf/examples").glob("*.golden.json"))
REPLIES = [
    path
    for path in sorted((ROOT / "mappings/stuf_ucob/examples").glob("*.xml"))
    if path.stem not in ("twee-verzoeken", "onbekende-indicatie")  # refused, and waiting for a person
]
XSDS = {
    "vcobDi01": "vv/jz0100_msg_vvberichten_resolved2025.xsd",
    "ucobDi01": "vv/jz0100_msg_vvberichten_resolved2025.xsd",
    "meldingGeneriekDi01": "gm/jz0100_msg_gmberichten_resolved2025.xsd",
    "vtMeldingDi01": "vt/jz0100_msg_vtberichten_resolved2025.xsd",
    "answers": "gm/jz0100_msg_stuf_gmberichten_resolved2025.xsd",
    "answers-vt": "vt/jz0100_stuf0301_simpleTypes_resolved2025.xsd",
}
NOW = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
OIN = "00000099000000000001"
FINDING = Finding("object/identificatie", "stuf-required", "Ontbreekt.", "Missing.")


@pytest.fixture(scope="module")
def schemas() -> dict[str, etree.XMLSchema]:
    if not SCHEMAS.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the StUF-Jeugdzorg schemas are not beside this checkout")
    return {name: etree.XMLSchema(etree.parse(str(SCHEMAS / path))) for name, path in XSDS.items()}


def check(schema: etree.XMLSchema, element: etree._Element) -> None:
    schema.assertValid(element)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_each_example_follows_the_standard(path: Path, schemas: dict[str, etree.XMLSchema]) -> None:
    message = find_message(parse(path.read_bytes())).message
    check(schemas[local_name(message)], message)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_each_example_written_again_follows_the_standard_and_reads_the_same(
    path: Path, schemas: dict[str, etree.XMLSchema]
) -> None:
    form = StufJeugdzorg()
    document = form.read(path.read_bytes()).document
    written = form.write(document)
    assert written == form.write(document)
    message = etree.fromstring(written)
    check(schemas[local_name(message)], message)
    document["object"].get("betreft", {}).get("gerelateerde", {}).pop("extraElementen", None)  # nobody declared these
    assert form.read(written).document == document


@pytest.mark.parametrize("path", ASKED, ids=lambda path: path.stem)
def test_each_known_check_follows_the_standard(path: Path, schemas: dict[str, etree.XMLSchema]) -> None:
    written = StufJeugdzorg().write(json.loads(path.read_bytes()))
    check(schemas["vcobDi01"], etree.fromstring(written))


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_each_answer_to_a_known_check_follows_the_standard_and_reads_the_same_when_written_again(
    path: Path, schemas: dict[str, etree.XMLSchema]
) -> None:
    form = StufJeugdzorg(schemas=SCHEMAS)
    check(schemas["ucobDi01"], find_message(parse(path.read_bytes())).message)
    document = form.read_answer(path.read_bytes()).document
    written = form.write(document)
    check(schemas["ucobDi01"], etree.fromstring(written))
    assert form.read_answer(written).document == document


def test_both_messages_have_at_least_six_examples_with_goldens() -> None:
    for mapping in ("stuf_melding_generiek", "stuf_vt_melding"):
        goldens = list((ROOT / "mappings" / mapping / "examples").glob("*.golden.json"))
        assert len(goldens) >= 6
        assert all((golden.parent / golden.name.replace(".golden.json", ".xml")).is_file() for golden in goldens)


def answer_of(body: bytes) -> etree._Element:
    """The StUF message in an answer, in or out of SOAP and its fault."""
    root = etree.fromstring(body)
    return root if "Bericht" in root.tag else next(each for each in root.iter() if str(each.tag).endswith("Bericht"))


@pytest.mark.parametrize("duplicate", [False, True])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_each_answer_to_an_accepted_message_follows_the_standard(
    path: Path, duplicate: bool, schemas: dict[str, etree.XMLSchema]
) -> None:
    form = StufJeugdzorg()
    envelope = form.read(path.read_bytes())
    receipt = Receipt(
        message_id="019a8f00-0000-7000-8000-000000000001", state="routed", duplicate=duplicate, notices=()
    )
    answer = answer_of(form.accepted(envelope, receipt, now=NOW, hub_oin=OIN).body)
    check(schemas["answers"], answer)
    check(schemas["answers-vt"], answer)


@pytest.mark.parametrize(
    "refusal",
    [
        Malformed(FINDING),
        Malformed(*[FINDING] * 200),
        UnsupportedFormat(FINDING),
        Conflict(FINDING),
        Forbidden(),
        Unacceptable(),
        Throttled(),
    ],
    ids=lambda refusal: refusal.slug,
)
@pytest.mark.parametrize("name", ["zoetermeer", "mda-delft"])
def test_each_fault_follows_the_standard(name: str, refusal: Refusal, schemas: dict[str, etree.XMLSchema]) -> None:
    body = (ROOT / "mappings/stuf_melding_generiek/examples" / f"{name}.xml").read_bytes()
    reply = StufJeugdzorg().refused(refusal, body, now=NOW, hub_oin=OIN, accept="text/xml")
    assert reply is not None
    check(schemas["answers"], answer_of(reply.body))
    check(schemas["answers-vt"], answer_of(reply.body))


def test_with_the_schemas_what_they_refuse_is_refused_by_element_line_and_rule(
    schemas: dict[str, etree.XMLSchema],
) -> None:
    body = (ROOT / "mappings/stuf_melding_generiek/examples/zoetermeer.xml").read_bytes()
    broken = body.replace(b"<ZKN:hoedanigheid>002", b"<ZKN:hoedanigheid>geheim")
    StufJeugdzorg().read(broken)  # without the schemas a code is the codebook's business
    strict = formats(stuf_schemas=SCHEMAS)["stuf-jz"]
    assert strict.read(body).message_reference == "VT-2026-004512"
    with pytest.raises(Malformed) as caught:
        strict.read(broken)
    finding = caught.value.findings[0]
    assert finding.place.startswith("hoedanigheid, line ")
    assert finding.rule == "xsd-cvc-enumeration-valid"
    assert "geheim" not in repr(caught.value.findings)


def test_an_element_that_the_standard_does_not_have_is_not_named(schemas: dict[str, etree.XMLSchema]) -> None:
    body = (ROOT / "mappings/stuf_melding_generiek/examples/zoetermeer.xml").read_bytes()
    strange = body.replace(b"<JZ:soortmeldingCode>", b"<JZ:Jansen>x</JZ:Jansen><JZ:soortmeldingCode>")
    with pytest.raises(Malformed) as caught:
        StufJeugdzorg(schemas=SCHEMAS).read(strange)
    assert caught.value.findings[0].place.startswith("element, line ")
    assert "Jansen" not in repr(caught.value.findings)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_with_the_schemas_all_examples_are_read(path: Path, schemas: dict[str, etree.XMLSchema]) -> None:
    body = path.read_bytes()
    assert StufJeugdzorg(schemas=SCHEMAS).read(body) == StufJeugdzorg().read(body)


def test_a_folder_without_schemas_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        StufJeugdzorg(schemas=tmp_path)
    assert caught.value.findings[0].rule == "stuf-schemas"
