# SPDX-License-Identifier: EUPL-1.2
"""JSON Patch and merge patch: the examples of the standards, and refusals without values."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.formats.json_patch import json_patch, merge_patch
from schakel.errors import Conflict, Malformed


@pytest.mark.parametrize(
    ("document", "patch", "made"),
    [  # RFC 6902, appendix A
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "q"}], {"foo": ["bar", "q", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "q", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"a": [1, 2, 3]}, [{"op": "replace", "path": "/a/1", "value": 9}], {"a": [1, 9, 3]}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        ({"a": [1, 2, 3, 4]}, [{"op": "move", "from": "/a/1", "path": "/a/3"}], {"a": [1, 3, 4, 2]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["a"]}], {"foo": ["bar", ["a"]]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": [1]}], [1]),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
    ],
)
def test_what_the_standard_shows(document: Any, patch: Any, made: Any) -> None:
    assert json_patch(document, patch) == made


@pytest.mark.parametrize(
    "patch",
    [
        {"op": "add"},
        ["x"],
        [{"op": "zap", "path": "/a"}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "remove", "path": "/b"}],
        [{"op": "add", "path": "/b/c", "value": 1}],
        [{"op": "add", "path": "/list/9", "value": 1}],
        [{"op": "add", "path": "/list/01", "value": 1}],
        [{"op": "remove", "path": "/list/-"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": 7, "value": 1}],
        [{"op": "move", "from": "/o", "path": "/o/p"}],
        [{"op": "test", "path": "/a", "value": 1}] * 101,
    ],
)
def test_what_is_no_patch_is_refused(patch: Any) -> None:
    with pytest.raises(Malformed):
        json_patch({"a": 1, "list": [1], "o": {}}, patch)


@pytest.mark.parametrize("value", [2, True, "1", None, [1]])
def test_a_test_compares_as_json(value: Any) -> None:
    with pytest.raises(Conflict):
        json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": value}])
    assert json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 1}]) == {"a": 1}


@pytest.mark.parametrize(
    ("target", "patch", "made"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_shows(target: Any, patch: Any, made: Any) -> None:
    assert merge_patch(target, patch) == made


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"])},
        optional={"path": st.sampled_from(["", "/", "/a", "/a/0", "/a/-", "b"]) | _json, "value": _json, "from": _json},
    ),
    max_size=4,
)


_CHAIN: Any = {}
for _ in range(55):
    _CHAIN = {"a": _CHAIN}


@pytest.mark.parametrize(
    ("rule", "patch"),
    [
        ("size", [{"op": "copy", "from": "", "path": f"/k{n}"} for n in range(40)]),
        ("size", [{"op": "copy", "from": "/text", "path": "/many/-"}] * 40),
        (
            "size",
            [{"op": "move", "from": place, "path": other} for place, other in [("/many", "/b"), ("/b", "/many")] * 9],
        ),
        ("depth", [{"op": "add", "path": "/a", "value": _CHAIN}, {"op": "copy", "from": "/a", "path": "/a" * 50}]),
        ("depth", [{"op": "add", "path": "/a", "value": _CHAIN}] + [{"op": "copy", "from": "", "path": "/a" * 9}] * 90),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1]["op"],
)
def test_a_short_patch_makes_nothing_large_or_deep(rule: str, patch: list[Any]) -> None:
    began = time.process_time()
    with pytest.raises(Malformed) as caught:
        json_patch({"text": "t" * 100_000, "many": [1] * 10_000}, patch)
    assert caught.value.findings[0].rule == f"json-patch: {rule}"
    assert time.process_time() - began < 2


@settings(deadline=None)
@given(document=_json, operations=_operations)
def test_any_patch_changes_a_copy_or_is_refused(document: Any, operations: Any) -> None:
    before = repr(document)
    with contextlib.suppress(Malformed, Conflict):
        json_patch(document, operations)
    assert repr(document) == before
