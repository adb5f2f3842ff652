# SPDX-License-Identifier: EUPL-1.2
"""The formats and their register: the documents that sources send and recipients read. One line per format."""

from __future__ import annotations

from pathlib import Path

from schakel.ports import Format


def formats(*, stuf_schemas: Path | None = None, validate_fhir: bool = True) -> dict[str, Format]:
    """Every format by name, in the order in which they are asked whether they recognise a body.

    `stuf_schemas`: a folder with the XSDs of StUF-Jeugdzorg; then what comes in as StUF is checked with them too.
    `validate_fhir`: inbound bundles are checked against the R4B models; our own invariants always hold.
    """
    from connectors.formats.case_json import CaseJson
    from connectors.formats.fhir_json import FhirJson
    from connectors.formats.fhir_xml import FhirXml
    from connectors.formats.stuf_jz import StufJeugdzorg
    from connectors.formats.thv_csv import ThvCsv
    from connectors.formats.thv_json import ThvJson

    register: tuple[Format, ...] = (
        FhirJson(validate=validate_fhir),
        FhirXml(validate=validate_fhir),
        ThvJson(),
        ThvCsv(),
        CaseJson(),
        StufJeugdzorg(schemas=stuf_schemas),
    )
    return {each.name: each for each in register}
