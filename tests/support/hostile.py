# SPDX-License-Identifier: EUPL-1.2
"""Makes hostile bytes of good ones: flipped, cut, repeated, nested, with values that no schema thought of.

A mutation is a function of the bytes and a random generator, so that a seed says which it was. Structural ones (JSON,
XML) keep a document readable and get further in; the others do not care what they damage.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from lxml import etree

import mappings
from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mapping, mapping_folders

Mutation = Callable[[bytes, Random], bytes]
CANARY: Final = "Kanariestraat-7731"
LARGEST: Final = 1_048_576  # bytes; as large as the door takes
_SMALL: Final = 30_000  # bytes; what is larger is not multiplied

_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**53, -(10**17), 1e308, 0.1, "", " ", "0", "-", CANARY, CANARY * 2_000,
    "é", "\u202e\U0001f600", "\ufeff", "\ufffe", "\ud800", "\0", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
    "2026-02-30", "2026-02-30T10:00:00Z", "0000-00-00", "20260000", "99999999", "24:00", "2026", "999990019",
    "000000000", "999999999", "0518", "1e999", "NaN", "$", "$$", "{}", "[]", "<a/>", "&amp;", "]]>", "'\"\\", "a" * 300,
    [], {}, [[]], [None], [{}], {"": ""}, {"a": {"a": {}}}, {"resourceType": "Bundle"}, {"resourceType": "Patient"},
    {"reference": "#"}, {"reference": "Patient/p"}, {"value": "x", "system": "y"}, [1, "a", None, [], {}],
)  # fmt: skip
_TEXTS: Final = tuple(each for each in _VALUES if isinstance(each, str) and "\0" not in each and each != "\ud800")


# -- good ones to begin with -------------------------------------------------------------------------------------------


def examples(*, answers: bool) -> dict[str, list[bytes]]:
    """Of every format the documents that come in, by the name of the format; FHIR in either syntax."""
    shelf = CodebookShelf.load()
    found: dict[str, list[bytes]] = {}
    for mapping in (load_mapping(folder, shelf) for folder in mapping_folders()):
        if mapping.reads_kind is None and (mapping.writes == "answer@1") == answers:
            for path in _sources(mapping):
                name = "fhir-xml" if mapping.format == "fhir-json" and path.suffix == ".xml" else mapping.format
                found.setdefault(name, []).append(path.read_bytes())
    for body in found.get("fhir-json", []):
        found.setdefault("fhir-xml", []).extend(_as_xml(body))
    return found


def _sources(mapping: CompiledMapping) -> list[Path]:
    folder = Path(mappings.__file__).parent / mapping.folder.name / "examples"
    return [path for path in sorted(folder.iterdir()) if ".golden." not in path.name]


def _as_xml(body: bytes) -> Iterator[bytes]:
    from connectors.formats.fhir_xml_convert import to_xml

    document = json.loads(body)
    try:
        yield to_xml(document)
    except (KeyError, TypeError, ValueError):
        return  # an example that R4 XML cannot say


# -- bytes -------------------------------------------------------------------------------------------------------------


def flip(body: bytes, chance: Random) -> bytes:
    made = bytearray(body or b"\0")
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made)


def cut(body: bytes, chance: Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def cut_out(body: bytes, chance: Random) -> bytes:
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    return body[:start] + body[end:]


def repeat(body: bytes, chance: Random) -> bytes:
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    part = body[start:end][:200]
    return body[:end] + part * chance.choice((1, 2, 500)) + body[end:]


def insert(body: bytes, chance: Random) -> bytes:
    """Something that parsers differ about, anywhere."""
    at = chance.randrange(len(body) + 1)
    return body[:at] + chance.choice(_PIECES) + body[at:]


_PIECES: Final = (
    b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"NaN", b"Infinity", b"1e999", b"-",
    b"9" * 400, b'"', b"'", b"\\u0000", b"\\ud800", b"\\", b"{", b"}", b"[", b"]", b"<", b">", b"<!--", b"-->",
    b"<![CDATA[", b"]]>", b"&x;", b"&#0;", b"&#x110000;", b"<?x ?>", b";", b"\t", b",", b"\r", b"\n", b'";"', b"=1+1",
    b"\x1b", b"\x0b", b"\x85", b"\xe2\x80\xa8",
)  # fmt: skip


def big_number(body: bytes, chance: Random) -> bytes:
    """One of the numbers, thousands of digits long."""
    places = list(re.finditer(rb"[0-9]+", body))
    if not places:
        return body
    place = chance.choice(places)
    digits = chance.choice((b"9" * 5_000, b"1" + b"0" * 309, b"9007199254740993", b"-0", b"1e400", b"0.1e-400", b"00"))
    return body[: place.start()] + digits + body[place.end() :]


def entity_bomb(body: bytes, chance: Random) -> bytes:
    """A document type with entities in each other, and a use of the outermost."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    outside = '<!ENTITY x SYSTEM "file:///etc/passwd">'
    bomb = f'<!DOCTYPE b [<!ENTITY e0 "ha">{levels}{outside}]>'.encode()
    start = re.search(rb"<(?![?!])", body)
    at = start.start() if start else 0
    use = chance.choice((b"&e11;", b"&x;", b""))
    return body[:at] + bomb + body[at:].replace(b"><", b">" + use + b"<", 1)


