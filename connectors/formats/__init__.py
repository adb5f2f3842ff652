# SPDX-License-Identifier: EUPL-1.2
"""The formats and their register: the documents that sources send and recipients read. One line per format."""

from __future__ import annotations

from schakel.ports import Format


def formats() -> dict[str, Format]:
    """Every format by name, in the order in which they are asked whether they recognise a body."""
    from connectors.formats.case_json import CaseJson
    from connectors.formats.thv_json import ThvJson

    register: tuple[Format, ...] = (
        ThvJson(),
        CaseJson(),
    )
    return {each.name: each for each in register}
