# SPDX-License-Identifier: EUPL-1.2
"""Checks JSON documents against a schema: a compiled validator says whether they fit, `jsonschema` where they do not.

Nearly every document fits, and that is known in a hundredth of the time. The compiled one is never believed when it
refuses: what `jsonschema` takes is taken. That it takes nothing which `jsonschema` refuses, a test tries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jsonschema_rs
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


class SchemaCheck:
    """One schema. It is compiled for its first document, in at most a fiftieth of a second: most processes see none of
    its kind, and that of FHIR is a tenth of all that they would hold."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def fits(self, document: Any) -> bool:
        """True: it fits. False: nothing is known yet."""
        quick = self._quick  # one that cannot be compiled is a fault of ours, and no finding about a document
        try:
            return quick.is_valid(document)
        except (TypeError, ValueError):  # no JSON value in its eyes
            return False

    def errors(self, document: Any) -> Iterable[ValidationError]:
        """Where the document does not fit; nothing when it does."""
        return () if self.fits(document) else self._exact.iter_errors(document)

    @cached_property
    def _quick(self) -> jsonschema_rs.Draft202012Validator:
        import jsonschema_rs

        return jsonschema_rs.Draft202012Validator(dict(self._schema))

    @cached_property
    def _exact(self) -> Draft202012Validator:
        from jsonschema import Draft202012Validator  # a large library, for documents that are wrong

        return Draft202012Validator(self._schema)
