# SPDX-License-Identifier: EUPL-1.2
"""What documents look like by their first bytes: foreign ones by name, our own as what reads them, always bounded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings
from connectors.formats import formats
from connectors.formats.foreign import HEAD, TABLE, looks_like
from mappings.codebook import CodebookShelf
from mappings.engine import load_mapping, mapping_folders
from schakel.errors import Conflict, Finding, Malformed, UnsupportedFormat
from schakel.likeness import Likeness, Wanted
from tests.support.foreign import DOCUMENTS

EXAMPLES = Path(mappings.__file__).parent


def own() -> list[tuple[str, Path]]:
    """Each example that comes in, with the format that its mapping names; broken ones look like what they are too."""
    shelf = CodebookShelf.load()
    found = []
    for folder in mapping_folders():
        mapping = load_mapping(folder, shelf)
        if mapping.reads_kind is None:
            kinds = {"fhir-json": {".json": "fhir-json", ".xml": "fhir-xml"}}.get(mapping.format, {})
            examples = [path for path in (folder / "examples").iterdir() if ".golden." not in path.name]
            found += [(kinds.get(path.suffix, mapping.format), path) for path in sorted(examples)]
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_foreign_document_is_called_by_its_name(name: str) -> None:
    document = DOCUMENTS[name]
    seen = looks_like(document.body)
    assert (seen.nl, seen.en) == (document.nl, document.en)


@pytest.mark.parametrize(("format", "path"), own(), ids=lambda value: getattr(value, "stem", str(value)))
def test_our_own_documents_look_like_what_reads_them(format: str, path: Path) -> None:
    seen = looks_like(path.read_bytes())
    assert format in seen.read_by, seen
    assert "STU3" not in seen.en
    assert ("R5" in seen.en) == (path.stem == "looks-like-r5")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_of_the_encoding_hides_nothing(encoding: str) -> None:
    text = DOCUMENTS["iwmo"].body.decode()
    assert looks_like(text.encode(encoding)).en == "iWmo"


@given(st.binary(max_size=HEAD) | st.text(max_size=HEAD // 2).map(str.encode))
def test_anything_looks_like_something(body: bytes) -> None:
    seen = looks_like(body)
    assert (seen.nl, seen.en) in {(row.nl, row.en) for row in TABLE}


@pytest.mark.parametrize(
    "unit", [b'"resourceType":"A"', b"<!-- ", b'{"a":', b" ", b";", b"from: ", b"--a\n", b"<code>"]
)
@pytest.mark.parametrize("start", [b"", b"{", b"<", b"["])
def test_only_the_first_bytes_are_looked_at_and_quickly(unit: bytes, start: bytes) -> None:
    body = start + unit * 2_000_000
    began = time.perf_counter()
    seen = looks_like(body)
    assert time.perf_counter() - began < 0.5
    assert seen == looks_like(body[:HEAD])


class Json:
    name = "thv-json"
    media_types = ("application/json",)


def like(*read_by: str) -> Likeness:
    return Likeness("een ding", "a thing", read_by)


def test_a_refusal_keeps_its_reason_and_its_status_and_says_what_was_expected() -> None:
    reason = Finding("line 1", "json", "Geen JSON.", "Not JSON.")
    told = Wanted((Json(),)).explain(Malformed(reason), b"x", lambda _: like(), tried="thv-json")
    assert isinstance(told, Malformed)
    assert (told.status, told.findings[0]) == (400, reason)
    nl, en = told.findings[1].nl, told.findings[1].en
    assert nl == "Verwacht van deze partner: thv-json (application/json). Dit lijkt op: een ding."
    assert en == "Expected of this partner: thv-json (application/json). This looks like: a thing."


def test_a_broken_document_of_the_right_kind_is_told_what_is_broken_and_no_more() -> None:
    wanted = Wanted((Json(),))
    for refusal in (Malformed(status=413), Conflict()):
        assert wanted.explain(refusal, b"", lambda _: like(), tried="thv-json") is refusal
    broken = Malformed()
    assert wanted.explain(broken, b"", lambda _: like("thv-json", "fhir-json"), tried="thv-json") is broken
    assert wanted.explain(broken, b"", lambda _: like("fhir-json"), tried="thv-json").findings


def test_every_format_has_documents_that_look_like_its_own() -> None:
    assert set(formats()) <= {name for row in TABLE for name in row.read_by}


def test_nothing_is_said_twice() -> None:
    wanted = Wanted((), plain=("answer@1", "application/json"), as_answer=True)
    once = wanted.explain(UnsupportedFormat(), b"", looks_like)
    assert wanted.explain(once, b"", looks_like) is once
    assert len(once.findings) == 1
