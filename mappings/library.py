# SPDX-License-Identifier: EUPL-1.2
"""All mappings and codebooks of a region: those that come along, with the region's and the overlay's own beside them.

::

    <region or overlay>/codebooks/<name>.yaml      adds codes to the book of that name, or is a new one
    <region or overlay>/mappings/<name>/           takes the place of the mapping of that name, or is a new one

So an unknown code is mended, and a source gets a mapping of its own, without touching the product (law 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mappings.codebook import CodebookShelf
from mappings.engine import CompiledMapping, load_mappings


def load_library(own: Iterable[Path] = ()) -> dict[str, CompiledMapping]:
    """By name; of `own` folders the later ones go before the earlier. Raises ConfigurationError with all faults."""
    folders = tuple(own)
    shelf = shelf_of(folders)
    loaded = load_mappings(codebooks=shelf)
    for folder in folders:
        loaded |= load_mappings(folder / "mappings", codebooks=shelf)
    return loaded


def shelf_of(own: Iterable[Path] = ()) -> CodebookShelf:
    """The codebooks that come along, with the folders' own. Raises ConfigurationError."""
    shelf = CodebookShelf.load()
    for folder in own:
        shelf = shelf.with_own(folder / "codebooks")
    return shelf