def deep(body: bytes, chance: Random) -> bytes:
    """In thousands of layers."""
    depth = chance.choice((65, 1_000, 20_000))
    opened, closed = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b'"', b'"')))
    return opened * depth + body + closed * chance.choice((depth, 0))


# -- structure ---------------------------------------------------------------------------------------------------------


def json_value(body: bytes, chance: Random) -> bytes:
    """A readable JSON document with a few places changed: another value or kind, a key more, twice or gone."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return flip(body, chance)
    times = chance.choice((1, 2, 100)) if len(body) < _SMALL else 1
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        holders = list(_holders(document))
        if not holders:
            break
        _change(chance.choice(holders), document, chance, times)
        times = 1  # what has grown once would grow a hundredfold again
    return json.dumps(document, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _holders(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict | list):
            if each:
                yield each
            stack.extend(each.values() if isinstance(each, dict) else each)


def _change(holder: Any, document: Any, chance: Random, times: int) -> None:
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = [holder[key]] * times
    elif kind == 2:
        holder[key] = {chance.choice(("a", "value", "reference", "$", CANARY)): holder[key]}
    elif kind == 3 and isinstance(holder, dict):
        holder[chance.choice((CANARY, "", f"_{key}", f"{key}x", "contained", "extension", "__proto__"))] = holder[key]
    elif kind == 4:
        holder[key] = copy.deepcopy(chance.choice(list(_holders(document))))
    elif kind == 5 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder) * times)
    else:
        holder[key] = copy.deepcopy(chance.choice(_VALUES))


def xml_element(body: bytes, chance: Random) -> bytes:
    """A readable XML document with a few elements gone, repeated, moved, wrapped, emptied or renamed."""
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return flip(body, chance)
    times = chance.choice((1, 2, 50)) if len(body) < _SMALL else 1
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        elements = [each for each in root.iter() if isinstance(each.tag, str)]
        _alter(chance.choice(elements), elements, chance, times)
        times = 1
    return etree.tostring(root, xml_declaration=chance.random() < 0.5, encoding="UTF-8")


def _alter(element: Any, elements: list[Any], chance: Random, times: int) -> None:
    parent, kind = element.getparent(), chance.randrange(9)
    text = chance.choice([each for each in _TEXTS if each.isprintable()])
    if kind == 0 and parent is not None:
        parent.remove(element)
    elif kind == 1 and parent is not None:
        parent.extend([copy.deepcopy(element) for _ in range(times)])
    elif kind == 2:
        chance.choice(elements).append(copy.deepcopy(element) if len(element) < 50 else etree.Element("a"))
    elif kind == 3:
        for _ in range(chance.choice((1, 70))):
            wrapped = etree.SubElement(element, element.tag)
            element = wrapped
    elif kind == 4 and element.attrib:
        element.set(chance.choice(list(element.attrib)), text)
    elif kind == 5:
        element.set("{http://www.w3.org/2001/XMLSchema-instance}nil", chance.choice(("true", "1", "x")))
    elif kind == 6:
        element.tag = chance.choice((*(each.tag for each in elements), "a", "{urn:x}a"))
    elif kind == 7:
        element.tail = text
    else:
        element.text = text


def table_cell(body: bytes, chance: Random) -> bytes:
    """A cell of a CSV file with something else in it, or a column more or twice."""
    lines = body.split(b"\r\n") if b"\r\n" in body else body.split(b"\n")
    at = chance.randrange(len(lines))
    cells = lines[at].split(b";")
    value = str(chance.choice([each for each in _VALUES if not isinstance(each, dict | list)]))
    place = chance.randrange(len(cells))
    cells[place] = chance.choice((value.encode("utf-8", "replace"), cells[place] * 2, b'"' + cells[place], b'"";""'))
    if chance.random() < 0.2:
        cells.extend(cells)
    lines[at] = b";".join(cells)
    return b"\r\n".join(lines * (chance.choice((1, 1, 1, 50)) if len(body) < _SMALL else 1))


BYTES: Final[tuple[Mutation, ...]] = (
    flip, cut, cut_out, repeat, insert, big_number, entity_bomb, deep,
)  # fmt: skip
STRUCTURE: Final[Mapping[str, Mutation]] = {"{": json_value, "[": json_value, "<": xml_element}


def mutated(body: bytes, seed: int) -> bytes:
    """`body` after one or a few mutations; the same seed gives the same bytes. Never larger than the door takes."""
    chance = Random(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        structure = STRUCTURE.get(body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1].decode("latin-1"), table_cell)
        mutation = structure if chance.random() < 0.6 else chance.choice(BYTES)
        body = mutation(body, chance)[:LARGEST]
    return body
