# SPDX-License-Identifier: EUPL-1.2
"""Loads the door's framework without what it prepares for a document that is seldom asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel


@contextmanager
def models_when_used() -> Iterator[None]:
    """Models of pydantic that are defined within are compiled at their first use.

    FastAPI defines those of an OpenAPI document when it is loaded, which is a twentieth of a start. They inherit the
    setting from `BaseModel`; should they cease to, then they are compiled at once and nothing else changes."""
    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
