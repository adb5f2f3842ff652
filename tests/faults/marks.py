# SPDX-License-Identifier: EUPL-1.2
"""Which faults the tests are marked with, read from their text: `pytest.mark.fault("name in words")`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]


def marked_faults(tests: Path = TESTS) -> frozenset[str]:
    return frozenset(name for path in sorted(tests.rglob("test_*.py")) for name in _names(path))


def _names(path: Path) -> Iterator[str]:
    """Raises ValueError when a name is not written out: nobody could find it in the table."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
            if ast.unparse(node.func) != "pytest.mark.fault":
                continue
            if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant):
                raise ValueError(f"{path.name}:{node.lineno}: a fault's name is one text, written out")
            yield str(node.args[0].value)
