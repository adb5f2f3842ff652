# SPDX-License-Identifier: EUPL-1.2
"""Check a message with the standard's own XSDs, where an operator has them; says element, line and error type only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lxml import etree

from schakel.errors import ConfigurationError, Finding

_ENTRY_POINTS: Final = {
    "meldingGeneriekDi01": "gm/jz0100_msg_gmberichten_resolved2025.xsd",
    "uitkomstMeldingGeneriekDi01": "gm/jz0100_msg_gmberichten_resolved2025.xsd",
    "vtMeldingDi01": "vt/jz0100_msg_vtberichten_resolved2025.xsd",
    "ucobDi01": "vv/jz0100_msg_vvberichten_resolved2025.xsd",
}
_ELEMENT: Final = re.compile(r"^Element '(?:\{[^}']*\})?([A-Za-z0-9._-]{1,80})'")
_MOST: Final = 20
_XS: Final = "{http://www.w3.org/2001/XMLSchema}"


class XsdCheck:
    """The compiled schemas. Not safe to share between threads without a lock: lxml keeps errors in the schema."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError when a schema is missing or does not compile."""
        self._schemas: dict[str, etree.XMLSchema] = {}
        self._names: set[str] = set()  # that the standard has; any other element is the sender's own text
        parser = etree.XMLParser(no_network=True, resolve_entities=False)
        for message, entry in _ENTRY_POINTS.items():
            try:
                self._schemas[message] = etree.XMLSchema(etree.parse(str(folder / entry), parser))
                for file in (folder / entry).parent.glob("*.xsd"):
                    names = etree.parse(str(file), parser).getroot().iter(f"{_XS}element")
                    self._names |= {name for each in names if (name := each.get("name"))}
            except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError):
                text = "cannot be read as an XML schema"
                raise ConfigurationError(Finding(entry, "stuf-schemas", "is geen leesbaar schema", text)) from None

    def findings(self, message: etree._Element, kind: str) -> tuple[Finding, ...]:
        """What the schema has against it; lxml's own texts quote values and are not passed on."""
        schema = self._schemas[kind]
        if schema.validate(message):
            return ()
        found = []
        for error in list(schema.error_log)[:_MOST]:  # type: ignore[call-overload]  # iterable, the stubs say not
            name = _ELEMENT.match(error.message)
            place = f"{name[1] if name and name[1] in self._names else 'element'}, line {error.line}"
            rule = "xsd-" + error.type_name.removeprefix("SCHEMAV_").lower().replace("_", "-")
            found.append(Finding(place, rule, "Voldoet niet aan het schema.", "Does not follow the schema."))
        return tuple(found)
